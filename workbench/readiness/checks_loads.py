"""Checks of what was set aside at load, how fresh the tables are and how punctually they arrive."""

from workbench.readiness.checks import LOADS, check
from workbench.readiness.config import ReadinessConfig

# The version of each table that is looked at is the newest one that the audit knows.
_ACCOUNT = """
    WITH in_force AS (
        SELECT table_name AS loaded_table, arg_max(version, loaded) AS loaded_version
        FROM deliveries GROUP BY table_name),
    account AS (FROM loads SEMI JOIN in_force USING (loaded_table, loaded_version)),"""
SET_ASIDE = f"""{_ACCOUNT}
    bad AS (
        SELECT loaded_table, loaded_version, "column", reason, count(*) AS rows,
            arg_min(concat(file, ':', "row"), ("file", "row")) AS first
        FROM quarantine GROUP BY ALL)
    SELECT loaded_table, source, "column", reason, bad.rows,
        printf('%.2f%%', 100 * bad.rows / read) AS share, first, true AS affected
    FROM account JOIN bad USING (loaded_table, loaded_version)"""


def _totals(config: ReadinessConfig) -> str:
    return f"""{_ACCOUNT}
        bad AS (
            SELECT loaded_table, loaded_version, count(*) AS rows FROM quarantine GROUP BY ALL)
        SELECT CAST(coalesce(sum(rows), 0) AS BIGINT) AS affected,
            CAST(affected + coalesce(sum(greatest(read - quarantined, 0)), 0) AS BIGINT) AS checked
        FROM account LEFT JOIN bad USING (loaded_table, loaded_version)"""


@check(
    "loads-stale", area=LOADS, severity="warning", reads="sales deliveries",
    unit="tables with days",
    zero_at=0.5,
    remedy="Find out why this feed stopped; a forecast rests on its last day.",
)  # fmt: skip
def stale(config: ReadinessConfig) -> str:
    """{affected} of {checked} tables end days before the newest one does."""
    return f"""
        WITH newest AS (
            SELECT table_name, max(last_observed) AS last FROM deliveries
            WHERE last_observed IS NOT NULL GROUP BY table_name)
        SELECT table_name, last, (SELECT max(last) FROM newest) AS newest,
            (SELECT max(last) FROM newest) - last > {config.stale_days} AS affected FROM newest"""


@check(
    "loads-late", area=LOADS, severity="warning", reads="sales deliveries",
    unit="deliveries after the first",
    zero_at=0.5,
    remedy="Move the export to a fixed hour, or read a stream; alert when it does not come.",
)  # fmt: skip
def late(config: ReadinessConfig) -> str:
    """{affected} of {checked} deliveries came later than the table's usual rhythm."""
    # The rhythm is the middle distance between deliveries that brought new days; half as much
    # again, and at least a day more, is late.
    return """
        WITH arrivals AS (
            SELECT table_name, min(loaded) AS loaded, last_observed FROM deliveries
            WHERE last_observed IS NOT NULL GROUP BY table_name, last_observed),
        steps AS (
            SELECT table_name, loaded, last_observed, (epoch(loaded) - lag(epoch(loaded)) OVER (
                PARTITION BY table_name ORDER BY loaded)) / 86400 AS days FROM arrivals),
        rhythm AS (
            SELECT table_name, median(days) AS usual FROM steps WHERE days IS NOT NULL
            GROUP BY table_name HAVING count(*) >= 3)
        SELECT table_name, loaded, last_observed, days, usual,
            days > greatest(1.5 * usual, usual + 1) AS affected
        FROM steps JOIN rhythm USING (table_name) WHERE days IS NOT NULL"""


@check(
    "loads-behind", area=LOADS, severity="info", reads="sales deliveries", unit="tables with days",
    zero_at=1.0,
    remedy="Load daily: every day of delay is a day of lead time that safety stock has to cover.",
)  # fmt: skip
def behind(config: ReadinessConfig) -> str:
    """{affected} of {checked} tables were last loaded days after the last day that they tell of."""
    return f"""
        SELECT table_name, max(loaded) AS loaded, max(last_observed) AS last,
            CAST(max(loaded) AS DATE) - max(last_observed) > {config.stale_days} AS affected
        FROM deliveries WHERE last_observed IS NOT NULL GROUP BY table_name"""


@check(
    "loads-set-aside", area=LOADS, severity="warning", reads="loads quarantine deliveries",
    unit="source rows", totals=_totals, zero_at=0.01,
    remedy="'workbench quarantine' shows them with file and line: mend the export, or state in the"
    " description what such rows mean.",
)  # fmt: skip
def set_aside(config: ReadinessConfig) -> str:
    """{affected} of {checked} source rows are bad and were set aside, in no table."""
    return SET_ASIDE
