"""Tracing: which decision was in force, what it rests on, what came before and after it.

An order line belongs to the decision in force for its item, location and day: valid_from ≤ day <
valid_to, not expired, latest entry first. Every entry that is returned was proven to be under the
signed checkpoint; the index only suggests where to look.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from workbench.decision_log.checkpoint import Checkpoint
from workbench.decision_log.index import LogIndex
from workbench.decision_log.note import parse_verifier
from workbench.decision_log.prove import ProvenEntry, ProvingReader
from workbench.decision_log.storage import Storage
from workbench.errors import VerificationError

DECIDING: Final = ("proposal", "acceptance", "override", "approval", "rejection")
_DECIDING_SQL: Final = f"kind IN ({', '.join('?' * len(DECIDING))})"
_IN_FORCE_SQL: Final = (
    "valid_from <= ? AND (valid_to IS NULL OR valid_to > ?) AND (expires IS NULL OR expires > ?)"
)


@dataclass(frozen=True)
class Entry:
    """A proven entry, parsed."""

    index: int
    record: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.record["id"])

    @property
    def location_id(self) -> str | None:
        return self.record.get("location_id")

    def text(self, name: str) -> str | None:
        """A field as text, None where it is absent."""
        value = self.record.get(name)
        return None if value is None else str(value)


@dataclass(frozen=True)
class Node:
    """An entry and those that supersede it, oldest first."""

    entry: Entry
    followed_by: tuple["Node", ...]

    def entries(self) -> list[Entry]:
        """This entry and all below."""
        return [self.entry, *(entry for node in self.followed_by for entry in node.entries())]


@dataclass(frozen=True)
class OrderLine:
    """One line of an order, and the locations whose decisions may explain it, nearest first."""

    order_id: str
    line: int
    item_id: str
    location_id: str
    day: date
    supplied_from: tuple[str, ...] = ()


@dataclass(frozen=True)
class TracedLine:
    """A line with the decision in force, where there was one.

    Attributes:
        decided_for: Location that the decision is about; None where it names the line itself.
        following: Where there was none: the first decision later in force for the item.
    """

    line: OrderLine
    decision: Entry | None
    decided_for: str | None = None
    following: Entry | None = None


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
        self._index = index
        index.catch_up(storage, self.checkpoint)

    @property
    def checkpoint(self) -> Checkpoint:
        """What all answers are proven against."""
        return self._reader.checkpoint

    def decision(self, decision_id: str) -> Entry:
        """The entry of a decision.

        Raises:
            LogError: No entry has that id.
            VerificationError: The entry is not the one that was signed.
        """
        entry = self._entry(self._index.find(decision_id))
        if entry.id != decision_id:
            raise VerificationError(
                f"decision {decision_id!r}: the index names entry {entry.index}, which is"
                f" {entry.id!r}; delete the index, it is rebuilt from the log."
            )
        return entry

    def bundle(self, decision_id: str) -> str:
        """Offline proof of a decision, as text (c2sp.org/tlog-proof); raises as `decision`."""
        return self._reader.bundle(self.decision(decision_id).index)

    def decisions(
        self, item_id: str, *, location_id: str | None = None, day: date | None = None
    ) -> list[Entry]:
        """Latest decision per location and topic of proposal about an item.

        Args:
            item_id: The item.
            location_id: Only this location; all by default.
            day: In force on this day; else whatever their validity.
        """
        condition, parameters = f"item_id = ? AND {_DECIDING_SQL}", [item_id, *DECIDING]
        if location_id is not None:
            condition, parameters = condition + " AND location_id = ?", [*parameters, location_id]
        if day is not None:
            condition += f" AND {_IN_FORCE_SQL}"
            parameters += [day.isoformat()] * 3
        entries = [self._entry(at) for at in self._index.select_latest(condition, parameters)]
        return sorted(entries, key=lambda entry: (entry.location_id or "", -entry.index))

    def order_lines(self, lines: Sequence[OrderLine]) -> list[TracedLine]:
        """The decision in force for each line: at its location, else where that is supplied from.

        An entry that names the order line itself goes before both.
        """
        return [self._trace_line(line) for line in lines]

    def answered(self, entry: Entry) -> list[Entry]:
        """What an entry answers or replaces, nearest first, as far back as the log knows."""
        chain = [entry]
        while before := chain[-1].text("supersedes"):
            found = self._index.positions([before])
            if not found or before in {known.id for known in chain}:
                break
            chain.append(self._entry(found[before]))
        return chain[1:]

    def tree(self, entry: Entry) -> Node:
        """The whole chain that an entry belongs to, from the first record that it goes back to."""
        return self._node([entry, *self.answered(entry)][-1], set())

    def _node(self, entry: Entry, seen: set[str]) -> Node:
        seen.add(entry.id)
        followers = reversed(self._index.select("supersedes = ?", [entry.id]))
        nodes = [self._entry(position) for position in followers]
        return Node(entry, tuple(self._node(n, seen) for n in nodes if n.id not in seen))

    def _trace_line(self, line: OrderLine) -> TracedLine:
        named = self._index.select("order_id = ? AND order_line = ?", [line.order_id, line.line])
        if named:
            return TracedLine(line, self._entry(named[0]))
        for location in (line.location_id, *line.supplied_from):
            found = self.decisions(line.item_id, location_id=location, day=line.day)
            if found:
                return TracedLine(line, max(found, key=lambda entry: entry.index), location)
        return TracedLine(line, None, following=self._first_after(line))

    def _first_after(self, line: OrderLine) -> Entry | None:
        locations = (line.location_id, *line.supplied_from)
        later = self._index.select(
            f"item_id = ? AND {_DECIDING_SQL} AND valid_from > ?"
            f" AND location_id IN ({', '.join('?' * len(locations))})",
            [line.item_id, *DECIDING, line.day.isoformat(), *locations],
        )
        entries = [self._entry(position) for position in later]
        return min(entries, key=lambda e: (e.text("valid_from"), -e.index), default=None)

    def _entry(self, position: int) -> Entry:
        proven: ProvenEntry = self._reader.entry(position)
        record = json.loads(proven.entry)
        if not isinstance(record, dict):
            raise VerificationError(f"entry {position}: not a decision record.")
        return Entry(position, record)
