"""Which columns the tables of the digital twin are made from (`twin.py`, `twin_documents.py`).

Series are planned by the days on which they sold; terms follow from manufacturer, category and
demand; orders, stock and receipts from demand, terms and lead times, which are drawn in the order
of the series, so that what decides the series moves every drawn value.
"""

from collections.abc import Mapping
from typing import Final

from workbench.contracts.made_from import (
    MadeFrom,
    aggregated,
    filtered,
    grouped,
    identity,
    joined,
    ordered,
    transformed,
)

_SERIES: Final = grouped("sales.item_id sales.location_id sales.date")
_OF_ITEM: Final = joined("items.item_id")
PLANNED: Final = _SERIES + filtered("sales.quantity items.is_demand") + _OF_ITEM
_SUPPLIER: Final = transformed("items.manufacturer") + _OF_ITEM
_DEMAND: Final = aggregated("sales.quantity") + _SERIES
_UNIT_COST: Final = (
    aggregated("sales.revenue sales.quantity")
    + grouped("sales.item_id")
    + transformed("items.category")
    + _OF_ITEM
)
_SIMULATED: Final = _DEMAND + _SUPPLIER + filtered("items.is_demand")
_CURRENCY: Final = identity("items.currency") + _OF_ITEM

SUPPLIERS: Final = MadeFrom({"supplier_id": (), "country": ()})
SUPPLIER_ITEMS: Final = MadeFrom(
    {
        "supplier_id": _SUPPLIER,
        "item_id": identity("sales.item_id"),
        "location_id": identity("sales.location_id"),
        "lead_time_days": _SUPPLIER,
        "lead_time_sd_days": _SUPPLIER,
        "minimum_order_quantity": _DEMAND,
        "order_multiple": _DEMAND,
        "unit_cost": _UNIT_COST,
        "currency": _CURRENCY,
        "capacity": (),
    },
    rows=PLANNED,
)
LOCATIONS: Final = MadeFrom(
    {
        name: identity(f"locations.{name}")
        for name in ("location_id", "kind", "region", "latitude", "longitude")
    },
    rows=filtered("locations.location_id"),
)
STOCK: Final = MadeFrom(
    {
        "item_id": identity("sales.item_id"),
        "location_id": identity("sales.location_id"),
        "date": transformed("sales.date"),
        "on_hand": _SIMULATED,
        "on_order": _SIMULATED,
    },
    rows=PLANNED,
)
PURCHASE_ORDERS: Final = MadeFrom(
    {
        "po_id": transformed("sales.date sales.location_id") + _SUPPLIER,
        "line": ordered("sales.item_id") + _SIMULATED,
        "supplier_id": _SUPPLIER,
        "item_id": identity("sales.item_id"),
        "location_id": identity("sales.location_id"),
        "ordered": transformed("sales.date"),
        "due": transformed("sales.date") + _SUPPLIER,
        "quantity": _SIMULATED,
        "unit_cost": _UNIT_COST,
    },
    rows=PLANNED + _SUPPLIER,
)
RECEIPTS: Final = MadeFrom(
    {
        "receipt_id": _SIMULATED,
        "po_id": transformed("sales.date sales.location_id") + _SUPPLIER,
        "line": ordered("sales.item_id") + _SIMULATED,
        "received": _SIMULATED,
        "quantity": _SIMULATED,
        "rejected": (),
    },
    rows=PLANNED + _SUPPLIER,
)
COLUMNS: Final[Mapping[str, MadeFrom]] = {
    "suppliers": SUPPLIERS, "supplier_items": SUPPLIER_ITEMS, "locations": LOCATIONS,
    "stock": STOCK, "purchase_orders": PURCHASE_ORDERS, "receipts": RECEIPTS,
}  # fmt: skip
