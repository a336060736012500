"""Where rows lie, and proof that a row belongs to a version."""

from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import TableError
from workbench.tables import TableStore, TableVersion, verify_row_proof

ITEMS, DAYS = 300, 40


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> tuple[TableStore, TableVersion]:
    days = pd.date_range("2017-01-01", periods=DAYS)
    index = pd.MultiIndex.from_product([[f"i{n:03}" for n in range(ITEMS)], days])
    frame = index.to_frame(index=False, name=["item_id", "date"])
    frame = frame.assign(location_id="s", channel="store", quantity=range(len(frame)), revenue=0.0)
    store = TableStore(tmp_path_factory.mktemp("evidence"))
    version = store.write("sales", frame.sample(frac=1), provenance="source", source="t")
    return store, version


@settings(max_examples=25, deadline=None)
@given(row=st.integers(0, ITEMS * DAYS - 1) | st.sampled_from([4095, 4096, 8191, 8192]))
def test_every_row_is_proved_with_its_values(stored, row):
    store, version = stored
    proof = store.row_proof(version, row)
    assert proof.values()["quantity"] == row
    assert verify_row_proof(proof, version.digest)
    assert len(proof.block) < 4096 * 60


def test_a_changed_block_position_path_or_digest_is_not_proved(stored):
    store, version = stored
    proof = store.row_proof(version, 5000)
    changed = bytearray(proof.block)
    changed[-1] ^= 1
    assert not verify_row_proof(replace(proof, block=bytes(changed)), version.digest)
    assert not verify_row_proof(replace(proof, block=b""), version.digest)
    assert not verify_row_proof(replace(proof, row=100), version.digest)
    assert not verify_row_proof(replace(proof, row=100, index=0), version.digest)
    assert not verify_row_proof(replace(proof, proof=proof.proof[:-1]), version.digest)
    assert not verify_row_proof(proof, "00" * 32)
    assert not verify_row_proof(replace(proof, root="00" * 32), "00" * 32)


@pytest.mark.parametrize("row", [-1, ITEMS * DAYS])
def test_row_outside_the_table_is_refused(stored, row):
    store, version = stored
    with pytest.raises(TableError, match=f"no row {row}; expected 0 to 11999"):
        store.row_proof(version, row)


def test_locates_groups_that_begin_the_key_as_one_range_each(stored):
    store, version = stored
    ranges = store.locate(version, ["item_id", "location_id"])
    assert len(ranges) == ITEMS
    first = ranges[ranges["item_id"] == "i007"].iloc[0]
    assert (first["first_row"], first["last_row"]) == (7 * DAYS, 8 * DAYS - 1)


def test_locates_other_groups_by_each_of_their_ranges(stored):
    store, version = stored
    ranges = store.locate(version, ["date"])
    assert len(ranges) == ITEMS * DAYS
    on_first_day = ranges[ranges["date"] == pd.Timestamp("2017-01-01")]
    assert on_first_day["first_row"].tolist() == [n * DAYS for n in range(ITEMS)]


def test_located_rows_are_the_rows_that_are_proved(stored):
    store, version = stored
    where = store.locate(version, ["item_id"]).set_index("item_id").loc["i123"]
    for row in (where["first_row"], where["last_row"]):
        assert store.row_proof(version, int(row)).values()["item_id"] == "i123"


def test_unknown_column_to_locate_by_is_refused(stored):
    store, version = stored
    with pytest.raises(TableError, match="no column 'colour'"):
        store.locate(version, ["colour"])


def test_damaged_file_gives_no_proof(stored, tmp_path):
    _, version = stored
    store = TableStore(tmp_path)
    version = store.publish(version)
    path = version.data_paths[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 255
    path.unlink()  # the published file is a second name of the original
    path.write_bytes(data)
    with pytest.raises(TableError, match=r"part-00000\.parquet"):
        store.row_proof(version, 5000)
