"""Every proposed order of a run as one page: searchable, by money at stake; it asks no host."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pandas as pd

from workbench.contracts import columns as c
from workbench.contracts.printable import counted, one_line
from workbench.contracts.units import unit_name
from workbench.dashboards import theme
from workbench.dashboards.report_html import POLICY, page_template
from workbench.resources import resource

PAGE: Final = "orders.html"


@dataclass(frozen=True)
class OrderRow:
    """One proposed order as the page shows it; all as text for people.

    Attributes:
        find: What a search looks in, in lower case.
        act: The reason with the arithmetic; `reasons` are the others.
    """

    name: str
    item: str
    site: str
    supplier: str
    due: str
    quantity: str
    before: str
    stake: str
    act: str
    reasons: tuple[str, ...]
    id: str
    find: str


def orders_html(
    proposals: pd.DataFrame,
    names: "pd.Series[Any]",
    *,
    as_of: date,
    run_id: str,
    simulated: bool,
) -> str:
    """The page.

    Args:
        proposals: Rows of `proposals` with their ids; those of quantity 0 are counted only.
        names: Description by item_id.
        as_of: Business date of the run.
        run_id: Of the run.
        simulated: Whether they rest on simulated data.
    """
    orders = proposals[proposals[c.PROPOSED] > 0].sort_values(
        [c.MONEY_AT_STAKE, c.PROPOSED], ascending=False, kind="stable"
    )
    known = names.to_dict()
    rows = [_row(row, known) for row in orders.to_dict("records")]
    styles = ("page.css", "orders.css")
    return str(
        page_template("orders.html.j2").render(
            title=f"{counted(len(rows), 'order')} proposed for the next review",
            css="".join(
                resource(f"dashboards/templates/{one}").read_text("utf-8") for one in styles
            ),
            policy=POLICY,
            as_of=as_of.isoformat(),
            run_id=run_id,
            simulated=simulated,
            rows=rows,
            total=f"{len(proposals):,}",
        )
    )


def _row(row: Mapping[Any, Any], names: Mapping[Any, Any]) -> OrderRow:
    item, site, supplier = (str(row[name]) for name in (c.ITEM_ID, c.LOCATION_ID, c.SUPPLIER_ID))
    given = row[c.REASONS]
    reasons = [one_line(str(r)) for r in (json.loads(given) if isinstance(given, str) else given)]
    name = " ".join(one_line(str(names.get(item, item))).split())
    unit = str(row[c.UNIT])
    proposed, before = float(row[c.PROPOSED]), float(row[c.BEFORE])
    return OrderRow(
        name=name,
        item=one_line(item),
        site=one_line(site),
        supplier=one_line(supplier),
        due=f"{pd.Timestamp(row[c.DUE_DATE]):%Y-%m-%d}",
        quantity=f"{_amount(proposed)} {unit_name(unit, proposed)}",
        before=_amount(before),
        stake=theme.money(float(row[c.MONEY_AT_STAKE]), str(row[c.CURRENCY])),
        act=reasons[-1] if reasons else "",
        reasons=tuple(reasons[:-1]),
        id=str(row[c.PROPOSAL_ID]),
        find=" ".join([name, item, site, supplier, str(row[c.PROPOSAL_ID])]).lower(),
    )


def _amount(value: float) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".")
