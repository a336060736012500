"""The page of proposed orders: what it lists, in which order, and that it shows text as text."""

import re
from datetime import date

import pandas as pd

from workbench.dashboards.order_list import orders_html

NAMES = pd.Series({"item-0": "Pear juice", "item-1": "<b>Tea</b>", "item-2": "Coffee"})


def _page(simulated, stakes=(5.0, 70.0, 30.0), proposed=None):
    rows = simulated.proposal_rows(list(stakes))
    rows = rows if proposed is None else rows.assign(proposed=proposed)
    day = date(2024, 1, 21)
    return orders_html(rows, NAMES, as_of=day, run_id="r1", simulated=True)


def _ids(page):
    return re.findall(r"<code>(p\d)</code>", page)


def test_lists_every_order_by_money_at_stake_with_name_quantity_and_money(simulated):
    page = _page(simulated)
    assert _ids(page) == ["p1", "p2", "p0"]
    assert "3 orders proposed for the next review" in page
    for text in ("Pear juice", "24 pieces", "$ 70", "from S1, due 2024-01-25", "Simulated"):
        assert text in page


def test_proposals_of_nothing_are_counted_and_left_out(simulated):
    page = _page(simulated, proposed=[0.0, 1.0, 0.0])
    assert _ids(page) == ["p1"]
    assert "1 order proposed" in page
    assert "1 piece<" in page
    assert "all 3 are in tables/proposals.csv" in page


def test_without_orders_says_that_all_is_covered(simulated):
    page = _page(simulated, proposed=0.0)
    assert "No order is proposed" in page
    assert "<table" not in page


def test_what_items_are_called_is_shown_as_written_and_found(simulated):
    page = _page(simulated)
    assert "&lt;b&gt;Tea&lt;/b&gt;" in page
    assert "<b>Tea" not in page
    assert 'data-find="&lt;b&gt;tea&lt;/b&gt; item-1 dc1 s1 p1"' in page
