"""`workbench lineage graph`: what was made from what, as text, facts or a picture."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from workbench.commands.log import open_history, refuse_place, write_whole
from workbench.commands.terminal import say
from workbench.contracts.printable import counted
from workbench.errors import LineageError
from workbench.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    from workbench.lineage.graph import Graph, Start

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


def graph(
    name: Annotated[
        str,
        typer.Argument(
            help="A table, table.column, table@digest, file, model or run; default all."
        ),
    ] = "",
    decision: Annotated[
        str,
        typer.Option(help="As of this decision: the run that made it, or the name that is given."),
    ] = "",
    as_of: Annotated[
        str, typer.Option("--as-of", help="The graph as it stood: a day (its end) or time, UTC.")
    ] = "",
    html: Annotated[Path | None, typer.Option(help="Draw it: a new file, one page.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Every run and line, whole names.")] = False,
    static: Annotated[
        bool, typer.Option("--static", help="What notebooks and steps declare, before any run.")
    ] = False,
    record: Annotated[
        bool,
        typer.Option(
            "--record", help="With --static: put what has changed of it into the journal."
        ),
    ] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Read the whole journal again.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts as JSON.")] = False,
) -> None:
    """Show what a table, column, model, run or decision was made from, and what it feeds."""
    if as_of and decision:
        raise typer.BadParameter("give --as-of or --decision, which is a time too, not both")
    if record and not static:
        raise typer.BadParameter("--record goes with --static: runs are on record already")
    workspace = find_workspace()
    if static:
        _static(workspace, as_json=as_json, record=record)
        return
    if html:
        refuse_place(html)
    from workbench.lineage.graph import lineage_graph
    from workbench.lineage.journal import Journal

    with lineage_graph(Journal(workspace.lineage), _moment(as_of), rebuild=rebuild) as found:
        start = None
        if decision:
            start, moment = _of_decision(workspace, found, decision)
            found, as_of = (
                found.as_of(moment),
                f"{moment:%Y-%m-%d %H:%M:%S} UTC, decision {decision}",
            )
        start = found.start(name) if name else start
        if html:
            _draw(found, start, html, as_of, quiet=as_json)
        if as_json:
            facts = _facts_of(found, start, full=full) if start else _facts(found)
            say(json.dumps(facts, indent=1, ensure_ascii=False))
        elif not html:
            say("\n".join(_lines(found, start, full=full)))


def _moment(text: str) -> datetime | None:
    """End of a day, or a time; UTC where no zone is given."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise LineageError(
            f"--as-of {text!r}: no time; expected a day such as 2026-01-31 or a time such as"
            " 2026-01-31T09:00:00Z."
        ) from error
    if _DAY.fullmatch(text):
        moment += timedelta(days=1, microseconds=-1)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _of_decision(workspace: Workspace, found: "Graph", decision: str) -> tuple["Start", datetime]:
    """The run that made a decision, and since when both stand.

    Of an answer to a decision, the run of what it answers. A run's entries are logged before it
    completes: a proposal stands from then on.
    """
    history = open_history(workspace)
    asked = entry = history.decision(decision)
    seen = {entry.id}
    while (earlier := entry.record.get("supersedes")) and earlier not in seen:
        seen.add(earlier)
        entry = history.decision(earlier)
    start = found.entry(workspace.log_origin(), entry.index)
    recorded = datetime.fromisoformat(str(asked.record["recorded_at"]))
    return start, max(recorded, start.at or recorded)


def _lines(found: "Graph", start: "Start | None", *, full: bool) -> list[str]:
    from workbench.lineage.graph_text import columns, cut, overview, tree

    if start is None:
        lines = list(overview(found.runs(newest=not full), full=full))
        return cut(lines, full=full) or ["no run has completed yet"]
    if start.column:
        up, down = columns(found.upstream(start)), columns(found.downstream(start))
    else:
        up = tree(start.title, found.upstream_links(start))
        down = tree(start.title, found.downstream_links(start))
    up, down = cut(up, full=full, parts=2), cut(down, full=full, parts=2)
    return ["made from", *up, "", "feeds", *down]


def _facts(found: "Graph") -> dict[str, Any]:
    versions, edges = found.current()
    names = {one.node: one for one in versions}
    jobs: dict[tuple[str, str], set[str]] = {}
    for source, made in edges:
        jobs.setdefault((names[source].name, names[made].name), set()).add(names[made].job)
    return {
        "datasets": sorted({one.name for one in versions}),
        "edges": [
            {"from": source, "to": made, "jobs": sorted(by)}
            for (source, made), by in sorted(jobs.items())
        ],
    }


def _facts_of(found: "Graph", start: "Start", *, full: bool) -> dict[str, Any]:
    up, down = found.upstream(start), found.downstream(start)
    facts: dict[str, Any] = {
        "table": start.title,
        "upstream": [one.version.name for one in up],
        "downstream": [one.version.name for one in down],
    }
    if full or start.column:
        for side, reached in (("sources", up), ("results", down)):
            facts[side] = [
                {
                    "name": one.version.name, "kind": one.version.kind, "steps": one.steps,
                    "digest": one.version.digest, "run_id": one.version.run_id,
                    "job": one.version.job, "at": one.version.moment.isoformat(),
                    "columns": [name or "*" for name in one.columns],
                }
                for one in reached
            ]  # fmt: skip
    return facts


def _draw(found: "Graph", start: "Start | None", path: Path, as_of: str, *, quiet: bool) -> None:
    from workbench.dashboards.lineage_html import lineage_page

    page = lineage_page(found, start, as_of=as_of)
    write_whole(path, page.encode())
    if not quiet:
        say(f"{path}: open it in a browser; it asks no other host")


def _static(workspace: Workspace, *, as_json: bool, record: bool) -> None:
    from workbench.lineage.graph_text import printable
    from workbench.runs.static_lineage import declared_jobs, record_static, static_events

    if record:
        new, known = record_static(workspace)
        facts = {"recorded": new, "known": known}
        told = f"{counted(new, 'event')} recorded, {known:,} were in the journal as they are"
        say(json.dumps(facts) if as_json else told)
        return

    if as_json:
        for event in static_events(workspace):
            say(json.dumps(event, ensure_ascii=False, separators=(",", ":")))
        return
    for job in declared_jobs(workspace):
        read = ", ".join(job.reads) or "nothing of the table store"
        say(printable(f"{job.description.name}: {read} → {', '.join(job.writes) or 'reports'}"))
