"""From a described source to the table `raw`: its rows, where each stands, what was left out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import duckdb

from workbench.adapters.broken_lines import RejectedLine
from workbench.adapters.excel import stage_excel
from workbench.adapters.files import FILE, ROW, stage_csv, stage_parquet
from workbench.adapters.loads import single
from workbench.adapters.postgres import stage_postgres
from workbench.adapters.sources import (
    CsvSource,
    ExcelSource,
    FileSource,
    MappedSource,
    OtherFile,
    ParquetSource,
    PostgresSource,
    QuerySource,
)
from workbench.adapters.sql import stage_query
from workbench.errors import SourceError

RAW: Final = "raw"
SINCE: Final = "$since"


@dataclass(frozen=True)
class Staged:
    """Rows of a source in the table `raw`.

    Attributes:
        read: Rows read, bad lines and rows left out among them.
        left_out: Rows that the description leaves out.
        broken: Lines that are no records.
        notes: What was done to the rows.
    """

    read: int
    left_out: int = 0
    broken: Sequence[RejectedLine] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)


def stage(
    connection: duckdb.DuckDBPyConnection,
    source: MappedSource,
    folder: Path,
    work: Path,
    *,
    since: str,
    lock: Callable[[], None],
) -> Staged:
    """Stage a source.

    Args:
        connection: Of this source alone; an earlier table `raw` would be added to.
        source: Its description.
        folder: Of the description.
        work: Folder for copies in UTF-8 and query answers, kept until the rows are written.
        since: What stands for `$since` in a query, as text.
        lock: Called when every file is read, before SQL of the description runs: nothing that it
            states can reach another file.

    Raises:
        SourceError: The source is missing, unreadable or lacks a column; SQL of the description
            fails.
    """
    wanted = _wanted(source)
    broken: Sequence[RejectedLine] = ()
    if isinstance(source, CsvSource | ExcelSource | ParquetSource):
        into = "source" if source.query else RAW
        broken = _stage_file(connection, source, folder, wanted, into, work)
        for name, other in source.also.items():
            _stage_file(connection, _as_source(source, other), folder, None, name, work)
    elif isinstance(source, QuerySource):
        stage_query(connection, source, folder, wanted, _with_since(source.query, since))
    else:
        stage_postgres(connection, source, wanted, _with_since(source.query, since), work)
    lock()
    notes: tuple[str, ...] = ()
    if not isinstance(source, QuerySource | PostgresSource) and source.query:
        notes = (_answer(connection, source, _with_since(source.query, since)),)
    read = single(connection, f"SELECT count(*) FROM {RAW}") + len(broken)
    left_out = _leave_out(connection, source)
    return Staged(read, left_out, broken, notes)


def _wanted(source: MappedSource) -> list[str] | None:
    """Columns to stage; None for all of them, where SQL of the description may use any."""
    query = source.query if not isinstance(source, QuerySource | PostgresSource) else ""
    if query or source.keep or any(mapping.sql for mapping in source.columns.values()):
        return None
    names = [mapping.column for mapping in source.columns.values()]
    names += [source.size_text] if source.size_text else []
    names += [source.incremental.watermark] if source.incremental else []
    return list(dict.fromkeys(names))


def _stage_file(
    connection: duckdb.DuckDBPyConnection,
    source: FileSource,
    folder: Path,
    wanted: Sequence[str] | None,
    into: str,
    work: Path,
) -> Sequence[RejectedLine]:
    if isinstance(source, CsvSource):
        return stage_csv(connection, source, folder, wanted, into, work)
    if isinstance(source, ExcelSource):
        stage_excel(connection, source, folder, wanted, into)
    else:
        stage_parquet(connection, source, folder, wanted, into)
    return ()


def _as_source(source: FileSource, other: OtherFile) -> FileSource:
    """The source as if it read another file, in which a bad line is refused."""
    changes: dict[str, object] = {"path": other.path, "on_bad_rows": "refuse"}
    if not isinstance(source, ParquetSource):
        changes["header"] = other.header
    if isinstance(source, ExcelSource):
        changes["sheet"] = other.sheet
    return source.model_copy(update=changes)


def _with_since(query: str, since: str) -> str:
    return query.replace(SINCE, "'" + since.replace("'", "''") + "'")


def _answer(connection: duckdb.DuckDBPyConnection, source: FileSource, query: str) -> str:
    """Make the query's answer `raw`; rows keep their place if the query answers `_file`, `_row`."""
    with explained(source, "query"):
        statements = connection.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise SourceError(f"source {source.name!r}: 'query' is not one SELECT; correct it.")
        connection.execute(f"CREATE TEMP TABLE answer AS {query.strip().rstrip(';')}")
    names = [row[0] for row in connection.execute("DESCRIBE answer").fetchall()]
    place = ""
    if FILE not in names or ROW not in names:
        place = f", 'query' AS {FILE}, row_number() OVER () AS {ROW}"
    connection.execute(f"CREATE TEMP TABLE {RAW} AS SELECT *{place} FROM answer")
    connection.execute("DROP TABLE answer")
    rows = single(connection, "SELECT count(*) FROM source")
    connection.execute("DROP TABLE source")
    return f"The query made its rows from {rows:,} rows of {source.path}."


def _leave_out(connection: duckdb.DuckDBPyConnection, source: MappedSource) -> int:
    if not source.keep:
        return 0
    with explained(source, "keep"):
        (deleted,) = connection.execute(
            f"DELETE FROM {RAW} WHERE ({source.keep}) IS NOT TRUE"
        ).fetchall()
    return int(deleted[0])


@contextmanager
def explained(source: MappedSource, setting: str) -> Iterator[None]:
    """Tell an error of SQL that the description states in one sentence."""
    try:
        yield
    except duckdb.Error as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")[:300]
        raise SourceError(
            f"source {source.name!r}: {setting!r} fails ({reason}); correct it in the description."
        ) from error
