"""Rows that do not add up are refused, and the current table stays."""

import duckdb
import pytest

from workbench.adapters.ingest import _staged
from workbench.adapters.loads import Load
from workbench.errors import SourceError
from workbench.tables.store import TableStore


def locations(count, read):
    rows = duckdb.sql(f"SELECT 'L' || i AS location_id, 'store' AS kind FROM range({count}) t(i)")
    return Load("locations", rows, "source", "test", read=read)


def test_row_that_the_source_cannot_account_for_keeps_the_earlier_table(tmp_path):
    store = TableStore(tmp_path)
    first = _staged(store, locations(2, read=2), "erp", None)
    store.publish_all([first.version])
    with pytest.raises(SourceError, match="3 rows loaded, but the source accounts for 4"):
        _staged(store, locations(3, read=4), "erp", None)
    assert store.current("locations").version == first.version.version


def test_summary_states_where_every_row_went(tmp_path):
    load = Load("locations", locations(2, 2).rows, "source", "t", read=5, expanded=1, merged=4)
    summary = _staged(TableStore(tmp_path), load, "erp", None).summary()
    assert summary == "locations: 5 read, 1 more from rows that hold two, 4 merged = 2 loaded"
