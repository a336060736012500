"""Governed runs of notebooks: from a name to a report that is complete or absent."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from workbench.contracts.made_from import MadeFrom
from workbench.errors import RunError, WorkbenchError
from workbench.lineage.facts import JobDescription
from workbench.lineage.redaction import Redactor
from workbench.readiness.checks import CHECKS_FOLDER
from workbench.runs import parameters as declarations
from workbench.runs.context import FACTS_FILE, NOTEBOOK_FILE, REPORT_FILE, Context
from workbench.runs.decisions import stage_records
from workbench.runs.facts import Facts
from workbench.runs.feeds import stated
from workbench.runs.governed import Governed, Parent, governed, keep_partial, no_parent
from workbench.runs.inputs import business_date, check_business_date, pin_inputs
from workbench.runs.ledger import Ledger, RunRow
from workbench.runs.manifest import read_manifest, write_manifest
from workbench.runs.notebooks import find_notebook, with_folders
from workbench.runs.outputs import still_there
from workbench.runs.parameters import Declaration
from workbench.runs.progress import Progress
from workbench.runs.publish import finish, move_into_reports, point_latest
from workbench.runs.recover import recover
from workbench.runs.secrets import redact_artefacts, without_secrets
from workbench.runs.skip import config_digest, models_digest, readiness_digest, skip_key
from workbench.tables.store import TableStore
from workbench.tables.versions import TableVersion
from workbench.workspace import Workspace


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
    """What a run would rest on."""

    declaration: Declaration
    parameters: Mapping[str, Any]
    inputs: Mapping[str, TableVersion]
    day: date
    key: str
    cluster: str


@dataclass(frozen=True)
class _Manner:
    """How a run is executed; none of this changes its result."""

    force: bool
    threads: int
    parent: Parent
    progress: Progress
    step: Callable[[str], None]


def run_notebook(
    workspace: Workspace,
    notebook: Path | str,
    *,
    parameters: Mapping[str, Any] | None = None,
    as_of: date | None = None,
    force: bool = False,
    workers: int = 1,
    cluster: str = "",
    parent: Parent = no_parent,
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
        cluster: Address of a scheduler whose workers compute, where the notebook can use them.
        parent: Called where something is run, for the run that started this one.
        progress: Called as each cell starts.
        step: Called before each part of publishing; tests stop there.

    Raises:
        ParameterError: Before any kernel, for an unknown, mistyped or out-of-range parameter.
        RunError: The notebook failed, and nothing is left under `reports/`; or its report is whole
            but cannot be published yet.
    """
    began = time.monotonic()
    recover(workspace)
    declaration = declarations.declared(find_notebook(workspace, notebook))
    values = declarations.resolved(declaration, parameters or {})
    values = with_folders(workspace, declaration, values)
    plan = _plan(workspace, declaration, values, as_of, cluster if declaration.cluster else "")
    done = Ledger(workspace.ledger).completed(plan.key)
    if done and not force and still_there(workspace, TableStore(workspace.tables), done):
        point_latest(workspace.root / str(done.report))
        return _result(workspace, done, "cached", began, 0)
    threads = max(1, len(os.sched_getaffinity(0)) // workers)
    return _execute(workspace, plan, began, _Manner(force, threads, parent, progress, step))


def _plan(
    workspace: Workspace,
    declaration: Declaration,
    values: Mapping[str, Any],
    as_of: date | None,
    cluster: str,
) -> _Plan:
    store = TableStore(workspace.tables)
    inputs = pin_inputs(store, declaration.name, declaration.reads, declaration.reads_if_present)
    if as_of is not None:
        needed = {table: inputs[table] for table in declaration.reads}
        check_business_date(store, declaration.name, as_of, needed)
    day = as_of or business_date(store, inputs)
    key = skip_key(
        declaration.name,
        parameters=values,
        as_of=day.isoformat(),
        inputs=inputs,
        notebook=declaration.path,
        extra={
            "edge_models": models_digest(workspace.edge_models),
            "config": config_digest(declaration.config),
            "readiness": readiness_digest(workspace.root / CHECKS_FOLDER, declaration.config),
            # A model trained by several sums in another order; which workers they are is no matter.
            **({"cluster": "yes"} if cluster else {}),
        },
    )
    return _Plan(declaration, values, inputs, day, key, cluster)


def _execute(workspace: Workspace, plan: _Plan, began: float, manner: _Manner) -> RunResult:
    declaration = plan.declaration
    job = JobDescription(
        declaration.name, documentation=declaration.title, source=declaration.path,
        owner=declaration.owner or None,
    )  # fmt: skip
    with governed(
        workspace, _row(plan), job, parameters=plan.parameters,
        inputs=list(plan.inputs.values()), parent=manner.parent(), force=manner.force,
    ) as run:  # fmt: skip
        context = _context(workspace, plan, run, manner.threads)
        folder = Path(context.folder)
        run.report = workspace.reports / declaration.name / context.as_of / context.run_id
        try:
            _run_kernel(plan, context, run, manner)
            _prepare(workspace, plan, context, run)
            manner.step("rename")
            move_into_reports(folder, run.report)
        except (WorkbenchError, OSError) as error:
            failure = _failure(workspace, plan, run, error)
            raise failure from None  # the cause would tell what the failure leaves out
        except BaseException:
            keep_partial(workspace, context.run_id, folder)
            raise
        decisions = _publish(workspace, plan, context, run, manner)
    row = Ledger(workspace.ledger).get(context.run_id)
    return _result(workspace, row, "complete", began, decisions)


def _context(workspace: Workspace, plan: _Plan, run: Governed, threads: int) -> Context:
    return Context(
        run_id=run.row.run_id,
        notebook=plan.declaration.name,
        as_of=plan.day.isoformat(),
        folder=str(run.folder / "report"),
        workspace=str(workspace.root),
        inputs={table: version.version for table, version in plan.inputs.items()},
        writes=plan.declaration.writes,
        skip_key=plan.key,
        attempt=run.row.attempt,
        threads=threads,
        cluster=plan.cluster,
    )


def _run_kernel(plan: _Plan, context: Context, run: Governed, manner: _Manner) -> None:
    from workbench.runs.execute import execute

    folder = Path(context.folder)
    folder.mkdir()
    context_file = run.folder / "context.json"
    context.save(context_file)
    execute(
        plan.declaration.path,
        folder / NOTEBOOK_FILE,
        parameters=plan.parameters,
        context=context_file,
        threads=manner.threads,
        progress=manner.progress,
    )


def _prepare(workspace: Workspace, plan: _Plan, context: Context, run: Governed) -> None:
    """Everything that the report and its publication consist of, while it may still fail."""
    from workbench.dashboards.report_html import Banner, render

    folder, title = Path(context.folder), plan.declaration.title
    facts = _checked_facts(plan, folder)
    banner = Banner(
        what=title,
        as_of=context.day,
        run_id=context.run_id,
        headline=facts.headline,
        simulated=tuple(facts.simulated),
        inputs={table: version.digest for table, version in plan.inputs.items()},
    )
    render(folder / NOTEBOOK_FILE, folder / REPORT_FILE, title=title, banner=banner)
    stage_records(workspace, folder, context, facts, plan.inputs)
    redact_artefacts(folder, plan.parameters)
    write_manifest(
        folder, context, facts, title=title, parameters=plan.parameters, inputs=plan.inputs,
        started=run.row.started,
    )  # fmt: skip


def _checked_facts(plan: _Plan, folder: Path) -> Facts:
    """What the kernel told; what it must not decide is put right or refused.

    Raises:
        RunError: It staged a table that the notebook does not declare.
    """
    kernel = Facts.load(folder / FACTS_FILE)
    facts = Facts(**without_secrets(asdict(kernel), Redactor(plan.parameters)))
    undeclared = sorted(set(facts.tables) - set(plan.declaration.writes))
    if undeclared:
        raise RunError(
            f"{plan.declaration.name}: wrote table {undeclared[0]!r} without declaring it; add it"
            " to 'writes' in the notebook's metadata."
        )
    inherited = {table for table, version in plan.inputs.items() if version.rests_on_simulated}
    facts.simulated = sorted({*facts.simulated, *inherited})
    if facts.headline and facts.simulated and "simulated" not in facts.headline.lower():
        facts.headline += " (partly simulated)"
    facts.made_from = _made_from(plan, facts)
    facts.save(folder / FACTS_FILE)
    return facts


def _made_from(plan: _Plan, facts: Facts) -> dict[str, dict[str, Any]]:
    """What the notebook states of the tables it wrote, with what only its kernel could know."""
    found = {}
    for table, statement in stated(plan.declaration.made_from, read=plan.inputs).items():
        told = facts.made_from.get(table)
        if told is not None:
            statement = statement.joined(MadeFrom.from_json(told).only(plan.inputs))
        if table in facts.tables:
            found[table] = statement.to_json()
    return found


def _publish(
    workspace: Workspace, plan: _Plan, context: Context, run: Governed, manner: _Manner
) -> int:
    assert run.report is not None
    try:
        appended = finish(
            workspace, run.report, context,
            lineage=run.lineage, inputs=plan.inputs, step=manner.step,
        )  # fmt: skip
    except (WorkbenchError, OSError) as error:
        text = (
            f"{plan.declaration.name}: {error} The report is whole in {run.report}, the next run"
            " publishes it."
        )
        raise RunError(Redactor(plan.parameters).text(text)) from error
    return appended.new if appended else 0


def _failure(workspace: Workspace, plan: _Plan, run: Governed, error: Exception) -> WorkbenchError:
    """The error as a sentence that says where to look."""
    redactor = Redactor(plan.parameters)
    text = redactor.text(str(error))
    if isinstance(error, OSError):
        text = (
            f"{plan.declaration.name}: {error.strerror or error} while the report was written;"
            " nothing is half-written, mend that and run again."
        )
    kept = keep_partial(workspace, run.row.run_id, run.folder / "report")
    if kept and (kept / NOTEBOOK_FILE).is_file():
        text += f" What was executed is in {kept / NOTEBOOK_FILE}."
    failure = type(error)(text) if isinstance(error, WorkbenchError) else RunError(text)
    if trace := getattr(error, "trace", ""):
        failure.trace = redactor.text(trace)  # type: ignore[attr-defined]
    return failure


def _row(plan: _Plan) -> RunRow:
    from openlineage.client.uuid import generate_new_uuid

    return RunRow(
        run_id=str(generate_new_uuid()),
        job=plan.declaration.name,
        kind="notebook",
        as_of=plan.day,
        skip_key=plan.key,
        attempt=0,
        status="running",
        pid=os.getpid(),
        started=datetime.now(UTC).isoformat(),
        ended=None,
        parameters=plan.parameters,
        inputs={table: version.version for table, version in plan.inputs.items()},
        outputs={},
        report=None,
        error=None,
    )


def _result(
    workspace: Workspace, row: RunRow, status: str, began: float, decisions: int
) -> RunResult:
    report = workspace.root / row.report if row.report else None
    headline = ""
    if report:
        headline = read_manifest(report)["headline"]
    seconds = time.monotonic() - began
    return RunResult(row.job, row.run_id, status, report, headline, seconds, decisions)
