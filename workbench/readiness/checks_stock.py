"""Checks of stock records and movements."""

from workbench.readiness.checks import STOCK, check
from workbench.readiness.config import ReadinessConfig


@check(
    "stock-negative", area=STOCK, severity="error", reads="stock", unit="stock records",
    remedy="Count the item and correct the record.",
)  # fmt: skip
def negative(config: ReadinessConfig) -> str:
    """{affected} of {checked} stock records are below zero."""
    return "SELECT item_id, location_id, date, on_hand, on_hand < 0 AS affected FROM stock"


@check(
    "stock-unbalanced", area=STOCK, severity="error", reads="stock stock_movements items",
    unit="days of items at locations",
    remedy="Find the movement that was not booked, or count.",
    money_means="difference at unit cost",
)  # fmt: skip
def unbalanced(config: ReadinessConfig) -> str:
    """{affected} of {checked} days do not balance: opening stock plus movements is not closing."""
    return """
        WITH moved AS (
            SELECT item_id, location_id, CAST(time AS DATE) AS date, sum(quantity) AS moved
            FROM stock_movements GROUP BY ALL),
        days AS (
            SELECT item_id, location_id, date, on_hand AS closing,
                lag(on_hand) OVER w AS opening, date - lag(date) OVER w AS step
            FROM stock WINDOW w AS (PARTITION BY item_id, location_id ORDER BY date)),
        balance AS (
            SELECT item_id, location_id, date, opening, closing, coalesce(moved, 0) AS moved
            FROM days d LEFT JOIN moved USING (item_id, location_id, date) WHERE step = 1)
        SELECT item_id, location_id, date, opening, moved, closing,
            abs(opening + moved - closing) > 0.001 AS affected,
            abs(opening + moved - closing) * unit_cost AS money
        FROM balance LEFT JOIN items USING (item_id)"""


@check(
    "stock-unexplained", area=STOCK, severity="error",
    reads="stock sales purchase_orders receipts items", unit="days of items at locations",
    remedy="Look for unbooked receipts, shrinkage and wrong counts; count the worst items first.",
    money_means="difference at the price last paid to suppliers",
)  # fmt: skip
def unexplained(config: ReadinessConfig) -> str:
    """{affected} of {checked} daily stock records do not follow from receipts and sales."""
    # Demand beyond the stock is lost, so stock cannot fall below zero. What leaves a location that
    # sells nothing itself, such as a distribution centre, is what all locations sell, what they
    # order from it or what they receive from it: whichever its own records contradict least.
    return f"""
        WITH own AS (
            SELECT item_id, location_id, date, sum(quantity) AS sold FROM sales GROUP BY ALL),
        total AS (SELECT item_id, date, sum(sold) AS sold FROM own GROUP BY ALL),
        sellers AS (SELECT DISTINCT location_id, true AS sells FROM sales),
        arrivals AS (
            SELECT item_id, location_id, received AS date, sum(r.quantity - r.rejected) AS arrived
            FROM receipts r JOIN purchase_orders p USING (po_id, line) GROUP BY ALL),
        ordered_from AS (
            SELECT item_id, supplier_id AS location_id, ordered AS date, sum(quantity) AS ordered
            FROM purchase_orders GROUP BY ALL),
        received_from AS (
            SELECT item_id, supplier_id AS location_id, received AS date, sum(r.quantity) AS handed
            FROM receipts r JOIN purchase_orders p USING (po_id, line) GROUP BY ALL),
        costs AS (
            SELECT item_id, arg_max(unit_cost, ordered) AS cost FROM purchase_orders GROUP BY ALL),
        days AS (
            SELECT item_id, location_id, date, on_hand AS closing,
                lag(on_hand) OVER w AS opening, date - lag(date) OVER w AS step
            FROM stock WINDOW w AS (PARTITION BY item_id, location_id ORDER BY date)),
        balance AS (
            SELECT item_id, location_id, date, opening, closing, coalesce(arrived, 0) AS arrived,
                coalesce(CASE WHEN sells THEN own.sold ELSE total.sold END, 0) AS by_sales,
                coalesce(CASE WHEN sells THEN own.sold ELSE ordered END, 0) AS by_orders,
                coalesce(CASE WHEN sells THEN own.sold ELSE handed END, 0) AS by_receipts
            FROM days d LEFT JOIN own USING (item_id, location_id, date)
            LEFT JOIN total USING (item_id, date) LEFT JOIN sellers USING (location_id)
            LEFT JOIN arrivals USING (item_id, location_id, date)
            LEFT JOIN ordered_from USING (item_id, location_id, date)
            LEFT JOIN received_from USING (item_id, location_id, date) WHERE step = 1),
        contradicted AS (
            SELECT location_id, count(*) FILTER ({_off("by_sales")} > 0.001) AS sales,
                count(*) FILTER ({_off("by_orders")} > 0.001) AS orders,
                count(*) FILTER ({_off("by_receipts")} > 0.001) AS receipts
            FROM balance GROUP BY location_id),
        explained AS (
            SELECT item_id, location_id, date, opening, arrived, closing,
                CASE least(sales, orders, receipts)
                    WHEN sales THEN by_sales WHEN orders THEN by_orders ELSE by_receipts END AS sold
            FROM balance JOIN contradicted USING (location_id))
        SELECT item_id, location_id, date, opening, arrived, sold, closing,
            {_off("sold")} > 0.001 AS affected, {_off("sold")} * cost AS money
        FROM explained LEFT JOIN costs USING (item_id)"""


def _off(gone: str) -> str:
    return f"abs(closing - greatest(opening + arrived - {gone}, 0))"


@check(
    "stock-of-unknown-items", area=STOCK, severity="error", reads="stock items",
    unit="stocked items",
    remedy="Add the item to the master, or correct its id.",
)  # fmt: skip
def unknown_items(config: ReadinessConfig) -> str:
    """{affected} of {checked} stocked items are not in the item master."""
    return """
        SELECT s.item_id, i.item_id IS NULL AS affected
        FROM (SELECT DISTINCT item_id FROM stock) s
        LEFT JOIN (SELECT DISTINCT item_id FROM items) i USING (item_id)"""


@check(
    "stock-gaps", area=STOCK, severity="warning", reads="stock", unit="items at locations",
    remedy="Ask for the stock files of the missing days.",
)  # fmt: skip
def gaps(config: ReadinessConfig) -> str:
    """{affected} of {checked} items at a location lack stock records on some days."""
    return """
        SELECT item_id, location_id, max(date) - min(date) + 1 - count(*) AS missing_days,
            count(*) < max(date) - min(date) + 1 AS affected
        FROM stock GROUP BY item_id, location_id"""


@check(
    "stock-frozen", area=STOCK, severity="warning", reads="stock sales",
    unit="items at locations with stock and sales", zero_at=0.2,
    remedy="Find out whether the location still books its stock: a record that never moves is old.",
)  # fmt: skip
def frozen(config: ReadinessConfig) -> str:
    """{affected} of {checked} items at a location sell while their stock record never changes."""
    return """
        WITH held AS (
            SELECT item_id, location_id, min(date) AS first, max(date) AS last,
                min(on_hand) = max(on_hand) AS still, any_value(on_hand) AS on_hand
            FROM stock GROUP BY ALL HAVING count(*) >= 14),
        sold AS (
            SELECT h.item_id, h.location_id, count(DISTINCT s.date) AS selling_days
            FROM held h JOIN sales s ON s.item_id = h.item_id AND s.location_id = h.location_id
                AND s.date > h.first AND s.date <= h.last AND s.quantity > 0 GROUP BY ALL)
        SELECT item_id, location_id, on_hand, selling_days, still AND selling_days >= 5 AS affected
        FROM held JOIN sold USING (item_id, location_id)"""


@check(
    "movements-unknown-items", area=STOCK, severity="error", reads="stock_movements items",
    unit="movements",
    remedy="Add the item to the master, or correct its id.",
)  # fmt: skip
def movements_unknown(config: ReadinessConfig) -> str:
    """{affected} of {checked} stock movements name an item that is not in the item master."""
    return """
        SELECT m.movement_id, m.item_id, m.quantity, i.item_id IS NULL AS affected
        FROM stock_movements m LEFT JOIN (SELECT DISTINCT item_id FROM items) i USING (item_id)"""


@check(
    "movements-written-off", area=STOCK, severity="warning", reads="stock_movements items",
    unit="movements", zero_at=0.05,
    remedy="Ask for a reason with every adjustment; count the worst items in a cycle.",
    money_means="quantity adjusted, at unit cost, else unit price",
)  # fmt: skip
def written_off(config: ReadinessConfig) -> str:
    """{affected} of {checked} stock movements are adjustments or write-offs, not trade."""
    return """
        SELECT m.movement_id, m.item_id, m.kind, m.quantity, m.document,
            m.kind NOT IN ('receipt', 'issue', 'sale', 'return', 'transfer') AS affected,
            abs(m.quantity) * coalesce(i.unit_cost, i.unit_price) AS money
        FROM stock_movements m LEFT JOIN items i USING (item_id)"""


@check(
    "movements-midnight", area=STOCK, severity="info", reads="stock_movements", unit="movements",
    remedy="Ask for the time of each movement: its order within the day is lost.",
)  # fmt: skip
def movements_midnight(config: ReadinessConfig) -> str:
    """{affected} of {checked} stock movements are stamped at midnight sharp."""
    return """
        SELECT movement_id, item_id, time, time = date_trunc('day', time) AS affected
        FROM stock_movements"""
