"""Checks of how long and how densely the history reaches."""

from workbench.readiness.checks import HISTORY, check
from workbench.readiness.config import ReadinessConfig

_DAYS = """
    WITH days AS (
        SELECT item_id, date, sum(revenue) AS revenue FROM sales JOIN items USING (item_id)
        WHERE is_demand AND quantity > 0 GROUP BY item_id, date)"""


def _days_short(day: str, table: str, wanted: int) -> str:
    """One row per day of the span that planning wants, counted back from the last day."""
    return f"""
        SELECT CAST(last - CAST(back AS INTEGER) AS DATE) AS day,
            last - CAST(back AS INTEGER) < first AS affected
        FROM (SELECT min({day}) AS first, max({day}) AS last FROM {table}), range({wanted}) t(back)
        WHERE first IS NOT NULL"""


@check(
    "history-short", area=HISTORY, severity="error", reads="sales", unit="days", zero_at=1.0,
    remedy="Load older sales: planning asks for 6 to 12 months of orders and receipts.",
)  # fmt: skip
def short(config: ReadinessConfig) -> str:
    """{affected} of the {checked} days that planning needs at least are not in the history."""
    return _days_short("date", "sales", config.history_days)


@check(
    "history-under-two-years", area=HISTORY, severity="warning", reads="sales", unit="days",
    zero_at=1.0,
    remedy="Load two full years where they exist: one year shows each season only once.",
)  # fmt: skip
def under_two_years(config: ReadinessConfig) -> str:
    """{affected} of the {checked} days that would show every season twice are missing."""
    return _days_short("date", "sales", 730)


@check(
    "receipts-history-short", area=HISTORY, severity="warning", reads="receipts", unit="days",
    zero_at=1.0,
    remedy="Load older receipts: lead times need 6 to 12 months of them.",
)  # fmt: skip
def receipts_short(config: ReadinessConfig) -> str:
    """{affected} of the {checked} days that lead times need at least are not in the receipts."""
    return _days_short("received", "receipts", config.history_days)


@check(
    "items-short-history", area=HISTORY, severity="warning", reads="sales items",
    unit="items sold", zero_at=0.9,
    remedy="Plan these by analogy with their category until they have six months.",
    money_means="revenue of items with a short history",
)  # fmt: skip
def items_short(config: ReadinessConfig) -> str:
    """{affected} of {checked} merchandise items span too few days from first to last sale."""
    return f"""{_DAYS}
        SELECT item_id, min(date) AS first, max(date) AS last,
            max(date) - min(date) + 1 < {config.history_days} AS affected, sum(revenue) AS money
        FROM days GROUP BY item_id"""


@check(
    "locations-few-days", area=HISTORY, severity="warning", reads="sales", unit="locations",
    zero_at=0.9,
    remedy="Plan these with a neighbouring location, or leave them out of the pilot.",
    money_means="revenue of these locations",
)  # fmt: skip
def locations_few_days(config: ReadinessConfig) -> str:
    """{affected} of {checked} locations sold on too few days to be planned alone."""
    return f"""
        SELECT location_id, count(DISTINCT date) AS days,
            count(DISTINCT date) < {config.selling_days} AS affected, sum(revenue) AS money
        FROM sales GROUP BY location_id"""


@check(
    "item-locations-thin", area=HISTORY, severity="info", reads="sales items",
    unit="items at locations", zero_at=1.0,
    remedy="Plan these at the distribution centre; review each location's range.",
    money_means="revenue of thin items at locations",
)  # fmt: skip
def item_locations_thin(config: ReadinessConfig) -> str:
    """{affected} of {checked} items at a location sell on too few days to be planned there."""
    return f"""
        SELECT item_id, location_id, count(DISTINCT date) AS days,
            count(DISTINCT date) < {config.selling_days} AS affected, sum(revenue) AS money
        FROM sales JOIN items USING (item_id) WHERE is_demand AND quantity > 0
        GROUP BY item_id, location_id"""


@check(
    "calendar-holes", area=HISTORY, severity="error", reads="sales calendar", unit="days",
    remedy="Ask for the files of these days; if the business was closed, enter it in the calendar.",
    money_means="average revenue of the days that are missing",
)  # fmt: skip
def calendar_holes(config: ReadinessConfig) -> str:
    """{affected} of {checked} days have no sale at all and no public holiday explains it."""
    # A weekday on which the business hardly ever sells is a day off, not a hole.
    return """
        WITH span AS (
            SELECT CAST(unnest(generate_series(min(date), max(date), INTERVAL 1 DAY)) AS DATE)
                AS date FROM sales),
        sold AS (SELECT date, sum(revenue) AS revenue FROM sales GROUP BY date),
        closed AS (
            SELECT date, true AS closed FROM calendar WHERE type LIKE 'public%' GROUP BY date),
        days AS (SELECT * FROM span LEFT JOIN sold USING (date)),
        weekdays AS (
            SELECT isodow(date) AS weekday, count(revenue) >= 0.2 * count(*) AS works FROM days
            GROUP BY ALL)
        SELECT date, revenue IS NULL AND closed IS NULL AS affected,
            (SELECT avg(revenue) FROM sold) AS money
        FROM days LEFT JOIN closed USING (date) JOIN weekdays ON weekday = isodow(date)
        WHERE works"""


@check(
    "locations-missing-days", area=HISTORY, severity="warning", reads="sales",
    unit="days of daily locations", zero_at=0.05,
    remedy="Ask for the location's files of these days; enter closures in the calendar.",
    money_means="average daily revenue of the location",
)  # fmt: skip
def locations_missing_days(config: ReadinessConfig) -> str:
    """{affected} of {checked} days lack a location's sales although it sells on most days."""
    # Days on which nobody sold belong to calendar-holes.
    return """
        WITH days AS (
            SELECT location_id, date, sum(revenue) AS revenue FROM sales GROUP BY ALL),
        spans AS (
            SELECT location_id, min(date) AS first, max(date) AS last, avg(revenue) AS usual,
                count(*) AS days FROM days GROUP BY location_id),
        business AS (SELECT DISTINCT date FROM days),
        expected AS (
            SELECT location_id, date, usual, count(*) OVER (PARTITION BY location_id) AS open_days,
                days FROM spans JOIN business ON date BETWEEN first AND last)
        SELECT location_id, date, revenue IS NULL AS affected, usual AS money
        FROM expected LEFT JOIN days USING (location_id, date)
        WHERE expected.days >= 0.8 * open_days AND open_days >= 28"""


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
            SELECT item_id, max(pause) AS longest, sum(revenue) AS revenue,
                max(date) - min(date) + 1 AS span,
                sum(pause) FILTER (pause >= {config.gap_days}) AS lost_days
            FROM steps GROUP BY item_id
            HAVING count(*) >= 2 * {config.selling_days})
        SELECT item_id, longest AS longest_pause_days, coalesce(longest, 0) >= {config.gap_days}
            AS affected, revenue / greatest(span - lost_days, 1) * lost_days AS money
        FROM per_item"""


@check(
    "items-dead", area=HISTORY, severity="info", reads="sales items", unit="items sold",
    zero_at=1.0,
    remedy="Delist them or sell off what is left.",
)  # fmt: skip
def dead(config: ReadinessConfig) -> str:
    """{affected} of {checked} merchandise items have not sold for months."""
    return f"""{_DAYS}
        SELECT item_id, max(date) AS last_sale,
            (SELECT max(date) FROM days) - max(date) > {config.dead_days} AS affected
        FROM days GROUP BY item_id"""


@check(
    "items-new", area=HISTORY, severity="info", reads="sales items", unit="items sold",
    zero_at=1.0,
    remedy="Forecast these by analogy with their category; review them weekly.",
    money_means="revenue of these items so far",
)  # fmt: skip
def new(config: ReadinessConfig) -> str:
    """{affected} of {checked} merchandise items were first sold in the last weeks."""
    return f"""{_DAYS}
        SELECT item_id, min(date) AS first_sale,
            (SELECT max(date) FROM days) - min(date) < {config.new_days} AS affected,
            sum(revenue) AS money
        FROM days GROUP BY item_id"""


@check(
    "stockouts-invisible", area=HISTORY, severity="warning", reads="sales", unit="sales rows",
    zero_at=1.0,
    remedy="Record daily whether the item was on the shelf: otherwise lost demand looks like none.",
)  # fmt: skip
def stockouts_invisible(config: ReadinessConfig) -> str:
    """{affected} of {checked} sales rows do not say whether the item was in stock."""
    return "SELECT item_id, location_id, date, in_stock IS NULL AS affected FROM sales"


@check(
    "stockouts-censor-demand", area=HISTORY, severity="warning", reads="stock sales items",
    unit="days of regular items at locations", zero_at=0.10,
    remedy="Mark these days as out of stock, so that a forecast does not learn them as no demand.",
    money_means="revenue expected on these days at the item's average pace",
)  # fmt: skip
def stockouts_censor_demand(config: ReadinessConfig) -> str:
    """{affected} of {checked} days had nothing on hand, so sales say nothing about demand."""
    return f"""
        WITH pace AS (
            SELECT item_id, location_id, count(DISTINCT date) AS days, sum(revenue) AS revenue,
                max(date) - min(date) + 1 AS span
            FROM sales JOIN items USING (item_id) WHERE is_demand AND quantity > 0 GROUP BY ALL
            HAVING count(DISTINCT date) >= {config.selling_days})
        SELECT item_id, location_id, date, on_hand, on_hand <= 0 AS affected,
            revenue / span AS money
        FROM stock JOIN pace USING (item_id, location_id)"""
