"""Checks of purchase orders, receipts and supplier terms."""

from workbench.readiness.checks import STOCK, check
from workbench.readiness.config import ReadinessConfig

_RECEIVED = """
    WITH received AS (
        SELECT po_id, line, sum(quantity) AS received, min(received) AS first
        FROM receipts GROUP BY po_id, line),
    joined AS (
        SELECT p.*, coalesce(r.received, 0) AS arrived, r.first,
            (SELECT max(received) FROM receipts) AS today
        FROM purchase_orders p LEFT JOIN received r USING (po_id, line))"""
_LINE = "po_id, line, supplier_id, item_id, ordered, due"


@check(
    "receipts-over", area=STOCK, severity="warning", reads="purchase_orders receipts",
    unit="purchase order lines",
    remedy="Agree a tolerance with the supplier; return or renegotiate the rest.",
    money_means="excess at unit cost",
)  # fmt: skip
def over_received(config: ReadinessConfig) -> str:
    """{affected} of {checked} purchase order lines received more than was ordered."""
    return f"""{_RECEIVED}
        SELECT {_LINE}, quantity, arrived, arrived > quantity + 1e-6 AS affected,
            (arrived - quantity) * unit_cost AS money FROM joined"""


@check(
    "receipts-under", area=STOCK, severity="warning", reads="purchase_orders receipts",
    unit="received order lines due",
    remedy="Chase the rest or close the line: an open rest counts as stock on order.",
    money_means="quantity still open at unit cost",
)  # fmt: skip
def under_received(config: ReadinessConfig) -> str:
    """{affected} of {checked} order lines more than four weeks overdue were received in part."""
    return f"""{_RECEIVED}
        SELECT {_LINE}, quantity, arrived, arrived < quantity - 1e-6 AS affected,
            (quantity - arrived) * unit_cost AS money
        FROM joined WHERE first IS NOT NULL AND due < today - 28"""


@check(
    "receipts-never", area=STOCK, severity="warning", reads="purchase_orders receipts",
    unit="purchase order lines due",
    remedy="Chase the supplier or close the order line.",
    money_means="open quantity at unit cost",
)  # fmt: skip
def never_received(config: ReadinessConfig) -> str:
    """{affected} of {checked} order lines more than four weeks overdue were never received."""
    return f"""{_RECEIVED}
        SELECT {_LINE}, quantity, first IS NULL AS affected, quantity * unit_cost AS money
        FROM joined WHERE due < today - 28"""


@check(
    "receipts-before-order", area=STOCK, severity="error", reads="purchase_orders receipts",
    unit="received order lines",
    remedy="Correct the dates: a negative lead time spoils every safety stock.",
)  # fmt: skip
def before_order(config: ReadinessConfig) -> str:
    """{affected} of {checked} received order lines arrived before they were ordered."""
    return f"""{_RECEIVED}
        SELECT {_LINE}, first, first < ordered AS affected FROM joined WHERE first IS NOT NULL"""


@check(
    "receipts-same-day", area=STOCK, severity="warning", reads="purchase_orders receipts",
    unit="received order lines",
    remedy="Enter orders when they are placed, not when goods arrive: lead times are lost.",
)  # fmt: skip
def same_day(config: ReadinessConfig) -> str:
    """{affected} of {checked} received order lines arrived on the day of their order."""
    return f"""{_RECEIVED}
        SELECT {_LINE}, first, first = ordered AS affected FROM joined WHERE first IS NOT NULL"""


@check(
    "receipts-lead-time-extreme", area=STOCK, severity="warning",
    reads="purchase_orders receipts", unit="received order lines", zero_at=0.05,
    remedy="Ask whether the order date is right; leave such lines out of the lead time.",
)  # fmt: skip
def lead_time_extreme(config: ReadinessConfig) -> str:
    """{affected} of {checked} received order lines took far longer than their supplier's usual."""
    # Hampel's identifier per supplier, and never below a month above the usual.
    return f"""{_RECEIVED}, times AS (
            SELECT {_LINE}, first, first - ordered AS days FROM joined WHERE first IS NOT NULL),
        usual AS (SELECT supplier_id, median(days) AS middle FROM times GROUP BY supplier_id),
        spreads AS (
            SELECT supplier_id, any_value(middle) AS middle,
                1.4826 * median(abs(days - middle)) AS spread
            FROM times JOIN usual USING (supplier_id) GROUP BY supplier_id)
        SELECT {_LINE}, first, days, middle,
            days > middle + greatest(6 * spread, 30) OR days > 730 AS affected
        FROM times JOIN spreads USING (supplier_id)"""


@check(
    "receipts-late", area=STOCK, severity="info", reads="purchase_orders receipts",
    unit="received order lines",
    remedy="Measure lead times from receipts; agree dates with the supplier that it can keep.",
    money_means="value of the lines that came late",
)  # fmt: skip
def late(config: ReadinessConfig) -> str:
    """{affected} of {checked} received order lines came more than a week after they were due."""
    return f"""{_RECEIVED}
        SELECT {_LINE}, first, first > due + 7 AS affected, quantity * unit_cost AS money
        FROM joined WHERE first IS NOT NULL"""


@check(
    "receipts-repeated", area=STOCK, severity="error", reads="receipts", unit="receipts",
    remedy="Find out whether a delivery note was booked twice.",
)  # fmt: skip
def receipts_repeated(config: ReadinessConfig) -> str:
    """{affected} of {checked} receipts repeat another of the same line, day and quantity."""
    return """
        SELECT receipt_id, po_id, line, received, quantity, row_number() OVER (
            PARTITION BY po_id, line, received, quantity ORDER BY receipt_id) > 1 AS affected
        FROM receipts"""


@check(
    "receipts-in-packs", area=STOCK, severity="warning", reads="purchase_orders receipts",
    unit="received order lines",
    remedy="Agree in which unit orders and receipts are booked; enter the pack as a conversion.",
    money_means="value of these lines at unit cost",
)  # fmt: skip
def in_packs(config: ReadinessConfig) -> str:
    """{affected} of {checked} order lines received exactly a pack's multiple or share of it."""
    return f"""{_RECEIVED}
        SELECT {_LINE}, quantity, arrived, quantity > 0 AND list_bool_or(list_transform(
                [6, 8, 10, 12, 20, 24, 48, 144], lambda pack:
                arrived = quantity * pack OR arrived * pack = quantity)) AS affected,
            quantity * unit_cost AS money
        FROM joined WHERE first IS NOT NULL"""


@check(
    "receipts-without-order", area=STOCK, severity="error", reads="purchase_orders receipts",
    unit="receipts",
    remedy="Enter the order, or book the receipt to the right one.",
)  # fmt: skip
def without_order(config: ReadinessConfig) -> str:
    """{affected} of {checked} receipts belong to no purchase order."""
    return """
        SELECT r.receipt_id, r.po_id, r.line, r.received, r.quantity, p.po_id IS NULL AS affected
        FROM receipts r LEFT JOIN purchase_orders p USING (po_id, line)"""


@check(
    "receipts-in-future", area=STOCK, severity="error", reads="receipts deliveries",
    unit="receipts",
    remedy="Correct the date's format: day and month are often swapped.",
)  # fmt: skip
def receipts_in_future(config: ReadinessConfig) -> str:
    """{affected} of {checked} receipts are dated after the day on which they were loaded."""
    return """
        SELECT receipt_id, po_id, received, received > today + 1 AS affected
        FROM receipts, audit_day"""


@check(
    "purchase-orders-unknown", area=STOCK, severity="error", reads="purchase_orders items",
    unit="purchase order lines",
    remedy="Add the item to the master, or correct its id.",
    money_means="value ordered of items that are not on file",
)  # fmt: skip
def orders_unknown(config: ReadinessConfig) -> str:
    """{affected} of {checked} purchase order lines name an item that is not in the master."""
    return """
        SELECT p.po_id, p.line, p.supplier_id, p.item_id, i.item_id IS NULL AS affected,
            p.quantity * p.unit_cost AS money
        FROM purchase_orders p LEFT JOIN (SELECT DISTINCT item_id FROM items) i USING (item_id)"""


@check(
    "purchase-orders-repeated", area=STOCK, severity="warning", reads="purchase_orders",
    unit="purchase order lines",
    remedy="Look whether an order was sent twice before the goods arrive twice.",
    money_means="value of the second orders",
)  # fmt: skip
def orders_repeated(config: ReadinessConfig) -> str:
    """{affected} of {checked} purchase order lines repeat one of the same day and quantity."""
    return """
        SELECT po_id, line, supplier_id, item_id, ordered, quantity, row_number() OVER (
            PARTITION BY supplier_id, item_id, location_id, ordered, due, quantity
            ORDER BY po_id, line) > 1 AS affected, quantity * unit_cost AS money
        FROM purchase_orders"""


@check(
    "purchase-orders-without-cost", area=STOCK, severity="warning", reads="purchase_orders",
    unit="purchase order lines",
    remedy="Record the price that was paid: it values stock and orders.",
)  # fmt: skip
def orders_without_cost(config: ReadinessConfig) -> str:
    """{affected} of {checked} purchase order lines have no unit cost, or zero."""
    return """
        SELECT po_id, line, supplier_id, item_id, ordered, coalesce(unit_cost, 0) = 0 AS affected
        FROM purchase_orders"""


@check(
    "purchase-cost-outlier", area=STOCK, severity="warning", reads="purchase_orders",
    unit="priced order lines of items bought often", zero_at=0.02,
    remedy="Check decimal point, currency and unit of these lines.",
    money_means="difference to the item's middle cost",
)  # fmt: skip
def cost_outlier(config: ReadinessConfig) -> str:
    """{affected} of {checked} purchase order lines cost far more or less than the item usually."""
    ratio = config.price_ratio
    return f"""
        WITH middles AS (
            SELECT item_id, median(unit_cost) AS middle FROM purchase_orders
            WHERE unit_cost > 0 GROUP BY item_id HAVING count(*) >= 5)
        SELECT po_id, line, item_id, unit_cost, middle,
            unit_cost > {ratio} * middle OR unit_cost * {ratio} < middle AS affected,
            abs(unit_cost - middle) * quantity AS money
        FROM purchase_orders JOIN middles USING (item_id) WHERE unit_cost > 0"""


@check(
    "purchase-orders-due-early", area=STOCK, severity="error", reads="purchase_orders",
    unit="purchase order lines",
    remedy="Correct the dates: an order cannot be due before it is placed.",
)  # fmt: skip
def due_early(config: ReadinessConfig) -> str:
    """{affected} of {checked} purchase order lines were due before they were ordered."""
    return """
        SELECT po_id, line, supplier_id, ordered, due, due < ordered AS affected
        FROM purchase_orders"""


@check(
    "supply-terms-missing", area=STOCK, severity="error", reads="stock supplier_items",
    unit="stocked items", zero_at=0.05,
    remedy="Record supplier, lead time, minimum order and order multiple.",
)  # fmt: skip
def terms_missing(config: ReadinessConfig) -> str:
    """{affected} of {checked} stocked items have no supplier with a lead time."""
    return """
        SELECT s.item_id, t.item_id IS NULL AS affected
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
        SELECT t.supplier_id, t.item_id, t.location_id, t.unit_cost, i.unit_price,
            t.unit_cost >= i.unit_price AS affected
        FROM supplier_items t JOIN items i USING (item_id) WHERE i.unit_price > 0"""


@check(
    "supply-lead-time-odd", area=STOCK, severity="warning", reads="supplier_items",
    unit="supplier terms",
    remedy="Measure lead times from receipts instead of typing them in.",
)  # fmt: skip
def lead_time_odd(config: ReadinessConfig) -> str:
    """{affected} of {checked} supplier terms state a lead time of zero or beyond a year."""
    return """
        SELECT supplier_id, item_id, location_id, lead_time_days,
            lead_time_days <= 0 OR lead_time_days > 365 AS affected FROM supplier_items"""


@check(
    "supply-lead-time-untrue", area=STOCK, severity="warning",
    reads="supplier_items purchase_orders receipts", unit="supplier terms with five receipts",
    zero_at=0.5,
    remedy="Replace the stated lead time by the measured one.",
)  # fmt: skip
def lead_time_untrue(config: ReadinessConfig) -> str:
    """{affected} of {checked} supplier terms state a lead time far from the one measured."""
    return f"""{_RECEIVED}, measured AS (
            SELECT supplier_id, item_id, location_id, median(first - ordered) AS days
            FROM joined WHERE first IS NOT NULL GROUP BY ALL HAVING count(*) >= 5)
        SELECT supplier_id, item_id, location_id, lead_time_days AS stated, days AS measured,
            abs(lead_time_days - days) > greatest(0.5 * days, 7) AS affected
        FROM supplier_items JOIN measured USING (supplier_id, item_id, location_id)"""
