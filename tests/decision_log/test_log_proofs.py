"""Offline proofs of single entries."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.decision_log.note import generate_signer
from workbench.decision_log.prove import HEADER, ProvingReader, verify_bundle
from workbench.decision_log.storage import MemoryStorage
from workbench.decision_log.tiles import tile_path
from workbench.decision_log.tree import TreeReader
from workbench.decision_log.verify import verify_storage
from workbench.errors import LogError, VerificationError
from workbench.merkle import consistency_proof, inclusion_proof, leaf_hash, verify_consistency


def reader(logs, storage):
    return ProvingReader(storage, logs.signer.verifier)


def test_a_tree_of_three_levels_verifies_and_proves(logs):
    storage = MemoryStorage()
    entries = [b'{"id":"d%d","kind":"fact"}' % i for i in range(65_536 + 300)]
    logs.open(storage).append_entries(entries)
    assert verify_storage(storage, logs.key).entries == 65_836
    for index in (0, 255, 256, 65_535, 65_536, 65_835):
        proven = verify_bundle(reader(logs, storage).bundle(index), logs.key)
        assert (proven.index, proven.entry) == (index, entries[index])


@given(st.integers(1, 700), st.data())
@settings(max_examples=30, deadline=None)
def test_proofs_from_tiles_equal_those_from_all_hashes(size, data):
    entries = [b'{"id":"d%d","kind":"fact"}' % i for i in range(size)]
    storage, hashes = _log_of(entries)
    index, first = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    tree = TreeReader(storage, size)
    assert tree.inclusion_proof(index) == inclusion_proof(index, hashes)
    assert tree.consistency_proof(first) == consistency_proof(first, hashes)
    proof, old = tree.consistency_proof(first), tree.root(0, first)
    assert verify_consistency(first, size, proof, old, tree.root())


def _log_of(entries):
    from workbench.decision_log.writer import LogWriter

    storage = MemoryStorage()
    writer = LogWriter(storage, generate_signer("example.com/log"))
    with writer.held():
        writer.extend(entries)
    return storage, [leaf_hash(entry) for entry in entries]


def test_a_bundle_has_the_form_of_the_standard(logs):
    storage, _ = logs.filled(3)
    lines = reader(logs, storage).bundle(2).split("\n")
    assert lines[0] == HEADER == "c2sp.org/tlog-proof@v1"
    assert base64.b64decode(lines[1].removeprefix("extra ")) == logs.record(2).canonical()
    # the third of three leaves has one sibling: the node over the first two
    assert (lines[2], lines[4], lines[5]) == ("index 2", "", "example.com/log")
    assert "\n".join(lines[5:]).encode() == storage.objects["checkpoint"]


@pytest.mark.parametrize("index", [-1, 10, 10**9])
def test_entries_outside_the_log_have_no_proof(logs, index):
    storage, _ = logs.filled(10)
    with pytest.raises(LogError, match="not among the log's 10 entries"):
        reader(logs, storage).bundle(index)


def test_no_proof_is_made_of_an_altered_log(logs):
    storage, _ = logs.filled(10, batch=10)
    path = tile_path(0, 0, 10)
    storage.objects[path] = bytes(32) + storage.objects[path][32:]
    with pytest.raises(VerificationError, match="entry 4: is not the one"):
        reader(logs, storage).bundle(4)


BREAKS = {
    "index": lambda lines: [*lines[:2], "index 5", *lines[3:]],
    "leading zero": lambda lines: [*lines[:2], "index 04", *lines[3:]],
    "huge index": lambda lines: [*lines[:2], "index " + "9" * 5_000, *lines[3:]],
    "entry": lambda lines: [lines[0], "extra eA==", *lines[2:]],
    "no extra": lambda lines: [lines[0], *lines[2:]],
    "shorter proof": lambda lines: [*lines[:3], *lines[4:]],
    "longer proof": lambda lines: [*lines[:3], lines[3], *lines[3:]],
    "other spelling": lambda lines: [*lines[:3], lines[3].rstrip("=") + "==", *lines[4:]],
    "header": lambda lines: ["c2sp.org/tlog-proof@v2", *lines[1:]],
    "no checkpoint": lambda lines: lines[:-7],
    "signature": lambda lines: [*lines[:-2], lines[-2][:-12] + "AAAAAAAAAAA=", ""],
    "nothing": lambda lines: [],
}


@pytest.mark.parametrize("change", BREAKS)
def test_a_broken_bundle_is_refused(logs, change):
    storage, _ = logs.filled(10)
    lines = reader(logs, storage).bundle(4).split("\n")
    assert verify_bundle("\n".join(lines), logs.key).index == 4
    with pytest.raises(VerificationError, match=r"bundle|note|checkpoint"):
        verify_bundle("\n".join(BREAKS[change](lines)), logs.key)


def test_every_flipped_character_of_a_bundle_is_found(logs):
    storage, _ = logs.filled(6)
    bundle = reader(logs, storage).bundle(3).encode()
    for position in range(len(bundle)):
        changed = bytearray(bundle)
        changed[position] ^= 1
        with pytest.raises(VerificationError):
            verify_bundle(changed.decode("utf-8", errors="replace"), logs.key)


def test_a_bundle_of_another_key_is_refused(logs):
    storage, _ = logs.filled(6)
    bundle = reader(logs, storage).bundle(3)
    with pytest.raises(VerificationError, match="not signed by any trusted key"):
        verify_bundle(bundle, generate_signer("example.com/log").verifier.encode())


def test_an_empty_folder_has_no_proofs(logs):
    with pytest.raises(LogError, match="not found"):
        reader(logs, MemoryStorage())
