"""A SQLite index over the log for questions by item, order, run: derived, never trusted.

It can be deleted at any time; the next use rebuilds it from the entries. Verification ignores it.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from workbench.decision_log.checkpoint import Checkpoint
from workbench.decision_log.storage import Storage
from workbench.decision_log.tiles import TILE_WIDTH, bundle_path, decode_bundle
from workbench.errors import LogError

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS state (size INTEGER NOT NULL, root BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS entries (
  position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, content BLOB NOT NULL, kind TEXT NOT NULL,
  item_id TEXT, location_id TEXT, order_id TEXT, order_line INTEGER, as_of TEXT,
  valid_from TEXT, valid_to TEXT, supersedes TEXT, recorded_at TEXT
);
CREATE INDEX IF NOT EXISTS by_item ON entries (item_id, location_id, valid_from);
CREATE INDEX IF NOT EXISTS by_order ON entries (order_id);
CREATE INDEX IF NOT EXISTS by_superseded ON entries (supersedes);
CREATE TABLE IF NOT EXISTS entry_runs (run_id TEXT NOT NULL, position INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS by_run ON entry_runs (run_id);
"""
_FIELDS: Final = (
    "item_id", "location_id", "order_id", "order_line", "as_of", "valid_from", "valid_to",
    "supersedes", "recorded_at",
)  # fmt: skip


class LogIndex:
    """The index of one log in one file; `Path(":memory:")` keeps it in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def catch_up(self, storage: Storage, checkpoint: Checkpoint) -> None:
        """Add the entries that the checkpoint has and the index lacks; rebuild when they differ.

        Raises:
            LogError: An entry bundle is missing or malformed.
        """
        with self._open() as connection:
            state = connection.execute("SELECT size, root FROM state").fetchone()
            if state is None or state[0] > checkpoint.size:
                self._clear(connection)
                state = (0, b"")
            if state[0] == checkpoint.size and state[1] not in (b"", checkpoint.root):
                self._clear(connection)  # another log of the same size
                state = (0, b"")
            for position, entry in _entries(storage, state[0], checkpoint.size):
                _insert(connection, position, entry)
            connection.execute("DELETE FROM state")
            connection.execute(
                "INSERT INTO state VALUES (?, ?)", (checkpoint.size, checkpoint.root)
            )

    def content(self, decision_id: str) -> str | None:
        """A record's content apart from `recorded_at`, as canonical text, or None."""
        with self._open() as connection:
            row = connection.execute(
                "SELECT content FROM entries WHERE id = ?", (decision_id,)
            ).fetchone()
        if row is None:
            return None
        record = json.loads(row[0])
        record.pop("recorded_at", None)
        return json.dumps(record, sort_keys=True)

    def find(self, decision_id: str) -> int:
        """Entry index of a decision.

        Raises:
            LogError: No entry has that id.
        """
        with self._open() as connection:
            row = connection.execute(
                "SELECT position FROM entries WHERE id = ?", (decision_id,)
            ).fetchone()
        if row is None:
            raise LogError(
                f"decision {decision_id!r}: not in the log; expected the id of an entry, find one"
                " with 'workbench trace --item ITEM'."
            )
        return int(row[0])

    def select(self, condition: str, parameters: tuple[Any, ...]) -> list[tuple[int, bytes]]:
        """Entries, latest first, whose columns fulfil an SQL condition."""
        with self._open() as connection:
            rows = connection.execute(
                f"SELECT position, content FROM entries WHERE {condition} ORDER BY position DESC",
                parameters,
            ).fetchall()
        return [(int(position), bytes(content)) for position, content in rows]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if self._connection is None:
            try:
                if str(self._path) != ":memory:":
                    self._path.parent.mkdir(parents=True, exist_ok=True)
                self._connection = sqlite3.connect(self._path)
                self._connection.executescript(_SCHEMA)
            except (OSError, sqlite3.Error) as error:
                self._connection = None
                raise LogError(
                    f"{self._path}: {error}; delete the index, it is rebuilt."
                ) from error
        try:
            with self._connection:
                yield self._connection
        except sqlite3.Error as error:
            raise LogError(f"{self._path}: {error}; delete the index, it is rebuilt.") from error

    def _clear(self, connection: sqlite3.Connection) -> None:
        for table in ("state", "entries", "entry_runs"):
            connection.execute(f"DELETE FROM {table}")


def _insert(connection: sqlite3.Connection, position: int, entry: bytes) -> None:
    record = json.loads(entry)
    values = [record.get(name) for name in _FIELDS]
    connection.execute(
        "INSERT INTO entries (position, id, content, kind, " + ", ".join(_FIELDS) + ") VALUES ("
        + ", ".join("?" * (4 + len(_FIELDS))) + ")",
        (position, record["id"], entry, record["kind"], *values),
    )  # fmt: skip
    connection.executemany(
        "INSERT INTO entry_runs VALUES (?, ?)",
        [(run_id, position) for run_id in record.get("run_ids", [])],
    )


def _entries(storage: Storage, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    for index in range(start // TILE_WIDTH, -(-end // TILE_WIDTH)):
        width = min(TILE_WIDTH, end - index * TILE_WIDTH)
        path = bundle_path(index, width)
        data = storage.read(path)
        if data is None:
            raise LogError(f"{path}: missing; restore the log from a backup.")
        for offset, entry in enumerate(decode_bundle(data, path)):
            if index * TILE_WIDTH + offset >= start:
                yield index * TILE_WIDTH + offset, entry
