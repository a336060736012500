"""Readiness by the five areas that a rollout needs, and the field's three indicators.

Data quality and history come from the checks. Interfaces join what the checks say of the loads
with answers; the compute footprint joins what this machine has with answers; staffing is answered
alone. An area with nothing measured and nothing answered stays open and counts for nothing.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from workbench.contracts import columns as c
from workbench.readiness.audit import Audit
from workbench.readiness.checks import HISTORY, LOADS
from workbench.readiness.score import ARITHMETIC, MEASURED, POINTS, SCORE, STATUS

DATA_QUALITY, INTERFACES, COMPUTE, STAFFING = (
    "data quality", "interfaces", "compute", "staffing",
)  # fmt: skip
SOURCE: Final = "answered_from"
INDICATOR, STATE, WHY, CLEARED_BY = "indicator", "state", "why", "cleared_by"
# What the demo's 26 million rows took on two cores, per million rows (benchmarks/results).
_DISK_PER_MILLION, _MEMORY_PER_MILLION = 60e6, 120e6  # bytes
_MEMORY_AT_LEAST: Final = 4e9
_MASTER: Final = (
    "items-unknown", "items-mixed-units", "items-gtin-wrong", "items-id-untidy",
    "purchase-orders-unknown", "stock-of-unknown-items",
)  # fmt: skip
_REACH: Final = ("history-short", "receipts-history-short")


@dataclass(frozen=True)
class Machine:
    """What a machine has; memory and free disk in bytes."""

    cores: int
    memory: float
    free_disk: float


def this_machine(folder: Path) -> Machine:
    """The machine that runs this, with the disk that holds `folder`."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(len(os.sched_getaffinity(0)), float(memory), shutil.disk_usage(folder).free)


def dimension_scores(
    result: Audit, answers: pd.DataFrame, *, machine: Machine, rows: int
) -> pd.DataFrame:
    """Score of each of the five areas, worst first, open ones last.

    Args:
        result: The audit.
        answers: Of `load_answers`.
        machine: What runs the workbench.
        rows: Of all tables together.

    Returns:
        area, score (0 to 100 or null), arithmetic, answered_from.
    """
    areas = result.areas.set_index(c.AREA)[SCORE]
    quality = areas.drop([HISTORY, LOADS]).dropna()
    enough = _machine_points(machine, rows)
    parts = [
        _row(DATA_QUALITY, list(quality / 100), "tables", f"mean of {len(quality)} parts"),
        _row(HISTORY, list(areas[[HISTORY]].dropna() / 100), "tables", "checks of its reach"),
        _joined(INTERFACES, list(areas[[LOADS]].dropna() / 100), answers),
        _joined(COMPUTE, enough, answers),
        _joined(STAFFING, [], answers),
    ]
    return pd.DataFrame(parts).sort_values(SCORE, na_position="last", ignore_index=True)


def _machine_points(machine: Machine, rows: int) -> list[float]:
    """Points for two cores, for memory and for free disk, each against what the rows need."""
    memory = max(_MEMORY_AT_LEAST, _MEMORY_PER_MILLION * rows / 1e6)
    disk = max(1e9, 3 * _DISK_PER_MILLION * rows / 1e6)
    return [
        min(1.0, machine.cores / 2), min(1.0, machine.memory / memory),
        min(1.0, machine.free_disk / disk),
    ]  # fmt: skip


def _joined(area: str, measured: list[float], answers: pd.DataFrame) -> dict[str, object]:
    given = answers[answers[c.AREA] == area]["points"].astype(float)
    known = given.dropna()
    source = " and ".join(
        text for text, there in (("measured", measured), ("answers", len(known))) if there
    )
    text = f"{len(measured)} measured, {len(known)} of {len(given)} questions answered"
    return _row(area, [*measured, *known], source or "open", text)


def _row(area: str, points: list[float], source: str, arithmetic: str) -> dict[str, object]:
    score = 100 * sum(points) / len(points) if points else float("nan")
    return {c.AREA: area, SCORE: score, ARITHMETIC: arithmetic, SOURCE: source}


def indicators(result: Audit, answers: pd.DataFrame) -> pd.DataFrame:
    """The three that the field asks for first: met, not met or open, why, and what clears it.

    Returns:
        indicator, state, why, cleared_by (ids of checks or questions).
    """
    checks = result.checks.set_index(c.CHECK_ID)
    rows = [
        _by_checks("One canonical item master, one set of units", checks, _MASTER, enough=0.5),
        _by_answer("APIs or event streams", answers, "interfaces-api"),
        _by_checks("6 to 12 months of orders and receipts", checks, _REACH, enough=1.0, all_=True),
    ]
    return pd.DataFrame(rows, columns=[INDICATOR, STATE, WHY, CLEARED_BY])


def _by_checks(
    name: str, checks: pd.DataFrame, ids: tuple[str, ...], *, enough: float, all_: bool = False
) -> tuple[str, str, str, str]:
    known = checks.loc[[one for one in ids if one in checks.index]]
    measured = known[known[STATUS] == MEASURED]
    bad = measured[measured[POINTS] < enough]
    if len(bad):
        return name, "not met", str(bad[c.FINDING].iloc[0]), ", ".join(bad.index)
    if measured.empty or (all_ and len(measured) < len(ids)):
        missing = [one for one in ids if one not in measured.index]
        return name, "open", str(checks.loc[missing[0], c.FINDING]), ", ".join(missing)
    return name, "met", f"{len(measured)} checks say so.", ", ".join(measured.index)


def _by_answer(name: str, answers: pd.DataFrame, id: str) -> tuple[str, str, str, str]:
    found = answers[answers[c.CHECK_ID] == id]
    if found.empty or pd.isna(found["points"].iloc[0]):
        return name, "open", "Nobody answered the question.", id
    answer = str(found["answer"].iloc[0])
    state = {"yes": "met", "partly": "in part"}.get(answer, "not met")
    return name, state, f"Answered: {answer}.", id


def overall(dimensions: pd.DataFrame) -> float:
    """Plain mean of the areas that are not open, 0 to 100."""
    return float(dimensions[SCORE].mean())
