"""How decisions about the same item, location and days stand to each other.

What people answered goes before what nobody answered; of two answers the later one holds. So a
proposal that a rerun makes waits behind an answer, and supersedes it only when it is answered
itself. A rejection speaks of its own proposal: it takes nothing from an earlier answer to another.
"""

from dataclasses import dataclass
from typing import Final

from workbench.decision_log.trace import DECIDING, EXECUTION, DecisionHistory, Entry

PROPOSED, REFUSED, ANSWERED = range(3)  # ranks; `trace` has the same in SQL
AGAIN: Final = "ordered_again_after"  # in detail: ids of the orders that somebody knew of


@dataclass(frozen=True)
class Standing:
    """The other decisions for a decision's item, location, topic and days, each latest first.

    Attributes:
        superseded_by: In force instead of it on the days they share.
        supersedes: Those that it is in force instead of.
        behind: Earlier answers that it waits behind, being a proposal that nobody answered.
        waiting: Later proposals that nobody answered.
        orders: Executions: these goods are ordered already by another decision.
    """

    superseded_by: tuple[Entry, ...] = ()
    supersedes: tuple[Entry, ...] = ()
    behind: tuple[Entry, ...] = ()
    waiting: tuple[Entry, ...] = ()
    orders: tuple[Entry, ...] = ()


def standing(history: DecisionHistory, entry: Entry) -> Standing:
    """How a decision stands, by what its chain says on the days shared with each other one.

    Raises:
        VerificationError: An entry is not the one that was signed.
    """
    shared = history.sharing_days(entry)
    if not shared:
        return Standing()
    chain = [known for known in history.tree(entry).entries() if known.kind in DECIDING]
    orders = tuple(other for other in shared if other.kind == EXECUTION)
    found: dict[str, list[Entry]] = {"superseded_by": [], "supersedes": [], "behind": []}
    found["waiting"] = []
    for other in _heads(history, [other for other in shared if other.kind != EXECUTION]):
        relation = _relation(history, entry, chain, other)
        if relation:
            found[relation].append(other)
    return Standing(**{name: tuple(others) for name, others in found.items()}, orders=orders)


def rank(history: DecisionHistory, entry: Entry) -> int:
    """0 proposed, 1 a proposal refused, 2 answered otherwise, also an answer taken back."""
    if entry.kind == "proposal":
        return PROPOSED
    if entry.kind == "rejection":
        refused = history.find(entry.text("supersedes") or "")
        return REFUSED if refused is None or refused.kind == "proposal" else ANSWERED
    return ANSWERED


def known_orders(history: DecisionHistory, entry: Entry) -> set[str]:
    """Orders for the same that somebody knew of who answered in this entry's chain."""
    known: set[str] = set()
    for answer in (entry, *history.answered(entry)):
        detail = answer.record.get("detail")
        named = detail.get(AGAIN) if isinstance(detail, dict) else None
        known |= set(map(str, named)) if isinstance(named, list) else set()
    return known


def _relation(
    history: DecisionHistory, entry: Entry, chain: list[Entry], other: Entry
) -> str | None:
    mine = max(
        (known for known in chain if _share_days(history, known, other)),
        key=lambda known: (rank(history, known), known.index),
        default=entry,
    )
    own, others = (rank(history, mine), mine.index), (rank(history, other), other.index)
    if own < others:
        return "behind" if own[0] == PROPOSED and others[1] < own[1] else "superseded_by"
    if others[1] < own[1]:
        return "supersedes"
    return "waiting" if others[0] == PROPOSED else None  # a later refusal changes nothing


def _share_days(history: DecisionHistory, one: Entry, other: Entry) -> bool:
    starts = [history.about(entry, "valid_from") or "" for entry in (one, other)]
    return max(starts) < min(history.end(one), history.end(other))


def _heads(history: DecisionHistory, found: list[Entry]) -> list[Entry]:
    """The entries that none of the others answers for as long as they last."""
    by_id = {entry.id: entry for entry in found}
    settled: set[str] = set()
    for entry in found:
        end, before = history.end(entry), by_id.get(entry.text("supersedes") or "")
        seen = {entry.id}
        while before is not None and before.id not in seen:
            seen.add(before.id)
            if end >= history.end(before):
                settled.add(before.id)
            before = by_id.get(before.text("supersedes") or "")
    return [entry for entry in found if entry.id not in settled]
