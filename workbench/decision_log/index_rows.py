"""Rows of the index: its tables, and how an entry becomes rows that are counted into the sums."""

import json
import sqlite3
from collections.abc import Iterable
from typing import Any, Final

from workbench.decision_log.index_seal import FAMILIES, NO_PARTS, Sealer, Sums, bucket_of, row_bytes
from workbench.errors import VerificationError
from workbench.merkle import EMPTY_ROOT

_INSERT_RUN: Final = "INSERT INTO entry_runs VALUES (?, ?, ?)"
_INSERT_MODEL: Final = "INSERT INTO entry_models VALUES (?, ?, ?, ?, ?, ?)"
_OF_MODEL: Final = ("digest", "name", "version")
_ROWS_AT_ONCE: Final = 4000
LAYOUT: Final = 6
_TABLES: Final = ("state", "sums", "entries", "entry_runs", "entry_models")
_SCHEMA: Final = """
CREATE TABLE state (
  size INTEGER NOT NULL, root BLOB NOT NULL, rows BLOB NOT NULL, seal BLOB NOT NULL
);
CREATE TABLE sums (part INTEGER PRIMARY KEY, sums BLOB NOT NULL);
CREATE TABLE entries (
  position INTEGER PRIMARY KEY, id TEXT NOT NULL, kind TEXT NOT NULL,
  item_id TEXT, location_id TEXT, order_id TEXT, order_line INTEGER, as_of TEXT,
  valid_from TEXT, valid_to TEXT, topic TEXT, expires TEXT, supersedes TEXT,
  id_bucket INTEGER NOT NULL, item_bucket INTEGER, order_bucket INTEGER, supersedes_bucket INTEGER
);
CREATE UNIQUE INDEX by_id ON entries (id_bucket, id);
CREATE INDEX by_item ON entries (item_bucket, item_id, location_id, valid_from)
  WHERE item_bucket IS NOT NULL;
CREATE INDEX by_order ON entries (order_bucket, order_id, order_line)
  WHERE order_bucket IS NOT NULL;
CREATE INDEX by_superseded ON entries (supersedes_bucket, supersedes)
  WHERE supersedes_bucket IS NOT NULL;
CREATE TABLE entry_runs (bucket INTEGER, run_id TEXT, position INTEGER,
  PRIMARY KEY (bucket, run_id, position)) WITHOUT ROWID;
CREATE TABLE entry_models (bucket INTEGER, digest TEXT, name TEXT, version TEXT, position INTEGER,
  name_bucket INTEGER, PRIMARY KEY (bucket, digest, name, version, position)) WITHOUT ROWID;
CREATE INDEX by_name ON entry_models (name_bucket, name, version);
"""
_OWN: Final = ("id", "kind", "order_id", "order_line", "as_of", "expires", "supersedes")
_INHERITED: Final = ("item_id", "location_id", "valid_from", "valid_to", "topic")
KEYED: Final = ("id", "item", "order", "supersedes")  # families of the rows of entries
COLUMN_OF: Final = {"id": "id", "item": "item_id", "order": "order_id", "supersedes": "supersedes"}
_COLUMNS: Final = ("position", *_OWN, *_INHERITED)
PLACES: Final = [_COLUMNS.index(COLUMN_OF[family]) for family in KEYED]
_INSERT: Final = (
    f"INSERT INTO entries ({', '.join(_COLUMNS)}, {', '.join(f'{f}_bucket' for f in KEYED)})"
    f" VALUES (?{', ?' * (len(_COLUMNS) + len(KEYED) - 1)})"
)
ALL_ROWS: Final = f"SELECT {', '.join(_COLUMNS)} FROM entries"
BUCKET_ROWS: Final = {
    **{family: f"{ALL_ROWS} WHERE {family}_bucket = ?" for family in KEYED},
    "run": "SELECT run_id, position FROM entry_runs WHERE bucket = ?",
    "model": "SELECT digest, name, version, position FROM entry_models WHERE bucket = ?",
    "name": "SELECT digest, name, version, position FROM entry_models WHERE name_bucket = ?",
}
_RUN, _MODEL, _NAME = (FAMILIES.index(family) for family in ("run", "model", "name"))
_SUPERSEDED: Final = f"SELECT {', '.join(_INHERITED)} FROM entries WHERE id_bucket = ? AND id = ?"


def create(connection: sqlite3.Connection, sealer: Sealer) -> None:
    """Make the tables anew, of an index over no entries."""
    for table in _TABLES:
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    for statement in _SCHEMA.strip().rstrip(";").split(";"):
        connection.execute(statement)
    seal = sealer.seal(0, EMPTY_ROOT, NO_PARTS)
    connection.execute("INSERT INTO state VALUES (0, ?, ?, ?)", (EMPTY_ROOT, NO_PARTS, seal))
    connection.execute(f"PRAGMA user_version = {LAYOUT}")


def enter(connection: sqlite3.Connection, sums: Sums, entries: Iterable[tuple[int, bytes]]) -> None:
    """Make rows of entries and count them in.

    Raises:
        VerificationError: An entry is no decision record.
        IndexAlteredError: Rows that they answer are not those that were entered.
    """
    rows: list[tuple[Any, ...]] = []
    runs: list[tuple[Any, ...]] = []
    models: list[tuple[Any, ...]] = []
    sound: set[int] = set()  # buckets of ids that were added up here
    for position, entry in entries:
        record = parsed(entry, position)
        answered = record.get("supersedes")
        if isinstance(answered, str):  # looks up what may be among the rows
            connection.executemany(_INSERT, rows)
            rows.clear()
            bucket = bucket_of(answered)
            if bucket not in sound:
                found = connection.execute(BUCKET_ROWS["id"], (bucket,))
                sums.check(0, bucket, found)
                sound.add(bucket)
        own = [_searchable(name, record.get(name)) for name in _OWN]
        rows.append(_summed(sums, (position, *own, *_inherited(connection, record))))
        runs += _run_rows(sums, record, position)
        models += _model_rows(sums, record, position)
        if len(rows) + len(runs) + len(models) >= _ROWS_AT_ONCE:
            _flush(connection, rows, runs, models)
    _flush(connection, rows, runs, models)


def _flush(connection: sqlite3.Connection, *lists: list[tuple[Any, ...]]) -> None:
    """Insert rows of entries, runs and models, and forget them."""
    for sql, rows in zip((_INSERT, _INSERT_RUN, _INSERT_MODEL), lists, strict=True):
        connection.executemany(sql, rows)
        rows.clear()


def _summed(sums: Sums, row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row with its buckets, counted into their sums."""
    data, buckets = row_bytes(row), []
    for number, place in enumerate(PLACES):
        key = row[place]
        bucket = None if key is None else bucket_of(str(key))
        if bucket is not None:
            sums.add(number, bucket, data)
        buckets.append(bucket)
    return (*row, *buckets)


def _run_rows(sums: Sums, record: dict[str, Any], position: int) -> list[tuple[Any, ...]]:
    """Rows that find an entry by its runs, counted in."""
    rows = []
    for run_id in dict.fromkeys(map(str, _list(record, "run_ids"))):
        bucket = bucket_of(run_id)
        sums.add(_RUN, bucket, row_bytes((run_id, position)))
        rows.append((bucket, run_id, position))
    return rows


def _model_rows(sums: Sums, record: dict[str, Any], position: int) -> list[tuple[Any, ...]]:
    """Rows that find an entry by its models, counted in."""
    models = [model for model in _list(record, "models") if isinstance(model, dict)]
    named = (tuple(str(model.get(name)) for name in _OF_MODEL) for model in models)
    rows = []
    for digest, name, version in dict.fromkeys(named):
        row = (digest, name, version, position)
        data, bucket, name_bucket = row_bytes(row), bucket_of(digest), bucket_of(name)
        sums.add(_MODEL, bucket, data)
        sums.add(_NAME, name_bucket, data)
        rows.append((bucket, *row, name_bucket))
    return rows


def parsed(entry: bytes, position: int) -> dict[str, Any]:
    """The record that an entry holds.

    Raises:
        VerificationError: It is no JSON object with an id.
    """
    try:
        record = json.loads(entry)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise VerificationError(
            f"entry {position}: not a decision record ({reason}); expected canonical JSON. Ask who"
            " holds the log's key what signed it."
        ) from error
    if not isinstance(record, dict) or not isinstance(record.get("id"), str):
        raise VerificationError(
            f"entry {position}: not a decision record; expected a JSON object with an id. Ask who"
            " holds the log's key what signed it."
        )
    return record


def _inherited(connection: sqlite3.Connection, record: dict[str, Any]) -> list[str | int | None]:
    """What a record is about; where it does not say, what the record is about that it answers."""
    detail = record.get("detail")
    topic = detail.get("proposal") if isinstance(detail, dict) else None
    values = [_searchable(name, {**record, "topic": topic}.get(name)) for name in _INHERITED]
    answered = record.get("supersedes")
    if not isinstance(answered, str) or None not in values:
        return values
    row = connection.execute(_SUPERSEDED, (bucket_of(answered), answered)).fetchone() or [
        None
    ] * len(values)
    return [old if value is None else value for value, old in zip(values, row, strict=True)]


def _searchable(name: str, value: Any) -> str | int | None:
    """A value as its column gives it back."""
    if name == "order_line":
        return value if type(value) is int and abs(value) < 1 << 63 else None
    return value if isinstance(value, str) else None


def _list(record: dict[str, Any], name: str) -> list[Any]:
    value = record.get(name)
    return value if isinstance(value, list) else []
