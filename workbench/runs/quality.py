"""What a readiness audit found, as checks of the tables that it read."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from workbench.lineage.facts import Assertion
from workbench.readiness.checks import Check, all_checks
from workbench.readiness.score import MEASURED, STATUS

CHECKS_FILE: Final = "tables/checks.csv"


def readiness_assertions(report: Path) -> list[Assertion]:
    """One for each check and each table that it reads; none without an audit."""
    path = report / CHECKS_FILE
    if not path.is_file():
        return []
    known = {check.id: check for check in all_checks()}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return [one for row in rows for one in _assertions(row, known.get(row["check_id"]))]
    except (KeyError, ValueError, TypeError):  # a table of another notebook under the same name
        return []


def _assertions(row: Mapping[str, str], check: Check | None) -> Iterator[Assertion]:
    if check is None:
        return
    measured = row[STATUS] == MEASURED
    affected, checked = int(row["rows_affected"]), int(row["rows_checked"])
    for table in check.reads:
        yield Assertion(
            table=table,
            name=check.id,
            passed=affected == 0 if measured else None,
            expected=f"0 {check.unit}",
            actual=f"{affected} of {checked} {check.unit}",
            severity=check.severity,
            description=row["finding"],
        )
