"""From a source's columns to a table's: types, formats, factors, units, constants, pseudonyms."""

from pathlib import Path

import duckdb
import pyarrow as pa

from workbench.adapters.files import stage_csv, stage_parquet
from workbench.adapters.loads import Load, literal, quoted
from workbench.adapters.pseudonyms import pseudonym_table
from workbench.adapters.refusals import (
    EXPECTED,
    first_place,
    refuse_breaches,
    refuse_wrong_types,
)
from workbench.adapters.sources import (
    ColumnMapping,
    CsvSource,
    MappedSource,
    ParquetSource,
)
from workbench.adapters.sql import stage_query
from workbench.contracts import columns as c
from workbench.contracts import tables
from workbench.contracts.made_from import EVERY_FILE, MadeFrom, Use, Uses
from workbench.contracts.schema import Column, Origin, TableContract
from workbench.contracts.units import PackSize, parse_size, unit_code
from workbench.errors import SourceError

_SQL_TYPES = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "time": "TIMESTAMP",
}
_PACK_COLUMNS = (c.PACK_COUNT, c.PACK_SIZE, c.PACK_UOM, c.PACK_TEXT)


def mapped_load(
    connection: duckdb.DuckDBPyConnection, source: MappedSource, folder: Path, *, key: bytes
) -> Load:
    """Stage a source and map it to its table.

    Raises:
        SourceError: The source is missing, unreadable, empty, lacks a column, or holds a value of
            the wrong type or an unknown unit; the message names the first such row.
    """
    contract = tables.contract(source.table)
    wanted = list(dict.fromkeys(mapping.column for mapping in source.columns.values()))
    if source.size_text and source.size_text not in wanted:
        wanted.append(source.size_text)
    read = _stage(connection, source, folder, wanted)
    if read == 0:
        raise SourceError(
            f"source {source.name!r}: no rows; expected at least one. Check the export, or remove"
            " the source."
        )
    terms = {
        column.name: _term(connection, source, folder, column, key) for column in contract.columns
    }
    refuse_wrong_types(connection, source, folder, contract, terms)
    selected = ", ".join(f"{term} AS {quoted(name)}" for name, term in terms.items())
    return Load(
        source.table,
        connection.sql(f"SELECT {selected} FROM raw"),
        _provenance(source, contract),
        f"{source.name} ({source.kind} {source.path}). Terms: {source.terms}",
        read=read,
        explain=lambda: refuse_breaches(connection, source, folder, contract, terms),
    )


def made_from(source: MappedSource) -> MadeFrom:
    """Of each column of the table the source's column, as the description maps it."""
    found: dict[str, Uses] = {}
    for name in tables.contract(source.table).names:
        if source.size_text and name in _PACK_COLUMNS:
            found[name] = (Use(EVERY_FILE, source.size_text, "TRANSFORMATION"),)
        elif name in source.columns:
            mapping = source.columns[name]
            use = Use(EVERY_FILE, mapping.column, "TRANSFORMATION", masked=bool(mapping.secret))
            found[name] = (use,)
        else:
            found[name] = ()
    return MadeFrom(found)


def _stage(
    connection: duckdb.DuckDBPyConnection, source: MappedSource, folder: Path, wanted: list[str]
) -> int:
    if isinstance(source, CsvSource):
        return stage_csv(connection, source, folder, wanted)
    if isinstance(source, ParquetSource):
        return stage_parquet(connection, source, folder, wanted)
    return stage_query(connection, source, folder, wanted)


def _provenance(source: MappedSource, contract: TableContract) -> dict[str, Origin]:
    if source.simulated:
        return dict.fromkeys(contract.names, "simulated")
    parsed = _PACK_COLUMNS[:3] if source.size_text else ()
    return {name: "derived" if name in parsed else "source" for name in contract.names}


def _term(
    connection: duckdb.DuckDBPyConnection,
    source: MappedSource,
    folder: Path,
    column: Column,
    key: bytes,
) -> str:
    """SQL expression over `raw` for one column of the table; null where a value does not fit."""
    if source.size_text and column.name in _PACK_COLUMNS:
        return _pack_term(connection, source.size_text, column)
    if column.name in source.constants:
        return _constant(source, column)
    if column.name not in source.columns:
        return f"CAST(NULL AS {_SQL_TYPES[column.type]})"
    mapping = source.columns[column.name]
    if mapping.secret:
        return _secret_term(connection, mapping, column, key)
    if column.name == c.UNIT or column.name.endswith("_uom"):
        return _unit_term(connection, source, folder, mapping)
    return _typed(mapping, column)


def _typed(mapping: ColumnMapping, column: Column) -> str:
    value = quoted(mapping.column)
    if column.type == "text":
        return f"CAST({value} AS VARCHAR)"
    if column.type in ("integer", "number"):
        number = f"TRY_CAST({value} AS DOUBLE)"
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
    return f"CAST({moment} AS {_SQL_TYPES[column.type]})"


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
    return f"CAST({literal(str(value))} AS {_SQL_TYPES[column.type]})"


def _distinct(connection: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    value = quoted(name)
    rows = connection.execute(
        f"SELECT DISTINCT CAST({value} AS VARCHAR) FROM raw WHERE {value} IS NOT NULL ORDER BY 1"
    ).fetchall()
    return [row[0] for row in rows]


def _secret_term(
    connection: duckdb.DuckDBPyConnection, mapping: ColumnMapping, column: Column, key: bytes
) -> str:
    name = f"codes_{column.name}"
    connection.register(name, pseudonym_table(_distinct(connection, mapping.column), key))
    value = f"CAST(raw.{quoted(mapping.column)} AS VARCHAR)"
    return f"(SELECT code FROM {name} WHERE {name}.value = {value})"


def _unit_term(
    connection: duckdb.DuckDBPyConnection,
    source: MappedSource,
    folder: Path,
    mapping: ColumnMapping,
) -> str:
    known = {}
    for name in _distinct(connection, mapping.column):
        code = unit_code(mapping.units.get(name, name))
        if code is None:
            spot, such = first_place(connection, source, folder, mapping.column, name)
            raise SourceError(
                f"source {source.name!r}: {spot}, unknown unit {name!r} in column"
                f" {mapping.column!r}{such}; expected a UN/CEFACT Recommendation 20 code. Map it"
                " under 'units' of the column."
            )
        known[name] = code
    cases = " ".join(f"WHEN {literal(name)} THEN {literal(code)}" for name, code in known.items())
    return f"CASE CAST({quoted(mapping.column)} AS VARCHAR) {cases} END" if cases else "NULL"


def _pack_term(connection: duckdb.DuckDBPyConnection, size_text: str, column: Column) -> str:
    if column.name == c.PACK_TEXT:
        return f"CAST({quoted(size_text)} AS VARCHAR)"
    attribute = {c.PACK_COUNT: "count", c.PACK_SIZE: "size", c.PACK_UOM: "unit"}[column.name]
    parsed = [(text, parse_size(text)) for text in _distinct(connection, size_text)]
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
