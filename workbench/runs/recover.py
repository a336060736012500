"""What a crash left: runs that were renamed are finished, others aborted."""

import shutil
from pathlib import Path
from typing import Final

from workbench.folders import locked
from workbench.lineage.facts import JobDescription
from workbench.lineage.lifecycle import Journal, OpenRun, RunLineage, open_runs
from workbench.lineage.open_runs import has_ended
from workbench.runs.claims import claimed_folders, is_claimed, work_folder
from workbench.runs.context import MANIFEST_FILE, Context
from workbench.runs.governed import keep_partial, run_lineage
from workbench.runs.ledger import Ledger, RunRow
from workbench.runs.manifest import read_manifest
from workbench.runs.publish import finish
from workbench.tables.store import TableStore
from workbench.workspace import Workspace

_DEAD: Final = "the process that ran it ended"


def recover(workspace: Workspace) -> list[str]:
    """Finish or abort runs of dead processes; returns a line per run for people.

    Raises:
        WorkbenchError: A run cannot be finished yet, for example because the log is locked.
    """
    ledger = Ledger(workspace.ledger)
    if not ledger.running() and not any(claimed_folders(workspace)):
        return []  # a START always follows its row in the ledger
    with locked(workspace.runtime):
        dead = [row for row in ledger.running() if not is_claimed(workspace, row.run_id)]
        journal = Journal(workspace.lineage)
        unfinished = {run.run_id: run for run in open_runs(journal)} if dead else {}
        lines = [_settle(workspace, ledger, row, unfinished.get(row.run_id)) for row in dead]
        for folder in claimed_folders(workspace):
            if not is_claimed(workspace, folder.name):
                shutil.rmtree(folder, ignore_errors=True)
    return lines


def _settle(workspace: Workspace, ledger: Ledger, row: RunRow, unfinished: OpenRun | None) -> str:
    lineage = RunLineage.resume(Journal(workspace.lineage), unfinished) if unfinished else None
    day = row.as_of.isoformat() if row.as_of else ""
    report = workspace.reports / row.job / day / row.run_id
    if row.kind == "notebook" and (report / MANIFEST_FILE).is_file():
        _finish(workspace, row, report, lineage)
        return f"{row.job}: run {row.run_id} was cut off while publishing; it is finished now."
    _abort(workspace, row, lineage)
    keep_partial(workspace, row.run_id, work_folder(workspace, row.run_id) / "report")
    ledger.end(row.run_id, "aborted", error=_DEAD)
    return f"{row.job}: run {row.run_id} was cut off; it is marked aborted."


def _abort(workspace: Workspace, row: RunRow, lineage: RunLineage | None) -> None:
    """End a run's events, also where its process died before the first of them."""
    if lineage is None:
        if has_ended(Journal(workspace.lineage), row.run_id, None):
            return
        job = JobDescription(row.job, kind="notebook" if row.kind == "notebook" else "step")
        lineage = run_lineage(workspace, row.run_id, job)
        lineage.start(as_of=row.as_of)
    lineage.abort(_DEAD)


def _finish(workspace: Workspace, row: RunRow, report: Path, lineage: RunLineage | None) -> None:
    store = TableStore(workspace.tables)
    inputs = {table: store.version(table, name) for table, name in row.inputs.items()}
    manifest = read_manifest(report)
    context = Context(
        run_id=row.run_id,
        notebook=row.job,
        as_of=manifest["as_of"],
        folder=str(report),
        workspace=str(workspace.root),
        inputs=row.inputs,
        writes=tuple(manifest["outputs"]),
        skip_key=row.skip_key,
        attempt=row.attempt,
    )
    finish(workspace, report, context, lineage=lineage, inputs=inputs)
