"""`workbench run` and `workbench runs`."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from workbench.errors import ConfigError
from workbench.workspace import find_workspace

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
    from workbench.runs.parameters import declared, parse_assignment
    from workbench.runs.progress import notebook_progress
    from workbench.runs.run import all_notebooks, find_notebook, in_order, run_notebook

    workspace = find_workspace()
    if bool(notebooks) == everything:
        raise ConfigError("run: name notebooks, or give --all.")
    paths = all_notebooks(workspace) if everything else [
        find_notebook(workspace, name) for name in notebooks or []
    ]  # fmt: skip
    values = dict(parse_assignment(text) for text in parameter or [])
    if values and len(paths) > 1:
        raise ConfigError("run: -p belongs to one notebook; name one.")
    day = _day(as_of)
    for declaration in in_order([declared(path) for path in paths]):
        with notebook_progress(declaration.name) as progress:
            result = run_notebook(
                workspace, declaration.path, parameters=values, as_of=day, force=force,
                progress=progress,
            )  # fmt: skip
        if as_json:
            typer.echo(json.dumps(asdict(result), default=str))
            continue
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
        typer.echo(f"{row.started[:19]}  {row.status:<9} {row.job:<30} {row.run_id}")


@runs_app.command()
def show(run_id: Annotated[str, typer.Argument(help="Run id or its beginning.")]) -> None:
    """One run: its manifest, or how it failed."""
    from workbench.runs.ledger import Ledger

    workspace = find_workspace()
    row = Ledger(workspace.ledger).get(run_id)
    if row.report:
        typer.echo((workspace.root / row.report / "run.json").read_text(encoding="utf-8"))
        return
    typer.echo(json.dumps(asdict(row), default=str, indent=1))


@runs_app.command()
def diff(first: str, second: str) -> None:
    """What differs between two runs: parameters, inputs, outputs, code."""
    from workbench.runs.compare import differences
    from workbench.runs.ledger import Ledger

    workspace = find_workspace()
    ledger = Ledger(workspace.ledger)
    lines = differences(workspace, ledger.get(first), ledger.get(second))
    typer.echo("\n".join(lines) if lines else "The two runs do not differ.")
