"""Every adapter of files against every fault: one clear sentence, and the earlier table stays.

PostgreSQL's own faults (unreachable, wrong password, no permission) are in test_postgres.py, a
workbook's in test_excel.py, formulas at export in test_ingest_command.py.
"""

import csv
import gzip
import sqlite3

import duckdb
import openpyxl
import pandas as pd
import pytest

from workbench.adapters import files
from workbench.errors import WorkbenchError

GOOD = [("A", "Soup"), ("B", "Rag")]
LONG = "x" * 1_000_000
ENDINGS = {"csv": "csv", "excel": "xlsx", "parquet": "parquet", "sqlite": "db", "duckdb": "duckdb"}
SOURCE = {
    "name": "master", "table": "items", "columns": {"item_id": "sku", "description": "name"},
    "constants": {"base_uom": "EA", "currency": "EUR", "is_demand": True},
}  # fmt: skip


def source(kind, path=None):
    query = {"query": "SELECT * FROM items"} if kind in ("sqlite", "duckdb") else {}
    return SOURCE | {"kind": kind, "path": path or f"items.{ENDINGS[kind]}"} | query


def write(path, kind, rows):
    path.unlink(missing_ok=True)
    frame = pd.DataFrame(rows, columns=["sku", "name"])
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "parquet":
        frame.to_parquet(path)
    elif kind == "excel":
        book = openpyxl.Workbook()
        for row in [("sku", "name"), *rows]:
            book.active.append([cell[:32_000] for cell in row])  # Excel's own limit is 32,767
        book.save(path)
    elif kind == "sqlite":
        with sqlite3.connect(path) as database:
            frame.to_sql("items", database, index=False)
        database.close()
    else:
        with duckdb.connect(str(path)) as database:
            database.register("frame", frame)
            database.execute("CREATE TABLE items AS FROM frame")


def missing(path, kind):
    path.unlink()


def empty(path, kind):
    path.write_bytes(b"")


def truncated(path, kind):
    write(path, kind, [(f"A{i}", f"text {i * 7919 % 10007}") for i in range(3000)])
    whole = path.read_bytes()
    cut = whole.rindex(b",") if kind == "csv" else len(whole) * 2 // 3
    path.write_bytes(whole[:cut])


def of_another_kind(path, kind):
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40)


def no_rows(path, kind):
    write(path, kind, [])


FAULTS = {
    missing: "not found; correct 'path'",
    empty: "empty; expected a heading|cannot be read as|did not answer|no rows",
    truncated: "truncated|cannot be read as|did not answer",
    of_another_kind: "not encoded as utf-8|cannot be read as|did not answer",
    no_rows: "no rows; expected at least one",
}


@pytest.mark.parametrize("kind", ENDINGS)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_faulty_file_is_refused_in_one_sentence(tmp_path, store, ingest, kind, fault):
    path = tmp_path / f"items.{ENDINGS[kind]}"
    write(path, kind, GOOD)
    before = ingest(source(kind))[0].version.digest
    fault(path, kind)
    with pytest.raises(WorkbenchError, match=FAULTS[fault]) as refused:
        ingest(source(kind))
    told = str(refused.value)
    assert "\n" not in told
    assert len(told) < 800
    assert told.endswith("No table was changed.")
    assert (store.current("items").digest, store.read("items")["item_id"].tolist()) == (
        before, ["A", "B"],
    )  # fmt: skip


@pytest.mark.parametrize("kind", ENDINGS)
def test_line_breaks_long_text_and_formulas_arrive_as_text(tmp_path, store, ingest, kind):
    long = LONG if kind != "excel" else LONG[:32_000]
    rows = [("A", "two\nlines"), ("B", long), ("C", "=1+1" if kind != "excel" else "'=1+1")]
    write(tmp_path / f"items.{ENDINGS[kind]}", kind, rows)
    ingest(source(kind))
    assert store.read("items")["description"].tolist() == [text for _, text in rows]


@pytest.mark.parametrize("kind", ENDINGS)
def test_a_long_value_where_a_number_belongs_is_told_in_short(tmp_path, ingest, kind):
    write(tmp_path / f"items.{ENDINGS[kind]}", kind, [("A", LONG), ("B", "1")])
    given = source(kind)
    with pytest.raises(WorkbenchError, match=r"holds 'xxxxx.*…'; expected a number") as refused:
        ingest(given | {"columns": {**given["columns"], "description": "sku", "unit_cost": "name"}})
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("kind", ENDINGS)
@pytest.mark.parametrize("path", ["../items.{}", "sub/../../items.{}", "*/../../items.{}"])
def test_a_path_does_not_climb_out_of_its_folder(tmp_path, ingest, kind, path):
    inside = tmp_path / "inside"
    (inside / "sub").mkdir(parents=True)
    write(tmp_path / f"items.{ENDINGS[kind]}", kind, GOOD)
    with pytest.raises(WorkbenchError, match="climbs out of the folder of the description"):
        ingest(source(kind, path.format(ENDINGS[kind])), folder=inside)


@pytest.mark.parametrize(
    ("data", "changes", "message"),
    [
        ("sku;name\nA;x\n", {}, "delimited by ';', not ','"),
        ("sku,name\nA,Käse\n", {"encoding": "windows-1252"}, "is encoded as utf-8, not windows"),
        ("sku,name\nA,x\n", {"encoding": "utf-16"}, "not encoded as utf-16"),
        ("sku,name\nA,x\n", {"encoding": "klingon"}, "unknown encoding 'klingon'"),
        ('sku,name\nA,"x\n', {}, "cannot be read as CSV"),
        ("sku,name\nA,x\nB", {}, "ends within line 3 .*truncated"),
        ("sku,name,sku\nA,x,A\n", {}, "column 'sku' occurs twice"),
    ],
)
def test_text_that_is_not_as_described_is_refused(tmp_path, store, ingest, data, changes, message):
    (tmp_path / "items.csv").write_bytes(data.encode())
    with pytest.raises(WorkbenchError, match=message):
        ingest(source("csv") | changes)
    assert store.tables() == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "windows-1252", "cp437"])
def test_text_of_any_encoding_arrives(tmp_path, store, ingest, encoding):
    (tmp_path / "items.csv").write_bytes("sku,name\nA,Käse\n".encode(encoding))
    ingest(source("csv") | {"encoding": encoding})
    assert store.read("items")["description"].tolist() == ["Käse"]


@pytest.mark.parametrize(
    "data",
    [
        b"sku,name\r\nA,x\nB,y\r\n",
        b"sku,name\nA,x\r\nB,y\rC,z\n",
        b'sku,name\r\nA,"x\r\ny"\nB,z\r\n',
    ],
)
def test_lines_that_end_in_several_ways_are_records_all_the_same(tmp_path, store, ingest, data):
    (tmp_path / "items.csv").write_bytes(data)
    ingest(source("csv"))
    with (tmp_path / "items.csv").open(newline="") as text:  # a second reader
        rows = list(csv.reader(text))[1:]
    assert store.read("items")[["item_id", "description"]].to_numpy().tolist() == rows


def test_a_bad_row_among_lines_that_end_in_several_ways_is_named_by_its_line(tmp_path, ingest):
    (tmp_path / "items.csv").write_bytes(b"sku,name\r\nA,x\nB\r\nC,z\n")
    with pytest.raises(
        WorkbenchError, match=r"items.csv line 3 is no record: 1 value in the line, expected 2"
    ):
        ingest(source("csv"))


@pytest.mark.parametrize(
    ("packed", "kind"),
    [(gzip.compress(b"sku,name\nA,x\n", mtime=0), "gzip"), (b"PK\x03\x04..", "zip archive")],
)
def test_a_packed_file_is_not_taken_for_text(tmp_path, ingest, packed, kind):
    (tmp_path / "items.csv").write_bytes(packed)
    with pytest.raises(WorkbenchError, match=rf"is .*{kind}.*, not text; unpack it"):
        ingest(source("csv") | {"encoding": "latin-1"})


def test_a_database_that_cannot_be_read_is_named(ingest):
    with pytest.raises(WorkbenchError, match=r"cannot be read \(Input/output error\)"):
        ingest(source("sqlite", "/proc/self/mem"))  # opens, and fails at the first read


def test_a_parquet_file_that_unpacks_to_too_much_is_refused_unread(tmp_path, ingest, monkeypatch):
    monkeypatch.setattr(files, "LARGEST", 1 << 20)
    zeros = pd.DataFrame({"sku": ["A"] * 40, "name": [LONG[i:] for i in range(40)]})
    zeros.to_parquet(tmp_path / "items.parquet", compression="zstd", use_dictionary=False)
    assert (tmp_path / "items.parquet").stat().st_size < 100_000
    with pytest.raises(WorkbenchError, match=r"would unpack to [\d,]+ bytes; expected at most"):
        ingest(source("parquet"))


def test_a_file_that_may_not_be_read_is_named(tmp_path, ingest):
    write(tmp_path / "items.csv", "csv", GOOD)
    (tmp_path / "items.csv").chmod(0)
    try:
        (tmp_path / "items.csv").read_bytes()
        pytest.skip("this user may read every file")
    except PermissionError:
        pass
    with pytest.raises(WorkbenchError, match=r"cannot be read \(Permission denied\)"):
        ingest(source("csv"))
