"""Figures of the policy: titles tell the finding, labels stay apart."""

import numpy as np
import pandas as pd
import pytest

from workbench.contracts import columns as c
from workbench.dashboards.figures import inventory


def _totals(ours, legacy):
    parts = {c.STOCKOUT_COST: 0.2, c.HOLDING_COST: 0.5, c.ORDERING_COST: 0.3, c.TOTAL_COST: 1.0}
    frame = pd.DataFrame(
        {name: [share * ours, share * legacy] for name, share in parts.items()},
        index=["ours", "legacy"],
    )
    return frame.assign(stock_value=[900.0, 1000.0], fill_rate=[0.97, 0.96])


@pytest.mark.parametrize(("ours", "words"), [(90.0, "10.0% less than"), (120.0, "20.0% more than")])
def test_cost_title_says_less_or_more(ours, words):
    figure = inventory.cost_by_policy(_totals(ours, 100.0), currency="USD")
    assert words in figure.layout.title.text


def test_frontier_compares_at_the_stock_of_the_legacy():
    swept = pd.DataFrame(
        {"stock_value": [800.0, 1200.0, 1000.0], "fill_rate": [0.94, 0.98, 0.96]},
        index=["service_target=0.8", "service_target=0.95", "legacy_target=0.8"],
    )
    # our curve passes 0.96 at a stock of 1000, where the legacy serves 0.96
    title = inventory.frontier(swept, _totals(1, 1), currency="USD").layout.title.text
    assert "0.0 points more" in title


def test_tuning_marks_the_chosen_setting():
    tuning = pd.DataFrame({
        "group": "AX dc", "trailing_days": [28, 28, 56, 56], "service_factor": [1.0, 2.0] * 2,
        "cost": [9.0, 8.0, 7.0, 7.5], "chosen": [False, False, True, False],
    })  # fmt: skip
    figure = inventory.legacy_tuning(tuning, group="AX dc", currency="USD")
    assert "z = 1 over 56 days" in figure.layout.title.text.replace("<br>", " ")
    heights = sorted(note.y for note in figure.layout.annotations)
    assert np.diff(heights).min() > 0


def test_stake_figure_adds_up_what_it_does_not_show():
    proposals = pd.DataFrame({
        c.ITEM_ID: [str(n) for n in range(30)], c.LOCATION_ID: "DC1", c.PROPOSED: 5.0,
        c.BEFORE: 4.0, c.MONEY_AT_STAKE: np.arange(30.0),
    })  # fmt: skip
    figure = inventory.money_at_stake(proposals, pd.Series({"29": "Milk"}), currency="USD")
    assert len(figure.data[0].x) == 20
    assert "$\u00a045" in figure.layout.title.text  # 0 + 1 + ... + 9
    assert figure.layout.yaxis.ticktext[0] == "Milk · DC1"


def test_service_curve_draws_every_family_and_rings_its_least_cost():
    curve = pd.DataFrame({
        "family": ["lightgbm_counts"] * 3 + ["legacy"] * 3, "target": [0.8, 0.9, 0.99] * 2,
        "fill_rate": [0.9, 0.95, 0.99, 0.85, 0.9, 0.95], "stock_value": [10.0, 20, 30] * 2,
        "total_cost": [9.0, 7.0, 8.0, 12.0, 11.0, 10.0],
    })  # fmt: skip
    figure = inventory.service_curve(curve, finding="Less stock", days=14, currency="EUR")
    assert "Less stock" in figure.layout.title.text
    lines, rings = figure.data[::2], figure.data[1::2]
    assert [list(line.y) for line in lines] == [[90, 95, 99], [85, 90, 95]]
    assert [ring.x[0] for ring in rings] == [20, 30]
    assert {note.text for note in figure.layout.annotations} == {"LightGBM counts", "legacy"}
    assert "from 80% to 99.0%" in figure.layout.title.text
