"""Which columns the `kpis` table is made from (`finance.py`, `effect.py`)."""

from typing import Final

from workbench.contracts.made_from import (
    MadeFrom,
    aggregated,
    chosen,
    grouped,
    joined,
    transformed,
)

_SITES: Final = chosen("locations.kind locations.location_id")
_SEGMENT: Final = grouped("segments.segment") + joined(
    "segments.item_id segments.location_id scenarios.item_id"
)
_MONEY: Final = (
    aggregated(
        "scenarios.total_cost scenarios.holding_cost scenarios.ordering_cost"
        " scenarios.stockout_cost scenarios.average_stock_value scenarios.end_stock_value"
        " scenarios.demand scenarios.lost"
    )
    + transformed("scenarios.window_end")
    + grouped("scenarios.scenario scenarios.location_id scenarios.window_start")
    + _SEGMENT
    + _SITES
)

KPIS: Final = MadeFrom(
    {
        "kpi": (),
        "scope": transformed(
            "segments.segment scenarios.location_id scenarios.window_start scenarios.scenario"
        ),
        "value": _MONEY,
        "low": _MONEY,
        "high": _MONEY,
        "unit": (),
    },
    rows=grouped("segments.segment scenarios.location_id scenarios.window_start")
    + grouped("scenarios.scenario")
    + joined("segments.item_id segments.location_id scenarios.item_id")
    + _SITES,
)
