"""Recovery: from what the last writer of a log left to a state in which every file is in place.

Batches of the journal that a crash left are completed, each compared with the roots that it was
sealed for; before anything is signed or written, what they lead to is compared with the checkpoint
that this machine remembers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from workbench.decision_log.checkpoint import Checkpoint, open_checkpoint
from workbench.decision_log.journal import JOURNAL, Batch, parse_batch
from workbench.decision_log.note import Signer
from workbench.decision_log.published import RESTORE, Published
from workbench.decision_log.requests import is_admitted
from workbench.decision_log.rotation import RotatedError, rotated_to
from workbench.decision_log.tiles import CHECKPOINT, TILE_WIDTH, parse_path, widths
from workbench.decision_log.tree import Edge, TreeReader, grow, read_edge
from workbench.errors import LogError, VerificationError
from workbench.merkle import EMPTY_ROOT, Frontier, leaf_hash


@dataclass(frozen=True)
class Recovered:
    """A log whose files are all in place.

    Attributes:
        checkpoint: Of all its entries.
        note: It, as published.
        frontier: Right edge of its tree, as roots of whole subtrees.
        edge: The same as tiles: a second computation.
    """

    checkpoint: Checkpoint
    note: bytes
    frontier: Frontier
    edge: Edge


class Recovery:
    """Recovers one log.

    Args:
        files: Of the log.
        signer: Its key.
    """

    def __init__(self, files: Published, signer: Signer) -> None:
        self._files = files
        self._storage = files.storage
        self._signer = signer

    def run(self) -> Recovered:
        """Complete what a crash left; signs the first checkpoint of a new log.

        Raises:
            LogError: The log is not this key's, is damaged, or was put back to an older state.
        """
        batches = self._admitted([parse_batch(record) for record in self._storage.journal()])
        checkpoint = self._current(torn=bool(batches))
        superseded: list[str] = []
        if batches:
            checkpoint = self._replay(batches, checkpoint)
            superseded = self._files.superseded(batches[0].start, checkpoint.size)
        self._storage.settle(superseded)  # a journal without a whole batch goes too
        return self._opened(checkpoint)

    def _admitted(self, batches: list[Batch]) -> list[Batch]:
        """All but a last one whose entry was refused, or was to be: nobody was told otherwise."""
        if not batches or not batches[-1].asked:
            return batches
        self._led_to(batches[-1], b"")
        return batches if is_admitted(batches[-1].entries[0]) else batches[:-1]

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
                f"{CHECKPOINT}: missing, though the log has tiles; nothing was appended. {RESTORE}"
            )
        return None

    def _replay(self, batches: Sequence[Batch], published: Checkpoint | None) -> Checkpoint:
        """Put in place what the batches of a journal lead to."""
        first, last = batches[0], batches[-1]
        if published and not first.start <= published.size <= last.end:
            raise LogError(
                f"{JOURNAL}: continues a log of {first.start} entries, the checkpoint has"
                f" {published.size}; nothing was appended. {RESTORE}"
            )
        edge, frontier = read_edge(self._storage, first.start), self._frontier(first.start)
        reached = {(first.start, frontier.root())}
        objects: dict[str, bytes] = {}
        for batch in batches:
            known = frontier.digest() if batch.asked else edge.root()
            if (batch.start, batch.root) != (edge.size, known):
                raise self._differing(batch.start)
            objects |= grow(edge, batch.entries)
            frontier.extend(map(leaf_hash, batch.entries))
            after = self._led_to(batch, edge.root())
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
        self._files.show(note or last.note or after.sign(self._signer))
        return after

    def _root_within(self, batches: Sequence[Batch], size: int) -> bytes:
        """Root of the first `size` entries of what the batches lead to."""
        start = batches[0].start
        if size <= start:
            return TreeReader(self._storage, start).root(0, size)
        frontier = self._frontier(start)
        entries = [entry for batch in batches for entry in batch.entries]
        frontier.extend(map(leaf_hash, entries[: size - start]))
        return frontier.root()

    def _frontier(self, size: int) -> Frontier:
        tree = TreeReader(self._storage, size)
        return Frontier(size, [tree.root(*span) for span in Frontier.spans(size)])

    def _mend(self, objects: Mapping[str, bytes], size: int) -> None:
        """Put in place what a tree of this size has, and what was published on the way to it."""
        wanted = {
            path: data
            for path, data in objects.items()
            if _belongs(path, size) or self._storage.read(path) is not None
        }
        self._storage.restore(wanted)
        self._files.read_back(wanted)

    def _led_to(self, batch: Batch, root: bytes) -> Checkpoint:
        try:
            return batch.checkpoint(self._signer, root)
        except VerificationError as error:
            raise LogError(f"{JOURNAL}: {error} Nothing was appended. {RESTORE}") from error

    def _opened(self, checkpoint: Checkpoint | None) -> Recovered:
        if checkpoint is None:
            checkpoint = Checkpoint(self._signer.verifier.name, 0, EMPTY_ROOT)
            self._storage.publish(CHECKPOINT, checkpoint.sign(self._signer))  # no journal has it
        note = self._storage.read(CHECKPOINT) or b""
        size = checkpoint.size
        edge = read_edge(self._storage, size)
        tree = TreeReader(self._storage, size)
        frontier = self._frontier(size)
        self._check_remembered(checkpoint, partial(tree.root, 0))
        self._refuse_rotated(tree, size)
        if edge.root() != checkpoint.root or frontier.root() != checkpoint.root:
            raise self._differing(size)
        return Recovered(checkpoint, note, frontier, edge)

    def _check_remembered(self, checkpoint: Checkpoint, root: Callable[[int], bytes]) -> None:
        memory = self._files.memory
        note = memory.read() if memory else None
        if memory is None or note is None:
            return
        try:
            kept = open_checkpoint(note, self._signer.verifier)
        except VerificationError as error:
            raise LogError(f"{memory.path}: {error} Restore it from a backup.") from error
        if kept.size > checkpoint.size or root(kept.size) != kept.root:
            raise LogError(
                f"log {checkpoint.origin!r}: has {checkpoint.size} entries and does not extend the"
                f" checkpoint of {kept.size} that this machine saw; an older or another log was"
                " put back, nothing was appended. Restore the newest backup; to go on from this"
                f" state knowingly, move {memory.path} away."
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
            f" checkpoint of size {size} signs; nothing was appended. {RESTORE}"
        )


def _belongs(path: str, size: int) -> bool:
    """Whether a tree of `size` entries has this very tile or bundle."""
    parsed = parse_path(path)
    if parsed is None or parsed.width == TILE_WIDTH:
        return parsed is not None
    return widths(size)[parsed.level or 0] == (parsed.index, parsed.width)
