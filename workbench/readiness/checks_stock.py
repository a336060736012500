"""Checks of stock records, purchase orders and receipts."""

from workbench.readiness.checks import STOCK, check
from workbench.readiness.config import ReadinessConfig


@check(
    "stock-negative", area=STOCK, severity="error", reads="stock", unit="stock records",
    remedy="Count the item and correct the record.",
)  # fmt: skip
def negative(config: ReadinessConfig) -> str:
    """{affected} of {checked} stock records are below zero."""
    return "SELECT count(*) FILTER (on_hand < 0) AS affected, count(*) AS checked FROM stock"


@check(
    "stock-unbalanced", area=STOCK, severity="error", reads="stock stock_movements items",
    unit="days of items at locations",
    remedy="Find the movement that was not booked, or count.",
    money_means="difference at unit cost",
)  # fmt: skip
def unbalanced(config: ReadinessConfig) -> str:
    """{affected} of {checked} days do not balance: opening stock plus movements is not closing."""
    off = "abs(opening + moved - closing) > 0.001"
    return f"""
        WITH moved AS (
            SELECT item_id, location_id, CAST(time AS DATE) AS date, sum(quantity) AS moved
            FROM stock_movements GROUP BY ALL),
        days AS (
            SELECT item_id, location_id, date, on_hand AS closing,
                lag(on_hand) OVER w AS opening, date - lag(date) OVER w AS step
            FROM stock WINDOW w AS (PARTITION BY item_id, location_id ORDER BY date)),
        balance AS (
            SELECT d.item_id, opening, closing, coalesce(moved, 0) AS moved
            FROM days d LEFT JOIN moved USING (item_id, location_id, date) WHERE step = 1)
        SELECT count(*) FILTER ({off}) AS affected, count(*) AS checked,
            sum(abs(opening + moved - closing) * unit_cost) FILTER ({off}) AS money
        FROM balance LEFT JOIN items USING (item_id)"""


@check(
    "stock-unexplained", area=STOCK, severity="error",
    reads="stock sales purchase_orders receipts items", unit="days of items at locations",
    remedy="Look for unbooked receipts, shrinkage and wrong counts; count the worst items first.",
    money_means="difference at the price last paid to suppliers",
)  # fmt: skip
def unexplained(config: ReadinessConfig) -> str:
    """{affected} of {checked} daily stock records do not follow from receipts and sales."""
    # Demand beyond the stock is lost, so stock cannot fall below zero. A location without sales
    # of its own, such as a distribution centre, is taken to serve all locations.
    off = "abs(closing - greatest(opening + arrived - sold, 0)) > 0.001"
    return f"""
        WITH own AS (
            SELECT item_id, location_id, date, sum(quantity) AS sold FROM sales GROUP BY ALL),
        total AS (SELECT item_id, date, sum(sold) AS sold FROM own GROUP BY ALL),
        sellers AS (SELECT DISTINCT location_id, true AS sells FROM sales),
        arrivals AS (
            SELECT item_id, location_id, received AS date, sum(r.quantity - r.rejected) AS arrived
            FROM receipts r JOIN purchase_orders p USING (po_id, line) GROUP BY ALL),
        costs AS (
            SELECT item_id, arg_max(unit_cost, ordered) AS cost FROM purchase_orders GROUP BY ALL),
        days AS (
            SELECT item_id, location_id, date, on_hand AS closing,
                lag(on_hand) OVER w AS opening, date - lag(date) OVER w AS step
            FROM stock WINDOW w AS (PARTITION BY item_id, location_id ORDER BY date)),
        balance AS (
            SELECT d.item_id, opening, closing, coalesce(arrived, 0) AS arrived,
                coalesce(CASE WHEN sells THEN own.sold ELSE total.sold END, 0) AS sold
            FROM days d LEFT JOIN own USING (item_id, location_id, date)
            LEFT JOIN total USING (item_id, date) LEFT JOIN sellers USING (location_id)
            LEFT JOIN arrivals USING (item_id, location_id, date) WHERE step = 1)
        SELECT count(*) FILTER ({off}) AS affected, count(*) AS checked,
            sum(abs(closing - greatest(opening + arrived - sold, 0)) * cost) FILTER ({off})
                AS money
        FROM balance LEFT JOIN costs USING (item_id)"""


@check(
    "stock-of-unknown-items", area=STOCK, severity="error", reads="stock items",
    unit="stocked items",
    remedy="Add the item to the master, or correct its id.",
)  # fmt: skip
def unknown_items(config: ReadinessConfig) -> str:
    """{affected} of {checked} stocked items are not in the item master."""
    return """
        SELECT count(*) FILTER (i.item_id IS NULL) AS affected, count(*) AS checked
        FROM (SELECT DISTINCT item_id FROM stock) s LEFT JOIN items i USING (item_id)"""


@check(
    "stock-gaps", area=STOCK, severity="warning", reads="stock", unit="items at locations",
    remedy="Ask for the stock files of the missing days.",
)  # fmt: skip
def gaps(config: ReadinessConfig) -> str:
    """{affected} of {checked} items at a location lack stock records on some days."""
    return """
        SELECT count(*) FILTER (days < span) AS affected, count(*) AS checked FROM (
            SELECT count(*) AS days, max(date) - min(date) + 1 AS span
            FROM stock GROUP BY item_id, location_id)"""


_RECEIVED = """
    WITH received AS (
        SELECT po_id, line, sum(quantity) AS received, min(received) AS first
        FROM receipts GROUP BY po_id, line),
    joined AS (
        SELECT p.*, coalesce(r.received, 0) AS arrived, r.first,
            (SELECT max(received) FROM receipts) AS today
        FROM purchase_orders p LEFT JOIN received r USING (po_id, line))"""


@check(
    "receipts-over", area=STOCK, severity="warning", reads="purchase_orders receipts",
    unit="purchase order lines",
    remedy="Agree a tolerance with the supplier; return or renegotiate the rest.",
    money_means="excess at unit cost",
)  # fmt: skip
def over_received(config: ReadinessConfig) -> str:
    """{affected} of {checked} purchase order lines received more than was ordered."""
    return f"""{_RECEIVED}
        SELECT count(*) FILTER (arrived > quantity) AS affected, count(*) AS checked,
            sum((arrived - quantity) * unit_cost) FILTER (arrived > quantity) AS money
        FROM joined"""


@check(
    "receipts-never", area=STOCK, severity="warning", reads="purchase_orders receipts",
    unit="purchase order lines due",
    remedy="Chase the supplier or close the order line.",
    money_means="open quantity at unit cost",
)  # fmt: skip
def never_received(config: ReadinessConfig) -> str:
    """{affected} of {checked} order lines more than four weeks overdue were never received."""
    late = "first IS NULL"
    return f"""{_RECEIVED}
        SELECT count(*) FILTER ({late}) AS affected, count(*) AS checked,
            sum(quantity * unit_cost) FILTER ({late}) AS money
        FROM joined WHERE due < today - 28"""


@check(
    "receipts-before-order", area=STOCK, severity="error", reads="purchase_orders receipts",
    unit="received order lines",
    remedy="Correct the dates: a negative lead time spoils every safety stock.",
)  # fmt: skip
def before_order(config: ReadinessConfig) -> str:
    """{affected} of {checked} received order lines arrived before they were ordered."""
    return f"""{_RECEIVED}
        SELECT count(*) FILTER (first < ordered) AS affected, count(*) AS checked
        FROM joined WHERE first IS NOT NULL"""


@check(
    "receipts-without-order", area=STOCK, severity="error", reads="purchase_orders receipts",
    unit="receipts",
    remedy="Enter the order, or book the receipt to the right one.",
)  # fmt: skip
def without_order(config: ReadinessConfig) -> str:
    """{affected} of {checked} receipts belong to no purchase order."""
    return """
        SELECT count(*) FILTER (p.po_id IS NULL) AS affected, count(*) AS checked
        FROM receipts r LEFT JOIN purchase_orders p USING (po_id, line)"""


@check(
    "supply-terms-missing", area=STOCK, severity="error", reads="stock supplier_items",
    unit="stocked items", zero_at=0.05,
    remedy="Record supplier, lead time, minimum order and order multiple.",
)  # fmt: skip
def supply_terms_missing(config: ReadinessConfig) -> str:
    """{affected} of {checked} stocked items have no supplier with a lead time."""
    return """
        SELECT count(*) FILTER (t.item_id IS NULL) AS affected, count(*) AS checked
        FROM (SELECT DISTINCT item_id FROM stock) s
        LEFT JOIN (SELECT DISTINCT item_id FROM supplier_items) t USING (item_id)"""


@check(
    "supply-cost-above-price", area=STOCK, severity="error", reads="supplier_items items",
    unit="supplier terms",
    remedy="Check cost and price, and whether both are per the same unit.",
)  # fmt: skip
def cost_above_price(config: ReadinessConfig) -> str:
    """{affected} of {checked} supplier terms cost as much as the item sells for, or more."""
    return """
        SELECT count(*) FILTER (t.unit_cost >= i.unit_price) AS affected, count(*) AS checked
        FROM supplier_items t JOIN items i USING (item_id) WHERE i.unit_price IS NOT NULL"""


@check(
    "supply-lead-time-odd", area=STOCK, severity="warning", reads="supplier_items",
    unit="supplier terms",
    remedy="Measure lead times from receipts instead of typing them in.",
)  # fmt: skip
def lead_time_odd(config: ReadinessConfig) -> str:
    """{affected} of {checked} supplier terms state a lead time of zero or beyond a year."""
    return """
        SELECT count(*) FILTER (lead_time_days <= 0 OR lead_time_days > 365) AS affected,
            count(*) AS checked FROM supplier_items"""
