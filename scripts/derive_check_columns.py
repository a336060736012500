"""Writes `workbench/readiness/check_columns.json`: what checks look at, by DuckDB's plan."""

import json
from pathlib import Path

from workbench.readiness.checks import all_checks
from workbench.readiness.config import ReadinessConfig
from workbench.readiness.made_from import columns_of

TARGET = Path(__file__).resolve().parent.parent / "workbench/readiness/check_columns.json"


def derived() -> dict[str, dict[str, str]]:
    """By check and answer, the columns that a plan of only that needs."""
    config = ReadinessConfig()
    return {check.id: columns_of(check, config) for check in all_checks() if not check.kept_at_load}


if __name__ == "__main__":
    TARGET.write_text(json.dumps(derived(), indent=0) + "\n", encoding="utf-8")
