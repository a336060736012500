"""Tampering: what a stranger changes in a log's files is found from folder and key alone.

What an insider does who holds files and signing key is found with a kept checkpoint or a witness.
What is harmless by design is listed here too: leftover partial tiles that are removed, the lock,
files that are no part of a log, and the journal beyond the published checkpoint.
"""

import os
import random
import shutil

import pytest

from workbench.decision_log.checkpoint import Checkpoint, open_checkpoint
from workbench.decision_log.cosignature import Quorum, witness_verifier
from workbench.decision_log.journal import (
    EPOCH_BYTES,
    Batch,
    frame,
    frames,
    header,
    parse_batch,
    sealed_batch,
)
from workbench.decision_log.note import generate_signer
from workbench.decision_log.storage import FolderStorage, MemoryStorage
from workbench.decision_log.tiles import CHECKPOINT, decode_bundle, encode_bundle, parse_path
from workbench.decision_log.verify import CANNOT_SEE, verify_log, verify_storage
from workbench.decision_log.witness import Witness
from workbench.decision_log.witness_state import create_state
from workbench.decision_log.witnessing import WitnessAddress, collect
from workbench.errors import LogError, VerificationError
from workbench.merkle import leaf_hash

TAMPERINGS = 1_000
SIZE = 700


@pytest.fixture
def filled_log(logs):
    """A log without leftovers: every file is one that its tree needs."""
    storage, _ = logs.filled(SIZE, batch=SIZE)
    return storage


def _entries(objects, path):
    return decode_bundle(objects[path], path)


def flip(rng, objects, path):
    data = bytearray(objects[path])
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    objects[path] = bytes(data)


def cut(rng, objects, path):
    objects[path] = objects[path][: rng.randrange(len(objects[path]))]


def remove_bytes(rng, objects, path):
    data = objects[path]
    start = rng.randrange(len(data))
    objects[path] = data[:start] + data[start + rng.randint(1, 40) :]


def insert_bytes(rng, objects, path):
    data = objects[path]
    start = rng.randrange(len(data) + 1)
    objects[path] = data[:start] + rng.randbytes(rng.randint(1, 40)) + data[start:]


def delete_file(rng, objects, path):
    del objects[path]


def swap_files(rng, objects, path):
    other = rng.choice([other for other in sorted(objects) if other != path])
    objects[path], objects[other] = objects[other], objects[path]


def replace_file(rng, objects, path):
    objects[path] = rng.choice([b"", b"\0" * len(objects[path]), rng.randbytes(64)])


def add_tile(rng, objects, path):
    """As of a larger tree."""
    number = rng.randrange(3, 9)
    level = rng.choice(["0", "1", "entries"])
    objects[f"tile/{level}/00{number}.p/{rng.randint(1, 255)}"] = rng.randbytes(32)


def change_entries(rng, objects, path):
    """Entries removed, repeated, put in another order or given other content."""
    path = rng.choice([path for path in sorted(objects) if path.startswith("tile/entries")])
    entries = _entries(objects, path)
    here, there = rng.sample(range(len(entries)), 2)
    change = rng.randrange(5)
    if change == 0:
        del entries[here]
    elif change == 1:
        entries.insert(there, entries[here])
    elif change == 2:
        entries[here], entries[there] = entries[there], entries[here]
    elif change == 3:
        entries[here] = entries[here].replace(b"proposal", b"approval")
    else:
        entries[here] = entries[here].replace(b"0.5", b"5.5")
    objects[path] = encode_bundle(entries)


def change_entries_and_hashes(rng, objects, path):
    """As somebody who knows the format: the tile of their hashes fits."""
    change_entries(rng, objects, path)
    for name in sorted(objects):
        parsed = parse_path(name)
        if parsed and parsed.level is None:
            tile = name.replace("entries", "0")
            objects[tile] = b"".join(leaf_hash(entry) for entry in _entries(objects, name))


WAYS = [
    flip, cut, remove_bytes, insert_bytes, delete_file, swap_files, replace_file, add_tile,
    change_entries, change_entries_and_hashes,
]  # fmt: skip


def test_a_thousand_random_changes_are_all_found_and_a_place_named(logs, filled_log):
    rng, original, tried = random.Random(7), dict(filled_log.objects), 0
    for number in range(TAMPERINGS):
        objects, way = dict(original), WAYS[number % len(WAYS)]
        way(rng, objects, rng.choice(sorted(objects)))
        if objects == original:
            continue  # bytes cut out of a row of equal ones
        storage = MemoryStorage()
        storage.objects = objects
        with pytest.raises(VerificationError) as caught:
            verify_storage(storage, logs.key)
        changed = {p for p in {*objects, *original} if objects.get(p) != original.get(p)}
        assert any(_named(path, str(caught.value)) for path in changed), (way, changed)
        tried += 1
    assert tried > 0.98 * TAMPERINGS


def _named(path, message):
    """Whether a message names a file: a bundle is named with its tile, a tile with those above."""
    if path == CHECKPOINT or "checkpoint: signs root" in message:
        return "checkpoint" in message
    parsed = parse_path(path)
    number = f"/{parsed.index:03d}"
    return number in message or (parsed.level != 1 and "tile/1/000" in message)


# What an insider can do who holds the files and the signing key.


class Insider:
    """Histories under one key."""

    def __init__(self, logs, witness):
        self._logs, self._witness = logs, witness
        self.storage, self.log = logs.filled(300, batch=300)
        collect(self.storage, logs.signer.verifier, [witness[0]], send=witness[1])
        self.old = dict(self.storage.objects)
        self.log.append(logs.records(300, 320))
        collect(self.storage, logs.signer.verifier, [witness[0]], send=witness[1])
        self.kept = self.storage.objects[CHECKPOINT]

    def rolled_back(self):
        storage = MemoryStorage()
        storage.objects = dict(self.old)
        return storage

    def rewritten(self):
        """One early entry is another, and everything is signed anew."""
        storage = MemoryStorage()
        records = [self._logs.record(0, quantity=9.0), *self._logs.records(1, 320)]
        self._logs.open(storage).append(records)
        return storage

    def forked(self):
        """The last twenty entries are others."""
        storage = MemoryStorage()
        records = [*self._logs.records(0, 300), *self._logs.records(900, 950)]
        self._logs.open(storage).append(records)
        return storage

    def shortened(self):
        storage = MemoryStorage()
        self._logs.open(storage).append(self._logs.records(0, 310))
        return storage


class State:
    """A witness's memory, in memory."""

    data = None

    def read(self):
        return self.data

    def write(self, data):
        self.data = data


@pytest.fixture
def witness(logs):
    state = State()
    create_state(state)
    signer = generate_signer("witness.example/w1")
    witness = Witness(signer, [logs.signer.verifier], state, lambda: 1_767_355_200)

    def send(url, body):
        answer = witness.add_checkpoint(body)
        return answer.status, answer.body

    return WitnessAddress("https://witness.example", witness_verifier(signer)), send


@pytest.mark.parametrize("trick", ["rolled_back", "rewritten", "forked", "shortened"])
def test_an_insider_is_found_out_by_a_kept_checkpoint_or_by_one_witness(logs, witness, trick):
    insider = Insider(logs, witness)
    assert verify_storage(insider.storage, logs.key, since=insider.kept).entries == 320
    altered = getattr(insider, trick)()
    with pytest.raises(VerificationError, match=r"smaller than 320|first 320 entries"):
        verify_storage(altered, logs.key, since=insider.kept)
    (told,) = collect(altered, logs.signer.verifier, [witness[0]], send=witness[1])
    assert told.cosignature is None
    assert "has seen 320 entries" in told.reason or "does not extend the 320" in told.reason
    if trick != "rolled_back":  # an old cosigned state is one; its cosignature shows its age
        with pytest.raises(VerificationError, match="cosigned by 0 of 1"):
            verify_storage(altered, logs.key, quorum=Quorum((witness[0].verifier,), 1))


@pytest.mark.parametrize("trick", ["rolled_back", "rewritten", "forked", "shortened"])
def test_without_either_an_insider_is_not_seen_and_verify_says_so(logs, witness, trick):
    altered = getattr(Insider(logs, witness), trick)()
    assert CANNOT_SEE in verify_storage(altered, logs.key).summary()


# Harmless by design.


@pytest.fixture
def killed_log(logs, tmp_path):
    """Three entries are published, with leftovers, and two are in the journal only."""
    for number in range(3):
        logs.open_folder(tmp_path).append([logs.record(number)])
    log = logs.open_folder(tmp_path)
    with log.held():
        log.append([logs.record(3)])
        log.append([logs.record(4)])
        shutil.copytree(tmp_path / "log", tmp_path / "killed" / "log")
    return tmp_path / "killed"


def test_what_a_killed_writer_leaves_verifies_and_is_completed(logs, killed_log):
    report = verify_log(killed_log / "log", logs.key)
    assert (report.entries, report.files.pending) == (3, 2)
    assert "2 further entries are durable in the journal" in report.summary()
    assert logs.open_folder(killed_log).checkpoint().size == 5
    assert verify_log(killed_log / "log", logs.key).files.pending == 0


def test_removed_leftovers_and_other_hidden_files_change_nothing(logs, killed_log):
    folder = killed_log / "log"
    for path in verify_log(folder, logs.key).files.leftovers:
        (folder / path).unlink()
    (folder / ".lock").unlink()
    report = verify_log(folder, logs.key)
    assert (report.entries, report.files.leftovers) == (3, ())
    (folder / ".lock").write_text("anything")
    (folder / "tile" / ".000.new").write_text("half")
    assert verify_log(folder, logs.key).files.unfinished == ("tile/.000.new",)


def test_no_change_of_the_journal_alters_an_entry_or_what_is_published(logs, killed_log):
    # A journal beyond the checkpoint is not signed for yet: a change of it takes entries away that
    # nobody could verify so far, or is told; it never puts others in. The next writer is told where
    # a whole batch follows the changed one. Frames fill whole blocks of the disk: what stands
    # between them means nothing, and a change there takes nothing away.
    journal = killed_log / "log" / ".journal"
    whole, rng, sizes = journal.read_bytes(), random.Random(2), set()
    assert len(list(frames(whole))) == 2
    meant = [(whole.index(data) - 36, whole.index(data) + len(data)) for data in frames(whole)]
    for number in range(60):
        place = rng.randrange(len(whole))
        changed = bytearray(whole)
        changed[place] ^= 1 << rng.randrange(8)
        content = bytes(changed) if number % 2 else whole[:place]
        parts = [(0, 36), *meant]
        harmed = any((first <= place or not number % 2) and place < last for first, last in parts)
        copy = killed_log / str(number)
        shutil.copytree(killed_log / "log", copy / "log")
        (copy / "log" / ".journal").write_bytes(content)
        if not whole.startswith(content[:20]):
            with pytest.raises(LogError, match=r"\.journal: damaged"):
                verify_log(copy / "log", logs.key)
            continue
        assert verify_log(copy / "log", logs.key).entries == 3
        if number % 2 and meant[0][0] <= place < meant[0][1]:
            with pytest.raises(LogError, match=rf"damaged at byte {meant[0][0]}, before entries"):
                logs.open_folder(copy).checkpoint()
            continue
        sizes.add(logs.open_folder(copy).checkpoint().size)
        assert verify_log(copy / "log", logs.key).entries in ((3, 4) if harmed else (5,))
        tree = FolderStorage(copy / "log")
        expected = [record.canonical() for record in logs.records(0, 5)]
        size = open_checkpoint(tree.read(CHECKPOINT), logs.signer.verifier).size
        assert _entries({"b": tree.read(f"tile/entries/000.p/{size}")}, "b") == expected[:size]
    assert sizes == {3, 4, 5}


def test_a_journal_with_entries_that_the_key_did_not_sign_is_refused(logs, killed_log):
    journal = killed_log / "log" / ".journal"
    (first, _) = frames(journal.read_bytes())
    epoch = os.urandom(EPOCH_BYTES)
    forged = first.replace(b'"quantity":0.5', b'"quantity":7.5')
    assert forged != first
    head = header(epoch)
    journal.write_bytes(head + frame(epoch, len(head), forged))
    with pytest.raises(LogError, match="do not have the root"):
        logs.open_folder(killed_log).checkpoint()
    other = generate_signer("example.com/log")
    batch = parse_batch(first)
    after = Checkpoint("example.com/log", batch.end, batch.root)
    before = Checkpoint("example.com/log", batch.start, batch.root)
    resealed = sealed_batch(before, after, batch.entries, other)
    resigned = Batch(batch.start, batch.root, batch.entries, after.sign(other)).encode()
    for record, why in ((resealed, "batch: not sealed by"), (resigned, "note: not signed by any")):
        journal.write_bytes(head + frame(epoch, len(head), record))
        with pytest.raises(LogError, match=rf"\.journal: {why}"):
            logs.open_folder(killed_log).checkpoint()
    assert (killed_log / "log" / CHECKPOINT).read_bytes().startswith(b"example.com/log\n3\n")
