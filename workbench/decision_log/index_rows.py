"""Rows of the index: its tables, and how an entry becomes rows that are counted into the sums."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from workbench.decision_log.index_seal import (
    FAMILIES,
    NO_PARTS,
    IndexAlteredError,
    Sealer,
    Sums,
    bucket_of,
    row_bytes,
)
from workbench.decision_log.pruned import Gone
from workbench.errors import VerificationError
from workbench.merkle import EMPTY_ROOT

_DECODER: Final = msgspec.json.Decoder()
_OF_MODEL: Final = ("digest", "name", "version")
_ROWS_AT_ONCE: Final = 4000
LAYOUT: Final = 7
_TABLES: Final = ("state", "sums", "entries", "runs", "entry_runs", "models", "entry_models")
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
CREATE TABLE runs (run INTEGER PRIMARY KEY, run_id TEXT NOT NULL UNIQUE, bucket INTEGER NOT NULL);
CREATE INDEX by_run ON runs (bucket);
CREATE TABLE entry_runs (run INTEGER, position INTEGER, PRIMARY KEY (run, position)) WITHOUT ROWID;
CREATE TABLE models (model INTEGER PRIMARY KEY, digest TEXT, name TEXT, version TEXT,
  bucket INTEGER NOT NULL, name_bucket INTEGER NOT NULL, UNIQUE (digest, name, version));
CREATE INDEX by_model ON models (bucket);
CREATE INDEX by_name ON models (name_bucket);
CREATE TABLE entry_models (model INTEGER, position INTEGER, PRIMARY KEY (model, position))
  WITHOUT ROWID;
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
RUN_ROWS: Final = "SELECT run_id, position FROM runs JOIN entry_runs USING (run)"
MODEL_ROWS: Final = (
    "SELECT digest, name, version, position FROM models JOIN entry_models USING (model)"
)
PRUNED: Final = "pruned"  # stands for the kind; no record has it
BUCKET_ROWS: Final = {
    **{family: f"{ALL_ROWS} WHERE {family}_bucket = ?" for family in KEYED},
    "run": f"{RUN_ROWS} WHERE bucket = ?",
    "model": f"{MODEL_ROWS} WHERE bucket = ?",
    "name": f"{MODEL_ROWS} WHERE name_bucket = ?",
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


def enter(
    connection: sqlite3.Connection, sums: Sums, entries: Iterable[tuple[int, bytes | Gone]]
) -> None:
    """Make rows of entries and count them in.

    Raises:
        VerificationError: An entry is no decision record.
        IndexAlteredError: Rows that they answer are not those that were entered.
    """
    rows: list[tuple[Any, ...]] = []
    runs: dict[tuple[str, ...], list[int]] = {}
    models: dict[tuple[str, ...], list[int]] = {}
    sound: set[int] = set()  # buckets of ids that were added up here
    for position, entry in entries:
        if isinstance(entry, Gone):
            rows.append(_summed(sums, gone_row(position, entry)))
            continue
        record = parsed(entry, position)
        answered = record.get("supersedes")
        if isinstance(answered, str):  # looks up what may be among the rows
            connection.executemany(_INSERT, rows)
            rows.clear()
            _check_once(connection, sums, bucket_of(answered), sound)
        row = (position, *_values(record, _OWN), *_inherited(connection, record))
        rows.append(_summed(sums, row))
        _note_runs(sums, record, position, runs)
        _note_models(sums, record, position, models)
        if len(rows) >= _ROWS_AT_ONCE:
            connection.executemany(_INSERT, rows)
            rows.clear()
    connection.executemany(_INSERT, rows)
    _link(connection, "runs", "run", ("run_id", "bucket"), runs)
    _link(connection, "models", "model", (*_OF_MODEL, "bucket", "name_bucket"), models)


def remove(connection: sqlite3.Connection, sums: Sums, position: int, gone: Gone) -> None:
    """Put the digest of its id in place of an entry's rows; the sums follow."""
    row = connection.execute(f"{ALL_ROWS} WHERE position = ?", (position,)).fetchone()
    _summed(sums, row, sign=-1)
    for run_row in connection.execute(f"{RUN_ROWS} WHERE position = ?", (position,)):
        sums.add(_RUN, bucket_of(run_row[0]), row_bytes(run_row), sign=-1)
    for one in connection.execute(f"{MODEL_ROWS} WHERE position = ?", (position,)):
        sums.add(_MODEL, bucket_of(one[0]), row_bytes(one), sign=-1)
        sums.add(_NAME, bucket_of(one[1]), row_bytes(one), sign=-1)
    for table in ("entries", "entry_runs", "entry_models"):
        connection.execute(f"DELETE FROM {table} WHERE position = ?", (position,))
    connection.execute(_INSERT, _summed(sums, gone_row(position, gone)))


def gone_row(position: int, entry: Gone) -> tuple[Any, ...]:
    """The digest is a blob, which no id can equal: ids are text."""
    return (position, entry.id_digest, PRUNED, *[None] * (len(_OWN + _INHERITED) - 2))


def _check_once(connection: sqlite3.Connection, sums: Sums, bucket: int, sound: set[int]) -> None:
    """Add up a bucket of ids whose rows will be believed."""
    if bucket not in sound:
        sums.check(0, bucket, connection.execute(BUCKET_ROWS["id"], (bucket,)))
        sound.add(bucket)


def _summed(sums: Sums, row: tuple[Any, ...], *, sign: int = 1) -> tuple[Any, ...]:
    """A row with its buckets, counted into their sums."""
    data, buckets = row_bytes(row), []
    for number, place in enumerate(PLACES):
        key = row[place]
        bucket = None if key is None else bucket_of(key)
        if bucket is not None:
            sums.add(number, bucket, data, sign=sign)
        buckets.append(bucket)
    return (*row, *buckets)


def _note_runs(
    sums: Sums, record: dict[str, Any], position: int, found: dict[tuple[str, ...], list[int]]
) -> None:
    for run_id in dict.fromkeys(map(str, _list(record, "run_ids"))):
        sums.add(_RUN, bucket_of(run_id), row_bytes((run_id, position)))
        found.setdefault((run_id,), []).append(position)


def _note_models(
    sums: Sums, record: dict[str, Any], position: int, found: dict[tuple[str, ...], list[int]]
) -> None:
    models = [model for model in _list(record, "models") if isinstance(model, dict)]
    for key in dict.fromkeys(tuple(str(model.get(n)) for n in _OF_MODEL) for model in models):
        data = row_bytes((*key, position))
        sums.add(_MODEL, bucket_of(key[0]), data)
        sums.add(_NAME, bucket_of(key[1]), data)
        found.setdefault(key, []).append(position)


def _link(
    connection: sqlite3.Connection,
    table: str,
    key: str,
    columns: Sequence[str],
    found: Mapping[tuple[str, ...], Sequence[int]],
) -> None:
    """Note the entries that name each run or model; its text is kept once, with its buckets."""
    names, places = ", ".join(columns), ", ".join("?" * len(columns))
    for values, positions in found.items():
        stored = (*values, *map(bucket_of, values[: len(columns) - len(values)]))
        condition = " AND ".join(f"{column} = ?" for column in columns)
        connection.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({places})", stored)
        row = connection.execute(f"SELECT {key} FROM {table} WHERE {condition}", stored).fetchone()
        if row is None:
            raise IndexAlteredError("the index of the log: a run's or model's bucket was changed.")
        connection.executemany(
            f"INSERT OR IGNORE INTO entry_{table} VALUES (?, ?)",
            [(row[0], position) for position in positions],
        )


def parsed(entry: bytes, position: int) -> dict[str, Any]:
    """The record that an entry holds.

    Raises:
        VerificationError: It is no JSON object with an id.
    """
    try:
        record = _decoded(entry)
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


def _decoded(entry: bytes) -> Any:
    try:
        return _DECODER.decode(entry)
    except (ValueError, RecursionError):  # the standard library takes more, and says what is wrong
        return json.loads(entry)


def _values(record: Mapping[str, Any], names: Iterable[str]) -> list[str | int | None]:
    return [_searchable(name, record.get(name)) for name in names]


def _inherited(connection: sqlite3.Connection, record: dict[str, Any]) -> list[str | int | None]:
    """What a record is about; where it does not say, what the record is about that it answers."""
    detail = record.get("detail")
    topic = detail.get("proposal") if isinstance(detail, dict) else None
    values = [*_values(record, _INHERITED[:-1]), topic if isinstance(topic, str) else None]
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
