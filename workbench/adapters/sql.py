"""Queries on DuckDB and SQLite database files, opened read-only and staged for mapping."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from workbench.adapters.files import FILE, ROW, matching
from workbench.adapters.loads import literal, quoted, single
from workbench.adapters.sources import QuerySource
from workbench.errors import SourceError

_ROWS_PER_CHUNK = 50_000


def stage_query(
    connection: duckdb.DuckDBPyConnection, source: QuerySource, folder: Path, wanted: Sequence[str]
) -> int:
    """Stage the wanted columns of the query's answer in table `raw`; returns the number of rows."""
    path = matching(folder, source.path, source.name)[0]
    chunks = _duckdb_chunks if source.kind == "duckdb" else _sqlite_chunks
    first = True
    try:
        for chunk in chunks(path, source.query):
            _append(connection, chunk, path, wanted, source.name, first=first)
            first = False
    except (duckdb.Error, sqlite3.Error) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise SourceError(
            f"source {source.name!r}: {path} did not answer the query ({reason}); correct 'query'"
            " or 'path'."
        ) from error
    return single(connection, "SELECT count(*) FROM raw")


def _append(
    connection: duckdb.DuckDBPyConnection,
    chunk: pa.Table,
    path: Path,
    wanted: Sequence[str],
    source: str,
    *,
    first: bool,
) -> None:
    missing = [name for name in wanted if name not in chunk.column_names]
    if missing:
        found = ", ".join(repr(name) for name in chunk.column_names)
        raise SourceError(
            f"source {source!r}: the query answers no column {missing[0]!r}; found {found}. Correct"
            " [source.columns] or 'query'."
        )
    names = ", ".join(quoted(name) for name in wanted)
    offset = 0 if first else single(connection, "SELECT count(*) FROM raw")
    connection.register("chunk", chunk)
    verb = "CREATE OR REPLACE TEMP TABLE raw AS" if first else "INSERT INTO raw"
    connection.execute(
        f"{verb} SELECT {names}, {literal(str(path))} AS {FILE},"
        f" {offset} + row_number() OVER () AS {ROW} FROM chunk"
    )
    connection.unregister("chunk")


def _duckdb_chunks(path: Path, query: str) -> Iterator[pa.Table]:
    with closing(duckdb.connect(str(path), read_only=True)) as database:
        reader = database.sql(query).to_arrow_reader(_ROWS_PER_CHUNK)
        empty = True
        for batch in reader:
            empty = False
            yield pa.Table.from_batches([batch])
        if empty:
            yield reader.schema.empty_table()


def _sqlite_chunks(path: Path, query: str) -> Iterator[pa.Table]:
    """Values as text: SQLite's columns have no fixed type, the mapping gives them one."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        cursor = database.execute(query)
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchmany(_ROWS_PER_CHUNK)
        yield _as_text(names, rows)
        while rows := cursor.fetchmany(_ROWS_PER_CHUNK):
            yield _as_text(names, rows)


def _as_text(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pa.table(
        {
            name: pa.array([None if v is None else str(v) for v in values], pa.string())
            for name, values in zip(names, columns, strict=True)
        }
    )
