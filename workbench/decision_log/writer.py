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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from workbench.decision_log.checkpoint import Checkpoint, open_checkpoint
from workbench.decision_log.journal import JOURNAL, Batch, parse_batch, sealed_batch
from workbench.decision_log.note import Signer
from workbench.decision_log.rotation import RotatedError, countersigned, rotated_to
from workbench.decision_log.storage import Storage
from workbench.decision_log.tiles import (
    CHECKPOINT,
    MAXIMUM_ENTRY,
    TILE_WIDTH,
    bundle_path,
    parse_path,
    tile_path,
    widths,
)
from workbench.decision_log.tree import Edge, TreeReader, grow, read_edge
from workbench.errors import LogError, VerificationError, WorkbenchError
from workbench.merkle import EMPTY_ROOT, Frontier, leaf_hash

_RESTORE: Final = "Run 'workbench log verify', and restore the log from a backup."
_SETTLE_BYTES: Final = 8 << 20
_SETTLE_BATCHES: Final = 4096
_PUBLISH_BYTES: Final = 1 << 20
_PUBLISH_SECONDS: Final = 0.1


@dataclass
class _State:
    """What a writer knows while it holds the lock.

    Attributes:
        checkpoint: Of all entries that are durable.
        note: It, signed; None until somebody needs it.
        frontier: Right edge of its tree, from the entries alone.
        published: The checkpoint that readers see.
        edge: Right edge of its tree, as tiles: a second computation.
        pending: Entries between the two.
        bytes: Of those.
        since: When the first of them was added, in seconds of the monotonic clock.
        settled: Size of the tree when the journal was last emptied.
        batches: Batches in the journal.
        journalled: Their bytes.
    """

    checkpoint: Checkpoint
    note: bytes | None
    frontier: Frontier
    published: Checkpoint
    edge: Edge
    settled: int
    pending: list[bytes] = field(default_factory=list)
    bytes: int = 0
    since: float = 0.0
    batches: int = 0
    journalled: int = 0

    def publishing_is_due(self) -> bool:
        """Whether readers have waited long enough, or much has gathered."""
        late = time.monotonic() - self.since > _PUBLISH_SECONDS
        return bool(self.pending) and (late or self.bytes > _PUBLISH_BYTES)


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
        return self._known().checkpoint.size

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
        self._journalled(state, entries, successor)
        self._state = state
        if state.publishing_is_due():
            self.publish()
        if state.journalled > _SETTLE_BYTES or state.batches >= _SETTLE_BATCHES:
            self.publish()
            self._settle(last=False)
        return state.checkpoint

    def _journalled(
        self, state: _State, entries: Sequence[bytes], successor: Signer | None
    ) -> None:
        before = state.checkpoint
        state.frontier.extend(map(leaf_hash, entries))
        after = Checkpoint(before.origin, state.frontier.size, state.frontier.root())
        note = None
        if successor is None:
            record = sealed_batch(before, after, entries, self._signer)
        else:
            note = countersigned(after.sign(self._signer), after.text(), successor)
            record = Batch(before.size, before.root, tuple(entries), note).encode()
        self._storage.record(record)
        if not state.pending:
            state.since = time.monotonic()
        state.checkpoint, state.note = after, note
        state.pending += entries
        state.bytes += len(record)
        state.batches += 1
        state.journalled += len(record)

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
        objects = grow(state.edge, state.pending)
        if (state.edge.size, state.edge.root()) != (state.checkpoint.size, state.checkpoint.root):
            raise LogError(
                f"log {state.checkpoint.origin!r}: two computations of its next root differ;"
                f" nothing was published. Check the machine's memory. {_RESTORE}"
            )
        self._storage.create(objects)
        self._read_back(objects)
        self._show(self._signed(state))
        state.published, state.pending, state.bytes = state.checkpoint, [], 0
        self._state = state

    def _show(self, note: bytes) -> None:
        """Replace the published checkpoint; what readers may have seen is remembered before."""
        self._remember(note)
        self._storage.replace(CHECKPOINT, note)

    def _remember(self, note: bytes) -> None:
        if self._memory is not None and self._memory.read() != note:
            self._memory.keep(note)

    def settle(self) -> None:
        """Publish, and let the log's files stand without the journal: all is durable in them.

        Raises:
            LogError: The storage refused; the journal still holds what the files may lack.
        """
        self.publish()
        self._settle(last=True)

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
        reached = {(first.start, first.root)}
        objects: dict[str, bytes] = {}
        for batch in batches:
            if (batch.start, batch.root) != (edge.size, edge.root()):
                raise self._differing(batch.start)
            objects |= grow(edge, batch.entries)
            after = self._led_to(batch)
            if (after.size, after.root) != (edge.size, edge.root()):
                raise self._differing(after.size)
            reached.add((after.size, after.root))
        if published and (published.size, published.root) not in reached:
            raise self._differing(published.size)
        # before anything is signed or written: who holds the folder may have put back an older
        # checkpoint with the batches that followed it once
        self._check_remembered(after, partial(self._root_within, batches))
        self._mend(objects, last.end)
        current = published is not None and published.size == last.end
        note = self._storage.read(CHECKPOINT) if current else None  # it may carry cosignatures
        self._show(note or last.note or after.sign(self._signer))
        return after

    def _root_within(self, batches: Sequence[Batch], size: int) -> bytes:
        """Root of the first `size` entries of what the batches lead to."""
        start = batches[0].start
        tree = TreeReader(self._storage, start)
        if size <= start:
            return tree.root(0, size)
        frontier = Frontier(start, [tree.root(*span) for span in Frontier.spans(start)])
        entries = [entry for batch in batches for entry in batch.entries]
        frontier.extend(map(leaf_hash, entries[: size - start]))
        return frontier.root()

    def _mend(self, objects: Mapping[str, bytes], size: int) -> None:
        """Put in place what a tree of this size has, and what was published on the way to it."""
        wanted = {
            path: data
            for path, data in objects.items()
            if _belongs(path, size) or self._storage.read(path) is not None
        }
        self._storage.restore(wanted)
        self._read_back(wanted)

    def _led_to(self, batch: Batch) -> Checkpoint:
        try:
            return batch.checkpoint(self._signer)
        except VerificationError as error:
            raise LogError(f"{JOURNAL}: {error} Nothing was appended. {_RESTORE}") from error

    def _opened(self, checkpoint: Checkpoint | None) -> _State:
        """The state of a log whose files are all in place."""
        if checkpoint is None:
            checkpoint = Checkpoint(self._signer.verifier.name, 0, EMPTY_ROOT)
            self._storage.publish(CHECKPOINT, checkpoint.sign(self._signer))  # no journal has it
        note = self._storage.read(CHECKPOINT) or b""
        size = checkpoint.size
        edge = read_edge(self._storage, size)
        tree = TreeReader(self._storage, size)
        frontier = Frontier(size, [tree.root(*span) for span in Frontier.spans(size)])
        self._check_remembered(checkpoint, partial(tree.root, 0))
        self._refuse_rotated(tree, size)
        if edge.root() != checkpoint.root or frontier.root() != checkpoint.root:
            raise self._differing(size)
        return _State(checkpoint, note, frontier, checkpoint, edge, settled=size)

    def _check_remembered(self, checkpoint: Checkpoint, root: Callable[[int], bytes]) -> None:
        note = self._memory.read() if self._memory else None
        if self._memory is None or note is None:
            return
        try:
            kept = open_checkpoint(note, self._signer.verifier)
        except VerificationError as error:
            raise LogError(f"{self._memory.path}: {error} Restore it from a backup.") from error
        if kept.size > checkpoint.size or root(kept.size) != kept.root:
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
        state, self._state = self._state, None  # unknown until the journal is empty
        if state is None:
            return
        self._storage.settle(self._superseded(state.settled, state.checkpoint.size), last=last)
        state.settled, state.batches, state.journalled = state.checkpoint.size, 0, 0
        self._state = state
        self._remember(self._storage.read(CHECKPOINT) or b"")

    def _superseded(self, before: int, after: int) -> list[str]:
        """Partial tiles and bundles whose full one exists since (tlog-tiles lets them go)."""
        folders: list[str] = []
        for level, (first, _) in enumerate(widths(before)):
            for number in range(first, after // TILE_WIDTH ** (level + 1)):
                folders.append(f"{tile_path(level, number, TILE_WIDTH)}.p/")
                if level == 0:
                    folders.append(f"{bundle_path(number, TILE_WIDTH)}.p/")
        return [path for folder in folders for path in self._storage.paths(folder)]


def _belongs(path: str, size: int) -> bool:
    """Whether a tree of `size` entries has this very tile or bundle."""
    parsed = parse_path(path)
    if parsed is None or parsed.width == TILE_WIDTH:
        return parsed is not None
    return widths(size)[parsed.level or 0] == (parsed.index, parsed.width)
