"""The life of any run between START and its end, whatever it executes.

A run owns its work folder while it lasts, has one row in the ledger and one life in the lineage
journal. Left by an exception it is failed, or aborted where somebody stopped it; from the moment
its report is renamed it can only be completed, by itself or by the next start.
"""

import shutil
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from workbench.errors import RunError, WorkbenchError
from workbench.folders import locked
from workbench.lineage.facts import FileVersion, JobDescription, ParentRun
from workbench.lineage.lifecycle import Journal, RunLineage, open_runs
from workbench.lineage.redaction import Redactor
from workbench.runs.claims import claim, is_claimed
from workbench.runs.context import MANIFEST_FILE, NOTEBOOK_FILE
from workbench.runs.heartbeat import heartbeat
from workbench.runs.ledger import Ledger, RunRow
from workbench.tables.versions import TableVersion
from workbench.workspace import CONFIG_FILE, Workspace

_KEPT: Final = 50
Parent = Callable[[], ParentRun | None]


def no_parent() -> None:
    """Nothing started the run."""


@dataclass
class Governed:
    """A run that has started.

    Attributes:
        row: As it stands in the ledger.
        folder: Its work folder, removed at the end.
        report: Where its report will be; once it is there, the run can only be completed.
    """

    row: RunRow
    folder: Path
    lineage: RunLineage
    report: Path | None = None


@contextmanager
def governed(
    workspace: Workspace,
    row: RunRow,
    job: JobDescription,
    *,
    parameters: Mapping[str, Any],
    inputs: Sequence[TableVersion] = (),
    files: Sequence[FileVersion] = (),
    parent: ParentRun | None = None,
    force: bool = False,
) -> Iterator[Governed]:
    """START when entered; FAIL or ABORT when left by an exception. The caller completes.

    Raises:
        RunError: The same work is under way in another process.
    """
    ledger = Ledger(workspace.ledger)
    with claim(workspace, row.run_id) as folder:
        row = _begin(workspace, ledger, row, force=force)
        lineage = run_lineage(workspace, row.run_id, job, parent)
        run = Governed(row, folder, lineage)
        start = partial(lineage.start, inputs, parameters, files=files, as_of=row.as_of)
        try:
            start()
            with heartbeat(lineage):
                yield run
        except BaseException as error:
            if run.report is None or not (run.report / MANIFEST_FILE).is_file():
                _give_up(workspace, ledger, run, error, Redactor(parameters), start)
            raise


def run_lineage(
    workspace: Workspace, run_id: str, job: JobDescription, parent: ParentRun | None = None
) -> RunLineage:
    """Lineage of a run of this workspace.

    Raises:
        LineageError: Its settings name datasets of other producers in another form.
    """
    from workbench.lineage.symlinks import load_symlinks

    return RunLineage(
        Journal(workspace.lineage),
        workspace_id=workspace.workspace_id(),
        job=job,
        run_id=run_id,
        parent=parent,
        symlinks=load_symlinks(workspace.root / CONFIG_FILE),
    )


def failed_folder(workspace: Workspace, run_id: str) -> Path:
    """Where what a failed or aborted run executed is kept for inspection."""
    return workspace.runtime / "failed" / run_id


def keep_partial(workspace: Workspace, run_id: str, executed: Path) -> Path | None:
    """Move the notebook as far as it was executed out of the work folder; None without one.

    Nothing else is kept: only notebooks are redacted before they are written. On a full disk it is
    given up: telling how the run ended comes first. The latest 50 are kept.
    """
    notebook = executed / NOTEBOOK_FILE
    if not notebook.is_file():
        return None
    kept = failed_folder(workspace, run_id)
    try:
        kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        notebook.chmod(0o600)
        notebook.rename(kept / NOTEBOOK_FILE)
    except OSError:
        return None
    for old in sorted(kept.parent.iterdir())[:-_KEPT]:  # run ids begin with their time
        shutil.rmtree(old, ignore_errors=True)
    return kept


def _begin(workspace: Workspace, ledger: Ledger, row: RunRow, *, force: bool) -> RunRow:
    """Enter the run into the ledger, with the number of its attempt.

    A forced run is a new attempt, so that its proposals are new ones; any other repeats the last.
    """
    with locked(workspace.runtime):
        same = ledger.of_skip_key(row.skip_key) if row.skip_key else []
        for other in same:
            if other.status == "running" and is_claimed(workspace, other.run_id):
                raise RunError(
                    f"{row.job}: the same run is under way as {other.run_id} since"
                    f" {other.started[:19]} UTC; wait for its end, then this one is cached."
                )
        last = max((other.attempt for other in same if other.status == "complete"), default=None)
        row = replace(row, attempt=0 if last is None else last + force)
        ledger.start(row)
    return row


def _give_up(
    workspace: Workspace,
    ledger: Ledger,
    run: Governed,
    error: BaseException,
    redactor: Redactor,
    start: Callable[[], object],
) -> None:
    stopped = isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit)
    status = "aborted" if stopped else "failed"
    message = redactor.text("interrupted" if stopped else str(error) or type(error).__name__)
    trace = getattr(error, "trace", "")
    if not isinstance(error, WorkbenchError):
        trace = "".join(traceback.format_exception(error))

    def tell() -> None:
        if not run.lineage.has_started:
            run.lineage = _from_start_on(workspace, run, start)
        if stopped:
            run.lineage.abort(message)
        else:
            run.lineage.fail(message, trace or None)

    def note() -> None:
        ledger.end(run.row.run_id, status, error=message)

    for say in (tell, note):
        try:
            say()
        except WorkbenchError:
            _make_room(workspace, run)
            with suppress(WorkbenchError):  # the next start says that the run was aborted
                say()


def _from_start_on(workspace: Workspace, run: Governed, start: Callable[[], object]) -> RunLineage:
    """The events of a run that was stopped while it wrote START: that one stands, or is written."""
    journal = Journal(workspace.lineage)
    for begun in open_runs(journal):
        if begun.run_id == run.row.run_id:
            return RunLineage.resume(journal, begun)
    start()
    return run.lineage


def _make_room(workspace: Workspace, run: Governed) -> None:
    """On a full disk, knowing how a run ended is worth more than what it executed."""
    for path in (*run.folder.glob("*/"), failed_folder(workspace, run.row.run_id)):
        shutil.rmtree(path, ignore_errors=True)
