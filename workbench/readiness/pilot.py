"""Which items to pilot with: fast, measurable, and small enough to be wrong with."""

from collections.abc import Collection
from dataclasses import dataclass
from math import sqrt
from typing import Final

import pandas as pd

from workbench.contracts.printable import counted
from workbench.readiness.audit import Ask
from workbench.readiness.config import ReadinessConfig

METRIC, BASELINE, TARGET, MEASURED_BY = "metric", "baseline", "target", "measured_by"
_WEEKS: Final = 12
_BLAST_RADIUS: Final = 0.05  # of revenue, at most
# Two-sided test at 5% with 80% power: (1.96 + 0.84) standard errors of a difference of two means.
_DETECTABLE: Final = 2.8


@dataclass(frozen=True)
class Pilot:
    """A recommendation.

    Attributes:
        items: item_id, description, category, days, units, revenue; fastest first.
        metrics: What counts as success, fixed before the pilot begins.
        sentence: What is recommended and why.
    """

    items: pd.DataFrame
    metrics: pd.DataFrame
    sentence: str


def recommend_pilot(
    ask: Ask, available: Collection[str], *, config: ReadinessConfig, items: int = 50
) -> Pilot:
    """The category with most revenue in fast items, capped at a twentieth of all revenue.

    Args:
        ask: Answers SQL over the canonical tables.
        available: Tables that exist; without sales and items nothing is recommended.
        config: `selling_days` an item must have to be measurable.
        items: At most so many.
    """
    if not {"sales", "items"} <= set(available):
        return _none("No pilot can be recommended: there are no sales to choose items by.")
    fast = ask(f"""
        WITH sold AS (
            SELECT item_id, count(DISTINCT date) AS days, sum(quantity) AS units,
                sum(revenue) AS revenue, max(date) AS last
            FROM sales JOIN items USING (item_id) WHERE is_demand AND quantity > 0 GROUP BY item_id)
        SELECT item_id, description, coalesce(category, 'no category') AS category, days, units,
            revenue, revenue / (SELECT sum(revenue) FROM sold) AS share
        FROM sold JOIN items USING (item_id)
        WHERE days >= 2 * {config.selling_days} AND revenue > 0
            AND last > (SELECT max(last) FROM sold) - {config.gap_days}
        ORDER BY days DESC, revenue DESC, item_id""")
    if fast.empty:
        return _none("No pilot can be recommended: no item sells on enough days to be measured.")
    best = fast.groupby("category")["revenue"].sum().sort_values().index[-1]
    group = fast[fast["category"] == best].head(items)
    chosen = group[group["share"].cumsum() <= _BLAST_RADIUS]
    chosen = chosen if len(chosen) else group.head(1)
    metrics = _metrics(ask, available, list(chosen["item_id"]))
    sentence = (
        f"{counted(len(chosen), 'item')} of {str(best).capitalize()}, sold on"
        f" {int(chosen['days'].min())} days or more, with {chosen['share'].sum():.1%} of revenue:"
        f" fast enough to measure in {_WEEKS} weeks, small enough to be wrong with."
    )
    return Pilot(chosen.drop(columns="share").reset_index(drop=True), metrics, sentence)


def _none(sentence: str) -> Pilot:
    return Pilot(pd.DataFrame(), pd.DataFrame(), sentence)


def _metrics(ask: Ask, available: Collection[str], items: list[str]) -> pd.DataFrame:
    listed = ", ".join("'" + item.replace("'", "''") + "'" for item in items)
    week = ask(f"""
        WITH weeks AS (
            SELECT date_trunc('week', date) AS week, sum(quantity) AS units FROM sales
            WHERE item_id IN ({listed}) GROUP BY 1
            QUALIFY row_number() OVER (ORDER BY week) > 1
                AND row_number() OVER (ORDER BY week DESC) > 1)
        SELECT avg(units) AS mean, stddev_samp(units) AS sd,
            avg(abs(units - before)) / avg(units) AS naive
        FROM (SELECT units, lag(units) OVER (ORDER BY week) AS before FROM weeks)""").iloc[0]
    sd = float(week["sd"]) / max(float(week["mean"]), 1e-9)
    detectable = _DETECTABLE * sd * sqrt(2 / _WEEKS)
    naive = float(week["naive"])
    rows = [
        ("Weekly forecast error (share of units)", f"{naive:.1%}, last week repeated",
         f"below {0.9 * naive:.1%}", "10-forecast-demand"),
        ("Units sold a week", f"{week['mean']:,.0f} ± {sd:.0%}",
         f"a change of {detectable:.0%} or more can be seen in {_WEEKS} weeks", "70-measure-roi"),
        ("Proposals accepted unchanged", "none yet", "80% or more", "decision log"),
    ]  # fmt: skip
    if "stock" in available:
        empty = ask(f"""
            SELECT avg(CASE WHEN on_hand <= 0 THEN 1.0 ELSE 0.0 END) AS share FROM stock
            WHERE item_id IN ({listed})""").to_numpy()[0, 0]
        text = "no stock records" if pd.isna(empty) else f"{float(empty):.1%}"
        rows.append(("Days with nothing on hand", text, "half of it", "70-measure-roi"))
    return pd.DataFrame(rows, columns=[METRIC, BASELINE, TARGET, MEASURED_BY])
