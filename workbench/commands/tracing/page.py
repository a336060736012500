"""What `workbench trace` found, as the words of a page."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from workbench.commands.tracing.amounts import amount, measured
from workbench.commands.tracing.chain import money, step
from workbench.commands.tracing.check import mark
from workbench.commands.tracing.verdict import verdict
from workbench.dashboards.decision_html import DecisionPage, Rests, Step
from workbench.errors import LogError

if TYPE_CHECKING:
    from workbench.decision_log.trace import DecisionHistory

MOST: Final = 50  # decisions on one page
_STYLES: Final = {"proven": "proven", "altered": "altered"}
_DID: Final = {
    "acceptance": "accepted", "approval": "approved", "rejection": "rejected",
    "override": "changed by a person", "execution": "ordered",
}  # fmt: skip


def html_page(history: "DecisionHistory", facts: dict[str, Any]) -> str:
    """The page of all decisions that were traced.

    Raises:
        LogError: There are none, or more than a page can hold.
    """
    from workbench.dashboards.decision_html import decisions_html

    decisions = facts["decisions"]
    if not 0 < len(decisions) <= MOST:
        raise LogError(
            f"page of {len(decisions)} decisions; expected 1 to {MOST}, ask for fewer with"
            " --decision, --location or --line."
        )
    pages = [decision_page(history, decision) for decision in decisions]
    return decisions_html(pages, **facts["checkpoint"])


def chain_nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All entries of a chain, each before those that follow it."""
    yield node
    for follower in node["followed_by"]:
        yield from chain_nodes(follower)


def decision_page(history: "DecisionHistory", decision: dict[str, Any]) -> DecisionPage:
    """The words of the page of one decision, from what was found about it."""
    nodes = list(chain_nodes(decision["chain"]))
    answers = [decision, *decision["answers"]]
    found = verdict([decision])
    # the oldest entry proposed; what was proposed has the reasons and the evidence
    origin = answers[-1]["record"]
    return DecisionPage(
        entry=f"{decision['entry']:,}",
        headline=_headline(decision, nodes),
        facts=_facts(decision, origin),
        verdict=(
            "Every entry is proven to be in the signed log, and reports, policy, models and rows"
            " hold where they are at hand."
        ),
        simulated=any(one["record"].get("simulated") for one in answers),
        places=tuple(found["places"]),
        unchecked=tuple(found["not_checkable"]),
        tiles=tuple(_tiles(decision, nodes, origin)),
        chain=tuple(_steps(nodes, decision["entry"])),
        others=tuple(_others(decision)),
        reasons=tuple(map(str, origin.get("reasons", []))),
        evidence=tuple(_evidence(answers)),
        proofs=tuple(
            (f"Proof of entry {n['entry']:,}, {n['kind']} {n['id']}", history.bundle(n["id"]))
            for n in nodes
        )
        + tuple(
            (f"Proof of entry {entry.index:,}, where the log changed its key", proof)
            for entry, proof in history.rotations()
        ),
        records=tuple(
            (f"Entry {one['entry']:,}", json.dumps(one["record"], indent=1, ensure_ascii=False))
            for one in answers[::-1]
        ),
    )


def _headline(decision: dict[str, Any], nodes: list[dict[str, Any]]) -> str:
    """One sentence: how much of what, for where, and what became of it."""
    item, place = decision["item_id"], decision["location_id"]
    about = (f" of item {item}" if item else "") + (f" for {place}" if place else "")
    state = decision["settled"] or _own_state(decision)
    quantity = state["quantity"]
    much = "" if quantity is None else measured(quantity, state)
    kind = state["kind"]
    if kind == "rejection":
        return f"The order{about} was rejected: nothing is to be ordered."
    if kind not in _DID:
        return f"{much or 'A record'}{about}: proposed, and not answered yet."
    outcomes = [node for node in nodes if node["kind"] == "outcome"]
    sentence = f"{much}{about}: {_DID[kind]}"
    if outcomes:
        last = outcomes[-1]
        sentence += f", {amount(last.get('quantity') or 0)} received by {last.get('as_of')}"
    return f"{sentence}."


def _own_state(decision: dict[str, Any]) -> dict[str, Any]:
    record = decision["record"]
    return {
        "kind": record.get("kind"),
        "quantity": record.get("after", record.get("quantity")),
        "unit": record.get("unit"),
    }


def _facts(decision: dict[str, Any], origin: dict[str, Any]) -> str:
    parts = []
    if decision["valid_from"]:
        until = f" until before {origin['valid_to']}" if origin.get("valid_to") else ""
        parts.append(f"In force from {decision['valid_from']}{until}")
    if origin.get("as_of"):
        parts.append(f"from what was known on {origin['as_of']}")
    if origin.get("rule"):
        parts.append(f"rule {origin['rule']}, tier {origin.get('tier')}")
    return " · ".join(parts)


def _tiles(
    decision: dict[str, Any], nodes: list[dict[str, Any]], origin: dict[str, Any]
) -> Iterator[tuple[str, str, str]]:
    if origin.get("quantity") is not None:
        yield "Proposed", measured(origin["quantity"], origin), _before(origin)
    settled = decision["settled"] or _own_state(decision)
    if settled["kind"] in _DID and settled["quantity"] is not None:
        did = {"execution": "ordered", "rejection": "rejected"}
        note = did.get(settled["kind"], "not ordered yet")
        yield "Decided", measured(settled["quantity"], origin), note
    if origin.get("money_at_stake") is not None:
        yield (
            "Money at stake",
            money(origin["money_at_stake"], origin),
            "by the proposal's estimate",
        )
    made = [node for node in nodes if node.get("money") is not None]
    if made:
        total = sum(node["money"] for node in made)
        word = "Lost" if total < 0 else "Made"
        yield word, money(abs(total), made[0]), f"by {made[-1].get('as_of')}"


def _before(origin: dict[str, Any]) -> str:
    before = origin.get("before")
    return "" if before is None else f"{amount(before)} by the policy before"


def _steps(nodes: list[dict[str, Any]], current: int) -> Iterator[Step]:
    last: str | None = None
    for node in nodes:
        words = step(node)
        reasons = node.get("reasons") or []
        answered = node.get("supersedes")
        beside = f"follows {answered}" if last is not None and answered != last else ""
        yield Step(
            words=words[:1].upper() + words[1:],
            by=f"{node.get('actor')} as {node.get('role')}, {_time(node)}, entry {node['entry']:,}",
            reason=str(reasons[0]) if reasons and node["kind"] != "proposal" else "",
            branch=beside,
            here=node["entry"] == current,
        )
        last = node["id"]


def _time(node: dict[str, Any]) -> str:
    return str(node.get("recorded_at"))[:19].replace("T", " ") + " UTC"


def _others(decision: dict[str, Any]) -> Iterator[str]:
    for later in decision["superseded_by"][:1]:
        yield (
            f"For days they share it is superseded by the {later['kind']} {later['id']}, entry"
            f" {later['entry']:,}."
        )
    for order in decision["ordered_otherwise"][:3]:
        yield f"The same {order['sentence']}, by another decision."
    for before in decision["waits_behind"][:1]:
        yield f"It waits for an answer; in force is {before['id']}, which {before['sentence']}."
    for newer in decision["newer_proposals"][:1]:
        yield (
            f"A newer proposal, {newer['id']}, entry {newer['entry']:,}, waits for an answer and"
            " changes nothing until then."
        )
    for earlier in decision["replaces"][:3]:
        yield f"It supersedes the {earlier['kind']} {earlier['id']}, entry {earlier['entry']:,}."


def _evidence(answers: list[dict[str, Any]]) -> Iterator[Rests]:
    seen = set()
    for rests in (one for answer in answers for one in _of_entry(answer)):
        if rests not in seen:
            seen.add(rests)
            yield rests


def _of_entry(entry: dict[str, Any]) -> Iterator[Rests]:
    for rows in entry["evidence"]:
        first, last = rows["first_row"], rows["last_row"]
        span = f"row {first:,}" if first == last else f"rows {first:,} to {last:,}"
        yield _rests("Data", f"Table {rows['table']}, {span}", f"digest {rows['digest']}", rows)
    for model in entry["models"]:
        name = f"{model['name']}, version {model['version']}"
        yield _rests("Model", name, f"SHA-256 {model['digest']}", model)
    for run in entry["runs"]:
        if run["state"] != "no report":
            what = f"{run['notebook'] or 'unknown'}, run {run['run_id']}"
            yield _rests("Calculation", what, str(run.get("headline") or ""), run)
    if entry["policy"]:
        policy = entry["policy"]
        text, rule = policy.get("text") or "", entry["record"].get("rule")
        what = text or (f"Rule {rule}" if rule else "Policy of the log")
        yield _rests("Policy", what, f"SHA-256 {policy['digest']}", policy)


def _rests(kind: str, what: str, note: str, facts: dict[str, Any]) -> Rests:
    state = str(facts["state"])
    words = {"proven": "✓ holds", "altered": "✗ altered"}.get(state, "not at hand")
    if state != "proven":
        note = f"{note}; {mark(facts)[0].removeprefix('✗ ')}".removeprefix("; ")
    return Rests(kind, what, note, words, _STYLES.get(state, "open"))
