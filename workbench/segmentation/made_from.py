"""Which columns the `segments` table is made from (`segment.py`)."""

from typing import Final

from workbench.contracts.made_from import (
    MadeFrom,
    aggregated,
    chosen,
    filtered,
    grouped,
    identity,
    joined,
)

# Which location stands for all stores of an item.
_CENTRE: Final = chosen("locations.kind locations.location_id")
_SERIES: Final = _CENTRE + grouped("sales.item_id sales.location_id sales.date")
_PLANNED: Final = filtered("sales.quantity items.is_demand") + joined("items.item_id")
_DEMAND: Final = aggregated("sales.quantity") + _SERIES
_REVENUE: Final = aggregated("sales.revenue") + _SERIES
_VALUE_CLASS: Final = _REVENUE + _PLANNED  # a share of what all planned series earn
_BOTH: Final = _VALUE_CLASS + _DEMAND

SEGMENTS: Final = MadeFrom(
    {
        "item_id": identity("sales.item_id"),
        "location_id": identity("sales.location_id"),
        "segment": _BOTH,
        "abc": _VALUE_CLASS,
        "xyz": _DEMAND,
        "pattern": _DEMAND,
        "revenue": _REVENUE,
        "demand_mean": _DEMAND,
        "demand_cv": _DEMAND,
        "average_interval": _DEMAND,
        "policy": _BOTH,
    },
    rows=_SERIES + _PLANNED,
)
