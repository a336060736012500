"""What notebooks and steps of a workspace declare to read and write, before any run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from workbench.adapters.sources import load_sources, tables_of
from workbench.inventory import twin, twin_columns
from workbench.lineage.facts import Feed, JobDescription
from workbench.lineage.journal import Journal
from workbench.lineage.names import namespace
from workbench.runs.feeds import stated, table_feed
from workbench.runs.notebooks import all_notebooks, in_order
from workbench.runs.parameters import declared
from workbench.workspace import CONFIG_FILE, Workspace


@dataclass(frozen=True)
class DeclaredJob:
    """A job with the tables that it reads, where they exist too, and writes.

    Attributes:
        feeds: By the name of a written table, what its columns are made from.
    """

    description: JobDescription
    reads: Sequence[str]
    writes: Sequence[str]
    feeds: Mapping[str, Feed] = field(default_factory=dict)


def declared_jobs(workspace: Workspace) -> list[DeclaredJob]:
    """Ingests, the simulated supply side, then notebooks, writers before readers.

    Raises:
        WorkbenchError: A description of sources or a notebook's declaration is malformed.
    """
    ingests = [
        DeclaredJob(
            JobDescription(f"ingest-{path.stem}", kind="step"),
            (),
            [table for source in load_sources(path).source for table in tables_of(source)],
        )
        for path in sorted((workspace.notebooks / "sources").glob("*.toml"))
    ]
    supply = DeclaredJob(
        JobDescription("simulate-supply", kind="step"), twin.READS, twin.WRITES,
        {
            table: table_feed(twin_columns.COLUMNS[table], tables=read)
            for table, read in twin.MADE_FROM.items()
        },
    )  # fmt: skip
    notebooks = [
        DeclaredJob(
            JobDescription(
                one.name, documentation=one.title, source=one.path, owner=one.owner or None
            ),
            (*one.reads, *one.reads_if_present),
            one.writes,
            {
                table: table_feed(statement)
                for table, statement in stated(
                    one.made_from, read=(*one.reads, *one.reads_if_present)
                ).items()
            },
        )
        for one in in_order([declared(path) for path in all_notebooks(workspace)])
    ]
    return [*ingests, supply, *notebooks]


def static_events(workspace: Workspace) -> Iterator[Mapping[str, Any]]:
    """A dataset event for each table, then a job event for each job.

    Raises:
        WorkbenchError: A description of sources, a notebook's declaration or the names that other
            producers give our tables are malformed.
    """
    from workbench.lineage.static import dataset_event, job_event
    from workbench.lineage.symlinks import load_symlinks, with_symlinks

    space, now = namespace(workspace.workspace_id()), datetime.now(UTC)
    known = load_symlinks(workspace.root / CONFIG_FILE)
    jobs = declared_jobs(workspace)
    for table in sorted({table for job in jobs for table in (*job.reads, *job.writes)}):
        yield with_symlinks(dataset_event(space, table, moment=now), space, known)
    for job in jobs:
        writes = {table: job.feeds.get(table) for table in job.writes}
        event = job_event(space, job.description, reads=job.reads, writes=writes, moment=now)
        yield with_symlinks(event, space, known)


def record_static(workspace: Workspace) -> tuple[int, int]:
    """Put what is declared into the journal, so far as it has changed since it was last there.

    Returns:
        Events that were appended, and those that the journal had already.

    Raises:
        WorkbenchError: As for `static_events`, then nothing is appended; or the journal cannot be
            written.
    """
    from workbench.lineage.static import unrecorded

    journal, events = Journal(workspace.lineage), list(static_events(workspace))
    new = list(unrecorded(journal, events))
    for event in new:
        journal.append(event)
    return len(new), len(events) - len(new)
