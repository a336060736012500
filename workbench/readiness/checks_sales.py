"""Checks of sales and order lines: quantities, prices, revenue, units."""

from workbench.readiness.checks import SALES, check
from workbench.readiness.config import ReadinessConfig


@check(
    "lines-zero-quantity", area=SALES, severity="warning", reads="order_lines", unit="order lines",
    remedy="Find out what the till books with quantity 0: voids, coupons or weighed goods.",
)  # fmt: skip
def zero_quantity(config: ReadinessConfig) -> str:
    """{affected} of {checked} order lines have quantity 0."""
    return "SELECT order_id, line, item_id, price, quantity = 0 AS affected FROM order_lines"


@check(
    "sales-revenue-without-quantity", area=SALES, severity="warning", reads="sales",
    unit="sales rows", zero_at=0.01,
    remedy="Correct the quantity, or book the money as a fee.",
    money_means="revenue without a quantity",
)  # fmt: skip
def revenue_without_quantity(config: ReadinessConfig) -> str:
    """{affected} of {checked} sales rows have revenue but quantity 0."""
    return """
        SELECT item_id, location_id, date, quantity = 0 AND revenue > 0 AS affected,
            revenue AS money FROM sales"""


@check(
    "sales-given-away", area=SALES, severity="warning", reads="sales items", unit="sales rows",
    zero_at=0.02,
    remedy="Tell free goods from missing prices; book free goods as a promotion.",
    money_means="shelf value of the goods without revenue",
)  # fmt: skip
def given_away(config: ReadinessConfig) -> str:
    """{affected} of {checked} sales rows have a quantity but no revenue."""
    return """
        SELECT item_id, s.location_id, s.date, s.quantity,
            s.quantity > 0 AND s.revenue = 0 AS affected, s.quantity * i.unit_price AS money
        FROM sales s JOIN items i USING (item_id) WHERE i.is_demand"""


@check(
    "sales-negative-revenue", area=SALES, severity="error", reads="sales", unit="sales rows",
    remedy="Book returns in the table returns, not as negative sales.",
    money_means="negative revenue",
)  # fmt: skip
def negative_revenue(config: ReadinessConfig) -> str:
    """{affected} of {checked} sales rows have negative revenue."""
    return """
        SELECT item_id, location_id, date, quantity, revenue < 0 AS affected, -revenue AS money
        FROM sales"""


@check(
    "sales-below-cost", area=SALES, severity="warning", reads="sales items", unit="sales rows",
    zero_at=0.05,
    remedy="Check whether cost and quantity are per the same unit; then whether to sell at a loss.",
    money_means="loss on goods sold below their cost",
)  # fmt: skip
def below_cost(config: ReadinessConfig) -> str:
    """{affected} of {checked} sales rows earn less than the goods cost."""
    return """
        SELECT item_id, s.location_id, s.date, s.quantity, s.revenue, i.unit_cost,
            s.revenue < s.quantity * i.unit_cost - 0.005 AS affected,
            s.quantity * i.unit_cost - s.revenue AS money
        FROM sales s JOIN items i USING (item_id)
        WHERE i.is_demand AND i.unit_cost > 0 AND s.quantity > 0 AND s.revenue > 0"""


@check(
    "sales-revenue-mismatch", area=SALES, severity="error", reads="sales order_lines",
    unit="item, location and day totals",
    remedy="Find the discount, tax or unit that one side has and the other lacks.",
    money_means="difference between revenue and price times quantity",
)  # fmt: skip
def revenue_mismatch(config: ReadinessConfig) -> str:
    """{affected} of {checked} daily totals of revenue differ from price times quantity."""
    # Prices are rounded to cents, so a line may differ by half a cent per piece.
    return f"""
        WITH lines AS (
            SELECT item_id, location_id, date, sum(quantity * price) AS value,
                sum(0.005 * quantity) AS rounding, count(*) - count(price) AS unpriced
            FROM order_lines GROUP BY item_id, location_id, date),
        sold AS (
            SELECT item_id, location_id, date, sum(revenue) AS revenue
            FROM sales GROUP BY item_id, location_id, date)
        SELECT item_id, location_id, date, revenue, value,
            abs(revenue - value) > greatest({config.revenue_tolerance} * abs(value), rounding, 0.01)
                AS affected,
            abs(revenue - value) AS money
        FROM sold JOIN lines USING (item_id, location_id, date) WHERE unpriced = 0"""


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
        SELECT item_id, location_id, date, sold, ordered,
            sold IS NULL OR ordered IS NULL OR abs(sold - ordered) > 1e-6 AS affected,
            revenue AS money
        FROM sold FULL JOIN totals USING (item_id, location_id, date)"""


@check(
    "lines-price-outlier", area=SALES, severity="warning", reads="order_lines items",
    unit="order lines", zero_at=0.02,
    remedy="Check price, discount and unit of these lines; a case sold as a piece looks like this.",
    money_means="difference to the item's middle price",
)  # fmt: skip
def price_outlier(config: ReadinessConfig) -> str:
    """{affected} of {checked} priced lines are far off their item's middle price."""
    ratio = config.price_ratio
    return f"""
        WITH middles AS (
            SELECT item_id, median(price) AS middle FROM order_lines
            WHERE price > 0 GROUP BY item_id HAVING count(*) >= 5)
        SELECT order_id, line, item_id, price, middle,
            price > {ratio} * middle OR price * {ratio} < middle AS affected,
            abs(price - middle) * quantity AS money
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
        SELECT order_id, line, item_id, quantity, middle,
            quantity >= {config.quantity_ratio} * middle AS affected, quantity * price AS money
        FROM order_lines JOIN usual USING (item_id) JOIN items USING (item_id)
        WHERE quantity > 0 AND is_demand"""


@check(
    "sales-spike", area=SALES, severity="info", reads="sales items", unit="sales rows",
    zero_at=0.02,
    remedy="Confirm the day with the location; mark an event in the calendar if there was one.",
    money_means="revenue of these days",
)  # fmt: skip
def spike(config: ReadinessConfig) -> str:
    """{affected} of {checked} days of regular items lie far above what the item usually sells."""
    # Median and median absolute deviation per item (Hampel's identifier): one wild day does not
    # move them. 1.4826 makes the deviation that of a normal distribution; at least half a piece.
    return f"""
        WITH kept AS (
            SELECT item_id, location_id, date, quantity, revenue
            FROM sales JOIN items USING (item_id) WHERE is_demand AND quantity > 0),
        middles AS (
            SELECT item_id, median(quantity) AS middle FROM kept
            GROUP BY item_id HAVING count(*) >= 2 * {config.selling_days}),
        spreads AS (
            SELECT item_id, any_value(middle) AS middle,
                greatest(1.4826 * median(abs(quantity - middle)), 0.5) AS spread
            FROM kept JOIN middles USING (item_id) GROUP BY item_id)
        SELECT item_id, location_id, date, quantity, middle,
            quantity > middle + {config.spike_deviations} * spread AS affected, revenue AS money
        FROM kept JOIN spreads USING (item_id)"""


@check(
    "lines-unit-mixed", area=SALES, severity="warning", reads="order_lines items",
    unit="items with regular prices", zero_at=0.05,
    remedy="Enter the pack as a conversion of units; book cases in pieces.",
    money_means="value of the lines that seem to count packs",
)  # fmt: skip
def unit_mixed(config: ReadinessConfig) -> str:
    """{affected} of {checked} items sell at a pack's multiple of their price: cases as pieces."""
    # A line counts a pack if its price is the middle price times a usual pack, to 2%, or times
    # the item's own pack count; half or double prices are promotions more often than packs.
    return """
        WITH middles AS (
            SELECT item_id, median(price) AS middle FROM order_lines
            WHERE price > 0 GROUP BY item_id HAVING count(*) >= 10),
        lines AS (
            SELECT item_id, l.quantity * l.price AS value, list_bool_or(list_transform(
                [6.0, 8.0, 10.0, 12.0, 20.0, 24.0, 48.0, 144.0, i.pack_count],
                lambda pack: pack >= 4 AND (abs(l.price / (middle * pack) - 1) < 0.02
                    OR abs(l.price * pack / middle - 1) < 0.02))) AS in_packs
            FROM order_lines l JOIN middles USING (item_id) JOIN items i USING (item_id)
            WHERE l.price > 0 AND i.is_demand
                AND (l.price > 3.9 * middle OR l.price * 3.9 < middle)),
        packs AS (
            SELECT item_id, count(*) AS lines, sum(value) AS value
            FROM lines WHERE in_packs GROUP BY item_id)
        SELECT item_id, middle, coalesce(lines, 0) AS lines_in_packs,
            coalesce(lines, 0) >= 2 AS affected, value AS money
        FROM middles LEFT JOIN packs USING (item_id)"""


@check(
    "sales-unknown-location", area=SALES, severity="error", reads="sales locations",
    unit="sales rows",
    remedy="Add the location, or correct its id.",
    money_means="revenue at unknown locations",
)  # fmt: skip
def unknown_location(config: ReadinessConfig) -> str:
    """{affected} of {checked} sales rows name a location that is not on file."""
    return """
        SELECT s.item_id, s.location_id, s.date, l.location_id IS NULL AS affected,
            s.revenue AS money
        FROM sales s LEFT JOIN (SELECT DISTINCT location_id FROM locations) l USING (location_id)"""
