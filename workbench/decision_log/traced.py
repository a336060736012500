"""What tracing finds: proven entries, chains of them, order lines with their decisions."""

from dataclasses import dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True)
class Entry:
    """A proven entry, parsed."""

    index: int
    record: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.record["id"])

    @property
    def kind(self) -> str:
        return str(self.record.get("kind"))

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
    """One line of an order, and the locations whose decisions may explain it, nearest first.

    Attributes:
        executed_by: Id of the execution that names it, where that is known already.
    """

    order_id: str
    line: int
    item_id: str
    location_id: str
    day: date
    supplied_from: tuple[str, ...] = ()
    executed_by: str | None = None


@dataclass(frozen=True)
class TracedLine:
    """A line with the decision in force, where there was one.

    Attributes:
        decided_for: Location that the decision is about; None where it names the line itself.
        following: Where there was none: the first decision later in force for the item.
        following_from: First day of that.
    """

    line: OrderLine
    decision: Entry | None
    decided_for: str | None = None
    following: Entry | None = None
    following_from: str | None = None
