"""A table contract as DuckDB SQL: types, limits and key of rows too many for a frame."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from workbench.contracts import violations
from workbench.contracts.schema import Column, TableContract, Type

Rows = Sequence[tuple[Any, ...]]
Fetch = Callable[[str], Rows]
"""Runs a statement and returns all rows of its result."""

SQL_TYPES: Final[dict[Type, str]] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "time": "TIMESTAMP",
}

_HIDDEN: Final = (
    "[" + "".join(f"\\x{{{a:x}}}-\\x{{{b:x}}}" for a, b in violations.HIDDEN_RANGES) + "]"
)


def quoted(name: str) -> str:
    """A name as SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def breaks(column: Column, limit: violations.Limit) -> str:
    """SQL condition that is true for a value that breaks the limit; NaN must be null already."""
    name = quoted(column.name)
    if limit.name == "printable":
        return f"regexp_matches({name}, {literal(_HIDDEN)})"
    if limit.name == "null":
        return f"{name} IS NULL"
    if limit.name == "whole":
        return f"{name} <> floor({name})"
    if limit.name == "midnight":
        return f"{name} <> date_trunc('day', {name})"
    if limit.name == "finite":
        return f"isinf({name}::DOUBLE)"
    if limit.name == "minimum":
        return f"{name} < {column.minimum!r}"
    if limit.name == "maximum":
        return f"{name} > {column.maximum!r}"
    return f"{name} NOT IN ({', '.join(literal(value) for value in column.values or ())})"


def check_relation(
    relation: str, contract: TableContract, *, where: str, fetch: Fetch, allow_empty: bool = False
) -> int:
    """Check every limit of every column in one pass; return the number of rows.

    Uniqueness of the key is not checked here: it costs least on sorted rows.

    Args:
        relation: SQL name of the rows, with every column of the contract.
        contract: What they must keep to.
        where: Place for the message, for example `table 'sales' from sales.csv`.
        fetch: Runs SQL.
        allow_empty: Whether a relation without rows is in order.

    Raises:
        ContractError: The first limit broken, in contract order.
    """
    limits = [
        (c, limit)
        for c in contract.columns
        for limit in violations.limits(c)
        if limit.name != "printable" or _occurs(relation, c, limit, fetch)
    ]
    counts = [f"count(*) FILTER (WHERE {breaks(column, limit)})" for column, limit in limits]
    (found,) = fetch(f"SELECT {', '.join(['count(*)', *counts])} FROM {relation}")
    violations.check_count(where, contract, found[0], allow_empty=allow_empty)
    for (column, limit), count in zip(limits, found[1:], strict=True):
        if count:
            key = ", ".join(quoted(name) for name in contract.key)
            (first,) = fetch(
                f"SELECT {quoted(column.name)}, {key} FROM {relation}"
                f" WHERE {breaks(column, limit)} ORDER BY {key} LIMIT 1"
            )
            raise violations.breach(
                where, column, limit, count=count, value=first[0],
                key=dict(zip(contract.key, first[1:], strict=True)),
            )  # fmt: skip
    return int(found[0])


def _occurs(relation: str, column: Column, limit: violations.Limit, fetch: Fetch) -> bool:
    """Whether any different value breaks a limit: ids repeat, a pattern is slow on every row."""
    ((found,),) = fetch(
        f"SELECT count(*) FROM (SELECT DISTINCT {quoted(column.name)} FROM {relation})"
        f" WHERE {breaks(column, limit)}"
    )
    return bool(found)
