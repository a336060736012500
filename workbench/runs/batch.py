"""Several notebooks in the order that their reads and writes give, under one parent run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from workbench.errors import ParameterError
from workbench.lineage.facts import JobDescription, ParentRun
from workbench.runs import parameters as declarations
from workbench.runs.governed import governed
from workbench.runs.ledger import Ledger
from workbench.runs.parameters import Declaration
from workbench.runs.run import Progress, RunResult, find_notebook, in_order, run_notebook
from workbench.runs.steps import step_row
from workbench.workspace import Workspace

_NO_KEY: Final = ""


@dataclass(frozen=True)
class Listener:
    """What a caller wants to hear while notebooks run.

    Attributes:
        started: Called with the notebook's name before it runs; returns its progress callback.
        ended: Called with each result.
    """

    started: Callable[[str], Progress]
    ended: Callable[[RunResult], None]


SILENT = Listener(lambda name: lambda cell, cells: None, lambda result: None)


def run_notebooks(
    workspace: Workspace,
    notebooks: Sequence[Path | str],
    *,
    parameters: Mapping[str, Any] | None = None,
    as_of: date | None = None,
    force: bool = False,
    listener: Listener = SILENT,
) -> list[RunResult]:
    """Run notebooks, writers of a table before its readers; stop at the first that fails.

    A parameter goes to every notebook that has it. All parameters of all notebooks are checked
    before the first kernel starts.

    Raises:
        ParameterError: A parameter is known to none of the notebooks, mistyped or out of range.
        RunError: A notebook failed, or they wait for each other in a circle.
    """
    given = dict(parameters or {})
    found = [declarations.declared(find_notebook(workspace, notebook)) for notebook in notebooks]
    ordered = in_order(list({declaration.path: declaration for declaration in found}.values()))
    own = {declaration.path: _own(declaration, given, ordered) for declaration in ordered}
    for declaration in ordered:
        declarations.resolved(declaration, own[declaration.path])
    results = []
    with parent_run(workspace, "run", ordered) as parent:
        for declaration in ordered:
            progress = listener.started(declaration.name)
            result = run_notebook(
                workspace, declaration.path, parameters=own[declaration.path], as_of=as_of,
                force=force, parent=parent, progress=progress,
            )  # fmt: skip
            listener.ended(result)
            results.append(result)
    return results


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
def parent_run(
    workspace: Workspace, job: str, notebooks: Sequence[Declaration]
) -> Iterator[ParentRun | None]:
    """A run that the runs of several notebooks have as parent; none for a single one."""
    if len(notebooks) < 2:
        yield None
        return
    names = {"notebooks": [declaration.name for declaration in notebooks]}
    row = step_row(job, _NO_KEY, names, {}, kind="batch")
    description = JobDescription(job, kind="step", documentation="Runs notebooks in order.")
    with governed(workspace, row, description, parameters=names) as run:
        yield ParentRun(job, row.run_id)
        run.lineage.complete()
        Ledger(workspace.ledger).end(row.run_id, "complete")
