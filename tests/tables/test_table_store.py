"""Writing, finding and reading versions of tables."""

import datetime as dt
import json
import os
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from workbench.errors import ContractError, TableError, TableNotFoundError
from workbench.tables import TableStore, TableVersion

FACTS = {"provenance": "source", "source": "a test"}


def sales(days: int = 3, items: int = 4) -> pd.DataFrame:
    rows = [
        {"item_id": f"i{item}", "location_id": "s1", "date": dt.date(2017, 1, 1 + day),
         "channel": "store", "quantity": float(item + day), "revenue": item * 1.5}
        for day in range(days)
        for item in range(items)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture
def store(tmp_path: Path) -> TableStore:
    return TableStore(tmp_path / "tables")


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_version_is_its_files_and_a_pointer(store):
    version = store.write("sales", sales(), **FACTS)
    name = version.version
    assert files_below(store.root) == sorted(
        ["sales/.lock", f"sales/{name}/leaves.bin", f"sales/{name}/manifest.json",
         f"sales/{name}/part-00000.parquet", "sales/current"]
    )  # fmt: skip
    assert store.current("sales") == version
    assert version.last_observed == dt.date(2017, 1, 3)


@pytest.mark.parametrize("kind", ["frame", "arrow", "reader", "batch", "relation"])
def test_all_kinds_of_rows_make_the_same_version(store, kind):
    frame = sales()
    expected = store.write("sales", frame, **FACTS)
    table = pa.Table.from_pandas(frame.sample(frac=1, random_state=1), preserve_index=False)
    rows = {
        "frame": frame[::-1], "arrow": table, "reader": table.to_reader(),
        "batch": table.combine_chunks().to_batches()[0],
        "relation": duckdb.connect().from_arrow(table),
    }[kind]  # fmt: skip
    assert store.write("sales", rows, **FACTS).version == expected.version


def test_same_content_twice_is_one_version_and_keeps_its_first_manifest(store):
    first = store.write("sales", sales(), provenance="source", source="first")
    again = store.write("sales", sales(), provenance="source", source="again")
    assert again == first
    assert len(store.versions("sales")) == 1


def test_same_rows_of_another_origin_are_another_version(store):
    real = store.write("sales", sales(), **FACTS)
    simulated = store.write("sales", sales(), provenance="simulated", source="twin")
    assert simulated.digest == real.digest
    assert simulated.version != real.version
    assert (real.rests_on_simulated, simulated.rests_on_simulated) == (False, True)


def test_resting_on_simulated_data_is_inherited(store):
    twin = store.write("sales", sales(), provenance="simulated", source="twin")
    item = pd.DataFrame({"location_id": ["s1"], "kind": ["store"]})
    child = store.write("locations", item, provenance="derived", source="run", parents=[twin])
    assert child.rests_on_simulated
    assert child.parents == {"sales": twin.digest}


def test_provenance_of_every_column_must_be_stated(store):
    with pytest.raises(TableError, match="provenance of column 'kind' is None; expected one of"):
        store.write(
            "locations", pd.DataFrame({"location_id": ["a"], "kind": ["dc"]}),
            provenance={"location_id": "source"}, source="t",
        )  # fmt: skip


def test_read_gives_plain_types_in_key_order(store):
    store.write("sales", sales().sample(frac=1, random_state=2), **FACTS)
    frame = store.read("sales")
    kinds = "object object datetime64[ns] object float64 float64 boolean".split()
    assert [str(kind) for kind in frame.dtypes] == kinds
    keys = list(zip(frame["item_id"], frame["date"], strict=True))
    assert keys == sorted(keys)
    assert frame["quantity"].sum() == sales()["quantity"].sum()


def test_read_as_of_a_day_leaves_later_rows_out(store):
    version = store.write("sales", sales(), **FACTS)
    frame = store.read(version, as_of=dt.date(2017, 1, 2), columns=["date"], where="quantity > 0")
    assert set(frame["date"]) == {pd.Timestamp("2017-01-01"), pd.Timestamp("2017-01-02")}
    assert len(frame) == 7


def test_read_as_of_a_day_includes_all_instants_of_it(store):
    times = pd.to_datetime(["2017-01-01 23:59:59.999999", "2017-01-02 00:00:00.000000"])
    moves = pd.DataFrame({"movement_id": ["a", "b"], "item_id": "i", "location_id": "l",
                          "time": times, "kind": "in", "quantity": 1.0})  # fmt: skip
    store.write("stock_movements", moves, **FACTS)
    assert store.read("stock_movements", as_of=dt.date(2017, 1, 1))["movement_id"].tolist() == ["a"]
    assert store.read("stock_movements")["time"].tolist() == list(times)


def test_query_sees_pinned_versions_only(store):
    old = store.write("sales", sales(1), **FACTS)
    store.write("sales", sales(3), **FACTS)
    count = "SELECT count(*) AS n, sum(quantity) AS q FROM sales WHERE item_id <> ?"
    assert store.query(count, parameters=["i0"])["n"].tolist() == [9]
    assert store.query(count, versions={"sales": old}, parameters=["i0"])["n"].tolist() == [3]
    with pytest.raises(TableError, match="sales"):
        store.query(count, versions={}, parameters=["i0"])


def test_wrong_query_condition_and_column_are_refused_in_one_sentence(store):
    store.write("sales", sales(), **FACTS)
    with pytest.raises(TableError, match="nowhere"):
        store.query("SELECT * FROM nowhere")
    with pytest.raises(TableError, match="colour"):
        store.read("sales", where="colour = 1")
    with pytest.raises(TableError, match=r"no column 'colour'; expected some of item_id"):
        store.read("sales", columns=["colour"])


def test_finding_what_is_not_there(store):
    with pytest.raises(TableNotFoundError, match="no version of table 'sales' yet"):
        store.current("sales")
    with pytest.raises(ContractError, match="'sails': not a canonical table"):
        store.current("sails")
    version = store.write("sales", sales(), **FACTS)
    with pytest.raises(TableNotFoundError, match=f"no version 'abc', found {version.version}"):
        store.version("sales", "abc")
    with pytest.raises(TableNotFoundError):
        store.version("sales", "../sales")
    assert store.tables() == ["sales"]


@pytest.mark.parametrize("bad", [sales().head(0), sales().assign(quantity=-1.0),
                                 pd.concat([sales(), sales()])])  # fmt: skip
def test_refused_rows_leave_everything_as_it_was(store, bad):
    version = store.write("sales", sales(), **FACTS)
    before = files_below(store.root)
    for rows in (bad, pa.Table.from_pandas(bad, preserve_index=False)):
        with pytest.raises(ContractError, match="table 'sales' from a test"):
            store.write("sales", rows, **FACTS)
    assert files_below(store.root) == before
    assert store.current("sales") == version


def test_frames_and_arrow_are_refused_with_the_same_message(store):
    messages = []
    for rows in (sales().assign(quantity=-1.0), pa.table(sales().assign(quantity=-1.0))):
        with pytest.raises(ContractError) as caught:
            store.write("sales", rows, **FACTS)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_tables_of_runs_may_be_empty_and_others_if_asked(store):
    alarms = pd.DataFrame(columns=["alarm_id", "run_id", "monitor", "scope", "window_start",
                                   "window_end", "statistic", "threshold", "raised"])  # fmt: skip
    assert store.write("alarms", alarms, provenance="derived", source="t").rows == 0
    assert len(store.read("alarms")) == 0
    empty = store.write("sales", sales().head(0), allow_empty=True, **FACTS)
    assert (empty.rows, empty.last_observed) == (0, None)
    store.verify_version(empty)


def test_a_failing_relation_is_told_as_such(store):
    relation = duckdb.connect().sql("SELECT error('boom')::VARCHAR AS location_id, 'dc' AS kind")
    with pytest.raises(TableError, match=r"table 'locations' from a test: its rows .*boom"):
        store.write("locations", relation, **FACTS)


def test_missing_file_behind_a_relation_is_not_told_as_a_full_disk(store, tmp_path):
    path = tmp_path / "gone.parquet"
    duckdb.sql("SELECT 'a' AS location_id, 'dc' AS kind").write_parquet(str(path))
    relation = duckdb.connect().from_parquet(str(path))
    path.unlink()
    with pytest.raises(TableError, match=r"rows cannot be read .*gone\.parquet"):
        store.write("locations", relation, **FACTS)


def test_sums_decimals_and_unsigned_numbers_of_a_query_are_read_as_numbers(store):
    lines = duckdb.connect().sql(
        "SELECT 'o' AS order_id, sum(1) AS line, 'i' AS item_id, 'l' AS location_id,"
        " DATE '2017-01-01' AS date, 3::UTINYINT AS quantity, 1.25::DECIMAL(9, 2) AS price"
    )
    store.write("order_lines", lines, **FACTS)
    row = store.read("order_lines").iloc[0]
    assert (row["line"], row["quantity"], row["price"]) == (1, 3.0, 1.25)


def test_decimal_that_is_not_whole_is_no_line_number(store):
    lines = duckdb.connect().sql(
        "SELECT 'o' AS order_id, 1.5::DECIMAL(9, 2) AS line, 'i' AS item_id, 'l' AS location_id,"
        " DATE '2017-01-01' AS date, 1 AS quantity"
    )
    with pytest.raises(ContractError, match="'line' is not whole in 1 row"):
        store.write("order_lines", lines, **FACTS)


def test_nan_and_negative_zero_are_normalised(store):
    frame = sales(1, 2).assign(revenue=[-0.0, 1.0], quantity=[1.0, 2.0])
    other = pa.table(frame.assign(revenue=[0.0, 1.0]))
    assert store.write("sales", frame, **FACTS) == store.write("sales", other, **FACTS)
    items = pa.table({"item_id": ["a"], "description": ["d"], "base_uom": ["EA"],
                      "currency": ["USD"], "is_demand": [True], "unit_cost": [np.nan]})  # fmt: skip
    store.write("items", items, **FACTS)
    assert store.query("SELECT unit_cost IS NULL AS empty FROM items")["empty"].tolist() == [True]


def test_staged_version_is_visible_only_after_publishing(store, tmp_path):
    staged = store.stage(tmp_path / "run", "sales", sales(), run_id="r1", **FACTS)
    assert store.tables() == []
    published = store.publish(staged)
    assert published.path.parent == store.root / "sales"
    assert store.publish(staged) == published == store.current("sales")
    assert published.run_id == "r1"
    assert staged.data_paths[0].stat().st_ino == published.data_paths[0].stat().st_ino
    assert store.read(staged).equals(store.read("sales"))


def test_publishing_moves_current_back_to_an_older_version(store, tmp_path):
    old = store.write("sales", sales(1), **FACTS)
    store.write("sales", sales(2), **FACTS)
    assert store.publish(old) == old == store.current("sales")
    assert len(store.versions("sales")) == 2


def test_altered_staged_file_is_not_published(store, tmp_path):
    staged = store.stage(tmp_path / "run", "sales", sales(), **FACTS)
    flip_a_byte(staged.data_paths[0])
    with pytest.raises(TableError, match=r"part-00000\.parquet: altered"):
        store.publish(staged)
    assert store.tables() == []


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def rewrite_manifest(written: TableVersion, **changed: object) -> None:
    path = written.path / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


@pytest.mark.parametrize("name", ["part-00000.parquet", "leaves.bin"])
def test_missing_or_altered_file_is_named(store, name):
    version = store.write("sales", sales(), **FACTS)
    flip_a_byte(version.path / name)
    with pytest.raises(TableError, match=rf"{name}: altered"):
        TableStore(store.root).read("sales")
    with pytest.raises(TableError, match=rf"{name}: altered"):
        store.verify_version(version)
    (version.path / name).write_bytes(b"short")
    with pytest.raises(TableError, match=rf"{name}: 5 bytes; expected"):
        store.read("sales")
    (version.path / name).unlink()
    with pytest.raises(TableError, match=rf"{name}: missing"):
        store.current("sales")


def test_a_file_altered_after_the_first_read_is_noticed(store):
    version = store.write("sales", sales(), **FACTS)
    store.read(version)
    flip_a_byte(version.data_paths[0])
    os.utime(version.data_paths[0], ns=(1, 1))
    with pytest.raises(TableError, match="altered"):
        store.read(version)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"table": 1}', "\x00"])
def test_malformed_manifest_is_named(store, text):
    version = store.write("sales", sales(), **FACTS)
    (version.path / "manifest.json").write_text(text)
    with pytest.raises(TableError, match=r"manifest\.json: "):
        store.current("sales")


@pytest.mark.parametrize(
    "changed",
    [{"digest": "00" * 32}, {"rests_on_simulated": True}, {"version": "0" * 16}, {"rows": 5},
     {"format": "other/9"}, {"table": "orders"}],
)  # fmt: skip
def test_altered_manifest_is_noticed(store, changed):
    version = store.write("sales", sales(), **FACTS)
    rewrite_manifest(version, **changed)
    with pytest.raises(TableError, match=r"manifest\.json"):
        store.current("sales")


def test_writing_again_mends_a_damaged_version(store):
    version = store.write("sales", sales(), **FACTS)
    flip_a_byte(version.data_paths[0])
    mended = store.write("sales", sales(), **FACTS)
    assert mended.version == version.version
    store.verify_version(mended)
    assert len(list((store.root / "sales").glob(".damaged-*"))) == 1
    assert len(store.versions("sales")) == 1


def test_file_with_the_digest_of_another_content_is_noticed(store):
    version = store.write("sales", sales(), **FACTS)
    other = store.write("sales", sales().assign(revenue=9.0), **FACTS)
    for name in ("part-00000.parquet", "leaves.bin"):
        (version.path / name).write_bytes((other.path / name).read_bytes())
    manifest = json.loads((other.path / "manifest.json").read_text())
    rewrite_manifest(version, files=manifest["files"], leaves_sha256=manifest["leaves_sha256"])
    with pytest.raises(TableError, match="digest of the rows is"):
        store.verify_version(store.version("sales", version.version))


def test_the_manifest_names_what_recomputing_its_digests_needs(store):
    days = {"window_start": pd.Timestamp("2017-01-01"), "window_end": pd.Timestamp("2017-01-02")}
    rows = {"alarm_id": ["a"], "run_id": "r", "monitor": "m", "scope": "s", **days}
    rows |= {"statistic": 1.0, "threshold": 2.0, "raised": False}
    version = store.write("alarms", pd.DataFrame(rows), provenance="derived", source="t")
    manifest = json.loads((version.path / "manifest.json").read_text())
    assert manifest["key"] == ["alarm_id"]
    assert sorted(manifest["run_columns"]) == ["alarm_id", "run_id"]


def test_a_manifest_from_before_it_named_the_key_is_read(store):
    version = store.write("sales", sales(), provenance="source", source="t")
    path = version.path / "manifest.json"
    older = json.loads(path.read_text())
    del older["key"], older["run_columns"]
    path.write_text(json.dumps(older))
    assert store.current("sales").key == ()
    store.verify_version(store.current("sales"))


def test_clock_is_passed_in(tmp_path):
    noon = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
    store = TableStore(tmp_path, now=lambda: noon)
    assert store.write("sales", sales(), **FACTS).created_at == noon
    assert TableStore(tmp_path).current("sales").created_at == noon
