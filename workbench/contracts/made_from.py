"""How a function says which columns the columns of its table are made from.

Two questions, as the standard's column lineage has them (OpenLineage ColumnLineageDatasetFacet):
what decides which rows there are, and, given the row, what its values are made from. Names of
columns are `table.column`; of several, separated by spaces. In place of a table stands the path of
a file, where values come from one: `tables/backtest_errors.parquet.actual`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

How = Literal[
    "IDENTITY", "TRANSFORMATION", "AGGREGATION",
    "JOIN", "GROUP_BY", "FILTER", "SORT", "WINDOW", "CONDITIONAL",
]  # fmt: skip
EVERY_FILE: Final = "*"  # in place of a table: each file that the table is made from
DIRECT: Final = ("IDENTITY", "TRANSFORMATION", "AGGREGATION")


class Use(NamedTuple):
    """A column that another one is made from, and how.

    Attributes:
        of: Table, or path of a file.
        masked: The values cannot be told from the result, as in a keyed hash.
    """

    of: str
    column: str
    how: How
    masked: bool = False

    @property
    def is_direct(self) -> bool:
        """Whether the values themselves are taken over; else they only steer."""
        return self.how in DIRECT


Uses = tuple[Use, ...]


@dataclass(frozen=True)
class MadeFrom:
    """What one table is made from.

    Attributes:
        columns: Of each column what its values are made from, where the row is there; nothing, for
            what the run or a setting says.
        rows: What decides which rows there are.
    """

    columns: Mapping[str, Uses]
    rows: Uses = field(default=())

    def only(self, sources: Collection[str]) -> "MadeFrom":
        """The same without tables that were not there to be read."""

        def kept(uses: Uses) -> Uses:
            return tuple(use for use in uses if "/" in use.of or use.of in sources)

        columns = {name: kept(uses) for name, uses in self.columns.items()}
        return MadeFrom(columns, kept(self.rows))

    def joined(self, more: "MadeFrom") -> "MadeFrom":
        """What either says, each thing once."""
        names = dict.fromkeys((*self.columns, *more.columns))
        columns = {
            name: _once(*self.columns.get(name, ()), *more.columns.get(name, ())) for name in names
        }
        return MadeFrom(columns, _once(*self.rows, *more.rows))

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        columns = {name: [list(use) for use in uses] for name, uses in self.columns.items()}
        return {"columns": columns, "rows": [list(use) for use in self.rows]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "MadeFrom":
        """The reverse of `to_json`."""
        columns = {
            str(name): tuple(Use(*use) for use in uses) for name, uses in value["columns"].items()
        }
        return cls(columns, tuple(Use(*use) for use in value["rows"]))


def _once(*uses: Use) -> Uses:
    return tuple(dict.fromkeys(uses))


def _uses(names: str, how: How, *, masked: bool = False) -> Uses:
    split = (name.rpartition(".") for name in names.split())
    return tuple(Use(of, column, how, masked) for of, _, column in split)


def identity(names: str) -> Uses:
    """Taken over as it is."""
    return _uses(names, "IDENTITY")


def transformed(names: str, *, masked: bool = False) -> Uses:
    """Computed from, row by row."""
    return _uses(names, "TRANSFORMATION", masked=masked)


def aggregated(names: str) -> Uses:
    """Computed from many rows."""
    return _uses(names, "AGGREGATION")


def joined(names: str) -> Uses:
    """Decides which rows meet."""
    return _uses(names, "JOIN")


def grouped(names: str) -> Uses:
    """Decides which rows are taken together."""
    return _uses(names, "GROUP_BY")


def filtered(names: str) -> Uses:
    """Decides which rows count."""
    return _uses(names, "FILTER")


def ordered(names: str) -> Uses:
    """Decides the order, where a number or choice follows from it."""
    return _uses(names, "SORT")


def chosen(names: str) -> Uses:
    """Decides which of several ways is taken."""
    return _uses(names, "CONDITIONAL")
