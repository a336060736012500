"""Loads that bring only what is new: how far a source was read, and how its rows join the table.

New rows are added, and rows of a key that the table has take its place there: a correction that
arrives late makes a new version, with the number of corrected rows, and the version before stays.
Rows that the source no longer sends stay in the table: a deletion is not seen.
"""

import dataclasses
from datetime import datetime, timedelta

import duckdb

from workbench.adapters.loads import Load, single
from workbench.adapters.sources import Incremental, MappedSource
from workbench.contracts import tables
from workbench.contracts.relation_checks import quoted
from workbench.contracts.schema import Origin
from workbench.errors import SourceError
from workbench.tables import reading
from workbench.tables.versions import TableVersion


def watermark(connection: duckdb.DuckDBPyConnection, source: MappedSource) -> str | None:
    """The largest value of the watermark column in `raw`: a time if all are, else a number.

    Raises:
        SourceError: The column is missing, or its values are neither.
    """
    if source.incremental is None:
        return None
    name = quoted(source.incremental.watermark)
    try:
        (found,) = connection.execute(
            f"SELECT count({name}), count(TRY_CAST({name} AS TIMESTAMP)),"
            f" CAST(max(TRY_CAST({name} AS TIMESTAMP)) AS VARCHAR),"
            f" count(TRY_CAST({name} AS DECIMAL(38, 6))),"
            f" CAST(max(TRY_CAST({name} AS DECIMAL(38, 6))) AS VARCHAR) FROM raw"
        ).fetchall()
    except duckdb.Error as error:
        raise SourceError(
            f"source {source.name!r}: no column {source.incremental.watermark!r} for the watermark;"
            " expected one of the source's columns. Correct 'watermark'."
        ) from error
    count, times, last_time, numbers, last_number = found
    if count == 0:
        return None
    if times == count:
        return str(last_time)
    if numbers == count:
        return str(last_number).rstrip("0").rstrip(".") if "." in last_number else str(last_number)
    raise SourceError(
        f"source {source.name!r}: watermark column {source.incremental.watermark!r} holds values"
        " that are neither all times (ISO 8601) nor all numbers; expected one that grows."
    )


def later(one: str | None, other: str | None) -> str | None:
    """The larger of two watermarks of one column."""
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda mark: _order(mark))


def _order(mark: str) -> tuple[float, str]:
    try:
        return float(mark), ""
    except ValueError:
        return 0.0, mark


def since(settings: Incremental, read_to: str | None) -> str:
    """What `$since` stands for: how far the source was read, less the overlap."""
    if read_to is None:
        return settings.start
    try:
        moment = datetime.fromisoformat(read_to)
    except ValueError:
        return read_to
    return str(moment - timedelta(days=settings.overlap_days))


def joined(connection: duckdb.DuckDBPyConnection, load: Load, before: TableVersion) -> Load:
    """A load whose rows are those of the version before, with the new ones in their place."""
    contract = tables.contract(load.table)
    names = ", ".join(map(quoted, contract.names))
    key = ", ".join(map(quoted, contract.key))
    load.rows.create_view("incoming_rows", replace=True)
    connection.execute("CREATE OR REPLACE TEMP TABLE arrived AS FROM incoming_rows")
    old = f"({reading.select(before)})"
    others = [name for name in contract.names if name not in contract.key]
    differs = " OR ".join(
        f"arrived.{quoted(n)} IS DISTINCT FROM old.{quoted(n)}" for n in others
    ) or "false"  # fmt: skip
    ((known, corrected),) = connection.execute(
        f"SELECT count(*), count(*) FILTER (WHERE {differs})"
        f" FROM arrived JOIN {old} AS old USING ({key})"
    ).fetchall()
    kept = before.rows - known
    rows = connection.sql(
        f"SELECT {names} FROM arrived UNION ALL"
        f" SELECT {names} FROM {old} ANTI JOIN arrived USING ({key})"
    )
    arrived = single(connection, "SELECT count(*) FROM arrived")
    notes = load.notes
    if corrected:
        notes += (
            f"{corrected:,} rows were loaded before with other values; version"
            f" {before.version[:12]} keeps those.",
        )
    return dataclasses.replace(
        load, rows=rows, kept=kept, added=arrived - known, corrected=corrected,
        unchanged=known - corrected, notes=notes, provenance=_merged(load, before),
        parents=(before,),
    )  # fmt: skip


def with_decided(connection: duckdb.DuckDBPyConnection, load: Load, before: TableVersion) -> Load:
    """A load of `item_aliases` in which merges that people decided stay as they are."""
    names = ", ".join(map(quoted, tables.ITEM_ALIASES.names))
    key = ", ".join(map(quoted, tables.ITEM_ALIASES.key))
    decided = f"({reading.select(before)} WHERE decision_id IS NOT NULL)"
    load.rows.create_view("incoming_aliases", replace=True)
    known = single(
        connection, f"SELECT count(*) FROM incoming_aliases SEMI JOIN {decided} USING ({key})"
    )
    kept = single(connection, f"SELECT count(*) FROM {decided}")
    if not kept:
        return load
    rows = connection.sql(
        f"SELECT {names} FROM incoming_aliases ANTI JOIN {decided} USING ({key})"
        f" UNION ALL FROM {decided}"
    )
    note = f"{kept:,} aliases were decided by people and stay; 'workbench items undo' changes one."
    retry = load.retry
    return dataclasses.replace(
        load, rows=rows, kept=kept, left_out=load.left_out + known, notes=(*load.notes, note),
        parents=(before,), provenance=_merged(load, before),
        retry=None if retry is None else lambda: with_decided(connection, retry(), before),
    )  # fmt: skip


def _merged(load: Load, before: TableVersion) -> dict[str, Origin]:
    """Origin of each column: simulated if any of its rows is."""
    names = tables.contract(load.table).names
    given = load.provenance
    new = dict.fromkeys(names, given) if isinstance(given, str) else dict(given)
    return {
        name: "simulated" if "simulated" in (new[name], before.provenance.get(name)) else new[name]
        for name in names
    }
