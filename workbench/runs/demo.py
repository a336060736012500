"""The demo: the main job on a year of grocery sales, from ingest to the executive's page."""

import time
from collections.abc import Callable
from pathlib import Path

from workbench.adapters.ingest import DEMO_SOURCES
from workbench.dashboards.publish import publish_executive
from workbench.decision_log.keys import verifier_key
from workbench.decision_log.service.access import log_client
from workbench.decision_log.verify import verify_log
from workbench.resources import resource
from workbench.runs.batch import parent_run
from workbench.runs.notebooks import all_notebooks, in_order
from workbench.runs.parameters import declared
from workbench.runs.progress import notebook_progress
from workbench.runs.recover import recover
from workbench.runs.run import RunResult, run_notebook
from workbench.runs.steps import governed_step, ingest_step, twin_step
from workbench.workspace import Workspace

Say = Callable[[str], None]
FORECAST = "10-forecast-demand"  # what follows plans the series that it forecast


def run_demo(
    workspace: Workspace,
    *,
    max_series: int = 0,
    force: bool = False,
    say: Say = print,
    sources: Path | None = None,
) -> list[RunResult]:
    """Ingest, simulate the supply side, run every notebook, publish, verify.

    Args:
        workspace: Where.
        max_series: Forecast only so many series; 0 takes all.
        force: Run steps that have not changed as well.
        say: Told each step, a line each.
        sources: Description of the data; default: that of the demo.

    Raises:
        WorkbenchError: A step failed; what was done before stays.
    """
    began = time.monotonic()
    for line in recover(workspace):
        say(line)
    quiet: Say = lambda text: None  # noqa: E731
    results: list[RunResult] = []

    def done(result: RunResult) -> None:
        results.append(result)
        say(_line(result))

    notebooks = in_order([declared(path) for path in all_notebooks(workspace)])
    names = ["ingest", "simulate-supply", *(notebook.name for notebook in notebooks)]
    with parent_run(workspace, "demo", names) as parent:
        ingest = ingest_step(workspace, sources or resource(DEMO_SOURCES), say=quiet)
        done(governed_step(workspace, ingest, force=force, parent=parent))
        done(governed_step(workspace, twin_step(workspace), force=force, parent=parent))
        for notebook in notebooks:
            small = max_series and notebook.name == FORECAST
            with notebook_progress(notebook.name) as progress:
                result = run_notebook(
                    workspace, notebook.path,
                    parameters={"max_series": max_series} if small else {},
                    force=force, parent=parent, progress=progress,
                )  # fmt: skip
            done(result)
    say(f"{'executive page':<30} {publish_executive(workspace)}")
    _verify(workspace, say)
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    say(f"Done in {minutes} min {seconds} s. Reports: {workspace.reports}")
    say("Look: workbench dashboards serve · workbench trace --item ITEM · workbench runs list")
    return results


def _line(result: RunResult) -> str:
    took = "cached" if result.status == "cached" else f"{result.seconds:.0f} s"
    parts = [f"{result.job:<30} {took:>7}"]
    if result.headline:
        parts.append(result.headline)
    if result.decisions:
        parts.append(f"({result.decisions:,} decisions logged)")
    return "  ".join(parts)


def _verify(workspace: Workspace, say: Say) -> None:
    log_client(workspace).append_entries(
        []
    )  # completes what a crash left, signs a first checkpoint
    report = verify_log(workspace.log, verifier_key(workspace.log_origin()))
    for line in report.summary().splitlines()[:2]:
        say(line)
