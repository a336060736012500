"""Checks of documents: orders and returns, repeats, times."""

from workbench.readiness.checks import SALES, check
from workbench.readiness.config import ReadinessConfig


@check(
    "lines-without-order", area=SALES, severity="error", reads="order_lines orders",
    unit="order lines",
    remedy="Load the missing order headers.",
    money_means="value of the lines without an order",
)  # fmt: skip
def lines_without_order(config: ReadinessConfig) -> str:
    """{affected} of {checked} order lines belong to no order."""
    return """
        SELECT l.order_id, l.line, l.item_id, o.order_id IS NULL AS affected,
            l.quantity * l.price AS money
        FROM order_lines l LEFT JOIN (SELECT DISTINCT order_id FROM orders) o USING (order_id)"""


@check(
    "lines-repeated", area=SALES, severity="error", reads="order_lines", unit="order lines",
    zero_at=0.02,
    remedy="Find out whether lines were sent twice; load each once.",
    money_means="value that is counted twice",
)  # fmt: skip
def lines_repeated(config: ReadinessConfig) -> str:
    """{affected} of {checked} order lines repeat another line of their order exactly."""
    # Where the source's whole row is known by its digest, only an exact repeat counts. Without it
    # a basket may hold the same article twice, so price and quantity have to repeat as well.
    return """
        SELECT order_id, item_id, location_id, quantity, price, row_number() OVER (
            PARTITION BY order_id, item_id, location_id, quantity, price, source_digest
        ) > 1 AS affected, quantity * price AS money FROM order_lines"""


@check(
    "orders-repeated", area=SALES, severity="warning", reads="orders", unit="orders", zero_at=0.02,
    remedy="Look whether a document was sent twice.",
)  # fmt: skip
def orders_repeated(config: ReadinessConfig) -> str:
    """{affected} of {checked} orders repeat another of the same customer at the same second."""
    return """
        SELECT order_id, channel, ordered, row_number() OVER (
            PARTITION BY customer_hash, ordered ORDER BY order_id) > 1 AS affected
        FROM orders WHERE customer_hash IS NOT NULL"""


@check(
    "orders-at-midnight", area=SALES, severity="warning", reads="orders", unit="orders",
    remedy="Ask for the time of day: no cut-off or delivery promise can be judged without it.",
)  # fmt: skip
def orders_at_midnight(config: ReadinessConfig) -> str:
    """{affected} of {checked} orders are stamped at midnight sharp, so the time is missing."""
    return """
        SELECT order_id, ordered, ordered = date_trunc('day', ordered) AS affected FROM orders"""


@check(
    "orders-in-future", area=SALES, severity="error", reads="orders deliveries", unit="orders",
    remedy="Correct the clock or the date's format: day and month are often swapped.",
)  # fmt: skip
def orders_in_future(config: ReadinessConfig) -> str:
    """{affected} of {checked} orders are dated after the day on which they were loaded."""
    return """
        SELECT order_id, ordered, date, date > today + 1 OR ordered > today + INTERVAL 2 DAY
            AS affected FROM orders, audit_day"""


@check(
    "orders-wrong-day", area=SALES, severity="error", reads="orders", unit="orders",
    remedy="State the time zone of the times: day and time must be of one place.",
)  # fmt: skip
def orders_wrong_day(config: ReadinessConfig) -> str:
    """{affected} of {checked} orders have a business day that their time cannot have anywhere."""
    # Local time runs from 12 hours behind UTC to 14 hours ahead of it (IANA time zone database).
    return """
        SELECT order_id, ordered, date, ordered + INTERVAL 14 HOUR < date
            OR ordered - INTERVAL 12 HOUR >= date + INTERVAL 1 DAY AS affected FROM orders"""


@check(
    "orders-hours-shifted", area=SALES, severity="warning", reads="orders",
    unit="weeks of a channel",
    remedy="Ask which time zone these files were written in; state it as time_zone of the source.",
)  # fmt: skip
def orders_hours_shifted(config: ReadinessConfig) -> str:
    """{affected} of {checked} weeks have their usual hours shifted: another time zone, perhaps."""
    # Mean time of day on the circle, so that an evening and an early morning are neighbours.
    return f"""
        WITH angles AS (
            SELECT channel, CAST(date_trunc('week', date) AS DATE) AS week,
                2 * pi() * (epoch(ordered) % 86400) / 86400 AS angle
            FROM orders WHERE ordered <> date_trunc('day', ordered)),
        weeks AS (
            SELECT channel, week, count(*) AS orders,
                atan2(avg(sin(angle)), avg(cos(angle))) AS angle
            FROM angles GROUP BY ALL HAVING count(*) >= 10),
        usual AS (
            SELECT channel, atan2(median(sin(angle)), median(cos(angle))) AS middle
            FROM weeks GROUP BY channel)
        SELECT channel, week, orders, round(middle * 12 / pi(), 1) AS usual_hour,
            round(angle * 12 / pi(), 1) AS hour,
            acos(least(greatest(cos(angle - middle), -1), 1)) * 12 / pi()
                > {config.shifted_hours} AS affected
        FROM weeks JOIN usual USING (channel)"""


@check(
    "orders-promised-before", area=SALES, severity="error", reads="orders", unit="promised orders",
    remedy="Correct the promise, or the time zone of one of the two.",
)  # fmt: skip
def promised_before(config: ReadinessConfig) -> str:
    """{affected} of {checked} orders were promised for before they were placed."""
    return """
        SELECT order_id, ordered, promised, promised < ordered AS affected
        FROM orders WHERE promised IS NOT NULL"""


_RETURNED = "order_lines returns orders"


@check(
    "returns-credited", area=SALES, severity="info", reads="order_lines returns",
    unit="lines sold or returned", zero_at=0.2,
    remedy="Keep them out of demand; learn the reasons of the largest.",
    money_means="value of the lines returned or credited",
)  # fmt: skip
def credited(config: ReadinessConfig) -> str:
    """{affected} of {checked} lines are returns or credit notes."""
    return """
        SELECT return_id AS document, item_id, quantity, true AS affected, quantity * price AS money
        FROM returns UNION ALL
        SELECT order_id, item_id, quantity, false, quantity * price FROM order_lines"""


@check(
    "returns-repeated", area=SALES, severity="error", reads="returns", unit="returned lines",
    zero_at=0.02,
    remedy="Find out whether lines were sent twice; credit each once.",
    money_means="value that is credited twice",
)  # fmt: skip
def returns_repeated(config: ReadinessConfig) -> str:
    """{affected} of {checked} returned lines repeat another one exactly."""
    return """
        SELECT return_id, order_id, item_id, quantity, date, row_number() OVER (
            PARTITION BY order_id, line, item_id, location_id, date, quantity, price,
                customer_hash, reason, source_digest ORDER BY return_id) > 1 AS affected,
            quantity * price AS money FROM returns"""


@check(
    "returns-without-sale", area=SALES, severity="warning", reads=_RETURNED, unit="returned lines",
    remedy="Ask for the sale before crediting; load older history where it lies before the data.",
    money_means="value credited without a sale on file",
)  # fmt: skip
def returns_without_sale(config: ReadinessConfig) -> str:
    """{affected} of {checked} returned lines match no earlier sale of the order or customer."""
    return """
        WITH headers AS (SELECT DISTINCT order_id FROM order_lines),
        named AS (SELECT DISTINCT order_id, item_id FROM order_lines),
        bought AS (
            SELECT o.customer_hash, l.item_id, min(l.date) AS first
            FROM order_lines l JOIN orders o USING (order_id)
            WHERE o.customer_hash IS NOT NULL GROUP BY ALL)
        SELECT r.return_id, r.order_id, r.item_id, r.date, r.quantity,
            CASE WHEN r.order_id <> '*' AND r.item_id IS NULL THEN h.order_id IS NULL
                WHEN r.order_id <> '*' THEN n.order_id IS NULL
                ELSE b.first IS NULL OR b.first > r.date END AS affected,
            r.quantity * r.price AS money
        FROM returns r LEFT JOIN headers h ON h.order_id = r.order_id
        LEFT JOIN named n ON n.order_id = r.order_id AND n.item_id = r.item_id
        LEFT JOIN bought b ON b.customer_hash = r.customer_hash AND b.item_id = r.item_id"""


@check(
    "returns-more-than-sold", area=SALES, severity="error", reads="order_lines returns",
    unit="orders with returns",
    remedy="Check the quantity of the credit note against the order.",
)  # fmt: skip
def more_than_sold(config: ReadinessConfig) -> str:
    """{affected} of {checked} orders had more pieces returned than they held."""
    return """
        WITH back AS (
            SELECT order_id, sum(quantity) AS returned FROM returns
            WHERE order_id <> '*' GROUP BY order_id),
        sold AS (SELECT order_id, sum(quantity) AS sold FROM order_lines GROUP BY order_id)
        SELECT order_id, returned, sold, returned > sold + 1e-6 AS affected
        FROM back JOIN sold USING (order_id)"""


@check(
    "shipments-unknown", area=SALES, severity="error", reads="shipments order_lines",
    unit="shipment lines",
    remedy="Load the orders, or correct the reference.",
)  # fmt: skip
def shipments_unknown(config: ReadinessConfig) -> str:
    """{affected} of {checked} shipment lines belong to no order line."""
    return """
        SELECT s.shipment_id, s.order_id, s.line, l.order_id IS NULL AS affected
        FROM shipments s LEFT JOIN order_lines l USING (order_id, line)"""


@check(
    "shipments-reversed", area=SALES, severity="error", reads="shipments",
    unit="delivered shipment lines",
    remedy="Correct the dates: a negative transit time spoils every delivery promise.",
)  # fmt: skip
def shipments_reversed(config: ReadinessConfig) -> str:
    """{affected} of {checked} shipment lines were delivered before they were shipped."""
    return """
        SELECT shipment_id, order_id, shipped, delivered, delivered < shipped AS affected
        FROM shipments WHERE shipped IS NOT NULL AND delivered IS NOT NULL"""
