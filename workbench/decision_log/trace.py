"""Tracing: which decision was in force, what it rests on, what came before and after it.

An order line belongs to the decision in force for its item, location and day: valid_from ≤ day <
valid_to, not expired, latest entry first. Every entry that is returned was proven to be under the
signed checkpoint; that none was left out rests on the index, whose rows are sealed (`index_seal`).
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from typing import Any, Final

from workbench.decision_log import prunings
from workbench.decision_log.checkpoint import Checkpoint
from workbench.decision_log.index import LogIndex, parsed
from workbench.decision_log.note import parse_verifier
from workbench.decision_log.prove import ProvenEntry, ProvingReader
from workbench.decision_log.rotation import KIND as ROTATION
from workbench.decision_log.storage import Storage
from workbench.decision_log.traced import Entry, Node, OrderLine, TracedLine
from workbench.errors import LogError, PrunedError, VerificationError

__all__ = ["DECIDING", "DecisionHistory", "Entry", "Node", "OrderLine", "TracedLine"]

DECIDING: Final = ("proposal", "acceptance", "override", "approval", "rejection")
_DECIDING_SQL: Final = f"kind IN ({', '.join('?' * len(DECIDING))})"
_KEPT: Final = 8192  # proven entries in memory
_IN_FORCE_SQL: Final = (
    "valid_from <= ? AND (valid_to IS NULL OR valid_to > ?) AND (expires IS NULL OR expires > ?)"
)


class DecisionHistory:
    """Questions about the decisions of one log; the answers are proven entries.

    Args:
        storage: Of the log.
        index: Brought up to date with the log's checkpoint.
        key: Verifier key from outside the log.

    Raises:
        LogError: There is no log.
        VerificationError: The checkpoint is not signed by that key.
    """

    def __init__(self, storage: Storage, index: LogIndex, key: str) -> None:
        self._reader = ProvingReader(storage, parse_verifier(key))
        self._storage = storage
        self._index = index
        self._rebuilt = False
        self._proven: dict[int, Entry] = {}
        index.catch_up(storage, self.checkpoint)

    @property
    def checkpoint(self) -> Checkpoint:
        """What all answers are proven against."""
        return self._reader.checkpoint

    @property
    def note(self) -> bytes:
        """The signed checkpoint as it was published."""
        return self._reader.note

    def entry_bytes(self, position: int) -> bytes:
        """The entry at a position as it was signed; raises as `decision`."""
        return self._reader.entry(position).entry

    def decision(self, decision_id: str) -> Entry:
        """The entry of a decision.

        Raises:
            LogError: No entry has that id.
            VerificationError: The entry is not the one that was signed.
        """
        prunings.refuse_pruned(self._reader, self._index, decision_id)
        found = self._by_id(decision_id)
        if found is None:
            raise LogError(
                f"decision {decision_id!r}: not in the log; expected the id of an entry, find one"
                " with 'workbench trace --item ITEM'."
            )
        return found

    def followers(self, entry: Entry) -> list[Entry]:
        """Entries that answer or replace an entry, oldest first."""
        found = self._checked(
            lambda: self._index.of("supersedes", entry.id),
            lambda follower: follower.text("supersedes") == entry.id,
        )
        return found[::-1]

    def unanswered(self, kinds: Sequence[str]) -> list[Entry]:
        """Entries of these kinds that no other deciding or executing entry answers, in order."""
        wanted, closing = ", ".join("?" * len(kinds)), (*DECIDING, "execution")
        condition = (
            f"kind IN ({wanted}) AND NOT EXISTS (SELECT 1 FROM entries AS later"
            " WHERE later.supersedes_bucket = entries.id_bucket AND later.supersedes = entries.id"
            f" AND later.kind IN ({', '.join('?' * len(closing))}))"
        )
        return self._checked(
            lambda: self._index.scan(condition, [*kinds, *closing]),
            lambda entry: entry.kind in kinds,
        )

    def of_run(self, run_id: str) -> list[Entry]:
        """All decisions of a run, newest first."""
        return self._checked(
            lambda: self._index.of_run(run_id),
            lambda entry: run_id in (entry.record.get("run_ids") or ()),
        )

    def of_model(self, model: str, version: str | None = None) -> list[int]:
        """Positions of the decisions that rest on a model, newest first.

        Args:
            model: Its name, or the SHA-256 of its bytes.
            version: With a name, only this version.
        """
        positions: list[int] = []

        def find() -> list[int]:
            positions[:] = self._index.resting_on(model, version)
            return positions[:1]

        self._checked(find, lambda entry: bool(entry.record.get("models")))
        return positions

    def at(self, positions: Sequence[int], holds: Callable[[Entry], bool]) -> list[Entry]:
        """Proven entries at positions that the index gave, each of which must hold.

        Raises:
            VerificationError: One does not.
        """
        return self._checked(lambda: list(positions), holds)

    def all_followers(self, entries: Sequence[Entry]) -> list[Entry]:
        """Every entry that answers one of these, or an answer to them, oldest first."""
        found: list[Entry] = []
        known = {entry.id for entry in entries}
        while entries:
            level = [follower for entry in entries for follower in self.followers(entry)]
            entries = [entry for entry in level if entry.id not in known]
            known |= {entry.id for entry in entries}
            found += entries
        return sorted(found, key=lambda entry: entry.index)

    def naming_order(self, order_id: str, line: int | None = None) -> list[Entry]:
        """Entries that name an order or a line of it: executions first, each latest first."""
        condition, parameters = ("TRUE", []) if line is None else ("order_line = ?", [line])
        found = self._checked(
            lambda: self._index.of("order", order_id, condition, parameters),
            lambda entry: (
                entry.text("order_id") == order_id
                and (line is None or entry.record.get("order_line") == line)
            ),
        )
        return sorted(found, key=lambda entry: (entry.kind != "execution", -entry.index))

    def pruned(self, decision_id: str) -> str | None:
        """Who had the entry of that id pruned, and when; None where it is here or unknown."""
        return prunings.pruned(self._reader, self._index, decision_id)

    def find(self, decision_id: str) -> Entry | None:
        """The entry of that id, None where the index knows of none; raises as `decision`."""
        return self._by_id(decision_id)

    def bundle(self, decision_id: str) -> str:
        """Offline proof of a decision, as text (c2sp.org/tlog-proof); raises as `decision`."""
        return self._reader.bundle(self.decision(decision_id).index)

    def rotations(self) -> list[tuple[Entry, str]]:
        """Changes of the log's key, oldest first, with the proof of each; from the index."""
        found = self._checked(
            lambda: self._index.select("kind = ?", [ROTATION]),
            lambda entry: entry.kind == ROTATION,
        )
        return [(entry, self._reader.bundle(entry.index)) for entry in found[::-1]]

    def decisions(
        self,
        item_id: str,
        *,
        location_id: str | None = None,
        day: date | None = None,
    ) -> list[Entry]:
        """Latest decision per location and topic of proposal about an item.

        Args:
            item_id: The item.
            location_id: Only this location; all by default.
            day: In force on this day; else whatever their validity.
        """
        condition, parameters = _DECIDING_SQL, list(DECIDING)
        if location_id is not None:
            condition, parameters = condition + " AND location_id = ?", [*parameters, location_id]
        if day is not None:
            condition += f" AND {_IN_FORCE_SQL}"
            parameters += [day.isoformat()] * 3
        entries = self._checked(
            lambda: self._index.latest_of("item", item_id, condition, parameters),
            lambda entry: self._decides(entry, item_id, location_id, day),
        )
        return sorted(entries, key=lambda entry: (entry.location_id or "", -entry.index))

    def rivals(self, entry: Entry) -> tuple[list[Entry], list[Entry]]:
        """Decisions outside an entry's chain for the same item, location and topic in its days.

        The latest entry is in force, so that later ones supersede it on the days they share.

        Returns:
            Earlier ones and later ones, each latest first.
        """
        item, first = self.about(entry, "item_id"), self.about(entry, "valid_from")
        if entry.record.get("kind") not in DECIDING or item is None or first is None:
            return [], []
        location, end = self.about(entry, "location_id"), self._end(entry)
        found = self._checked(
            lambda: self._index.of(
                "item",
                item,
                f"location_id IS ? AND {_DECIDING_SQL} AND valid_from < ?"
                " AND (valid_to IS NULL OR valid_to > ?) AND (expires IS NULL OR expires > ?)",
                [location, *DECIDING, end, first, first],
            ),
            lambda other: self._decides(other, item, location),
        )
        chain = {known.id for known in self.tree(entry).entries()}
        topic = self._topic(entry)
        others = [e for e in found if e.id not in chain and self._topic(e) == topic]
        earlier = [other for other in others if other.index < entry.index]
        return earlier, [other for other in others if other.index > entry.index]

    def _end(self, entry: Entry) -> str:
        """First day on which an entry is no longer in force; far off where it has none."""
        ends = [self.about(entry, "valid_to"), entry.text("expires"), "9999-12-31"]
        return min(end for end in ends if end)

    def _topic(self, entry: Entry) -> Any:
        details = (known.record.get("detail") for known in (entry, *self.answered(entry)))
        topics = (detail.get("proposal") for detail in details if isinstance(detail, dict))
        return next((topic for topic in topics if topic is not None), None)

    def order_lines(self, lines: Sequence[OrderLine]) -> list[TracedLine]:
        """The decision in force for each line: at its location, else where that is supplied from.

        An entry that names the order line itself goes before both.
        """
        return [self._trace_line(line) for line in lines]

    def answered(self, entry: Entry) -> list[Entry]:
        """What an entry answers or replaces, nearest first, as far back as the log knows."""
        chain = [entry]
        while before := chain[-1].text("supersedes"):
            if before in {known.id for known in chain}:
                break
            found = self._by_id(before)
            if found is None:
                break
            chain.append(found)
        return chain[1:]

    def about(self, entry: Entry, name: str) -> str | None:
        """A field of what an entry is about: its own, else that of what it answers."""
        values = (known.record.get(name) for known in (entry, *self.answered(entry)))
        return next((str(value) for value in values if isinstance(value, (str, int))), None)

    def tree(self, entry: Entry) -> Node:
        """The whole chain that an entry belongs to, from the first record that it goes back to."""
        return self._node([entry, *self.answered(entry)][-1], set())

    def _node(self, entry: Entry, seen: set[str]) -> Node:
        seen.add(entry.id)
        nodes = self.followers(entry)
        return Node(entry, tuple(self._node(n, seen) for n in nodes if n.id not in seen))

    def _trace_line(self, line: OrderLine) -> TracedLine:
        if line.executed_by is not None:
            return TracedLine(line, self.decision(line.executed_by))
        named = self.naming_order(line.order_id, line.line)
        if named:
            return TracedLine(line, named[0])
        for location in (line.location_id, *line.supplied_from):
            found = self.decisions(line.item_id, location_id=location, day=line.day)
            if found:
                return TracedLine(line, max(found, key=lambda entry: entry.index), location)
        following = self._first_after(line)
        since = self.about(following, "valid_from") if following else None
        return TracedLine(line, None, following=following, following_from=since)

    def _first_after(self, line: OrderLine) -> Entry | None:
        locations = (line.location_id, *line.supplied_from)
        entries = self._checked(
            lambda: self._index.of(
                "item",
                line.item_id,
                f"{_DECIDING_SQL} AND valid_from > ?"
                f" AND location_id IN ({', '.join('?' * len(locations))})",
                [*DECIDING, line.day.isoformat(), *locations],
            ),
            lambda entry: (
                self._decides(entry, line.item_id)
                and self.about(entry, "location_id") in locations
                and (self.about(entry, "valid_from") or "") > line.day.isoformat()
            ),
        )
        return min(
            entries, key=lambda e: (self.about(e, "valid_from") or "", -e.index), default=None
        )

    # --- the index is derived: believed only where the log agrees ------------------------------

    def _checked(
        self,
        find: Callable[[], list[int]],
        holds: Callable[[Entry], bool],
    ) -> list[Entry]:
        """Entries at the positions found, each of which was compared with what was asked.

        Where one disagrees, the index is built anew from the log, once, and asked again.

        Args:
            find: Asks the index.
            holds: Whether an entry answers the question.

        Raises:
            VerificationError: The entries disagree with an index that was just built from them.
        """
        entries = self._agreeing(find, holds)
        if entries is None and not self._rebuilt:
            self._rebuild()
            entries = self._agreeing(find, holds)
        if entries is None:
            raise VerificationError(
                "the index of the log: names entries that are not what was asked for, though it"
                " was just built from the log; run 'workbench log verify'."
            )
        return entries

    def _agreeing(
        self, find: Callable[[], list[int]], holds: Callable[[Entry], bool]
    ) -> list[Entry] | None:
        entries = []
        try:
            for position in find():
                with suppress(PrunedError):  # the chain ends there
                    entries.append(self._entry(position))
        except VerificationError:
            raise
        except LogError:  # no entry at that position
            return None
        return entries if all(holds(entry) for entry in entries) else None

    def _rebuild(self) -> None:
        self._index.rebuild(self._storage, self.checkpoint)
        self._rebuilt = True

    def _by_id(self, decision_id: str) -> Entry | None:
        found = self._checked(
            lambda: self._index.of("id", decision_id),
            lambda entry: entry.id == decision_id,
        )
        return found[0] if found else None

    def _decides(
        self,
        entry: Entry,
        item_id: str,
        location_id: str | None = None,
        day: date | None = None,
    ) -> bool:
        if entry.record.get("kind") not in DECIDING or self.about(entry, "item_id") != item_id:
            return False
        if location_id is not None and self.about(entry, "location_id") != location_id:
            return False
        return day is None or self._is_in_force(entry, day.isoformat())

    def _is_in_force(self, entry: Entry, day: str) -> bool:
        first, end = self.about(entry, "valid_from"), self.about(entry, "valid_to")
        ends = [text for text in (end, entry.text("expires")) if text]
        return first is not None and first <= day and all(day < text for text in ends)

    def _entry(self, position: int) -> Entry:
        known = self._proven.get(position)
        if known is None:
            if len(self._proven) >= _KEPT:
                self._proven.clear()
            proven: ProvenEntry = self._reader.entry(position)
            known = Entry(position, parsed(proven.entry, position))
            self._proven[position] = known
        return known
