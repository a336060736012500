"""How a breach of a table contract is told: one sentence, the same for frames and relations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from workbench.contracts.schema import Column, TableContract
from workbench.errors import ContractError

_SHOWN: Final = 60


@dataclass(frozen=True)
class Limit:
    """One thing that values of a column must not be.

    Attributes:
        name: Which limit, for example `minimum`.
        found: What a value that breaks it is, for example `below 0`.
        expected: What is wanted instead.
        remedy: What the user can do.
    """

    name: str
    found: str
    expected: str
    remedy: str


def limits(column: Column) -> tuple[Limit, ...]:
    """Every limit of a column, in the order in which a breach is reported."""
    found = []
    if not column.nullable:
        found.append(Limit("null", "empty", "a value in every row", _NULL_REMEDY))
    if column.identifies:
        found.append(Limit("printable", _HIDDEN_FOUND, _HIDDEN_EXPECTED, _HIDDEN_REMEDY))
    if column.type == "integer":
        found.append(Limit("whole", "not whole", "whole numbers", "Round or correct them."))
    if column.type == "date":
        found.append(Limit("midnight", "with a time of day", "calendar days", _DATE_REMEDY))
    if column.type == "number":
        found.append(Limit("finite", "infinite", "finite numbers", _FINITE_REMEDY))
    for name, bound, below in (
        ("minimum", column.minimum, True),
        ("maximum", column.maximum, False),
    ):
        if bound is not None:
            side, sign = ("below", ">=") if below else ("above", "<=")
            found.append(Limit(name, f"{side} {bound:g}", f"{sign} {bound:g}", _RANGE_REMEDY))
    if column.values is not None:
        allowed = f"one of {', '.join(column.values)}"
        found.append(Limit("values", "not allowed", allowed, "Map them to an allowed value."))
    return tuple(found)


# Control characters, line and paragraph separators, and what turns the direction of text around:
# an id with these is shown as another one, or drives the terminal that it is printed on.
HIDDEN_RANGES: Final = (
    (0x00, 0x1F), (0x7F, 0x9F), (0x2028, 0x2029), (0x202A, 0x202E), (0x2066, 0x2069),
)  # fmt: skip
_HIDDEN_FOUND: Final = "holding a control character"
_HIDDEN_EXPECTED: Final = "ids without line breaks, control and direction characters"
_HIDDEN_REMEDY: Final = "Take it out of the id in the source."
_NULL_REMEDY: Final = "Fill the gaps or leave these rows out."
_DATE_REMEDY: Final = "Turn instants into days of the location's time zone."
_FINITE_REMEDY: Final = "Leave such values empty, or correct the division behind them."
_RANGE_REMEDY: Final = "Correct these rows, or record them in the table that they belong to."


def breach(
    where: str, column: Column, limit: Limit, *, count: int, value: Any, key: Mapping[str, Any]
) -> ContractError:
    """Error for `count` values of a column that break a limit; `value` and `key` are the first."""
    first = "" if limit.name == "null" else f"{_shown(value)} "
    rows = "1 row" if count == 1 else f"{count:,} rows"
    return ContractError(
        f"{where}: {column.name!r} is {limit.found} in {rows} (first {first}at {_key(key)});"
        f" expected {limit.expected}. {limit.remedy}"
    )


def duplicates(
    where: str, contract: TableContract, *, count: int, key: Mapping[str, Any]
) -> ContractError:
    """Error for rows whose key occurred before; `count` leaves each first occurrence out."""
    rows = "1 row repeats" if count == 1 else f"{count:,} rows repeat"
    return ContractError(
        f"{where}: {rows} the key {', '.join(contract.key)} of another row (first {_key(key)});"
        " expected each key once. Add such rows up, or drop the repeats."
    )


def check_count(where: str, contract: TableContract, rows: int, *, allow_empty: bool) -> None:
    """Refuse a table without rows, unless that is allowed or it tells what a run concluded.

    Raises:
        ContractError: There are no rows.
    """
    if not rows and not allow_empty and not contract.run_columns:
        raise ContractError(
            f"{where}: no rows; expected at least one. Check the source's path and filters."
        )


def wrong_type(where: str, column: Column, found: str) -> ContractError:
    """Error for a column of another type than its contract says."""
    return ContractError(
        f"{where}: {column.name!r} holds {found}; expected {_EXPECTED[column.type]}."
        " Convert the column before it is written."
    )


def check_names(where: str, contract: TableContract, found: Sequence[str]) -> None:
    """Refuse unknown, repeated and missing columns; a nullable column may be left out.

    Raises:
        ContractError: Naming the first such column.
    """
    for name in found:
        if name not in contract.names:
            raise ContractError(
                f"{where}: column {name!r} is not in the contract; expected only"
                f" {', '.join(contract.names)}. Rename it or leave it out."
            )
    repeated = [name for name in found if list(found).count(name) > 1]
    if repeated:
        raise ContractError(
            f"{where}: column {repeated[0]!r} occurs more than once; expected once. Rename one."
        )
    for column in contract.columns:
        if column.name not in found and not column.nullable:
            raise ContractError(
                f"{where}: no column {column.name!r}, found {', '.join(found) or 'none'}; expected"
                f" {', '.join(contract.names)}. Map a column of the source to it."
            )


_EXPECTED: Final = {
    "text": "text",
    "integer": "whole numbers",
    "number": "numbers",
    "boolean": "true or false",
    "date": "calendar days",
    "time": "instants",
}


def _key(key: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_shown(value)}" for name, value in key.items())


def _shown(value: Any) -> str:
    if hasattr(value, "isoformat"):
        return str(value.isoformat()).removesuffix("T00:00:00")
    text = repr(value.item() if hasattr(value, "item") else value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
