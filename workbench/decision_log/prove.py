"""Offline proofs of single entries (c2sp.org/tlog-proof).

A bundle is text: the header, the entry itself as the `extra` line, its index, the audit path and
the signed checkpoint. Verifying it needs the bundle and the verifier key, nothing else.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from workbench.decision_log.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from workbench.decision_log.note import parse_verifier
from workbench.decision_log.storage import Storage
from workbench.decision_log.tiles import (
    CHECKPOINT,
    TILE_WIDTH,
    bundle_path,
    decode_bundle,
    decode_tile,
    tile_path,
)
from workbench.errors import LogError, VerificationError
from workbench.merkle import (
    largest_power_below,
    leaf_hash,
    node_hash,
    tree_root,
    verify_inclusion,
)

HEADER: Final = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True)
class ProvenEntry:
    """An entry whose inclusion was verified."""

    index: int
    entry: bytes
    checkpoint: Checkpoint


def prove_entry(storage: Storage, index: int) -> str:
    """Proof bundle of one entry under the current checkpoint.

    Raises:
        LogError: There is no such entry, or a tile is missing.
    """
    note = storage.read(CHECKPOINT)
    if note is None:
        raise LogError(f"{CHECKPOINT}: not found; expected a log with entries.")
    checkpoint = parse_checkpoint(note.partition(b"\n\n")[0] + b"\n")
    if not 0 <= index < checkpoint.size:
        raise LogError(f"entry {index}: not among the log's {checkpoint.size} entries.")
    entry = _entry(storage, index, checkpoint.size)
    audit_path = TileReader(storage, checkpoint.size).audit_path(index)
    path = [base64.b64encode(node).decode() for node in audit_path]
    extra = f"extra {base64.b64encode(entry).decode()}"
    return "\n".join([HEADER, extra, f"index {index}", *path, "", note.decode()])


def verify_bundle(bundle: str, key: str) -> ProvenEntry:
    """Verify a proof bundle with a trusted key.

    Raises:
        VerificationError: It is malformed, or the proof or the signature does not hold.
        KeyFileError: The key is malformed.
    """
    head, gap, note = bundle.partition("\n\n")
    lines = head.split("\n")
    if not gap or len(lines) < 3 or lines[0] != HEADER:
        raise VerificationError(f"bundle: expected {HEADER!r}, extra, index, proof and checkpoint.")
    if not lines[1].startswith("extra ") or not lines[2].startswith("index "):
        raise VerificationError("bundle: expected an extra line with the entry and an index line.")
    checkpoint = open_checkpoint(note.encode(), parse_verifier(key))
    index = lines[2].removeprefix("index ")
    if not index.isascii() or not index.isdigit() or str(int(index)) != index:
        raise VerificationError(f"bundle: index {index[:20]!r} is not a number.")
    entry = _canonical_base64(lines[1].removeprefix("extra "))
    proof = [_canonical_base64(line) for line in lines[3:]]
    leaf = leaf_hash(entry)
    if not verify_inclusion(leaf, int(index), checkpoint.size, proof, checkpoint.root):
        raise VerificationError(f"bundle: entry {index} is not in the signed tree.")
    return ProvenEntry(int(index), entry, checkpoint)


def _canonical_base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise VerificationError(f"bundle: malformed base64 {text[:20]!r}.") from error
    if base64.b64encode(data).decode() != text:
        raise VerificationError(f"bundle: base64 {text[:20]!r} is not canonical.")
    return data


def _entry(storage: Storage, index: int, size: int) -> bytes:
    tile, offset = divmod(index, TILE_WIDTH)
    path = bundle_path(tile, min(TILE_WIDTH, size - tile * TILE_WIDTH))
    data = storage.read(path)
    if data is None:
        raise LogError(f"{path}: missing; restore the log from a backup.")
    return decode_bundle(data, path)[offset]


class TileReader:
    """Hashes of subtrees, from the tiles of a log of a given size; each tile is read once."""

    def __init__(self, storage: Storage, size: int) -> None:
        self._storage = storage
        self._size = size
        self._tiles: dict[tuple[int, int], list[bytes]] = {}

    def audit_path(self, index: int) -> list[bytes]:
        """Audit path of an entry (RFC 6962, section 2.1.1)."""
        path: list[bytes] = []
        start, end = 0, self._size
        while end - start > 1:
            middle = start + largest_power_below(end - start)
            if index < middle:
                path.append(self.root(middle, end))
                end = middle
            else:
                path.append(self.root(start, middle))
                start = middle
        return path[::-1]

    def root(self, start: int, end: int) -> bytes:
        """Root over entries `start` to `end`, a node of the tree."""
        count = end - start
        if count & (count - 1):  # incomplete: only on the right edge
            middle = start + largest_power_below(count)
            return node_hash(self.root(start, middle), self.root(middle, end))
        level, within = divmod(count.bit_length() - 1, 8)
        tile, offset = divmod(start >> 8 * level, TILE_WIDTH)
        return tree_root(self._tile(level, tile)[offset : offset + (1 << within)])

    def _tile(self, level: int, index: int) -> list[bytes]:
        if (level, index) not in self._tiles:
            width = min(TILE_WIDTH, (self._size >> 8 * level) - index * TILE_WIDTH)
            path = tile_path(level, index, width)
            data = self._storage.read(path)
            if data is None:
                raise LogError(f"{path}: missing; restore the log from a backup.")
            self._tiles[level, index] = decode_tile(data, width, path)
        return self._tiles[level, index]
