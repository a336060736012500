"""What an adapter hands to ingest: one table's rows and where each source row went."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from workbench.contracts.relation_checks import literal
from workbench.contracts.schema import Origin
from workbench.tables.versions import TableVersion

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Load:
    """Rows of one table, not yet written.

    Every source row is accounted for: read + expanded = loaded + merged + left out + quarantined.

    Attributes:
        rows: DuckDB relation with the columns of the table's contract.
        provenance: Origin of the columns, one for all or by name.
        origin: Where the rows come from and under which terms, for the manifest.
        read: Rows of the source.
        expanded: Rows beyond the first that one source row became.
        merged: Rows that were added up with, or were equal to, another one.
        left_out: Rows that the description of the source leaves out.
        quarantined: Bad rows, set aside with the reason.
        notes: What was done to the rows, one sentence each.
        retry: Called when the rows break their contract: the same without the bad rows, or an
            error that names their place in the source.
        bad_rows: Relation of the quarantined rows, in the columns of the table `quarantine`.
        incremental: Whether the rows join those of the table's current version.
        kept: Rows of the version before that stay.
        added: New rows, where some were there before.
        corrected: Rows that take the place of one with other values.
        unchanged: Rows that were there already.
        parents: Versions that rows come from.
        watermark: How far an incremental source has been read, as text.
    """

    table: str
    rows: Any
    provenance: Origin | Mapping[str, Origin]
    origin: str
    read: int
    expanded: int = 0
    merged: int = 0
    left_out: int = 0
    quarantined: int = 0
    notes: tuple[str, ...] = field(default_factory=tuple)
    retry: "Callable[[], Load] | None" = None
    bad_rows: Any = None
    incremental: bool = False
    kept: int = 0
    added: int = 0
    corrected: int = 0
    unchanged: int = 0
    parents: tuple[TableVersion, ...] = ()
    watermark: str | None = None

    @property
    def expected(self) -> int:
        """Rows that the table must have after loading."""
        new = self.read + self.expanded - self.merged - self.left_out - self.quarantined
        return self.kept + new


def connect(spill: Path | None = None) -> duckdb.DuckDBPyConnection:
    """An in-memory database for staging, limited so that ingest fits a small machine.

    Args:
        spill: Folder for what does not fit into memory.
    """
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    if spill is not None:
        connection.execute(f"SET temp_directory = {literal(str(spill))}")
    connection.execute("SET memory_limit = '1GB'; SET TimeZone = 'UTC'")
    connection.execute("SET preserve_insertion_order = false; SET enable_progress_bar = false")
    return connection


def single(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    """The one number that a query answers."""
    (row,) = connection.execute(query).fetchall()  # fetchone would leave the result open
    return int(row[0] or 0)
