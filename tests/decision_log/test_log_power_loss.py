"""Crashes and power loss against a model: what was acknowledged stays, whatever else goes.

What was not flushed is gone, old, or torn after a power loss, also where a flush failed before. A
killed process loses nothing that it wrote, but may leave half of it.
"""

from contextlib import contextmanager, suppress
from copy import deepcopy
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from workbench.decision_log.append import DecisionLog
from workbench.decision_log.index import LogIndex
from workbench.decision_log.journal import frame, frames, header
from workbench.decision_log.keys import KeptCheckpoint, ensure_key, verifier_key
from workbench.decision_log.note import generate_signer
from workbench.decision_log.prove import ProvingReader, verify_bundle
from workbench.decision_log.rotating import finish_rotation, rotate_key
from workbench.decision_log.storage import FolderStorage, MemoryStorage, always
from workbench.decision_log.tiles import CHECKPOINT
from workbench.decision_log.tree import TreeReader
from workbench.decision_log.verify import verify_storage
from workbench.errors import ImmutableError, LogError

FATES = st.sampled_from(["old", "new", "torn", "empty"])
SIZES = st.sampled_from([1, 2, 40, 255, 256, 300])


class KilledError(BaseException):
    """The process is gone."""


class Disk(MemoryStorage):
    """Files as Linux keeps them: a cache, what is flushed of it, and writes that fail.

    Attributes:
        durable: What survives a power loss for certain.
        dirty: Paths whose bytes are in the cache only.
        fail: The n-th write from now on fails; 0: none does.
        how: "before" or "after" the bytes are in the cache, or "killed" half-way.
    """

    def __init__(self):
        super().__init__()
        self.durable, self.dirty, self.unsettled = {}, set(), {}
        self.file = self.durable_file = self.kept = b""
        self.epoch = self.fail = 0
        self.overlaps = True
        self.how = "before"

    @contextmanager
    def lock(self):
        try:
            yield
        finally:
            self.unsettled.clear()

    def _do(self, write, half=lambda: None):
        self.fail -= 1
        if self.fail == 0 and self.how == "killed":
            self.fail = 1  # a dead process writes no more
            half()
            raise KilledError
        if self.fail == 0 and self.how == "before":
            raise LogError("disk full")
        write()
        if self.fail == 0:
            raise LogError("disk full")

    def _put(self, path, data):
        self.objects[path] = data
        self.dirty.add(path)
        self.unsettled[path] = None

    def create(self, objects):
        for path, data in objects.items():
            if path in self.objects:
                super().create({path: data})
                self.unsettled[path] = None
            else:
                half = data[: len(data) // 2]
                self._do(
                    lambda p=path, d=data: self._put(p, d), lambda p=path, d=half: self._put(p, d)
                )

    def replace(self, path, data):
        self._do(lambda: self._put(path, data))

    def restore(self, objects):
        for path, data in objects.items():
            self.replace(path, data)

    def publish(self, path, data):
        def write():  # flushed before it has its name
            self._put(path, data)
            self._flush(path)

        self._do(write)

    def _flush(self, path):
        if path in self.dirty:
            self.dirty.discard(path)
            self.durable[path] = self.objects[path]

    def record(self, data, accept=always):
        if not self.kept:
            self.epoch += 1
        epoch = self.epoch.to_bytes(16, "big")
        whole = self.kept or header(epoch)
        framed = frame(epoch, len(whole), data)
        self.file = whole + framed[: len(framed) // 2]
        self._do(lambda: setattr(self, "file", whole + framed))
        self.durable_file = self.file  # also what is not accepted, until it is written over
        if accept():
            self.kept = self.file
            return True
        return False

    def journal(self):
        return list(frames(self.file))

    def settle(self, superseded=(), *, last=True):
        for path in [path for path in self.unsettled if path not in superseded]:
            try:
                self._do(lambda p=path: self._flush(p))
            except LogError:
                self.dirty.discard(path)  # taken for written, whether it is or not
                raise
        self.unsettled.clear()
        for path in superseded:
            self._do(lambda p=path: self.remove(p))
        for path in superseded:
            self.durable.pop(path, None)
            self.dirty.discard(path)
        self._do(self._empty_journal)

    def _empty_journal(self):
        self.file = self.durable_file = self.kept = b""

    def remove(self, path):
        self.objects.pop(path, None)
        self.dirty.add(path)
        self.unsettled.pop(path, None)

    def lose_power(self, fate, tail):
        """Whatever is not flushed meets a fate; of the journal's last write `tail` percent stay."""
        kept = dict(self.durable)
        for path in sorted(self.dirty):
            new, chosen = self.objects.get(path), fate(path)
            if chosen == "new" or (new is None and chosen != "old"):
                kept[path] = new
            elif chosen == "empty" or (chosen == "torn" and path == CHECKPOINT):
                kept[path] = b""  # a file renamed over another is whole or empty, never half
            elif chosen == "torn":
                kept[path] = new[: len(new) // 2]
        self.objects = {path: data for path, data in kept.items() if data is not None}
        self.durable, self.dirty = dict(self.objects), set()
        if self.file.startswith(self.durable_file):
            rest = self.file[len(self.durable_file) :]
            self.file = self.durable_file + rest[: len(rest) * tail // 100]
        else:
            self.file = self.durable_file
        self.durable_file = self.file


def opened(storage, signer):
    return DecisionLog(storage, signer, LogIndex(Path(":memory:")))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_an_acknowledged_entry_survives_whatever_the_cache_loses(data):
    signer, storage, expected = generate_signer("example.com/log"), Disk(), []
    for _ in range(data.draw(st.integers(1, 3))):
        batches = data.draw(st.lists(SIZES, max_size=5))
        log = opened(storage, signer)
        try:
            with log.held():
                for size in batches:
                    number = len(expected)
                    batch = [b'{"id":"d%d","kind":"fact"}' % (number + i) for i in range(size)]
                    log.append_entries(batch)
                    expected += batch
                    if data.draw(st.booleans()):
                        log.publish()
                if data.draw(st.booleans()):
                    raise OSError("power loss")
        except OSError:
            storage.lose_power(lambda _: data.draw(FATES), tail=0)
        assert opened(storage, signer).checkpoint().size == len(expected)
        storage.lose_power(lambda _: data.draw(FATES), tail=0)  # all is settled: none of it matters
        report = verify_storage(storage, signer.verifier.encode())
        assert (report.entries, report.files.beyond) == (len(expected), ())
        assert [e for _, e in TreeReader(storage, len(expected)).entries()] == expected


@pytest.mark.parametrize("before", [0, 254])
@pytest.mark.parametrize("how", ["before", "after", "killed"])
def test_power_that_is_lost_at_any_write_leaves_a_log_that_opens(before, how):
    signer = generate_signer("example.com/log")
    entries = [b'{"id":"d%d","kind":"fact"}' % number for number in range(before + 4)]
    template = Disk()
    if before:
        opened(template, signer).append_entries(entries[:before])
    for at, (fate, tail) in product(range(1, 18), [("old", 0), ("empty", 60), ("torn", 100)]):
        disk = deepcopy(template)
        disk.fail, disk.how = at, how
        with suppress(LogError, KilledError):
            opened(disk, signer).append_entries(entries[before:])
        disk.fail = 0
        disk.lose_power(lambda _, fate=fate: fate, tail)
        assert opened(disk, signer).checkpoint().size in (before, before + 4)
        assert opened(disk, signer).append_entries(entries).size == before + 4
        verify_storage(disk, signer.verifier.encode())


def test_what_stands_is_written_anew_when_it_is_restored(tmp_path):
    # A flush that failed leaves bytes in the cache that no later flush writes.
    storage = FolderStorage(tmp_path)
    storage.create({"tile/0/000": b"hashes"})
    before = (tmp_path / "tile/0/000").stat().st_ino
    storage.restore({"tile/0/000": b"hashes"})
    assert (tmp_path / "tile/0/000").stat().st_ino != before
    assert storage.read("tile/0/000") == b"hashes"


def test_an_emptied_memory_of_the_log_is_none(tmp_path, monkeypatch):
    # It is not flushed: a power loss may leave it without bytes.
    monkeypatch.setenv("WORKBENCH_KEYS", str(tmp_path))
    memory = KeptCheckpoint("example.com/log")
    memory.keep(b"note")
    assert memory.read() == b"note"
    for left in (b"", bytes(400)):
        memory.path.write_bytes(left)
        assert memory.read() is None


@pytest.mark.parametrize("fate", ["old", "empty", "torn", "new"])
@pytest.mark.parametrize("at", ["successor", "entry", "memory", "switch", "done"])
def test_power_that_is_lost_while_the_key_is_rotated_leaves_a_log_that_opens(
    tmp_path, monkeypatch, at, fate
):
    monkeypatch.setenv("WORKBENCH_KEYS", str(tmp_path))
    origin, disk = "example.com/log", Disk()

    def append(number):
        memory, index = KeptCheckpoint(origin), LogIndex(Path(":memory:"))
        log = DecisionLog(disk, ensure_key(origin), index, memory)
        return log.append_entries([b'{"id":"d%d","kind":"fact"}' % number])

    def stop(step):
        if step == at:
            disk.fail, disk.how = 1, "killed"
            raise KilledError

    append(0)
    with suppress(KilledError):
        rotate_key(origin, disk, now=datetime(2026, 2, 3, tzinfo=UTC), actor="test", step=stop)
    disk.fail = 0
    disk.lose_power(lambda _: fate, tail=0)
    finish_rotation(origin, disk)
    assert append(1).size == (2 if at in ("successor", "entry") else 3)
    verify_storage(disk, verifier_key(origin))


class LogMachine(RuleBasedStateMachine):
    """Appends of every kind, failures, crashes and reopenings against a plain list of entries."""

    @initialize()
    def begin(self):
        self.signer = generate_signer("example.com/log")
        self.disk = Disk()
        self.entries = []
        self.number = 0
        self.holding = None
        self.reopen()

    def reopen(self):
        self.log = opened(self.disk, self.signer)

    def _batch(self, size):
        self.number += size
        return [b'{"id":"d%d","kind":"fact"}' % (self.number + i) for i in range(-size, 0)]

    @rule(size=st.sampled_from([1, 2, 13, 255, 256, 300]))
    def append(self, size):
        batch = self._batch(size)
        done = self.log.append_entries(batch)
        self.entries += batch
        assert (done.size, done.new) == (len(self.entries), size)

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def repeat(self, data):
        some = data.draw(st.lists(st.sampled_from(range(len(self.entries))), max_size=4))
        done = self.log.append_entries([self.entries[i] for i in some])
        assert (done.indexes, done.new) == (tuple(some), 0)

    @precondition(lambda self: self.entries)
    @rule(data=st.data(), size=st.sampled_from([0, 1, 40]))
    def group(self, data, size):
        old = data.draw(st.sampled_from(range(len(self.entries))))
        fresh, shared = self._batch(size), self._batch(1)
        other = self.entries[old].replace(b"fact", b"other")
        requests = [[*fresh, *shared], [self.entries[old], *shared], [*self._batch(2), other]]
        first, second, third = self.log.append_group(requests)
        self.entries += [*fresh, *shared]
        assert (first.new, second.new) == (size + 1, 0)
        assert second.indexes == (old, len(self.entries) - 1)
        assert isinstance(third, ImmutableError)

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def conflict(self, data):
        entry = data.draw(st.sampled_from(self.entries)).replace(b"fact", b"other")
        with pytest.raises(ImmutableError, match="with other content"):
            self.log.append_entries([*self._batch(1), entry])

    @precondition(lambda self: self.holding is None)
    @rule()
    def hold(self):
        self.holding = self.log.held()
        self.holding.__enter__()

    @precondition(lambda self: self.holding is not None)
    @rule()
    def publish(self):
        self.log.publish()
        assert self.log.unpublished == 0

    @precondition(lambda self: self.holding is not None)
    @rule()
    def let_go(self):
        self.holding, holding = None, self.holding
        holding.__exit__(None, None, None)
        assert self.disk.journal() == []

    @rule(
        size=st.sampled_from([1, 2, 255, 300]), at=st.integers(1, 14),
        how=st.sampled_from(["before", "after", "killed"]), then=st.sampled_from("-kp"),
        data=st.data(),
    )  # fmt: skip
    def fail(self, size, at, how, then, data):
        batch = self._batch(size)
        self.disk.fail, self.disk.how = at, how
        try:
            self.log.append_entries(batch)
            if self.holding:
                self.log.publish()
            self.entries, batch = self.entries + batch, []
        except LogError:
            pass
        except KilledError:
            then = then if then != "-" else "k"
        if then != "-":
            self._crash(data if then == "p" else None)
        self.disk.fail = 0
        found = self.log.checkpoint().size
        assert found in (len(self.entries), len(self.entries) + len(batch))
        if found > len(self.entries):
            self.entries += batch

    @rule(data=st.data(), power=st.booleans())
    def crash(self, data, power):
        self._crash(data if power else None)
        if not power:
            self.the_log_verifies()
        assert self.log.checkpoint().size == len(self.entries)

    def _crash(self, data):
        """The process dies where it stands; with `data`, the power goes too."""
        if self.holding is not None:
            self.disk.fail, self.disk.how = 1, "killed"
            with suppress(KilledError):
                self.holding.__exit__(KilledError, KilledError(), None)
            self.holding = None
        self.disk.fail = 0
        if data is not None:
            tail = data.draw(st.integers(0, 100))
            self.disk.lose_power(lambda _: data.draw(FATES), tail)
        self.reopen()

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def prove(self, data):
        if self.holding is not None:
            self.log.publish()
        index = data.draw(st.integers(0, len(self.entries) - 1))
        bundle = ProvingReader(self.disk, self.signer.verifier).bundle(index)
        proven = verify_bundle(bundle, self.signer.verifier.encode())
        assert proven.entry == self.entries[index]

    @invariant()
    def the_log_verifies(self):
        if hasattr(self, "disk") and CHECKPOINT in self.disk.objects:
            report = verify_storage(self.disk, self.signer.verifier.encode())
            assert report.entries + report.files.pending == len(self.entries)


TestLogMachine = LogMachine.TestCase
TestLogMachine.settings = settings(max_examples=60, stateful_step_count=14, deadline=None)
