"""Checks of the item master."""

from workbench.readiness.checks import ITEMS, check
from workbench.readiness.config import ReadinessConfig

_DIGITS = "regexp_replace(gtin, '[ -]', '', 'g')"  # blanks and hyphens only group them
_REVENUE = "(SELECT item_id, sum(revenue) AS revenue FROM sales GROUP BY item_id)"


@check(
    "items-unknown", area=ITEMS, severity="error", reads="items sales", unit="sales rows",
    remedy="Add these items to the master, or map their ids to existing items.",
    money_means="revenue that no item record explains",
)  # fmt: skip
def unknown_items(config: ReadinessConfig) -> str:
    """{affected} of {checked} sales rows name an item that the item master does not hold."""
    return """
        SELECT s.item_id, s.location_id, s.date, i.item_id IS NULL AS affected, s.revenue AS money
        FROM sales s LEFT JOIN (SELECT DISTINCT item_id FROM items) i USING (item_id)"""


@check(
    "items-without-category", area=ITEMS, severity="warning", reads="items", unit="items",
    remedy="Fill in the category: segments, forecasts of new items and approvals group by it.",
)  # fmt: skip
def without_category(config: ReadinessConfig) -> str:
    """{affected} of {checked} items have no category."""
    return "SELECT item_id, description, category IS NULL AS affected FROM items"


@check(
    "items-without-pack-size", area=ITEMS, severity="info", reads="items", unit="items",
    remedy="Record the pack size, or buy it from a product data pool by GTIN.",
)  # fmt: skip
def without_pack_size(config: ReadinessConfig) -> str:
    """{affected} of {checked} merchandise items have no pack size at all."""
    return """
        SELECT item_id, description, pack_text IS NULL AND pack_uom IS NULL AS affected
        FROM items WHERE is_demand"""


@check(
    "items-size-unparsed", area=ITEMS, severity="info", reads="items", unit="items",
    remedy="Write these sizes as number and unit; the list is in the audit's tables.",
)  # fmt: skip
def size_unparsed(config: ReadinessConfig) -> str:
    """{affected} of {checked} typed pack sizes cannot be read as a number and a unit."""
    return """
        SELECT item_id, pack_text, pack_uom IS NULL AS affected
        FROM items WHERE pack_text IS NOT NULL"""


@check(
    "items-not-merchandise", area=ITEMS, severity="info", reads="items sales", unit="sales rows",
    remedy="Keep them out of demand (done: is_demand is false); let the till book them elsewhere.",
    money_means="revenue booked on items that are no merchandise",
)  # fmt: skip
def not_merchandise(config: ReadinessConfig) -> str:
    """{affected} of {checked} sales rows are fuel, coupons, gift cards or other pseudo-items."""
    return """
        SELECT item_id, i.description, s.date, NOT i.is_demand AS affected, s.revenue AS money
        FROM sales s JOIN items i USING (item_id)"""


@check(
    "items-never-sold", area=ITEMS, severity="info", reads="items sales", unit="items",
    remedy="Close records of items that are no longer traded.",
)  # fmt: skip
def never_sold(config: ReadinessConfig) -> str:
    """{affected} of {checked} merchandise items were never sold in the whole history."""
    return """
        SELECT i.item_id, i.description, s.item_id IS NULL AS affected
        FROM items i LEFT JOIN (SELECT DISTINCT item_id FROM sales) s USING (item_id)
        WHERE i.is_demand"""


@check(
    "items-without-gtin", area=ITEMS, severity="warning", reads="items", unit="items", zero_at=0.5,
    remedy="Record the GTIN: it is what joins till, warehouse and supplier records.",
)  # fmt: skip
def without_gtin(config: ReadinessConfig) -> str:
    """{affected} of {checked} merchandise items have no GTIN."""
    return "SELECT item_id, description, gtin IS NULL AS affected FROM items WHERE is_demand"


@check(
    "items-gtin-wrong", area=ITEMS, severity="error", reads="items", unit="GTINs",
    remedy="Scan the article again: a digit was mistyped, or a leading zero was lost.",
)  # fmt: skip
def gtin_wrong(config: ReadinessConfig) -> str:
    """{affected} of {checked} GTINs have a wrong length or check digit."""
    # GS1 General Specifications, section 7.9: from the right, digits weigh 1, 3, 1, 3 and so on;
    # the sum of a valid number is a multiple of 10.
    return f"""
        SELECT item_id, gtin,
            NOT regexp_full_match(digits, '[0-9]{{8}}|[0-9]{{12,14}}') OR digits SIMILAR TO '0+'
            OR coalesce(list_sum(
                list_transform(range(1, length(digits) + 1), lambda place:
                    coalesce(TRY_CAST(digits[-place] AS INTEGER), 0)
                    * CASE WHEN place % 2 = 1 THEN 1 ELSE 3 END)) % 10 <> 0, true) AS affected
        FROM (SELECT item_id, gtin, {_DIGITS} AS digits FROM items WHERE gtin IS NOT NULL)"""


@check(
    "items-gtin-shared", area=ITEMS, severity="error", reads="items", unit="items with a GTIN",
    remedy="Find out which item the number belongs to; merge what is one article.",
)  # fmt: skip
def gtin_shared(config: ReadinessConfig) -> str:
    """{affected} of {checked} items share their GTIN with another item."""
    return f"""
        SELECT item_id, gtin, count(*) OVER (PARTITION BY ltrim({_DIGITS}, '0')) > 1 AS affected
        FROM items WHERE gtin IS NOT NULL"""


@check(
    "items-without-cost", area=ITEMS, severity="error", reads="items sales", unit="items sold",
    zero_at=0.05,
    remedy="Load purchase costs: without them no stock value, margin or order cost can be stated.",
    money_means="revenue whose margin is unknown",
)  # fmt: skip
def without_cost(config: ReadinessConfig) -> str:
    """{affected} of {checked} merchandise items sold have no unit cost."""
    return f"""
        SELECT item_id, i.description, coalesce(i.unit_cost, 0) = 0 AS affected, r.revenue AS money
        FROM items i JOIN {_REVENUE} r USING (item_id) WHERE i.is_demand"""


@check(
    "items-cost-above-price", area=ITEMS, severity="error", reads="items sales", unit="items sold",
    remedy="Check cost and price, and whether both are per the same unit.",
    money_means="revenue of these items",
)  # fmt: skip
def cost_above_price(config: ReadinessConfig) -> str:
    """{affected} of {checked} items cost as much as they sell for, or more."""
    return f"""
        SELECT item_id, i.description, i.unit_cost, i.unit_price,
            i.unit_cost >= i.unit_price AS affected, r.revenue AS money
        FROM items i JOIN {_REVENUE} r USING (item_id)
        WHERE i.is_demand AND i.unit_cost > 0 AND i.unit_price IS NOT NULL"""


@check(
    "items-alike", area=ITEMS, severity="info", reads="items item_pairs", unit="merchandise items",
    remedy="'workbench items duplicates' lists them with the evidence: merge what is one article,"
    " and describe what is two so that people can tell.",
)  # fmt: skip
def alike(config: ReadinessConfig) -> str:
    """{affected} of {checked} items are written like another, or nearly: perhaps one article."""
    return """
        WITH both_ways AS (
            SELECT item_id, duplicate_id AS other, score FROM item_pairs
            UNION ALL SELECT duplicate_id, item_id, score FROM item_pairs),
        nearest AS (
            SELECT item_id, max_by(other, (score, other)) AS alike, max(score) AS score
            FROM both_ways GROUP BY item_id)
        SELECT i.item_id, i.description, alike, score, alike IS NOT NULL AS affected
        FROM items i LEFT JOIN nearest USING (item_id) WHERE is_demand"""


@check(
    "items-mixed-units", area=ITEMS, severity="warning", reads="items", unit="categories",
    remedy="Agree on one unit of measure per category and convert the others.",
)  # fmt: skip
def mixed_base_units(config: ReadinessConfig) -> str:
    """{affected} of {checked} categories count their items in more than one base unit."""
    return """
        SELECT category, string_agg(DISTINCT base_uom, ', ' ORDER BY base_uom) AS units,
            count(DISTINCT base_uom) > 1 AS affected
        FROM items WHERE category IS NOT NULL GROUP BY category"""


@check(
    "items-id-untidy", area=ITEMS, severity="warning", reads="items", unit="items",
    remedy="Trim and align the ids in the source: a join takes 'a1' and 'A1 ' for two items.",
)  # fmt: skip
def id_untidy(config: ReadinessConfig) -> str:
    """{affected} of {checked} item ids differ from another only by case, blanks or zeros."""
    return """
        SELECT item_id, count(*) OVER (
            PARTITION BY ltrim(lower(regexp_replace(item_id, '[^0-9A-Za-z]', '', 'g')), '0')
        ) > 1 AS affected FROM items"""
