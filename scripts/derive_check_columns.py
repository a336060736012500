"""Writes `workbench/readiness/check_columns.json`: what checks look at, by DuckDB's plan."""

import json
from pathlib import Path

from workbench.readiness.checks import Check, all_checks
from workbench.readiness.config import ReadinessConfig
from workbench.tables.plan import columns_read

TARGET = Path(__file__).resolve().parent.parent / "workbench/readiness/check_columns.json"
# What the audit knows beside the tables, with one made-up delivery. Of pairs it counts here which
# columns of `items` the matcher compares (`item_master/duplicates.py`).
BESIDE = (
    "WITH deliveries(table_name, version, loaded, last_observed) AS (VALUES ('sales', 'v1',"
    " TIMESTAMP '2026-01-01 00:00:00', DATE '2026-01-01')),"
    " audit_day AS (SELECT DATE '2026-01-01' AS today), item_pairs AS MATERIALIZED (SELECT item_id,"
    " concat(description, brand, category, gtin, pack_size, pack_uom, pack_count) AS duplicate_id,"
    " 1.0 AS score FROM items) "
)


def derived() -> dict[str, dict[str, str]]:
    """By check and answer, the columns that a plan of only that needs."""
    return {check.id: _of(check) for check in all_checks() if not check.kept_at_load}


def _of(check: Check) -> dict[str, str]:
    query = check.query(ReadinessConfig())
    return {
        answer: " ".join(
            sorted(
                f"{table}.{name}"
                for table, name in columns_read(f"{BESIDE}SELECT {asked} FROM ({query})")
            )
        )
        for answer, asked in check.counts().items()
    }


if __name__ == "__main__":
    TARGET.write_text(json.dumps(derived(), indent=0) + "\n", encoding="utf-8")
