"""Queries on DuckDB and SQLite database files, opened read-only and staged for mapping."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from workbench.adapters.files import FILE, ROW, append_chunk, matching, no_access
from workbench.adapters.sources import QuerySource
from workbench.errors import SourceError

_ROWS_PER_CHUNK = 50_000
_SQLITE_HEADER = 100


def stage_query(
    connection: duckdb.DuckDBPyConnection,
    source: QuerySource,
    folder: Path,
    wanted: Sequence[str] | None,
    query: str,
) -> None:
    """Stage the wanted columns of the query's answer, or all of them, in table `raw`.

    Raises:
        SourceError: The file is missing or no such database, or does not answer.
    """
    path = matching(folder, source.path, source.name)[0]
    chunks = _duckdb_chunks if source.kind == "duckdb" else _sqlite_chunks
    count = 0
    try:
        for chunk in chunks(path, query):
            _require(chunk, wanted or (), source.name)
            append_chunk(connection, _placed(chunk, path, count), wanted, "raw", first=count == 0)
            count += chunk.num_rows
    except (duckdb.Error, sqlite3.Error) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise SourceError(
            f"source {source.name!r}: {path} did not answer the query ({reason}); correct 'query'"
            " or 'path'."
        ) from error
    except OSError as error:
        raise no_access(path, error) from error


def _placed(chunk: pa.Table, path: Path, before: int) -> pa.Table:
    numbers = pa.array(range(before + 1, before + chunk.num_rows + 1), pa.int64())
    files = pa.array([str(path)] * chunk.num_rows, pa.string())
    return chunk.append_column(FILE, files).append_column(ROW, numbers)


def _require(chunk: pa.Table, wanted: Sequence[str], source: str) -> None:
    missing = [name for name in wanted if name not in chunk.column_names]
    if missing:
        found = ", ".join(repr(name) for name in chunk.column_names)
        raise SourceError(
            f"source {source!r}: the query answers no column {missing[0]!r}; found {found}. Correct"
            " [source.columns] or 'query'."
        )


def _duckdb_chunks(path: Path, query: str) -> Iterator[pa.Table]:
    with closing(duckdb.connect(str(path), read_only=True)) as database:
        database.execute("SET enable_external_access = false")
        reader = database.sql(query).to_arrow_reader(_ROWS_PER_CHUNK)
        empty = True
        for batch in reader:
            empty = False
            yield pa.Table.from_batches([batch])
        if empty:
            yield reader.schema.empty_table()


def _sqlite_chunks(path: Path, query: str) -> Iterator[pa.Table]:
    """Values as text: SQLite's columns have no fixed type, the mapping gives them one."""
    _refuse_truncated(path)
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        cursor = database.execute(query)
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchmany(_ROWS_PER_CHUNK)
        yield _as_text(names, rows)
        while rows := cursor.fetchmany(_ROWS_PER_CHUNK):
            yield _as_text(names, rows)


def _refuse_truncated(path: Path) -> None:
    """Compare the size that the file's header states, where it does, with the file's own.

    SQLite itself complains only when a query reaches a page that is missing
    (https://www.sqlite.org/fileformat2.html, section 1.3: page size at byte 16, pages at 28).
    """
    with path.open("rb") as file:
        header = file.read(_SQLITE_HEADER)
    if len(header) < _SQLITE_HEADER or not header.startswith(b"SQLite format 3\0"):
        return
    size = int.from_bytes(header[16:18], "big")
    stated = (65_536 if size == 1 else size) * int.from_bytes(header[28:32], "big")
    current = header[24:28] == header[92:96]  # else an old writer left the number of pages stale
    if current and stated > path.stat().st_size:
        raise sqlite3.DatabaseError(
            f"the file has {path.stat().st_size:,} bytes, its header states {stated:,}"
        )


def _as_text(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pa.table(
        {
            name: pa.array([None if v is None else str(v) for v in values], pa.string())
            for name, values in zip(names, columns, strict=True)
        }
    )
