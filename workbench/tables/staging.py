"""From rows of any kind to sorted, checked Parquet files: the part of the store that uses DuckDB.

Rows are read once into a plain Parquet file in the work folder, checked against the contract in
one pass, then sorted and written. Text columns of few distinct values are read as enumerations:
sorting positions instead of text costs a third for 23 million promotions.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import duckdb
import pandas as pd
import pyarrow as pa

from workbench.contracts import violations
from workbench.contracts.checks import check_frame
from workbench.contracts.relation_checks import SQL_TYPES, check_relation, literal, quoted
from workbench.contracts.schema import Column, TableContract
from workbench.errors import TableError
from workbench.tables.blocks import ARROW_TYPES, BATCH_ROWS

Rows: TypeAlias = Any
"""A pandas frame, an Arrow table or record batch reader, or a DuckDB relation."""

DATA_FILE: Final = "part-00000.parquet"
_LARGEST_ENUM: Final = 250_000


@contextlib.contextmanager
def session(work: Path, *, memory_megabytes: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of its own that spills below `work` and stays within the given memory."""
    settings: dict[str, Any] = {
        "memory_limit": f"{memory_megabytes}MB",
        "temp_directory": str(work / "spill"),
        "threads": str(len(os.sched_getaffinity(0))),
        "autoinstall_known_extensions": "false",
    }
    connection = duckdb.connect(":memory:", config=settings)
    connection.execute("SET enable_progress_bar = false")  # in Jupyter it would draw widgets
    try:
        yield connection
    finally:
        connection.close()


def load(
    connection: duckdb.DuckDBPyConnection,
    rows: Rows,
    contract: TableContract,
    *,
    work: Path,
    where: str,
) -> None:
    """Read the rows once and make them the view `staged`, with every column of the contract.

    A relation runs in the connection that it belongs to; anything else is read by this one.

    Raises:
        ContractError: A frame breaks its contract, or a column is unknown, missing or of another
            type.
        TableError: The rows are of a kind that the store does not read.
    """
    if isinstance(rows, duckdb.DuckDBPyRelation):
        relation, schema = rows, rows.limit(0).to_arrow_table().schema
    else:
        reader = _arrow_stream(rows, contract, where=where)
        connection.register("incoming", reader)
        relation, schema = connection.sql("FROM incoming"), reader.schema
    columns = _selection(schema, contract, where=where)
    path = str(work / "staged.parquet")
    relation.project(columns).write_parquet(path, compression="lz4_raw", row_group_size=BATCH_ROWS)
    connection.execute(f"CREATE VIEW staged AS FROM read_parquet({literal(path)})")


def _selection(schema: pa.Schema, contract: TableContract, *, where: str) -> str:
    """SQL columns of a contract, from rows of this schema."""
    violations.check_names(where, contract, schema.names)
    types = {field.name: field.type for field in schema}
    for column in contract.columns:
        if column.name in types and not _readable(types[column.name], column):
            raise violations.wrong_type(where, column, f"values of type {types[column.name]}")
    return ", ".join(_loaded(column, types.get(column.name)) for column in contract.columns)


def _arrow_stream(rows: Rows, contract: TableContract, *, where: str) -> pa.RecordBatchReader:
    """The rows as a stream; a frame is checked against its contract on the way."""
    if isinstance(rows, pd.DataFrame):
        checked = check_frame(rows, contract, where=where, allow_empty=True)  # counted in `check`
        return frame_to_arrow(checked, contract).to_reader()
    if isinstance(rows, pa.RecordBatch):
        rows = pa.Table.from_batches([rows])
    if isinstance(rows, pa.Table):
        return rows.to_reader(max_chunksize=BATCH_ROWS)
    if isinstance(rows, pa.RecordBatchReader):
        return rows
    raise TableError(
        f"{where}: rows are a {type(rows).__name__}; expected a pandas frame, an Arrow table or"
        " reader, or a DuckDB relation."
    )


def frame_to_arrow(frame: pd.DataFrame, contract: TableContract) -> pa.Table:
    """A checked frame as Arrow, NaN as null."""
    schema = pa.schema([(column.name, ARROW_TYPES[column.type]) for column in contract.columns])
    return pa.Table.from_pandas(frame, schema=schema, preserve_index=False)


def check(
    connection: duckdb.DuckDBPyConnection,
    contract: TableContract,
    *,
    where: str,
    allow_empty: bool,
) -> int:
    """Check the loaded rows against the contract's limits; return their number."""
    return check_relation(
        "staged",
        contract,
        where=where,
        fetch=lambda sql: connection.execute(sql).fetchall(),
        allow_empty=allow_empty,
    )


def encode(connection: duckdb.DuckDBPyConnection, contract: TableContract) -> None:
    """Make `encoded`, a view of `staged`: final types, enumerations where values are few."""
    enums = _enums(connection, contract)
    columns = [
        f"{quoted(c.name)}::{enums.get(c.name, SQL_TYPES[c.type])} AS {quoted(c.name)}"
        for c in contract.columns
    ]
    connection.execute(f"CREATE VIEW encoded AS SELECT {', '.join(columns)} FROM staged")


def export(connection: duckdb.DuckDBPyConnection, contract: TableContract, path: Path) -> None:
    """Sort `encoded` by key and write it as one Parquet file.

    Enumerations become text after sorting: DuckDB 2.0.0 writes a few of their values as empty
    text when two threads write Parquet (9 of 12 runs on 1.5 million rows, none as text).
    """
    columns = ", ".join(
        f"{quoted(c.name)}::{SQL_TYPES[c.type]} AS {quoted(c.name)}" for c in contract.columns
    )
    key = ", ".join(quoted(name) for name in contract.key)
    ordered = f"SELECT * FROM encoded ORDER BY {key}"
    connection.execute(
        f"COPY (SELECT {columns} FROM ({ordered})) TO {literal(str(path))}"
        f" (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {BATCH_ROWS})"
    )


def last_observed(connection: duckdb.DuckDBPyConnection, contract: TableContract) -> Any:
    """Latest day in the contract's `observed` column of `encoded`; None where there is none."""
    if contract.observed is None:
        return None
    latest = f"max({quoted(contract.observed)})::DATE"
    return connection.execute(f"SELECT {latest} FROM encoded").fetchall()[0][0]


def _readable(found: pa.DataType, column: Column) -> bool:
    if pa.types.is_dictionary(found):
        found = found.value_type
    kinds = pa.types
    number = kinds.is_integer(found) or kinds.is_floating(found) or kinds.is_decimal(found)
    text = kinds.is_string(found) or kinds.is_large_string(found) or kinds.is_string_view(found)
    day = kinds.is_date(found)
    accepted: Mapping[str, bool] = {
        "text": text,
        "integer": number,
        "number": number,
        "boolean": kinds.is_boolean(found),
        "date": day or kinds.is_timestamp(found),
        "time": kinds.is_timestamp(found),
    }
    return kinds.is_null(found) or accepted[column.type]


def _loaded(column: Column, found: pa.DataType | None) -> str:
    """SQL that reads a column: nothing is rounded yet, so that the checks see what came in."""
    name = quoted(column.name)
    if found is None or pa.types.is_null(found):
        return f"NULL::{SQL_TYPES[column.type]} AS {name}"
    value = name
    if column.type == "text":
        value = f"{name}::VARCHAR"
    elif column.type == "number":
        value = f"CASE WHEN isnan({name}::DOUBLE) THEN NULL ELSE {name}::DOUBLE + 0.0 END"
    elif pa.types.is_decimal(found):
        value = f"CASE WHEN {name} = floor({name}) THEN {name}::BIGINT ELSE {name}::DOUBLE END"
    elif pa.types.is_floating(found):
        value = f"CASE WHEN isnan({name}) THEN NULL ELSE {name} END"
    elif pa.types.is_timestamp(found):
        value = f"make_timestamp(epoch_us({name}))"  # drops the zone: instants are UTC
    return f"{value} AS {name}"


def _enums(connection: duckdb.DuckDBPyConnection, contract: TableContract) -> dict[str, str]:
    """SQL type name of an enumeration, in order of its text, for each text column of few values."""
    text = [column.name for column in contract.columns if column.type == "text"]
    if not text:
        return {}
    counts = ", ".join(f"approx_count_distinct({quoted(name)})" for name in text)
    found = connection.execute(f"SELECT {counts} FROM staged").fetchall()[0]
    enums = {}
    for number, (name, count) in enumerate(zip(text, found, strict=True)):
        if 0 < count <= _LARGEST_ENUM:
            value = quoted(name)
            connection.execute(
                f"CREATE TYPE values_{number} AS ENUM (SELECT DISTINCT {value} FROM staged"
                f" WHERE {value} IS NOT NULL ORDER BY {value})"
            )
            enums[name] = f"values_{number}"
    return enums
