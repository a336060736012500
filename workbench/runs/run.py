"""Governed runs of notebooks: from a name to a report that is complete or absent."""

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from workbench.errors import RunError, WorkbenchError
from workbench.lineage.facts import JobDescription, ParentRun
from workbench.lineage.lifecycle import Journal, RunLineage
from workbench.runs import parameters as declarations
from workbench.runs.context import (
    FACTS_FILE,
    NOTEBOOK_FILE,
    REPORT_FILE,
    Context,
)
from workbench.runs.facts import Facts
from workbench.runs.inputs import business_date, pin_inputs
from workbench.runs.ledger import Ledger, RunRow
from workbench.runs.outputs import still_there
from workbench.runs.parameters import Declaration
from workbench.runs.publish import finish, move_into_reports, point_latest, write_manifest
from workbench.runs.recover import recover
from workbench.runs.skip import models_digest, skip_key
from workbench.tables.store import TableStore
from workbench.tables.versions import TableVersion
from workbench.workspace import Workspace

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        status: `complete` or `cached`.
        report: Folder of the report; None for steps that are not notebooks.
        decisions: Entries added to the decision log.
    """

    job: str
    run_id: str
    status: str
    report: Path | None
    headline: str
    seconds: float
    decisions: int


@dataclass(frozen=True)
class _Plan:
    """A run that is about to start."""

    declaration: Declaration
    parameters: Mapping[str, Any]
    inputs: Mapping[str, TableVersion]
    context: Context
    folder: Path


def run_notebook(
    workspace: Workspace,
    notebook: Path | str,
    *,
    parameters: Mapping[str, Any] | None = None,
    as_of: date | None = None,
    force: bool = False,
    workers: int = 1,
    parent: ParentRun | None = None,
    progress: Progress = lambda cell, cells: None,
    step: Callable[[str], None] = lambda name: None,
) -> RunResult:
    """Run one notebook, or report that nothing changed since it was run.

    Args:
        workspace: Where it runs.
        notebook: Path, or name under `notebooks/`.
        parameters: Overrides of its parameters.
        as_of: Business date; default: the last date observed in its inputs.
        force: Run even if unchanged.
        workers: How many runs share this machine's cores.
        parent: What started this run.
        progress: Called as each cell starts.
        step: Called before each part of publishing; tests stop there.

    Raises:
        ParameterError: Before any kernel, for an unknown, mistyped or out-of-range parameter.
        RunError: The notebook failed; nothing is left under `reports/`.
    """
    began = time.monotonic()
    recover(workspace)
    declaration = declarations.declared(find_notebook(workspace, notebook))
    values = declarations.resolved(declaration, parameters or {})
    store = TableStore(workspace.tables)
    inputs = pin_inputs(store, declaration.name, declaration.reads, declaration.reads_if_present)
    day = as_of or business_date(store, inputs)
    key = skip_key(
        declaration.name,
        parameters=values,
        as_of=day.isoformat(),
        inputs=inputs,
        notebook=declaration.path,
        extra={"edge_models": models_digest(workspace.edge_models)},
    )
    ledger = Ledger(workspace.ledger)
    done = ledger.completed(key)
    if done and not force and still_there(workspace, store, done):
        point_latest(workspace.root / str(done.report))
        return _result(workspace, done, "cached", time.monotonic() - began, 0)
    plan = _plan(workspace, declaration, values, inputs, day, key, ledger.attempts(key))
    return _execute(workspace, plan, began, workers, parent, progress, step)


def find_notebook(workspace: Workspace, notebook: Path | str) -> Path:
    """Path of a notebook given by path or by name."""
    for candidate in (
        Path(notebook),
        workspace.notebooks / notebook,
        workspace.notebooks / f"{notebook}.ipynb",
    ):
        if candidate.is_file():
            return candidate.resolve()
    known = ", ".join(p.stem for p in all_notebooks(workspace)) or "none"
    raise RunError(f"{notebook}: no such notebook; expected a path or one of {known}.")


def all_notebooks(workspace: Workspace) -> list[Path]:
    """Numbered notebooks of the workspace, by number."""
    return sorted(workspace.notebooks.glob("[0-9][0-9]-*.ipynb"))


def _plan(
    workspace: Workspace,
    declaration: Declaration,
    values: Mapping[str, Any],
    inputs: Mapping[str, TableVersion],
    day: date,
    key: str,
    attempt: int,
) -> _Plan:
    from openlineage.client.uuid import generate_new_uuid

    run_id = str(generate_new_uuid())
    folder = workspace.runtime / run_id / "report"
    context = Context(
        run_id=run_id,
        notebook=declaration.name,
        as_of=day.isoformat(),
        folder=str(folder),
        workspace=str(workspace.root),
        inputs={table: version.version for table, version in inputs.items()},
        writes=declaration.writes,
        skip_key=key,
        attempt=attempt,
    )
    return _Plan(declaration, values, inputs, context, folder)


def run_lineage(
    workspace: Workspace, run_id: str, job: JobDescription, parent: ParentRun | None = None
) -> RunLineage:
    """Lineage of a run of this workspace."""
    return RunLineage(
        Journal(workspace.lineage),
        workspace_id=workspace.workspace_id(),
        job=job,
        run_id=run_id,
        parent=parent,
    )


def _execute(
    workspace: Workspace,
    plan: _Plan,
    began: float,
    workers: int,
    parent: ParentRun | None,
    progress: Progress,
    step: Callable[[str], None],
) -> RunResult:
    context, ledger = plan.context, Ledger(workspace.ledger)
    ledger.start(_row(plan))
    declaration = plan.declaration
    job = JobDescription(context.notebook, documentation=declaration.title, source=declaration.path)
    lineage = run_lineage(workspace, context.run_id, job, parent)
    inputs = list(plan.inputs.values())
    lineage.start(inputs, plan.parameters, as_of=context.day)
    try:
        _run_kernel(workspace, plan, workers, progress)
        report = workspace.reports / context.notebook / context.as_of / context.run_id
        _render(plan, began)
        step("rename")
        move_into_reports(plan.folder, report)
    except KeyboardInterrupt:
        _give_up(workspace, plan, lineage, "ABORT", "interrupted")
        raise
    except (WorkbenchError, OSError) as error:
        failure = _sentence(plan, error)
        _give_up(workspace, plan, lineage, "FAIL", str(failure), getattr(error, "trace", ""))
        raise failure from error
    appended = finish(workspace, report, context, lineage=lineage, inputs=plan.inputs, step=step)
    shutil.rmtree(plan.folder.parent, ignore_errors=True)
    row = ledger.get(context.run_id)
    seconds = time.monotonic() - began
    return _result(workspace, row, "complete", seconds, appended.new if appended else 0)


def _run_kernel(workspace: Workspace, plan: _Plan, workers: int, progress: Progress) -> None:
    from workbench.runs.execute import execute

    plan.folder.mkdir(parents=True)
    context_file = plan.folder.parent / "context.json"
    plan.context.save(context_file)
    execute(
        plan.declaration.path,
        plan.folder / NOTEBOOK_FILE,
        parameters=plan.parameters,
        context=context_file,
        threads=max(1, (os.cpu_count() or 1) // workers),
        progress=progress,
    )


def _render(plan: _Plan, began: float) -> None:
    from workbench.dashboards.report_html import Banner, render

    facts = Facts.load(plan.folder / FACTS_FILE)
    banner = Banner(
        what=plan.declaration.title,
        as_of=plan.context.day,
        run_id=plan.context.run_id,
        headline=facts.headline,
        simulated=tuple(facts.simulated),
        inputs={table: version.digest for table, version in plan.inputs.items()},
    )
    render(
        plan.folder / NOTEBOOK_FILE, plan.folder / REPORT_FILE,
        title=plan.declaration.title, banner=banner,
    )  # fmt: skip
    write_manifest(
        plan.folder,
        plan.context,
        facts,
        title=plan.declaration.title,
        parameters=plan.parameters,
        inputs=plan.inputs,
        seconds=time.monotonic() - began,
    )


def _give_up(
    workspace: Workspace,
    plan: _Plan,
    lineage: RunLineage,
    state: str,
    message: str,
    trace: str = "",
) -> None:
    """Keep what was executed for inspection; say in lineage and ledger how it ended."""
    kept = workspace.runtime / "failed" / plan.context.run_id
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(plan.folder / "staged", ignore_errors=True)
    try:
        plan.folder.parent.rename(kept)
    except OSError:  # a full disk must not hide the first error
        shutil.rmtree(plan.folder.parent, ignore_errors=True)
    if state == "ABORT":
        lineage.abort(message)
    else:
        lineage.fail(message, trace or None)
    status = {"ABORT": "aborted", "FAIL": "failed"}[state]
    Ledger(workspace.ledger).end(plan.context.run_id, status, error=message)


def _sentence(plan: _Plan, error: Exception) -> WorkbenchError:
    if isinstance(error, WorkbenchError):
        return error
    return RunError(
        f"{plan.declaration.name}: {getattr(error, 'strerror', None) or error} while the report was"
        " written; nothing is half-written, mend that and run again."
    )


def _row(plan: _Plan) -> RunRow:
    context = plan.context
    return RunRow(
        run_id=context.run_id,
        job=context.notebook,
        kind="notebook",
        as_of=context.day,
        skip_key=context.skip_key,
        attempt=context.attempt,
        status="running",
        pid=os.getpid(),
        started=datetime.now(UTC).isoformat(),
        ended=None,
        parameters=plan.parameters,
        inputs=context.inputs,
        outputs={},
        report=None,
        error=None,
    )


def _result(
    workspace: Workspace, row: RunRow, status: str, seconds: float, decisions: int
) -> RunResult:
    report = workspace.root / row.report if row.report else None
    headline = ""
    if report:
        manifest = json.loads((report / "run.json").read_text(encoding="utf-8"))
        headline = manifest["headline"]
    return RunResult(row.job, row.run_id, status, report, headline, seconds, decisions)


def in_order(notebooks: Sequence[Declaration]) -> list[Declaration]:
    """Writers before readers, otherwise as given.

    Raises:
        RunError: Notebooks wait for each other in a circle.
    """
    waiting, ordered = list(notebooks), []
    while waiting:
        for notebook in waiting:
            others = [other for other in waiting if other is not notebook]
            wanted = {*notebook.reads, *notebook.reads_if_present}
            if not any(set(other.writes) & wanted for other in others):
                break
        else:
            names = ", ".join(n.name for n in waiting)
            raise RunError(f"notebooks {names}: each reads what another writes; break the circle.")
        waiting.remove(notebook)
        ordered.append(notebook)
    return ordered
