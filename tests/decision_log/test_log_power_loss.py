"""Power loss: what was not flushed is gone, old, or torn; what was acknowledged is not."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.decision_log.append import DecisionLog
from workbench.decision_log.index import LogIndex
from workbench.decision_log.journal import frame, frames, header
from workbench.decision_log.journal_file import JournalFile
from workbench.decision_log.note import generate_signer
from workbench.decision_log.storage import MemoryStorage
from workbench.decision_log.tree import TreeReader
from workbench.decision_log.verify import verify_storage
from workbench.errors import LogError


class DiskWithCache(MemoryStorage):
    """Knows which writes were flushed; `lose_power` does its worst to the others."""

    def __init__(self):
        super().__init__()
        self.flushed = {}

    def settle(self, superseded=(), *, last=True):
        self.flushed = {p: d for p, d in self.objects.items() if p not in set(superseded)}
        super().settle(superseded, last=last)

    def lose_power(self, fate):
        """Every path whose bytes differ from the flushed ones meets a fate."""
        for path in sorted({*self.objects, *self.flushed}):
            old, new = self.flushed.get(path), self.objects.get(path)
            if old == new:
                continue
            chosen = fate(path)
            kept = {"old": old, "new": new}.get(chosen, new and new[: len(new) // 2])
            if chosen == "empty" and new is not None:
                kept = b""
            if path == "checkpoint" and chosen == "torn":
                kept = b""  # a file renamed over another is whole or empty, never half
            if kept is None:
                self.objects.pop(path, None)
            else:
                self.objects[path] = kept
        self.flushed = dict(self.objects)


def opened(storage, signer):
    return DecisionLog(storage, signer, LogIndex(Path(":memory:")))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_an_acknowledged_entry_survives_whatever_the_cache_loses(data):
    signer, storage, expected = generate_signer("example.com/log"), DiskWithCache(), []
    for _ in range(data.draw(st.integers(1, 3))):
        batches = data.draw(st.lists(st.sampled_from([1, 2, 40, 255, 256, 300]), max_size=5))
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
            storage.lose_power(
                lambda _: data.draw(st.sampled_from(["old", "new", "torn", "empty"]))
            )
        assert opened(storage, signer).checkpoint().size == len(expected)
        report = verify_storage(storage, signer.verifier.encode())
        assert (report.entries, report.files.beyond) == (len(expected), ())
        assert [e for _, e in TreeReader(storage, len(expected)).entries()] == expected


EPOCH = bytes(range(16))


def journal_of(*records, epoch=EPOCH):
    content = header(epoch)
    for record in records:
        content += frame(epoch, len(content), record)
    return content


def test_a_journal_gives_back_its_records_in_order():
    assert list(frames(journal_of(b"one", b"two" * 100) + bytes(64))) == [b"one", b"two" * 100]


@pytest.mark.parametrize("content", [b"", bytes(4096)])
def test_a_journal_without_a_record_is_empty(content):
    assert list(frames(content)) == []


def test_half_a_record_is_none():
    whole = journal_of(b"one", b"two")
    for end in range(len(journal_of(b"one")), len(whole)):
        assert list(frames(whole[:end])) == [b"one"]
        assert list(frames(whole[:end] + bytes(50))) == [b"one"]


def test_a_flipped_bit_ends_the_journal_before_its_record():
    whole = journal_of(b"one", b"two")
    for place in range(len(journal_of(b"one")), len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1
        assert list(frames(bytes(flipped))) == [b"one"]


def test_a_record_of_an_earlier_epoch_is_not_taken_up():
    earlier = journal_of(b"one", b"two")
    current = journal_of(b"ONE", epoch=bytes(16))
    assert list(frames(current + earlier[len(current) :])) == [b"ONE"]


def test_a_file_that_is_no_journal_is_told():
    with pytest.raises(LogError, match=r"\.journal: damaged"):
        list(frames(b"hello" * 20))


def test_a_journal_file_is_reused_from_its_beginning(tmp_path):
    path = tmp_path / ".journal"
    journal = JournalFile(path, reserve=4096)
    journal.write(b"one" * 50)
    journal.write(b"two")
    assert list(frames(path.read_bytes())) == [b"one" * 50, b"two"]
    journal.empty()
    assert list(frames(path.read_bytes())) == []
    journal.write(b"six")
    journal.close()
    assert list(frames(path.read_bytes())) == [b"six"]
    assert path.stat().st_size == 4096
    assert path.stat().st_mode & 0o777 == 0o600
