"""Appending decision records: idempotent by id, in canonical form, acknowledged when durable."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from workbench.contracts.records import DecisionRecord
from workbench.decision_log.checkpoint import Checkpoint
from workbench.decision_log.index import LogIndex
from workbench.decision_log.index_file import open_index
from workbench.decision_log.keys import KeptCheckpoint, ensure_key
from workbench.decision_log.note import Signer
from workbench.decision_log.privacy.sealing import Sealer, has_open_value
from workbench.decision_log.privacy.vault import open_vault
from workbench.decision_log.published import Memory
from workbench.decision_log.requests import (
    Entries,
    Plan,
    Taken,
    checked_id,
    free_id,
    is_admitted,
    likely_id,
)
from workbench.decision_log.rotating import finish_rotation
from workbench.decision_log.storage import FolderStorage, Storage
from workbench.decision_log.tiles import MAXIMUM_ENTRY
from workbench.decision_log.tree import TreeReader
from workbench.decision_log.writer import LogWriter
from workbench.errors import LogError, WorkbenchError
from workbench.merkle import Frontier
from workbench.workspace import Workspace

_PATIENCE_SECONDS: Final = 30.0
_RECENT: Final = 50_000  # entries that may wait for the index while the log is held


class Signed(NamedTuple):
    """A root hash, in hex, and the signed checkpoint that states it."""

    root: str
    checkpoint: str


@dataclass(frozen=True)
class Appended:
    """What an append did.

    Attributes:
        indexes: Entry index of every record given, in order, new or not.
        new: How many entries were added, one after the other.
        first_index: Index of the first of them.
        size: Tree size of the checkpoint that covers them.
        told: Makes, at first, or has that checkpoint: always the same.
    """

    indexes: tuple[int, ...]
    new: int
    first_index: int | None
    size: int
    told: Callable[[], Signed] = field(repr=False, compare=False)

    @property
    def root(self) -> str:
        """Root hash of that checkpoint, in hex."""
        return self.told().root

    @property
    def checkpoint(self) -> str:
        """The signed checkpoint."""
        return self.told().checkpoint

    def facts(self) -> dict[str, Any]:
        """As the log's service tells it to its clients."""
        told = ("indexes", "new", "first_index", "size", "root", "checkpoint")
        return {name: getattr(self, name) for name in told}


class LogClient(Protocol):
    """What runner, command line and pages ask of the log."""

    def append(self, records: Sequence[DecisionRecord]) -> Appended: ...
    def append_entries(self, entries: Sequence[bytes]) -> Appended: ...
    def entries_of(self, ids: Sequence[str]) -> dict[str, bytes]: ...


class DecisionLog:
    """A log in a storage, appended to by this process.

    Args:
        storage: Where tiles and checkpoint are.
        signer: Key of the log; its name is the log's origin.
        index: Derived index, brought up to date as entries are added.
        memory: Where the newest checkpoint is remembered outside the log.
        sealer: Seals private values; without one, records that hold any are refused.
    """

    def __init__(
        self,
        storage: Storage,
        signer: Signer,
        index: LogIndex,
        memory: Memory | None = None,
        *,
        sealer: Sealer | None = None,
    ) -> None:
        self._sealer = sealer
        self._storage = storage
        self._signer = signer
        self._writer = LogWriter(storage, signer, memory)
        self._index = index
        self._holding = False
        self._known = -1  # size of the log that index and `_recent` cover, while holding
        self._tree: TreeReader | None = None
        self._recent: dict[str, int] = {}  # places of entries that the index lacks, by id

    def append(self, records: Sequence[DecisionRecord]) -> Appended:
        """Add records; those already in the log, apart from `recorded_at`, keep their entry.

        Raises:
            ImmutableError: A record's id is in the log with other content.
            ContractError: A record has no canonical form.
            LockedError: Another process is writing.
            LogError: The storage refused; nothing was acknowledged.
        """
        return self._one([(free_id(record), record.unsealed()) for record in records])

    def append_entries(self, entries: Sequence[bytes]) -> Appended:
        """As `append`, from records in canonical JSON."""
        done = self._asked(entries[0]) if len(entries) == 1 else None
        return done or self._one([(checked_id(entry), entry) for entry in entries])

    def append_group(self, requests: Sequence[Sequence[bytes]]) -> list[Appended | WorkbenchError]:
        """Add the entries of several requests under one checkpoint.

        Each request is taken whole or refused alone: its error stands in its place.

        Raises:
            LogError: The storage refused; nothing was acknowledged.
        """
        if [*map(len, requests)] == [1] and (done := self._asked(requests[0][0])):
            return [done]
        checked: list[Entries | WorkbenchError] = []
        for request in requests:
            try:
                checked.append([(checked_id(entry), entry) for entry in request])
            except WorkbenchError as error:
                checked.append(error)
        return self._append(checked)

    def _one(self, entries: Entries) -> Appended:
        (outcome,) = self._append([entries])
        if isinstance(outcome, WorkbenchError):
            raise outcome
        return outcome

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the log open for many appends: lock, right edge and journal stay.

        Readers see entries a little after they were acknowledged, at the latest in the end.

        Raises:
            LockedError: Another process is writing.
        """
        if self._holding:
            yield
            return
        self._holding = True
        try:
            with self._writer.held():
                yield
                self.publish()
                self.index()
        finally:
            self._holding, self._known, self._tree = False, -1, None
            self._recent.clear()

    @property
    def unpublished(self) -> int:
        """How many acknowledged entries readers do not see yet."""
        return len(self._writer.unpublished)

    def publish(self) -> None:
        """While the log is held: let readers see all that was acknowledged.

        Raises:
            LogError: The storage refused; nothing acknowledged is lost.
        """
        self._writer.publish()
        if len(self._recent) > _RECENT:
            self.index()

    def index(self) -> None:
        """While the log is held: bring the index up to what readers see.

        It is derived: where that fails the next use does it.
        """
        if self._recent and self._writer.is_open:
            with suppress(LogError):
                self._index_published()

    def _append(
        self, requests: Sequence[Entries | WorkbenchError]
    ) -> list[Appended | WorkbenchError]:
        if not self._holding:
            with self.held():
                return self._append(requests)
        taken = [request for request in requests if not isinstance(request, WorkbenchError)]
        before = self._writer.recover()
        places = self._look_up([name for request in taken for name, _ in request])
        requests = [self._sealed(request, places) for request in requests]
        plan = Plan(places, self._entry, self._leaf)
        outcomes = [plan.take(request) for request in requests]
        note = None if plan.fresh else self._writer.note  # with all signatures that it has
        after = self._writer.extend(list(plan.fresh.values()))
        fresh = {name: before.size + number for number, name in enumerate(plan.fresh)}
        self._recent |= fresh
        self._known = after.size
        places |= fresh
        told = _Told(after, self._signer, note)
        return [_appended(outcome, places, after.size, told) for outcome in outcomes]

    def _asked(self, entry: bytes) -> Appended | None:
        """Append an entry that is read while the disk writes it; None: it takes the other way."""
        name = likely_id(entry)
        if (
            name is None
            or not (self._holding and self._writer.overlaps)
            or len(entry) > MAXIMUM_ENTRY
            or has_open_value(entry)
        ):
            return None
        if not self._writer.is_open:
            self._writer.recover()
        if self._place(name) is not None:
            return None

        place = self._writer.size

        def answer(after: Frontier) -> Appended:
            told = _Told(after.copy(), self._signer)
            return Appended((place,), 1, place, after.size, told)

        done = self._writer.ask(entry, lambda: is_admitted(entry), answer)
        if done is not None:
            self._recent[name] = place
            self._known = done.size
        return done

    def _look_up(self, ids: Sequence[str]) -> dict[str, int]:
        """Places of those ids that are in the log.

        The index only says where an entry is: the entry is read from the log itself.
        """
        self._catch_up()
        places = {name: self._recent[name] for name in ids if name in self._recent}
        places |= self._index.positions([name for name in ids if name not in places])
        return places

    def _place(self, name: str) -> int | None:
        """As `_look_up`, of one id."""
        self._catch_up()
        return self._recent[name] if name in self._recent else self._index.position(name)

    def _catch_up(self) -> None:
        if self._known != self._writer.size:  # at first, or after a batch that was cut off
            self._writer.publish()  # `_recent` may lack what was acknowledged to nobody
            self._index_published()
            self._known = self._writer.size

    def _entry(self, position: int) -> bytes:
        size = self._writer.published.size
        if position >= size:
            return self._writer.unpublished[position - size]
        return self._published_tree().entry(position)

    def _leaf(self, position: int) -> bytes:
        return self._published_tree().root(position, position + 1)

    def _published_tree(self) -> TreeReader:
        size = self._writer.published.size
        if self._tree is None or self._tree.size != size:
            self._tree = TreeReader(self._storage, size)
        return self._tree

    def _index_published(self) -> None:
        published = self._writer.published
        self._index.catch_up(self._storage, published)
        self._recent = {n: place for n, place in self._recent.items() if place >= published.size}

    def _sealed(
        self, request: Entries | WorkbenchError, places: Mapping[str, int]
    ) -> Entries | WorkbenchError:
        """The request with private values sealed, durably; or why that cannot be."""
        if isinstance(request, WorkbenchError) or not any(has_open_value(e) for _, e in request):
            return request
        if self._sealer is None:
            return LogError("private value: this log has no vault; nothing was appended.")
        try:
            return [
                (name, self._sealer.seal(e, self._entry(places[name]) if name in places else None))
                for name, e in request
            ]
        except WorkbenchError as error:
            return error

    def entries_of(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Entries of those decisions that are in the log, by id.

        Raises:
            LogError: The log or its index cannot be read.
        """
        with self.held():
            self._writer.recover()
            places = self._look_up(ids)
            return {name: self._entry(position) for name, position in places.items()}

    def checkpoint(self) -> Checkpoint:
        """The current checkpoint, after finishing what a crash left; signed at first use."""
        with self.held():
            return self._writer.recover()


@dataclass
class _Told:
    """Gives a signed checkpoint, which is made at the first call."""

    after: Checkpoint | Frontier
    signer: Signer
    note: bytes | None = None

    def __call__(self) -> Signed:
        if isinstance(self.after, Frontier):
            self.after = Checkpoint(self.signer.verifier.name, self.after.size, self.after.root())
        if self.note is None:
            self.note = self.after.sign(self.signer)
        return Signed(self.after.root.hex(), self.note.decode())


def _appended(
    outcome: Taken | WorkbenchError, places: Mapping[str, int], size: int, told: _Told
) -> Appended | WorkbenchError:
    if isinstance(outcome, WorkbenchError):
        return outcome
    return Appended(
        tuple([places[name] for name in outcome.names]), len(outcome.new),
        places[outcome.new[0]] if outcome.new else None, size, told,
    )  # fmt: skip


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
    index, sealer = open_index(workspace), Sealer(open_vault(workspace))
    return DecisionLog(storage, ensure_key(origin), index, KeptCheckpoint(origin), sealer=sealer)
