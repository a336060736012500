"""What a crash left: runs that were renamed are finished, others aborted."""

import json
import os
import shutil
from pathlib import Path

from workbench.errors import LineageError
from workbench.lineage.lifecycle import Journal, OpenRun, RunLineage, open_runs
from workbench.runs.context import MANIFEST_FILE, Context
from workbench.runs.ledger import Ledger, RunRow
from workbench.runs.publish import finish
from workbench.tables.store import TableStore
from workbench.workspace import Workspace


def recover(workspace: Workspace) -> list[str]:
    """Finish or abort runs of dead processes; returns a line per run for people."""
    ledger = Ledger(workspace.ledger)
    dead = [row for row in ledger.running() if not _alive(row.pid)]
    if not dead:
        return []  # a START always follows its row in the ledger
    unfinished = {run.run_id: run for run in open_runs(Journal(workspace.lineage))}
    return [_settle(workspace, ledger, row, unfinished.get(row.run_id)) for row in dead]


def _settle(workspace: Workspace, ledger: Ledger, row: RunRow, unfinished: OpenRun | None) -> str:
    lineage = RunLineage.resume(Journal(workspace.lineage), unfinished) if unfinished else None
    day = row.as_of.isoformat() if row.as_of else ""
    report = workspace.reports / row.job / day / row.run_id
    folder = workspace.runtime / row.run_id
    if row.kind == "notebook" and (report / MANIFEST_FILE).is_file():
        _finish(workspace, row, report, lineage)
        shutil.rmtree(folder, ignore_errors=True)
        return f"{row.job}: run {row.run_id[:13]} was cut off while publishing; it is finished now."
    if lineage:
        lineage.abort("the process that ran it ended")
    _keep_partial(workspace, folder, row.run_id)
    ledger.end(row.run_id, "aborted", error="the process that ran it ended")
    return f"{row.job}: run {row.run_id[:13]} was cut off; it is marked aborted."


def _finish(workspace: Workspace, row: RunRow, report: Path, lineage: RunLineage | None) -> None:
    store = TableStore(workspace.tables)
    inputs = {table: store.version(table, name) for table, name in row.inputs.items()}
    manifest = json.loads((report / MANIFEST_FILE).read_text(encoding="utf-8"))
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
    if lineage:
        finish(workspace, report, context, lineage=lineage, inputs=inputs)
        return
    outputs = {table: facts["version"] for table, facts in manifest["outputs"].items()}
    where = report.relative_to(workspace.root).as_posix()
    Ledger(workspace.ledger).end(row.run_id, "complete", outputs=outputs, report=where)


def _keep_partial(workspace: Workspace, folder: Path, run_id: str) -> None:
    if not folder.exists():
        return
    kept = workspace.runtime / "failed" / run_id
    kept.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.rename(kept)
    except OSError as error:
        raise LineageError(f"{folder}: cannot be moved aside ({error.strerror}).") from error


def _alive(pid: int) -> bool:
    if pid == os.getpid():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
