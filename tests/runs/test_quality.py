"""What an audit found becomes assertions of the tables that it read."""

import pandas as pd

from workbench.runs.quality import readiness_assertions

COLUMNS = [
    "check_id", "status", "reads", "rows_affected", "expected", "actual", "severity", "finding",
]  # fmt: skip


def report(tmp_path, *rows):
    (tmp_path / "tables").mkdir()
    pd.DataFrame(rows, columns=COLUMNS).to_csv(tmp_path / "tables" / "checks.csv", index=False)
    return tmp_path


def test_each_check_tells_of_each_table_that_it_reads_how_it_went(tmp_path):
    folder = report(
        tmp_path,
        ("own-check", "measured", "stock items", 3, "0 records", "3 of 9 records", "error", "3…"),
        ("sales-key-repeated", "kept at load", "sales", 0, "0 rows", "0 rows", "error", "Kept…"),
        ("loads-stale", "not measured", "sales deliveries", 0, "0 tables", "", "info", "Not…"),
        ("loads-late", "measured", "sales deliveries", 0, "0", "0 of 4", "info", "0 of 4…"),
    )
    found = [(one.name, one.table, one.passed, one.actual) for one in readiness_assertions(folder)]
    assert found == [
        ("own-check", "stock", False, "3 of 9 records"),
        ("own-check", "items", False, "3 of 9 records"),
        ("sales-key-repeated", "sales", True, "0 rows"),
        ("loads-stale", "sales", None, ""),
        ("loads-late", "sales", True, "0 of 4"),
    ]


def test_reports_of_other_notebooks_assert_nothing(tmp_path):
    assert readiness_assertions(tmp_path) == []
    folder = report(tmp_path)
    (folder / "tables" / "checks.csv").write_text("a,b\n1,2\n")
    assert readiness_assertions(folder) == []
