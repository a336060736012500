"""Checks of how long and how densely the history reaches."""

from workbench.readiness.checks import HISTORY, check
from workbench.readiness.config import ReadinessConfig

_DAYS = """
    WITH days AS (
        SELECT item_id, date, sum(revenue) AS revenue FROM sales JOIN items USING (item_id)
        WHERE is_demand AND quantity > 0 GROUP BY item_id, date)"""


@check(
    "history-short", area=HISTORY, severity="error", reads="sales", unit="days", zero_at=1.0,
    remedy="Load older sales: planning asks for 6 to 12 months of orders and receipts.",
)  # fmt: skip
def short(config: ReadinessConfig) -> str:
    """{affected} of the {checked} days that planning needs at least are not in the history."""
    return f"""
        SELECT greatest({config.history_days} - (max(date) - min(date) + 1), 0) AS affected,
            {config.history_days} AS checked FROM sales"""


@check(
    "history-under-two-years", area=HISTORY, severity="warning", reads="sales", unit="days",
    zero_at=1.0,
    remedy="Load two full years where they exist: one year shows each season only once.",
)  # fmt: skip
def under_two_years(config: ReadinessConfig) -> str:
    """{affected} of the {checked} days that would show every season twice are missing."""
    return """
        SELECT greatest(730 - (max(date) - min(date) + 1), 0) AS affected, 730 AS checked
        FROM sales"""


@check(
    "items-short-history", area=HISTORY, severity="warning", reads="sales items",
    unit="items sold", zero_at=0.9,
    remedy="Plan these by analogy with their category until they have six months.",
    money_means="revenue of items with a short history",
)  # fmt: skip
def items_short(config: ReadinessConfig) -> str:
    """{affected} of {checked} merchandise items span too few days from first to last sale."""
    return f"""{_DAYS}, spans AS (
            SELECT max(date) - min(date) + 1 AS span, sum(revenue) AS revenue
            FROM days GROUP BY item_id)
        SELECT count(*) FILTER (span < {config.history_days}) AS affected, count(*) AS checked,
            sum(revenue) FILTER (span < {config.history_days}) AS money FROM spans"""


@check(
    "locations-few-days", area=HISTORY, severity="warning", reads="sales", unit="locations",
    zero_at=0.9,
    remedy="Plan these with a neighbouring location, or leave them out of the pilot.",
    money_means="revenue of these locations",
)  # fmt: skip
def locations_few_days(config: ReadinessConfig) -> str:
    """{affected} of {checked} locations sold on too few days to be planned alone."""
    return f"""
        WITH per_location AS (
            SELECT count(DISTINCT date) AS days, sum(revenue) AS revenue
            FROM sales GROUP BY location_id)
        SELECT count(*) FILTER (days < {config.selling_days}) AS affected, count(*) AS checked,
            sum(revenue) FILTER (days < {config.selling_days}) AS money FROM per_location"""


@check(
    "item-locations-thin", area=HISTORY, severity="info", reads="sales items",
    unit="items at locations", zero_at=1.0,
    remedy="Plan these at the distribution centre; review each location's range.",
    money_means="revenue of thin items at locations",
)  # fmt: skip
def item_locations_thin(config: ReadinessConfig) -> str:
    """{affected} of {checked} items at a location sell on too few days to be planned there."""
    return f"""
        WITH pairs AS (
            SELECT count(DISTINCT date) AS days, sum(revenue) AS revenue
            FROM sales JOIN items USING (item_id) WHERE is_demand AND quantity > 0
            GROUP BY item_id, location_id)
        SELECT count(*) FILTER (days < {config.selling_days}) AS affected, count(*) AS checked,
            sum(revenue) FILTER (days < {config.selling_days}) AS money FROM pairs"""


@check(
    "calendar-holes", area=HISTORY, severity="error", reads="sales calendar", unit="days",
    remedy="Ask for the files of these days; if the business was closed, enter it in the calendar.",
    money_means="average revenue of the days that are missing",
)  # fmt: skip
def calendar_holes(config: ReadinessConfig) -> str:
    """{affected} of {checked} days have no sale at all and no public holiday explains it."""
    return """
        WITH span AS (
            SELECT CAST(unnest(generate_series(min(date), max(date), INTERVAL 1 DAY)) AS DATE)
                AS date FROM sales),
        sold AS (SELECT date, sum(revenue) AS revenue FROM sales GROUP BY date),
        holes AS (
            SELECT count(*) FILTER (sold.date IS NULL AND h.date IS NULL) AS affected,
                count(*) AS checked
            FROM span LEFT JOIN sold USING (date)
            LEFT JOIN (SELECT DISTINCT date FROM calendar WHERE type = 'public_holiday') h
                USING (date))
        SELECT affected, checked, affected * (SELECT avg(revenue) FROM sold) AS money FROM holes"""


@check(
    "items-long-gaps", area=HISTORY, severity="warning", reads="sales items", unit="regular items",
    zero_at=0.5,
    remedy="Ask whether these were out of stock or delisted; mark it in sales.in_stock.",
    money_means="revenue expected during the gaps at the item's average pace",
)  # fmt: skip
def long_gaps(config: ReadinessConfig) -> str:
    """{affected} of {checked} items that sell regularly pause for weeks: stockout or delisting."""
    return f"""{_DAYS}, steps AS (
            SELECT item_id, revenue, date,
                date - lag(date) OVER (PARTITION BY item_id ORDER BY date) - 1 AS pause FROM days),
        per_item AS (
            SELECT count(*) AS days, max(pause) AS longest, sum(revenue) AS revenue,
                max(date) - min(date) + 1 AS span,
                sum(pause) FILTER (pause >= {config.gap_days}) AS lost_days
            FROM steps GROUP BY item_id
            HAVING count(*) >= 2 * {config.selling_days})
        SELECT count(*) FILTER (longest >= {config.gap_days}) AS affected, count(*) AS checked,
            sum(revenue / greatest(span - lost_days, 1) * lost_days)
                FILTER (longest >= {config.gap_days}) AS money FROM per_item"""


@check(
    "items-dead", area=HISTORY, severity="info", reads="sales items", unit="items sold",
    zero_at=1.0,
    remedy="Delist them or sell off what is left.",
)  # fmt: skip
def dead(config: ReadinessConfig) -> str:
    """{affected} of {checked} merchandise items have not sold for months."""
    return f"""{_DAYS}, last AS (SELECT max(date) AS last FROM days GROUP BY item_id)
        SELECT count(*) FILTER ((SELECT max(date) FROM days) - last > {config.dead_days})
            AS affected, count(*) AS checked FROM last"""


@check(
    "stockouts-invisible", area=HISTORY, severity="warning", reads="sales", unit="sales rows",
    zero_at=1.0,
    remedy="Record daily whether the item was on the shelf: otherwise lost demand looks like none.",
)  # fmt: skip
def stockouts_invisible(config: ReadinessConfig) -> str:
    """{affected} of {checked} sales rows do not say whether the item was in stock."""
    return "SELECT count(*) - count(in_stock) AS affected, count(*) AS checked FROM sales"
