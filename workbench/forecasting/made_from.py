"""Which columns forecasts, their explanations and alarms are made from.

One model learns from all series, so that every value follows from every row of what it reads.
"""

from typing import Final

from workbench.contracts.made_from import (
    MadeFrom,
    aggregated,
    chosen,
    filtered,
    grouped,
    identity,
    joined,
    transformed,
)

# Which location stands for all stores of an item: without one, stores are planned alone.
_CENTRE: Final = chosen("locations.kind")
_SERIES: Final = grouped("sales.item_id sales.location_id sales.date")
_CHOSEN: Final = filtered("sales.quantity items.is_demand") + joined("items.item_id")
_PROMOTED: Final = transformed(
    "promotions.valid_from promotions.valid_to promotions.kind"
) + joined("promotions.item_id promotions.location_id")
PANEL: Final = (
    transformed("sales.quantity sales.revenue sales.in_stock")  # days that ran out are recovered
    + _CENTRE
    + _SERIES
    + _CHOSEN
    + _PROMOTED
)
FEATURES: Final = PANEL + transformed("items.category calendar.date calendar.type")
SERIES_ROWS: Final = _CENTRE + chosen("locations.location_id") + _SERIES + _CHOSEN

FORECASTS: Final = MadeFrom(
    {
        "model": (),
        "item_id": identity("sales.item_id"),
        "location_id": identity("sales.location_id"),
        "cutoff": transformed("sales.date"),
        "horizon_start": transformed("sales.date"),
        "horizon_end": transformed("sales.date"),
        "quantile": (),
        "value": FEATURES,
        "serves": (),
    },
    rows=SERIES_ROWS,
)
# Days without demand have no row, and items are chosen by revenue: which rows there are follows
# from all that the quantities follow from.
FORECAST_PATHS: Final = MadeFrom(
    {
        "item_id": identity("sales.item_id"),
        "location_id": identity("sales.location_id"),
        "cutoff": transformed("sales.date"),
        "path": (),
        "date": transformed("sales.date"),
        "quantity": FEATURES,
    },
    rows=SERIES_ROWS + FEATURES,
)
# Explanations and alarms look at the same panel again, with what the forecast's run left.
CONTRIBUTIONS: Final = MadeFrom(
    {
        "item_id": identity("sales.item_id"),
        "location_id": identity("sales.location_id"),
        "horizon_start": transformed("sales.date"),
        "horizon_end": transformed("sales.date"),
        "driver": (),
        "contribution": FEATURES,
    },
    rows=SERIES_ROWS,
)
_ERRORS: Final = "tables/backtest_errors.parquet"
_SITES: Final = _CENTRE + chosen("locations.location_id")  # whose errors are those of the centre
_INPUTS: Final = PANEL + chosen("locations.location_id")
_RATIO: Final = aggregated(f"{_ERRORS}.absolute_error {_ERRORS}.actual {_ERRORS}.price") + grouped(
    f"{_ERRORS}.cutoff {_ERRORS}.item_id {_ERRORS}.location_id"
)
ALARMS: Final = MadeFrom(
    {
        "monitor": (),
        "scope": (),
        "window_start": transformed("sales.date"),
        "window_end": transformed("sales.date"),
        "statistic": _INPUTS + _RATIO,
        "threshold": _INPUTS,
        "raised": _INPUTS + _RATIO,
    },
    rows=filtered(f"{_ERRORS}.location_id") + _SITES + _PROMOTED,  # no kind of promotion, no row
)
