"""Files that runs read and write, as datasets: those of the workspace by their path in it.

A copy of a workspace then names its own files, not those of the place it was copied from.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from workbench.adapters.source_files import SourceFile, TableSources
from workbench.contracts import tables
from workbench.lineage.facts import Feed, FileVersion
from workbench.lineage.names import namespace, workspace_file
from workbench.runs.feeds import table_feed
from workbench.tables.versions import sha256_of
from workbench.workspace import Workspace


def file_version(
    workspace: Workspace, path: Path, digest: str = "", kind: str | None = None
) -> FileVersion:
    """A file as it is now; with its SHA-256 where that is known already."""
    found = FileVersion(path, digest or sha256_of(path), path.stat().st_size, kind)
    whole = path.resolve()
    if not whole.is_relative_to(workspace.root):
        return found
    name = workspace_file(whole.relative_to(workspace.root).as_posix())
    return FileVersion(
        path, found.digest, found.size, kind, namespace(workspace.workspace_id()), name
    )


def source_versions(workspace: Workspace, files: Iterable[SourceFile]) -> list[FileVersion]:
    """Files that an ingest reads; one that several sources read once, of packages by package."""
    known = {(file.path, file.database): _version(workspace, file) for file in files}
    return list(known.values())


def source_feeds(
    workspace: Workspace, sources: Mapping[str, TableSources], stated: FileVersion
) -> dict[str, Feed]:
    """What each table of an ingest was made from; the description of the sources steers all.

    The registers, which tell of all tables, are made from all files.
    """
    feeds = {table: _feed(workspace, found, stated) for table, found in sources.items()}
    files = {(file.path, file.name): file for feed in feeds.values() for file in feed.files}
    whole = Feed(files=list(files.values()), settings=[stated])
    return {**feeds, **{register.name: whole for register in (tables.LOADS, tables.QUARANTINE)}}


def _feed(workspace: Workspace, found: TableSources, stated: FileVersion) -> Feed:
    files = [_version(workspace, file) for file in found.files]
    if found.made_from is None:
        return Feed(files=files, settings=[stated])
    feed = table_feed(found.made_from, tables=(), files=files)
    return replace(feed, files=files, settings=[stated])


def _version(workspace: Workspace, file: SourceFile) -> FileVersion:
    if file.database:
        return FileVersion(file.path, "", 0, None, *file.database)
    version = file_version(workspace, file.path, file.digest, file.format)
    if not file.package:
        return version
    space, name = f"pkg:pypi/{file.package}", f"data/{file.path.name}"
    return FileVersion(file.path, file.digest, file.size, file.format, space, name)


def file_notes(files: Iterable[FileVersion]) -> dict[str, str]:
    """Name, SHA-256 and size of files, for the ledger."""
    return {
        _label(file): f"sha256 {file.digest}, {file.size:,} bytes" if file.digest else "a database"
        for file in files
    }


def _label(file: FileVersion) -> str:
    if file.namespace.startswith(("pkg:", "postgres:")):
        return f"{file.namespace}/{file.name}"
    return file.name or file.path.absolute().as_posix()
