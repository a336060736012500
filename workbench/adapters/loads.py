"""What an adapter hands to ingest: one table's rows and where each source row went."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb

from workbench.contracts.schema import Origin

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Load:
    """Rows of one table, not yet written.

    Every source row is accounted for: read + expanded = loaded + merged + rejected.

    Attributes:
        rows: DuckDB relation with the columns of the table's contract.
        provenance: Origin of the columns, one for all or by name.
        origin: Where the rows come from and under which terms, for the manifest.
        read: Rows of the source.
        expanded: Rows beyond the first that one source row became.
        merged: Rows that were added up with, or were equal to, another one.
        rejected: Rows left out.
        notes: What was done to the rows, one sentence each.
        explain: Called when the rows break their contract: raises an error that names their place
            in the source.
    """

    table: str
    rows: Any
    provenance: Origin | Mapping[str, Origin]
    origin: str
    read: int
    expanded: int = 0
    merged: int = 0
    rejected: int = 0
    notes: tuple[str, ...] = field(default_factory=tuple)
    explain: Callable[[], None] | None = None

    @property
    def expected(self) -> int:
        """Rows that the table must have after loading."""
        return self.read + self.expanded - self.merged - self.rejected


def connect() -> duckdb.DuckDBPyConnection:
    """An in-memory database for staging, limited so that ingest fits a small machine."""
    connection = duckdb.connect()
    connection.execute("SET memory_limit = '1GB'; SET TimeZone = 'UTC'")
    connection.execute("SET preserve_insertion_order = false; SET enable_progress_bar = false")
    return connection


def single(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    """The one number that a query answers."""
    (row,) = connection.execute(query).fetchall()  # fetchone would leave the result open
    return int(row[0] or 0)


def quoted(name: str) -> str:
    """An identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """A text literal for SQL."""
    return "'" + value.replace("'", "''") + "'"
