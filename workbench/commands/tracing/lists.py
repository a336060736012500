"""Lists that `workbench trace` prints: lines of an order, decisions in one line each."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

from rich.text import Text

from workbench.commands.tracing.amounts import measured

_SHOWN: Final = 20


def decision_list(decisions: Sequence[dict[str, Any]]) -> Iterator[Text]:
    """Decisions newest first, one line each; of many, the newest."""
    newest = sorted(decisions, key=lambda decision: decision["entry"], reverse=True)
    for decision in newest[:_SHOWN]:
        yield Text(_decision(decision))
    if len(newest) > _SHOWN:
        yield Text(f"{len(newest) - _SHOWN:,} more: --json for all, --location for one place")
    yield Text("Chain and evidence: --decision ID for one of them, --full for all", style="dim")


def line_list(lines: Sequence[dict[str, Any]]) -> Iterator[Text]:
    """Lines of an order with their decisions; those without one by the reason."""
    decided = [line for line in lines if line["decision"]]
    for line in decided[:_SHOWN]:
        yield Text(_line(line))
    if len(decided) > _SHOWN:
        yield Text(f"{len(decided) - _SHOWN:,} more lines with a decision: --json for all")
    groups = defaultdict(list)
    for line in lines:
        if not line["decision"]:
            groups[line["day"], line["next_valid_from"] is None].append(line)
    for group in groups.values():
        yield Text(_line(group[0]) if len(group) == 1 else _undecided(group))


def _decision(decision: dict[str, Any]) -> str:
    item, place = decision["item_id"], decision["location_id"]
    about = (f" for item {item}" if item else "") + (f" at {place}" if place else "")
    decided = decision.get("after", decision.get("quantity"))
    much = "" if decided is None else f"  {measured(decided, decision)}"
    until = f" until before {decision['valid_to']}" if decision["valid_to"] else ""
    since = f"  from {decision['valid_from']}{until}" if decision["valid_from"] else ""
    return f"entry {decision['entry']:,}  {decision['kind']} {decision['id']}{about}{much}{since}"


def _line(line: dict[str, Any]) -> str:
    kind = "Order" if line["table"] == "order_lines" else "Purchase order"
    which = f", line {line['line']}" if line["line"] else ""
    head = (
        f"{kind} {line['order_id']}{which}: item {line['item_id']} at"
        f" {line['location_id']} on {line['day']}"
    )
    if line["decision"]:
        place = line["decided_for"]
        via = "" if place in (None, line["location_id"]) else f" of {place}, which supplies it"
        return f"{head} belongs to decision {line['decision']}{via}"
    if line["next_valid_from"]:
        return (
            f"{head}: no decision was in force that day; the first one is in force from"
            f" {line['next_valid_from']} ({line['next_decision']})"
        )
    return f"{head}: no decision about it is in the log"


def _undecided(lines: Sequence[dict[str, Any]]) -> str:
    head = f"{len(lines):,} lines of {lines[0]['order_id']}"
    if lines[0]["next_valid_from"] is None:
        return f"{head}: no decision about their items there is in the log"
    first = min(line["next_valid_from"] for line in lines)
    return (
        f"{head}: no decision was in force on {lines[0]['day']}; the log's decisions about their"
        f" items are in force from {first}"
    )
