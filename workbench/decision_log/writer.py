"""Writing: entries of any content into a tlog-tiles log, all or nothing.

One extension goes: the batch as `.pending`, then bundles and tiles, then, once the new tree is read
back and found consistent with the old one, the signed checkpoint; each durable before the next.
From the moment `.pending` is in place the next opener finishes the same bytes, so write-once paths
never meet different content. What is not in `.pending` was never begun.
"""

import base64
from collections.abc import Mapping, Sequence
from hashlib import sha256

from workbench.decision_log.checkpoint import Checkpoint, open_checkpoint
from workbench.decision_log.note import Signer
from workbench.decision_log.storage import PENDING, Storage
from workbench.decision_log.tiles import (
    CHECKPOINT,
    MAXIMUM_ENTRY,
    TILE_WIDTH,
    bundle_path,
    decode_bundle,
    encode_bundle,
    tile_path,
    widths,
)
from workbench.decision_log.tree import TreeReader, grow, read_edge
from workbench.errors import LogError, VerificationError
from workbench.merkle import EMPTY_ROOT, verify_consistency

_RESTORE = "Run 'workbench log verify', and restore the log from a backup."


class LogWriter:
    """The writer of one log; the caller holds the storage's lock around every call.

    Args:
        storage: Where tiles and checkpoint are.
        signer: Key of the log; its name is the log's origin.
    """

    def __init__(self, storage: Storage, signer: Signer) -> None:
        self._storage = storage
        self._signer = signer

    def recover(self) -> Checkpoint:
        """The checkpoint in force, once a batch that a crash left is completed; signs the first.

        Raises:
            LogError: The log is not this key's, is damaged, or was put back to an older state.
        """
        checkpoint = self._current()
        pending = self._storage.read(PENDING)
        if pending is None:
            return checkpoint
        start, root, entries = _parse_pending(pending)
        if (start, root) == (checkpoint.size, checkpoint.root):
            return self._complete(checkpoint, entries)
        if start + len(entries) > checkpoint.size:
            raise LogError(
                f"{PENDING}: continues a log of {start} entries, the checkpoint has"
                f" {checkpoint.size}; nothing was appended. {_RESTORE}"
            )
        self._storage.remove(PENDING)  # its checkpoint was published; only the removal was missing
        return checkpoint

    def extend(self, before: Checkpoint, entries: Sequence[bytes]) -> Checkpoint:
        """Append entries to the log that `recover` found.

        Raises:
            LogError: An entry is too large, or the storage refused; nothing was acknowledged, and
                the batch is either not begun or completed by the next `recover`.
        """
        if not entries:
            return before
        for entry in entries:
            if len(entry) > MAXIMUM_ENTRY:
                raise LogError(
                    f"entry of {len(entry)} bytes; expected at most {MAXIMUM_ENTRY}. Put large"
                    " inputs in by digest."
                )
        read_edge(self._storage, before.size)  # damage is found before a batch is begun
        self._storage.replace(PENDING, _pending(before, entries))
        return self._complete(before, entries)

    def _current(self) -> Checkpoint:
        note = self._storage.read(CHECKPOINT)
        if note is not None:
            try:
                return open_checkpoint(note, self._signer.verifier)
            except VerificationError as error:
                raise LogError(
                    f"{CHECKPOINT}: {error} Nothing was appended: restore the log or its signing"
                    " key from a backup."
                ) from error
        empty = Checkpoint(self._signer.verifier.name, 0, EMPTY_ROOT)
        if next(self._storage.paths("tile/"), None) is not None:
            raise LogError(
                f"{CHECKPOINT}: missing, though the log has tiles; nothing was appended. {_RESTORE}"
            )
        self._storage.replace(CHECKPOINT, empty.sign(self._signer))
        return empty

    def _complete(self, before: Checkpoint, entries: Sequence[bytes]) -> Checkpoint:
        edge = read_edge(self._storage, before.size)
        if edge.root() != before.root:
            raise LogError(
                f"log {before.origin!r}: its tiles do not have the root that the checkpoint of size"
                f" {before.size} signs; nothing was appended. {_RESTORE}"
            )
        objects = grow(edge, entries)
        self._storage.create(objects)
        after = Checkpoint(before.origin, edge.size, edge.root())
        self._check(before, after, objects)
        self._storage.replace(CHECKPOINT, after.sign(self._signer))
        self._storage.remove(PENDING)
        self._drop_superseded(before.size, after.size)
        return after

    def _check(self, before: Checkpoint, after: Checkpoint, objects: Mapping[str, bytes]) -> None:
        """Read the new tree back before signing it: it must extend the old one."""
        altered = [path for path, data in objects.items() if self._storage.read(path) != data]
        tree = TreeReader(self._storage, after.size)
        proof = tree.consistency_proof(before.size)
        extends = before.size == 0 or verify_consistency(
            before.size, after.size, proof, before.root, after.root
        )
        if altered or not extends or tree.root() != after.root:
            raise LogError(
                f"{altered[0] if altered else 'tiles'}: what is read back is not what was written;"
                f" no checkpoint was published. Check the disk. {_RESTORE}"
            )

    def _drop_superseded(self, before: int, after: int) -> None:
        """Remove partial tiles and bundles whose full one now exists (tlog-tiles allows it)."""
        for level, (full, partial) in enumerate(widths(before)):
            if partial and after // TILE_WIDTH**level >= (full + 1) * TILE_WIDTH:
                for width in range(1, TILE_WIDTH):
                    self._storage.remove(tile_path(level, full, width))
                    if level == 0:
                        self._storage.remove(bundle_path(full, width))


def _pending(before: Checkpoint, entries: Sequence[bytes]) -> bytes:
    body = encode_bundle(entries)
    root = base64.b64encode(before.root).decode()
    return f"{before.size} {root} {sha256(body).hexdigest()}\n".encode() + body


def _parse_pending(data: bytes) -> tuple[int, bytes, list[bytes]]:
    head, _, body = data.partition(b"\n")
    try:
        size, root, digest = head.decode("ascii").split(" ")
        start, old_root = int(size), base64.b64decode(root, validate=True)
    except ValueError as error:
        raise LogError(f"{PENDING}: malformed; nothing was appended. {_RESTORE}") from error
    if sha256(body).hexdigest() != digest:
        raise LogError(f"{PENDING}: was altered; nothing was appended. {_RESTORE}")
    return start, old_root, decode_bundle(body, PENDING)
