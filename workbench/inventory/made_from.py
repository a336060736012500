"""Which columns policies, scenarios and proposals are made from (`plan.py` to `propose.py`)."""

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

# Which location is the distribution centre, whose demand is that of all stores.
_CENTRE: Final = chosen("locations.kind locations.location_id")
_DEMAND: Final = (
    aggregated("sales.quantity") + grouped("sales.item_id sales.location_id sales.date") + _CENTRE
)
_TERMS: Final = joined("supplier_items.item_id supplier_items.location_id")
_FORECAST: Final = joined("forecasts.item_id forecasts.location_id")
# Reviews follow the cutoffs of the windows that begin on the next day.
_REVIEW: Final = transformed("forecasts.cutoff") + filtered("forecasts.horizon_start")
_LEAD_DAYS: Final = transformed("supplier_items.lead_time_days") + _TERMS
_UNIT_COST: Final = transformed("supplier_items.unit_cost") + _TERMS
_BATCH: Final = _DEMAND + _UNIT_COST + _REVIEW
_BALANCE: Final = _BATCH + aggregated("sales.revenue")  # lost margin against holding cost
_TARGET: Final = (
    _BALANCE + chosen("segments.policy") + joined("segments.item_id segments.location_id")
)
_WINDOW: Final = (
    transformed("forecasts.value forecasts.quantile forecasts.horizon_start forecasts.horizon_end")
    + _FORECAST
    + _REVIEW
    + _LEAD_DAYS
    + transformed("supplier_items.lead_time_sd_days")
)
_LEVEL: Final = _WINDOW + _TARGET
_CURRENCY: Final = identity("supplier_items.currency") + _TERMS
_ROWS: Final = (
    _TERMS + _FORECAST + filtered("forecasts.serves forecasts.horizon_start forecasts.horizon_end")
)
_ORDER_SIZE: Final = transformed(
    "supplier_items.minimum_order_quantity supplier_items.order_multiple"
)

POLICIES: Final = MadeFrom(
    {
        "item_id": identity("supplier_items.item_id"),
        "location_id": identity("supplier_items.location_id"),
        "rule": (),
        "parameters": _TARGET + _LEAD_DAYS,
        "reorder_point": _LEVEL,
        "order_up_to_level": _LEVEL,
        "safety_stock": _LEVEL,
        "expected_cost": _LEVEL,
        "expected_fill_rate": _LEVEL,
        "currency": _CURRENCY,
    },
    rows=_ROWS,
)

# --- simulated comparison ---------------------------------------------------------------------
_START: Final = (
    transformed("stock.on_hand purchase_orders.quantity purchase_orders.due receipts.received")
    + joined("stock.item_id stock.location_id stock.date")
    + joined("purchase_orders.item_id purchase_orders.location_id")
    + joined("purchase_orders.po_id purchase_orders.line receipts.po_id receipts.line")
    + filtered("purchase_orders.ordered")
)
_SIMULATED: Final = _BALANCE + _WINDOW + _START + _ORDER_SIZE
_PERIOD: Final = _REVIEW + transformed("sales.date")

SCENARIOS: Final = MadeFrom(
    {
        "scenario": (),
        "item_id": identity("supplier_items.item_id"),
        "location_id": identity("supplier_items.location_id"),
        "window_start": _PERIOD,
        "window_end": transformed("sales.date"),  # a review period later, at most the last day
        "demand": _DEMAND,
        **dict.fromkeys(
            ("sold", "lost", "average_on_hand", "average_stock_value", "end_stock_value", "orders",
             "holding_cost", "ordering_cost", "stockout_cost", "total_cost"),
            _SIMULATED,
        ),
        "currency": _CURRENCY,
    },
    rows=_ROWS + _PERIOD,
)  # fmt: skip

# --- proposals --------------------------------------------------------------------------------
_POSITION: Final = transformed("stock.on_hand stock.on_order") + joined(
    "stock.item_id stock.location_id stock.date"
)
# The legacy's level follows from demand and from the setting that cost least when simulated.
_LEGACY: Final = (
    _BALANCE
    + _FORECAST
    + _LEAD_DAYS
    + transformed("supplier_items.lead_time_sd_days")
    + _START
    + _POSITION
    + _ORDER_SIZE
)
_ORDER: Final = _LEVEL + _POSITION + _ORDER_SIZE
_STAKE: Final = _ORDER + _LEGACY
_DRIVERS: Final = transformed("contributions.contribution contributions.driver") + joined(
    "contributions.item_id contributions.location_id"
)

PROPOSALS: Final = MadeFrom(
    {
        "proposal_id": transformed("supplier_items.item_id supplier_items.location_id") + _REVIEW,
        "kind": (),
        "item_id": identity("supplier_items.item_id"),
        "location_id": identity("supplier_items.location_id"),
        "supplier_id": identity("supplier_items.supplier_id") + _TERMS,
        "from_location_id": transformed("supplier_items.supplier_id") + _TERMS,
        "valid_from": _REVIEW,
        "valid_to": _REVIEW,
        "order_date": _REVIEW,
        "due_date": _REVIEW + _LEAD_DAYS,
        "unit": identity("items.base_uom") + joined("items.item_id"),
        "unit_cost": identity("supplier_items.unit_cost") + _TERMS,
        "currency": _CURRENCY,
        "before": _LEGACY,
        "proposed": _ORDER,
        "interval_low": _WINDOW,
        "interval_high": _WINDOW,
        "interval_level": (),
        "money_at_stake": _STAKE,
        "reasons": _STAKE + _DRIVERS + _CURRENCY,
    },
    rows=_ROWS,
)
