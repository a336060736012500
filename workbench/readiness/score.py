"""The readiness score, with its arithmetic in the open.

A check's points fall in a straight line from 1, when no row is affected, to 0, when the share of
affected rows reaches the check's `zero_at`. An area's score is the average of its checks' points,
weighted by severity, times 100; the total is the plain average of the areas that could be
measured. A check whose tables are missing, or that finds nothing to look at, counts for nothing
and is listed as not measured; so does one whose defect the table store refuses at load.
"""

from typing import Final

import pandas as pd

from workbench.contracts import columns as c
from workbench.readiness.checks import AREAS

WEIGHTS: Final = {"error": 5, "warning": 3, "info": 1}
SCORE: Final = "score"
POINTS: Final = "points"
WEIGHT: Final = "weight"
STATUS: Final = "status"
MEASURED: Final = "measured"
NOT_MEASURED: Final = "not measured"
KEPT: Final = "kept at load"
CHECKS: Final = "checks"
WITHOUT_FINDING: Final = "without_finding"
NOT_MEASURED_CHECKS: Final = "not_measured"
ARITHMETIC: Final = "arithmetic"
TOTAL: Final = "total"


def points(affected: int, checked: int, zero_at: float) -> float:
    """Points of one check, between 0 and 1; `checked` is above 0."""
    return max(0.0, 1.0 - affected / checked / zero_at)


def area_scores(checks: pd.DataFrame) -> pd.DataFrame:
    """Score per area, worst first, with the sum that it comes from.

    Args:
        checks: One row per check, as `audit` returns them.

    Returns:
        Columns area, score (0 to 100, null where nothing could be measured), checks (measured),
        without_finding, not_measured and arithmetic.
    """
    rows = [_area(area, checks[checks[c.AREA] == area]) for area in AREAS]
    return pd.DataFrame(rows).sort_values(SCORE, na_position="last", ignore_index=True)


def _area(area: str, checks: pd.DataFrame) -> dict[str, object]:
    measured = checks[checks[STATUS] == MEASURED]
    earned, possible = (measured[WEIGHT] * measured[POINTS]).sum(), measured[WEIGHT].sum()
    return {
        c.AREA: area,
        SCORE: 100 * earned / possible if possible else float("nan"),
        CHECKS: len(measured),
        WITHOUT_FINDING: int((measured[c.ROWS_AFFECTED] == 0).sum()),
        NOT_MEASURED_CHECKS: int((checks[STATUS] == NOT_MEASURED).sum()),
        ARITHMETIC: f"{earned:.1f} of {possible:.0f} points" if possible else _unscored(checks),
    }


def _unscored(checks: pd.DataFrame) -> str:
    return KEPT if (checks[STATUS] == KEPT).any() else NOT_MEASURED


def total_score(areas: pd.DataFrame) -> float:
    """Plain average of the measured areas, 0 to 100."""
    return float(areas[SCORE].mean())
