"""Appending: the only writer of the log.

One append under the lock goes: complete what a crash left, leave out what is in the log already,
write the batch as `.pending`, then entry bundles, tiles and, last, the signed checkpoint, each
durable before the next. From the moment `.pending` is in place the next opener finishes the same
bytes, so write-once paths never meet different content. An append is acknowledged when its
checkpoint is durable.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from workbench.contracts.records import DecisionRecord
from workbench.decision_log.checkpoint import Checkpoint, open_checkpoint
from workbench.decision_log.index import LogIndex
from workbench.decision_log.keys import ensure_key
from workbench.decision_log.note import Signer
from workbench.decision_log.storage import PENDING, FolderStorage, Storage
from workbench.decision_log.tiles import (
    CHECKPOINT,
    MAXIMUM_ENTRY,
    TILE_WIDTH,
    bundle_path,
    decode_bundle,
    decode_tile,
    encode_bundle,
    tile_path,
    widths,
)
from workbench.errors import ImmutableError, LogError
from workbench.merkle import EMPTY_ROOT, leaf_hash, tree_root
from workbench.workspace import Workspace


@dataclass(frozen=True)
class Appended:
    """What an append did.

    Attributes:
        indexes: Entry index of every record given, in order, new or not.
        new: How many entries were added; they are the last of the tree.
        size: Tree size of the checkpoint that covers them.
        root: Its root hash, in hex.
        checkpoint: The signed checkpoint.
    """

    indexes: tuple[int, ...]
    new: int
    size: int
    root: str
    checkpoint: str

    @property
    def first_index(self) -> int | None:
        """Index of the first new entry."""
        return self.size - self.new if self.new else None


class LogClient(Protocol):
    """What runner, command line and pages ask of the log."""

    def append(self, records: Sequence[DecisionRecord]) -> Appended: ...


@dataclass
class _Edge:
    """The right edge of the tree: hashes of each level's partial tile."""

    size: int
    levels: list[list[bytes]]

    def root(self) -> bytes:
        last: list[bytes] = []
        for level in self.levels:
            nodes = [*level, *last]
            last = [tree_root(nodes)] if nodes else []
        return last[0] if last else EMPTY_ROOT


class DecisionLog:
    """A log in a storage, appended to by this process.

    Args:
        storage: Where tiles and checkpoint are.
        signer: Key of the log; its name is the log's origin.
        index: Derived index, brought up to date as entries are added.
    """

    def __init__(self, storage: Storage, signer: Signer, index: LogIndex) -> None:
        self._storage = storage
        self._signer = signer
        self._index = index

    def append(self, records: Sequence[DecisionRecord]) -> Appended:
        """Add records; those already in the log, apart from `recorded_at`, keep their entry.

        Raises:
            ImmutableError: A record's id is in the log with other content.
            ContractError: A record has no canonical form.
            LockedError: Another process is writing.
            LogError: The storage refused; nothing was acknowledged.
        """
        entries = [record.canonical() for record in records]
        return self.append_entries(entries)

    def append_entries(self, entries: Sequence[bytes]) -> Appended:
        """As `append`, from canonical JSON."""
        with self._storage.lock():
            checkpoint = self._recover()
            self._index.catch_up(self._storage, checkpoint)
            fresh = self._fresh(entries)
            if fresh:
                self._storage.replace(PENDING, _pending(checkpoint.size, fresh))
                checkpoint = self._write(checkpoint, fresh)
                self._index.catch_up(self._storage, checkpoint)
            note = self._storage.read(CHECKPOINT) or b""
            indexes = tuple(self._index.find(_identity(entry)[0]) for entry in entries)
            return Appended(
                indexes, len(fresh), checkpoint.size, checkpoint.root.hex(), note.decode()
            )

    def checkpoint(self) -> Checkpoint:
        """The current checkpoint, after finishing what a crash left; signed at first use."""
        with self._storage.lock():
            checkpoint = self._recover()
            self._index.catch_up(self._storage, checkpoint)
            return checkpoint

    # --- one append -------------------------------------------------------------------------

    def _fresh(self, entries: Sequence[bytes]) -> list[bytes]:
        fresh: dict[str, tuple[bytes, str]] = {}
        for entry in entries:
            if len(entry) > MAXIMUM_ENTRY:
                raise LogError(f"entry of {len(entry)} bytes; expected at most {MAXIMUM_ENTRY}.")
            decision_id, content = _identity(entry)
            known = self._index.content(decision_id)
            if known is None and decision_id in fresh:
                known = fresh[decision_id][1]
            if known is None:
                fresh[decision_id] = (entry, content)
            elif known != content:
                raise ImmutableError(
                    f"decision {decision_id!r}: is in the log with other content; expected the same"
                    " record or a new id. A decision is changed by a record that supersedes it."
                )
        return [entry for entry, _ in fresh.values()]

    def _recover(self) -> Checkpoint:
        """The checkpoint in force, once a pending batch is completed or found to be done."""
        note = self._storage.read(CHECKPOINT)
        if note is None:
            checkpoint = Checkpoint(self._signer.verifier.name, 0, EMPTY_ROOT)
            if self._storage.read(PENDING) is None:
                self._storage.replace(CHECKPOINT, checkpoint.sign(self._signer))
        else:
            checkpoint = open_checkpoint(note, self._signer.verifier)
        pending = self._storage.read(PENDING)
        if pending is None:
            return checkpoint
        start, entries = _parse_pending(pending)
        if start == checkpoint.size:
            return self._write(checkpoint, entries)
        self._storage.remove(PENDING)  # its checkpoint was published; only the removal was missing
        return checkpoint

    def _write(self, before: Checkpoint, entries: list[bytes]) -> Checkpoint:
        """Bundles, tiles, checkpoint, in this order; then the pending batch is done with."""
        edge = self._edge(before)
        self._write_bundles(before.size, entries)
        for entry in entries:
            self._push(edge, 0, leaf_hash(entry))
            edge.size += 1
        for level, (full, partial) in enumerate(widths(edge.size)):
            if partial and level < len(edge.levels):
                self._storage.create(tile_path(level, full, partial), b"".join(edge.levels[level]))
        after = Checkpoint(before.origin, edge.size, edge.root())
        self._storage.replace(CHECKPOINT, after.sign(self._signer))
        self._storage.remove(PENDING)
        self._drop_superseded(before.size, after.size)
        return after

    def _write_bundles(self, size: int, entries: list[bytes]) -> None:
        index, width = divmod(size, TILE_WIDTH)
        held = b""
        if width:
            held = self._storage.read(bundle_path(index, width)) or b""
        position = 0
        while position < len(entries):
            chunk = entries[position : position + TILE_WIDTH - width]
            data = held + encode_bundle(chunk)
            self._storage.create(bundle_path(index, width + len(chunk)), data)
            position += len(chunk)
            index, width, held = index + 1, 0, b""

    def _push(self, edge: _Edge, level: int, node: bytes) -> None:
        if level == len(edge.levels):
            edge.levels.append([])
        tile = edge.levels[level]
        tile.append(node)
        if len(tile) == TILE_WIDTH:
            # Of the leaves, edge.size counts those before this one.
            index = edge.size // TILE_WIDTH ** (level + 1)
            self._storage.create(tile_path(level, index, TILE_WIDTH), b"".join(tile))
            edge.levels[level] = []
            self._push(edge, level + 1, tree_root(tile))

    def _edge(self, checkpoint: Checkpoint) -> _Edge:
        """Read the right edge and check it against the signed root before building on it."""
        levels = []
        for level, (full, partial) in enumerate(widths(checkpoint.size)):
            path = tile_path(level, full, partial) if partial else ""
            data = self._storage.read(path) if partial else b""
            if data is None:
                raise LogError(f"{path}: missing; restore the log from a backup.")
            levels.append(decode_tile(data, partial, path))
        edge = _Edge(checkpoint.size, levels)
        if edge.root() != checkpoint.root:
            raise LogError(
                f"log {checkpoint.origin!r}: its tiles do not have the root that the checkpoint of"
                f" size {checkpoint.size} signs; nothing was appended. Run 'workbench log verify'."
            )
        return edge

    def _drop_superseded(self, before: int, after: int) -> None:
        """Remove partial tiles and bundles whose full one now exists (tlog-tiles allows it)."""
        for level, (full, partial) in enumerate(widths(before)):
            if partial and after // TILE_WIDTH**level >= (full + 1) * TILE_WIDTH:
                for width in range(1, TILE_WIDTH):
                    self._storage.remove(tile_path(level, full, width))
                    if level == 0:
                        self._storage.remove(bundle_path(full, width))


def _identity(entry: bytes) -> tuple[str, str]:
    """Id of a record and its content apart from when it was recorded."""
    record = json.loads(entry)
    decision_id = str(record["id"])
    record.pop("recorded_at", None)
    return decision_id, json.dumps(record, sort_keys=True)


def _pending(size: int, entries: list[bytes]) -> bytes:
    return f"{size}\n".encode() + encode_bundle(entries)


def _parse_pending(data: bytes) -> tuple[int, list[bytes]]:
    size, _, bundle = data.partition(b"\n")
    return int(size), decode_bundle(bundle, PENDING)


def open_log(
    workspace: Workspace, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> DecisionLog:
    """The workspace's log, with its key made at first use.

    Raises:
        KeyFileError: The signing key is unusable.
    """
    storage = FolderStorage(workspace.log)
    index = LogIndex(workspace.data / "log-index.sqlite")
    return DecisionLog(storage, ensure_key(workspace.log_origin()), index)
