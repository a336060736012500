"""A SQLite index over the log: where entries of an item, order or run are. Derived, never trusted.

It holds positions and what is searched by, no content. It can be deleted at any time; the next use
rebuilds it from the entries, as it does when it belongs to another log or another layout, or when a
bucket that is asked for does not add up (`index_seal`).
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

from workbench.decision_log.checkpoint import Checkpoint
from workbench.decision_log.index_rows import (
    ALL_ROWS,
    BUCKET_ROWS,
    COLUMN_OF,
    KEYED,
    LAYOUT,
    MODEL_ROWS,
    PLACES,
    PRUNED,
    RUN_ROWS,
    create,
    enter,
    parsed,
    remove,
)
from workbench.decision_log.index_seal import (
    BUCKETS,
    FAMILIES,
    IndexAlteredError,
    Sealer,
    Sums,
    bucket_of,
)
from workbench.decision_log.pruned import Gone, id_digest
from workbench.decision_log.storage import Storage
from workbench.decision_log.tree import TreeReader
from workbench.errors import LogError

__all__ = ["LogIndex", "parsed"]
_NAMES_AT_ONCE: Final = 250
_NOT_FORGOTTEN: Final = f"SELECT position FROM entries WHERE kind != '{PRUNED}'"
_POSITION_BITS: Final = 48  # of an entry's position; what ranks entries stands above them
_DIGEST_LENGTH: Final = 64  # of SHA-256 in hex


class LogIndex:
    """The index of one log in one file; `Path(":memory:")` keeps it in memory.

    Args:
        path: Of the file.
        secret: Seals the rows (`index_seal.index_secret`); without one damage and stray changes are
            found, but not what somebody forged knowingly.
    """

    def __init__(self, path: Path, secret: bytes | None = None) -> None:
        self._path = path
        self._sealer = Sealer(secret)
        self._connection: sqlite3.Connection | None = None
        self._sound: set[tuple[str, int]] = set()
        self._seen = -1

    def catch_up(self, storage: Storage, checkpoint: Checkpoint) -> None:
        """Add the entries that the checkpoint has and the index lacks; rebuild when they differ.

        Raises:
            LogError: An entry or tile is missing or damaged, or the index cannot be written.
        """
        try:
            self._catch_up(storage, checkpoint)
        except IndexAlteredError:
            self.rebuild(storage, checkpoint)

    def _catch_up(self, storage: Storage, checkpoint: Checkpoint) -> None:
        wanted = (checkpoint.size, checkpoint.root)
        with self._transaction() as connection:
            Sums(connection, self._sealer)  # refuses a state that is not sealed
            if _state(connection) == wanted:
                return
        tree = TreeReader(storage, checkpoint.size)
        with self._transaction("IMMEDIATE") as connection:
            size, root = _state(connection)
            if size > checkpoint.size or tree.root(0, size) != root:
                create(connection, self._sealer)
                size = 0
            self._insert(connection, tree.entries(size), *wanted)

    def is_whole(self) -> bool:
        """Whether every row of every entry is there as it was entered; reads all of them."""
        with self._transaction() as connection:
            try:
                sums = Sums(connection, self._sealer)
                found = {family: dict[int, list[Any]]() for family in KEYED}
                for row in connection.execute(ALL_ROWS):
                    for family, place in zip(KEYED, PLACES, strict=True):
                        if row[place] is not None:
                            buckets = found[family]
                            buckets.setdefault(bucket_of(row[place]), []).append(row)
                for family, buckets in found.items():
                    for bucket in range(BUCKETS):
                        sums.check(FAMILIES.index(family), bucket, buckets.get(bucket, ()))
            except IndexAlteredError:
                return False
        return True

    def rebuild(self, storage: Storage, checkpoint: Checkpoint) -> None:
        """Forget all rows and read the log anew; raises as `catch_up`."""
        with self._transaction("IMMEDIATE") as connection:
            create(connection, self._sealer)
        self._catch_up(storage, checkpoint)

    def forget(self, gone: Mapping[int, Gone]) -> None:
        """Keep of entries that were pruned what a rebuild would find: the digest of their id.

        Raises:
            LogError: The index cannot be written.
            IndexAlteredError: Its seal or sums are not those that were written.
        """
        with self._transaction() as connection:
            found = connection.execute(_NOT_FORGOTTEN).fetchall()
        positions = [position for (position,) in found if position in gone]
        if not positions:
            return
        with self._transaction("IMMEDIATE") as connection:
            connection.execute("PRAGMA secure_delete = ON")  # freed bytes are overwritten
            self._sound.clear()
            sums = Sums(connection, self._sealer)
            for position in positions:
                remove(connection, sums, position, gone[position])
            sums.write(*_state(connection))
        if self._connection is not None:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def positions(self, ids: Sequence[str]) -> dict[str, int]:
        """Entry index of each decision that the index knows, unchecked; for the writer."""
        found: dict[str, int] = {}
        with self._connected() as connection:
            for start in range(0, len(ids), _NAMES_AT_ONCE):
                keys: dict[str | bytes, str] = {}
                pairs: list[int | str | bytes] = []
                for name in dict.fromkeys(ids[start : start + _NAMES_AT_ONCE]):
                    for key in (name, id_digest(name)):  # the digest: of what was pruned
                        keys[key] = name
                        pairs += (bucket_of(key), key)
                for key, position in connection.execute(_of_ids(len(keys)), pairs):
                    found[keys[key]] = position
        return found

    def position(self, name: str) -> int | None:
        """As `positions`, of one id; half as long."""
        digest = id_digest(name)
        try:
            connection = self._connection or self._connect()
            pairs = (bucket_of(name), name, bucket_of(digest), digest)
            row = connection.execute(_of_ids(2), pairs).fetchone()
        except sqlite3.Error as error:
            raise self._broken(error) from error
        return row[1] if row else None

    def select(self, condition: str, parameters: Sequence[Any]) -> list[int]:
        """Positions of entries, latest first, whose columns fulfil an SQL condition; unchecked."""
        sql = f"SELECT position FROM entries WHERE {condition} ORDER BY position DESC"
        with self._connected() as connection:
            return [int(row[0]) for row in connection.execute(sql, parameters).fetchall()]

    def of(
        self, family: str, key: str, condition: str = "TRUE", parameters: Sequence[Any] = ()
    ) -> list[int]:
        """Positions of all entries of a key that fulfil an SQL condition, latest first.

        Args:
            family: What the key is: id, item, order, supersedes.
            key: Its value.
            condition: On columns of the table `entries`.
            parameters: Of the condition.

        Raises:
            IndexAlteredError: Rows of that bucket are not those that were entered.
        """
        sql = (
            f"SELECT position FROM entries WHERE {family}_bucket = ? AND {COLUMN_OF[family]} = ?"
            f" AND ({condition}) ORDER BY position DESC"
        )
        return self._column(family, key, sql, parameters)

    def latest_of(
        self, family: str, key: str, condition: str, parameters: Sequence[Any], *, rank: str = "0"
    ) -> list[int]:
        """As `of`, one only per item, location and topic: of highest rank, of those the latest.

        Args:
            family: As of `of`.
            key: As of `of`.
            condition: As of `of`.
            parameters: As of `of`.
            rank: SQL for a small number, on columns of the table `entries`.
        """
        last = f"MAX((({rank}) << {_POSITION_BITS}) | position) & {(1 << _POSITION_BITS) - 1}"
        sql = (
            f"SELECT {last} FROM entries WHERE {family}_bucket = ?"
            f" AND {COLUMN_OF[family]} = ? AND ({condition})"
            " GROUP BY item_id, location_id, topic ORDER BY 1 DESC"
        )
        return self._column(family, key, sql, parameters)

    def scan(self, condition: str, parameters: Sequence[Any]) -> list[int]:
        """Positions of entries of any key, in order, from an index that is whole; reads all rows.

        Raises:
            IndexAlteredError: It is not.
        """
        if not self.is_whole():
            raise IndexAlteredError("the index of the log: rows are not those that were entered.")
        sql = f"SELECT position FROM entries WHERE {condition} ORDER BY position"
        with self._transaction() as connection:
            return [int(row[0]) for row in connection.execute(sql, parameters).fetchall()]

    def of_run(self, run_id: str) -> list[int]:
        """Positions of entries that name a run, latest first; raises as `of`."""
        sql = f"SELECT position FROM ({RUN_ROWS} WHERE bucket = ? AND run_id = ?) ORDER BY 1 DESC"
        return self._column("run", run_id, sql, ())

    def resting_on(self, model: str, version: str | None = None) -> list[int]:
        """Positions of entries that name a model by name or digest, latest first; as `of`."""
        family, bucket, column = "name", "name_bucket", "name"
        if version is None and len(model) == _DIGEST_LENGTH:
            family, bucket, column = "model", "bucket", "digest"
        also, parameters = ("", ()) if version is None else (" AND version = ?", (version,))
        sql = (
            f"SELECT DISTINCT position FROM ({MODEL_ROWS} WHERE {bucket} = ? AND {column} = ?"
            f"{also}) ORDER BY 1 DESC"
        )
        return self._column(family, model, sql, parameters)

    def _column(self, family: str, key: str, sql: str, parameters: Sequence[Any]) -> list[int]:
        bucket = bucket_of(key)
        with self._transaction() as connection:
            self._check(connection, family, bucket)
            rows = connection.execute(sql, [bucket, key, *parameters]).fetchall()
        return [int(row[0]) for row in rows]

    def _check(self, connection: sqlite3.Connection, family: str, bucket: int) -> None:
        """Add a bucket up, unless nothing was written since it was."""
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        if version != self._seen:
            self._sound.clear()
            self._seen = version
        if (family, bucket) in self._sound:
            return
        rows = connection.execute(BUCKET_ROWS[family], (bucket,))
        Sums(connection, self._sealer).check(FAMILIES.index(family), bucket, rows)
        self._sound.add((family, bucket))

    def _insert(
        self,
        connection: sqlite3.Connection,
        entries: Iterable[tuple[int, bytes | Gone]],
        size: int,
        root: bytes,
    ) -> None:
        """Enter entries, and seal the index for the log that has them."""
        self._sound.clear()
        sums = Sums(connection, self._sealer)
        enter(connection, sums, entries)
        sums.write(size, root)

    @contextmanager
    def _transaction(self, mode: str = "DEFERRED") -> Iterator[sqlite3.Connection]:
        with self._connected() as connection:
            connection.execute(f"BEGIN {mode}")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._connection or self._connect()
        except sqlite3.Error as error:
            raise self._broken(error) from error

    def _connect(self) -> sqlite3.Connection:
        self._connection = _connect(self._path, self._sealer)
        return self._connection

    def _broken(self, error: sqlite3.Error) -> LogError:
        self._connection = None
        return LogError(
            f"{self._path}: {error}; free space or delete this file, it is rebuilt from the log."
        )


@cache
def _of_ids(count: int) -> str:
    """The join is kept in this order: one search of the index for each id."""
    wanted = ", ".join(["(?, ?)"] * count)
    return (
        f"SELECT id, position FROM (VALUES {wanted}) AS wanted CROSS JOIN entries"
        " ON id_bucket = wanted.column1 AND id = wanted.column2"
    )


def _connect(path: Path, sealer: Sealer) -> sqlite3.Connection:
    """A connection to an index of this layout; a file that is none is replaced by an empty one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LogError(f"{path}: cannot be written ({error.strerror}).") from error
    try:
        return _prepared(path, sealer)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:  # not an SQLite file
        path.unlink()
        return _prepared(path, sealer)


def _prepared(path: Path, sealer: Sealer) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")  # what a power loss takes is indexed again
    if connection.execute("PRAGMA user_version").fetchone()[0] != LAYOUT:
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("PRAGMA user_version").fetchone()[0] != LAYOUT:
            create(connection, sealer)
        connection.execute("COMMIT")
    return connection


def _state(connection: sqlite3.Connection) -> tuple[int, bytes]:
    size, root = connection.execute("SELECT size, root FROM state").fetchone()
    return int(size), bytes(root)
