"""What the audit's pictures show: how densely the history, the prices and the sizes are filled."""

from collections.abc import Collection
from itertools import pairwise

import pandas as pd

from workbench.contracts import tables
from workbench.readiness.audit import Ask, beside
from workbench.readiness.checks_loads import SET_ASIDE
from workbench.readiness.config import ReadinessConfig

WEEK = "week"
DAYS = "days"
ITEMS = "items"
REVENUE_SHARE = "revenue_share"
BAND = "band"
READ, NOT_READ, ABSENT = "read", "not_read", "absent"


def weekly_selling_days(ask: Ask, available: Collection[str] = ("sales",)) -> pd.DataFrame:
    """Days with a sale per location and week that begins on Monday.

    Returns:
        location_id, week, days (1 to 7); weeks without a sale have no row.
    """
    if "sales" not in available:
        return pd.DataFrame(columns=["location_id", WEEK, DAYS])
    return ask("""
        SELECT location_id, CAST(date_trunc('week', date) AS DATE) AS week,
            count(DISTINCT date) AS days
        FROM sales WHERE quantity > 0 GROUP BY ALL ORDER BY ALL""")


def items_by_selling_days(
    ask: Ask, available: Collection[str] = ("sales",), *, config: ReadinessConfig
) -> pd.DataFrame:
    """Merchandise items and their revenue, in bands of days with a sale over all locations.

    Returns:
        band (text, in order), items, revenue_share (0 to 1).
    """
    if "sales" not in available:
        return pd.DataFrame({BAND: [], ITEMS: [], REVENUE_SHARE: []})
    edges = sorted({1, 2, 5, 10, config.selling_days, 52, 100, 200})
    bands = [
        f"{low}" if high == low + 1 else f"{low} to {high - 1}" for low, high in pairwise(edges)
    ] + [f"{edges[-1]}+"]
    days = ask("""
        SELECT item_id, count(DISTINCT date) AS days, sum(revenue) AS revenue
        FROM sales JOIN items USING (item_id) WHERE is_demand AND quantity > 0 GROUP BY item_id""")
    cut = pd.cut(days[DAYS], [*edges, float("inf")], right=False, labels=bands)
    grouped = days.groupby(cut, observed=False)["revenue"].agg(["size", "sum"])
    return pd.DataFrame(
        {
            BAND: grouped.index.astype(str),
            ITEMS: grouped["size"].to_numpy(),
            REVENUE_SHARE: (grouped["sum"] / max(grouped["sum"].sum(), 1e-9)).to_numpy(),
        }
    )


def sizes_by_department(ask: Ask) -> pd.DataFrame:
    """How many items' package sizes were read, could not be read, or are absent.

    Returns:
        department, read, not_read, absent; most items first.
    """
    return ask("""
        SELECT coalesce(department, 'none') AS department,
            count(*) FILTER (pack_uom IS NOT NULL) AS read,
            count(*) FILTER (pack_uom IS NULL AND pack_text IS NOT NULL) AS not_read,
            count(*) FILTER (pack_uom IS NULL AND pack_text IS NULL) AS absent
        FROM items GROUP BY 1 ORDER BY count(*) DESC, 1""")


def unread_sizes(ask: Ask) -> pd.DataFrame:
    """Typed sizes that could not be read, most frequent first: pack_text, items, example item."""
    return ask("""
        SELECT pack_text, count(*) AS items, min(item_id) AS example_item
        FROM items WHERE pack_text IS NOT NULL AND pack_uom IS NULL
        GROUP BY pack_text ORDER BY items DESC, pack_text""")


def pseudo_items(ask: Ask, available: Collection[str] = ("sales",)) -> pd.DataFrame:
    """Items that are no merchandise, by department and category: items, sales rows, revenue."""
    if "sales" not in available:
        return pd.DataFrame(columns=["department", "category", ITEMS, "sales_rows", "revenue"])
    return ask("""
        SELECT coalesce(department, 'none') AS department, coalesce(category, 'none') AS category,
            count(DISTINCT i.item_id) AS items, count(s.item_id) AS sales_rows,
            coalesce(sum(s.revenue), 0) AS revenue
        FROM items i LEFT JOIN sales s USING (item_id) WHERE NOT is_demand
        GROUP BY ALL ORDER BY revenue DESC, department, category""")


def set_aside(ask: Ask, available: Collection[str], deliveries: pd.DataFrame) -> pd.DataFrame:
    """Bad rows that were set aside at load, by source and reason, most first.

    Args:
        ask: Answers SQL over the tables.
        available: Tables that exist.
        deliveries: As the audit's `Surroundings` have them.

    Returns:
        table, source, column, reason, rows, share of the rows read (text), first (file and line).
    """
    names = 'loaded_table AS table, source, "column", reason, rows, share, first'
    if deliveries.empty or not {"loads", "quarantine"} <= set(available):
        return pd.DataFrame(
            columns=["table", "source", "column", "reason", "rows", "share", "first"]
        )
    prefix, _ = beside(deliveries)
    return ask(f"{prefix}SELECT {names} FROM ({SET_ASIDE}) ORDER BY rows DESC, 1, 2, 3, 4")


def inventory(ask: Ask, available: Collection[str]) -> pd.DataFrame:
    """Rows of every table, and its first and last day where it records days.

    Returns:
        table, rows, first, last.
    """
    rows = []
    for table in sorted(available):
        day = tables.contract(table).observed
        span = f"CAST(min({day}) AS DATE), CAST(max({day}) AS DATE)" if day else "NULL, NULL"
        answer = ask(f"SELECT count(*), {span} FROM {table}").iloc[0]
        rows.append((table, *answer))
    frame = pd.DataFrame(rows, columns=["table", "rows", "first", "last"])
    return frame.astype({"first": "datetime64[us]", "last": "datetime64[us]"})
