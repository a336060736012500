"""Writing: entries of any content into a tlog-tiles log, all or nothing.

An extension computes the new root, seals it and makes the batch durable in the journal: from then
on it is part of the log, and the next opener would finish the same bytes, the signed checkpoint
among them. Publishing puts bundles and tiles of all batches since the last time in place, checks
them against the root and what is read back, signs the checkpoint and replaces the published one
last. It is done when the log is let go, and in between at the latest after a tenth of a second or a
megabyte, so that small extensions do not each write a tile anew. Write-once paths never meet
different content; what is not in the journal was never begun.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar

from workbench.decision_log.checkpoint import Checkpoint
from workbench.decision_log.journal import Batch, asked_batch, sealed_batch
from workbench.decision_log.note import Signer
from workbench.decision_log.published import RESTORE, Memory, Published
from workbench.decision_log.recovery import Recovery
from workbench.decision_log.rotation import countersigned
from workbench.decision_log.storage import Storage
from workbench.decision_log.tiles import (
    CHECKPOINT,
    MAXIMUM_ENTRY,
)
from workbench.decision_log.tree import Edge, add_entry, partials
from workbench.errors import LogError, WorkbenchError
from workbench.merkle import Frontier, leaf_hash

_SETTLE_BYTES: Final = 8 << 20
_SETTLE_BATCHES: Final = 4000  # of one block each they fit into a service's reserve
_PUBLISH_BYTES: Final = 1 << 20
_PUBLISH_SECONDS: Final = 0.1
_Answer = TypeVar("_Answer")


@dataclass
class _State:
    """What a writer knows while it holds the lock.

    Attributes:
        origin: Of the log.
        frontier: Right edge of the tree of all entries that are durable, from these alone.
        note: The checkpoint of that tree, signed; None until somebody needs it.
        published: The checkpoint that readers see.
        edge: Right edge as tiles, between the two: a second computation.
        filled: Tiles and bundles that were filled since the last publishing, by path.
        pending: Entries between the two.
        waiting: Their bytes.
        since: When the first of them was added, in seconds of the monotonic clock.
        settled: Size of the tree when the journal was last emptied.
        batches: Batches in the journal.
        journalled: Their bytes.
    """

    origin: str
    frontier: Frontier
    note: bytes | None
    published: Checkpoint
    edge: Edge
    settled: int
    pending: list[bytes] = field(default_factory=list)
    filled: dict[str, bytes] = field(default_factory=dict)
    waiting: int = 0
    since: float = 0.0
    batches: int = 0
    journalled: int = 0

    @property
    def checkpoint(self) -> Checkpoint:
        """Of all entries that are durable."""
        return Checkpoint(self.origin, self.frontier.size, self.frontier.root())

    def take(self, entries: Sequence[bytes], note: bytes | None, length: int) -> None:
        """Count in a batch whose record in the journal has this length."""
        if not self.pending:
            self.since = time.monotonic()
        self.note = note
        self.pending += entries
        self.waiting += length
        self.batches += 1
        self.journalled += length

    def grow(self) -> None:
        """Bring the edge up to all entries."""
        for entry in self.pending[self.edge.size - self.published.size :]:
            add_entry(self.edge, entry, self.filled)

    def publishing_is_due(self) -> bool:
        """Whether readers have waited long enough, or much has gathered."""
        late = time.monotonic() - self.since > _PUBLISH_SECONDS
        return bool(self.pending) and (late or self.waiting > _PUBLISH_BYTES)


class LogWriter:
    """The writer of one log.

    Args:
        storage: Where tiles and checkpoint are.
        signer: Key of the log; its name is the log's origin.
        memory: Where the newest checkpoint is remembered; a log that does not extend it is not
            continued.
    """

    def __init__(self, storage: Storage, signer: Signer, memory: Memory | None = None) -> None:
        self._storage = storage
        self._signer = signer
        self._files = Published(storage, memory)
        self._recovery = Recovery(self._files, signer)
        self._holding = False
        self._state: _State | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the log's lock; within, `recover` and `extend` may be called any number of times.

        Raises:
            LockedError: Another process is writing.
        """
        if self._holding:
            yield
            return
        with self._storage.lock():
            self._holding = True
            try:
                yield
                self.settle()
            except BaseException:
                with suppress(WorkbenchError):  # else the next opener completes the journal
                    self.publish()
                raise
            finally:
                self._holding, self._state = False, None

    @property
    def is_open(self) -> bool:
        """Whether the state of the log is known: `recover` was called and nothing failed since."""
        return self._state is not None

    @property
    def published(self) -> Checkpoint:
        """The checkpoint that readers of the storage see, once `recover` was called."""
        return self._known().published

    @property
    def note(self) -> bytes:
        """The signed checkpoint of all durable entries, once `recover` was called."""
        return self._signed(self._known())

    def _signed(self, state: _State) -> bytes:
        if state.note is None:
            state.note = state.checkpoint.sign(self._signer)
        return state.note

    @property
    def size(self) -> int:
        """How many entries are durable, once `recover` was called."""
        return self._known().frontier.size

    @property
    def unpublished(self) -> Sequence[bytes]:
        """Durable entries that readers do not see yet, in order."""
        return self._state.pending if self._state else ()

    def _known(self) -> _State:
        if self._state is None:
            raise RuntimeError("recover() comes first")
        return self._state

    def recover(self) -> Checkpoint:
        """The checkpoint in force, once batches that a crash left are completed; signs the first.

        Raises:
            LogError: The log is not this key's, is damaged, or was put back to an older state.
        """
        if self._state is not None:
            return self._state.checkpoint
        found = self._recovery.run()
        self._state = _State(
            found.checkpoint.origin, found.frontier, found.note, found.checkpoint, found.edge,
            settled=found.checkpoint.size,
        )  # fmt: skip
        return self._state.checkpoint

    def extend(self, entries: Sequence[bytes], *, successor: Signer | None = None) -> Checkpoint:
        """Append entries to the log that `recover` found; durable on return.

        Returns:
            Their checkpoint, which may be published a little later.

        Args:
            entries: Of any content.
            successor: A new key of the log that signs this checkpoint too; after it this writer
                may sign no more.

        Raises:
            LogError: An entry is too large, or the storage refused; nothing was acknowledged, and
                the batch is either not begun or completed by the next `recover`.
        """
        before = self.recover()
        if not entries:
            return before
        for entry in entries:
            if len(entry) > MAXIMUM_ENTRY:
                raise LogError(
                    f"entry of {len(entry)} bytes; expected at most {MAXIMUM_ENTRY}. Put large"
                    " inputs in by digest."
                )
        state = self._known()
        self._state = None  # unknown until the batch is through
        state.frontier.extend(map(leaf_hash, entries))
        after = state.checkpoint
        record, note = self._record(before, after, entries, successor)
        self._storage.record(record)
        state.take(entries, note, len(record))
        self._went_through(state)
        return after

    @property
    def overlaps(self) -> bool:
        """Whether `ask` does two things at once here."""
        return self._storage.overlaps

    def ask(
        self, entry: bytes, admit: Callable[[], bool], answer: Callable[[Frontier], _Answer]
    ) -> _Answer | None:
        """Append one entry that is read while it is written; durable on return.

        Args:
            entry: No larger than entries may be.
            admit: Whether it may be appended, by `requests.is_admitted`; called once.
            answer: Makes what is returned of the log with it; from its right edge, which grows on:
                not even the root is computed unless somebody asks for it.

        Returns:
            The answer; None where it was not admitted: then the log is as before.

        Raises:
            LogError: As of `extend`.
        """
        if self._state is None:
            self.recover()
        state = self._known()
        self._state = None  # unknown until it is through
        record = asked_batch(state.frontier, entry, self._signer)
        answers: list[_Answer] = []

        def accept() -> bool:
            if not admit():
                return False
            state.frontier.extend((leaf_hash(entry),))
            state.take((entry,), None, len(record))
            state.grow()
            answers.append(answer(state.frontier))
            return True

        self._storage.record(record, accept)
        self._went_through(state)
        return answers[0] if answers else None

    def _record(
        self,
        before: Checkpoint,
        after: Checkpoint,
        entries: Sequence[bytes],
        successor: Signer | None,
    ) -> tuple[bytes, bytes | None]:
        """What the journal is to hold, and the checkpoint where two keys sign it."""
        if successor is None:
            return sealed_batch(before, after, entries, self._signer), None
        note = countersigned(after.sign(self._signer), after.text(), successor)
        return Batch(before.size, before.root, tuple(entries), note).encode(), note

    def _went_through(self, state: _State) -> None:
        self._state = state
        if state.publishing_is_due():
            self.publish()
        if state.journalled > _SETTLE_BYTES or state.batches >= _SETTLE_BATCHES:
            self.publish()
            self._settle(last=False)

    def publish(self) -> None:
        """Let readers see all that is durable.

        Raises:
            LogError: The storage refused, or two computations of the tree differ; the journal
                still holds every entry, and the next `recover` begins from it.
        """
        state = self._state
        if state is None or not state.pending:
            return
        self._state = None  # unknown until all is in place
        state.grow()
        objects = state.filled | partials(state.edge)
        reached = state.checkpoint
        if (state.edge.size, state.edge.root()) != (reached.size, reached.root):
            raise LogError(
                f"log {state.origin!r}: two computations of its next root differ;"
                f" nothing was published. Check the machine's memory. {RESTORE}"
            )
        self._storage.create(objects)
        self._files.read_back(objects)
        self._files.show(self._signed(state))
        state.published, state.pending, state.waiting = reached, [], 0
        state.filled = {}
        self._state = state

    def settle(self) -> None:
        """Publish, and let the log's files stand without the journal: all is durable in them.

        Raises:
            LogError: The storage refused; the journal still holds what the files may lack.
        """
        self.publish()
        self._settle(last=True)

    def _settle(self, *, last: bool) -> None:
        """Let the log's files stand without the journal."""
        state, self._state = self._state, None  # unknown until the journal is empty
        if state is None:
            return
        self._storage.settle(self._files.superseded(state.settled, state.frontier.size), last=last)
        state.settled, state.batches, state.journalled = state.frontier.size, 0, 0
        self._state = state
        self._files.remember(self._storage.read(CHECKPOINT) or b"")
