"""Prints what `workbench trace` found as trees for people."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from workbench.commands.tracing.amounts import amount, measured
from workbench.commands.tracing.chain import stands, step
from workbench.commands.tracing.check import CROSS, TICK, mark
from workbench.commands.tracing.lists import decision_list, line_list
from workbench.commands.tracing.many import totals_lines
from workbench.contracts.printable import counted, one_line_each

_SHORT = 12
_RIVALS = 3
_VERBS = {"proposal": "proposes", "execution": "ordered", "outcome": "received"}
_FILE_WIDTH = 400  # in a file or pipe a line stays one line


def print_trace(facts: dict[str, Any], console: Console | None = None) -> None:
    """Lines of an order, then decisions as a list or as trees, then what all was proven against."""
    facts = one_line_each(facts)
    console = console or Console(highlight=False)
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    for text in line_list(facts.get("lines", [])):
        console.print(text)
    for line in totals_lines(facts) if "totals" in facts else []:
        console.print(Text(line, style="bold"))
    if "summary" in facts:
        for text in decision_list(facts["summary"]):
            console.print(text)
    for decision in facts["decisions"]:
        console.print(_tree(decision))
    for text in _verdict(facts):
        console.print(text)


def _verdict(facts: dict[str, Any]) -> list[Text]:
    """The last lines: what could not be checked, then what is false or that nothing is."""
    signed = facts["checkpoint"]
    log = f"{signed['origin']}, size {signed['size']:,}, root {signed['root'][:_SHORT]}…"
    texts = [
        Text(f"not checkable here: {place}", style="yellow") for place in facts["not_checkable"]
    ]
    if facts.get("seen_here"):
        seen = (
            f"this machine saw {facts['seen_here']:,} entries, the log has {signed['size']:,}: an"
            " older one was put back, or the newest wait for the next writer; ask 'workbench log"
            " verify'"
        )
        texts.append(Text(seen, style="yellow"))
    if facts["decisions"]:
        texts.append(Text("digests shortened; --json shows them whole", style="dim"))
    elif not facts.get("summary"):
        return [Text(f"no entry of the log to prove; the checkpoint is of {log}", style="dim")]
    proven = f"every entry above is proven under the checkpoint of {log}"
    if facts["verified"]:
        rest = (
            "; reports, policy, models and rows hold where they are here"
            if facts["decisions"]
            else ""
        )
        return [*texts, Text(f"{TICK} {proven}{rest}", style="dim")]
    false = "; ".join(facts["places"])
    return [
        *texts,
        Text(f"{proven}, but", style="dim"),
        Text(f"{CROSS} evidence does not hold: {false}", style="bold red"),
    ]


def _tree(facts: dict[str, Any]) -> Tree:
    tree = Tree(_title("Decision", facts))
    for sentence, style in _standing(facts):
        tree.add(Text(sentence, style=style))
    _add_content(tree, facts)
    for before in facts["answers"]:
        _add_content(tree.add(_title("answers", before)), before)
    if facts["answers_pruned"]:
        tree.add(Text(f"answers {facts['answers_pruned']}: the log keeps its hash only"))
    chain = tree.add(Text("chain"))
    for earlier in facts["replaces"][:_RIVALS]:
        chain.add(Text(f"supersedes {_other(earlier)}"))
    if len(facts["replaces"]) > _RIVALS:
        chain.add(Text(f"and {counted(len(facts['replaces']) - _RIVALS, 'earlier one')}"))
    _add_chain(chain, facts["chain"], facts["entry"])
    return tree


def _standing(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What became of a decision and how it stands to others about the same, with a style each."""
    later = facts["superseded_by"][:1]  # the latest is the one in force
    since = max(later[0]["valid_from"], facts["valid_from"]) if later else None
    settled = facts["settled"]
    if settled:
        whole = later and since == facts["valid_from"] and settled["kind"] != "execution"
        yield (f"no longer holds: {settled['sentence']}" if whole else stands(settled)), "bold"
    if later:
        yield f"superseded from {since} on by {_other(later[0])}", "bold yellow"
    for order in facts["ordered_otherwise"]:
        holds = f": {measured(order['quantity'], order)}" if order["quantity"] is not None else ""
        yield f"the same {order['sentence']}, by another decision{holds}", "bold yellow"
    for before in facts["waits_behind"][:1]:
        yield (
            f"waits for an answer, in force is another: {stands(before)}, as {before['id']}",
            "bold",
        )
    for newer in facts["newer_proposals"][:1]:
        much = (
            measured(newer["quantity"], newer) if newer.get("quantity") is not None else "the same"
        )
        yield f"a newer proposal of {much} waits for an answer: {_other(newer)}", "yellow"


def _other(entry: dict[str, Any]) -> str:
    """A decision about the same in a line: what, since when, for which days."""
    until = f" until before {entry['valid_to']}" if entry["valid_to"] else ""
    return (
        f"the {entry['kind']} {entry['id']} of {str(entry['recorded_at'])[:10]}, entry"
        f" {entry['entry']:,}, in force from {entry['valid_from']}{until}"
    )


def _title(verb: str, facts: dict[str, Any]) -> Text:
    record = facts["record"]
    return Text.assemble(
        (f"{verb} {record['id']}", "bold"), f"  {record['kind']}{_about(facts)}",
        (f"  entry {facts['entry']:,} {TICK}", "green"),
    )  # fmt: skip


def _add_content(tree: Tree, facts: dict[str, Any]) -> None:
    record = facts["record"]
    for text in (_quantity(record), _validity(record), _who(record)):
        if text:
            tree.add(Text(text))
    _branch(tree, "private", [_private(value) for value in facts["private"]])
    _add_policy(tree, record, facts["policy"])
    _branch(tree, "reasons", [Text(str(reason)) for reason in record.get("reasons", [])])
    _branch(tree, "models", [_model(model) for model in facts["models"]])
    runs = tree.add(Text("runs")) if facts["runs"] else tree
    for run in facts["runs"]:
        _add_run(runs, run)
    inputs = [Text(f"{t}  {d[:_SHORT]}…") for t, d in sorted(record.get("inputs", {}).items())]
    _branch(tree, "input tables", inputs)
    _branch(tree, "rows that it rests on", [_rows(rows) for rows in facts["evidence"]])


def _branch(tree: Tree, name: str, texts: Iterable[Text]) -> None:
    texts = list(texts)
    if texts:
        branch = tree.add(Text(name))
        for text in texts:
            branch.add(text)


def _about(facts: dict[str, Any]) -> str:
    item, location = facts["item_id"], facts["location_id"]
    about = f" for item {item}" if item else ""
    return about + (f" at {location}" if location else "")


def _quantity(record: dict[str, Any]) -> str:
    parts = []
    if record.get("quantity") is not None:
        verb = _VERBS.get(record["kind"], "quantity")
        parts.append(f"{verb} {measured(record['quantity'], record)}")
    if record.get("after") is not None:
        reason = f" ({record['reason_code']})" if record.get("reason_code") else ""
        parts.append(f"changes it to {amount(record['after'])}{reason}")
    if record.get("interval_low") is not None and record.get("interval_high") is not None:
        parts.append(_interval(record))
    if record.get("before") is not None:
        whose = "the policy before" if record["kind"] == "proposal" else "before"
        parts.append(f"{whose}: {amount(record['before'])}")
    if record.get("money_at_stake") is not None:
        money = f"{record['money_at_stake']:,.2f} {record.get('currency', '')}".rstrip()
        parts.append(f"{money} at stake")
    if record.get("simulated"):
        parts.append("rests on simulated data")
    return " · ".join(parts)


def _interval(record: dict[str, Any]) -> str:
    """The interval, and of what; in whole units where the quantity is whole."""
    whole = float(record.get("quantity") or 0).is_integer()
    low, high = (
        round(record[name]) if whole else record[name] for name in ("interval_low", "interval_high")
    )
    level = record.get("interval_level")
    share = f" ({level:.0%})" if level is not None else ""
    detail = record.get("detail")
    of_demand = isinstance(detail, dict) and detail.get("interval_of") == "demand"
    name = "demand until the next delivery" if of_demand else "interval"
    return f"{name} {amount(low)} to {measured(high, record)}{share}"


def _validity(record: dict[str, Any]) -> str:
    if not record.get("valid_from"):
        return f"as of {record['as_of']}" if record.get("as_of") else ""
    until = f" until before {record['valid_to']}" if record.get("valid_to") else ""
    known = f", from what was known on {record['as_of']}" if record.get("as_of") else ""
    return f"in force from {record['valid_from']}{until}{known}"


def _who(record: dict[str, Any]) -> str:
    return (
        f"recorded by {record.get('actor')} as {record.get('role')} at {record.get('recorded_at')}"
    )


def _add_policy(tree: Tree, record: dict[str, Any], policy: dict[str, Any] | None) -> None:
    rule = f"rule {record['rule']}, tier {record.get('tier')}" if record.get("rule") else ""
    if policy is None:
        if rule:
            tree.add(Text(rule))
        return
    place = f"  {policy['path']}" if policy["path"] else ""
    name = f"policy {policy['digest'][:_SHORT]}…"
    text = Text.assemble(", ".join(filter(None, [rule, name])), (f"{place}  ", "dim"), mark(policy))
    branch = tree.add(text)
    if policy.get("text"):
        branch.add(Text(policy["text"]))


def _private(value: dict[str, Any]) -> Text:
    """A private value: what it is, and itself only where that was asked for."""
    state = f"shredded at {value['shredded_at']}" if value["shredded_at"] else value["state"]
    shown = f": {json.dumps(value['value'], ensure_ascii=False)}" if "value" in value else ""
    return Text.assemble(f"{value['field']}  {value['label']}, {state}{shown}")


def _model(model: dict[str, Any]) -> Text:
    text = f"{model['name']} version {model['version']}  sha256 {model['digest'][:_SHORT]}…  "
    where = f"{model['path']}  " if model["path"] else ""
    return Text.assemble(text, (where, "dim"), mark(model))


def _add_run(tree: Tree, run: dict[str, Any]) -> None:
    name = f"run {run['run_id']}"
    if run["notebook"]:
        when = f"  as of {run['as_of']}" if run.get("as_of") else ""
        name = f"{run['notebook']}{when}  {name}"
    if run["state"] == "no report":
        tree.add(Text(f"{name}  a step, leaves no report"))
        return
    branch = tree.add(Text.assemble(f"{name}  ", mark(run)))
    if run.get("headline"):
        branch.add(Text(str(run["headline"])))
    if run["report"]:
        branch.add(Text(run["report"], style="dim"))


def _rows(rows: dict[str, Any]) -> Text:
    first, last = rows["first_row"], rows["last_row"]
    span = f"row {first:,}" if first == last else f"rows {first:,} to {last:,}"
    text = f"{rows['table']}  {span} of {rows['digest'][:_SHORT]}…  "
    return Text.assemble(text, mark(rows))


def _add_chain(tree: Tree, node: dict[str, Any], current: int) -> None:
    here = "  ← this decision" if node["entry"] == current else ""
    text = (
        f"entry {node['entry']:,}  {step(node)}  by {node.get('actor')}"
        f"  {node.get('recorded_at')}  {node['id'][:_SHORT]}{here}"
    )
    branch = tree.add(Text(text))
    for follower in node["followed_by"]:
        _add_chain(branch, follower, current)
