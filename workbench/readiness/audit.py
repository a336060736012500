"""The readiness audit: every check that the tables at hand allow, its findings and the score."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import pandas as pd

from workbench.contracts import columns as c
from workbench.contracts import tables
from workbench.readiness.checks import Check, all_checks
from workbench.readiness.config import ReadinessConfig
from workbench.readiness.score import (
    MEASURED,
    NOT_MEASURED,
    POINTS,
    STATUS,
    WEIGHT,
    WEIGHTS,
    area_scores,
    points,
    total_score,
)

EVERYTHING = tables.ANY
SHARE = "share"
ZERO_AT = "zero_at"
UNIT = c.UNIT
MONEY_MEANS = "money_means"

GAIN = "gain"
SHORT_FORM = [c.FINDING, c.REMEDY, GAIN, c.MONEY_AT_STAKE]  # columns of a fix list that people read

Ask = Callable[[str], pd.DataFrame]


@dataclass(frozen=True)
class Audit:
    """What an audit concludes.

    Attributes:
        checks: One row per check, measured or not, with rows, money and points.
        findings: The `findings` contract without run_id: checks that affect at least one row,
            errors first, then by money at stake and share of rows.
        areas: Score per area, worst first, with its arithmetic.
        score: Average of the measured areas, 0 to 100.
    """

    checks: pd.DataFrame
    findings: pd.DataFrame
    areas: pd.DataFrame
    score: float


def audit(ask: Ask, available: Collection[str], *, config: ReadinessConfig) -> Audit:
    """Run all checks.

    Args:
        ask: Answers SQL over the canonical tables as a frame, for example `TableStore.query`.
        available: Tables that exist; checks that need others are listed as not measured.
        config: Limits that the checks use.
    """
    rows = [_measured(item, ask, set(available), config) for item in all_checks()]
    checks = pd.DataFrame(rows)
    areas = area_scores(checks)
    return Audit(checks, _findings(checks), areas, total_score(areas))


def _measured(
    item: Check, ask: Ask, available: set[str], config: ReadinessConfig
) -> dict[str, object]:
    missing = [table for table in item.reads if table not in available]
    affected = checked = 0
    money = float("nan")
    if not missing:
        answer = ask(item.query(config)).iloc[0]
        affected, checked = _whole(answer["affected"]), _whole(answer["checked"])
        money = _money(answer) if affected else float("nan")
    is_measured = checked > 0
    return {
        c.CHECK_ID: item.id,
        c.AREA: item.area,
        c.SEVERITY: item.severity,
        STATUS: MEASURED if is_measured else NOT_MEASURED,
        c.ROWS_AFFECTED: affected,
        c.ROWS_CHECKED: checked,
        SHARE: affected / checked if checked else 0.0,
        c.MONEY_AT_STAKE: money,
        ZERO_AT: item.zero_at,
        POINTS: points(affected, checked, item.zero_at) if is_measured else float("nan"),
        WEIGHT: WEIGHTS[item.severity],
        c.FINDING: _sentence(item, affected, checked, missing),
        c.REMEDY: item.remedy,
        UNIT: item.unit,
        MONEY_MEANS: item.money_means,
    }


def _whole(value: object) -> int:
    return 0 if pd.isna(value) else int(value)  # type: ignore[call-overload]


def _money(answer: "pd.Series[float]") -> float:
    # To the cent: in which order DuckDB's threads add is another one each time.
    return round(float(answer["money"]), 2) if "money" in answer.index else float("nan")


def _sentence(item: Check, affected: int, checked: int, missing: list[str]) -> str:
    if missing:
        return f"Not measured: no table {', '.join(missing)}."
    if not checked:
        return f"Not measured: no {item.unit} to look at."
    return item.finding.format(
        affected=f"{affected:,}", checked=f"{checked:,}", share=f"{affected / checked:.1%}"
    )


def _findings(checks: pd.DataFrame) -> pd.DataFrame:
    found = checks[checks[c.ROWS_AFFECTED] > 0].assign(**{c.SCOPE: EVERYTHING})
    rank = found[c.SEVERITY].map({"error": 0, "warning": 1, "info": 2})
    ordered = found.assign(rank=rank).sort_values(
        ["rank", c.MONEY_AT_STAKE, SHARE], ascending=[True, False, False], na_position="last"
    )
    names = [name for name in tables.FINDINGS.names if name != c.RUN_ID]
    return ordered[names].reset_index(drop=True)


def fix_list(result: Audit) -> pd.DataFrame:
    """What to fix first: findings by the points that mending them would add to the total.

    Returns:
        Columns of the findings, plus `gain`: points of the total score (0 to 100) that a full
        repair adds; largest gain first, then money at stake.
    """
    measured = result.checks[result.checks[STATUS] == MEASURED]
    possible = measured.groupby(c.AREA)[WEIGHT].sum()
    lost = measured[WEIGHT] * (1 - measured[POINTS])
    gain = 100 * lost / measured[c.AREA].map(possible) / len(possible)
    table = measured.assign(**{GAIN: gain})[measured[c.ROWS_AFFECTED] > 0]
    names = [
        c.CHECK_ID, c.AREA, c.SEVERITY, c.FINDING, c.REMEDY, c.ROWS_AFFECTED, c.ROWS_CHECKED,
        c.MONEY_AT_STAKE, MONEY_MEANS, GAIN,
    ]  # fmt: skip
    return table.sort_values([GAIN, c.MONEY_AT_STAKE], ascending=False)[names].reset_index(
        drop=True
    )
