"""`workbench items`: one item master over several systems."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.commands.decide import append, author, show
from workbench.commands.log import open_history
from workbench.commands.terminal import say
from workbench.contracts.printable import counted
from workbench.errors import LogError, TableError, TableNotFoundError
from workbench.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    import pandas as pd

    from workbench.contracts.records import DecisionRecord
    from workbench.decision_log.answers import Author
    from workbench.item_master.duplicates import Candidate

app = typer.Typer(
    help="The item master: duplicates, merges, one item over systems, units.",
    no_args_is_help=True,
)
AsJson = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]
RULE = "duplicate-items"


@app.command()
def duplicates(
    least: Annotated[float, typer.Option(help="Least score, from 0 to 1.")] = 0.8,
    limit: Annotated[int, typer.Option(min=1, help="How many pairs, the surest first.")] = 100,
    propose: Annotated[
        bool, typer.Option("--propose", help="Enter pairs not entered yet as proposals to merge.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List items that are probably one, with score and evidence."""
    from workbench.item_master import duplicates as matching
    from workbench.item_master.aliases import current_item
    from workbench.tables.store import TableStore

    workspace = find_workspace()
    store = TableStore(workspace.tables)
    version, aliases = store.current("items"), _aliases(workspace)
    found = [
        pair
        for pair in matching.duplicates(store.read(version), least_score=least)
        if current_item(aliases, pair.item_id) != current_item(aliases, pair.duplicate_id)
    ]
    records = [_proposal(pair, version.digest, author("analyst")) for pair in found]
    if propose and records:
        chosen = _to_enter(workspace, records, limit)
        show(append(workspace, chosen), chosen, as_json=as_json)
        return
    listed = list(zip(records, found, strict=True))[:limit]
    if as_json:
        say(json.dumps([{"id": record.id, **vars(pair)} for record, pair in listed], indent=1))
        return
    for record, pair in listed:
        say(f"{pair.score:.2f}  {pair.item_id} = {pair.duplicate_id}  ({record.id})")
        say(f"      {'; '.join(pair.evidence)}")
    left = f", the surest {limit:,} listed (--limit)" if len(found) > limit else ""
    end = "; --propose enters them." if found else "."
    say(f"{counted(len(found), 'pair')} among {counted(version.rows, 'item')}{left}{end}")


@app.command()
def merge(
    decision: Annotated[str, typer.Argument(metavar="ID", help="Id of the accepted proposal.")],
    as_json: AsJson = False,
) -> None:
    """Carry out a merge that somebody accepted with 'workbench decide accept'."""
    from workbench.contracts.records import DecisionRecord
    from workbench.decision_log.answers import answer_id, settled_by
    from workbench.item_master.aliases import Merge, merged

    workspace, by = find_workspace(), author("admin")
    history = open_history(workspace)
    proposal = history.decision(decision)
    detail = _merge_detail(proposal.record)
    answers = settled_by(history, proposal)
    if not answers or answers[-1].kind not in ("acceptance", "approval"):
        raise LogError(
            f"decision {decision!r}: is not accepted; expected a proposal that somebody accepted,"
            f" see 'workbench decide accept {decision}'."
        )
    accepted = answers[-1]
    name = answer_id(accepted.id, "merge")
    aliases = _aliases(workspace)
    logged = history.find(name)
    if logged is not None and history.followers(logged):
        raise LogError(
            f"decision {decision!r}: its merge was undone; expected one that was not. Propose it"
            " anew to repeat it."
        )
    if name not in set(aliases["decision_id"].dropna()):
        if logged is not None:  # cut off before the aliases were written: the same record again
            by = replace(by, now=datetime.fromisoformat(logged.record["recorded_at"]))
        step = Merge(detail["item_id"], detail["duplicate_id"], name, by.now.date())
        after, before = merged(aliases, step)
        record = DecisionRecord(
            id=name, kind="merge", supersedes=accepted.id, recorded_at=by.now, actor=by.actor,
            role=by.role, item_id=step.item_id, rule=RULE, detail={**detail, "before": before},
        )  # fmt: skip
        done = append(workspace, [record])
        _write(workspace, after)
        show(done, [record], as_json=as_json)
    say(f"{detail['duplicate_id']} is {detail['item_id']} from the next ingest on.")


@app.command()
def undo(
    decision: Annotated[str, typer.Argument(metavar="ID", help="Id of the merge.")],
    reason: Annotated[str, typer.Option(help="Why, in a sentence.")],
    as_json: AsJson = False,
) -> None:
    """Take a merge back: every alias is what it was before."""
    from workbench.contracts.records import DecisionRecord
    from workbench.decision_log.answers import answer_id
    from workbench.item_master.aliases import undone

    workspace, by = find_workspace(), author("admin")
    history = open_history(workspace)
    entry = history.decision(decision)
    if entry.kind != "merge" or "before" not in _detail(entry.record):
        raise LogError(f"decision {decision!r}: is no merge; expected the id of one.")
    after = undone(_aliases(workspace), decision, _detail(entry.record)["before"])
    name = answer_id(decision, "undo")
    logged = history.find(name)
    if logged is not None:  # cut off before the aliases were written: the same record again
        by = replace(by, now=datetime.fromisoformat(logged.record["recorded_at"]))
        reason = logged.record["reasons"][0]
    record = DecisionRecord(
        id=name, kind="merge", supersedes=decision, recorded_at=by.now,
        actor=by.actor, role=by.role, item_id=entry.text("item_id"), rule=RULE, reasons=(reason,),
        detail={"undoes": decision, "duplicate_id": _detail(entry.record)["duplicate_id"]},
    )  # fmt: skip
    done = append(workspace, [record])
    _write(workspace, after)
    show(done, [record], as_json=as_json)


@app.command("show")
def show_item(
    item: Annotated[
        str, typer.Argument(help="Number of the item, of one merged into it, or of any system.")
    ],
    as_json: AsJson = False,
) -> None:
    """One item over all systems: its numbers there, and what each table knows of it."""
    from workbench.item_master.aliases import current_item, items_named, items_of
    from workbench.item_master.graph import known_of
    from workbench.tables.store import TableStore

    workspace = find_workspace()
    aliases = _aliases(workspace)
    number, named = current_item(aliases, item), items_named(aliases, item)
    with TableStore(workspace.tables).connect() as connection:
        known = partial(known_of, fetch=lambda sql: connection.execute(sql).fetchall())
        facts = known(number)
        if not facts and len(named) == 1:  # no number of the master, but one system's
            number, facts = named[0], known(named[0])
    systems = items_of(aliases, number)
    if not facts and len(systems) < 2:
        raise TableError(
            f"item {item!r}: in no table, and no system's number in item_aliases; expected the"
            " number of an item, or a system's number for one."
        )
    if as_json:
        say(json.dumps({"item_id": number, "systems": systems, "tables": facts}, indent=1))
        return
    say(f"{number}" + (f" (asked for {item})" if number != item else ""))
    for system, name in systems:
        say(f"  in {system}: {name}")
    for table, fact in facts.items():
        say(f"  {table}: {fact}")
    if "items" not in facts:
        say("  not in the item master: say in item_aliases which item it is, or add it there")


@app.command()
def gtins(
    rows: Annotated[int, typer.Option(help="Most lines of each kind; --json has all.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Check digits and lengths of the items' GTINs, and numbers that several items share."""
    from workbench.item_master.gtins import gtin_faults
    from workbench.tables.store import TableStore

    store = TableStore(find_workspace().tables)
    found = gtin_faults(store.read("items", columns=["item_id", "gtin"]))
    if as_json:
        say(json.dumps(vars(found), indent=1))
        return
    say(
        f"GTINs: {found.stated:,} of {found.items:,} items have one;"
        f" {len(found.wrong):,} wrong, {len(found.shared):,} shared by several items,"
        f" {found.internal:,} of a shop's own range"
    )
    for item, text, reason in found.wrong[:rows]:
        say(f"  {item}: {text!r} {reason}")
    _more(len(found.wrong) - rows, "wrong")
    for digits, ids in found.shared[:rows]:
        say(f"  {digits} is on {', '.join(ids)}")
    _more(len(found.shared) - rows, "shared")


def _more(count: int, kind: str) -> None:
    if count > 0:
        say(f"  … and {count:,} more {kind}; --json lists them all.")


@app.command()
def units(as_json: AsJson = False) -> None:
    """Check unit conversions for conflicts and cycles, and how far package sizes are read."""
    from workbench.item_master.conversions import clashes
    from workbench.item_master.sizes import coverage
    from workbench.tables.store import TableStore

    store = TableStore(find_workspace().tables)
    sizes = coverage(store.read("items", columns=["pack_text"]))
    try:
        found = clashes(store.read("uom_conversions"))
    except TableNotFoundError:
        found = []
    if as_json:
        read = {**vars(sizes), "share": sizes.share}
        facts = {"sizes": read, "clashes": [vars(clash) for clash in found]}
        say(json.dumps(facts, indent=1))
        return
    if not sizes.stated:
        say("package sizes: no item states one")
    else:
        say(f"package sizes: {sizes.parsed:,} of {sizes.stated:,} read ({sizes.share:.1%})")
    for reason, count in sizes.reasons.items():
        say(f"  not read: {count:,} items, {reason}")
    for text, reason, count in sizes.samples:
        say(f"    {text!r} ({count:,} items): {reason}")
    for clash in found:
        say(f"{clash.kind}: {clash.sentence()}")
    say(f"unit conversions: {len(found):,} clashes")


def _proposal(pair: "Candidate", digest: str, by: "Author") -> "DecisionRecord":
    from workbench.contracts.records import DecisionRecord

    about = {"item_id": pair.item_id, "duplicate_id": pair.duplicate_id}
    name = sha256(json.dumps([RULE, about, digest], sort_keys=True).encode()).hexdigest()[:32]
    return DecisionRecord(
        id=name, kind="proposal", recorded_at=datetime.now(UTC), actor=by.actor, role=by.role,
        item_id=pair.item_id, rule=RULE, tier="manual", inputs={"items": digest},
        reasons=pair.evidence,
        detail={"proposal": "merge", **about, "score": pair.score},
    )  # fmt: skip


def _to_enter(
    workspace: Workspace, records: "list[DecisionRecord]", limit: int
) -> "list[DecisionRecord]":
    """The first that were not entered; where all were, the first as they are: each enters once."""
    from workbench.decision_log.service.access import log_client

    logged = log_client(workspace).entries_of([record.id for record in records])
    fresh = [record for record in records if record.id not in logged]
    return fresh[:limit] or [_as_entered(r, json.loads(logged[r.id])) for r in records[:limit]]


def _as_entered(record: "DecisionRecord", entry: dict[str, Any]) -> "DecisionRecord":
    return replace(
        record, recorded_at=datetime.fromisoformat(entry["recorded_at"]), actor=entry["actor"]
    )


def _detail(record: Any) -> dict[str, Any]:
    detail = record.get("detail")
    return detail if isinstance(detail, dict) else {}


def _merge_detail(record: Any) -> dict[str, Any]:
    detail = _detail(record)
    if record.get("kind") != "proposal" or detail.get("proposal") != "merge":
        raise LogError(
            f"decision {record.get('id')!r}: is no proposal to merge items; expected the id of one,"
            " see 'workbench items duplicates'."
        )
    return {name: detail[name] for name in ("item_id", "duplicate_id", "score")}


def _aliases(workspace: Workspace) -> "pd.DataFrame":
    from workbench.item_master.aliases import no_aliases
    from workbench.tables.store import TableStore

    try:
        return TableStore(workspace.tables).read("item_aliases")
    except TableNotFoundError:
        return no_aliases()


def _write(workspace: Workspace, aliases: "pd.DataFrame") -> None:
    from workbench.tables.store import TableStore

    TableStore(workspace.tables).write(
        "item_aliases", aliases, provenance="derived", source="merges that people accepted",
        allow_empty=True,
    )  # fmt: skip
