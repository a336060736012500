"""Checks of prices and promotions."""

from workbench.readiness.checks import PRICES, check
from workbench.readiness.config import ReadinessConfig


@check(
    "prices-missing", area=PRICES, severity="warning", reads="sales items prices",
    unit="sales rows",
    remedy="Load the price list that was in force on these days.",
    money_means="revenue without a price on file",
)  # fmt: skip
def missing(config: ReadinessConfig) -> str:
    """{affected} of {checked} merchandise sales have no price in force on their day."""
    return """
        WITH first AS (SELECT item_id, min(valid_from) AS first FROM prices GROUP BY item_id)
        SELECT item_id, location_id, date, first IS NULL OR first > date AS affected,
            revenue AS money
        FROM sales JOIN items USING (item_id) LEFT JOIN first USING (item_id)
        WHERE is_demand AND quantity > 0"""


@check(
    "prices-zero", area=PRICES, severity="warning", reads="prices items", unit="prices",
    remedy="Replace zero by the price, or remove the row.",
)  # fmt: skip
def zero(config: ReadinessConfig) -> str:
    """{affected} of {checked} prices of merchandise are zero."""
    return """
        SELECT item_id, p.location_id, p.valid_from, p.price = 0 AS affected
        FROM prices p JOIN items USING (item_id) WHERE is_demand"""


@check(
    "prices-jump", area=PRICES, severity="warning", reads="prices items", unit="price changes",
    zero_at=0.02,
    remedy="Check decimal point, currency and unit of these prices.",
)  # fmt: skip
def jump(config: ReadinessConfig) -> str:
    """{affected} of {checked} price changes are by more than the plausible factor."""
    ratio = config.price_ratio
    return f"""
        WITH steps AS (
            SELECT item_id, location_id, valid_from, price, lag(price) OVER (
                PARTITION BY item_id, location_id ORDER BY valid_from) AS before
            FROM prices JOIN items USING (item_id) WHERE is_demand AND price > 0)
        SELECT *, price > {ratio} * before OR before > {ratio} * price AS affected
        FROM steps WHERE before IS NOT NULL AND before <> price"""


@check(
    "prices-mixed-currency", area=PRICES, severity="error", reads="prices", unit="items",
    remedy="State all prices of an item in one currency.",
)  # fmt: skip
def mixed_currency(config: ReadinessConfig) -> str:
    """{affected} of {checked} items have prices in more than one currency."""
    return """
        SELECT item_id, min(currency) AS one, max(currency) AS other,
            min(currency) <> max(currency) AS affected FROM prices GROUP BY item_id"""


@check(
    "prices-unknown-items", area=PRICES, severity="error", reads="prices items",
    unit="priced items",
    remedy="Add these items to the master, or correct their ids in the price list.",
)  # fmt: skip
def unknown_items(config: ReadinessConfig) -> str:
    """{affected} of {checked} priced items are not in the item master."""
    return """
        SELECT p.item_id, i.item_id IS NULL AS affected
        FROM (SELECT DISTINCT item_id FROM prices) p
        LEFT JOIN (SELECT DISTINCT item_id FROM items) i USING (item_id)"""


@check(
    "promotions-unknown", area=PRICES, severity="error", reads="promotions items locations",
    unit="promoted items at locations",
    remedy="Correct the item or location ids in the promotion plan.",
)  # fmt: skip
def promotions_unknown(config: ReadinessConfig) -> str:
    """{affected} of {checked} promoted items at a location are unknown to the master data."""
    return """
        WITH pairs AS (SELECT DISTINCT item_id, location_id FROM promotions)
        SELECT p.item_id, p.location_id, i.item_id IS NULL OR l.location_id IS NULL AS affected
        FROM pairs p LEFT JOIN (SELECT DISTINCT item_id FROM items) i USING (item_id)
        LEFT JOIN (SELECT DISTINCT location_id FROM locations) l USING (location_id)"""


@check(
    "promotions-reversed", area=PRICES, severity="error", reads="promotions", unit="promotions",
    remedy="Swap or correct the dates.",
)  # fmt: skip
def promotions_reversed(config: ReadinessConfig) -> str:
    """{affected} of {checked} promotions end before they begin."""
    return """
        SELECT item_id, location_id, valid_from, valid_to, kind, valid_to <= valid_from AS affected
        FROM promotions"""


@check(
    "promotions-without-sales", area=PRICES, severity="info", reads="promotions sales",
    unit="promoted items at locations", zero_at=1.0,
    remedy="Stop promoting what a location does not carry, or find out why it did not sell.",
)  # fmt: skip
def promotions_without_sales(config: ReadinessConfig) -> str:
    """{affected} of {checked} promoted items at a location were never sold there."""
    return """
        WITH pairs AS (SELECT DISTINCT item_id, location_id FROM promotions),
        sold AS (SELECT DISTINCT item_id, location_id, true AS sold FROM sales)
        SELECT item_id, location_id, sold IS NULL AS affected
        FROM pairs LEFT JOIN sold USING (item_id, location_id)"""
