"""Checks of the item master."""

from workbench.readiness.checks import ITEMS, check
from workbench.readiness.config import ReadinessConfig

_REVENUE = "(SELECT item_id, sum(revenue) AS revenue FROM sales GROUP BY item_id)"


@check(
    "items-unknown", area=ITEMS, severity="error", reads="items sales", unit="sales rows",
    remedy="Add these items to the master, or map their ids to existing items.",
    money_means="revenue that no item record explains",
)  # fmt: skip
def unknown_items(config: ReadinessConfig) -> str:
    """{affected} of {checked} sales rows name an item that the item master does not hold."""
    return """
        SELECT count(*) FILTER (i.item_id IS NULL) AS affected, count(*) AS checked,
            sum(s.revenue) FILTER (i.item_id IS NULL) AS money
        FROM sales s LEFT JOIN items i USING (item_id)"""


@check(
    "items-without-category", area=ITEMS, severity="warning", reads="items", unit="items",
    remedy="Fill in the category: segments, forecasts of new items and approvals group by it.",
)  # fmt: skip
def without_category(config: ReadinessConfig) -> str:
    """{affected} of {checked} items have no category."""
    return "SELECT count(*) - count(category) AS affected, count(*) AS checked FROM items"


@check(
    "items-without-pack-size", area=ITEMS, severity="info", reads="items", unit="items",
    remedy="Record the pack size, or buy it from a product data pool by GTIN.",
)  # fmt: skip
def without_pack_size(config: ReadinessConfig) -> str:
    """{affected} of {checked} merchandise items have no pack size at all."""
    return """
        SELECT count(*) FILTER (pack_text IS NULL AND pack_uom IS NULL) AS affected,
            count(*) AS checked FROM items WHERE is_demand"""


@check(
    "items-size-unparsed", area=ITEMS, severity="info", reads="items", unit="items",
    remedy="Write these sizes as number and unit; the list is in the audit's tables.",
)  # fmt: skip
def size_unparsed(config: ReadinessConfig) -> str:
    """{affected} of {checked} typed pack sizes cannot be read as a number and a unit."""
    return """
        SELECT count(*) FILTER (pack_uom IS NULL) AS affected, count(*) AS checked
        FROM items WHERE pack_text IS NOT NULL"""


@check(
    "items-not-merchandise", area=ITEMS, severity="info", reads="items sales", unit="sales rows",
    remedy="Keep them out of demand (done: is_demand is false); let the till book them elsewhere.",
    money_means="revenue booked on items that are no merchandise",
)  # fmt: skip
def not_merchandise(config: ReadinessConfig) -> str:
    """{affected} of {checked} sales rows are fuel, coupons, gift cards or other pseudo-items."""
    return """
        SELECT count(*) FILTER (NOT i.is_demand) AS affected, count(*) AS checked,
            sum(s.revenue) FILTER (NOT i.is_demand) AS money
        FROM sales s JOIN items i USING (item_id)"""


@check(
    "items-never-sold", area=ITEMS, severity="info", reads="items sales", unit="items",
    remedy="Close records of items that are no longer traded.",
)  # fmt: skip
def never_sold(config: ReadinessConfig) -> str:
    """{affected} of {checked} merchandise items were never sold in the whole history."""
    return """
        SELECT count(*) FILTER (s.item_id IS NULL) AS affected, count(*) AS checked
        FROM items i LEFT JOIN (SELECT DISTINCT item_id FROM sales) s USING (item_id)
        WHERE i.is_demand"""


@check(
    "items-without-gtin", area=ITEMS, severity="warning", reads="items", unit="items", zero_at=0.5,
    remedy="Record the GTIN: it is what joins till, warehouse and supplier records.",
)  # fmt: skip
def without_gtin(config: ReadinessConfig) -> str:
    """{affected} of {checked} merchandise items have no GTIN."""
    return """
        SELECT count(*) - count(gtin) AS affected, count(*) AS checked FROM items
        WHERE is_demand"""


@check(
    "items-without-cost", area=ITEMS, severity="error", reads="items sales", unit="items sold",
    zero_at=0.05,
    remedy="Load purchase costs: without them no stock value, margin or order cost can be stated.",
    money_means="revenue whose margin is unknown",
)  # fmt: skip
def without_cost(config: ReadinessConfig) -> str:
    """{affected} of {checked} merchandise items sold have no unit cost."""
    return f"""
        SELECT count(*) - count(i.unit_cost) AS affected, count(*) AS checked,
            sum(r.revenue) FILTER (i.unit_cost IS NULL) AS money
        FROM items i JOIN {_REVENUE} r USING (item_id) WHERE i.is_demand"""


@check(
    "items-cost-above-price", area=ITEMS, severity="error", reads="items sales", unit="items sold",
    remedy="Check cost and price, and whether both are per the same unit.",
    money_means="revenue of these items",
)  # fmt: skip
def cost_above_price(config: ReadinessConfig) -> str:
    """{affected} of {checked} items cost as much as they sell for, or more."""
    return f"""
        SELECT count(*) FILTER (i.unit_cost >= i.unit_price) AS affected, count(*) AS checked,
            sum(r.revenue) FILTER (i.unit_cost >= i.unit_price) AS money
        FROM items i JOIN {_REVENUE} r USING (item_id)
        WHERE i.is_demand AND i.unit_cost IS NOT NULL AND i.unit_price IS NOT NULL"""


@check(
    "items-alike", area=ITEMS, severity="info", reads="items", unit="items",
    remedy="Look whether these are one article under several numbers; merge through item_aliases.",
)  # fmt: skip
def alike(config: ReadinessConfig) -> str:
    """{affected} of {checked} items cannot be told apart by description, brand, maker and size."""
    return """
        SELECT count(*) FILTER (alike > 1) AS affected, count(*) AS checked FROM (
            SELECT count(*) OVER (
                PARTITION BY description, category, brand, manufacturer, pack_text) AS alike
            FROM items WHERE is_demand AND pack_text IS NOT NULL)"""


@check(
    "items-mixed-units", area=ITEMS, severity="warning", reads="items", unit="categories",
    remedy="Agree on one unit of measure per category and convert the others.",
)  # fmt: skip
def mixed_base_units(config: ReadinessConfig) -> str:
    """{affected} of {checked} categories count their items in more than one base unit."""
    return """
        SELECT count(*) FILTER (units > 1) AS affected, count(*) AS checked FROM (
            SELECT count(DISTINCT base_uom) AS units FROM items
            WHERE category IS NOT NULL GROUP BY category)"""
