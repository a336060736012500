"""`workbench lineage`: check the journal, show what depends on what."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.commands.lineage_graph import graph
from workbench.commands.terminal import say
from workbench.contracts.printable import counted
from workbench.errors import ConfigError
from workbench.workspace import CONFIG_FILE, Workspace, find_workspace

if TYPE_CHECKING:
    from workbench.lineage.validate import ValidationReport

app = typer.Typer(help="Lineage events of every run.", no_args_is_help=True)
app.command()(graph)

AsJson = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]


@app.command()
def validate(
    schemas: Annotated[
        Path | None, typer.Option(help="Folder of the official OpenLineage schemas.")
    ] = None,
    files: Annotated[
        bool, typer.Option("--files", help="Also files, tables and the ledger against events.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check every event: form, names, own facets, one life per run; exit 1 on any problem."""
    from workbench.lineage.validate import validate_journal

    workspace = find_workspace()
    report = validate_journal(workspace.lineage, schemas)
    if not as_json:
        _print_report(report)
    spoilt, notices = _check_files(workspace, quiet=as_json) if files else (0, [])
    if as_json:
        facts = {"valid": report.valid and not spoilt, **asdict(report)}
        say(json.dumps({**facts, "files_checked": files, "notices": notices}, indent=1))
    elif files:
        say(f"{_problems(spoilt + len(report.problems))} in all")
    if spoilt or not report.valid:
        raise typer.Exit(1)


def _print_report(report: "ValidationReport") -> None:
    for problem in report.problems:
        say(problem)
    say(
        f"{counted(report.events, 'event')} of {counted(report.runs, 'run')} in"
        f" {counted(report.files, 'file')},"
        f" {len(report.open_runs)} open: {_problems(len(report.problems))}"
    )


def _problems(number: int) -> str:
    return counted(number, "problem") if number else "no problems"


def _check_files(workspace: Workspace, *, quiet: bool) -> tuple[int, list[dict[str, str]]]:
    """Number of problems with what events name; notices are printed, or kept where quiet."""
    from workbench.runs.check_lineage import check_workspace

    spoilt, told, kept = 0, 0, []
    for notice in check_workspace(workspace):
        spoilt, told = spoilt + notice.is_problem, told + 1
        if quiet:
            kept.append(asdict(notice))
        else:
            say(notice)
    if not quiet:
        say(f"files, tables and ledger: {spoilt or 'no'} problems, {told - spoilt} notices")
    return spoilt, kept


@app.command("import")
def import_events(
    files: Annotated[list[Path], typer.Argument(help="One OpenLineage event a line.")],
) -> None:
    """Bring in events of other producers, once each: graph and journal then hold both."""
    from workbench.lineage.foreign import import_events
    from workbench.lineage.journal import Journal
    from workbench.lineage.names import namespace

    workspace = find_workspace()
    space = namespace(workspace.workspace_id())
    for file in files:
        done = import_events(Journal(workspace.lineage), file, namespace=space)
        say(f"{file}: {done.new:,} events imported, {done.known:,} known already")


@app.command()
def send(
    to: Annotated[
        str, typer.Option(help="Address of a consumer; default: [lineage] url of workbench.toml.")
    ] = "",
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds to try while the consumer does not answer.")
    ] = 60.0,
) -> None:
    """Forward events that an HTTP consumer does not have yet; exit 1 if it refused any.

    Its API key is read from WORKBENCH_LINEAGE_API_KEY.
    """
    from workbench.lineage.consumer import consumer
    from workbench.lineage.journal import Journal
    from workbench.lineage.send import Cursor
    from workbench.lineage.send import send as forward

    workspace = find_workspace()
    taker = consumer(to or _configured(workspace))
    cursor = Cursor(workspace.data / "lineage-send", taker.url)
    sent = forward(Journal(workspace.lineage), taker, cursor, patience=patience)
    for refusal in sent.refused:
        say(f"refused: {refusal.place}: {refusal.status} {refusal.said}")
    known = f", {sent.known:,} of them known there" if sent.known else ""
    say(f"{sent.events:,} events sent to {taker.url}{known}")
    if sent.refused:
        raise typer.Exit(1)


def _configured(workspace: Workspace) -> str:
    """Address in `[lineage] url` of the workspace's settings."""
    import tomllib

    path = workspace.root / CONFIG_FILE
    settings = tomllib.loads(path.read_text(encoding="utf-8")).get("lineage", {})
    url = settings.get("url") if isinstance(settings, dict) else None
    if not isinstance(url, str):
        raise ConfigError(
            f"{path}: no address of a consumer; give --to URL, or set url in [lineage]."
        )
    return url
