"""Entries where the index says they are, proven; it is believed only where they agree."""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from workbench.decision_log.checkpoint import Checkpoint
from workbench.decision_log.index import LogIndex, parsed
from workbench.decision_log.note import parse_verifier
from workbench.decision_log.prove import ProvenEntry, ProvingReader
from workbench.decision_log.storage import Storage
from workbench.decision_log.traced import Entry
from workbench.errors import LogError, PrunedError, VerificationError

_KEPT: Final = 8192  # proven entries in memory


class ProvenEntries:
    """Reads one log; what the index says of it is checked against the signed entries.

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

    def _entry(self, position: int) -> Entry:
        known = self._proven.get(position)
        if known is None:
            if len(self._proven) >= _KEPT:
                self._proven.clear()
            proven: ProvenEntry = self._reader.entry(position)
            known = Entry(position, parsed(proven.entry, position))
            self._proven[position] = known
        return known
