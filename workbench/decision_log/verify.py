"""Verification: everything recomputed from the entries, sharing no state with append.

Entries are read in order, one bundle at a time. Their hashes rebuild every tile, which must equal
the stored one byte for byte; the root must be the one that the checkpoint signs.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import rfc8785

from workbench.decision_log.checkpoint import Checkpoint, open_checkpoint
from workbench.decision_log.note import parse_verifier
from workbench.decision_log.storage import LOCK, PENDING, FolderStorage, Storage
from workbench.decision_log.tiles import (
    CHECKPOINT,
    TILE_WIDTH,
    bundle_path,
    decode_bundle,
    tile_path,
    widths,
)
from workbench.errors import VerificationError
from workbench.merkle import EMPTY_ROOT, HASH_BYTES, leaf_hash, tree_root

CANNOT_SEE = (
    "From the folder alone nobody can see that an older, validly signed log was put back:"
    " keep a checkpoint elsewhere and give it with --since."
)


@dataclass(frozen=True)
class VerificationReport:
    """What was found.

    Attributes:
        leftovers: Partial tiles and bundles of earlier sizes; all are prefixes of today's.
        foreign: Files that are no part of a log.
        consistent_with: Size of the kept checkpoint that this log extends, if one was given.
    """

    checkpoint: Checkpoint
    entries: int
    leftovers: tuple[str, ...]
    foreign: tuple[str, ...]
    pending: bool
    consistent_with: int | None

    def summary(self) -> str:
        """For people."""
        lines = [
            f"Verified: all {self.entries:,} entries are included under the signed checkpoint of"
            f" {self.checkpoint.origin}",
            f"size {self.checkpoint.size:,}, root {self.checkpoint.root.hex()}",
        ]
        if self.consistent_with is not None:
            lines.append(f"It extends the kept checkpoint of size {self.consistent_with:,}.")
        if self.leftovers:
            lines.append(f"{len(self.leftovers)} partial tiles of earlier sizes, all consistent.")
        if self.pending:
            lines.append("A batch is pending: the next append completes it.")
        lines += [f"Foreign file: {path}" for path in self.foreign]
        return "\n".join(lines if self.consistent_with is not None else [*lines, CANNOT_SEE])


@dataclass
class _Level:
    """Hashes of the tile being rebuilt, and how many full tiles came before it."""

    full: int = 0
    tile: list[bytes] = field(default_factory=list)


def verify_log(
    folder: Path,
    key: str,
    *,
    since: bytes | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> VerificationReport:
    """Verify the log in a folder; see `verify_storage`.

    Raises:
        VerificationError: Naming the first place that does not hold.
        KeyFileError: The key is malformed.
    """
    if not (folder / CHECKPOINT).is_file():
        raise VerificationError(
            f"{folder / CHECKPOINT}: not found; expected the folder of a decision log."
        )
    return verify_storage(FolderStorage(folder), key, since=since, progress=progress)


def verify_storage(
    storage: Storage,
    key: str,
    *,
    since: bytes | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> VerificationReport:
    """Verify a whole log.

    Args:
        storage: Of the log.
        key: Verifier key, name+id+base64, from outside the log.
        since: A checkpoint kept earlier that this log must extend.
        progress: Called with entries done and in all.
    """
    verifier = parse_verifier(key)
    checkpoint = open_checkpoint(storage.read(CHECKPOINT) or b"", verifier)
    kept = open_checkpoint(since, verifier) if since is not None else None
    if kept and kept.size > checkpoint.size:
        raise VerificationError(
            f"{CHECKPOINT}: size {checkpoint.size} is smaller than {kept.size} of the checkpoint"
            " kept earlier: entries were removed or an older log was put back."
        )
    rebuilt = _Rebuilder(storage, checkpoint, kept)
    rebuilt.run(progress)
    leftovers, foreign, pending = _other_files(storage, checkpoint)
    return VerificationReport(
        checkpoint, checkpoint.size, leftovers, foreign, pending, kept.size if kept else None
    )


class _Rebuilder:
    """Rebuilds every tile from the entries and compares."""

    def __init__(self, storage: Storage, checkpoint: Checkpoint, kept: Checkpoint | None) -> None:
        self._storage = storage
        self._checkpoint = checkpoint
        self._kept = kept
        self._levels: list[_Level] = [_Level()]
        self._ids: set[str] = set()

    def run(self, progress: Callable[[int, int], None]) -> None:
        size = self._checkpoint.size
        self._compare_kept(0)
        for index in range(-(-size // TILE_WIDTH)):
            width = min(TILE_WIDTH, size - index * TILE_WIDTH)
            path = bundle_path(index, width)
            entries = decode_bundle(self._read(path), path)
            if len(entries) != width:
                raise VerificationError(f"{path}: {len(entries)} entries; expected {width}.")
            self._add(index, path, entries)
            progress(index * TILE_WIDTH + width, size)
        for number, level in enumerate(self._levels):
            if level.tile:
                self._compare(tile_path(number, level.full, len(level.tile)), level.tile)
        root = self._root()
        if root != self._checkpoint.root:
            raise VerificationError(
                f"{CHECKPOINT}: signs root {self._checkpoint.root.hex()[:16]}…; the entries have"
                f" {root.hex()[:16]}…."
            )

    def _add(self, index: int, path: str, entries: list[bytes]) -> None:
        stored = self._storage.read(tile_path(0, index, len(entries))) or b""
        for offset, entry in enumerate(entries):
            where = f"{path}, entry {index * TILE_WIDTH + offset}"
            node = leaf_hash(entry)
            if stored[offset * HASH_BYTES : (offset + 1) * HASH_BYTES] != node:
                raise VerificationError(
                    f"{where}: differs from its hash in {tile_path(0, index, len(entries))}."
                )
            self._check_entry(entry, where)
            self._push(0, node)
            self._compare_kept(index * TILE_WIDTH + offset + 1)

    def _check_entry(self, entry: bytes, where: str) -> None:
        try:
            record = json.loads(entry)
            canonical = rfc8785.dumps(record) == entry
        except (ValueError, rfc8785.CanonicalizationError) as error:
            raise VerificationError(f"{where}: not JSON ({error}).") from error
        if not canonical or not isinstance(record, dict) or not isinstance(record.get("id"), str):
            raise VerificationError(f"{where}: not a decision record in canonical form (RFC 8785).")
        if record["id"] in self._ids:
            raise VerificationError(f"{where}: id {record['id']!r} occurs twice.")
        self._ids.add(record["id"])

    def _push(self, number: int, node: bytes) -> None:
        if number == len(self._levels):
            self._levels.append(_Level())
        level = self._levels[number]
        level.tile.append(node)
        if len(level.tile) == TILE_WIDTH:
            self._compare(tile_path(number, level.full, TILE_WIDTH), level.tile)
            self._push(number + 1, tree_root(level.tile))
            level.full, level.tile = level.full + 1, []

    def _root(self) -> bytes:
        last: list[bytes] = []
        for level in self._levels:
            nodes = [*level.tile, *last]
            last = [tree_root(nodes)] if nodes else []
        return last[0] if last else EMPTY_ROOT

    def _compare_kept(self, size: int) -> None:
        if self._kept and size == self._kept.size and self._root() != self._kept.root:
            raise VerificationError(
                f"the first {size} entries: their root is not the one that the checkpoint kept"
                " earlier signs; history was rewritten, or the log was forked."
            )

    def _compare(self, path: str, hashes: list[bytes]) -> None:
        if self._read(path) != b"".join(hashes):
            raise VerificationError(f"{path}: differs from the hashes of the entries.")

    def _read(self, path: str) -> bytes:
        data = self._storage.read(path)
        if data is None:
            raise VerificationError(f"{path}: missing.")
        return data


def _other_files(
    storage: Storage, checkpoint: Checkpoint
) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Files that today's tree does not need: leftovers (checked), foreign ones, a pending batch."""
    needed = {CHECKPOINT, LOCK, PENDING}
    for level, (full, partial) in enumerate(widths(checkpoint.size)):
        for index in range(full):
            needed |= _paths(level, index, TILE_WIDTH)
        if partial:
            needed |= _paths(level, full, partial)
    leftovers, foreign = [], []
    for path in storage.paths():
        if path in needed:
            continue
        whole = _whole_of(path, checkpoint.size)
        if whole is None:
            foreign.append(path)
            continue
        data, full_data = storage.read(path) or b"", storage.read(whole) or b""
        if not data or not full_data.startswith(data):
            raise VerificationError(f"{path}: not a beginning of {whole}.")
        leftovers.append(path)
    return tuple(leftovers), tuple(foreign), storage.read(PENDING) is not None


def _paths(level: int, index: int, width: int) -> set[str]:
    paths = {tile_path(level, index, width)}
    return paths | {bundle_path(index, width)} if level == 0 else paths


def _whole_of(path: str, size: int) -> str | None:
    """Path of today's tile or bundle of which a partial one of an earlier size is a beginning."""
    base, partial, width = path.rpartition(".p/")
    if not partial or not width.isdigit() or not base.startswith("tile/"):
        return None
    kind, _, number = base.removeprefix("tile/").partition("/")
    digits = number.replace("x", "").replace("/", "")
    if not digits.isdigit() or not (kind == "entries" or kind.isdigit()):
        return None
    level = 0 if kind == "entries" else int(kind)
    today = min(TILE_WIDTH, size // TILE_WIDTH**level - int(digits) * TILE_WIDTH)
    if not 1 <= int(width) < today:
        return None
    if kind == "entries":
        return bundle_path(int(digits), today)
    return tile_path(level, int(digits), today)
