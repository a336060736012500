"""The journal: a frame is whole or absent, a batch has one spelling."""

from hashlib import sha256
from pathlib import Path

import pytest

from workbench.decision_log.checkpoint import Checkpoint
from workbench.decision_log.journal import (
    Batch,
    asked_batch,
    frame,
    frames,
    header,
    parse_batch,
    sealed_batch,
)
from workbench.decision_log.journal_file import JournalFile
from workbench.decision_log.note import generate_signer
from workbench.errors import LogError, VerificationError
from workbench.merkle import Frontier

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
    whole = journal_of(b"one", b"two").rstrip(b"\0")
    for end in range(len(journal_of(b"one")), len(whole)):
        assert list(frames(whole[:end])) == [b"one"]
        assert list(frames(whole[:end] + bytes(50))) == [b"one"]


def test_a_flipped_bit_ends_the_journal_before_its_record():
    whole = journal_of(b"one", b"two")
    for place in range(len(journal_of(b"one")), len(whole.rstrip(b"\0"))):
        flipped = bytearray(whole)
        flipped[place] ^= 1
        assert list(frames(bytes(flipped))) == [b"one"]


def test_a_damaged_record_before_a_whole_one_is_told_where_nobody_writes():
    journal = bytearray(journal_of(b"first", b"second", b"x" * 9000, b"last"))
    second = journal.index(b"second")
    journal[second] ^= 1
    assert list(frames(bytes(journal))) == [b"first"]
    with pytest.raises(LogError, match=r"damaged at byte 8192, .*truncate -s 8192 \.journal"):
        list(frames(bytes(journal), alone=True))
    assert list(frames(bytes(journal[:8192]), alone=True)) == [b"first"]
    torn = journal_of(b"first", b"x" * 9000)[:-4096] + bytes(4096)  # the last may be half a record
    earlier = frame(EPOCH[::-1], len(torn), b"of an earlier epoch")
    assert list(frames(torn + earlier, alone=True)) == [b"first"]


def test_a_record_of_an_earlier_epoch_is_not_taken_up():
    earlier = journal_of(b"one", b"two")
    current = journal_of(b"ONE", epoch=bytes(16))
    assert list(frames(current + earlier[len(current) :])) == [b"ONE"]


def test_a_journal_whose_first_write_was_cut_is_empty():
    whole = journal_of(b"one").rstrip(b"\0")
    for end in [*range(40), *range(4000, len(whole))]:
        assert list(frames(whole[:end])) == []


def test_a_record_shares_no_block_with_another():
    # a write that the power cut tears may take what it touches
    assert [len(frame(EPOCH, 0, bytes(size))) for size in (1, 4060, 4061)] == [4096, 4096, 8192]
    assert len(header(EPOCH)) == 4096


def test_a_journal_of_an_earlier_version_is_read():
    content = b"workbench journal 1\n" + EPOCH
    for record in (b"one", b"two"):
        place = len(content).to_bytes(8, "big")
        content += b"\0\0\0\3" + sha256(EPOCH + place + record).digest() + record
    assert list(frames(content + bytes(50))) == [b"one", b"two"]


def test_a_batch_spelt_in_another_way_is_refused():
    signer = generate_signer("example.com/log")
    before, after = (Checkpoint("example.com/log", size, bytes(32)) for size in (1, 2))
    signed = Batch(1, bytes(32), (b"entry",), after.sign(signer)).encode()
    sealed = sealed_batch(before, after, [b"entry"], signer)
    asked = asked_batch(Frontier(1, [bytes(32)]), b"entry", signer)
    for record in (signed, sealed, asked):
        batch = parse_batch(record)
        assert (batch.start, batch.end, batch.entries) == (1, 2, (b"entry",))
        assert batch.checkpoint(signer, bytes(32)) == after
        assert batch.encode() == record
    others = [sealed.replace(b"sealed 1", spelt) for spelt in (b"sealed +1", b"sealed 01", b"1")]
    others += [asked.replace(b"asked 1", b"asked 01"), asked.upper(), asked + b"\0\1x"]
    for other in (b"+" + signed, b"0" + signed, b" " + sealed, sealed.upper(), *others):
        with pytest.raises(LogError, match="malformed"):
            parse_batch(other)


@pytest.mark.parametrize("start", [-1, 2**63])
def test_a_batch_that_continues_a_log_of_impossible_size_is_refused(start):
    for batch in (
        Batch(start, bytes(32), (b"entry",), after=bytes(32), seal=bytes(32)),
        Batch(start, bytes(32), (b"entry",), b"note"),
    ):
        with pytest.raises(LogError, match="malformed"):
            parse_batch(batch.encode())


def test_a_seal_holds_for_one_claim_of_one_key():
    signer, other = (generate_signer("example.com/log") for _ in range(2))
    before, after = (Checkpoint("example.com/log", size, bytes(32)) for size in (1, 2))
    record = sealed_batch(before, after, [b"entry"], signer)
    altered = record.replace(b" 2 00", b" 2 10")
    asked = asked_batch(Frontier(1, [bytes(32)]), b"entry", signer)
    elsewhere = asked.replace(b"asked 1", b"asked 2")
    for batch, key in (
        (parse_batch(record), other),
        (parse_batch(altered), signer),
        (parse_batch(asked), other),
        (parse_batch(asked.replace(b"entry", b"ENTRY")), signer),
        (parse_batch(elsewhere), signer),
    ):
        with pytest.raises(VerificationError, match="not sealed by the log's key"):
            batch.checkpoint(key, bytes(32))


def test_a_file_that_is_no_journal_is_told():
    with pytest.raises(LogError, match=r"\.journal: damaged"):
        list(frames(b"hello" * 20))


@pytest.mark.parametrize("reserve", [0, 16384])
def test_a_journal_file_is_reused_from_its_beginning(tmp_path, reserve):
    path = tmp_path / ".journal"
    journal = JournalFile(path, reserve)
    journal.write(b"one" * 50)
    journal.write(b"two")
    assert list(frames(path.read_bytes())) == [b"one" * 50, b"two"]
    journal.empty()
    assert list(frames(path.read_bytes())) == []
    journal.write(b"six")
    journal.close()
    assert list(frames(path.read_bytes())) == [b"six"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_journal_takes_its_reserve_again_when_it_is_used_up(tmp_path):
    path = tmp_path / ".journal"
    journal, records = JournalFile(path, reserve=16384), []
    for size in (1, 5000, 20_000, 3_000_000):  # 1 block, 2, 5, and more than is written at once
        records.append(b"x" * size)
        journal.write(records[-1])
        assert list(frames(path.read_bytes())) == records
        assert path.stat().st_size % 16384 == 0
    assert path.stat().st_blocks * 512 >= path.stat().st_size  # all of it is there, no holes
    journal.close()


def test_a_journal_that_cannot_be_made_leaves_no_open_file(tmp_path):
    path = tmp_path / ".journal"
    opened = len([*Path("/proc/self/fd").iterdir()])
    path.write_bytes(b"")
    for _ in range(3):
        with pytest.raises(FileExistsError):
            JournalFile(path)
    assert len([*Path("/proc/self/fd").iterdir()]) == opened
