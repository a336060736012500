"""Verification: everything recomputed from the entries, sharing no state with append.

Entries are read in order, one bundle at a time. Their hashes rebuild every tile, which must equal
the stored one byte for byte; the root must be the one that the checkpoint signs. Memory grows by
8 bytes per entry, for the check that no id occurs twice.
"""

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np

from workbench.contracts.canonical import parse_canonical
from workbench.decision_log.checkpoint import Checkpoint, open_checkpoint
from workbench.decision_log.cosignature import Cosignature, Quorum
from workbench.decision_log.files import OtherFiles, other_files
from workbench.decision_log.note import Verifier, parse_verifier
from workbench.decision_log.pruned import decode_ids, id_digest, ids_path
from workbench.decision_log.rotation import KeyChain, Rotation, open_or_claimed
from workbench.decision_log.storage import FolderStorage, Storage
from workbench.decision_log.tiles import (
    CHECKPOINT,
    TILE_WIDTH,
    bundle_path,
    decode_bundle,
    decode_tile,
    read_prefix,
    tile_path,
)
from workbench.decision_log.verify_pruned import MissingBundles, PrunedRun
from workbench.errors import VerificationError
from workbench.merkle import EMPTY_ROOT, HASH_BYTES, leaf_hash, tree_root

_KEPT = "checkpoint kept earlier"
_SEEN = "checkpoint that this machine saw"
CANNOT_SEE = (
    "From what this machine holds nobody can see that an older, validly signed log was put back"
    " together with what the machine remembers: keep a checkpoint elsewhere, give it with --since."
)


@dataclass(frozen=True)
class VerificationReport:
    """What was found; all of it holds, or an error would have been raised.

    Attributes:
        entries: How many entries are included under the signed checkpoint.
        files: What else lies in the folder.
        clock_steps: How many entries were recorded before the one that they follow: a clock that
            stepped back or runs that overlapped; the order is that of the entries.
        consistent_with: Size of the kept checkpoint that this log extends, if one was given.
        cosignatures: Of the known witnesses that cosigned the checkpoint.
        pruned: Runs of entries of which the log keeps the hashes only.
        rotations: That lead from the key given to the one in force.
    """

    checkpoint: Checkpoint
    entries: int
    files: OtherFiles
    clock_steps: int
    consistent_with: int | None
    cosignatures: tuple[Cosignature, ...] = ()
    pruned: tuple[PrunedRun, ...] = ()
    rotations: tuple[Rotation, ...] = ()

    def summary(self) -> str:
        """For people."""
        kept = self.entries - sum(run.last - run.first + 1 for run in self.pruned)
        which = f"{kept:,} of" if self.pruned else "all"
        lines = [
            f"Verified: {which} {self.entries:,} entries are included under the signed checkpoint"
            f" of {self.checkpoint.origin}",
            f"size {self.checkpoint.size:,}, root {self.checkpoint.root.hex()}",
        ]
        if self.consistent_with is not None:
            lines.append(f"It extends the kept checkpoint of size {self.consistent_with:,}.")
        lines += [run.sentence() for run in self.pruned]
        lines += [rotation.sentence() for rotation in self.rotations]
        lines += [cosigned.sentence() for cosigned in self.cosignatures]
        if self.clock_steps:
            lines.append(f"{self.clock_steps:,} entries carry a time before the entry they follow.")
        lines += self.files.sentences()
        return "\n".join(lines if self.consistent_with is not None else [*lines, CANNOT_SEE])


def verify_log(
    folder: Path,
    key: str,
    *,
    since: bytes | None = None,
    seen: bytes | None = None,
    quorum: Quorum | None = None,
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
    return verify_storage(
        FolderStorage(folder), key, since=since, seen=seen, quorum=quorum, progress=progress
    )


def verify_storage(
    storage: Storage,
    key: str,
    *,
    since: bytes | None = None,
    seen: bytes | None = None,
    quorum: Quorum | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> VerificationReport:
    """Verify a whole log; another process may append to it meanwhile.

    Args:
        storage: Of the log.
        key: Verifier key, name+id+base64, from outside the log.
        since: A checkpoint kept earlier that this log must extend.
        seen: The newest one that this machine saw, which it must extend as well.
        quorum: Witnesses known from outside the log, and how many must have cosigned.
        progress: Called with entries done and in all.
    """
    verifier = parse_verifier(key)
    note = storage.read(CHECKPOINT) or b""
    checkpoint = open_or_claimed(note, verifier, CHECKPOINT)
    cosigned = (quorum or Quorum()).check(note, verifier)
    notes = {_KEPT: since, _SEEN: seen}
    given = {what: note for what, note in notes.items() if note is not None}
    kept = {what: open_or_claimed(note, verifier, what) for what, note in given.items()}
    for what, earlier in kept.items():
        if earlier.size > checkpoint.size:
            raise VerificationError(
                f"{CHECKPOINT}: size {checkpoint.size} is smaller than {earlier.size} of the"
                f" {what}: entries were removed or an older log was put back."
            )
    rebuilt = _Rebuilder(storage, checkpoint, kept, KeyChain(verifier))
    rebuilt.run(progress)
    rebuilt.keys.check(note, CHECKPOINT)
    for what, earlier_note in given.items():
        rebuilt.keys.check_kept(earlier_note, what)
    files = other_files(storage, checkpoint.size)
    if (
        files.beyond
        and not files.pending
        and _size_now(storage, rebuilt.keys.current) == checkpoint.size
    ):
        raise VerificationError(
            f"{files.beyond[0]}: lies beyond the checkpoint's {checkpoint.size} entries: an older"
            " checkpoint was put back, or the file was added."
        )
    kept_size = next((earlier.size for earlier in kept.values()), None)
    return VerificationReport(
        checkpoint, checkpoint.size, files, rebuilt.clock_steps, kept_size, cosigned,
        rebuilt.pruned, rebuilt.keys.followed(),
    )  # fmt: skip


def _open(note: bytes, verifier: Verifier, where: str) -> Checkpoint:
    try:
        return open_checkpoint(note, verifier)
    except VerificationError as error:
        raise VerificationError(f"{where}: {error}") from error


def _size_now(storage: Storage, verifier: Verifier) -> int:
    return _open(storage.read(CHECKPOINT) or b"", verifier, CHECKPOINT).size


@dataclass
class _Level:
    """Hashes of the tile being rebuilt, and how many full tiles came before it."""

    full: int = 0
    tile: list[bytes] = field(default_factory=list)


class _Rebuilder:
    """Rebuilds every tile from the entries and compares."""

    def __init__(
        self,
        storage: Storage,
        checkpoint: Checkpoint,
        kept: Mapping[str, Checkpoint],
        keys: KeyChain,
    ) -> None:
        self.clock_steps = 0
        self.pruned: tuple[PrunedRun, ...] = ()
        self.keys = keys
        self._storage = storage
        self._checkpoint = checkpoint
        self._kept = kept
        self._levels: list[_Level] = [_Level()]
        self._ids = array("Q")
        self._last_time = ""
        self._missing = MissingBundles()

    def run(self, progress: Callable[[int, int], None]) -> None:
        size = self._checkpoint.size
        self._compare_kept(0)
        for number in range(-(-size // TILE_WIDTH)):
            bundle = self._bundle(number)
            if bundle is None:
                self._add_hashes(number)
            else:
                self._add(number, *bundle)
            progress(min(size, (number + 1) * TILE_WIDTH), size)
        for number, level in enumerate(self._levels):
            if level.tile:
                self._compare(tile_path(number, level.full, len(level.tile)), level.tile)
        root = self._root()
        if root != self._checkpoint.root:
            raise VerificationError(
                f"{CHECKPOINT}: signs root {self._checkpoint.root.hex()[:16]}…; the entries have"
                f" {root.hex()[:16]}…."
            )
        self.pruned = self._missing.runs()
        self._refuse_repeated_ids()

    def _add_hashes(self, number: int) -> None:
        """Go on with the hashes of entries that are not here: the signed root covers them."""
        path = tile_path(0, number, TILE_WIDTH)
        leaves = decode_tile(self._read(path, TILE_WIDTH), TILE_WIDTH, path)
        data = self._storage.read(ids_path(number))
        gone = decode_ids(data)
        self._missing.add(number, data)
        for offset, node in enumerate(leaves):
            self._ids.append(int.from_bytes((gone[offset].id_digest if gone else node)[:8], "big"))
            self._push(0, node)
            self._compare_kept(number * TILE_WIDTH + offset + 1)

    def _bundle(self, number: int) -> tuple[str, list[bytes]] | None:
        """Path and entries; None where a full one is missing: whether it may is known later."""
        width = min(TILE_WIDTH, self._checkpoint.size - number * TILE_WIDTH)
        path = bundle_path(number, width)
        data = read_prefix(self._storage.read, path, width)
        if data is None and width == TILE_WIDTH:
            return None
        if data is None:
            raise VerificationError(f"{path}: missing.")
        entries = decode_bundle(data, path)
        if len(entries) != width:
            raise VerificationError(f"{path}: {len(entries)} entries; expected {width}.")
        return path, entries

    def _add(self, number: int, path: str, entries: list[bytes]) -> None:
        leaves = tile_path(0, number, len(entries))
        stored = self._read(leaves, len(entries))
        for offset, entry in enumerate(entries):
            index = number * TILE_WIDTH + offset
            node = leaf_hash(entry)
            if stored[offset * HASH_BYTES : (offset + 1) * HASH_BYTES] != node:
                raise VerificationError(
                    f"{path}, entry {index}: differs from its hash in {leaves}."
                )
            self._check_entry(entry, index, f"{path}, entry {index}")
            self._push(0, node)
            self._compare_kept(index + 1)

    def _check_entry(self, entry: bytes, index: int, where: str) -> None:
        try:
            record = parse_canonical(entry)
        except ValueError as error:
            raise VerificationError(f"{where}: {error}; expected canonical JSON.") from error
        if not isinstance(record, dict) or not isinstance(record.get("id"), str):
            raise VerificationError(f"{where}: not a decision record; expected an id.")
        self.keys.see(record, index, self._root, where)
        self._ids.append(_short(record["id"]))
        if record.get("kind") == "fact":
            self._missing.note(record, index)
        recorded_at = str(record.get("recorded_at", ""))
        self.clock_steps += recorded_at < self._last_time
        self._last_time = recorded_at

    def _refuse_repeated_ids(self) -> None:
        """Equal short hashes are looked up again: only equal ids count."""
        values, counts = np.unique(np.frombuffer(self._ids, dtype=np.uint64), return_counts=True)
        suspects = {int(value) for value in values[counts > 1]}
        seen: set[bytes] = set()
        for index, short in enumerate(self._ids):
            if short not in suspects:
                continue
            digest, name = self._id_of(index)
            if digest in seen:
                raise VerificationError(f"{name} occurs twice.")
            seen.add(digest)

    def _id_of(self, index: int) -> tuple[bytes, str]:
        """Digest of an entry's id, and what to call it; of pruned entries all that is known."""
        number, offset = divmod(index, TILE_WIDTH)
        bundle = self._bundle(number)
        if bundle is None:
            gone = decode_ids(self._storage.read(ids_path(number)))
            unknown = index.to_bytes(8, "big")
            return gone[offset].id_digest if gone else unknown, f"entry {index}: a pruned id"
        path, entries = bundle
        decision_id = str(parse_canonical(entries[offset])["id"])
        return id_digest(decision_id), f"{path}, entry {index}: id {decision_id!r}"

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
        for what, earlier in self._kept.items():
            if size == earlier.size and self._root() != earlier.root:
                raise VerificationError(
                    f"the first {size} entries: their root is not the one that the {what} signs;"
                    " history was rewritten, or the log was forked."
                )

    def _compare(self, path: str, hashes: list[bytes]) -> None:
        if self._read(path, len(hashes)) != b"".join(hashes):
            raise VerificationError(f"{path}: differs from the hashes of the entries.")

    def _read(self, path: str, width: int) -> bytes:
        data = read_prefix(self._storage.read, path, width)
        if data is None:
            raise VerificationError(f"{path}: missing.")
        return data


def _short(decision_id: str) -> int:
    return int.from_bytes(sha256(decision_id.encode()).digest()[:8], "big")  # as of `id_digest`
