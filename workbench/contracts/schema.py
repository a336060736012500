"""How a table contract is described: columns with a logical type and limits, a key."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from workbench.errors import ContractError

Type = Literal["text", "integer", "number", "boolean", "date", "time"]
Origin = Literal["source", "simulated", "derived"]


@dataclass(frozen=True)
class Column:
    """One column: its logical type and what values it may hold.

    Attributes:
        identifies: Text of the key or an id: it names something in commands, messages and file
            names, so it must print as what it is.
    """

    name: str
    type: Type
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] | None = None
    identifies: bool = False


@dataclass(frozen=True)
class TableContract:
    """One table.

    Attributes:
        key: Columns whose values together occur once.
        observed: Date or time column that says when a row became known; reads as of a day leave
            out later rows. None for master data and for results.
        run_columns: Columns that differ from run to run by nature, left out of `content_digest`.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    observed: str | None = None
    run_columns: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in contract order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name; `ContractError` if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise ContractError(
            f"table {self.name!r}: no column {name!r}; expected one of {', '.join(self.names)}."
        )


def _columns(kind: Type, names: str, **limits: object) -> tuple[Column, ...]:
    """Columns of one type from space-separated names; a trailing `?` makes a column nullable."""
    return tuple(
        Column(name.rstrip("?"), kind, nullable=name.endswith("?"), **limits)  # type: ignore[arg-type]
        for name in names.split()
    )


def text(names: str, *, values: Iterable[str] | None = None) -> tuple[Column, ...]:
    """UTF-8 text, optionally from a fixed list."""
    return _columns("text", names, values=tuple(values) if values else None)


def integer(names: str, *, minimum: float | None = None) -> tuple[Column, ...]:
    """Whole numbers."""
    return _columns("integer", names, minimum=minimum)


def number(
    names: str, *, minimum: float | None = None, maximum: float | None = None
) -> tuple[Column, ...]:
    """Real numbers."""
    return _columns("number", names, minimum=minimum, maximum=maximum)


def boolean(names: str) -> tuple[Column, ...]:
    """Truth values."""
    return _columns("boolean", names)


def date(names: str) -> tuple[Column, ...]:
    """Calendar days."""
    return _columns("date", names)


def time(names: str) -> tuple[Column, ...]:
    """Instants in UTC, to the microsecond."""
    return _columns("time", names)


def table(
    name: str, key: str, *columns: tuple[Column, ...], observed: str | None = None, run: str = ""
) -> TableContract:
    """A contract; `key` and `run` are space-separated column names."""
    names = key.split()
    flat = tuple(
        replace(column, identifies=True)
        if column.type == "text" and (column.name in names or column.name.endswith("_id"))
        else column
        for group in columns
        for column in group
    )
    return TableContract(name, tuple(names), flat, observed, tuple(run.split()))
