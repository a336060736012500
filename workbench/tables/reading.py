"""Reads pinned table versions through DuckDB: views named as their tables, filtered as of a day."""

import json
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb
import pandas as pd
import pyarrow as pa

from workbench.contracts.relation_checks import SQL_TYPES, literal, quoted
from workbench.contracts.schema import TableContract, Type
from workbench.errors import TableError
from workbench.tables.blocks import ARROW_TYPES
from workbench.tables.versions import TableVersion, contract_of

_NULLABLE: Final[dict[Type, str]] = {"integer": "Int64", "boolean": "boolean"}


def connect(
    versions: Iterable[TableVersion], *, as_of: date | None, memory_megabytes: int
) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory with one view per version, named as its table.

    Args:
        versions: At most one per table.
        as_of: Leaves out rows that became known after this day (UTC, where the contract's
            `observed` column is an instant); tables without such a column are read whole.
        memory_megabytes: Beyond this DuckDB spills to the system's temporary folder.
    """
    spill = Path(tempfile.gettempdir()) / f"workbench-{os.getpid()}-{secrets.token_hex(4)}"
    settings: dict[str, Any] = {
        "memory_limit": f"{memory_megabytes}MB",
        "temp_directory": str(spill),
        "threads": str(len(os.sched_getaffinity(0))),
        "autoinstall_known_extensions": "false",
    }
    connection = duckdb.connect(":memory:", config=settings)
    connection.execute("SET enable_progress_bar = false")  # in Jupyter it would draw widgets
    for version in versions:
        selection = select(version, as_of=as_of)
        connection.execute(f"CREATE VIEW {quoted(version.table)} AS {selection}")
    return connection


def select(
    version: TableVersion, *, as_of: date | None = None, columns: Sequence[str] | None = None
) -> str:
    """SQL that reads a version, in key order; columns that its contract got later are empty.

    Raises:
        TableError: A column is not in the table.
    """
    contract = contract_of(version)
    check_names(contract, columns or ())
    chosen = ", ".join(_column(version, contract, name) for name in columns or contract.names)
    files = ", ".join(literal(str(path)) for path in version.data_paths)
    condition = f" WHERE {_known_by(contract, as_of)}" if as_of and contract.observed else ""
    return f"SELECT {chosen} FROM read_parquet([{files}]){condition}"


def check_names(contract: TableContract, names: Iterable[str]) -> None:
    """Refuse with `TableError` a name that is no column."""
    for name in names:
        if name not in contract.names:
            raise TableError(
                f"table {contract.name!r}: no column {name!r}; expected some of"
                f" {', '.join(contract.names)}. Correct the name."
            )


def _column(version: TableVersion, contract: TableContract, name: str) -> str:
    if name in version.schema:
        return quoted(name)
    return f"CAST(NULL AS {SQL_TYPES[contract.column(name).type]}) AS {quoted(name)}"


def _known_by(contract: TableContract, as_of: date) -> str:
    return f"{quoted(str(contract.observed))} < DATE '{as_of.isoformat()}' + INTERVAL 1 DAY"


def named_tables(sql: str) -> set[str] | None:
    """Names that a SELECT reads from, by DuckDB's parse tree; None for any other statement."""
    try:
        with duckdb.connect(":memory:") as empty:
            rows = empty.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
        tree = json.loads(rows[0][0])
    except (duckdb.Error, ValueError):
        return None
    return None if tree.get("error") else set(_base_tables(tree))


def _base_tables(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if node.get("type") == "BASE_TABLE":
            yield str(node["table_name"])
        node = list(node.values())
    if isinstance(node, list):
        for one in node:
            yield from _base_tables(one)


def fetch(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    *,
    parameters: Sequence[Any] | Mapping[str, Any] | None = None,
) -> pa.Table:
    """Result of a query as Arrow.

    Raises:
        TableError: DuckDB refuses the query or cannot read a file.
    """
    try:
        return connection.sql(sql, params=parameters).to_arrow_table()
    except duckdb.Error as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        raise TableError(
            f"query {_shortened(sql)!r}: {reason}; expected SQL that DuckDB can run over the"
            " tables of this workspace. Correct the query."
        ) from error


def to_frame(rows: pa.Table, contract: TableContract | None = None) -> pd.DataFrame:
    """Arrow as a pandas frame: days and instants datetime64[ns], text str objects, NaN for none.

    Columns of a contract that are whole numbers or truth values and may be empty become pandas'
    nullable types; all others have the plain NumPy type. Sums that DuckDB returns as decimals
    become float64.
    """
    if contract is not None:
        types = [(name, ARROW_TYPES[contract.column(name).type]) for name in rows.schema.names]
        rows = rows.cast(pa.schema(types))
    for position, field in enumerate(rows.schema):
        if pa.types.is_decimal(field.type):
            column = rows.column(position).cast(pa.float64())
            rows = rows.set_column(position, field.name, column)
    nullable = {
        column.name: _NULLABLE[column.type]
        for column in (contract.columns if contract else ())
        if column.nullable and column.type in _NULLABLE and column.name in rows.schema.names
    }
    frame: pd.DataFrame = rows.to_pandas(date_as_object=False, coerce_temporal_nanoseconds=True)
    return frame.astype(nullable) if nullable else frame


def _shortened(sql: str) -> str:
    flat = " ".join(sql.split())
    return flat if len(flat) <= 80 else flat[:79] + "…"
