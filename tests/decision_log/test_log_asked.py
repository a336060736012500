"""Single entries that are written before they are read: the same log, whatever comes between."""

import inspect
import json
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.contracts.canonical import canonical_json
from workbench.decision_log.append import DecisionLog
from workbench.decision_log.index import LogIndex
from workbench.decision_log.journal import asked_batch, parse_batch
from workbench.decision_log.note import generate_signer
from workbench.decision_log.requests import is_admitted
from workbench.decision_log.storage import FolderStorage, MemoryStorage, always
from workbench.decision_log.verify import verify_storage
from workbench.errors import ImmutableError, LogError
from workbench.merkle import Frontier, leaf_hash

SIGNER = generate_signer("example.com/log")
KEY = SIGNER.verifier.encode()
NESTED = canonical_json({"detail": {"id": "another"}, "id": "d7", "kind": "fact"})
REFUSED = {
    b'{"id":"d7","kind":"fact" }': "not in canonical form",
    b'{"kind":"fact","id":"d7"}': "not in canonical form",
    b'{"id":"d7","kind":"fact"': "expected canonical JSON",
    b'{"id":"d7"}': "no kind",
    b'{"id":"d7","kind":"key_rotation"}': "only 'workbench log rotate-key'",
    b'["id","id":"d7"]': "expected canonical JSON",
}


class Overlapping(MemoryStorage):
    """Takes records before they are accepted; keeps copies of what a crash right then leaves."""

    def __init__(self):
        super().__init__()
        self.overlaps, self.crashed = True, []

    def record(self, data, accept=always):
        left = MemoryStorage()
        left.objects, left.records = dict(self.objects), [*self.records, data]
        self.crashed.append(left)
        return super().record(data, accept)


def opened(storage):
    return DecisionLog(storage, SIGNER, LogIndex(Path(":memory:")))


def entry(number, **fields):
    return canonical_json({"id": f"d{number}", "kind": "fact", **fields})


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.sampled_from([1, 1, 1, 1, 2, 90, 256]), min_size=1, max_size=12))
def test_one_by_one_or_together_the_log_is_the_same_byte_for_byte(sizes):
    storage, plain = Overlapping(), MemoryStorage()
    log, number = opened(storage), 0
    with log.held():
        for size in sizes:
            done = log.append_entries([entry(number + i) for i in range(size)])
            number += size
            assert (done.size, done.indexes[-1], done.new) == (number, number - 1, size)
            expected = Frontier()
            expected.extend(leaf_hash(entry(i)) for i in range(number))
            assert done.root == expected.root().hex()
    opened(plain).append_entries([entry(i) for i in range(number)])
    wanted = {path: data for path, data in storage.objects.items() if ".p/" not in path}
    assert wanted == {path: data for path, data in plain.objects.items() if ".p/" not in path}
    assert verify_storage(storage, KEY).entries == number


def test_an_answer_is_told_the_checkpoint_of_its_own_moment():
    log = opened(Overlapping())
    with log.held():
        answers = [log.append_entries([entry(number)]) for number in range(20)]
    for number, done in enumerate(answers):
        tree = Frontier()
        tree.extend(leaf_hash(entry(i)) for i in range(number + 1))
        assert (done.size, done.root) == (number + 1, tree.root().hex())
        assert done.checkpoint.startswith(f"example.com/log\n{number + 1}\n")


@pytest.mark.parametrize(("bad", "why"), REFUSED.items(), ids=str)
def test_an_entry_that_is_refused_leaves_nothing_now_or_after_a_crash(bad, why):
    storage = Overlapping()
    log = opened(storage)
    with log.held():
        log.append_entries([entry(0)])
        asked = len(storage.crashed)
        with pytest.raises(LogError, match=why):
            log.append_entries([bad])
        assert len(storage.crashed) == asked + 1  # it was written before it was read
        assert log.append_entries([entry(1)]).indexes == (1,)
        with pytest.raises(LogError, match=why):
            log.append_entries([bad])
    assert verify_storage(storage, KEY).entries == 2
    for left, size in zip(storage.crashed[asked:], (1, 2, 2), strict=True):
        assert opened(left).checkpoint().size == size
        assert opened(left).append_entries([entry(9)]).indexes == (size,)
        assert verify_storage(left, KEY).entries == size + 1


def test_an_entry_whose_id_was_guessed_wrong_takes_the_other_way():
    storage = Overlapping()
    log = opened(storage)
    with log.held():
        log.append_entries([entry(0)])
        assert log.append_entries([NESTED]).indexes == (1,)
        assert log.append_entries([NESTED]).new == 0
        with pytest.raises(ImmutableError):
            log.append_entries([NESTED.replace(b"fact", b"other")])
        assert log.append_entries([entry("another")]).indexes == (2,)
    assert not is_admitted(NESTED)
    before_it_was_read = storage.crashed[1]
    assert opened(before_it_was_read).checkpoint().size == 1
    assert opened(before_it_was_read).append_entries([NESTED]).indexes == (1,)


@pytest.mark.parametrize("published", [False, True])
def test_an_entry_that_is_there_is_not_written_again(published):
    storage = Overlapping()
    log = opened(storage)
    with log.held():
        log.append_entries([entry(0)])
        log.append_entries([entry(1)])
        if published:
            log.publish()
        written = len(storage.crashed)
        assert log.append_entries([entry(1)]).indexes == (1,)
        with pytest.raises(ImmutableError, match="with other content"):
            log.append_entries([entry(1, note="other")])
        assert len(storage.crashed) == written


def test_after_a_crash_an_entry_that_was_acknowledged_is_there():
    storage = Overlapping()
    log = opened(storage)
    with log.held():
        for number in range(600):
            log.append_entries([entry(number)])
    for number in (1, 2, 254, 255, 256, 257, 599):
        left = storage.crashed[number]
        assert opened(left).checkpoint().size == number + 1
        report = verify_storage(left, KEY)
        assert (report.entries, report.files.pending) == (number + 1, 0)


def crashed_at_two():
    """A log of one entry whose second one is in the journal only."""
    storage = Overlapping()
    log = opened(storage)
    with log.held():
        log.append_entries([entry(0)])
        log.publish()
        log.append_entries([entry(1)])
    return storage.crashed[1]


@pytest.mark.parametrize(
    ("forge", "why"),
    [
        (lambda tree, other: asked_batch(tree, entry(1), other), "not sealed by the log's key"),
        (lambda tree, other: asked_batch(Frontier(), entry(1), SIGNER), "do not have the root"),
        (
            lambda tree, other: asked_batch(Frontier(1, [bytes(32)]), entry(1), SIGNER),
            "do not have the root",
        ),
        (
            lambda tree, other: asked_batch(tree, entry(1), SIGNER).replace(b"fact", b"FACT"),
            "not sealed by the log's key",
        ),
        (lambda tree, other: asked_batch(tree, b"{", other), "not sealed by the log's key"),
    ],
)
def test_an_entry_in_the_journal_that_the_key_did_not_seal_there_is_refused(forge, why):
    left = crashed_at_two()
    tree = Frontier()
    tree.extend([leaf_hash(entry(0))])
    assert parse_batch(left.records[-1]).root == tree.digest()
    left.records[-1] = forge(tree, generate_signer("example.com/log"))
    objects = dict(left.objects)
    with pytest.raises(LogError, match=why):
        opened(left).checkpoint()
    assert left.objects == objects


def test_an_interrupted_writer_goes_on(monkeypatch):
    storage = Overlapping()
    log = opened(storage)

    def interrupted(_):
        raise KeyboardInterrupt

    with log.held():
        log.append_entries([entry(0)])
        with monkeypatch.context() as patched:
            patched.setattr("workbench.decision_log.append.is_admitted", interrupted)
            with pytest.raises(KeyboardInterrupt):
                log.append_entries([entry(1)])
        done = log.append_entries([entry(2)])
        assert done.indexes in ((1,), (2,))
    assert verify_storage(storage, KEY).entries == done.size


@pytest.mark.parametrize("entries", [[entry(1)], [entry(1), entry(2)]], ids=["alone", "batch"])
def test_a_writer_interrupted_right_after_the_write_enters_no_id_twice(entries, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    storage = Overlapping()
    log = opened(storage)
    with log.held():
        log.append_entries([entry(0)])
        with monkeypatch.context() as patched:
            patched.setattr("workbench.decision_log.writer._State.publishing_is_due", interrupted)
            with pytest.raises(KeyboardInterrupt):
                log.append_entries(entries)
        again = log.append_entries(entries)
        assert (again.new, again.indexes) == (0, tuple(range(1, 1 + len(entries))))
    assert verify_storage(storage, KEY).entries == 1 + len(entries)


def deep_in_the_stack(levels, work):
    """Call a function when about this many levels are left of those that Python allows."""

    def down(further):
        return down(further - 1) if further else work()

    return down(sys.getrecursionlimit() - len(inspect.stack(0)) - levels)


@pytest.mark.parametrize("nested", [20, 150, 600])
def test_an_entry_that_was_acknowledged_is_not_dropped_for_want_of_stack(nested):
    storage = Overlapping()
    log = opened(storage)
    deep = b'{"detail":%s1%s,"id":"deep","kind":"fact"}' % (b'{"a":' * nested, b"}" * nested)
    with log.held():
        log.append_entries([entry(0)])
        log.append_entries([deep])
    asked = storage.crashed[-1]

    def recovered():
        left = MemoryStorage()
        left.objects, left.records = dict(asked.objects), list(asked.records)
        return opened(left).checkpoint().size

    sizes = set()
    for levels in (60, 100, 140, 180, 260, 700):
        with suppress(RecursionError):
            sizes.add(deep_in_the_stack(levels, recovered))
    assert sizes == {2}


def test_a_real_folder_writes_while_it_reads(tmp_path):
    storage = FolderStorage(tmp_path / "log", reserve=1 << 20)
    log = DecisionLog(storage, SIGNER, LogIndex(tmp_path / "index.sqlite"))
    copy = tmp_path / "copy"
    with suppress(OSError), log.held():
        log.append_entries([entry(0)])
        if not storage.overlaps:
            pytest.skip("no asynchronous direct writes here: entries are read before")
        for number in range(1, 700):
            done = log.append_entries([entry(number)])
            assert done.indexes == (number,)
        with pytest.raises(LogError, match="canonical"):
            log.append_entries([b'{"id":"x" ,"kind":"fact"}'])
        shutil.copytree(tmp_path / "log", copy)  # as kill -9 leaves it
        log.append_entries([entry(700)])
        raise OSError("as if killed")
    for folder, size in ((copy, 700), (tmp_path / "log", 701)):
        again = FolderStorage(folder)
        assert opened(again).checkpoint().size == size
        assert verify_storage(again, KEY).entries == size
        found = opened(again).entries_of([f"d{size - 1}"])
        assert json.loads(found[f"d{size - 1}"])["id"] == f"d{size - 1}"
