"""A SQLite index over the log: where entries of an item, order or run are. Derived, never trusted.

It holds positions and what is searched by, no content. It can be deleted at any time; the next use
rebuilds it from the entries, as it does when it belongs to another log or another layout.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from workbench.decision_log.checkpoint import Checkpoint
from workbench.decision_log.pruned import Gone, id_digest
from workbench.decision_log.storage import Storage
from workbench.decision_log.tree import TreeReader
from workbench.errors import LogError, VerificationError
from workbench.merkle import EMPTY_ROOT

_ROWS_AT_ONCE: Final = 1000
_LAYOUT: Final = 4
_TABLES: Final = ("state", "entries", "entry_runs", "entry_models")
_SCHEMA: Final = """
CREATE TABLE state (size INTEGER NOT NULL, root BLOB NOT NULL, rows BLOB NOT NULL);
CREATE TABLE entries (
  position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
  item_id TEXT, location_id TEXT, order_id TEXT, order_line INTEGER, as_of TEXT,
  valid_from TEXT, valid_to TEXT, topic TEXT, expires TEXT, supersedes TEXT
);
CREATE INDEX by_item ON entries (item_id, location_id, valid_from);
CREATE INDEX by_order ON entries (order_id, order_line) WHERE order_id IS NOT NULL;
CREATE INDEX by_superseded ON entries (supersedes) WHERE supersedes IS NOT NULL;
CREATE TABLE entry_runs (run_id TEXT, position INTEGER, PRIMARY KEY (run_id, position))
  WITHOUT ROWID;
CREATE TABLE entry_models (digest TEXT, name TEXT, position INTEGER,
  PRIMARY KEY (digest, name, position)) WITHOUT ROWID;
"""
_OWN: Final = ("id", "kind", "order_id", "order_line", "as_of", "expires", "supersedes")
_INHERITED: Final = ("item_id", "location_id", "valid_from", "valid_to", "topic")
_INSERT: Final = (
    f"INSERT INTO entries (position, {', '.join(_OWN + _INHERITED)})"
    f" VALUES (?{', ?' * len(_OWN + _INHERITED)})"
)
_NO_ROWS: Final = bytes(32)
_ROWS: Final = f"SELECT position, {', '.join(_OWN + _INHERITED)} FROM entries ORDER BY position"
_PRUNED: Final = "pruned"  # stands for the kind; no record has it
_ANY_GONE: Final = "SELECT 1 FROM entries WHERE id >= x'' LIMIT 1"  # blobs follow all texts
_NOT_FORGOTTEN: Final = f"SELECT position FROM entries WHERE kind != '{_PRUNED}'"
_SUPERSEDED: Final = f"SELECT {', '.join(_INHERITED)} FROM entries WHERE id = ?"


class LogIndex:
    """The index of one log in one file; `Path(":memory:")` keeps it in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def catch_up(self, storage: Storage, checkpoint: Checkpoint) -> None:
        """Add the entries that the checkpoint has and the index lacks; rebuild when they differ.

        Raises:
            LogError: An entry or tile is missing or damaged, or the index cannot be written.
        """
        wanted = (checkpoint.size, checkpoint.root)
        with self._transaction() as connection:
            if _state(connection) == wanted:
                return
        tree = TreeReader(storage, checkpoint.size)
        with self._transaction("IMMEDIATE") as connection:
            size, root = _state(connection)
            if size > checkpoint.size or tree.root(0, size) != root:
                _create(connection)
                size = 0
            rows = _insert(connection, tree.entries(size))
            connection.execute("UPDATE state SET size = ?, root = ?, rows = ?", (*wanted, rows))

    def is_whole(self) -> bool:
        """Whether every row is there as it was entered: their number and a digest over all.

        It finds damage and stray changes. Whoever forges rows, digest and all, is found out where
        an answer is compared with the entry that it names; what they hide only by `rebuild`.
        """
        with self._transaction() as connection:
            size, _ = _state(connection)
            (noted,) = connection.execute("SELECT rows FROM state").fetchone()
            digest, count = _NO_ROWS, 0
            for row in connection.execute(_ROWS):
                digest, count = _chained(digest, row), count + 1
        return count == size and digest == noted

    def rebuild(self, storage: Storage, checkpoint: Checkpoint) -> None:
        """Forget all rows and read the log anew; raises as `catch_up`."""
        with self._transaction("IMMEDIATE") as connection:
            _create(connection)
        self.catch_up(storage, checkpoint)

    def forget(self, gone: Mapping[int, Gone]) -> None:
        """Keep of entries that were pruned what a rebuild would find: the digest of their id.

        Raises:
            LogError: The index cannot be written.
        """
        with self._transaction() as connection:
            found = connection.execute(_NOT_FORGOTTEN).fetchall()
        positions = [position for (position,) in found if position in gone]
        if not positions:
            return
        with self._transaction("IMMEDIATE") as connection:
            connection.execute("PRAGMA secure_delete = ON")  # freed bytes are overwritten
            for position in positions:
                connection.execute("DELETE FROM entries WHERE position = ?", (position,))
                connection.execute("DELETE FROM entry_runs WHERE position = ?", (position,))
                connection.execute("DELETE FROM entry_models WHERE position = ?", (position,))
                connection.execute(_INSERT, _gone_row(position, gone[position]))
            digest = _NO_ROWS
            for row in connection.execute(_ROWS):
                digest = _chained(digest, row)
            connection.execute("UPDATE state SET rows = ?", (digest,))
        if self._connection is not None:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def add(self, before: Checkpoint, after: Checkpoint, entries: Sequence[bytes]) -> bool:
        """Add the entries between two checkpoints; False if the index is not at the first.

        Raises:
            LogError: The index cannot be written.
        """
        with self._transaction("IMMEDIATE") as connection:
            if _state(connection) != (before.size, before.root):
                return False
            rows = _insert(connection, enumerate(entries, before.size))
            state = (after.size, after.root, rows)
            connection.execute("UPDATE state SET size = ?, root = ?, rows = ?", state)
        return True

    def positions(self, ids: Sequence[str]) -> dict[str, int]:
        """Entry index of each decision that is in the log."""
        sql = "SELECT position FROM entries WHERE id = ?"
        with self._transaction() as connection:
            rows = [(name, connection.execute(sql, (name,)).fetchone()) for name in ids]
            if connection.execute(_ANY_GONE).fetchone():
                rows = [
                    (name, row or connection.execute(sql, (id_digest(name),)).fetchone())
                    for name, row in rows
                ]
        return {name: int(row[0]) for name, row in rows if row}

    def find(self, decision_id: str) -> int:
        """Entry index of a decision.

        Raises:
            LogError: No entry has that id.
        """
        found = self.positions([decision_id])
        if not found:
            raise LogError(
                f"decision {decision_id!r}: not in the log; expected the id of an entry, find one"
                " with 'workbench trace --item ITEM'."
            )
        return found[decision_id]

    def select(self, condition: str, parameters: Sequence[Any]) -> list[int]:
        """Positions of entries, latest first, whose columns fulfil an SQL condition."""
        return self._column(
            f"SELECT position FROM entries WHERE {condition} ORDER BY position DESC", parameters
        )

    def select_latest(self, condition: str, parameters: Sequence[Any]) -> list[int]:
        """As `select`, the latest only per item, location and topic."""
        return self._column(
            f"SELECT MAX(position) FROM entries WHERE {condition}"
            " GROUP BY item_id, location_id, topic ORDER BY 1 DESC",
            parameters,
        )

    def _column(self, sql: str, parameters: Sequence[Any]) -> list[int]:
        with self._transaction() as connection:
            return [int(row[0]) for row in connection.execute(sql, parameters).fetchall()]

    @contextmanager
    def _transaction(self, mode: str = "DEFERRED") -> Iterator[sqlite3.Connection]:
        try:
            if self._connection is None:
                self._connection = _connect(self._path)
            connection = self._connection
            connection.execute(f"BEGIN {mode}")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            self._connection = None
            raise LogError(
                f"{self._path}: {error}; free space or delete this file, it is rebuilt from the"
                " log."
            ) from error


def _connect(path: Path) -> sqlite3.Connection:
    """A connection to an index of this layout; a file that is none is replaced by an empty one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LogError(f"{path}: cannot be written ({error.strerror}).") from error
    try:
        return _prepared(path)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:  # not an SQLite file
        path.unlink()
        return _prepared(path)


def _prepared(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")  # what a power loss takes is indexed again
    if connection.execute("PRAGMA user_version").fetchone()[0] != _LAYOUT:
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("PRAGMA user_version").fetchone()[0] != _LAYOUT:
            _create(connection)
        connection.execute("COMMIT")
    return connection


def _state(connection: sqlite3.Connection) -> tuple[int, bytes]:
    size, root = connection.execute("SELECT size, root FROM state").fetchone()
    return int(size), bytes(root)


def _create(connection: sqlite3.Connection) -> None:
    for table in _TABLES:
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    for statement in _SCHEMA.strip().rstrip(";").split(";"):
        connection.execute(statement)
    connection.execute("INSERT INTO state VALUES (0, ?, ?)", (EMPTY_ROOT, _NO_ROWS))
    connection.execute(f"PRAGMA user_version = {_LAYOUT}")


def _insert(connection: sqlite3.Connection, entries: Iterable[tuple[int, bytes | Gone]]) -> bytes:
    """Enter entries; returns the digest over all rows."""
    (digest,) = connection.execute("SELECT rows FROM state").fetchone()
    rows: list[tuple[Any, ...]] = []
    runs: list[tuple[str, int]] = []
    models: list[tuple[str, str, int]] = []
    for position, entry in entries:
        if isinstance(entry, Gone):
            row = _gone_row(position, entry)
            rows.append(row)
            digest = _chained(digest, row)
            continue
        record = parsed(entry, position)
        if isinstance(record.get("supersedes"), str):  # looks up what may be among the rows
            connection.executemany(_INSERT, rows)
            rows.clear()
        own = [_searchable(record.get(name)) for name in _OWN]
        row = (position, *own, *_inherited(connection, record))
        rows.append(row)
        digest = _chained(digest, row)
        runs += [(str(run_id), position) for run_id in _list(record, "run_ids")]
        models += [
            (str(model.get("digest")), str(model.get("name")), position)
            for model in _list(record, "models")
            if isinstance(model, dict)
        ]
        if len(rows) >= _ROWS_AT_ONCE:
            connection.executemany(_INSERT, rows)
            rows.clear()
    connection.executemany(_INSERT, rows)
    connection.executemany("INSERT OR IGNORE INTO entry_runs VALUES (?, ?)", runs)
    connection.executemany("INSERT OR IGNORE INTO entry_models VALUES (?, ?, ?)", models)
    return bytes(digest)


def _gone_row(position: int, entry: Gone) -> tuple[Any, ...]:
    """The digest is a blob, which no id can equal: ids are text."""
    return (position, entry.id_digest, _PRUNED, *[None] * (len(_OWN + _INHERITED) - 2))


def _chained(digest: bytes, row: Sequence[Any]) -> bytes:
    return hashlib.sha256(digest + repr(tuple(row)).encode("utf-8", "surrogatepass")).digest()


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
    values = [_searchable({**record, "topic": topic}.get(name)) for name in _INHERITED]
    answered = record.get("supersedes")
    if not isinstance(answered, str) or None not in values:
        return values
    row = connection.execute(_SUPERSEDED, (answered,)).fetchone() or [None] * len(values)
    return [old if value is None else value for value, old in zip(values, row, strict=True)]


def _searchable(value: Any) -> str | int | None:
    return value if isinstance(value, (str, int)) else None


def _list(record: dict[str, Any], name: str) -> list[Any]:
    value = record.get(name)
    return value if isinstance(value, list) else []
