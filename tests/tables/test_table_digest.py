"""The table digest against a second implementation, written from `docs/table-digest.md` alone."""

import datetime as dt
import hashlib
import math
import random
import struct
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.contracts import tables
from workbench.contracts.schema import Column
from workbench.tables.blocks import ARROW_TYPES, BLOCK_ROWS, decoded_row, encoded_blocks
from workbench.tables.digest import digest
from workbench.tables.store import TableStore

CODES = {"integer": "<q", "number": "<d", "boolean": "<B", "date": "<i", "time": "<q"}
COLUMNS = tuple(Column(kind, kind, nullable=True) for kind in ARROW_TYPES)  # one of each type
ANY_TEXT = st.text(max_size=6)  # hypothesis leaves lone surrogates to its own strategy
VALUES = {
    "text": ANY_TEXT,
    "integer": st.integers(-(2**63), 2**63 - 1),
    "number": st.floats(),
    "boolean": st.booleans(),
    "date": st.dates(),
    "time": st.datetimes(min_value=dt.datetime(1700, 1, 1), max_value=dt.datetime(2200, 1, 1)),
}
ROWS = st.lists(
    st.fixed_dictionaries({kind: st.none() | values for kind, values in VALUES.items()}),
    max_size=20,
)


def plain_digest(rows: list[dict[str, Any]], columns: tuple[Column, ...]) -> str:
    """Digest with struct and hashlib, one value at a time."""
    blocks = [rows[start : start + 4096] for start in range(0, len(rows), 4096)]
    return plain_root([plain_block(block, columns) for block in blocks]).hex()


def plain_block(rows: list[dict[str, Any]], columns: tuple[Column, ...]) -> bytes:
    out = struct.pack("<I", len(rows))
    for column in columns:
        values = [row[column.name] for row in rows]
        bitmap = bytearray((len(rows) + 7) // 8)
        for i, value in enumerate(values):
            if value is not None:
                bitmap[i // 8] |= 1 << (i % 8)
        out += bytes(bitmap)
        if column.type == "text":
            encoded = [(value or "").encode("utf-8") for value in values]
            out += b"".join(struct.pack("<I", len(text)) for text in encoded) + b"".join(encoded)
        else:
            out += b"".join(plain_value(value, column.type) for value in values)
    return out


def plain_value(value: Any, kind: str) -> bytes:
    if value is None:
        value = 0
    elif kind == "number":
        if math.isnan(value):
            return bytes.fromhex("000000000000f87f")
        value = 0.0 if value == 0 else value
    elif kind == "date":
        value = (value - dt.date(1970, 1, 1)).days
    elif kind == "time":
        value = (value - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)
    return struct.pack(CODES[kind], value)


def plain_root(entries: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    split = 1
    while split * 2 < len(entries):
        split *= 2
    left, right = plain_root(entries[:split]), plain_root(entries[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def arrow(rows: list[dict[str, Any]], columns: tuple[Column, ...]) -> pa.Table:
    schema = pa.schema([(column.name, ARROW_TYPES[column.type]) for column in columns])
    return pa.Table.from_pylist(rows, schema=schema)


@settings(max_examples=150, deadline=None)
@given(ROWS)
def test_equals_the_plain_implementation_on_any_rows(rows):
    assert digest(arrow(rows, COLUMNS).to_batches(), COLUMNS).root == plain_digest(rows, COLUMNS)


@settings(max_examples=15, deadline=None)
@given(ROWS.filter(bool), st.integers(4000, 14_000), st.integers(0, 2**32))
def test_batch_sizes_do_not_matter(pool, count, seed):
    rng = random.Random(seed)
    rows = [rng.choice(pool) for _ in range(count)]
    table, batches, start = arrow(rows, COLUMNS), [], 0
    while start < count:
        size = rng.choice([1, 7, 4095, 4096, 4097, 8192])
        batches += table.slice(start, size).to_batches()
        start += size
    assert digest(batches, COLUMNS).root == plain_digest(rows, COLUMNS)


def test_long_tables_split_as_the_rfc_says():
    rows = [{"integer": row} for row in range(9 * BLOCK_ROWS + 5)]
    column = (Column("integer", "integer"),)
    found = digest(arrow(rows, column).to_batches(max_chunksize=70_000), column)
    assert len(found.leaves) == 10
    assert found.root == plain_digest(rows, column)


def test_table_without_rows_has_the_root_of_the_empty_tree():
    # SHA-256 of nothing, FIPS 180-4 examples
    root = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert digest([], COLUMNS).root == root


def test_one_block_by_hand():
    columns = (Column("text", "text"), Column("number", "number"), Column("date", "date"))
    rows = [
        {"text": "é", "number": -0.0, "date": dt.date(1970, 1, 2)},
        {"text": None, "number": 1.0, "date": dt.date(1969, 12, 31)},
    ]
    expected = bytes.fromhex(
        "02000000"  # rows
        "01" "02000000" "00000000" "c3a9"
        "03" "0000000000000000" "000000000000f03f"
        "03" "01000000" "ffffffff"
    )  # fmt: skip
    assert list(encoded_blocks(arrow(rows, columns).to_batches(), columns)) == [expected]


def test_dictionary_encoded_text_counts_as_text():
    column = (Column("text", "text"),)
    rows = [{"text": value} for value in ["b", None, "a", "b"]]
    plain = arrow(rows, column)
    encoded = pa.table({"text": plain["text"].combine_chunks().dictionary_encode()})
    assert digest(encoded.to_batches(), column).root == plain_digest(rows, column)


@settings(max_examples=60, deadline=None)
@given(ROWS.filter(bool), st.data())
def test_a_row_decodes_to_what_was_encoded(rows, data):
    row = data.draw(st.integers(0, len(rows) - 1))
    (block,) = encoded_blocks(arrow(rows, COLUMNS).to_batches(), COLUMNS)
    found, given_row = decoded_row(block, row, COLUMNS), rows[row]
    assert plain_block([found], COLUMNS) == plain_block([given_row], COLUMNS)


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b + b"\0", lambda b: b""])
def test_bytes_of_another_length_are_no_block(change):
    (block,) = encoded_blocks(arrow([{"text": "a"}], COLUMNS[:1]).to_batches(), COLUMNS[:1])
    with pytest.raises(ValueError, match=r"block|row"):
        decoded_row(change(block), 0, COLUMNS[:1])


SALES_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "item_id": st.text(st.sampled_from("aZé中\uffff\U00010000"), max_size=2),
            "location_id": st.sampled_from(["1", "10", "2"]),
            "date": st.dates(dt.date(2016, 1, 1), dt.date(2018, 1, 1)),
            "channel": st.just("store"),
            "quantity": st.floats(0, 1e6),
            "revenue": st.just(-0.0) | st.floats(-1e6, 1e6),
            "in_stock": st.none() | st.booleans(),
        }
    ),
    min_size=1,
    max_size=25,
    unique_by=lambda row: (row["item_id"], row["location_id"], row["date"]),
)


def utf8_key(row: dict[str, Any]) -> tuple[Any, ...]:
    text = (row[name].encode() for name in ("item_id", "location_id"))
    return (*text, row["date"], row["channel"].encode())


@settings(max_examples=20, deadline=None)
@given(SALES_ROWS)
def test_the_store_sorts_text_by_its_utf8_bytes(tmp_path_factory, rows):
    store = TableStore(tmp_path_factory.mktemp("store"))
    columns = tables.SALES.columns
    version = store.write("sales", arrow(rows, columns), provenance="source", source="t")
    ordered = sorted(rows, key=utf8_key)
    assert version.digest == plain_digest(ordered, columns)
    assert store.read(version)["item_id"].tolist() == [row["item_id"] for row in ordered]


def test_content_digest_leaves_run_columns_out(tmp_path):
    columns = [c for c in tables.ALARMS.columns if c.name not in ("alarm_id", "run_id")]
    day = dt.date(2017, 1, 1)
    rows = [
        {"alarm_id": str(number), "run_id": "r", "monitor": "m", "scope": scope, "raised": True,
         "window_start": day, "window_end": day, "statistic": 1.0, "threshold": 2.0}
        for number, scope in enumerate("cab")
    ]  # fmt: skip
    table = arrow(rows, tables.ALARMS.columns)
    version = TableStore(tmp_path).write("alarms", table, provenance="derived", source="t")
    by_scope = sorted(rows, key=lambda row: row["scope"])
    assert version.content_digest == plain_digest(by_scope, tuple(columns))
    assert version.digest == plain_digest(rows, tables.ALARMS.columns)
