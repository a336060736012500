"""Columns that the answers of each check follow from.

Written by `python scripts/derive_check_columns.py` from DuckDB's plan of each query; a test derives
them again. Run it after a check was added or changed.
"""

from collections.abc import Mapping
from typing import Final

# By check and by column of its answer: `table.column`, separated by spaces.
CHECK_COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "items-alike": {
        "affected": (
            "items.brand items.category items.description items.is_demand items.manufacturer "
            "items.pack_text"
        ),
        "checked": (
            "items.brand items.category items.description items.is_demand items.manufacturer "
            "items.pack_text"
        ),
    },
    "items-cost-above-price": {
        "affected": (
            "items.is_demand items.item_id items.unit_cost items.unit_price sales.item_id"
        ),
        "checked": ("items.is_demand items.item_id items.unit_cost items.unit_price sales.item_id"),
        "money": (
            "items.is_demand items.item_id items.unit_cost items.unit_price sales.item_id "
            "sales.revenue"
        ),
    },
    "items-mixed-units": {
        "affected": ("items.base_uom items.category"),
        "checked": ("items.base_uom items.category"),
    },
    "items-never-sold": {
        "affected": ("items.is_demand items.item_id sales.item_id"),
        "checked": ("items.is_demand items.item_id sales.item_id"),
    },
    "items-not-merchandise": {
        "affected": ("items.is_demand items.item_id sales.item_id"),
        "checked": ("items.item_id sales.item_id"),
        "money": ("items.is_demand items.item_id sales.item_id sales.revenue"),
    },
    "items-size-unparsed": {
        "affected": ("items.pack_text items.pack_uom"),
        "checked": ("items.pack_text"),
    },
    "items-unknown": {
        "affected": ("items.item_id sales.item_id"),
        "checked": ("items.item_id sales.item_id"),
        "money": ("items.item_id sales.item_id sales.revenue"),
    },
    "items-without-category": {
        "affected": ("items.category"),
        "checked": (""),
    },
    "items-without-cost": {
        "affected": ("items.is_demand items.item_id items.unit_cost sales.item_id"),
        "checked": ("items.is_demand items.item_id sales.item_id"),
        "money": ("items.is_demand items.item_id items.unit_cost sales.item_id sales.revenue"),
    },
    "items-without-gtin": {
        "affected": ("items.gtin items.is_demand"),
        "checked": ("items.is_demand"),
    },
    "items-without-pack-size": {
        "affected": ("items.is_demand items.pack_text items.pack_uom"),
        "checked": ("items.is_demand"),
    },
    "lines-price-outlier": {
        "affected": ("items.is_demand items.item_id order_lines.item_id order_lines.price"),
        "checked": ("items.is_demand items.item_id order_lines.item_id order_lines.price"),
        "money": (
            "items.is_demand items.item_id order_lines.item_id order_lines.price "
            "order_lines.quantity"
        ),
    },
    "lines-quantity-outlier": {
        "affected": ("items.is_demand items.item_id order_lines.item_id order_lines.quantity"),
        "checked": ("items.is_demand items.item_id order_lines.item_id order_lines.quantity"),
        "money": (
            "items.is_demand items.item_id order_lines.item_id order_lines.price "
            "order_lines.quantity"
        ),
    },
    "lines-without-order": {
        "affected": ("order_lines.order_id orders.order_id"),
        "checked": ("order_lines.order_id orders.order_id"),
        "money": ("order_lines.order_id order_lines.price order_lines.quantity orders.order_id"),
    },
    "lines-zero-quantity": {
        "affected": ("order_lines.quantity"),
        "checked": (""),
    },
    "orders-at-midnight": {
        "affected": ("orders.ordered"),
        "checked": (""),
    },
    "orders-repeated": {
        "affected": ("orders.customer_hash orders.ordered"),
        "checked": ("orders.customer_hash orders.ordered"),
    },
    "sales-given-away": {
        "affected": ("items.is_demand items.item_id sales.item_id sales.quantity sales.revenue"),
        "checked": ("items.is_demand items.item_id sales.item_id"),
        "money": (
            "items.is_demand items.item_id items.unit_price sales.item_id sales.quantity "
            "sales.revenue"
        ),
    },
    "sales-negative-revenue": {
        "affected": ("sales.revenue"),
        "checked": (""),
        "money": ("sales.revenue"),
    },
    "sales-not-in-orders": {
        "affected": (
            "order_lines.date order_lines.item_id order_lines.location_id order_lines.quantity "
            "sales.date sales.item_id sales.location_id sales.quantity"
        ),
        "checked": (
            "order_lines.date order_lines.item_id order_lines.location_id sales.date "
            "sales.item_id sales.location_id"
        ),
        "money": (
            "order_lines.date order_lines.item_id order_lines.location_id order_lines.quantity "
            "sales.date sales.item_id sales.location_id sales.quantity sales.revenue"
        ),
    },
    "sales-revenue-without-quantity": {
        "affected": ("sales.quantity sales.revenue"),
        "checked": (""),
        "money": ("sales.quantity sales.revenue"),
    },
    "sales-unknown-location": {
        "affected": ("locations.location_id sales.location_id"),
        "checked": ("locations.location_id sales.location_id"),
        "money": ("locations.location_id sales.location_id sales.revenue"),
    },
    "calendar-holes": {
        "affected": ("calendar.date calendar.type sales.date"),
        "checked": ("calendar.date calendar.type sales.date"),
        "money": ("calendar.date calendar.type sales.date sales.revenue"),
    },
    "history-short": {
        "affected": ("sales.date"),
        "checked": (""),
    },
    "history-under-two-years": {
        "affected": ("sales.date"),
        "checked": (""),
    },
    "item-locations-thin": {
        "affected": (
            "items.is_demand items.item_id sales.date sales.item_id sales.location_id "
            "sales.quantity"
        ),
        "checked": (
            "items.is_demand items.item_id sales.date sales.item_id sales.location_id "
            "sales.quantity sales.revenue"
        ),
        "money": (
            "items.is_demand items.item_id sales.date sales.item_id sales.location_id "
            "sales.quantity sales.revenue"
        ),
    },
    "items-dead": {
        "affected": ("items.is_demand items.item_id sales.date sales.item_id sales.quantity"),
        "checked": ("items.is_demand items.item_id sales.date sales.item_id sales.quantity"),
    },
    "items-long-gaps": {
        "affected": ("items.is_demand items.item_id sales.date sales.item_id sales.quantity"),
        "checked": ("items.is_demand items.item_id sales.date sales.item_id sales.quantity"),
        "money": (
            "items.is_demand items.item_id sales.date sales.item_id sales.quantity sales.revenue"
        ),
    },
    "items-short-history": {
        "affected": ("items.is_demand items.item_id sales.date sales.item_id sales.quantity"),
        "checked": ("items.is_demand items.item_id sales.date sales.item_id sales.quantity"),
        "money": (
            "items.is_demand items.item_id sales.date sales.item_id sales.quantity sales.revenue"
        ),
    },
    "locations-few-days": {
        "affected": ("sales.date sales.location_id"),
        "checked": ("sales.date sales.location_id sales.revenue"),
        "money": ("sales.date sales.location_id sales.revenue"),
    },
    "stockouts-invisible": {
        "affected": ("sales.in_stock"),
        "checked": (""),
    },
    "prices-jump": {
        "affected": (
            "items.is_demand items.item_id prices.item_id prices.location_id prices.price "
            "prices.valid_from"
        ),
        "checked": (
            "items.is_demand items.item_id prices.item_id prices.location_id prices.price "
            "prices.valid_from"
        ),
    },
    "prices-missing": {
        "affected": (
            "items.is_demand items.item_id prices.item_id prices.valid_from sales.date "
            "sales.item_id sales.quantity"
        ),
        "checked": ("items.is_demand items.item_id prices.item_id sales.item_id sales.quantity"),
        "money": (
            "items.is_demand items.item_id prices.item_id prices.valid_from sales.date "
            "sales.item_id sales.quantity sales.revenue"
        ),
    },
    "prices-mixed-currency": {
        "affected": ("prices.currency prices.item_id"),
        "checked": ("prices.currency prices.item_id"),
    },
    "prices-zero": {
        "affected": ("items.is_demand items.item_id prices.item_id prices.price"),
        "checked": ("items.is_demand items.item_id prices.item_id"),
    },
    "promotions-reversed": {
        "affected": ("promotions.valid_from promotions.valid_to"),
        "checked": (""),
    },
    "promotions-unknown": {
        "affected": (
            "items.item_id locations.location_id promotions.item_id promotions.location_id"
        ),
        "checked": (
            "items.item_id locations.location_id promotions.item_id promotions.location_id"
        ),
    },
    "promotions-without-sales": {
        "affected": ("promotions.item_id promotions.location_id sales.item_id sales.location_id"),
        "checked": ("promotions.item_id promotions.location_id sales.item_id sales.location_id"),
    },
    "receipts-before-order": {
        "affected": (
            "purchase_orders.line purchase_orders.ordered purchase_orders.po_id receipts.line "
            "receipts.po_id receipts.received"
        ),
        "checked": (
            "purchase_orders.line purchase_orders.po_id receipts.line receipts.po_id "
            "receipts.received"
        ),
    },
    "receipts-never": {
        "affected": (
            "purchase_orders.due purchase_orders.line purchase_orders.po_id receipts.line "
            "receipts.po_id receipts.received"
        ),
        "checked": (
            "purchase_orders.due purchase_orders.line purchase_orders.po_id receipts.line "
            "receipts.po_id receipts.received"
        ),
        "money": (
            "purchase_orders.due purchase_orders.line purchase_orders.po_id "
            "purchase_orders.quantity purchase_orders.unit_cost receipts.line receipts.po_id "
            "receipts.received"
        ),
    },
    "receipts-over": {
        "affected": (
            "purchase_orders.line purchase_orders.po_id purchase_orders.quantity receipts.line "
            "receipts.po_id receipts.quantity"
        ),
        "checked": ("purchase_orders.line purchase_orders.po_id receipts.line receipts.po_id"),
        "money": (
            "purchase_orders.line purchase_orders.po_id purchase_orders.quantity "
            "purchase_orders.unit_cost receipts.line receipts.po_id receipts.quantity"
        ),
    },
    "receipts-without-order": {
        "affected": ("purchase_orders.line purchase_orders.po_id receipts.line receipts.po_id"),
        "checked": ("purchase_orders.line purchase_orders.po_id receipts.line receipts.po_id"),
    },
    "stock-gaps": {
        "affected": ("stock.date stock.item_id stock.location_id"),
        "checked": ("stock.item_id stock.location_id"),
    },
    "stock-negative": {
        "affected": ("stock.on_hand"),
        "checked": (""),
    },
    "stock-of-unknown-items": {
        "affected": ("items.item_id stock.item_id"),
        "checked": ("items.item_id stock.item_id"),
    },
    "stock-unbalanced": {
        "affected": (
            "items.item_id stock.date stock.item_id stock.location_id stock.on_hand "
            "stock_movements.item_id stock_movements.location_id stock_movements.quantity "
            "stock_movements.time"
        ),
        "checked": (
            "items.item_id stock.date stock.item_id stock.location_id stock_movements.item_id "
            "stock_movements.location_id stock_movements.time"
        ),
        "money": (
            "items.item_id items.unit_cost stock.date stock.item_id stock.location_id "
            "stock.on_hand stock_movements.item_id stock_movements.location_id "
            "stock_movements.quantity stock_movements.time"
        ),
    },
    "stock-unexplained": {
        "affected": (
            "purchase_orders.item_id purchase_orders.line purchase_orders.location_id "
            "purchase_orders.po_id receipts.line receipts.po_id receipts.quantity "
            "receipts.received receipts.rejected sales.date sales.item_id sales.location_id "
            "sales.quantity stock.date stock.item_id stock.location_id stock.on_hand"
        ),
        "checked": (
            "purchase_orders.item_id purchase_orders.line purchase_orders.location_id "
            "purchase_orders.po_id receipts.line receipts.po_id receipts.received sales.date "
            "sales.item_id sales.location_id stock.date stock.item_id stock.location_id"
        ),
        "money": (
            "purchase_orders.item_id purchase_orders.line purchase_orders.location_id "
            "purchase_orders.ordered purchase_orders.po_id purchase_orders.unit_cost "
            "receipts.line receipts.po_id receipts.quantity receipts.received "
            "receipts.rejected sales.date sales.item_id sales.location_id sales.quantity "
            "stock.date stock.item_id stock.location_id stock.on_hand"
        ),
    },
    "supply-cost-above-price": {
        "affected": (
            "items.item_id items.unit_price supplier_items.item_id supplier_items.unit_cost"
        ),
        "checked": ("items.item_id items.unit_price supplier_items.item_id"),
    },
    "supply-lead-time-odd": {
        "affected": ("supplier_items.lead_time_days"),
        "checked": (""),
    },
    "supply-terms-missing": {
        "affected": ("stock.item_id supplier_items.item_id"),
        "checked": ("stock.item_id supplier_items.item_id"),
    },
}
