"""Several tables are published together, or none is."""

import pandas as pd
import pytest

from workbench.errors import TableError
from workbench.tables import store as stores
from workbench.tables.store import TableStore


def stage(store, table, ids):
    name = {"suppliers": "supplier_id", "locations": "location_id"}[table]
    frame = pd.DataFrame({name: ids}).assign(**({"kind": "store"} if table == "locations" else {}))
    return store.stage(store.root, table, frame, provenance="source", source="test")


def test_all_become_current(tmp_path):
    store = TableStore(tmp_path)
    staged = [stage(store, "suppliers", ["S1"]), stage(store, "locations", ["L1"])]
    assert store.tables() == []
    store.publish_all(staged)
    assert store.tables() == ["locations", "suppliers"]


def test_a_damaged_one_keeps_all_from_being_published(tmp_path):
    store = TableStore(tmp_path)
    store.publish_all([stage(store, "suppliers", ["S1"])])
    before = store.current("suppliers")
    staged = [stage(store, "suppliers", ["S2"]), stage(store, "locations", ["L1"])]
    staged[1].data_paths[0].write_bytes(b"torn")
    with pytest.raises(TableError):
        store.publish_all(staged)
    assert store.current("suppliers") == before
    assert store.tables() == ["suppliers"]


def test_a_pointer_that_cannot_be_written_brings_the_others_back(tmp_path, monkeypatch):
    store = TableStore(tmp_path)
    store.publish_all([stage(store, "suppliers", ["S1"])])
    before = store.current("suppliers")
    staged = [stage(store, "suppliers", ["S2"]), stage(store, "locations", ["L1"])]
    write = stores.replace_durably

    def full_disk(path, data):  # a disk that fills up cannot be had here: the second write fails
        if path.parent.name == "locations":
            raise OSError(28, "No space left on device")
        write(path, data)

    monkeypatch.setattr(stores, "replace_durably", full_disk)
    with pytest.raises(TableError, match="No space left on device"):
        store.publish_all(staged)
    assert store.current("suppliers") == before
    assert store.tables() == ["suppliers"]
