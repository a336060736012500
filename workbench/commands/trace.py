"""`workbench trace`: from a decision, an item or an order line to what was decided and why."""

import json
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.commands.log import open_history
from workbench.commands.tracing.decisions import Evidence, decision_facts
from workbench.commands.tracing.orders import line_facts, order_lines
from workbench.commands.tracing.verdict import verdict
from workbench.errors import LogError
from workbench.workspace import find_workspace

if TYPE_CHECKING:
    from workbench.decision_log.trace import DecisionHistory, Entry


def trace(
    decision: Annotated[str, typer.Option(help="Id of a decision.")] = "",
    item: Annotated[str, typer.Option(help="Id of an item.")] = "",
    location: Annotated[str, typer.Option(help="With --item: only this location.")] = "",
    day: Annotated[
        str, typer.Option("--date", help="With --item: in force on this day, YYYY-MM-DD.")
    ] = "",
    order: Annotated[str, typer.Option(help="Id of an order.")] = "",
    line: Annotated[int, typer.Option(help="With --order: only this line.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts as JSON.")] = False,
) -> None:
    """Show the decision in force and check what it rests on; exit 1 where evidence is false."""
    if sum(map(bool, (decision, item, order))) != 1:
        raise typer.BadParameter("give exactly one of --decision, --item and --order")
    if (location or day) and not item:
        raise typer.BadParameter("--location and --date go with --item")
    if line and not order:
        raise typer.BadParameter("--line goes with --order")
    workspace = find_workspace()
    history = open_history(workspace)
    evidence = Evidence(workspace)
    facts: dict[str, Any] = {"checkpoint": _checkpoint(history)}
    if order:
        traced = history.order_lines(order_lines(workspace, order, line or None))
        facts["lines"] = [line_facts(one) for one in traced]
        entries = list({one.decision.id: one.decision for one in traced if one.decision}.values())
    elif decision:
        entries = [history.decision(decision)]
    else:
        entries = _of_item(history, item, location, day)
    facts["decisions"] = [decision_facts(history, entry, evidence) for entry in entries]
    facts |= verdict(facts["decisions"])
    if as_json:
        typer.echo(json.dumps(facts, indent=1, ensure_ascii=False))
    else:
        from workbench.commands.tracing.printing import print_trace

        print_trace(facts)
    if not facts["verified"]:
        raise typer.Exit(1)


def _of_item(history: "DecisionHistory", item: str, location: str, day: str) -> "list[Entry]":
    found = history.decisions(item, location_id=location or None, day=_parse(day) if day else None)
    if not found:
        place = f" at {location!r}" if location else ""
        when = f" in force on {day}" if day else ""
        raise LogError(
            f"item {item!r}: no decision{place}{when} in the log; expected one, look for any with"
            f" 'workbench trace --item {item}'."
        )
    return found


def _parse(day: str) -> date:
    try:
        return date.fromisoformat(day)
    except ValueError as error:
        raise typer.BadParameter(f"--date {day!r} is not a day, YYYY-MM-DD") from error


def _checkpoint(history: "DecisionHistory") -> dict[str, Any]:
    signed = history.checkpoint
    return {"origin": signed.origin, "size": signed.size, "root": signed.root.hex()}
