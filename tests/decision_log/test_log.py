"""The log: append, verify, prove, recover; the public log byte for byte."""

import base64
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.contracts.records import DecisionRecord
from workbench.decision_log.append import DecisionLog
from workbench.decision_log.checkpoint import Checkpoint
from workbench.decision_log.index import LogIndex
from workbench.decision_log.note import generate_signer, parse_signer, parse_verifier
from workbench.decision_log.prove import prove_entry, verify_bundle
from workbench.decision_log.storage import PENDING, FolderStorage, MemoryStorage
from workbench.decision_log.tiles import bundle_path, encode_bundle, tile_path, widths
from workbench.decision_log.verify import verify_log, verify_storage
from workbench.errors import (
    ImmutableError,
    KeyFileError,
    LockedError,
    LogError,
    VerificationError,
)
from workbench.merkle import leaf_hash, tree_root

SIGNER = generate_signer("example.com/log")
KEY = SIGNER.verifier.encode()
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def record(number, **changes):
    fields = {"id": f"d{number}", "kind": "proposal", "recorded_at": NOW, "actor": "test"}
    return DecisionRecord(**{**fields, "role": "runner", "quantity": 0.5, **changes})


def open_memory():
    storage = MemoryStorage()
    return storage, DecisionLog(storage, SIGNER, LogIndex(Path(":memory:")))


def open_folder(folder):
    index = LogIndex(folder / "index.sqlite")
    return DecisionLog(FolderStorage(folder / "log"), SIGNER, index)


def filled(size, batch=97):
    storage, log = open_memory()
    for start in range(0, size, batch):
        log.append([record(i) for i in range(start, min(size, start + batch))])
    return storage, log


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 700])
def test_root_is_that_of_all_entries(size):
    storage, log = filled(size)
    hashes = [leaf_hash(record(i).canonical()) for i in range(size)]
    assert log.checkpoint().root == tree_root(hashes)
    assert verify_storage(storage, KEY).entries == size


def test_a_tree_of_three_levels_verifies_and_proves():
    storage, log = open_memory()
    entries = [b'{"id":"d%d","kind":"fact"}' % i for i in range(65_536 + 300)]
    log.append_entries(entries)
    assert verify_storage(storage, KEY).entries == 65_836
    for index in (0, 255, 256, 65_535, 65_536, 65_835):
        proven = verify_bundle(prove_entry(storage, index), KEY)
        assert proven.entry == entries[index]


def test_the_public_log_is_reproduced_byte_for_byte(shared):
    folder = shared("vectors/tlog_tiles_log")
    words = (
        "one two three four five six seven eit nain ten ileven twelf threeten fourten fivten"
    ).split()
    readme = (folder.parent / "README.md").read_text()
    signer = parse_signer(next(w.strip("`.") for w in readme.split() if "PRIVATE+KEY" in w))
    seen = 0
    for size in range(16):
        entries = [word.encode() for word in words[:size]]
        hashes = [leaf_hash(entry) for entry in entries]
        note = Checkpoint(signer.verifier.name, size, tree_root(hashes)).sign(signer)
        assert note == (folder / f"checkpoint.{size}").read_bytes()
        if size:
            tile, bundle = folder / tile_path(0, 0, size), folder / bundle_path(0, size)
            assert tile.read_bytes() == b"".join(hashes)
            assert bundle.read_bytes() == encode_bundle(entries)
            seen += 2
    assert seen == len([p for p in (folder / "tile").rglob("*") if p.is_file()])


def test_our_verifier_accepts_the_public_checkpoint_key(shared):
    readme = (shared("vectors/tlog_tiles_log").parent / "README.md").read_text()
    key = next(w.strip("`;") for w in readme.split() if "testdata+33d7b496" in w)
    assert parse_verifier(key).key_id.hex() == "33d7b496"


def test_appending_again_keeps_one_entry():
    _, log = open_memory()
    first = log.append([record(1), record(2)])
    again = log.append([record(2, recorded_at=NOW.replace(year=2027)), record(3)])
    assert (first.indexes, again.indexes, again.new) == ((0, 1), (1, 2), 1)
    assert again.first_index == 2


def test_same_id_with_other_content_is_refused():
    storage, log = open_memory()
    log.append([record(1)])
    with pytest.raises(ImmutableError, match="other content"):
        log.append([record(1, quantity=99.0)])
    assert verify_storage(storage, KEY).entries == 1


def test_two_records_of_one_batch_cannot_share_an_id():
    _, log = open_memory()
    with pytest.raises(ImmutableError, match="other content"):
        log.append([record(1), record(1, quantity=5.0)])


def test_every_flipped_byte_is_found_and_its_file_named():
    storage, _ = filled(5, batch=5)
    for path, data in list(storage.objects.items()):
        for position in range(len(data)):
            flipped = bytearray(data)
            flipped[position] ^= 1
            storage.objects[path] = bytes(flipped)
            with pytest.raises(VerificationError, match=r"checkpoint|note|tile/") as caught:
                verify_storage(storage, KEY)
            name = path.rsplit("/", 2)[-2] if path.startswith("tile") else ""
            assert name in str(caught.value)
        storage.objects[path] = data
    assert verify_storage(storage, KEY).entries == 5


def test_flips_in_a_larger_log_are_found():
    storage, _ = filled(1_000)
    rng = random.Random(1)
    paths = sorted(storage.objects)
    for _ in range(60):
        path = rng.choice(paths)
        data = storage.objects[path]
        flipped = bytearray(data)
        flipped[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        storage.objects[path] = bytes(flipped)
        with pytest.raises(VerificationError):
            verify_storage(storage, KEY)
        storage.objects[path] = data


def test_removed_and_swapped_entries_are_found():
    storage, _ = filled(3, batch=3)
    path = bundle_path(0, 3)
    entries = [record(i).canonical() for i in range(3)]
    for altered in (entries[:2], [entries[1], entries[0], entries[2]]):
        storage.objects[path] = encode_bundle(altered)
        with pytest.raises(VerificationError, match="tile/entries/000"):
            verify_storage(storage, KEY)


def test_another_key_is_not_trusted():
    storage, _ = filled(3)
    other = generate_signer(SIGNER.verifier.name).verifier.encode()
    with pytest.raises(VerificationError, match="not signed by any trusted key"):
        verify_storage(storage, other)


def test_a_kept_checkpoint_exposes_a_rolled_back_log():
    storage, _ = filled(4, batch=1)
    kept = storage.objects["checkpoint"]
    older, _ = filled(3, batch=1)
    assert verify_storage(older, KEY).consistent_with is None
    with pytest.raises(VerificationError, match="smaller than 4"):
        verify_storage(older, KEY, since=kept)


def test_a_kept_checkpoint_exposes_a_rewritten_history():
    storage, log = open_memory()
    log.append([record(1), record(2)])
    kept = storage.objects["checkpoint"]
    forged, forger = open_memory()
    forger.append([record(1), record(3), record(4)])
    with pytest.raises(VerificationError, match="first 2 entries"):
        verify_storage(forged, KEY, since=kept)
    log.append([record(5)])
    assert verify_storage(storage, KEY, since=kept).consistent_with == 2


def test_foreign_files_and_leftovers_are_reported_not_refused(tmp_path):
    log = open_folder(tmp_path)
    for i in range(3):
        log.append([record(i)])
    (tmp_path / "log" / "notes.txt").write_text("mine")
    report = verify_log(tmp_path / "log", KEY)
    assert report.foreign == ("notes.txt",)
    assert "tile/0/000.p/2" in report.leftovers


def test_an_altered_leftover_is_found(tmp_path):
    log = open_folder(tmp_path)
    for i in range(3):
        log.append([record(i)])
    (tmp_path / "log" / "tile/0/000.p/2").write_bytes(b"x" * 64)
    with pytest.raises(VerificationError, match=r"000\.p/2: not a beginning"):
        verify_log(tmp_path / "log", KEY)


def test_superseded_partials_go_when_their_tile_is_full(tmp_path):
    log = open_folder(tmp_path)
    for start in range(0, 300, 60):
        log.append([record(i) for i in range(start, start + 60)])
    assert verify_log(tmp_path / "log", KEY).leftovers == ()


@pytest.mark.parametrize("change", ["index", "entry", "proof", "signature"])
def test_a_broken_bundle_is_refused(change):
    storage, _ = filled(10)
    lines = prove_entry(storage, 4).split("\n")
    if change == "index":
        lines[2] = "index 5"
    elif change == "entry":
        lines[1] = "extra " + base64.b64encode(record(5).canonical()).decode()
    elif change == "proof":
        del lines[3]
    else:
        lines[-2] = lines[-2][:-8] + "AAAAAAA="
    with pytest.raises(VerificationError):
        verify_bundle("\n".join(lines), KEY)


class _Failing(MemoryStorage):
    """Fails one write, before or after it persists."""

    def __init__(self, objects, at, persist):
        super().__init__()
        self.objects, self._at, self._persist, self.calls = objects, at, persist, 0

    def _fail(self, write, path, data):
        self.calls += 1
        if self.calls == self._at and not self._persist:
            raise LogError("disk full")
        write(path, data)
        if self.calls == self._at:
            raise LogError("disk full")

    def create(self, path, data):
        self._fail(super().create, path, data)

    def replace(self, path, data):
        self._fail(super().replace, path, data)

    def remove(self, path):
        if path == PENDING:
            self._fail(lambda p, _: MemoryStorage.remove(self, p), path, None)
        else:
            super().remove(path)


@pytest.mark.parametrize("persist", [False, True])
def test_every_failing_write_loses_nothing_and_a_retry_completes(persist):
    tried = 0
    for at in range(1, 100):
        storage, log = filled(250, batch=250)
        acknowledged = log.checkpoint().size
        failing = _Failing(storage.objects, at, persist)
        batch = [record(i) for i in range(250, 260)]
        try:
            DecisionLog(failing, SIGNER, LogIndex(Path(":memory:"))).append(batch)
            break
        except LogError:
            tried += 1
        assert verify_storage(storage, KEY).entries >= acknowledged
        again = DecisionLog(storage, SIGNER, LogIndex(Path(":memory:"))).append(batch)
        assert again.indexes == tuple(range(250, 260))
        report = verify_storage(storage, KEY)
        assert (report.entries, report.pending) == (260, False)
    assert tried > 5


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_log import open_folder, record
from workbench.decision_log.note import parse_signer
import test_log
test_log.SIGNER = parse_signer(sys.stdin.readline())
log = open_folder(Path(sys.argv[1]))
number = 0
while True:
    done = log.append([record(number + i) for i in range(5)])
    number += 5
    print(done.size, flush=True)
"""


def test_killed_writers_lose_nothing_that_was_acknowledged(tmp_path):
    rng = random.Random(3)
    for round_number in range(12):
        folder = tmp_path / str(round_number)
        folder.mkdir()
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), str(Path(__file__).parent)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        writer.stdin.write(SIGNER.encode() + "\n")
        writer.stdin.flush()
        writer.stdout.readline()
        time.sleep(rng.uniform(0, 0.15))
        writer.send_signal(signal.SIGKILL)
        lines = writer.stdout.read().split()
        acknowledged = int(lines[-1]) if lines else 5
        report = verify_log(folder / "log", KEY)
        assert report.entries >= acknowledged
        after = open_folder(folder).append([record("last")])
        assert verify_log(folder / "log", KEY).entries == after.size > acknowledged


def test_a_second_writer_is_told_who_holds_the_log(tmp_path):
    storage = FolderStorage(tmp_path / "log")
    with storage.lock(), pytest.raises(LockedError, match=f"process {os.getpid()}"):
        open_folder(tmp_path).append([record(1)])


def test_a_deleted_index_is_rebuilt(tmp_path):
    open_folder(tmp_path).append([record(i) for i in range(10)])
    (tmp_path / "index.sqlite").unlink()
    assert open_folder(tmp_path).append([record(3)]).indexes == (3,)


def test_tampered_tiles_stop_the_next_append(tmp_path):
    log = open_folder(tmp_path)
    log.append([record(1), record(2)])
    (tmp_path / "log" / tile_path(0, 0, 2)).write_bytes(bytes(64))
    with pytest.raises(LogError, match="workbench log verify"):
        log.append([record(3)])


def test_oversized_entries_are_refused():
    _, log = open_memory()
    with pytest.raises(Exception, match="expected at most 65535"):
        log.append([record(1, reasons=("x" * 70_000,))])
    assert log.checkpoint().size == 0


def test_a_pending_batch_of_a_published_checkpoint_is_only_removed():
    storage, log = filled(4)
    storage.objects[PENDING] = b"0\n" + encode_bundle([record(i).canonical() for i in range(4)])
    assert log.checkpoint().size == 4
    assert PENDING not in storage.objects


@given(st.lists(st.integers(1, 300), max_size=6))
@settings(max_examples=25, deadline=None)
def test_any_sequence_of_batches_gives_the_tree_of_its_entries(batches):
    storage, log = open_memory()
    number = 0
    for size in batches:
        log.append([record(number + i) for i in range(size)])
        number += size
        assert verify_storage(storage, KEY).entries == number
    expected = {tile_path(level, full, part) for level, (full, part) in enumerate(widths(number))
                if part}  # fmt: skip
    assert expected <= set(storage.objects)


def test_dates_and_times_have_one_canonical_form():
    entry = record(1, as_of=date(2017, 12, 31)).canonical()
    assert b'"as_of":"2017-12-31"' in entry
    assert b'"recorded_at":"2026-01-02T03:04:05.000000Z"' in entry


@pytest.mark.parametrize("text", ["", "a+b", "name+00000000+AQID", KEY[:-4] + "AAA="])
def test_malformed_verifier_keys_are_refused(text):
    with pytest.raises(KeyFileError, match="verifier key"):
        parse_verifier(text)


def test_replacing_a_field_changes_the_entry():
    assert record(1).canonical() != replace(record(1), tier="manual").canonical()
