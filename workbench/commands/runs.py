"""`workbench run` and `workbench runs`."""

import json
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.commands.terminal import say
from workbench.errors import ConfigError
from workbench.workspace import find_workspace

if TYPE_CHECKING:
    from workbench.runs.ledger import RunRow
    from workbench.runs.rerun import Rerun
    from workbench.runs.run import RunResult
    from workbench.workspace import Workspace

runs_app = typer.Typer(help="What was run.", no_args_is_help=True)
_NEXT = (
    "Next: open reports/<notebook>/latest.html · workbench dashboards publish · workbench decide"
    " accept ID, ids in reports/30-set-replenishment-policy"
)
Json = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]


def run(
    notebooks: Annotated[list[str] | None, typer.Argument(help="Names or paths.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every numbered notebook.")] = False,
    parameter: Annotated[
        list[str] | None, typer.Option("-p", help="name=value, as in its parameters cell.")
    ] = None,
    as_of: Annotated[str, typer.Option(help="Business date; default: last observed.")] = "",
    force: Annotated[bool, typer.Option(help="Run even if nothing has changed.")] = False,
    cluster: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Dask scheduler whose workers compute.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Run notebooks, in the order that their declared reads and writes give."""
    from workbench.runs.batch import run_notebooks
    from workbench.runs.notebooks import all_notebooks
    from workbench.runs.parameters import parse_assignment
    from workbench.runs.progress import notebook_progress
    from workbench.runs.recover import recover

    if bool(notebooks) == everything:
        raise typer.BadParameter("name notebooks, or give --all.")
    workspace = find_workspace()
    results: list[RunResult] = []
    for line in recover(workspace):
        say(line, err=True)
    try:
        run_notebooks(
            workspace,
            all_notebooks(workspace) if everything else [*(notebooks or [])],
            parameters=dict(parse_assignment(text) for text in parameter or []),
            as_of=_day(as_of),
            force=force,
            cluster=cluster,
            watch=notebook_progress,
            ended=results.append if as_json else partial(_print_result, workspace),
        )
        if everything and not as_json:
            say(_NEXT)
    finally:
        if as_json:
            facts = [asdict(result) for result in results]
            say(json.dumps(facts, default=str, indent=1))


def _print_result(workspace: "Workspace", result: "RunResult") -> None:
    from workbench.commands.deciding.touched import touched

    took = "cached" if result.status == "cached" else f"{result.seconds:.0f} s"
    say(f"{result.job:<30} {took:>7}  {result.headline}")
    say(f"{'':<39} {result.report}/report.html")
    _say_what_is_current(workspace, result)
    for sentence in touched(workspace, result.report) if result.decisions and result.report else ():
        say(f"{'':<39} {sentence}")


def _say_what_is_current(workspace: "Workspace", result: "RunResult") -> None:
    """After a what-if: that it is what others read now, and how to go back."""
    from workbench.runs.ledger import Ledger

    if what_if := _what_if(workspace, Ledger(workspace.ledger).get(result.run_id)):
        say(
            f"{'':<39} current from now on, with {what_if}: the next notebooks and pages read it;"
            f" to go back: workbench run {result.job}"
        )


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

    workspace = find_workspace()
    rows = Ledger(workspace.ledger).latest(limit)
    current = _current_runs(workspace, {row.job for row in rows})
    if as_json:
        facts = [{**asdict(row), "current": row.run_id in current} for row in rows]
        say(json.dumps(facts, default=str, indent=1))
        return
    if not rows:
        say("No runs yet: 'workbench demo' or 'workbench run NOTEBOOK'.")
    for row in rows:
        job = f"{row.job} (several)" if row.kind == "batch" else row.job
        mark = "current" if row.run_id in current else ""
        line = f"{row.started[:19]}  {row.status:<9} {mark:<8} {job:<30} {row.run_id}"
        say(f"{line}  {_what_if(workspace, row)}".rstrip())


def _current_runs(workspace: "Workspace", jobs: set[str]) -> set[str]:
    """Ids of the runs whose reports are the current ones of these notebooks."""
    pointers = [workspace.reports / job / "latest" for job in jobs]
    return {Path(p.read_text("utf-8").strip()).name for p in pointers if p.is_file()}


def _what_if(workspace: "Workspace", row: "RunRow") -> str:
    """Parameters that are not the notebook's own, as they were given with -p."""
    from workbench.runs.parameters import changed

    notebook = workspace.notebooks / f"{row.job}.ipynb"
    return " ".join(f"{k}={v}" for k, v in sorted(changed(notebook, row.parameters).items()))


@runs_app.command()
def show(
    run_id: Annotated[str, typer.Argument(help="Run id or its beginning.")],
    as_json: Json = False,
    crate: Annotated[
        Path | None, typer.Option(help="Write it as a Process Run Crate: a new zip.")
    ] = None,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(help="With --crate: an input table whose terms or size keep it here."),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, help="With --crate: MiB that its files may amount to.")
    ] = 1024,
) -> None:
    """One run: how it ended, what it rests on, what it left."""
    from workbench.runs.compare import run_facts
    from workbench.runs.ledger import Ledger

    workspace = find_workspace()
    if crate:
        _write_crate(workspace, run_id, crate, leave_out or [], limit, as_json=as_json)
        return
    facts = run_facts(workspace, Ledger(workspace.ledger).get(run_id))
    if as_json:
        say(json.dumps(facts, default=str, indent=1, ensure_ascii=False))
        return
    for name, value in facts.items():
        if value not in (None, "", [], {}):
            _print_fact(name, value)


def _write_crate(
    workspace: "Workspace", run_id: str, crate: Path, leave_out: list[str], limit: int, *,
    as_json: bool,
) -> None:  # fmt: skip
    from workbench.commands.log import refuse_place
    from workbench.runs.crate import terms_of, write_crate
    from workbench.runs.ledger import Ledger
    from workbench.tables.versions import sha256_of

    refuse_place(crate)
    row = Ledger(workspace.ledger).get(run_id)
    content = write_crate(workspace, row, crate, leave_out=leave_out, limit_mebibytes=limit)
    held = [v for table, v in content.inputs.items() if f"table {table}" not in content.left_out]
    terms, digest = terms_of(held), sha256_of(crate)
    if as_json:
        facts = {
            "crate": str(crate), "sha256": digest, "files": len(content.parts),
            "bytes": crate.stat().st_size, "tables": terms, "left_out": content.left_out,
        }  # fmt: skip
        say(json.dumps(facts, indent=1, ensure_ascii=False))
        return
    say(f"{crate}: {len(content.parts):,} files, {crate.stat().st_size:,} bytes")
    say(f"SHA-256 {digest}: tell it by another way than the crate")
    for table, source in terms.items():
        say(f"holds table {table}: {source}")
    for what, why in content.left_out.items():
        say(f"without {what}: {why}")


@runs_app.command("rerun")
def rerun_crate(
    crate: Annotated[Path, typer.Argument(help="Zip that 'runs show --crate' wrote.")],
    parameter: Annotated[
        list[str] | None, typer.Option("-p", help="name=value, where the crate holds none.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="MiB that it may unpack to.")] = 4096,
    as_json: Json = False,
) -> None:
    """Execute a crate's run again, code of whoever made it; exit 1 if a table comes out different.

    It runs in a workspace made from the crate: no table here changes, no decision is logged.
    """
    from workbench.runs.parameters import parse_assignment
    from workbench.runs.progress import notebook_progress
    from workbench.runs.rerun import rerun

    given = dict(parse_assignment(text) for text in parameter or [])
    with notebook_progress(crate.name) as progress:
        done = rerun(
            find_workspace(), crate, parameters=given, limit_mebibytes=limit, progress=progress
        )
    if as_json:
        facts = {**asdict(done), "tables_agree": done.tables_agree}
        say(json.dumps(facts, default=str, indent=1, ensure_ascii=False))
    else:
        _print_rerun(done)
    if not done.tables_agree:
        raise typer.Exit(1)


def _print_rerun(done: "Rerun") -> None:
    for line in done.differs:
        say(f"not as then: {line}")
    tables = [one for one in done.outputs if one.kind == "table"]
    for one in tables:
        now = "agrees" if one.agrees else f"differs, is {one.now[:16] or 'not made'} now"
        say(f"table {one.name}: {one.then[:16] or 'not made then'}: {now}")
    files = [one for one in done.outputs if one.kind == "file"]
    other = [one.name for one in files if not one.agrees]
    say(f"{len(files) - len(other)} of {len(files)} files have the same bytes")
    if other:
        say(f"other bytes, as captions name their run: {', '.join(other)}")
    agreed = sum(one.agrees for one in tables)
    say(f"{agreed} of {len(tables)} tables agree; executed in {done.report}")


def _print_fact(name: str, value: Any) -> None:
    if not isinstance(value, dict):
        say(f"{name:<12} {', '.join(map(str, value)) if isinstance(value, list) else value}")
        return
    for number, (key, item) in enumerate(value.items()):
        say(f"{'' if number else name:<12} {key}: {item}")


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
        say(json.dumps(rows, default=str, indent=1, ensure_ascii=False))
    elif not found:
        say("The two runs do not differ.")
    for name, one, two in [] if as_json else found:
        say(f"{name}: {_shown(one)} → {_shown(two)}")


def _shown(value: Any) -> str:
    return "–" if value is None else str(value)
