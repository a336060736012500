"""Which use case pays first: expected value against effort, and the way there, phase by phase.

A use case's expected value is money of a year that it can move, times a share that is *assumed*
(stated beside it, to be replaced by the pilot's own result), times how far the data are ready for
it: the points of the checks that it rests on. Effort is in person-weeks, also assumed.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import pandas as pd

from workbench.contracts import columns as c
from workbench.readiness.audit import ACTUAL, ZERO_AT, Ask, Audit
from workbench.readiness.score import MEASURED, POINTS, STATUS, WEIGHT

USE_CASE, VALUE, EFFORT, READY, RATIO = "use_case", "value", "effort_weeks", "ready", "per_week"
PHASE, STEP, CLEARED_WHEN, BLOCKED_BY = "phase", "step", "cleared_when", "blocked_by"


@dataclass(frozen=True)
class UseCase:
    """One thing to do with the workbench.

    Attributes:
        basis: Which yearly money it moves: `revenue`, `purchases` or `stock`.
        share: Assumed share of that money.
        effort: Assumed person-weeks to run it on a pilot.
        checks: Checks that it rests on.
    """

    name: str
    notebook: str
    basis: str
    share: float
    effort: float
    checks: tuple[str, ...]


# Shares are low ends of what vendors and field studies state; they order work, no more.
USE_CASES: Final = (
    UseCase("Forecast demand", "10-forecast-demand", "revenue", 0.002, 3,
            ("history-short", "calendar-holes", "items-unknown", "items-long-gaps",
             "sales-spike", "stockouts-invisible")),
    UseCase("Replenish by policy", "30-set-replenishment-policy", "revenue", 0.01, 6,
            ("history-short", "supply-terms-missing", "stock-negative", "stock-unexplained",
             "receipts-before-order", "receipts-history-short", "items-without-cost")),
    UseCase("Trim range and dead stock", "20-segment-items", "revenue", 0.003, 2,
            ("items-dead", "items-never-sold", "items-unknown", "items-without-category")),
    UseCase("Reconcile stock records", "00-audit-readiness", "stock", 0.01, 4,
            ("stock-unexplained", "stock-unbalanced", "stock-negative", "stock-frozen",
             "movements-written-off")),
    UseCase("Mend prices and margins", "00-audit-readiness", "revenue", 0.002, 2,
            ("items-without-cost", "items-cost-above-price", "prices-missing", "prices-jump",
             "sales-below-cost")),
    UseCase("Hold suppliers to their terms", "00-audit-readiness", "purchases", 0.005, 3,
            ("receipts-before-order", "receipts-never", "receipts-under",
             "supply-lead-time-untrue", "purchase-orders-without-cost")),
    UseCase("Learn from returns", "00-audit-readiness", "revenue", 0.001, 2,
            ("returns-without-sale", "returns-repeated", "lines-repeated")),
)  # fmt: skip


def yearly_money(ask: Ask, available: Collection[str]) -> dict[str, float]:
    """Revenue and purchases of a year, and stock at cost on the last day; NaN where unknown."""
    year = "{total} / greatest(max({day}) - min({day}) + 1, 1) * 365"
    queries = {
        "revenue": ("sales", f"SELECT {year.format(total='sum(revenue)', day='date')} FROM sales"),
        "purchases": (
            "purchase_orders",
            f"SELECT {year.format(total='sum(quantity * unit_cost)', day='ordered')}"
            " FROM purchase_orders",
        ),
        "stock": (
            "stock",
            "SELECT sum(on_hand * unit_cost) FROM stock JOIN items USING (item_id)"
            " WHERE date = (SELECT max(date) FROM stock)",
        ),
    }
    found = {}
    for name, (table, sql) in queries.items():
        known = table in available and (name != "stock" or "items" in available)
        found[name] = round(float(ask(sql).to_numpy()[0, 0]), 2) if known else float("nan")
    return found


def rank_use_cases(result: Audit, money: dict[str, float]) -> pd.DataFrame:
    """Use cases, most expected value per week of effort first; unknown money last.

    Returns:
        use_case, notebook, value (a year), assumed_share, effort_weeks, per_week, ready (0 to 1),
        blocked_by (checks with errors or not measured).
    """
    checks = result.checks.set_index(c.CHECK_ID)
    rows = []
    for one in USE_CASES:
        known = checks.loc[list(one.checks)]
        points = known[POINTS].astype(float).fillna(0.0)
        ready = float((points * known[WEIGHT]).sum() / known[WEIGHT].sum())
        value = money[one.basis] * one.share * ready
        blocked = known[(known[STATUS] != MEASURED) | (points < 0.5)].index
        rows.append((
            one.name, one.notebook, value, f"{one.share:.1%} of {one.basis}", one.effort,
            value / one.effort, ready, ", ".join(blocked),
        ))  # fmt: skip
    names = [USE_CASE, "notebook", VALUE, "assumed_share", EFFORT, RATIO, READY, BLOCKED_BY]
    frame = pd.DataFrame(rows, columns=names)
    return frame.sort_values([RATIO, READY], ascending=False, ignore_index=True)


def roadmap(result: Audit, ranked: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """What to do in which order; every step names the check or question that clears it.

    Phase 0 mends what blocks the first use case, phase 1 pilots it and mends what blocks the
    second and third, phase 2 takes those and all other errors. A step is never named twice.

    Returns:
        phase, step, check_id, cleared_when.
    """
    checks = result.checks.set_index(c.CHECK_ID)
    seen: set[str] = set()
    rows: list[tuple[int, str, str, str]] = []

    def mend(phase: int, ids: Collection[str]) -> None:
        for one in ids:
            if one in checks.index and one not in seen:
                seen.add(one)
                rows.append((phase, str(checks.at[one, c.REMEDY]), one, _cleared(checks, one)))

    cases = list(ranked.itertuples(index=False))
    for place, case in enumerate(cases):
        phase = min(place, 2) if place < 3 else 2
        mend(phase if place else 0, [x for x in str(case.blocked_by).split(", ") if x])
        first = next(one for one in USE_CASES if one.name == case.use_case).checks[0]
        step = f"{'Pilot' if place == 0 else 'Roll out'}: {case.use_case} ({case.notebook})"
        rows.append((1 if place == 0 else 2, step, first, _cleared(checks, first)))
    findings = result.findings
    mend(2, findings[findings[c.SEVERITY] == "error"][c.CHECK_ID])
    open_ = answers[answers["points"].astype(float).fillna(0.0) < 1.0]
    for question in open_.itertuples(index=False):
        rows.append((0, str(question.remedy), str(question.check_id), "Answered yes."))
    frame = pd.DataFrame(rows, columns=[PHASE, STEP, c.CHECK_ID, CLEARED_WHEN])
    return frame.sort_values(PHASE, kind="stable", ignore_index=True)


def _cleared(checks: pd.DataFrame, id: str) -> str:
    limit = float(str(checks.at[id, ZERO_AT])) / 2
    now = str(checks.at[id, ACTUAL]) or "not measured"
    return f"At most {limit:.1%} of {checks.at[id, c.UNIT]} affected (now: {now})."
