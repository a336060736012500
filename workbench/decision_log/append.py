"""Appending decision records: idempotent by id, in canonical form, acknowledged when durable."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Protocol

from workbench.contracts.canonical import parse_canonical
from workbench.contracts.records import DecisionRecord
from workbench.decision_log import rotation
from workbench.decision_log.checkpoint import Checkpoint
from workbench.decision_log.index import LogIndex
from workbench.decision_log.keys import KeptCheckpoint, ensure_key, index_beside_key
from workbench.decision_log.note import Signer
from workbench.decision_log.rotating import finish_rotation
from workbench.decision_log.storage import FolderStorage, Storage
from workbench.decision_log.tiles import CHECKPOINT
from workbench.decision_log.tree import TreeReader
from workbench.decision_log.writer import LogWriter, Memory
from workbench.errors import ImmutableError, LogError, WorkbenchError
from workbench.workspace import Workspace

INDEX_FILE: Final = "log-index.sqlite"
_PATIENCE_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Appended:
    """What an append did.

    Attributes:
        indexes: Entry index of every record given, in order, new or not.
        new: How many entries were added, one after the other.
        first_index: Index of the first of them.
        size: Tree size of the checkpoint that covers them.
        root: Its root hash, in hex.
        checkpoint: The signed checkpoint.
    """

    indexes: tuple[int, ...]
    new: int
    first_index: int | None
    size: int
    root: str
    checkpoint: str


class LogClient(Protocol):
    """What runner, command line and pages ask of the log."""

    def append(self, records: Sequence[DecisionRecord]) -> Appended: ...
    def append_entries(self, entries: Sequence[bytes]) -> Appended: ...
    def entries_of(self, ids: Sequence[str]) -> dict[str, bytes]: ...


_Entries = list[tuple[str, bytes]]


@dataclass(frozen=True)
class _Taken:
    """Ids of a request's entries, and of those that the log lacked."""

    names: tuple[str, ...]
    new: tuple[str, ...]


class _Plan:
    """What a group of requests adds to the log: each id once, always with the same content."""

    def __init__(self, tree: TreeReader, known: dict[str, int]) -> None:
        self.fresh: dict[str, bytes] = {}
        self._tree = tree
        self._known = known

    def take(self, request: _Entries | WorkbenchError) -> _Taken | WorkbenchError:
        """Plan a request, or say why it cannot be taken; then it leaves no trace.

        The index only says where an entry is: it is compared with the log itself.
        """
        if isinstance(request, WorkbenchError):
            return request
        new: dict[str, bytes] = {}
        for name, entry in request:
            present = self._present(name) or new.setdefault(name, entry)
            if present != entry and _content(present) != _content(entry):
                return ImmutableError(
                    f"decision {name!r}: is in the log with other content; expected the same"
                    " record or a new id. A decision is changed by a record that supersedes it."
                )
        self.fresh |= new
        return _Taken(tuple(name for name, _ in request), tuple(new))

    def _present(self, name: str) -> bytes | None:
        if name in self._known:
            return self._tree.entry(self._known[name])
        return self.fresh.get(name)


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
        return self._one([(_free_id(record), record.canonical()) for record in records])

    def append_entries(self, entries: Sequence[bytes]) -> Appended:
        """As `append`, from records in canonical JSON."""
        return self._one([(_checked_id(entry), entry) for entry in entries])

    def append_group(self, requests: Sequence[Sequence[bytes]]) -> list[Appended | WorkbenchError]:
        """Add the entries of several requests under one checkpoint.

        Each request is taken whole or refused alone: its error stands in its place.

        Raises:
            LogError: The storage refused; nothing was acknowledged.
        """
        checked: list[_Entries | WorkbenchError] = []
        for request in requests:
            try:
                checked.append([(_checked_id(entry), entry) for entry in request])
            except WorkbenchError as error:
                checked.append(error)
        return self._append(checked)

    def _one(self, entries: _Entries) -> Appended:
        (outcome,) = self._append([entries])
        if isinstance(outcome, WorkbenchError):
            raise outcome
        return outcome

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the log open for many appends: lock, right edge and journal stay.

        Raises:
            LockedError: Another process is writing.
        """
        with self._writer.held():
            yield

    def _append(
        self, requests: Sequence[_Entries | WorkbenchError]
    ) -> list[Appended | WorkbenchError]:
        taken = [request for request in requests if not isinstance(request, WorkbenchError)]
        with self._writer.held():
            before = self._writer.recover()
            self._index.catch_up(self._storage, before)
            known = self._index.positions([name for request in taken for name, _ in request])
            plan = _Plan(TreeReader(self._storage, before.size), known)
            outcomes = [plan.take(request) for request in requests]
            after = self._writer.extend(list(plan.fresh.values()))
            note = (self._storage.read(CHECKPOINT) or b"").decode()
            with suppress(LogError):  # derived: the next use brings it up to date
                self._index.add(before, after, list(plan.fresh.values()))
        known |= {name: before.size + n for n, name in enumerate(plan.fresh)}
        return [
            outcome if isinstance(outcome, WorkbenchError)
            else Appended(
                tuple(known[name] for name in outcome.names), len(outcome.new),
                known[outcome.new[0]] if outcome.new else None,
                after.size, after.root.hex(), note,
            )
            for outcome in outcomes
        ]  # fmt: skip

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
    _refuse_rotation(record["kind"], record["id"])
    return str(record["id"])


def _free_id(record: DecisionRecord) -> str:
    _refuse_rotation(record.kind, record.id)
    return record.id


def _refuse_rotation(kind: str, name: str) -> None:
    """A rotation that its keys did not sign would make the log unverifiable for ever."""
    if kind == rotation.KIND:
        raise LogError(
            f"decision {name!r}: kind is {kind!r}, which only 'workbench log rotate-key' enters."
        )


def open_log(workspace: Workspace, *, reserve: int = 0) -> DecisionLog:
    """The workspace's log, with its key made at first use.

    Args:
        workspace: Whose log.
        reserve: Bytes that the journal takes at once, for a writer of many batches.

    Raises:
        KeyFileError: The signing key is unusable.
    """
    shared = workspace.log_socket is not None  # others verify while the service writes
    storage = FolderStorage(
        workspace.log, patience=_PATIENCE_SECONDS, reserve=reserve, shared=shared
    )
    origin = workspace.log_origin()
    finish_rotation(origin, storage)
    # An index that others could change might hide an id, which would then be entered twice.
    own = index_beside_key(origin) if workspace.log_socket else workspace.data / INDEX_FILE
    index = LogIndex(own)
    return DecisionLog(storage, ensure_key(origin), index, KeptCheckpoint(origin))
