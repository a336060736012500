"""`workbench trace`: from a decision, an item or an order line to what was decided and why."""

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.commands.log import open_history, refuse_place, write_whole
from workbench.commands.terminal import say
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
    run: Annotated[str, typer.Option(help="Id of a run: its decisions, with totals.")] = "",
    model: Annotated[
        str, typer.Option(help="NAME, NAME@VERSION or SHA-256: decisions that rest on it.")
    ] = "",
    full: Annotated[bool, typer.Option("--full", help="All chains, also of several.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a page of the decisions to this new file.")
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(help="Pack proofs, evidence and page into this new zip, to verify elsewhere."),
    ] = None,
    with_rows: Annotated[
        bool, typer.Option("--with-rows", help="With --bundle: the input rows too, by blocks.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts as JSON.")] = False,
    opened: Annotated[
        bool, typer.Option("--open", help="Open private values; needs the log's keys.")
    ] = False,
) -> None:
    """Show decisions and check what they rest on; exit 1 where evidence is false.

    Of several decisions, a list is printed, unless --full or --json asks for all there is.
    """
    if sum(map(bool, (decision, item, order, run, model))) != 1:
        raise typer.BadParameter(
            "give exactly one of --decision, --item, --order, --run and --model"
        )
    if (location or day) and not item:
        raise typer.BadParameter("--location and --date go with --item")
    if line and not order:
        raise typer.BadParameter("--line goes with --order")
    if (html or bundle) and (run or model):
        raise typer.BadParameter("--html and --bundle go with --decision, --item and --order")
    if (html or bundle) and opened:
        raise typer.BadParameter("--open is for the terminal: a page or bundle leaves this place")
    if with_rows and not bundle:
        raise typer.BadParameter("--with-rows goes with --bundle")
    for path in (html, bundle):
        if path:
            refuse_place(path)
    workspace = find_workspace()
    history = open_history(workspace)
    facts: dict[str, Any] = {"checkpoint": _checkpoint(history), **_newer_seen(history)}
    try:
        if run or model:
            _show_many(history, run, model, facts, as_json=as_json)
            return
        if order:
            entries = _of_order(history, workspace, order, line, facts)
        elif decision:
            entries = [history.decision(decision)]
        else:
            entries = _of_item(history, item, location, day)
        _show(
            history,
            entries,
            facts,
            workspace,
            full=full or bool(html or bundle),
            as_json=as_json,
            opened=opened,
        )
        if html:
            _write_page(history, facts, html, quiet=as_json)
        if bundle:
            _write_bundle(history, workspace, facts, bundle, rows=with_rows, quiet=as_json)
        if not facts["verified"]:
            raise typer.Exit(1)
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
        say(json.dumps(facts, indent=1, ensure_ascii=False))
    else:
        from workbench.commands.tracing.printing import print_trace

        print_trace(facts)


def _write_page(
    history: "DecisionHistory", facts: dict[str, Any], path: Path, *, quiet: bool
) -> None:
    from workbench.commands.tracing.page import html_page

    write_whole(path, html_page(history, facts).encode("utf-8"))
    if not quiet:
        say(f"{path}: written; it opens in any browser and asks no other host")


def _write_bundle(
    history: "DecisionHistory",
    workspace: Workspace,
    facts: dict[str, Any],
    path: Path,
    *,
    rows: bool,
    quiet: bool,
) -> None:
    from workbench.commands.tracing.bundle import bundle

    write_whole(path, bundle(history, workspace, facts, rows=rows))
    if not quiet:
        say(f"{path}: written; README.txt in it says how to verify it")


def _show_many(
    history: "DecisionHistory", run: str, model: str, facts: dict[str, Any], *, as_json: bool
) -> None:
    """Print the decisions of a run or a model: totals, and the newest."""
    from workbench.commands.tracing.many import model_facts, run_facts, with_summary

    found = run_facts(history, run) if run else model_facts(history, model)
    facts |= {**with_summary(history, found), "decisions": [], "verified": True}
    if as_json:
        say(json.dumps(facts, indent=1, ensure_ascii=False))
        return
    from workbench.commands.tracing.printing import print_trace

    print_trace({**facts, "not_checkable": [], "places": []})


def _of_order(
    history: "DecisionHistory", workspace: Workspace, order: str, line: int, facts: dict[str, Any]
) -> "list[Entry]":
    """Decisions that an order's lines belong to; the lines themselves go to `facts`."""
    from workbench.commands.tracing.orders import find_order, line_facts

    found = find_order(history, workspace, order, line or None)
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


def _newer_seen(history: "DecisionHistory") -> dict[str, int]:
    """Size of the newest checkpoint that this machine saw, where the log has fewer entries."""
    from workbench.decision_log.keys import KeptCheckpoint
    from workbench.decision_log.rotation import claimed

    kept = KeptCheckpoint(history.checkpoint.origin)
    note = kept.read()
    size = claimed(note, str(kept.path)).size if note else 0
    return {"seen_here": size} if size > history.checkpoint.size else {}
