"""`workbench trace`: from a decision, an item or an order line to what was decided and why."""

import json
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.commands.log import open_history
from workbench.errors import LogError
from workbench.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    from workbench.decision_log.trace import DecisionHistory, Entry


def trace(
    decision: Annotated[str, typer.Option(help="Id of a decision.")] = "",
    item: Annotated[str, typer.Option(help="Id of an item.")] = "",
    location: Annotated[str, typer.Option(help="With --item: only this location.")] = "",
    day: Annotated[
        str, typer.Option("--date", help="With --item: in force on this day, YYYY-MM-DD.")
    ] = "",
    order: Annotated[str, typer.Option(help="Id of an order or a purchase order.")] = "",
    line: Annotated[int, typer.Option(help="With --order: only this line.")] = 0,
    full: Annotated[bool, typer.Option("--full", help="All chains, also of several.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts as JSON.")] = False,
    opened: Annotated[
        bool, typer.Option("--open", help="Open private values; needs the log's keys.")
    ] = False,
) -> None:
    """Show decisions and check what they rest on; exit 1 where evidence is false.

    Of several decisions, a list is printed, unless --full or --json asks for all there is.
    """
    if sum(map(bool, (decision, item, order))) != 1:
        raise typer.BadParameter("give exactly one of --decision, --item and --order")
    if (location or day) and not item:
        raise typer.BadParameter("--location and --date go with --item")
    if line and not order:
        raise typer.BadParameter("--line goes with --order")
    workspace = find_workspace()
    history = open_history(workspace)
    facts: dict[str, Any] = {"checkpoint": _checkpoint(history)}
    try:
        if order:
            entries = _of_order(history, workspace, order, line, facts)
        elif decision:
            entries = [history.decision(decision)]
        else:
            entries = _of_item(history, item, location, day)
        _show(history, entries, facts, workspace, full=full, as_json=as_json, opened=opened)
    except RecursionError as error:
        raise LogError(
            "a record, or the chain of those that supersede it, is nested too deeply to be shown;"
            " expected one that a person can follow. See the entry with 'workbench log prove ID'."
        ) from error


def _show(
    history: "DecisionHistory",
    entries: "list[Entry]",
    facts: dict[str, Any],
    workspace: Workspace,
    *,
    full: bool,
    as_json: bool,
    opened: bool,
) -> None:
    """Print one decision with all that it rests on, several as a list unless all is wanted."""
    from workbench.commands.tracing.decisions import Evidence, brief, decision_facts
    from workbench.commands.tracing.verdict import verdict
    from workbench.decision_log.privacy.vault import open_vault

    if len(entries) > 1 and not (full or as_json):
        facts["summary"] = [brief(history, entry) for entry in entries]
        entries = []
    evidence = Evidence(workspace, open_vault(workspace) if opened else None)
    facts["decisions"] = [decision_facts(history, entry, evidence) for entry in entries]
    facts |= verdict(facts["decisions"])
    if as_json:
        typer.echo(json.dumps(facts, indent=1, ensure_ascii=False))
    else:
        from workbench.commands.tracing.printing import print_trace

        print_trace(facts)
    if not facts["verified"]:
        raise typer.Exit(1)


def _of_order(
    history: "DecisionHistory", workspace: Workspace, order: str, line: int, facts: dict[str, Any]
) -> "list[Entry]":
    """Decisions that an order's lines belong to; the lines themselves go to `facts`."""
    from workbench.commands.tracing.orders import find_order, line_facts

    found = find_order(workspace, order, line or None)
    traced = history.order_lines(found.lines)
    facts["lines"] = [line_facts(one, found.table) for one in traced]
    return list({one.decision.id: one.decision for one in traced if one.decision}.values())


def _of_item(history: "DecisionHistory", item: str, location: str, day: str) -> "list[Entry]":
    found = history.decisions(item, location_id=location or None, day=_parse(day) if day else None)
    if not found:
        place = f" at {location!r}" if location else ""
        when = f" in force on {day}" if day else ""
        remedy = (
            f"look for any with 'workbench trace --item {item}'" if location or day
            else "find items that were decided on in the proposals of a run's report"
        )  # fmt: skip
        raise LogError(f"item {item!r}: no decision{place}{when} in the log; {remedy}.")
    return found


def _parse(day: str) -> date:
    try:
        return date.fromisoformat(day)
    except ValueError as error:
        raise typer.BadParameter(f"--date {day!r} is not a day, YYYY-MM-DD") from error


def _checkpoint(history: "DecisionHistory") -> dict[str, Any]:
    signed = history.checkpoint
    return {"origin": signed.origin, "size": signed.size, "root": signed.root.hex()}
