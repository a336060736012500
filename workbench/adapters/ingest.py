"""Ingest: read the described sources and write them as versioned tables.

An ingest is all or nothing: the rows of every table are staged, checked against the contract and
counted; only when all source rows of all tables are accounted for do the new versions become the
current ones. An ingest that fails leaves every table as it was.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import duckdb

from workbench.adapters import completejourney, completejourney_columns
from workbench.adapters.files import matching
from workbench.adapters.loads import Load, Progress, connect
from workbench.adapters.mapping import made_from, mapped_load
from workbench.adapters.pseudonyms import ensure_pseudonym_key
from workbench.adapters.sources import (
    CompleteJourneySource,
    QuerySource,
    Source,
    Sources,
    load_sources,
    tables_of,
)
from workbench.contracts import columns as c
from workbench.contracts.made_from import MadeFrom
from workbench.errors import ContractError, SourceError
from workbench.resources import resource
from workbench.tables.queries import Recorded
from workbench.tables.store import TableStore
from workbench.tables.versions import TableVersion, sha256_of
from workbench.workspace import Workspace, keys_folder

DEMO_SOURCES = "notebooks/sources/completejourney.toml"


@dataclass(frozen=True)
class IngestResult:
    """One table as written, with the account of its source rows.

    read + expanded = loaded + merged + rejected.
    """

    version: TableVersion
    source: str
    read: int
    expanded: int
    merged: int
    rejected: int
    loaded: int
    notes: tuple[str, ...]

    @property
    def table(self) -> str:
        return self.version.table

    def summary(self) -> str:
        """One line for people."""
        parts = [f"{self.read:,} read"]
        parts += [f"{self.expanded:,} more from rows that hold two"] if self.expanded else []
        parts += [f"{self.merged:,} merged"] if self.merged else []
        parts += [f"{self.rejected:,} rejected"] if self.rejected else []
        return f"{self.table}: {', '.join(parts)} = {self.loaded:,} loaded"

    def lines(self) -> list[str]:
        """The summary, and below it what was done to the rows."""
        return [self.summary(), *(f"  {note}" for note in self.notes)]


def ingest_sources(
    store: TableStore,
    description: Sources,
    *,
    key: bytes,
    currency: str | None = None,
    progress: Progress = lambda _: None,
    run_id: str | None = None,
    asked: Progress = lambda _: None,
) -> list[IngestResult]:
    """Write one version of every table that the sources fill, or of none.

    Args:
        store: Where tables go.
        description: The sources, checked.
        key: Pseudonym key for columns that identify people.
        currency: In which amounts must be, ISO 4217; any where it is not given.
        progress: Called with lines for people, as each table is written.
        run_id: Run that the versions belong to.
        asked: Called with each query over files; what databases are asked, their sources state.

    Raises:
        SourceError: A source is missing, unreadable, empty or of the wrong shape or type, or its
            rows do not add up; amounts are in another currency.
        ContractError: Rows break the contract of their table.
    """
    results: list[IngestResult] = []
    try:
        with connect() as connection:
            for source in description.source:
                told = cast(duckdb.DuckDBPyConnection, Recorded(connection, asked))
                of_files = not isinstance(source, QuerySource)  # else it may name credentials
                by = told if of_files else connection
                for load in _loads(by, source, description.folder, key):
                    results.append(_staged(store, load, source.name, run_id))
                    _refuse_other_currency(store, results[-1], currency)
                    for line in results[-1].lines():
                        progress(line)
    except (ContractError, SourceError) as error:
        raise type(error)(f"{error} No table was changed.") from error
    store.publish_all([result.version for result in results])
    return results


def _loads(
    connection: duckdb.DuckDBPyConnection, source: Source, folder: Path, key: bytes
) -> Iterator[Load]:
    if isinstance(source, CompleteJourneySource):
        yield from completejourney.loads(connection, source, key=key)
    else:
        yield mapped_load(connection, source, folder, key=key)


def _staged(store: TableStore, load: Load, source: str, run_id: str | None) -> IngestResult:
    try:
        # Built beside the other versions, but not current before all tables are.
        staged = store.stage(
            store.root,
            load.table,
            load.rows,
            provenance=load.provenance,
            source=load.origin,
            run_id=run_id,
        )
    except ContractError as error:
        if load.explain is not None:
            load.explain()
        # The manifest's text with the source's terms is too long for an error's place.
        raise ContractError(
            str(error).replace(f"from {load.origin}", f"from {source!r}")
        ) from error
    if staged.rows != load.expected:
        raise SourceError(
            f"source {source!r}, table {load.table!r}: {staged.rows:,} rows loaded, but the source"
            f" accounts for {load.expected:,}; expected the same number. Report this."
        )
    return IngestResult(
        staged,
        source,
        load.read,
        load.expanded,
        load.merged,
        load.rejected,
        staged.rows,
        load.notes,
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


def source_fingerprint(description: Sources) -> str:
    """SHA-256 of a description and of everything that it reads; where it lies does not matter."""
    stated = description.model_dump_json(exclude={"folder"})
    read = json.dumps(fingerprints(description), sort_keys=True)
    return hashlib.sha256(f"{stated}\n{read}".encode()).hexdigest()


@dataclass(frozen=True)
class SourceFile:
    """A file that an ingest reads.

    Attributes:
        source: Name of the source.
        digest: SHA-256 of its bytes, in hex.
        package: Name and version of the Python package that it belongs to.
    """

    source: str
    path: Path
    digest: str
    size: int
    format: str
    package: str = ""


def source_files(description: Sources) -> list[SourceFile]:
    """Every file that the sources read, hashed in pieces, in the order of the description.

    Raises:
        SourceError: A file is missing.
    """
    return [
        SourceFile(
            source.name,
            path,
            sha256_of(path),
            path.stat().st_size,
            "parquet" if isinstance(source, CompleteJourneySource) else source.kind,
            completejourney.package() if isinstance(source, CompleteJourneySource) else "",
        )
        for source in description.source
        for path in _files_of(source, description.folder)
    ]


@dataclass(frozen=True)
class TableSources:
    """What one table is made from.

    Attributes:
        files: Files that hold its rows.
        made_from: Its columns; files by their name without ending. None where the columns are not
            known one by one.
    """

    files: tuple[SourceFile, ...]
    made_from: MadeFrom | None


def table_sources(description: Sources, files: list[SourceFile]) -> dict[str, TableSources]:
    """Files, and columns where a description maps them, behind each table of the sources."""
    found = {}
    for source in description.source:
        own = tuple(file for file in files if file.source == source.name)
        for table in tables_of(source):
            if isinstance(source, CompleteJourneySource):
                stems = completejourney.MADE_FROM[table]
                held = tuple(file for file in own if file.path.stem in stems)
                found[table] = TableSources(held, completejourney_columns.MADE_FROM[table])
            else:  # what a query answers are no columns of a file
                mapped = None if isinstance(source, QuerySource) else made_from(source)
                found[table] = TableSources(own, mapped)
    return found


def query_digests(description: Sources) -> dict[str, str]:
    """SHA-256 of the query of each source that is one."""
    return {
        f"query of {source.name}": hashlib.sha256(source.query.encode()).hexdigest()
        for source in description.source
        if isinstance(source, QuerySource)
    }


def fingerprints(description: Sources, files: list[SourceFile] | None = None) -> dict[str, str]:
    """SHA-256 of what each source reads, by the source's name: equal bytes give equal tables.

    Raises:
        SourceError: A file is missing.
    """
    digests = {source.name: hashlib.sha256() for source in description.source}
    for file in source_files(description) if files is None else files:
        digests[file.source].update(bytes.fromhex(file.digest))
    return {name: digest.hexdigest() for name, digest in digests.items()}


def _files_of(source: Source, folder: Path) -> list[Path]:
    if isinstance(source, CompleteJourneySource):
        return completejourney.data_files()
    found = matching(folder, source.path, source.name)
    if not isinstance(source, QuerySource):
        return found
    ending = "-wal" if source.kind == "sqlite" else ".wal"
    written_ahead = found[0].with_name(found[0].name + ending)  # rows not in the file itself yet
    return [path for path in (found[0], written_ahead) if path.is_file()]


def ingest_step(
    workspace: Workspace,
    sources: Path | None = None,
    *,
    progress: Progress = lambda _: None,
    run_id: str | None = None,
    asked: Progress = lambda _: None,
) -> list[IngestResult]:
    """Ingest into a workspace; without a description, the demo's data.

    Raises:
        SourceError: See `ingest_sources`.
        ContractError: See `ingest_sources`.
        KeyFileError: The pseudonym key is unusable.
    """
    description = load_sources(sources or resource(DEMO_SOURCES))
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
    )
