"""What sources read: files with their digests, for skip keys and lineage."""

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from workbench.adapters import completejourney, completejourney_columns
from workbench.adapters.files import matching, no_access
from workbench.adapters.mapping import made_from
from workbench.adapters.postgres import database_of
from workbench.adapters.sources import (
    CompleteJourneySource,
    PostgresSource,
    QuerySource,
    Source,
    Sources,
    tables_of,
)
from workbench.contracts.made_from import MadeFrom
from workbench.contracts.tables import ITEM_ALIASES
from workbench.tables.versions import sha256_of


@dataclass(frozen=True)
class SourceFile:
    """A file that an ingest reads.

    Attributes:
        source: Name of the source.
        digest: SHA-256 of its bytes, in hex.
        package: Name and version of the Python package that it belongs to.
        database: Of what is no file but a server's: namespace and name as in OpenLineage.
    """

    source: str
    path: Path
    digest: str
    size: int
    format: str
    package: str = ""
    database: tuple[str, str] | None = None


def source_files(description: Sources) -> list[SourceFile]:
    """Every file that the sources read, hashed in pieces, in the order of the description.

    Raises:
        SourceError: A file is missing.
    """
    databases = [
        SourceFile(source.name, Path(), "", 0, source.kind, database=database_of(source))
        for source in description.source
        if isinstance(source, PostgresSource)
    ]
    return databases + [
        SourceFile(
            source.name,
            path,
            _digest(path),
            path.stat().st_size,
            "parquet" if isinstance(source, CompleteJourneySource) else source.kind,
            completejourney.package() if isinstance(source, CompleteJourneySource) else "",
        )
        for source in description.source
        for path in _files_of(source, description.folder)
    ]


def _digest(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise no_access(path, error) from error


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
                mapped = None if source.query else made_from(source)
                found[table] = TableSources(own, mapped)
    return found


def query_digests(description: Sources) -> dict[str, str]:
    """SHA-256 of the query of each source that is one."""
    return {
        f"query of {source.name}": hashlib.sha256(source.query.encode()).hexdigest()
        for source in description.source
        if not isinstance(source, CompleteJourneySource) and source.query
    }


def fingerprints(description: Sources, files: list[SourceFile] | None = None) -> dict[str, str]:
    """SHA-256 of what each source reads, by the source's name: equal bytes give equal tables.

    Raises:
        SourceError: A file is missing.
    """
    digests = {source.name: hashlib.sha256() for source in description.source}
    for file in source_files(description) if files is None else files:
        digests[file.source].update(bytes.fromhex(file.digest))
    for source in description.source:
        if isinstance(source, PostgresSource):  # what a server holds has no digest: always read
            digests[source.name].update(secrets.token_bytes(16))
    return {name: digest.hexdigest() for name, digest in digests.items()}


def _files_of(source: Source, folder: Path) -> list[Path]:
    if isinstance(source, CompleteJourneySource):
        return completejourney.data_files()
    if isinstance(source, PostgresSource):
        return []
    found = matching(folder, source.path, source.name)
    if not isinstance(source, QuerySource):
        others = [matching(folder, other.path, source.name) for other in source.also.values()]
        return list(dict.fromkeys([*found, *(path for paths in others for path in paths)]))
    ending = "-wal" if source.kind == "sqlite" else ".wal"
    written_ahead = found[0].with_name(found[0].name + ending)  # rows not in the file itself yet
    return [path for path in (found[0], written_ahead) if path.is_file()]


def incremental_tables(description: Sources) -> list[str]:
    """Tables that a load depends on: those to which it adds rows, and the aliases of items."""
    found: list[str] = []
    for source in description.source:
        if not isinstance(source, CompleteJourneySource):
            aliases = source.system or source.table == ITEM_ALIASES.name
            found += [source.table] if source.incremental else []
            found += [ITEM_ALIASES.name] if aliases else []
    return list(dict.fromkeys(found))
