"""This audit against an earlier one: what got better, what got worse."""

from collections.abc import Sequence
from math import isnan
from typing import Final

import pandas as pd

from workbench.contracts import columns as c
from workbench.readiness.audit import SHARE
from workbench.readiness.score import KEPT, MEASURED, STATUS

CHANGE: Final = "change"
BEFORE, NOW = "before", "now"
BETTER, WORSE, NEW, GONE = "better", "worse", "newly measured", "no longer measured"


def compare_audits(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Checks whose share of affected rows changed, the largest change first.

    Args:
        before: `checks` of the earlier audit.
        now: `checks` of this one.

    Returns:
        check_id, severity, change (better, worse, newly measured, no longer measured), before, now
        (shares, 0 to 1, null where not measured).
    """
    shares = [
        frame.assign(**{SHARE: frame[SHARE].where(frame[STATUS] == MEASURED)}).set_index(c.CHECK_ID)
        for frame in (before, now)
    ]
    both = pd.DataFrame({BEFORE: shares[0][SHARE], NOW: shares[1][SHARE]})
    severity = shares[1][c.SEVERITY].combine_first(shares[0][c.SEVERITY])
    both[c.SEVERITY] = severity
    kept = [frame.index[frame[STATUS] == KEPT] for frame in shares]
    both = both.drop(kept[0].union(kept[1]), errors="ignore")
    both = both[(both[BEFORE] != both[NOW]) & both[[BEFORE, NOW]].notna().any(axis=1)]
    both[CHANGE] = [_word(one, other) for one, other in zip(both[BEFORE], both[NOW], strict=True)]
    size = (both[NOW].fillna(0) - both[BEFORE].fillna(0)).abs()
    both = both.assign(size=size).sort_values("size", ascending=False).drop(columns="size")
    return both.rename_axis(c.CHECK_ID).reset_index()[[c.CHECK_ID, c.SEVERITY, CHANGE, BEFORE, NOW]]


def _word(before: float, now: float) -> str:
    if isnan(before):
        return NEW
    if isnan(now):
        return GONE
    return BETTER if now < before else WORSE


def score_history(audits: Sequence[tuple[str, pd.DataFrame]]) -> pd.DataFrame:
    """Score by area and time.

    Args:
        audits: Time (ISO 8601) and area scores of each audit, oldest first.

    Returns:
        time, area, score.
    """
    rows = [frame[[c.AREA, "score"]].assign(time=time) for time, frame in audits]
    return pd.concat(rows, ignore_index=True)[["time", c.AREA, "score"]] if rows else _nothing()


def _nothing() -> pd.DataFrame:
    return pd.DataFrame(columns=["time", c.AREA, "score"])
