"""Appending decision records: idempotent by id, in canonical form, acknowledged when durable."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Protocol

from workbench.contracts.canonical import parse_canonical
from workbench.contracts.records import DecisionRecord
from workbench.decision_log.checkpoint import Checkpoint
from workbench.decision_log.index import LogIndex
from workbench.decision_log.keys import KeptCheckpoint, ensure_key
from workbench.decision_log.note import Signer
from workbench.decision_log.storage import FolderStorage, Storage
from workbench.decision_log.tiles import CHECKPOINT
from workbench.decision_log.tree import TreeReader
from workbench.decision_log.writer import LogWriter, Memory
from workbench.errors import ImmutableError, LogError
from workbench.workspace import Workspace

INDEX_FILE: Final = "log-index.sqlite"
_PATIENCE_SECONDS: Final = 30.0


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


class DecisionLog:
    """A log in a storage, appended to by this process.

    Args:
        storage: Where tiles and checkpoint are.
        signer: Key of the log; its name is the log's origin.
        index: Derived index, brought up to date as entries are added.
        memory: Where the newest checkpoint is remembered outside the log.
    """

    def __init__(
        self, storage: Storage, signer: Signer, index: LogIndex, memory: Memory | None = None
    ) -> None:
        self._storage = storage
        self._writer = LogWriter(storage, signer, memory)
        self._index = index

    def append(self, records: Sequence[DecisionRecord]) -> Appended:
        """Add records; those already in the log, apart from `recorded_at`, keep their entry.

        Raises:
            ImmutableError: A record's id is in the log with other content.
            ContractError: A record has no canonical form.
            LockedError: Another process is writing.
            LogError: The storage refused; nothing was acknowledged.
        """
        return self._append([(record.id, record.canonical()) for record in records])

    def append_entries(self, entries: Sequence[bytes]) -> Appended:
        """As `append`, from records in canonical JSON."""
        return self._append([(_checked_id(entry), entry) for entry in entries])

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the log open for many appends: lock, right edge and journal stay.

        Raises:
            LockedError: Another process is writing.
        """
        with self._writer.held():
            yield

    def _append(self, entries: Sequence[tuple[str, bytes]]) -> Appended:
        with self._writer.held():
            before = self._writer.recover()
            self._index.catch_up(self._storage, before)
            known = self._index.positions([decision_id for decision_id, _ in entries])
            fresh = self._fresh(before, known, entries)
            after = self._writer.extend(list(fresh.values()))
            note = self._storage.read(CHECKPOINT) or b""
            with suppress(LogError):  # derived: the next use brings it up to date
                self._index.add(before, after, list(fresh.values()))
        known |= {decision_id: before.size + n for n, decision_id in enumerate(fresh)}
        indexes = tuple(known[decision_id] for decision_id, _ in entries)
        return Appended(indexes, len(fresh), after.size, after.root.hex(), note.decode())

    def _fresh(
        self, before: Checkpoint, known: dict[str, int], entries: Sequence[tuple[str, bytes]]
    ) -> dict[str, bytes]:
        """Entries that the log lacks, by id; the others must be the same decision as in the log.

        The index only says where an entry is: it is compared with the log itself.
        """
        tree = TreeReader(self._storage, before.size)
        fresh: dict[str, bytes] = {}
        for decision_id, entry in entries:
            if decision_id in known:
                present = tree.entry(known[decision_id])
            else:
                present = fresh.setdefault(decision_id, entry)
            if present != entry and _content(present) != _content(entry):
                raise ImmutableError(
                    f"decision {decision_id!r}: is in the log with other content; expected the same"
                    " record or a new id. A decision is changed by a record that supersedes it."
                )
        return fresh

    def entries_of(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Entries of those decisions that are in the log, by id.

        Raises:
            LogError: The log or its index cannot be read.
        """
        with self._writer.held():
            checkpoint = self._writer.recover()
            self._index.catch_up(self._storage, checkpoint)
            known = self._index.positions(ids)
        tree = TreeReader(self._storage, checkpoint.size)
        return {decision_id: tree.entry(position) for decision_id, position in known.items()}

    def checkpoint(self) -> Checkpoint:
        """The current checkpoint, after finishing what a crash left; signed at first use."""
        with self._writer.held():
            return self._writer.recover()


def _content(entry: bytes) -> str:
    """A record apart from when it was recorded: what makes it the same decision."""
    record = json.loads(entry)
    record.pop("recorded_at", None)
    return json.dumps(record, sort_keys=True)


def _checked_id(entry: bytes) -> str:
    try:
        record = parse_canonical(entry)
    except ValueError as error:
        raise LogError(f"entry {entry[:40]!r}: {error}; expected canonical JSON.") from error
    if not isinstance(record, dict) or not isinstance(record.get("id"), str) or not record["id"]:
        raise LogError(f"entry {entry[:40]!r}: no decision record; expected an object with an id.")
    if not isinstance(record.get("kind"), str):
        raise LogError(f"decision {record['id']!r}: no kind; expected one of a decision record.")
    return str(record["id"])


def open_log(workspace: Workspace) -> DecisionLog:
    """The workspace's log, with its key made at first use.

    Raises:
        KeyFileError: The signing key is unusable.
    """
    storage = FolderStorage(workspace.log, patience=_PATIENCE_SECONDS)
    index = LogIndex(workspace.data / INDEX_FILE)
    origin = workspace.log_origin()
    return DecisionLog(storage, ensure_key(origin), index, KeptCheckpoint(origin))
