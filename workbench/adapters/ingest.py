"""Ingest: read the described sources and write them as versioned tables.

An ingest is all or nothing: the rows of every table are staged, checked against the contract and
counted; only when all source rows of all tables are accounted for do the new versions become the
current ones. Bad rows, as far as a description allows them, are set aside in the register
`quarantine`, and the account of every load in the register `loads`; both become current with the
tables that they speak of. An ingest that fails leaves every table as it was.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import duckdb

from workbench.adapters import completejourney, registers
from workbench.adapters.loads import Load, Progress, connect
from workbench.adapters.mapping import mapped_load
from workbench.adapters.pseudonyms import ensure_pseudonym_key
from workbench.adapters.sources import (
    CompleteJourneySource,
    MappedSource,
    Source,
    Sources,
    load_sources,
)
from workbench.adapters.watermarks import joined, later, since, with_decided
from workbench.contracts import columns as c
from workbench.contracts import tables
from workbench.contracts.printable import counted
from workbench.contracts.relation_checks import literal
from workbench.errors import ContractError, SourceError, TableNotFoundError
from workbench.item_master.aliases import numbers_of
from workbench.resources import resource
from workbench.tables.queries import Recorded
from workbench.tables.store import TableStore
from workbench.tables.versions import TableVersion
from workbench.workspace import Workspace, keys_folder

Registered = Callable[[TableVersion], None]

DEMO_SOURCES = "notebooks/sources/completejourney.toml"


@dataclass(frozen=True)
class IngestResult:
    """One table as written, with the account of its source rows.

    read + expanded = left out + quarantined + merged + added + corrected + unchanged, and
    loaded = kept + added + corrected + unchanged.
    """

    version: TableVersion
    source: str
    load: Load

    @property
    def table(self) -> str:
        return self.version.table

    @property
    def loaded(self) -> int:
        """Rows of the table as written."""
        return self.version.rows

    @property
    def added(self) -> int:
        """Rows of keys that the table did not have before."""
        load = self.load
        return self.loaded - load.kept - load.corrected - load.unchanged

    def summary(self) -> str:
        """One line for people."""
        load, joins = self.load, bool(self.load.parents)
        counts = (
            (load.expanded, "more from rows that hold two"), (load.merged, "merged"),
            (load.left_out, "left out"), (load.quarantined, "quarantined"),
            (load.corrected, "corrected"), (load.unchanged, "unchanged"),
        )  # fmt: skip
        parts = [f"{load.read:,} read", *(f"{count:,} {what}" for count, what in counts if count)]
        end = f"{self.added:,} added, {self.loaded:,} now" if joins else f"{self.loaded:,} loaded"
        return f"{self.table}: {', '.join(parts)} = {end}"

    def lines(self) -> list[str]:
        """The summary, and below it what was done to the rows."""
        notes = list(self.load.notes)
        if self.load.quarantined:
            notes.append(
                f"{counted(self.load.quarantined, 'bad row')} set aside: 'workbench quarantine"
                f" {self.table}' shows {'it' if self.load.quarantined == 1 else 'them'} with"
                f" the reason{'' if self.load.quarantined == 1 else 's'}."
            )
        last = self.version.last_observed
        if last and last > self.version.created_at.date() + timedelta(days=1):
            notes.append(
                f"It has rows of days to come, up to {last}: no run sees a row before its day."
                " Correct the dates if they are slips of the pen."
            )
        return [self.summary(), *(f"  {note}" for note in notes)]


def ingest_sources(
    store: TableStore,
    description: Sources,
    *,
    key: bytes,
    currency: str | None = None,
    progress: Progress = lambda _: None,
    run_id: str | None = None,
    asked: Progress = lambda _: None,
    registered: Registered = lambda _: None,
) -> list[IngestResult]:
    """Write one version of every table that the sources fill, or of none.

    Args:
        store: Where tables go.
        description: The sources, checked.
        key: Pseudonym key for columns that identify people.
        currency: In which amounts must be, ISO 4217; any where it is not given.
        progress: Called with lines for people, as each table is written.
        run_id: Run that the versions belong to.
        asked: Called with each query of ours over files; what databases are asked, descriptions
            state.
        registered: Called with the new version of each register.

    Raises:
        SourceError: A source is missing, unreadable, empty or of the wrong shape or type, or its
            rows do not add up; amounts are in another currency; too many rows are bad.
        ContractError: Too many rows break the contract of their table.
    """
    results: list[IngestResult] = []
    staged: list[TableVersion] = []
    try:
        with registers.held(store):
            for source in description.source:
                for result in _written(store, source, description.folder, key, run_id, asked):
                    staged.append(result.version)
                    _refuse_other_currency(store, result, currency)
                    results.append(result)
                    for line in result.lines():
                        progress(line)
            kept = registers.staged(store, [_account(result) for result in results], run_id)
            store.publish_all([*(result.version for result in results), *kept])
            for version in kept:
                registered(version)
    except (ContractError, SourceError) as error:
        # Else a later load of the same rows would find them as made by this run, which failed.
        for version in staged:
            if run_id and version.run_id == run_id:
                store.discard(version)
        told = f", also not {_listed([result.table for result in results])}" if results else ""
        raise type(error)(f"{error} No table was changed{told}.") from error
    return results


def _listed(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _account(result: IngestResult) -> registers.Account:
    return registers.Account(result.version, result.source, result.load, result.added)


def _written(
    store: TableStore,
    source: Source,
    folder: Path,
    key: bytes,
    run_id: str | None,
    asked: Progress,
) -> Iterator[IngestResult]:
    """Each table of a source, staged in the store, while the source's rows are at hand."""
    with tempfile.TemporaryDirectory(prefix="workbench-ingest-") as name:
        work = Path(name)
        with _connected(work) as connection:
            if isinstance(source, CompleteJourneySource):
                told = cast(duckdb.DuckDBPyConnection, Recorded(connection, asked))
                for load in completejourney.loads(told, source, key=key):
                    yield _staged(store, load, source.name, run_id)
            else:
                load = _joined(store, connection, source, folder, work, key)
                yield _staged(store, load, source.name, run_id)


@contextmanager
def _connected(work: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = connect(work / "spill")
    try:
        yield connection
    finally:
        connection.close()


def _joined(
    store: TableStore,
    connection: duckdb.DuckDBPyConnection,
    source: MappedSource,
    folder: Path,
    work: Path,
    key: bytes,
) -> Load:
    """The load of a source; of an incremental one, joined with what the table has."""

    def lock() -> None:
        allowed = ", ".join(literal(str(path)) for path in (store.root.absolute(), work))
        connection.execute(f"SET allowed_directories = [{allowed}]")
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")

    numbers = _numbers(store, source.system)
    before = _current(store, source.table)
    if source.incremental is None:
        load = mapped_load(connection, source, folder, work, key=key, numbers=numbers, lock=lock)
        if before is None or source.table != tables.ITEM_ALIASES.name:
            return load
        return with_decided(connection, load, before)
    read_to = registers.watermark(store, before) if before else None
    start = since(source.incremental, read_to)
    load = mapped_load(
        connection, source, folder, work, key=key, since=start, numbers=numbers, lock=lock
    )
    if before is None:
        return load

    def join(found: Load) -> Load:
        retry = found.retry
        again = None if retry is None else lambda: join(retry())
        latest = later(found.watermark, read_to)
        return replace(joined(connection, found, before), retry=again, watermark=latest)

    return join(load)


def _numbers(store: TableStore, system: str) -> dict[str, str]:
    aliases = _current(store, tables.ITEM_ALIASES.name) if system else None
    return numbers_of(store.read(aliases), system) if aliases else {}


def _current(store: TableStore, table: str) -> TableVersion | None:
    try:
        return store.current(table)
    except TableNotFoundError:
        return None


def _staged(store: TableStore, load: Load, source: str, run_id: str | None) -> IngestResult:
    try:
        staged = _stage(store, load, run_id)
    except ContractError as error:
        if load.retry is None:
            # The manifest's text with the source's terms is too long for an error's place.
            raise ContractError(
                str(error).replace(f"from {load.origin}", f"from {source!r}")
            ) from error
        load = load.retry()
        staged = _stage(store, load, run_id)
    if staged.rows != load.expected:
        raise SourceError(
            f"source {source!r}, table {load.table!r}: {staged.rows:,} rows loaded, but the source"
            f" accounts for {load.expected:,}; expected the same number. Report this."
        )
    return IngestResult(staged, source, replace(load, rows=None, retry=None))


def _stage(store: TableStore, load: Load, run_id: str | None) -> TableVersion:
    # Built beside the other versions, but not current before all tables are.
    return store.stage(
        store.root,
        load.table,
        load.rows,
        provenance=load.provenance,
        source=load.origin,
        parents=load.parents,
        run_id=run_id,
    )


def _refuse_other_currency(store: TableStore, result: IngestResult, currency: str | None) -> None:
    """Amounts are added up across tables and shown in the workspace's currency, never converted."""
    version = result.version
    if currency is None or c.CURRENCY not in version.schema:
        return
    sql = f'SELECT DISTINCT {c.CURRENCY} FROM "{version.table}" ORDER BY 1'
    found = store.query(sql, versions={version.table: version})[c.CURRENCY].dropna().tolist()
    others = [code for code in found if code != currency]
    if others:
        raise SourceError(
            f"source {result.source!r}, table {version.table!r}: amounts in {others[0]}, but the"
            f" workspace counts in {currency}; expected one currency. Set currency in"
            " workbench.toml, or convert the amounts in the source."
        )


def ingest_step(
    workspace: Workspace,
    sources: Path | None = None,
    *,
    folder: Path | None = None,
    progress: Progress = lambda _: None,
    run_id: str | None = None,
    asked: Progress = lambda _: None,
    registered: Registered = lambda _: None,
) -> list[IngestResult]:
    """Ingest into a workspace; without a description, the demo's data.

    Raises:
        SourceError: See `ingest_sources`.
        ContractError: See `ingest_sources`.
        KeyFileError: The pseudonym key is unusable.
    """
    description = load_sources(sources or resource(DEMO_SOURCES), folder)
    key = ensure_pseudonym_key(keys_folder(), workspace.workspace_id())
    store = TableStore(workspace.tables)
    return ingest_sources(
        store,
        description,
        key=key,
        currency=workspace.currency,
        progress=progress,
        run_id=run_id,
        asked=asked,
        registered=registered,
    )
