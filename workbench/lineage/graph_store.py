"""The graph of all runs in a SQLite file beside the journal, derived from it.

Only lines that the file does not have yet are read. It can be deleted at any time; it is rebuilt
where it is damaged, of another form, or does not fit the journal. A version of a dataset is a node:
as a run wrote it, or as it was read where no run on record had written it. `docs/lineage.md` says
which version a run read.
"""

import hashlib
import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from workbench.errors import LineageError
from workbench.lineage.graph_events import run_facts
from workbench.lineage.graph_rows import GraphRows
from workbench.lineage.journal import Journal, Line, Position, file_order

STORE_FILE: Final = ".graph.sqlite"
_FORM: Final = 3  # of the tables below; a file of another form is rebuilt
_BATCH: Final = 5_000
_PATIENCE_SECONDS: Final = 60.0
_TABLES: Final = """
CREATE TABLE cursor (file TEXT, start INTEGER, end INTEGER, digest BLOB, lines INTEGER);
CREATE TABLE dataset (id INTEGER PRIMARY KEY, kind TEXT, namespace TEXT, name TEXT);
CREATE TABLE alias (name TEXT, namespace TEXT, model INTEGER, dataset INTEGER,
    PRIMARY KEY (name, namespace, model)) WITHOUT ROWID;
CREATE TABLE run (id INTEGER PRIMARY KEY, run_id TEXT UNIQUE, job TEXT, started INTEGER,
    started_at INTEGER, ended TEXT, at INTEGER);
CREATE TABLE pending (run INTEGER, facts BLOB);
CREATE INDEX pending_run ON pending (run);
CREATE TABLE node (id INTEGER PRIMARY KEY, dataset INTEGER, digest TEXT, run INTEGER,
    seq INTEGER, since INTEGER, at INTEGER);
CREATE INDEX node_version ON node (dataset, digest, seq);
CREATE INDEX node_time ON node (dataset, since, seq);
CREATE INDEX node_run ON node (run) WHERE run IS NOT NULL;
CREATE TABLE edge (dst INTEGER, src INTEGER, PRIMARY KEY (dst, src)) WITHOUT ROWID;
CREATE INDEX edge_src ON edge (src);
CREATE TABLE read (run INTEGER, node INTEGER, PRIMARY KEY (run, node)) WITHOUT ROWID;
CREATE INDEX read_node ON read (node);
CREATE TABLE field (dst INTEGER, name TEXT, src INTEGER, source TEXT);
CREATE INDEX field_dst ON field (dst);
CREATE TABLE dataset_column (dataset INTEGER, name TEXT, PRIMARY KEY (dataset, name)) WITHOUT ROWID;
CREATE TABLE link (src INTEGER, dst INTEGER, at INTEGER, PRIMARY KEY (src, dst)) WITHOUT ROWID;
CREATE TABLE logged (origin TEXT, first INTEGER, end INTEGER, run INTEGER);
CREATE INDEX logged_first ON logged (origin, first);
"""


@contextmanager
def open_graph(journal: Journal, *, rebuild: bool = False) -> Iterator[sqlite3.Connection]:
    """The graph with every complete line of the journal in it.

    Where the folder cannot be written, it is built in memory.

    Raises:
        LineageError: A line is no event, or another process has been building for a minute.
    """
    connection = _opened(journal, rebuild=rebuild)
    with closing(connection):
        yield connection


def _opened(journal: Journal, *, rebuild: bool) -> sqlite3.Connection:
    path = journal.folder / STORE_FILE
    if not journal.folder.is_dir():
        return _built(sqlite3.connect(":memory:", isolation_level=None), journal)
    if rebuild:
        _remove(path)
    for attempt in ("as it is", "rebuilt"):
        try:
            return _built(_connected(path), journal)
        except _UnfitError:
            _remove(path)
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise LineageError(
                    f"{path}: another process has been building it for a minute; expected it to"
                    " finish. Wait and try again."
                ) from error
            break  # not writable, or no room
        except sqlite3.DatabaseError:
            if attempt == "rebuilt":
                raise
            _remove(path)
    return _built(sqlite3.connect(":memory:", isolation_level=None), journal)


def _remove(path: Path) -> None:
    with suppress(OSError):
        for ending in ("", "-journal"):
            path.with_name(path.name + ending).unlink(missing_ok=True)


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_PATIENCE_SECONDS, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


class _UnfitError(Exception):
    """The file is of another form, or the journal is not the one that it was made from."""


def _built(connection: sqlite3.Connection, journal: Journal) -> sqlite3.Connection:
    """Bring a connection up to date; it is closed where that fails."""
    try:
        connection.execute("PRAGMA cache_size = -65536")
        _prepare(connection)
        while _has_news(connection, journal):
            connection.execute("BEGIN IMMEDIATE")
            try:
                _advance(connection, journal)
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    (form,) = connection.execute("PRAGMA user_version").fetchone()
    if form == _FORM:
        return
    connection.execute("BEGIN IMMEDIATE")
    (form,) = connection.execute("PRAGMA user_version").fetchone()  # another may have been first
    if form not in (0, _FORM):
        connection.execute("ROLLBACK")
        raise _UnfitError
    if form == 0:
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {_FORM}")
    connection.execute("COMMIT")


def _has_news(connection: sqlite3.Connection, journal: Journal) -> bool:
    position, _ = _cursor(connection, journal)
    return next(journal.lines(position), None) is not None


def _cursor(connection: sqlite3.Connection, journal: Journal) -> tuple[Position | None, int]:
    """Where the next line begins, and how many were read before it.

    Raises:
        _UnfitError: The last line that was read is not there any more. A file that is gone as a
            whole was archived, if only newer ones are left.
    """
    row = connection.execute("SELECT file, start, end, digest, lines FROM cursor").fetchone()
    if row is None:
        return None, 0
    file, start, end, digest, lines = row
    try:
        with (journal.folder / file).open("rb") as stream:
            stream.seek(start)
            line = stream.read(end - start)
    except FileNotFoundError:
        if any(file_order(path.name) < file_order(file) for path in journal.files()):
            raise _UnfitError from None
        return Position(file, end), lines
    if hashlib.sha256(line).digest() != digest:
        raise _UnfitError
    return Position(file, end), lines


def _advance(connection: sqlite3.Connection, journal: Journal) -> None:
    """Read one batch of lines."""
    position, seq = _cursor(connection, journal)
    rows = GraphRows(connection)
    last: Line | None = None
    for line in itertools.islice(journal.lines(position), _BATCH):
        seq += 1
        try:
            facts = run_facts(line.event())
        except LineageError as error:
            place = f"{line.position.file}, byte {line.position.offset}"
            reason = str(error).removeprefix(f"{line.place}: ").rstrip(".")
            raise LineageError(
                f"lineage: {place}: {reason}; mend the line, or restore the file from a backup."
            ) from error
        if facts is not None:
            rows.add(facts, seq, line.data)
        last = line
    if last is not None:
        read = (last.position.file, last.position.offset, last.end)
        connection.execute("DELETE FROM cursor")
        connection.execute(
            "INSERT INTO cursor VALUES (?, ?, ?, ?, ?)",
            (*read, hashlib.sha256(last.data).digest(), seq),
        )
