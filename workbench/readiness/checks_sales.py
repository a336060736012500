"""Checks of sales, orders and order lines."""

from workbench.readiness.checks import SALES, check
from workbench.readiness.config import ReadinessConfig


@check(
    "lines-zero-quantity", area=SALES, severity="warning", reads="order_lines", unit="order lines",
    remedy="Find out what the till books with quantity 0: voids, coupons or weighed goods.",
)  # fmt: skip
def zero_quantity(config: ReadinessConfig) -> str:
    """{affected} of {checked} order lines have quantity 0."""
    return "SELECT count(*) FILTER (quantity = 0) AS affected, count(*) AS checked FROM order_lines"


@check(
    "sales-revenue-without-quantity", area=SALES, severity="warning", reads="sales",
    unit="sales rows", zero_at=0.01,
    remedy="Correct the quantity, or book the money as a fee.",
    money_means="revenue without a quantity",
)  # fmt: skip
def revenue_without_quantity(config: ReadinessConfig) -> str:
    """{affected} of {checked} sales rows have revenue but quantity 0."""
    return """
        SELECT count(*) FILTER (quantity = 0 AND revenue > 0) AS affected, count(*) AS checked,
            sum(revenue) FILTER (quantity = 0 AND revenue > 0) AS money FROM sales"""


@check(
    "sales-given-away", area=SALES, severity="warning", reads="sales items", unit="sales rows",
    zero_at=0.02,
    remedy="Tell free goods from missing prices; book free goods as a promotion.",
    money_means="shelf value of the goods without revenue",
)  # fmt: skip
def given_away(config: ReadinessConfig) -> str:
    """{affected} of {checked} sales rows have a quantity but no revenue."""
    return """
        SELECT count(*) FILTER (s.quantity > 0 AND s.revenue = 0) AS affected, count(*) AS checked,
            sum(s.quantity * i.unit_price) FILTER (s.quantity > 0 AND s.revenue = 0) AS money
        FROM sales s JOIN items i USING (item_id) WHERE i.is_demand"""


@check(
    "sales-negative-revenue", area=SALES, severity="error", reads="sales", unit="sales rows",
    remedy="Book returns in the table returns, not as negative sales.",
    money_means="negative revenue",
)  # fmt: skip
def negative_revenue(config: ReadinessConfig) -> str:
    """{affected} of {checked} sales rows have negative revenue."""
    return """
        SELECT count(*) FILTER (revenue < 0) AS affected, count(*) AS checked,
            -sum(revenue) FILTER (revenue < 0) AS money FROM sales"""


@check(
    "lines-price-outlier", area=SALES, severity="warning", reads="order_lines items",
    unit="order lines", zero_at=0.02,
    remedy="Check price, discount and unit of these lines; a case sold as a piece looks like this.",
    money_means="difference to the item's middle price",
)  # fmt: skip
def price_outlier(config: ReadinessConfig) -> str:
    """{affected} of {checked} priced lines are far off their item's middle price."""
    beyond = f"(price > {config.price_ratio} * middle OR price * {config.price_ratio} < middle)"
    return f"""
        WITH middles AS (
            SELECT item_id, median(price) AS middle FROM order_lines
            WHERE price > 0 GROUP BY item_id HAVING count(*) >= 5)
        SELECT count(*) FILTER {beyond} AS affected, count(*) AS checked,
            sum(abs(price - middle) * quantity) FILTER {beyond} AS money
        FROM order_lines JOIN middles USING (item_id) JOIN items USING (item_id)
        WHERE price > 0 AND is_demand"""


@check(
    "lines-quantity-outlier", area=SALES, severity="warning", reads="order_lines items",
    unit="order lines", zero_at=0.02,
    remedy="Confirm bulk purchases; keep them out of the history that a forecast learns from.",
    money_means="value of these lines",
)  # fmt: skip
def quantity_outlier(config: ReadinessConfig) -> str:
    """{affected} of {checked} merchandise lines have a quantity far above their item's usual."""
    return f"""
        WITH usual AS (
            SELECT item_id, median(quantity) AS middle FROM order_lines
            WHERE quantity > 0 GROUP BY item_id)
        SELECT count(*) FILTER (quantity >= {config.quantity_ratio} * middle) AS affected,
            count(*) AS checked,
            sum(quantity * price) FILTER (quantity >= {config.quantity_ratio} * middle) AS money
        FROM order_lines JOIN usual USING (item_id) JOIN items USING (item_id)
        WHERE quantity > 0 AND is_demand"""


@check(
    "sales-not-in-orders", area=SALES, severity="error", reads="sales order_lines",
    unit="item, location and day totals",
    remedy="Find the documents that one side lacks before trusting either.",
    money_means="revenue of the totals that differ",
)  # fmt: skip
def sales_not_in_orders(config: ReadinessConfig) -> str:
    """{affected} of {checked} daily totals of sales differ from the sum of their order lines."""
    return """
        WITH totals AS (
            SELECT item_id, location_id, date, sum(quantity) AS ordered FROM order_lines
            GROUP BY item_id, location_id, date),
        sold AS (
            SELECT item_id, location_id, date, sum(quantity) AS sold, sum(revenue) AS revenue
            FROM sales GROUP BY item_id, location_id, date)
        SELECT count(*) FILTER (sold IS DISTINCT FROM ordered) AS affected, count(*) AS checked,
            sum(revenue) FILTER (sold IS DISTINCT FROM ordered) AS money
        FROM sold FULL JOIN totals USING (item_id, location_id, date)"""


@check(
    "lines-without-order", area=SALES, severity="error", reads="order_lines orders",
    unit="order lines",
    remedy="Load the missing order headers.",
    money_means="value of the lines without an order",
)  # fmt: skip
def lines_without_order(config: ReadinessConfig) -> str:
    """{affected} of {checked} order lines belong to no order."""
    return """
        SELECT count(*) FILTER (o.order_id IS NULL) AS affected, count(*) AS checked,
            sum(l.quantity * l.price) FILTER (o.order_id IS NULL) AS money
        FROM order_lines l LEFT JOIN orders o USING (order_id)"""


@check(
    "orders-repeated", area=SALES, severity="warning", reads="orders", unit="orders", zero_at=0.02,
    remedy="Look whether a document was sent twice.",
)  # fmt: skip
def orders_repeated(config: ReadinessConfig) -> str:
    """{affected} of {checked} orders repeat another of the same customer at the same second."""
    return """
        SELECT coalesce(sum(same - 1) FILTER (same > 1), 0) AS affected, sum(same) AS checked FROM (
            SELECT count(*) AS same FROM orders WHERE customer_hash IS NOT NULL
            GROUP BY customer_hash, ordered)"""


@check(
    "orders-at-midnight", area=SALES, severity="warning", reads="orders", unit="orders",
    remedy="Ask for the time of day: no cut-off or delivery promise can be judged without it.",
)  # fmt: skip
def orders_at_midnight(config: ReadinessConfig) -> str:
    """{affected} of {checked} orders are stamped at midnight sharp, so the time is missing."""
    return """
        SELECT count(*) FILTER (ordered = date_trunc('day', ordered)) AS affected,
            count(*) AS checked FROM orders"""


@check(
    "sales-unknown-location", area=SALES, severity="error", reads="sales locations",
    unit="sales rows",
    remedy="Add the location, or correct its id.",
    money_means="revenue at unknown locations",
)  # fmt: skip
def unknown_location(config: ReadinessConfig) -> str:
    """{affected} of {checked} sales rows name a location that is not on file."""
    return """
        SELECT count(*) FILTER (l.location_id IS NULL) AS affected, count(*) AS checked,
            sum(s.revenue) FILTER (l.location_id IS NULL) AS money
        FROM sales s LEFT JOIN locations l USING (location_id)"""
