"""From a source's columns to a table's: types, formats, factors, units, constants, pseudonyms."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from workbench.adapters.files import FILE, ROW
from workbench.adapters.item_numbers import drop_merged, item_term, register_numbers
from workbench.adapters.loads import Load, single
from workbench.adapters.pseudonyms import pseudonym_table
from workbench.adapters.quarantine import bad_row_table
from workbench.adapters.refusals import (
    BAD,
    EXPECTED,
    MAPPED,
    Rows,
    find_bad_rows,
    is_unit,
    map_rows,
    refuse,
    wrong_types,
)
from workbench.adapters.repeats import without_repeats
from workbench.adapters.sources import ColumnMapping, MappedSource, PostgresSource
from workbench.adapters.staging import RAW, explained, stage
from workbench.adapters.watermarks import watermark
from workbench.contracts import columns as c
from workbench.contracts import tables
from workbench.contracts.made_from import EVERY_FILE, MadeFrom, Use, Uses
from workbench.contracts.relation_checks import SQL_TYPES, literal, quoted
from workbench.contracts.schema import Column, Origin, TableContract
from workbench.contracts.units import PackSize, parse_size, unit_code
from workbench.errors import ContractError, SourceError

_PACK_COLUMNS = (c.PACK_COUNT, c.PACK_SIZE, c.PACK_UOM, c.PACK_TEXT)


def mapped_load(
    connection: duckdb.DuckDBPyConnection,
    source: MappedSource,
    folder: Path,
    work: Path,
    *,
    key: bytes,
    since: str = "",
    numbers: Mapping[str, str] | None = None,
    lock: Callable[[], None] = lambda: None,
) -> Load:
    """Stage a source and map it to its table.

    Args:
        connection: Of this source alone.
        source: Its description.
        folder: Of the description.
        work: Folder for copies, kept until the rows are written.
        key: Pseudonym key.
        since: Up to where an incremental source has been read.
        numbers: Items by the numbers of the source's system.
        lock: See `staging.stage`.

    Raises:
        SourceError: The source is missing, unreadable, empty, lacks a column, or more of its rows
            are bad than the description allows; the message names the first such row.
        ContractError: The same, for rows that break the contract.
    """
    contract = tables.contract(source.table)
    staged = stage(connection, source, folder, work, since=since, lock=lock)
    if staged.read == 0 and not (source.incremental and since):
        raise SourceError(
            f"source {source.name!r}: no rows; expected at least one. Check the export, or remove"
            " the source."
        )
    with explained(source, "columns"):
        merged = _resolve_items(connection, source, numbers or {})
        terms = {column.name: _term(connection, source, column, key) for column in contract.columns}
        rows = Rows(connection, source, folder, contract, terms, staged.broken)
        map_rows(rows)
        bad = staged.broken or source.repeats != "bad" or wrong_types(rows)
    place = "" if isinstance(source, PostgresSource) else f" {source.path}"
    load = Load(
        source.table,
        connection.sql(f"SELECT {', '.join(map(quoted, contract.names))} FROM {MAPPED}"),
        _provenance(source, contract),
        f"{source.name} ({source.kind}{place}). Terms: {source.terms}",
        read=staged.read,
        merged=merged,
        left_out=staged.left_out,
        notes=staged.notes,
        incremental=source.incremental is not None,
        watermark=watermark(connection, source),
    )
    if bad:
        return _without_bad(rows, load)
    return dataclasses.replace(load, retry=lambda: _without_bad(rows, load))


def _resolve_items(
    connection: duckdb.DuckDBPyConnection, source: MappedSource, numbers: Mapping[str, str]
) -> int:
    """Look item numbers up; of a master, drop those merged into others, and say how many."""
    mapping = source.columns.get(c.ITEM_ID)
    if not source.system or mapping is None:
        return 0
    register_numbers(connection, _distinct(connection, mapping.expression), numbers)
    if source.table != tables.ITEMS.name:
        return 0
    return drop_merged(connection, f"CAST({mapping.expression} AS VARCHAR)", RAW)


def _without_bad(rows: Rows, load: Load) -> Load:
    """The load without bad rows and with repeats treated as described.

    Raises:
        SourceError: More rows are bad than the description allows.
        ContractError: The same.
    """
    source, connection = rows.source, rows.connection
    count = find_bad_rows(rows) + len(rows.broken)
    offered = load.read - load.left_out - load.merged
    constants = {name for name in rows.contract.names if name in source.constants}
    of_constant = bool(constants) and count == offered
    if count and (
        source.on_bad_rows == "refuse" or count > source.bad_rows_limit * offered or of_constant
    ):
        _refuse_all(rows, count, offered)
    names = ", ".join(map(quoted, rows.contract.names))
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW good_rows AS SELECT {names}, {FILE}, {ROW} FROM {MAPPED}"
        f" ANTI JOIN {BAD} USING ({FILE}, {ROW})"
    )
    select = without_repeats(rows.contract, source.repeats, "good_rows")
    kept = single(connection, f"SELECT count(*) FROM ({select})")
    return dataclasses.replace(
        load,
        rows=connection.sql(select),
        quarantined=count,
        merged=load.merged + offered - count - kept,
        bad_rows=bad_row_table(rows) if count else None,
        retry=None,
    )


def _refuse_all(rows: Rows, count: int, offered: int) -> None:
    """Raise the error of the first bad row; where some were allowed, say how many.

    Raises:
        SourceError: See `refusals.refuse`.
        ContractError: The same.
    """
    try:
        refuse(rows)
    except (SourceError, ContractError) as error:
        limit = rows.source.bad_rows_limit
        if rows.source.on_bad_rows == "refuse" or count <= limit * offered:
            raise
        raise type(error)(
            f"{error} {count:,} of {offered:,} rows are bad, more than the limit of {limit:.2%}."
        ) from error


def made_from(source: MappedSource) -> MadeFrom:
    """Of each column of the table the source's column, as the description maps it."""
    found: dict[str, Uses] = dict.fromkeys(tables.contract(source.table).names, ())
    for name in found:
        if source.size_text and name in _PACK_COLUMNS:
            found[name] = (Use(EVERY_FILE, source.size_text, "TRANSFORMATION"),)
        elif name in source.columns and source.columns[name].column:
            mapping = source.columns[name]
            use = Use(EVERY_FILE, mapping.column, "TRANSFORMATION", masked=bool(mapping.secret))
            found[name] = (use,)
    return MadeFrom(found)


def _provenance(source: MappedSource, contract: TableContract) -> dict[str, Origin]:
    if source.simulated:
        return dict.fromkeys(contract.names, "simulated")
    parsed = _PACK_COLUMNS[:3] if source.size_text else ()
    return {name: "derived" if name in parsed else "source" for name in contract.names}


def _term(
    connection: duckdb.DuckDBPyConnection, source: MappedSource, column: Column, key: bytes
) -> str:
    """SQL expression over `raw` for one column of the table; null where a value does not fit."""
    if source.size_text and column.name in _PACK_COLUMNS:
        return _pack_term(connection, source.size_text, column)
    if column.name in source.constants:
        return _constant(source, column)
    if column.name not in source.columns:
        return f"CAST(NULL AS {SQL_TYPES[column.type]})"
    mapping = source.columns[column.name]
    if mapping.secret:
        return _secret_term(connection, mapping, column, key)
    if is_unit(column):
        return _unit_term(connection, mapping)
    if source.system and column.name == c.ITEM_ID:
        return item_term(f"CAST({mapping.expression} AS VARCHAR)")
    return _typed(mapping, column)


def _typed(mapping: ColumnMapping, column: Column) -> str:
    value = mapping.expression
    if column.type == "text":
        return f"CAST({value} AS VARCHAR)"
    if column.type in ("integer", "number"):
        number = f"TRY_CAST({_plain_number(value, mapping.decimal)} AS DOUBLE)"
        number = f"CASE WHEN isfinite({number}) THEN {number} * {mapping.factor!r} END"
        whole = f"CASE WHEN ({number}) = floor({number}) THEN CAST({number} AS BIGINT) END"
        return number if column.type == "number" else whole
    if column.type == "boolean":
        return f"TRY_CAST({value} AS BOOLEAN)"
    moment = (
        f"TRY_STRPTIME(CAST({value} AS VARCHAR), {literal(mapping.format)})"
        if mapping.format
        else f"TRY_CAST({value} AS TIMESTAMP)"
    )
    if column.type == "time" and mapping.time_zone:
        return f"timezone('UTC', timezone({literal(mapping.time_zone)}, {moment}))"
    return f"CAST({moment} AS {SQL_TYPES[column.type]})"


def _plain_number(value: str, decimal: str | None) -> str:
    """SQL of a number as text with a point for decimals and nothing between thousands."""
    if decimal is None:
        return value
    grouping = "[,\\s'\u00a0\u202f]" if decimal == "." else "[.\\s'\u00a0\u202f]"
    ungrouped = f"regexp_replace(CAST({value} AS VARCHAR), {literal(grouping)}, '', 'g')"
    return f"replace({ungrouped}, {literal(decimal)}, '.')"


def _constant(source: MappedSource, column: Column) -> str:
    value = source.constants[column.name]
    kinds: dict[str, tuple[type, ...]] = {
        "number": (int, float), "integer": (int,), "boolean": (bool,)
    }  # fmt: skip
    accepted = kinds.get(column.type, (str,))
    if not isinstance(value, accepted) or (isinstance(value, bool) and column.type != "boolean"):
        raise SourceError(
            f"source {source.name!r}: constant {column.name} is {value!r}; expected"
            f" {EXPECTED[column.type]}."
        )
    return f"CAST({literal(str(value))} AS {SQL_TYPES[column.type]})"


def _distinct(connection: duckdb.DuckDBPyConnection, value: str) -> list[str]:
    rows = connection.execute(
        f"SELECT DISTINCT CAST({value} AS VARCHAR) FROM {RAW} WHERE {value} IS NOT NULL ORDER BY 1"
    ).fetchall()
    return [row[0] for row in rows]


def _secret_term(
    connection: duckdb.DuckDBPyConnection, mapping: ColumnMapping, column: Column, key: bytes
) -> str:
    name = f"codes_{column.name}"
    connection.register(name, pseudonym_table(_distinct(connection, mapping.expression), key))
    value = f"CAST({mapping.expression} AS VARCHAR)"
    codes = f'(SELECT value AS "_given", code AS "_code" FROM {name})'
    return f'(SELECT "_code" FROM {codes} WHERE "_given" = {value})'


def _unit_term(connection: duckdb.DuckDBPyConnection, mapping: ColumnMapping) -> str:
    codes = {
        name: unit_code(mapping.units.get(name.strip(), name))
        for name in _distinct(connection, mapping.expression)
    }
    cases = " ".join(
        f"WHEN {literal(name)} THEN {literal(code)}" for name, code in codes.items() if code
    )
    return f"CASE CAST({mapping.expression} AS VARCHAR) {cases} END" if cases else "NULL::VARCHAR"


def _pack_term(connection: duckdb.DuckDBPyConnection, size_text: str, column: Column) -> str:
    if column.name == c.PACK_TEXT:
        return f"CAST({quoted(size_text)} AS VARCHAR)"
    attribute = {c.PACK_COUNT: "count", c.PACK_SIZE: "size", c.PACK_UOM: "unit"}[column.name]
    parsed = [(text, parse_size(text)) for text in _distinct(connection, quoted(size_text))]
    known = [
        (text, getattr(size, attribute)) for text, size in parsed if isinstance(size, PackSize)
    ]
    name = f"pack_{attribute}"
    kind = pa.string() if attribute == "unit" else pa.float64()
    connection.register(
        name,
        pa.table(
            {
                "text": pa.array([text for text, _ in known], pa.string()),
                "value": pa.array([value for _, value in known], kind),
            }
        ),
    )
    return f"(SELECT value FROM {name} WHERE text = CAST(raw.{quoted(size_text)} AS VARCHAR))"
