"""Writing: entries of any content into a tlog-tiles log, all or nothing.

One extension goes: the new tree is computed and checked, its checkpoint signed, the batch made
durable in the journal; then bundles and tiles are put in place and read back, and last the
checkpoint is published. From the moment the batch is in the journal the next opener finishes the
same bytes, so write-once paths never meet different content. What is not in the journal was never
begun.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from workbench.decision_log.checkpoint import Checkpoint, open_checkpoint
from workbench.decision_log.journal import JOURNAL, Batch, batch_after, parse_batch
from workbench.decision_log.note import Signer
from workbench.decision_log.rotation import RotatedError, countersigned, rotated_to
from workbench.decision_log.storage import Storage
from workbench.decision_log.tiles import (
    CHECKPOINT,
    MAXIMUM_ENTRY,
    TILE_WIDTH,
    bundle_path,
    tile_path,
    widths,
)
from workbench.decision_log.tree import Edge, TreeReader, grow, read_edge
from workbench.errors import LogError, VerificationError
from workbench.merkle import EMPTY_ROOT, Frontier, leaf_hash

_RESTORE: Final = "Run 'workbench log verify', and restore the log from a backup."
_SETTLE_BYTES: Final = 8 << 20
_SETTLE_BATCHES: Final = 1024


@dataclass
class _State:
    """What a writer knows while it holds the lock.

    Attributes:
        checkpoint: In force.
        edge: Right edge of its tree, as tiles.
        frontier: Right edge of its tree, from the entries alone: a second computation.
        settled: Size of the tree when the journal was last emptied.
        batches: Batches in the journal.
        journalled: Their bytes.
    """

    checkpoint: Checkpoint
    edge: Edge
    frontier: Frontier
    settled: int
    batches: int = 0
    journalled: int = 0


class Memory(Protocol):
    """Remembers a checkpoint outside the log's storage."""

    path: Path

    def read(self) -> bytes | None: ...
    def keep(self, note: bytes) -> None: ...


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
        self._memory = memory
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
                self._settle(last=True)
            finally:
                self._holding, self._state = False, None

    def recover(self) -> Checkpoint:
        """The checkpoint in force, once batches that a crash left are completed; signs the first.

        Raises:
            LogError: The log is not this key's, is damaged, or was put back to an older state.
        """
        if self._state is not None:
            return self._state.checkpoint
        batches = [parse_batch(record) for record in self._storage.journal()]
        checkpoint = self._current(torn=bool(batches))
        superseded: list[str] = []
        if batches:
            checkpoint = self._replay(batches, checkpoint)
            superseded = self._superseded(batches[0].start, checkpoint.size)
        self._storage.settle(superseded)  # a journal without a whole batch goes too
        self._state = self._opened(checkpoint)
        return self._state.checkpoint

    def extend(self, entries: Sequence[bytes], *, successor: Signer | None = None) -> Checkpoint:
        """Append entries to the log that `recover` found.

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
        state, self._state = self._state, None  # unknown until the batch is through
        if state is None:
            raise RuntimeError("recover() leaves a state")
        self._state = self._extended(state, entries, successor)
        return self._state.checkpoint

    def _extended(
        self, state: _State, entries: Sequence[bytes], successor: Signer | None
    ) -> _State:
        before = state.checkpoint
        objects = grow(state.edge, entries)
        after = Checkpoint(before.origin, state.edge.size, state.edge.root())
        state.frontier.extend(leaf_hash(entry) for entry in entries)
        if (state.frontier.size, state.frontier.root()) != (after.size, after.root):
            raise LogError(
                f"log {before.origin!r}: two computations of its next root differ; nothing was"
                f" appended. Check the machine's memory. {_RESTORE}"
            )
        note = after.sign(self._signer)
        if successor is not None:
            note = countersigned(note, after.text(), successor)
        record = batch_after(before, note, entries).encode()
        self._storage.record(record)
        self._storage.create(objects)
        self._read_back(objects)
        self._storage.replace(CHECKPOINT, note)
        state.checkpoint = after
        state.batches += 1
        state.journalled += len(record)
        self._state = state
        if state.journalled > _SETTLE_BYTES or state.batches >= _SETTLE_BATCHES:
            self._settle(last=False)
        return state

    def _current(self, *, torn: bool) -> Checkpoint | None:
        """The published checkpoint; None where there is none yet, or a crash took its bytes."""
        note = self._storage.read(CHECKPOINT)
        if torn and note is not None and not note.strip(b"\0"):
            return None
        if note is not None:
            try:
                return open_checkpoint(note, self._signer.verifier)
            except VerificationError as error:
                raise LogError(
                    f"{CHECKPOINT}: {error} Nothing was appended: restore the log or its signing"
                    " key from a backup."
                ) from error
        if not torn and next(self._storage.paths("tile/"), None) is not None:
            raise LogError(
                f"{CHECKPOINT}: missing, though the log has tiles; nothing was appended. {_RESTORE}"
            )
        return None

    def _replay(self, batches: Sequence[Batch], published: Checkpoint | None) -> Checkpoint:
        """Put in place what the batches of a journal lead to."""
        first, last = batches[0], batches[-1]
        if published and not first.start <= published.size <= last.end:
            raise LogError(
                f"{JOURNAL}: continues a log of {first.start} entries, the checkpoint has"
                f" {published.size}; nothing was appended. {_RESTORE}"
            )
        edge = read_edge(self._storage, first.start)
        for batch in batches:
            if (batch.start, batch.root) != (edge.size, edge.root()):
                raise self._differing(batch.start)
            objects = grow(edge, batch.entries)
            after = self._signed(batch.note)
            if (after.size, after.root) != (edge.size, edge.root()):
                raise self._differing(after.size)
            if published and published.size == after.size and published.root != after.root:
                raise self._differing(after.size)
            self._storage.restore(objects)
            self._read_back(objects)
        if published is None or published.size != last.end:  # else it may carry cosignatures
            self._storage.replace(CHECKPOINT, last.note)
        return after

    def _signed(self, note: bytes) -> Checkpoint:
        try:
            return open_checkpoint(note, self._signer.verifier)
        except VerificationError as error:
            raise LogError(f"{JOURNAL}: {error} Nothing was appended. {_RESTORE}") from error

    def _opened(self, checkpoint: Checkpoint | None) -> _State:
        """The state of a log whose files are all in place."""
        if checkpoint is None:
            checkpoint = Checkpoint(self._signer.verifier.name, 0, EMPTY_ROOT)
            self._storage.replace(CHECKPOINT, checkpoint.sign(self._signer))
        size = checkpoint.size
        edge = read_edge(self._storage, size)
        tree = TreeReader(self._storage, size)
        frontier = Frontier(size, [tree.root(*span) for span in Frontier.spans(size)])
        self._check_remembered(tree, checkpoint)
        self._refuse_rotated(tree, size)
        if edge.root() != checkpoint.root or frontier.root() != checkpoint.root:
            raise self._differing(size)
        return _State(checkpoint, edge, frontier, settled=size)

    def _check_remembered(self, tree: TreeReader, checkpoint: Checkpoint) -> None:
        note = self._memory.read() if self._memory else None
        if self._memory is None or note is None:
            return
        try:
            kept = open_checkpoint(note, self._signer.verifier)
        except VerificationError as error:
            raise LogError(f"{self._memory.path}: {error} Restore it from a backup.") from error
        if kept.size > checkpoint.size or tree.root(0, kept.size) != kept.root:
            raise LogError(
                f"log {checkpoint.origin!r}: has {checkpoint.size} entries and does not extend the"
                f" checkpoint of {kept.size} that this machine saw; an older or another log was"
                " put back, nothing was appended. Restore the newest backup; to go on from this"
                f" state knowingly, move {self._memory.path} away."
            )

    def _refuse_rotated(self, tree: TreeReader, size: int) -> None:
        """Right after a rotation the old key's signature still stands on the checkpoint."""
        key = rotated_to(tree.entry(size - 1)) if size else None
        if key not in (None, self._signer.verifier.encode()):
            raise RotatedError(
                f"log {self._signer.verifier.name!r}: its key was rotated at entry {size - 1}, this"
                " process read an older one; nothing was appended, run again."
            )

    def _differing(self, size: int) -> LogError:
        return LogError(
            f"log {self._signer.verifier.name!r}: its tiles do not have the root that the"
            f" checkpoint of size {size} signs; nothing was appended. {_RESTORE}"
        )

    def _read_back(self, objects: Mapping[str, bytes]) -> None:
        """Before a checkpoint is published its files must read as they were written."""
        for path, data in objects.items():
            if self._storage.read(path) != data:
                raise LogError(
                    f"{path}: what is read back is not what was written; no checkpoint was"
                    f" published. Check the disk. {_RESTORE}"
                )

    def _settle(self, *, last: bool) -> None:
        """Let the log's files stand without the journal."""
        state = self._state
        if state is None:
            return
        self._storage.settle(self._superseded(state.settled, state.checkpoint.size), last=last)
        if self._memory is not None:
            self._memory.keep(self._storage.read(CHECKPOINT) or b"")
        state.settled, state.batches, state.journalled = state.checkpoint.size, 0, 0

    def _superseded(self, before: int, after: int) -> list[str]:
        """Partial tiles and bundles whose full one exists since (tlog-tiles lets them go)."""
        folders: list[str] = []
        for level, (first, _) in enumerate(widths(before)):
            for number in range(first, after // TILE_WIDTH ** (level + 1)):
                folders.append(f"{tile_path(level, number, TILE_WIDTH)}.p/")
                if level == 0:
                    folders.append(f"{bundle_path(number, TILE_WIDTH)}.p/")
        return [path for folder in folders for path in self._storage.paths(folder)]
