"""What a readiness audit found, as checks of the tables that it read."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from workbench.contracts import tables
from workbench.lineage.facts import Assertion
from workbench.readiness.score import KEPT, MEASURED, STATUS

CHECKS_FILE: Final = "tables/checks.csv"


def readiness_assertions(report: Path) -> list[Assertion]:
    """One for each check and each table that it reads; none without an audit."""
    path = report / CHECKS_FILE
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [one for row in csv.DictReader(file) for one in _assertions(row)]
    except (KeyError, ValueError, TypeError):  # a table of another notebook under the same name
        return []


def _assertions(row: Mapping[str, str]) -> Iterator[Assertion]:
    measured = row[STATUS] in (MEASURED, KEPT)
    for table in row["reads"].split():
        if table in tables.CONTRACTS:
            yield Assertion(
                table=table,
                name=row["check_id"],
                passed=int(row["rows_affected"]) == 0 if measured else None,
                expected=row["expected"],
                actual=row["actual"],
                severity=row["severity"],
                description=row["finding"],
            )
