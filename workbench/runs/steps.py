"""Steps of the library that are not notebooks, governed the same way: ledger, skip key, lineage."""

import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workbench.lineage.facts import Feed, FileVersion, Found, JobDescription
from workbench.runs.facts import Facts
from workbench.runs.feeds import table_feed
from workbench.runs.files import file_notes, file_version, source_feeds, source_versions
from workbench.runs.governed import Parent, governed, no_parent
from workbench.runs.ledger import Ledger, RunRow
from workbench.runs.outputs import still_there
from workbench.runs.recover import recover
from workbench.runs.run import RunResult
from workbench.runs.skip import skip_key
from workbench.tables.store import TableStore
from workbench.tables.versions import TableVersion
from workbench.workspace import Workspace


@dataclass(frozen=True)
class Step:
    """A function that writes table versions.

    Attributes:
        name: Of the job.
        does: What it is for, in a sentence.
        function: Called with the pinned inputs and the run id; returns the versions it wrote.
        reads: Tables that it reads.
        parameters: What it depends on besides.
        fingerprint: Digest of sources that are not tables.
        files: Files that it reads.
        feeds: By the name of a table that it writes, what that is made from; default: everything.
        source: Module of its code.
        queries: SQL that the function asked of DuckDB, filled as it runs.
        registers: Tables about its outputs that it wrote too, filled as it runs: on record in
            lineage, and never put back where a later run is `cached`.
    """

    name: str
    does: str
    function: Callable[[Mapping[str, TableVersion], str], Sequence[TableVersion]]
    reads: Sequence[str] = ()
    parameters: Mapping[str, Any] | None = None
    fingerprint: str = ""
    files: Sequence[FileVersion] = ()
    feeds: Mapping[str, Feed] = field(default_factory=dict)
    source: Path | None = None
    queries: list[str] = field(default_factory=list)
    registers: list[TableVersion] = field(default_factory=list)


def governed_step(
    workspace: Workspace, step: Step, *, force: bool = False, parent: Parent = no_parent
) -> RunResult:
    """Run a step, or report `cached` when nothing that it depends on has changed.

    Raises:
        WorkbenchError: The step failed; lineage and ledger say so.
    """
    began = time.monotonic()
    recover(workspace)
    store, ledger = TableStore(workspace.tables), Ledger(workspace.ledger)
    inputs = {table: _given(store, ledger, step.name, table) for table in step.reads}
    parameters = dict(step.parameters or {})
    key = skip_key(
        step.name, parameters=parameters, as_of="", inputs=inputs,
        extra={"sources": step.fingerprint},
    )  # fmt: skip
    done = ledger.completed(key)
    if done and not force and still_there(workspace, store, done):
        return RunResult(step.name, done.run_id, "cached", None, "", time.monotonic() - began, 0)
    row = step_row(step.name, key, parameters, inputs, files=step.files)
    job = JobDescription(step.name, kind="step", documentation=step.does, source=step.source)
    with governed(
        workspace, row, job,
        parameters=parameters, inputs=list(inputs.values()), files=step.files, parent=parent(),
        force=force,
    ) as run:  # fmt: skip
        outputs = list(step.function(inputs, row.run_id))
        written = [*outputs, *step.registers]
        replaced = {version.table for version in written if store.has_others(version)}
        found = Found(replaced=replaced, queries=step.queries)
        run.lineage.complete(written, feeds=step.feeds, found=found)
        ledger.end(row.run_id, "complete", outputs={v.table: v.version for v in outputs})
    return RunResult(step.name, row.run_id, "complete", None, "", time.monotonic() - began, 0)


def _given(store: TableStore, ledger: Ledger, job: str, table: str) -> TableVersion:
    """The version that a step works from: never one that it wrote itself.

    The twin adds its distribution centre to `locations`; run again, it starts from the locations
    that it was given the first time, unless somebody else has written new ones.
    """
    current = store.current(table)
    if current.run_id:
        wrote = ledger.find(current.run_id)
        if wrote and wrote.job == job and table in wrote.inputs:
            return store.version(table, wrote.inputs[table])
    return current


def step_row(
    name: str,
    key: str,
    parameters: Mapping[str, Any],
    inputs: Mapping[str, TableVersion],
    kind: str = "step",
    files: Sequence[FileVersion] = (),
) -> RunRow:
    """Ledger row of a run that is not a notebook's."""
    from openlineage.client.uuid import generate_new_uuid

    return RunRow(
        run_id=str(generate_new_uuid()),
        job=name,
        kind=kind,
        as_of=None,
        skip_key=key,
        attempt=0,
        status="running",
        pid=os.getpid(),
        started=datetime.now(UTC).isoformat(),
        ended=None,
        parameters=parameters,
        inputs={**{table: v.version for table, v in inputs.items()}, **file_notes(files)},
        outputs={},
        report=None,
        error=None,
    )


def ingest_step(
    workspace: Workspace, sources: Path, *, say: Callable[[str], None], folder: Path | None = None
) -> Step:
    """Ingest the described sources; `folder` is where their paths begin, if elsewhere."""
    from workbench.adapters import ingest as module
    from workbench.adapters.ingest import ingest_step as ingest
    from workbench.adapters.source_files import (
        fingerprints,
        incremental_tables,
        query_digests,
        source_files,
        table_sources,
    )
    from workbench.adapters.sources import load_sources

    description = load_sources(sources, folder)
    files = source_files(description)
    joined = _current_digests(workspace, incremental_tables(description))
    stated = file_version(workspace, sources, kind="toml")
    asked, registers = Facts(), list[TableVersion]()

    def run(inputs: Mapping[str, TableVersion], run_id: str) -> list[TableVersion]:
        results = ingest(
            workspace, sources, folder=folder, progress=say, run_id=run_id, asked=asked.note_query,
            registered=registers.append,
        )  # fmt: skip
        return [result.version for result in results]

    return Step(
        name=_ingest_job(sources),
        does="Reads described sources and writes them as versioned tables.",
        function=run,
        parameters=query_digests(description),
        fingerprint=json.dumps(
            [stated.digest, fingerprints(description, files), *joined], sort_keys=True
        ),
        files=[stated, *source_versions(workspace, files)],
        feeds=source_feeds(workspace, table_sources(description, files), stated),
        source=Path(module.__file__),
        queries=asked.queries,
        registers=registers,
    )


def _current_digests(workspace: Workspace, tables: Sequence[str]) -> list[dict[str, str]]:
    """What tables hold that a load adds to: the same files again may mean something else then."""
    store = TableStore(workspace.tables)
    known = set(store.tables())
    found = {table: store.current(table).digest for table in tables if table in known}
    return [found] if found else []


def _ingest_job(sources: Path) -> str:
    """Job name of an ingest: that of its description, or of the folder where that is SOURCES."""
    generic = sources.stem.lower() == "sources"
    name = sources.resolve().parent.name if generic else sources.stem
    return f"ingest-{re.sub(r'[^A-Za-z0-9._-]+', '-', name).strip('-') or 'sources'}"


def twin_step(workspace: Workspace) -> Step:
    """Simulate the supply side that the data does not hold."""
    from workbench.inventory import twin, twin_columns
    from workbench.inventory.config import TwinConfig

    store, config = TableStore(workspace.tables), TwinConfig()

    def run(inputs: Mapping[str, TableVersion], run_id: str) -> list[TableVersion]:
        sales, items, locations = (store.read(inputs[table]) for table in twin.READS)
        frames = twin.simulated_tables(sales, items, locations, config)
        staged = [
            store.stage(
                store.root, table, frame, provenance=twin.provenance(table),
                source="digital twin, simulated from observed sales",
                parents=list(inputs.values()), run_id=run_id,
            )
            for table, frame in frames.items()
        ]  # fmt: skip
        return store.publish_all(staged)

    return Step(
        name="simulate-supply",
        does="Simulates suppliers, stock, purchase orders and receipts behind the observed sales.",
        function=run,
        reads=twin.READS,
        parameters=config.model_dump(),
        feeds={
            table: table_feed(twin_columns.COLUMNS[table], tables=read)
            for table, read in twin.MADE_FROM.items()
        },
        source=Path(twin.__file__),
    )
