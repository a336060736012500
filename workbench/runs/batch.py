"""Several notebooks in the order that their reads and writes give, under one parent run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Final

from workbench.errors import ConfigError, ParameterError, RunError
from workbench.lineage.facts import JobDescription, ParentRun
from workbench.runs import parameters as declarations
from workbench.runs.execute import NotebookError
from workbench.runs.governed import Governed, Parent, governed
from workbench.runs.inputs import MissingInputError
from workbench.runs.ledger import Ledger
from workbench.runs.notebooks import find_notebook, in_order
from workbench.runs.parameters import Declaration
from workbench.runs.progress import Watch, no_progress
from workbench.runs.run import RunResult, run_notebook
from workbench.runs.steps import step_row
from workbench.workspace import Workspace

_NO_KEY: Final = ""


def run_notebooks(
    workspace: Workspace,
    notebooks: Sequence[Path | str],
    *,
    parameters: Mapping[str, Any] | None = None,
    as_of: date | None = None,
    force: bool = False,
    cluster: str = "",
    watch: Watch = no_progress,
    ended: Callable[[RunResult], None] = lambda result: None,
) -> list[RunResult]:
    """Run notebooks, writers of a table before its readers.

    Where one fails, those that read what it writes are left out and the others still run. What is
    no fault of a notebook, such as a log that refuses, stops the rest.

    A parameter goes to every notebook that has it. All parameters of all notebooks are checked
    before the first kernel starts.

    Args:
        workspace: Where they run.
        notebooks: Paths, or names under `notebooks/`.
        parameters: Overrides.
        as_of: Business date; default: for each the last date observed in its inputs.
        force: Run even if unchanged.
        cluster: Address of a scheduler whose workers compute, for the notebooks that can use them.
        watch: Makes the progress of a notebook, by its name.
        ended: Told each result.

    Raises:
        ParameterError: A parameter is known to none of the notebooks, mistyped or out of range.
        ConfigError: The cluster cannot be used, or no notebook uses one.
        RunError: A notebook failed, told when all others have ended; or they wait for each other
            in a circle.
    """
    given = dict(parameters or {})
    found = [declarations.declared(find_notebook(workspace, notebook)) for notebook in notebooks]
    ordered = in_order(list({declaration.path: declaration for declaration in found}.values()))
    own = {declaration.path: _own(declaration, given, ordered) for declaration in ordered}
    for declaration in ordered:
        declarations.resolved(declaration, own[declaration.path])
    if cluster:
        _check_cluster(cluster, ordered)
    results: list[RunResult] = []
    failures = _Failures()
    names = [declaration.name for declaration in ordered]
    with parent_run(workspace, "run", names) as parent:
        for declaration in ordered:
            if failures.leave_out(declaration):
                continue
            try:
                with watch(declaration.name) as progress:
                    result = run_notebook(
                        workspace, declaration.path, parameters=own[declaration.path], as_of=as_of,
                        force=force, cluster=cluster, parent=parent, progress=progress,
                    )  # fmt: skip
            except (NotebookError, MissingInputError) as error:
                failures.add(declaration, error)
                continue
            ended(result)
            results.append(result)
        failures.tell()
    return results


def _check_cluster(address: str, ordered: Sequence[Declaration]) -> None:
    """Refuse a cluster that cannot help before the first kernel starts."""
    from workbench.runs.cluster import check

    if not any(declaration.cluster for declaration in ordered):
        names = ", ".join(declaration.name for declaration in ordered)
        raise ConfigError(
            f"--cluster {address}: {names} can do nothing with it; expected a notebook whose"
            ' metadata says "cluster": true, such as 10-forecast-demand: leave --cluster out.'
        )
    check(address)


class _Failures:
    """What failed, and what was left out because of it."""

    def __init__(self) -> None:
        self._errors: list[RunError] = []
        self._left_out: list[str] = []
        self._unwritten: set[str] = set()

    def add(self, declaration: Declaration, error: RunError) -> None:
        self._errors.append(error)
        self._unwritten.update(declaration.writes)

    def leave_out(self, declaration: Declaration) -> bool:
        """Whether a notebook reads what was to be written anew and was not."""
        waits = not self._unwritten.isdisjoint((*declaration.reads, *declaration.reads_if_present))
        if waits:
            self._left_out.append(declaration.name)
            self._unwritten.update(declaration.writes)
        return waits

    def tell(self) -> None:
        """Raise the failures as one, the first as it was where nothing else has to be said."""
        if not self._errors:
            return
        if len(self._errors) == 1 and not self._left_out:
            raise self._errors[0]
        text = " ".join(str(error) for error in self._errors)
        if self._left_out:
            text += (
                f" Left out, because they read what was not written: {', '.join(self._left_out)}."
            )
        raise RunError(text) from self._errors[0]


def _own(
    declaration: Declaration, given: Mapping[str, Any], ordered: Sequence[Declaration]
) -> dict[str, Any]:
    """The given parameters that this notebook has; of a single notebook all, so that it refuses."""
    if len(ordered) == 1:
        return dict(given)
    known = {name for other in ordered for name in other.config.model_fields}
    unknown = sorted(set(given) - known)
    if unknown:
        raise ParameterError(
            f"parameter {unknown[0]!r}: unknown to all {len(ordered)} notebooks; expected one of"
            f" {', '.join(sorted(known))}."
        )
    return {name: value for name, value in given.items() if name in declaration.config.model_fields}


@contextmanager
def parent_run(workspace: Workspace, job: str, names: Sequence[str]) -> Iterator[Parent]:
    """A run that the runs of several steps have as parent; it starts when the first of them does.

    Where all is cached, or there is only one step, there is none.
    """
    started: list[Governed] = []
    with ExitStack() as stack:

        def parent() -> ParentRun | None:
            if len(names) < 2:
                return None
            if not started:
                row = step_row(job, _NO_KEY, {"steps": list(names)}, {}, kind="batch")
                does = JobDescription(
                    job, kind="step", documentation="Runs several steps in order."
                )
                life = governed(workspace, row, does, parameters=row.parameters)
                started.append(stack.enter_context(life))
            return ParentRun(job, started[0].row.run_id)

        yield parent
        for run in started:
            run.lineage.complete()
            Ledger(workspace.ledger).end(run.row.run_id, "complete")
