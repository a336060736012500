"""What is asked of the log: entries checked one by one, and what a group of them adds to it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from workbench.contracts.canonical import parse_canonical
from workbench.contracts.records import DecisionRecord
from workbench.decision_log import rotation
from workbench.errors import ImmutableError, LogError, PrunedError, WorkbenchError
from workbench.merkle import leaf_hash

Entries = list[tuple[str, bytes]]
_ID: Final = b'"id":"'
_MOST_OPENED: Final = 200  # brackets of an entry that may be written before it is read


@dataclass(frozen=True)
class Taken:
    """Ids of a request's entries, and of those that the log lacked."""

    names: tuple[str, ...]
    new: tuple[str, ...]


class Plan:
    """What a group of requests adds to the log: each id once, always with the same content.

    Args:
        places: Of ids that are in the log.
        entry: Reads the entry at a place.
        leaf: Its hash, also where the entry was pruned.
    """

    def __init__(
        self,
        places: Mapping[str, int],
        entry: Callable[[int], bytes],
        leaf: Callable[[int], bytes],
    ) -> None:
        self.fresh: dict[str, bytes] = {}
        self._places = places
        self._entry = entry
        self._leaf = leaf

    def take(self, request: Entries | WorkbenchError) -> Taken | WorkbenchError:
        """Plan a request, or say why it cannot be taken; then it leaves no trace.

        The index only says where an entry is: it is compared with the log itself.
        """
        if isinstance(request, WorkbenchError):
            return request
        new: dict[str, bytes] = {}
        for name, entry in request:
            try:
                present = self._present(name) or new.setdefault(name, entry)
            except PrunedError:
                if not self._has_hash(name, entry):
                    return ImmutableError(
                        f"decision {name!r}: is in the log and was pruned, so that it cannot be"
                        " compared; expected a new id."
                    )
                present = entry
            if present != entry and _content(present) != _content(entry):
                return ImmutableError(
                    f"decision {name!r}: is in the log with other content; expected the same"
                    " record or a new id. A decision is changed by a record that supersedes it."
                )
        self.fresh |= new
        return Taken(tuple(name for name, _ in request), tuple(new))

    def _has_hash(self, name: str, entry: bytes) -> bool:
        return self._leaf(self._places[name]) == leaf_hash(entry)

    def _present(self, name: str) -> bytes | None:
        if name in self._places:
            return self._entry(self._places[name])
        return self.fresh.get(name)


def _content(entry: bytes) -> str:
    """A record apart from when it was recorded: what makes it the same decision."""
    record = json.loads(entry)
    record.pop("recorded_at", None)
    return json.dumps(record, sort_keys=True)


def checked_id(entry: bytes) -> str:
    """The id of an entry; raises `LogError` where it is no record in canonical JSON."""
    try:
        record = parse_canonical(entry)
    except ValueError as error:
        raise LogError(f"entry {entry[:40]!r}: {error}; expected canonical JSON.") from error
    if not isinstance(record, dict) or not isinstance(record.get("id"), str) or not record["id"]:
        raise LogError(f"entry {entry[:40]!r}: no decision record; expected an object with an id.")
    if not isinstance(record.get("kind"), str):
        raise LogError(f"decision {record['id']!r}: no kind; expected one of a decision record.")
    _refuse_rotation(record["kind"], record["id"])
    return str(record["id"])


def likely_id(entry: bytes) -> str | None:
    """What looks like the id of an entry that was not read; only `is_admitted` tells."""
    start = entry.find(_ID)
    if start < 0:
        return None
    start += len(_ID)
    name = entry[start : entry.find(b'"', start)]
    return name.decode("ascii") if name.isascii() else None


def is_admitted(entry: bytes) -> bool:
    """Whether an entry is in a log whose journal had it before it was read.

    Follows from the entry alone, for ever: it is a record in canonical JSON under its likely id,
    which was looked up before. All others take the way on which they are read first, among them
    those that may be nested too deeply for some callers of Python's parsers and not for others.

    Raises:
        RecursionError: The caller left too little of the stack to tell.
    """
    if entry.count(b"{") + entry.count(b"[") > _MOST_OPENED:
        return False
    try:
        return checked_id(entry) == likely_id(entry)
    except LogError as error:
        reason = error.__cause__ and error.__cause__.__cause__
        if isinstance(reason, RecursionError):
            raise reason from error
        return False


def free_id(record: DecisionRecord) -> str:
    """The id of a record that everybody may append; raises `LogError` for a rotation."""
    _refuse_rotation(record.kind, record.id)
    return record.id


def _refuse_rotation(kind: str, name: str) -> None:
    """A rotation that its keys did not sign would make the log unverifiable for ever."""
    if kind == rotation.KIND:
        raise LogError(
            f"decision {name!r}: kind is {kind!r}, which only 'workbench log rotate-key' enters."
        )
