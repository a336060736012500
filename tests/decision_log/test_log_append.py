"""Appending: the tree of the entries, once each, whatever the batches."""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

import pytest

from workbench.decision_log.append import DecisionLog
from workbench.decision_log.checkpoint import Checkpoint
from workbench.decision_log.index import LogIndex
from workbench.decision_log.journal import Batch
from workbench.decision_log.note import Signer, generate_signer
from workbench.decision_log.storage import FolderStorage, MemoryStorage
from workbench.decision_log.tiles import bundle_path, tile_path
from workbench.decision_log.tree import TreeReader
from workbench.decision_log.verify import verify_log, verify_storage
from workbench.decision_log.writer import LogWriter
from workbench.errors import ContractError, ImmutableError, LockedError, LogError
from workbench.merkle import leaf_hash, tree_root


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 700])
def test_root_is_that_of_all_entries(logs, size):
    storage, log = logs.filled(size)
    hashes = [leaf_hash(record.canonical()) for record in logs.records(0, size)]
    assert log.checkpoint().root == tree_root(hashes)
    assert verify_storage(storage, logs.key).entries == size


def test_appending_again_keeps_one_entry(logs):
    _, log = logs.filled(0)
    first = log.append([logs.record(1), logs.record(2)])
    later = logs.record(2, recorded_at=logs.record(2).recorded_at.replace(year=2027))
    again = log.append([later, logs.record(3)])
    assert (first.indexes, again.indexes, again.new) == ((0, 1), (1, 2), 1)
    assert (first.first_index, again.first_index) == (0, 2)


def test_an_append_of_nothing_new_changes_nothing(logs):
    storage, log = logs.filled(5)
    before = dict(storage.objects)
    again = log.append(logs.records(0, 5))
    assert (again.new, again.first_index, again.size) == (0, None, 5)
    assert again.checkpoint.encode() == before["checkpoint"]
    assert storage.objects == before


def test_one_batch_may_hold_a_record_twice(logs):
    _, log = logs.filled(0)
    assert log.append([logs.record(1), logs.record(2), logs.record(1)]).indexes == (0, 1, 0)


def test_same_id_with_other_content_is_refused(logs):
    storage, log = logs.filled(1)
    with pytest.raises(ImmutableError, match="'d0': is in the log with other content"):
        log.append([logs.record(5), logs.record(0, quantity=99.0)])
    assert verify_storage(storage, logs.key).entries == 1


def test_two_records_of_one_batch_cannot_share_an_id(logs):
    _, log = logs.filled(0)
    with pytest.raises(ImmutableError, match="other content"):
        log.append([logs.record(1), logs.record(1, quantity=5.0)])


def test_oversized_records_are_refused(logs):
    _, log = logs.filled(0)
    with pytest.raises(ContractError, match="expected at most 65535"):
        log.append([logs.record(1, reasons=("x" * 70_000,))])
    assert log.checkpoint().size == 0


def test_oversized_entries_are_refused_before_anything_is_written(logs):
    storage = MemoryStorage()
    writer = LogWriter(storage, logs.signer)
    with writer.held():
        with pytest.raises(LogError, match="65536 bytes; expected at most 65535"):
            writer.extend([b"x" * 65_535, b"x" * 65_536])
        assert (list(storage.objects), storage.records) == (["checkpoint"], [])
        assert writer.extend([b"x" * 65_535]).size == 1


@pytest.mark.parametrize(
    "entry", [b"one", b'{"id": "d"}', b'{"kind":"fact"}', b"[]", b'{"id":"d"}']
)
def test_entries_that_are_no_canonical_records_are_refused(logs, entry):
    _, log = logs.filled(0)
    with pytest.raises(LogError, match="expected"):
        log.append_entries([entry])


def test_a_second_writer_is_told_who_holds_the_log(logs, tmp_path):
    with (
        FolderStorage(tmp_path / "log").lock(),
        pytest.raises(LockedError, match=f"process {os.getpid()} is writing"),
    ):
        logs.open_folder(tmp_path).append([logs.record(1)])


def test_a_patient_writer_waits_for_the_other(logs, tmp_path):
    with (
        FolderStorage(tmp_path / "log").lock(),
        pytest.raises(LockedError, match="is writing"),
    ):
        logs.open_folder(tmp_path, patience=0.1).append([logs.record(1)])
    assert logs.open_folder(tmp_path).append([logs.record(1)]).size == 1


def test_a_deleted_index_is_rebuilt(logs, tmp_path):
    logs.open_folder(tmp_path).append(logs.records(0, 10))
    (tmp_path / "index.sqlite").unlink()
    assert logs.open_folder(tmp_path).append([logs.record(3)]).indexes == (3,)


def test_an_index_that_is_no_database_is_rebuilt(logs, tmp_path):
    logs.open_folder(tmp_path).append(logs.records(0, 10))
    (tmp_path / "index.sqlite").write_bytes(b"no database" * 1_000)
    assert logs.open_folder(tmp_path).append([logs.record(3)]).indexes == (3,)


def test_the_index_of_another_log_is_rebuilt(logs, tmp_path):
    other, mine = tmp_path / "other", tmp_path / "mine"
    logs.open_folder(other).append(logs.records(100, 105))
    logs.open_folder(mine).append(logs.records(0, 10))
    (other / "index.sqlite").replace(mine / "index.sqlite")
    again = logs.open_folder(mine).append(logs.records(0, 12))
    assert (again.indexes, again.new) == (tuple(range(12)), 2)


def test_a_missing_index_folder_is_made(logs, tmp_path):
    appended = logs.open_folder(tmp_path / "deep" / "er").append([logs.record(1)])
    assert appended.size == 1


@pytest.mark.parametrize("path", [tile_path(0, 0, 2), bundle_path(0, 2)])
@pytest.mark.parametrize("damage", ["altered", "missing"])
def test_a_damaged_edge_stops_the_next_append(logs, tmp_path, path, damage):
    log = logs.open_folder(tmp_path)
    log.append([logs.record(1), logs.record(2)])
    file = tmp_path / "log" / path
    data = file.read_bytes()
    file.unlink()
    if damage == "altered":
        file.write_bytes(data.replace(b"0.5", b"0.6") if b"0.5" in data else bytes(len(data)))
    with pytest.raises(LogError, match=r"backup"):
        log.append([logs.record(3)])
    file.unlink(missing_ok=True)
    file.write_bytes(data)
    assert log.append([logs.record(3)]).size == 3


def test_a_log_of_another_key_is_not_continued(logs):
    storage, _ = logs.filled(3)
    logs.signer = generate_signer("example.com/log")
    with pytest.raises(LogError, match="not signed by any trusted key"):
        logs.open(storage).append([logs.record(9)])


def test_a_missing_checkpoint_is_not_a_new_log(logs):
    storage, log = logs.filled(3)
    del storage.objects["checkpoint"]
    with pytest.raises(LogError, match="missing, though the log has tiles"):
        log.append([logs.record(9)])


def test_superseded_partials_go_when_their_tile_is_full(logs, tmp_path):
    log = logs.open_folder(tmp_path)
    for start in range(0, 300, 60):
        log.append(logs.records(start, start + 60))
    assert verify_log(tmp_path / "log", logs.key).files.leftovers == ()


def test_a_journal_whose_checkpoint_was_published_is_only_emptied(logs):
    storage, log = logs.filled(4)
    with suppress(OSError), log.held():
        log.append([logs.record(4)])
        raise OSError("as if killed before the files were flushed")
    assert len(storage.records) == 1
    assert log.append([logs.record(5)]).size == 6
    assert storage.records == []


def test_a_journal_of_a_larger_log_shows_that_an_older_checkpoint_was_put_back(logs):
    storage, log = logs.filled(4, batch=1)
    older = storage.objects["checkpoint"]
    log.append(logs.records(4, 6))
    with suppress(OSError), log.held():
        log.append([logs.record(6)])
        raise OSError("as if killed")
    storage.objects["checkpoint"] = older
    with pytest.raises(LogError, match="the checkpoint has 4; nothing was appended"):
        log.append([logs.record(9)])


@pytest.mark.parametrize("record", [b"", b"x\n", b"3 AA zz\n", b"4 " + b"A" * 43 + b"= 0\n\0\5a"])
def test_a_journal_that_holds_no_batches_stops_the_next_append(logs, record):
    storage, log = logs.filled(4)
    storage.records.append(record)
    with pytest.raises(LogError, match=r"\.journal: malformed"):
        log.append([logs.record(9)])


def test_a_batch_of_another_key_in_the_journal_stops_the_next_append(logs):
    storage, log = logs.filled(4)
    other = generate_signer("example.com/log")
    tree = TreeReader(storage, 4)
    note = Checkpoint("example.com/log", 5, leaf_hash(b"forged")).sign(other)
    storage.records.append(Batch(4, tree.root(), (b"forged",), note).encode())
    with pytest.raises(LogError, match="not signed by any trusted key"):
        log.append([logs.record(9)])
    assert verify_storage(storage, logs.key).entries == 4


def test_a_batch_with_a_signed_checkpoint_as_earlier_versions_wrote_it_is_completed(logs):
    storage, log = logs.filled(4)
    tree, entry = TreeReader(storage, 4), logs.record(9).canonical()
    leaves = [leaf_hash(tree.entry(number)) for number in range(4)]
    note = Checkpoint("example.com/log", 5, tree_root([*leaves, leaf_hash(entry)])).sign(
        logs.signer
    )
    storage.records.append(Batch(4, tree.root(), (entry,), note).encode())
    assert log.checkpoint().size == 5
    assert storage.read("checkpoint") == note


def test_the_checkpoint_told_with_an_append_is_the_one_that_a_crash_leaves(logs, tmp_path):
    log, copy = logs.open_folder(tmp_path), tmp_path / "copy"
    with log.held():
        done = log.append([logs.record(0), logs.record(1)])
        assert log.unpublished == 2
        shutil.copytree(tmp_path / "log", copy / "log")  # as kill -9 leaves it
    reopened = logs.open_folder(copy)
    reopened.checkpoint()
    assert (copy / "log" / "checkpoint").read_text(encoding="utf-8") == done.checkpoint


def test_a_log_held_open_takes_appends_one_by_one(logs, tmp_path):
    log = logs.open_folder(tmp_path)
    with log.held():
        for number in range(300):
            assert log.append([logs.record(number)]).size == number + 1
            if number in (0, 255, 256):
                log.publish()
                assert verify_log(tmp_path / "log", logs.key).entries == number + 1
        with pytest.raises(LockedError):
            logs.open_folder(tmp_path).append([logs.record(1)])
    report = verify_log(tmp_path / "log", logs.key)
    assert (report.entries, report.files.unfinished) == (300, ())
    assert not (tmp_path / "log" / ".journal").exists()
    leftovers = [path for path in report.files.leftovers if path.endswith("/1")]
    assert len(leftovers) == 2  # tile and bundle of the size at which all was published


def test_readers_see_an_entry_when_it_is_published_and_know_that_it_is_durable(logs, tmp_path):
    log = logs.open_folder(tmp_path)
    with log.held():
        log.append(logs.records(0, 3))
        assert (log.append([logs.record(3)]).size, log.unpublished) == (4, 4)
        report = verify_log(tmp_path / "log", logs.key)
        assert (report.entries, report.files.pending) == (0, 4)
        assert "4 further entries are durable in the journal" in report.summary()
        assert log.append([logs.record(2), logs.record(4)]).indexes == (2, 4)
        assert log.entries_of(["d1"]) == {"d1": logs.record(1).canonical()}
        with pytest.raises(ImmutableError, match="'d3': is in the log with other content"):
            log.append([logs.record(3, quantity=9.0)])
        log.publish()
        assert log.append([logs.record(1), logs.record(5)]).indexes == (1, 5)
    report = verify_log(tmp_path / "log", logs.key)
    assert (report.entries, report.files.pending) == (6, 0)


def test_an_append_is_shown_without_being_asked_when_a_tenth_of_a_second_has_passed(logs, tmp_path):
    log = logs.open_folder(tmp_path)
    with log.held():
        log.append([logs.record(0)])
        time.sleep(0.11)
        log.append([logs.record(1)])
        assert log.unpublished == 0


class Remembered:
    """A checkpoint remembered in memory."""

    path = Path("kept.checkpoint")

    def __init__(self):
        self.note = None

    def read(self):
        return self.note

    def keep(self, note):
        self.note = note


def remembering(logs, storage, memory):
    return DecisionLog(storage, logs.signer, LogIndex(Path(":memory:")), memory)


def test_an_older_log_that_was_put_back_is_not_continued(logs):
    memory, storage = Remembered(), MemoryStorage()
    remembering(logs, storage, memory).append(logs.records(0, 5))
    older = dict(storage.objects)
    remembering(logs, storage, memory).append(logs.records(5, 9))
    storage.objects = older
    with pytest.raises(LogError, match=r"does not extend the checkpoint of 9 .*kept\.checkpoint"):
        remembering(logs, storage, memory).append(logs.records(20, 21))
    memory.note = None
    assert remembering(logs, storage, memory).append(logs.records(20, 21)).size == 6


def test_a_rewritten_log_of_the_same_key_is_not_continued(logs):
    memory, storage = Remembered(), MemoryStorage()
    remembering(logs, storage, memory).append(logs.records(0, 5))
    other = MemoryStorage()
    logs.open(other).append(logs.records(100, 110))
    with pytest.raises(LogError, match="another log was put back"):
        remembering(logs, other, memory).append([logs.record(1)])


def test_a_batch_that_was_given_up_for_another_is_not_signed_when_it_is_put_back(logs):
    memory, storage = Remembered(), MemoryStorage()
    remembering(logs, storage, memory).append(logs.records(0, 5))
    older = dict(storage.objects)
    killed = LogWriter(storage, logs.signer, memory)
    killed.recover()
    killed.extend([b"given up"])
    given_up, storage.records = list(storage.records), []
    remembering(logs, storage, memory).append([logs.record(5)])
    storage.objects, storage.records = dict(older), given_up
    with pytest.raises(LogError, match="does not extend the checkpoint of 6"):
        remembering(logs, storage, memory).checkpoint()
    assert (storage.objects, storage.records) == (older, given_up)


def test_what_a_killed_writer_published_is_not_forked_from_an_older_log_put_back(logs):
    memory, storage = Remembered(), MemoryStorage()
    remembering(logs, storage, memory).append(logs.records(0, 5))
    older = dict(storage.objects)
    killed = LogWriter(storage, logs.signer, memory)
    killed.recover()
    killed.extend([b"published"])
    killed.publish()
    storage.objects, storage.records = dict(older), []
    with pytest.raises(LogError, match="does not extend the checkpoint of 6"):
        remembering(logs, storage, memory).append(logs.records(5, 6))
    assert storage.objects == older


def test_what_is_remembered_and_was_not_shown_any_more_is_in_the_journal(logs):
    memory, storage = Remembered(), MemoryStorage()
    killed = LogWriter(storage, logs.signer, memory)
    killed.recover()
    killed.extend([b'{"id":"a","kind":"fact"}'])
    storage.replace = lambda path, data: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        killed.publish()
    del storage.replace
    assert remembering(logs, storage, memory).checkpoint().size == 1
    assert memory.note == storage.read("checkpoint")


def test_requests_that_share_a_flush_share_a_signature_made_when_it_is_asked_for(logs, monkeypatch):
    storage, signed = MemoryStorage(), []
    sign = Signer.sign
    monkeypatch.setattr(Signer, "sign", lambda key, text: signed.append(text) or sign(key, text))
    log = logs.open(storage)
    with log.held():
        log.checkpoint()
        signed.clear()
        done = log.append_group([[logs.record(number).canonical()] for number in range(3)])
        assert not signed
        assert len({outcome.checkpoint for outcome in done}) == len(signed) == 1
    assert storage.read("checkpoint").decode() == done[0].checkpoint


def test_acknowledged_entries_behind_a_damaged_batch_are_not_dropped(logs, tmp_path):
    log, copy = logs.open_folder(tmp_path), tmp_path / "copy"
    with log.held():
        for number in range(3):
            log.append([logs.record(number)])
        shutil.copytree(tmp_path / "log", copy / "log")  # as kill -9 leaves it
    journal = copy / "log" / ".journal"
    damaged = bytearray(journal.read_bytes())
    damaged[damaged.index(b'"d1"')] ^= 1
    journal.write_bytes(damaged)
    with pytest.raises(LogError, match=r"damaged at byte 8192, before entries that were ackn"):
        logs.open_folder(copy).checkpoint()
    assert journal.read_bytes() == damaged
    os.truncate(journal, 8192)
    assert logs.open_folder(copy).checkpoint().size == 1


@pytest.mark.parametrize("name", [".lock", ".checkpoint.new", ".journal"])
@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_link_in_the_folder_leads_no_write_to_another_file(logs, tmp_path, name, link):
    other = tmp_path / "signing.key"
    other.write_text("secret")
    (tmp_path / "log").mkdir()
    link(other, tmp_path / "log" / name)
    with suppress(LogError):
        logs.open_folder(tmp_path).append([logs.record(0)])
    assert other.read_text() == "secret"


@pytest.mark.parametrize("replaced", [False, True])
def test_who_lost_the_lock_to_a_removed_file_acknowledges_nothing_and_undoes_nothing(
    logs, tmp_path, replaced
):
    first, second = logs.open_folder(tmp_path), logs.open_folder(tmp_path)
    with suppress(LogError), first.held():
        first.append([logs.record(0)])
        (tmp_path / "log" / ".lock").unlink()
        if replaced:
            assert second.append([logs.record(1)]).size == 2
        with pytest.raises(LogError, match=r"\.lock: was removed or replaced"):
            first.append([logs.record(2)])
    assert logs.open_folder(tmp_path).append([logs.record(3)]).size == 3
    assert verify_log(tmp_path / "log", logs.key).entries == 3
    ids = [b'"d0"', b'"d1"' if replaced else b'"d2"', b'"d3"']  # d2: whole, not acknowledged
    entries = [entry for _, entry in TreeReader(FolderStorage(tmp_path / "log"), 3).entries()]
    assert all(name in entry for name, entry in zip(ids, entries, strict=True))
