"""Refusals of source rows, told where the user can find them: file, line, column and value there.

A table's contract is checked on mapped rows, whose columns have other names and whose values were
converted. Here the same limits are looked up in the staged source, and only when they were broken.
"""

import csv
from pathlib import Path
from typing import Final

import duckdb

from workbench.adapters.files import FILE, ROW, reading_encoding
from workbench.adapters.loads import literal, quoted
from workbench.adapters.sources import ColumnMapping, CsvSource, MappedSource, QuerySource
from workbench.contracts import violations
from workbench.contracts.relation_checks import breaks
from workbench.contracts.schema import TableContract
from workbench.errors import ContractError, SourceError

EXPECTED: Final = {
    "text": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "date": "a date",
    "time": "a date and time",
}
_SHOWN: Final = 60
_MAPPED: Final = "mapped_rows"


def refuse_wrong_types(
    connection: duckdb.DuckDBPyConnection,
    source: MappedSource,
    folder: Path,
    contract: TableContract,
    terms: dict[str, str],
) -> None:
    """Refuse a value that is there in the source but null after conversion.

    Args:
        connection: With the source staged in `raw`.
        source: Its description.
        folder: Of the description.
        contract: Of the table.
        terms: SQL over `raw` by column of the table.

    Raises:
        SourceError: The first such row, with its place.
    """
    for name, mapping in source.columns.items():
        column = contract.column(name)
        if column.type == "text":
            continue
        value = quoted(mapping.column)
        wrong = f"{value} IS NOT NULL AND ({terms[name]}) IS NULL"
        bad = _first(connection, "raw", wrong, value)
        if bad:
            file, row, found, count = bad
            form = f" written as {mapping.format}" if mapping.format else ""
            raise SourceError(
                f"source {source.name!r}: {place(source, folder, file, row)}, column"
                f" {mapping.column!r} holds {_shown(found)}{_such(count)}; expected"
                f" {EXPECTED[column.type]}{form}. Correct the file or the description of the"
                " source."
            )


def refuse_breaches(
    connection: duckdb.DuckDBPyConnection,
    source: MappedSource,
    folder: Path,
    contract: TableContract,
    terms: dict[str, str],
) -> None:
    """Refuse the first limit of the contract that a row breaks, else a key that occurs twice.

    Args: As `refuse_wrong_types`.

    Raises:
        ContractError: The first such row in the order of the files, with its place.
    """
    selected = ", ".join(f"{term} AS {quoted(name)}" for name, term in terms.items())
    kept = ", ".join(
        f"{quoted(mapping.column)} AS {quoted(_given(name))}"
        for name, mapping in source.columns.items()
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW {_MAPPED} AS"
        f" SELECT {selected}, {kept}, {FILE}, {ROW} FROM raw"
    )
    for column in contract.columns:
        for limit in violations.limits(column):
            mapping = source.columns.get(column.name)
            shown = "NULL" if mapping is None else quoted(_given(column.name))
            bad = _first(connection, _MAPPED, breaks(column, limit), shown)
            if bad:
                raise _breach(source, folder, column.name, mapping, limit, bad)
    _refuse_repeats(connection, source, folder, contract)


def first_place(
    connection: duckdb.DuckDBPyConnection,
    source: MappedSource,
    folder: Path,
    column: str,
    value: str,
) -> tuple[str, str]:
    """Where a column of the staged source first holds a value, and how many rows do, in words."""
    name = quoted(column)
    found = _first(connection, "raw", f"CAST({name} AS VARCHAR) = {literal(value)}", name)
    return (place(source, folder, *found[:2]), _such(found[3])) if found else ("", "")


def place(source: MappedSource, folder: Path, file: str, row: int) -> str:
    """Where a staged row stands: the line in a text file, else the row of a table or an answer."""
    path = Path(file)
    name = str(path.relative_to(folder)) if path.is_relative_to(folder) else file
    if isinstance(source, QuerySource):
        return f"{name}, row {row:,} of the query's answer"
    line = _line(path, source, row) if isinstance(source, CsvSource) else None
    return f"{name} row {row:,}" if line is None else f"{name} line {line:,}"


def _line(path: Path, source: CsvSource, row: int) -> int | None:
    """Line of a file, counted from 1, on which its nth record begins; None if it cannot be told.

    A value in quotes may hold line breaks; lines without any text are no records.
    """
    wanted = row if source.header else row + 1  # the heading is a record
    try:
        with path.open(encoding=reading_encoding(source.encoding), newline="") as lines:
            records = csv.reader(lines, delimiter=source.delimiter)
            begins, found = 1, 0
            for record in records:
                found += bool(record)
                if found == wanted:
                    return begins
                begins = records.line_num + 1
    except (OSError, UnicodeDecodeError, csv.Error):
        return None
    return None


def _first(
    connection: duckdb.DuckDBPyConnection, relation: str, condition: str, value: str
) -> tuple[str, int, str | None, int] | None:
    """File, row and value of the first row that meets a condition, and how many do."""
    found = connection.execute(
        f"SELECT {FILE}, {ROW}, CAST({value} AS VARCHAR), count(*) OVER () FROM {relation}"
        f" WHERE {condition} ORDER BY {FILE}, {ROW} LIMIT 1"
    ).fetchall()
    return found[0] if found else None


def _breach(
    source: MappedSource,
    folder: Path,
    name: str,
    mapping: ColumnMapping | None,
    limit: violations.Limit,
    bad: tuple[str, int, str | None, int],
) -> ContractError:
    file, row, found, count = bad
    where = f"source {source.name!r}: {place(source, folder, file, row)}"
    if mapping is None:
        where = f"source {source.name!r}"
        holds = f"constant {name!r} is {source.constants.get(name)!r}"
    elif found is None:
        holds = f"column {mapping.column!r} is empty"
    else:
        hidden = mapping.secret
        holds = f"column {mapping.column!r} holds {'a value' if hidden else _shown(found)}"
    rows = "1 row" if count == 1 else f"{count:,} rows"
    return ContractError(
        f"{where}, {holds}; {name!r} is {limit.found} in {rows}, expected {limit.expected}."
        f" {limit.remedy}"
    )


def _refuse_repeats(
    connection: duckdb.DuckDBPyConnection,
    source: MappedSource,
    folder: Path,
    contract: TableContract,
) -> None:
    key = ", ".join(quoted(name) for name in contract.key)
    order = f"OVER (PARTITION BY {key} ORDER BY {FILE}, {ROW})"
    found = connection.execute(
        f"SELECT {FILE}, {ROW}, first({FILE}) {order}, first({ROW}) {order}, {key},"
        f" FROM {_MAPPED} QUALIFY row_number() {order} > 1 ORDER BY {FILE}, {ROW}"
    ).fetchmany(1)
    if not found:
        return
    ((count,),) = connection.execute(
        f"SELECT count(*) - count(DISTINCT ({key})) FROM {_MAPPED}"
    ).fetchall()
    file, row, first_file, first_row, *values = found[0]
    here, there = (place(source, folder, *spot) for spot in ((file, row), (first_file, first_row)))
    shown = ", ".join(f"{name} {value}" for name, value in zip(contract.key, values, strict=True))
    raise ContractError(
        f"source {source.name!r}: {here} has the key of {there} ({shown}){_such(count)}; expected"
        " each key once. Add such rows up, or drop the repeats."
    )


def _given(name: str) -> str:
    """Name of the source's own value beside a mapped column."""
    return f"given {name}"


def _such(count: int) -> str:
    return "" if count == 1 else f" ({count:,} such rows)"


def _shown(value: str | None) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…'"
