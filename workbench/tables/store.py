"""The table store: immutable versions of the canonical tables under one folder.

    <root>/<table>/<version>/part-*.parquet   rows in key order
                             leaves.bin       hash of each block of 4,096 rows
                             manifest.json    digest, provenance, parents, files
    <root>/<table>/current                    name of the version in force

A version is built in a hidden folder, made durable and renamed; `current` is replaced last. So a
reader sees a whole version or none, and a failed or killed writer leaves what was there before.
The format of the digest is in `docs/table-digest.md`.
"""

import contextlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import pandas as pd

from workbench.contracts import tables as contracts
from workbench.contracts.schema import Origin
from workbench.errors import TableError, TableNotFoundError
from workbench.folders import (
    locked,
    replace_durably,
    work_folder,
)
from workbench.tables import evidence, reading, watching
from workbench.tables.build import Facts, build_version
from workbench.tables.evidence import RowProof
from workbench.tables.placement import linked, settled, writing
from workbench.tables.staging import Rows
from workbench.tables.versions import TableVersion, check_files, contract_of, open_version

CURRENT: Final = "current"
_MEMORY_MEGABYTES: Final = 1_200


def _now() -> datetime:
    return datetime.now(UTC)


class TableStore:
    """Versions of tables below one folder; several processes may use it at the same time."""

    def __init__(
        self,
        root: Path,
        *,
        now: Callable[[], datetime] = _now,
        memory_megabytes: int = _MEMORY_MEGABYTES,
    ) -> None:
        """Use the store at `root`, which is made at the first write.

        Args:
            root: Folder of all tables.
            now: Clock, UTC.
            memory_megabytes: What DuckDB may hold in memory before it spills to disk.
        """
        self.root = root
        self._now = now
        self._memory = memory_megabytes
        self._checked: set[tuple[Path, int, int]] = set()

    # --- write ------------------------------------------------------------------------------

    def write(
        self,
        table: str,
        rows: Rows,
        *,
        provenance: Origin | Mapping[str, Origin],
        source: str,
        parents: Sequence[TableVersion] = (),
        run_id: str | None = None,
        allow_empty: bool = False,
    ) -> TableVersion:
        """Check, sort, digest and store rows as a version, and make it the current one.

        The same rows with the same provenance are the same version, whenever they are written.

        Args:
            table: Name of a canonical table.
            rows: A pandas frame, an Arrow table or reader, or a DuckDB relation, in any order;
                columns that may be empty can be left out.
            provenance: Origin of all columns, or of each.
            source: Where the rows come from, for people.
            parents: Versions that the rows were made from.
            run_id: Run that wrote them.
            allow_empty: Whether no rows at all are in order; tables of runs may always be empty.

        Raises:
            ContractError: The rows break the table's contract.
            TableError: The rows cannot be read, or the version cannot be written.
        """
        facts = Facts(provenance, source, parents, run_id, self._now(), allow_empty)
        version = self._publish(self._build(self.root, table, rows, facts))
        watching.tell_published([version])
        return version

    def stage(
        self,
        folder: Path,
        table: str,
        rows: Rows,
        *,
        provenance: Origin | Mapping[str, Origin],
        source: str,
        parents: Sequence[TableVersion] = (),
        run_id: str | None = None,
        allow_empty: bool = False,
    ) -> TableVersion:
        """Write a version below `folder` without publishing it; otherwise as `write`."""
        facts = Facts(provenance, source, parents, run_id, self._now(), allow_empty)
        version = self._build(folder, table, rows, facts)
        watching.tell_staged(version)
        return version

    def discard(self, staged: TableVersion) -> None:
        """Remove a version that was staged here and never became current."""
        home = self.root / staged.table
        with locked(home):
            if self._pointer(staged.table) != f"{staged.version}\n".encode():
                shutil.rmtree(home / staged.version, ignore_errors=True)

    def publish(self, staged: TableVersion) -> TableVersion:
        """Bring a staged version into the store and make it current; repeating changes nothing.

        Raises:
            TableError: A staged file is missing or altered, or the store cannot be written.
        """
        check_files(staged)
        version = self._publish(staged)
        watching.tell_published([version])
        return version

    def publish_all(self, staged: Sequence[TableVersion]) -> list[TableVersion]:
        """Publish versions of several tables: all of them, or after an error none.

        Every version is checked and lies in the store before the first becomes current; if one
        cannot, those before it are current again as they were.

        Raises:
            TableError: As `publish`.
        """
        for version in staged:
            check_files(version)
        before = {v.table: self._pointer(v.table) for v in staged}
        try:
            published = [self._publish(version) for version in staged]
        except BaseException:
            for table, name in before.items():
                with contextlib.suppress(OSError):
                    self._restore(table, name)
            raise
        watching.tell_published(published)
        return published

    def _pointer(self, table: str) -> bytes | None:
        path = self.root / table / CURRENT
        return path.read_bytes() if path.is_file() else None

    def _restore(self, table: str, name: bytes | None) -> None:
        home = self.root / table
        with locked(home):
            if name is None:
                (home / CURRENT).unlink(missing_ok=True)
            elif self._pointer(table) != name:
                replace_durably(home / CURRENT, name)

    def _build(self, root: Path, table: str, rows: Rows, facts: Facts) -> TableVersion:
        home = root / contracts.contract(table).name
        with writing(home), work_folder(home) as work:
            version = build_version(work, table, rows, facts, memory_megabytes=self._memory)
            return settled(version, home)

    def _publish(self, version: TableVersion) -> TableVersion:
        home = self.root / version.table
        with writing(home):
            if version.path.parent != home:
                version = linked(version, home)
            with locked(home):
                replace_durably(home / CURRENT, f"{version.version}\n".encode())
        return version

    # --- find -------------------------------------------------------------------------------

    def current(self, table: str) -> TableVersion:
        """The version of a table that is in force.

        Raises:
            TableNotFoundError: The table was never written here.
            TableError: The version in force is damaged.
        """
        contracts.contract(table)
        pointer = self.root / table / CURRENT
        try:
            name = pointer.read_text(encoding="utf-8").strip()
        except FileNotFoundError as error:
            raise TableNotFoundError(
                f"{self.root}: no version of table {table!r} yet; expected one. Run the ingest or"
                " the notebook that writes it."
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise TableError(f"{pointer}: cannot be read ({error}).") from error
        return self.version(table, name)

    def version(self, table: str, version: str) -> TableVersion:
        """One version of a table by name.

        Raises:
            TableNotFoundError: There is no such version.
            TableError: It is damaged.
        """
        contracts.contract(table)
        folder = self.root / table / version
        if not version or Path(version).name != version or not folder.is_dir():
            known = ", ".join(self._version_names(table)[:5]) or "none"
            raise TableNotFoundError(
                f"{self.root / table}: no version {version!r}, found {known}; expected a folder of"
                " that name. Restore it from a backup, or write the table again."
            )
        return open_version(folder)

    def versions(self, table: str) -> list[TableVersion]:
        """Every version of a table, oldest first."""
        found = [self.version(table, name) for name in self._version_names(table)]
        return sorted(found, key=lambda version: (version.created_at, version.version))

    def has_others(self, version: TableVersion) -> bool:
        """Whether the table has versions besides this one."""
        return any(name != version.version for name in self._version_names(version.table))

    def tables(self) -> list[str]:
        """Names of the tables that have a current version."""
        return sorted(path.parent.name for path in self.root.glob(f"*/{CURRENT}"))

    def _version_names(self, table: str) -> list[str]:
        folders = (self.root / table).glob("*/manifest.json")
        return sorted(p.parent.name for p in folders if not p.parent.name.startswith("."))

    # --- read -------------------------------------------------------------------------------

    def read(
        self,
        table: str | TableVersion,
        *,
        columns: Sequence[str] | None = None,
        as_of: date | None = None,
        where: str | None = None,
    ) -> pd.DataFrame:
        """Rows of a version, or of a table's current one, in key order.

        Args:
            table: Name or version.
            columns: Which columns, in this order; all by default.
            as_of: Leave out what became known after this day.
            where: SQL condition over the table's columns.

        Raises:
            TableError: A column or the condition is wrong, or a file is damaged.
        """
        version = self._opened(table)
        contract = contract_of(version)
        chosen = ", ".join(f'"{name}"' for name in columns or contract.names)
        reading.select(version, columns=columns)  # refuses unknown names before anything is read
        condition = f" WHERE ({where})" if where else ""
        watching.tell_read([version])
        with self._connected([version], as_of) as connection:
            sql = f'SELECT {chosen} FROM "{version.table}"{condition}'
            return reading.to_frame(reading.fetch(connection, sql), contract)

    def query(
        self,
        sql: str,
        *,
        versions: Mapping[str, TableVersion] | None = None,
        as_of: date | None = None,
        parameters: Sequence[Any] | Mapping[str, Any] | None = None,
        beside: Mapping[str, pd.DataFrame] | None = None,
    ) -> pd.DataFrame:
        """Result of a DuckDB query over views named as tables; see `connect`.

        Args:
            sql: The query.
            versions: As for `connect`.
            as_of: As for `connect`.
            parameters: Values for places in the query.
            beside: Further relations, by the name that the query uses.
        """
        pinned = self._pinned(versions)
        if watching.is_watched():
            named = reading.named_tables(sql)
            watching.tell_read(v for v in pinned if named is None or v.table in named)
        with self._connected(pinned, as_of) as connection:
            for name, frame in (beside or {}).items():
                connection.register(name, frame)
            return reading.to_frame(reading.fetch(connection, sql, parameters=parameters))

    def connect(
        self, *, versions: Mapping[str, TableVersion] | None = None, as_of: date | None = None
    ) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection with a view per table, for the caller to close.

        Args:
            versions: Table name to version; only these are visible. All current ones by default.
            as_of: Leave out what became known after this day.
        """
        pinned = self._pinned(versions)
        watching.tell_read(pinned)
        return self._connected(pinned, as_of)

    def _pinned(self, versions: Mapping[str, TableVersion] | None) -> list[TableVersion]:
        if versions is None:
            return [self.current(table) for table in self.tables()]
        return [self._opened(version) for version in versions.values()]

    def _connected(
        self, pinned: Sequence[TableVersion], as_of: date | None
    ) -> duckdb.DuckDBPyConnection:
        return reading.connect(pinned, as_of=as_of, memory_megabytes=self._memory)

    def _opened(self, table: str | TableVersion) -> TableVersion:
        version = self.current(table) if isinstance(table, str) else open_version(table.path)
        self._check_once(version)
        return version

    def _check_once(self, version: TableVersion) -> None:
        """Compare checksums at the first use, and again where a file's size or time changed."""
        stats = [(path, path.stat()) for path in version.data_paths]
        seen = {(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats}
        if not seen <= self._checked:
            check_files(version)
            self._checked |= seen

    # --- evidence ---------------------------------------------------------------------------

    def verify_version(self, version: TableVersion) -> None:
        """Recompute checksums and digests from the files.

        Raises:
            TableError: Naming what differs from what was written.
        """
        evidence.verify_version(open_version(version.path), memory_megabytes=self._memory)

    def locate(self, version: TableVersion, by: Sequence[str]) -> pd.DataFrame:
        """Row ranges of each group; see `evidence.locate`."""
        return evidence.locate(self._opened(version), by, memory_megabytes=self._memory)

    def row_proof(self, version: TableVersion, row: int) -> RowProof:
        """Proof that a row is in a version; see `evidence.row_proof`."""
        return evidence.row_proof(open_version(version.path), row)
