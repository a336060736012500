"""Bad rows of a source: which they are, and why, told where the user can find them.

A table's contract is checked on mapped rows, whose columns have other names and whose values were
converted. Here the same limits are looked up in the staged source: only when they were broken.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import duckdb

from workbench.adapters.broken_lines import RejectedLine
from workbench.adapters.files import FILE, ROW
from workbench.adapters.loads import single
from workbench.adapters.places import file_name, place
from workbench.adapters.sources import ColumnMapping, MappedSource
from workbench.contracts import violations
from workbench.contracts.relation_checks import breaks, literal, quoted
from workbench.contracts.schema import Column, TableContract
from workbench.errors import ContractError, SourceError

EXPECTED: Final = {
    "text": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "date": "a date",
    "time": "a date and time",
}
MAPPED: Final = "mapped_rows"
BAD: Final = "bad_rows"
_SHOWN: Final = 60
_UNIT: Final = "a UN/CEFACT Recommendation 20 code"


@dataclass(frozen=True)
class Rows:
    """Rows of a source on their way to its table.

    Attributes:
        connection: With the source staged in `raw`.
        folder: Of the description.
        terms: SQL over `raw` by column of the table.
        broken: Lines that are no records.
    """

    connection: duckdb.DuckDBPyConnection
    source: MappedSource
    folder: Path
    contract: TableContract
    terms: dict[str, str]
    broken: Sequence[RejectedLine] = field(default_factory=tuple)

    def place(self, file: str, row: int) -> str:
        """Where a row stands, in words."""
        return place(self.source, self.folder, file, row, self.broken_lines(file))

    def broken_lines(self, file: str) -> Collection[int]:
        """Lines of a file that are no records."""
        return {line.line for line in self.broken if line.file == file}


@dataclass(frozen=True)
class Breach:
    """One way in which a row is bad.

    Attributes:
        column: Of the table.
        condition: SQL over the mapped rows.
        reason: In words, without the value.
        limit: What of the contract is broken; None for a value of the wrong type.
    """

    column: Column
    condition: str
    reason: str
    limit: violations.Limit | None = None


def given(name: str) -> str:
    """Name of the source's own value beside a mapped column."""
    return f"given {name}"


def map_rows(rows: Rows) -> None:
    """Make the view of mapped rows, with the source's own values and places beside them."""
    selected = ", ".join(f"{term} AS {quoted(name)}" for name, term in rows.terms.items())
    kept = "".join(
        f", {mapping.expression} AS {quoted(given(name))}"
        for name, mapping in rows.source.columns.items()
    )
    rows.connection.execute(
        f"CREATE OR REPLACE TEMP VIEW {MAPPED} AS SELECT {selected}{kept}, {FILE}, {ROW} FROM raw"
    )


def breaches(rows: Rows) -> list[Breach]:
    """Every way in which a row of this source can be bad, but for a key that occurs twice."""
    found = []
    for name, mapping in rows.source.columns.items():
        column = rows.contract.column(name)
        if column.type != "text" or is_unit(column):
            condition = f"{quoted(given(name))} IS NOT NULL AND {quoted(name)} IS NULL"
            found.append(Breach(column, condition, f"expected {_expected(column, mapping)}"))
    for column in rows.contract.columns:
        for limit in violations.limits(column):
            reason = f"{limit.found}, expected {limit.expected}"
            found.append(Breach(column, breaks(column, limit), reason, limit))
    return found


def is_unit(column: Column) -> bool:
    """Whether a column holds codes of units."""
    return column.name == "unit" or column.name.endswith("_uom")


def wrong_types(rows: Rows) -> bool:
    """Whether any value cannot be converted, in one pass over the staged rows."""
    wrong = [breach.condition for breach in breaches(rows) if breach.limit is None]
    if not wrong:
        return False
    return bool(single(
        rows.connection, f"SELECT count(*) FROM {MAPPED} WHERE {' OR '.join(map(_whole, wrong))}"
    ))  # fmt: skip


def find_bad_rows(rows: Rows) -> int:
    """Make the table of bad rows, and say how many there are.

    It has file, row, column, reason and value; of a repeat also file and row of the first.

    A row that is bad in several ways is told for the first. Rows of one key: where they are equal,
    all but the first are bad; where they differ nobody can say which is right, so all are.
    """
    faults = breaches(rows)
    cases = " ".join(f"WHEN {b.condition} THEN {i}" for i, b in enumerate(faults))
    values = " ".join(
        f"WHEN {i} THEN CAST({quoted(given(b.column.name))} AS VARCHAR)"
        for i, b in enumerate(faults)
        if _shown_mapping(rows, b)
    )
    said = " ".join(f"WHEN {i} THEN {literal(b.reason)}" for i, b in enumerate(faults))
    named = " ".join(
        f"WHEN {i} THEN {literal(_label(rows, b.column.name))}" for i, b in enumerate(faults)
    )
    value = f"CASE breach {values} END" if values else "NULL"
    rows.connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE {BAD} AS
        SELECT {FILE}, {ROW}, CASE breach {named} END AS "column",
            CASE breach {said} END AS reason, CAST({value} AS VARCHAR) AS value,
            CAST(NULL AS VARCHAR) AS first_file, CAST(NULL AS BIGINT) AS first_row
        FROM (SELECT *, CASE {cases} END AS breach FROM {MAPPED}) WHERE breach IS NOT NULL""")
    if rows.source.repeats in ("bad", "drop_equal"):
        _add_repeats(rows)
    return single(rows.connection, f"SELECT count(*) FROM {BAD}")


def _add_repeats(rows: Rows) -> None:
    """Add rows whose key occurs twice among those that are not bad otherwise."""
    key = ", ".join(quoted(name) for name in rows.contract.key)
    names = ", ".join(quoted(name) for name in rows.contract.names)
    equal_too = "n > 1" if rows.source.repeats == "bad" else "false"
    rows.connection.execute(f"""
        INSERT INTO {BAD}
        WITH good AS (SELECT * FROM {MAPPED} ANTI JOIN {BAD} USING ({FILE}, {ROW})),
        repeated AS (
            SELECT {key}, {FILE}, {ROW}, hash(ROW({names})) AS content FROM good
            SEMI JOIN (SELECT {key} FROM good GROUP BY {key} HAVING count(*) > 1) USING ({key})),
        judged AS (
            SELECT *, row_number() OVER ordered AS n,
                min(content) OVER same <> max(content) OVER same AS differ,
                first({FILE}) OVER ordered AS first_file, first({ROW}) OVER ordered AS first_row
            FROM repeated WINDOW same AS (PARTITION BY {key}),
                ordered AS (PARTITION BY {key} ORDER BY {FILE}, {ROW}))
        SELECT {FILE}, {ROW}, {literal(", ".join(rows.contract.key))},
            CASE WHEN differ THEN 'key occurs more than once, with other values'
            ELSE 'repeats an earlier row' END, NULL,
            CASE WHEN NOT differ THEN first_file END, CASE WHEN NOT differ THEN first_row END
        FROM judged WHERE differ OR {equal_too}""")


def refuse(rows: Rows) -> None:
    """Raise the error of the first bad row, by kind: shape of the line, type, limit, key.

    Raises:
        SourceError: A line is no record, or a value of the wrong type.
        ContractError: A row breaks a limit of the contract, or its key occurs twice.
    """
    if rows.broken:
        line = rows.broken[0]
        name = file_name(rows.source, rows.folder, line.file)
        raise SourceError(
            f"source {rows.source.name!r}: {name} line {line.line:,} is no record:"
            f" {line.reason}{_such(len(rows.broken))}. Correct the file, or 'delimiter'."
        )
    for breach in breaches(rows):
        mapping = rows.source.columns.get(breach.column.name)
        shown = "NULL" if mapping is None else quoted(given(breach.column.name))
        bad = _first(rows.connection, MAPPED, breach.condition, shown)
        if bad and breach.limit is None and mapping is not None:
            raise _wrong_type(rows, breach.column, mapping, bad)
        if bad and breach.limit is not None:
            raise _broken_limit(rows, breach.column.name, mapping, breach.limit, bad)
    _refuse_repeats(rows)


def _expected(column: Column, mapping: ColumnMapping) -> str:
    if is_unit(column):
        return _UNIT
    return EXPECTED[column.type] + (f" written as {mapping.format}" if mapping.format else "")


def _label(rows: Rows, name: str) -> str:
    mapping = rows.source.columns.get(name)
    return name if mapping is None else mapping.label


def _shown_mapping(rows: Rows, breach: Breach) -> bool:
    mapping = rows.source.columns.get(breach.column.name)
    return mapping is not None and not mapping.secret


def _whole(condition: str) -> str:
    return f"({condition})"


def _wrong_type(
    rows: Rows, column: Column, mapping: ColumnMapping, bad: tuple[str, int, str | None, int]
) -> SourceError:
    file, row, found, count = bad
    where = f"source {rows.source.name!r}: {rows.place(file, row)}"
    if is_unit(column):
        return SourceError(
            f"{where}, unknown unit {_shown(found)} in column {mapping.label!r}{_such(count)};"
            f" expected {_UNIT}. Map it under 'units' of the column."
        )
    value = "a value" if mapping.secret else _shown(found)
    return SourceError(
        f"{where}, column {mapping.label!r} holds {value}{_such(count)}; expected"
        f" {_expected(column, mapping)}. Correct the file or the description of the source."
    )


def _broken_limit(
    rows: Rows,
    name: str,
    mapping: ColumnMapping | None,
    limit: violations.Limit,
    bad: tuple[str, int, str | None, int],
) -> ContractError:
    file, row, found, count = bad
    where = f"source {rows.source.name!r}: {rows.place(file, row)}"
    if mapping is None:
        where = f"source {rows.source.name!r}"
        holds = f"constant {name!r} is {rows.source.constants.get(name)!r}"
    elif found is None:
        holds = f"column {mapping.label!r} is empty"
    else:
        holds = f"column {mapping.label!r} holds {'a value' if mapping.secret else _shown(found)}"
    number = "1 row" if count == 1 else f"{count:,} rows"
    return ContractError(
        f"{where}, {holds}; {name!r} is {limit.found} in {number}, expected {limit.expected}."
        f" {limit.remedy}"
    )


def _refuse_repeats(rows: Rows) -> None:
    key = ", ".join(quoted(name) for name in rows.contract.key)
    order = f"OVER (PARTITION BY {key} ORDER BY {FILE}, {ROW})"
    found = rows.connection.execute(
        f"SELECT {FILE}, {ROW}, first({FILE}) {order}, first({ROW}) {order}, {key},"
        f" FROM {MAPPED} QUALIFY row_number() {order} > 1 ORDER BY {FILE}, {ROW}"
    ).fetchmany(1)
    if not found:
        return
    count = single(rows.connection, f"SELECT count(*) - count(DISTINCT ({key})) FROM {MAPPED}")
    file, row, first_file, first_row, *values = found[0]
    here, there = rows.place(file, row), rows.place(first_file, first_row)
    shown = ", ".join(
        f"{name} {value}" for name, value in zip(rows.contract.key, values, strict=True)
    )
    raise ContractError(
        f"source {rows.source.name!r}: {here} has the key of {there} ({shown}){_such(count)};"
        " expected each key once. Set 'repeats' to add such rows up, or drop the repeats."
    )


def _first(
    connection: duckdb.DuckDBPyConnection, relation: str, condition: str, value: str
) -> tuple[str, int, str | None, int] | None:
    """File, row and value of the first row that meets a condition, and how many do."""
    found = connection.execute(
        f"SELECT {FILE}, {ROW}, CAST({value} AS VARCHAR), count(*) OVER () FROM {relation}"
        f" WHERE {condition} ORDER BY {FILE}, {ROW} LIMIT 1"
    ).fetchall()
    return found[0] if found else None


def _such(count: int) -> str:
    return "" if count == 1 else f" ({count:,} such rows)"


def _shown(value: str | None) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…'"
