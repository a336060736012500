"""`workbench run` and `workbench runs`."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.errors import ConfigError
from workbench.workspace import find_workspace

if TYPE_CHECKING:
    from workbench.runs.ledger import RunRow
    from workbench.runs.run import RunResult

runs_app = typer.Typer(help="What was run.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]


def run(
    notebooks: Annotated[list[str] | None, typer.Argument(help="Names or paths.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every numbered notebook.")] = False,
    parameter: Annotated[
        list[str] | None, typer.Option("-p", help="name=value, as in its parameters cell.")
    ] = None,
    as_of: Annotated[str, typer.Option(help="Business date; default: last observed.")] = "",
    force: Annotated[bool, typer.Option(help="Run even if nothing has changed.")] = False,
    as_json: Json = False,
) -> None:
    """Run notebooks, in the order that their declared reads and writes give."""
    from workbench.runs.batch import run_notebooks
    from workbench.runs.parameters import parse_assignment
    from workbench.runs.progress import notebook_progress
    from workbench.runs.recover import recover
    from workbench.runs.run import all_notebooks

    if bool(notebooks) == everything:
        raise typer.BadParameter("name notebooks, or give --all.")
    workspace = find_workspace()
    results: list[RunResult] = []
    for line in recover(workspace):
        typer.echo(line, err=True)
    try:
        run_notebooks(
            workspace,
            all_notebooks(workspace) if everything else [*(notebooks or [])],
            parameters=dict(parse_assignment(text) for text in parameter or []),
            as_of=_day(as_of),
            force=force,
            watch=notebook_progress,
            ended=results.append if as_json else _print_result,
        )
    finally:
        if as_json:
            facts = [asdict(result) for result in results]
            typer.echo(json.dumps(facts, default=str, indent=1))


def _print_result(result: "RunResult") -> None:
    took = "cached" if result.status == "cached" else f"{result.seconds:.0f} s"
    typer.echo(f"{result.job:<30} {took:>7}  {result.headline}")
    typer.echo(f"{'':<39} {result.report}/report.html")


def _day(text: str) -> Any:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError as error:
        raise ConfigError(f"--as-of {text!r}: expected a day as YYYY-MM-DD.") from error


@runs_app.command("list")
def list_runs(
    limit: Annotated[int, typer.Option(help="How many.")] = 20, as_json: Json = False
) -> None:
    """The latest runs, newest first."""
    from workbench.runs.ledger import Ledger

    rows = Ledger(find_workspace().ledger).latest(limit)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], default=str, indent=1))
        return
    if not rows:
        typer.echo("No runs yet: 'workbench demo' or 'workbench run NOTEBOOK'.")
    for row in rows:
        line = f"{row.started[:19]}  {row.status:<9} {row.job:<30} {row.run_id}"
        typer.echo(f"{line}  {_what_if(row)}".rstrip())


def _what_if(row: "RunRow") -> str:
    """Parameters that are not the notebook's own, as they were given with -p."""
    from workbench.runs.parameters import changed

    notebook = find_workspace().notebooks / f"{row.job}.ipynb"
    return " ".join(f"{k}={v}" for k, v in sorted(changed(notebook, row.parameters).items()))


@runs_app.command()
def show(
    run_id: Annotated[str, typer.Argument(help="Run id or its beginning.")], as_json: Json = False
) -> None:
    """One run: how it ended, what it rests on, what it left."""
    from workbench.runs.compare import run_facts
    from workbench.runs.ledger import Ledger

    workspace = find_workspace()
    facts = run_facts(workspace, Ledger(workspace.ledger).get(run_id))
    if as_json:
        typer.echo(json.dumps(facts, default=str, indent=1, ensure_ascii=False))
        return
    for name, value in facts.items():
        if value not in (None, "", [], {}):
            _print_fact(name, value)


def _print_fact(name: str, value: Any) -> None:
    if not isinstance(value, dict):
        typer.echo(f"{name:<12} {', '.join(map(str, value)) if isinstance(value, list) else value}")
        return
    for number, (key, item) in enumerate(value.items()):
        typer.echo(f"{'' if number else name:<12} {key}: {item}")


@runs_app.command()
def diff(
    first: Annotated[str, typer.Argument(help="Run id or its beginning.")],
    second: Annotated[str, typer.Argument(help="Run id or its beginning.")],
    as_json: Json = False,
) -> None:
    """What differs between two runs: parameters, inputs, outputs, code."""
    from workbench.runs.compare import differences
    from workbench.runs.ledger import Ledger

    workspace = find_workspace()
    ledger = Ledger(workspace.ledger)
    found = differences(workspace, ledger.get(first), ledger.get(second))
    if as_json:
        rows = [{"fact": name, "first": one, "second": two} for name, one, two in found]
        typer.echo(json.dumps(rows, default=str, indent=1, ensure_ascii=False))
    elif not found:
        typer.echo("The two runs do not differ.")
    for name, one, two in [] if as_json else found:
        typer.echo(f"{name}: {_shown(one)} → {_shown(two)}")


def _shown(value: Any) -> str:
    return "–" if value is None else str(value)
