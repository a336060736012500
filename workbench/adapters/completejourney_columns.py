"""Which columns of the Complete Journey's files the columns of the canonical tables are made from.

Stated from the SQL in `completejourney.py`, table by table; `benchmarks/column_lineage.py` changes
one column of the files at a time and looks at what differs.
"""

from collections.abc import Mapping
from typing import Final

from workbench.contracts.made_from import (
    MadeFrom,
    aggregated,
    chosen,
    filtered,
    grouped,
    identity,
    joined,
    ordered,
    transformed,
)

_DAY: Final = "transactions.transaction_timestamp"
_BASKET: Final = grouped("transactions.basket_id")
_SOLD: Final = grouped(f"transactions.product_id transactions.store_id {_DAY}")
_ARTICLE: Final = joined("products.product_id")  # whose line of the file it is
_SIZE: Final = transformed("products.package_size") + _ARTICLE
_IN_ORDER: Final = ordered("transactions.product_id")  # lines of a basket are numbered by product

ITEMS: Final = MadeFrom(
    {
        "item_id": identity("products.product_id"),
        "description": transformed(
            "products.product_type products.product_category products.department"
            " products.package_size"
        )
        + _ARTICLE,
        "category": identity("products.product_category") + _ARTICLE,
        "department": identity("products.department") + _ARTICLE,
        "brand": identity("products.brand") + _ARTICLE,
        "manufacturer": identity("products.manufacturer_id") + _ARTICLE,
        "base_uom": (),
        "pack_uom": _SIZE,
        "pack_text": identity("products.package_size") + _ARTICLE,
        "pack_size": _SIZE,
        "pack_count": _SIZE,
        "unit_cost": (),
        "unit_price": aggregated(
            "transactions.sales_value transactions.retail_disc transactions.coupon_match_disc"
            " transactions.quantity"
        )
        + joined("transactions.product_id"),
        "currency": (),
        "gtin": (),
        "shelf_life_days": (),
        "volume_m3": (),
        "weight_kg": (),
        "primary_supplier": (),
        "is_demand": transformed(
            "products.department products.product_category products.product_type"
        )
        + _ARTICLE,
    }
)
LOCATIONS: Final = MadeFrom(
    {
        "location_id": identity("transactions.store_id promotions.store_id"),
        **dict.fromkeys(("kind", "region", "latitude", "longitude"), ()),
    },
    rows=grouped("transactions.store_id promotions.store_id"),
)
CALENDAR: Final = MadeFrom(  # holidays by rule, of the years that the sales fall into
    {"date": transformed(_DAY), "event": (), "type": ()}, rows=filtered(_DAY)
)
SALES: Final = MadeFrom(
    {
        "item_id": identity("transactions.product_id"),
        "location_id": identity("transactions.store_id"),
        "date": transformed(_DAY),
        "channel": (),
        "quantity": aggregated("transactions.quantity") + _SOLD,
        "revenue": aggregated("transactions.sales_value") + _SOLD,
        "in_stock": (),
    },
    rows=_SOLD,
)
ORDERS: Final = MadeFrom(
    {
        "order_id": identity("transactions.basket_id"),
        "customer_hash": transformed("transactions.household_id", masked=True) + _BASKET,
        "channel": (),
        "ordered": aggregated(_DAY) + _BASKET,
        "promised": (),
        "date": aggregated(_DAY) + _BASKET,
    },
    rows=_BASKET,
)
ORDER_LINES: Final = MadeFrom(
    {
        "source_digest": (),
        "order_id": identity("transactions.basket_id"),
        "line": _BASKET,  # numbers from 1 on, whatever is bought
        "item_id": identity("transactions.product_id") + _BASKET,
        "location_id": identity("transactions.store_id") + _BASKET,
        "date": transformed(_DAY) + _BASKET,
        "quantity": identity("transactions.quantity") + _IN_ORDER + _BASKET,
        "price": transformed("transactions.sales_value transactions.quantity")
        + _IN_ORDER
        + _BASKET,
    },
    rows=_BASKET,
)
_PRICED: Final = grouped("transactions.product_id transactions.store_id transactions.week")
PRICES: Final = MadeFrom(
    {
        "item_id": identity("transactions.product_id"),
        "location_id": identity("transactions.store_id"),
        "valid_from": transformed("transactions.week"),
        "price": aggregated("transactions.sales_value transactions.quantity") + _PRICED,
        "currency": (),
    },
    rows=_PRICED + filtered(f"transactions.quantity {_DAY}"),  # stores that sell on enough days
)
_PROMOTED: Final = "promotions.product_id promotions.store_id promotions.week"
_PLACES: Final = "promotions.display_location promotions.mailer_location"
PROMOTIONS: Final = MadeFrom(
    {
        "item_id": identity("promotions.product_id"),
        "location_id": identity("promotions.store_id"),
        "valid_from": transformed("promotions.week"),
        "kind": chosen(_PLACES),
        "valid_to": transformed("promotions.week"),
        "detail": identity(_PLACES) + grouped(_PROMOTED),
    },
    rows=filtered(_PLACES) + grouped(_PROMOTED),
)
MADE_FROM: Final[Mapping[str, MadeFrom]] = {
    "items": ITEMS, "locations": LOCATIONS, "calendar": CALENDAR, "sales": SALES,
    "orders": ORDERS, "order_lines": ORDER_LINES, "prices": PRICES, "promotions": PROMOTIONS,
}  # fmt: skip
