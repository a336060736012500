"""Tracing: which decision was in force, what it rests on, what came before and after it.

An order line belongs to the decision in force for its item, location and day: valid_from ≤ day <
valid_to, not expired, answers before proposals that nobody answered, latest entry first
(`standing`). Every entry that is returned was proven to be under the signed checkpoint; that none
was left out rests on the index, whose rows are sealed (`index_seal`).
"""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

from workbench.decision_log import prunings
from workbench.decision_log.proven_entries import ProvenEntries
from workbench.decision_log.rotation import KIND as ROTATION
from workbench.decision_log.traced import Entry, Node, OrderLine, TracedLine
from workbench.errors import LogError

__all__ = ["DECIDING", "DecisionHistory", "Entry", "Node", "OrderLine", "TracedLine"]

DECIDING: Final = ("proposal", "acceptance", "override", "approval", "rejection")
EXECUTION: Final = "execution"
_DECIDING_SQL: Final = f"kind IN ({', '.join('?' * len(DECIDING))})"
_IN_FORCE_SQL: Final = (
    "valid_from <= ? AND (valid_to IS NULL OR valid_to > ?) AND (expires IS NULL OR expires > ?)"
)
_SHARING_SQL: Final = (
    "valid_from < ? AND (valid_to IS NULL OR valid_to > ?) AND (expires IS NULL OR expires > ?)"
)
_ANSWERED_SQL: Final = "kind IN ('acceptance', 'override', 'approval', 'rejection')"
_RANK_SQL: Final = (  # as `standing.rank`; what a rejection answers is about the same item
    "CASE kind WHEN 'proposal' THEN 0 WHEN 'rejection' THEN 1 + EXISTS (SELECT 1 FROM entries AS"
    " refused WHERE refused.item_bucket = entries.item_bucket AND refused.item_id ="
    " entries.item_id AND refused.id = entries.supersedes AND refused.kind != 'proposal')"
    " ELSE 2 END"
)


class DecisionHistory(ProvenEntries):
    """Questions about the decisions of one log; the answers are proven entries."""

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
        """Decision in force per location and topic of proposal about an item.

        Args:
            item_id: The item.
            location_id: Only this location; all by default.
            day: In force on this day; else on the first day of the latest one.
        """
        condition, parameters = _DECIDING_SQL, list(DECIDING)
        if location_id is not None:
            condition, parameters = condition + " AND location_id = ?", [*parameters, location_id]
        if day is not None:
            condition += f" AND {_IN_FORCE_SQL}"
            parameters += [day.isoformat()] * 3
        order = "0" if day is None else _RANK_SQL
        entries = self._checked(
            lambda: self._index.latest_of("item", item_id, condition, parameters, rank=order),
            lambda entry: self._decides(entry, item_id, location_id, day),
        )
        if day is None and self._is_answered(item_id):
            entries = [self._in_force_at_first(entry, item_id) for entry in entries]
        return sorted(entries, key=lambda entry: (entry.location_id or "", -entry.index))

    def _is_answered(self, item_id: str) -> bool:
        """Whether anybody answered a decision about an item."""
        return bool(
            self._checked(
                lambda: self._index.of("item", item_id, _ANSWERED_SQL)[:1],
                lambda entry: self._decides(entry, item_id),
            )
        )

    def _in_force_at_first(self, latest: Entry, item_id: str) -> Entry:
        """The decision in force on the first day of one, for the same."""
        location, first = self.about(latest, "location_id"), self.about(latest, "valid_from")
        if location is None or first is None:
            return latest
        day = date.fromisoformat(first)
        found = self.decisions(item_id, location_id=location, day=day)
        topic = self.topic(latest)
        return next((entry for entry in found if self.topic(entry) == topic), latest)

    def answered_in(self, first: date, end: date) -> list[Entry]:
        """Answers and executions about items, in force on a day from `first` to before `end`."""
        condition = f"({_ANSWERED_SQL} OR kind = ?) AND item_id IS NOT NULL AND {_SHARING_SQL}"
        parameters = [EXECUTION, end.isoformat(), first.isoformat(), first.isoformat()]
        return self._checked(
            lambda: self._index.scan(condition, parameters),
            lambda entry: entry.kind != "proposal",
        )

    def sharing_days(self, entry: Entry) -> list[Entry]:
        """Decisions and executions of other chains for the same item, location, topic and days.

        Returns:
            All of them, latest first; `standing` tells which of them holds.
        """
        item, first = self.about(entry, "item_id"), self.about(entry, "valid_from")
        if entry.record.get("kind") not in (*DECIDING, EXECUTION) or item is None or first is None:
            return []
        location, kinds = self.about(entry, "location_id"), (*DECIDING, EXECUTION)
        found = self._checked(
            lambda: self._index.of(
                "item",
                item,
                f"location_id IS ? AND ({_DECIDING_SQL} OR kind = ?) AND {_SHARING_SQL}",
                [location, *kinds, self.end(entry), first, first],
            ),
            lambda other: self._decides(other, item, location, kinds=kinds),
        )
        if not found:
            return []
        chain = {known.id for known in self.tree(entry).entries()}
        topic = self.topic(entry)
        return [e for e in found if e.id not in chain and self.topic(e) == topic]

    def end(self, entry: Entry) -> str:
        """First day on which an entry is no longer in force; far off where it has none."""
        ends = [self.about(entry, "valid_to"), entry.text("expires"), "9999-12-31"]
        return min(end for end in ends if end)

    def topic(self, entry: Entry) -> str | None:
        """What its chain proposes, such as `replenishment`; decisions of two topics do not meet."""
        details = (known.record.get("detail") for known in (entry, *self.answered(entry)))
        topics = (detail.get("proposal") for detail in details if isinstance(detail, dict))
        return next((str(topic) for topic in topics if topic is not None), None)

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

    def _decides(
        self,
        entry: Entry,
        item_id: str,
        location_id: str | None = None,
        day: date | None = None,
        kinds: Sequence[str] = DECIDING,
    ) -> bool:
        if entry.record.get("kind") not in kinds or self.about(entry, "item_id") != item_id:
            return False
        if location_id is not None and self.about(entry, "location_id") != location_id:
            return False
        return day is None or self._is_in_force(entry, day.isoformat())

    def _is_in_force(self, entry: Entry, day: str) -> bool:
        first, end = self.about(entry, "valid_from"), self.about(entry, "valid_to")
        ends = [text for text in (end, entry.text("expires")) if text]
        return first is not None and first <= day and all(day < text for text in ends)
