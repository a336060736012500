"""A client that nobody here wrote verifies our logs, and refuses altered ones."""

import random
import shutil
from datetime import UTC, datetime

import pytest

from benchmarks.foreign_client import (
    MissingClientError,
    build_client,
    mutations,
    refusal,
    refusal_of,
    write_log,
)
from workbench.decision_log.append import open_log
from workbench.decision_log.checkpoint import Checkpoint
from workbench.decision_log.cosignature import cosign, witness_verifier
from workbench.decision_log.note import generate_signer, split_note
from workbench.decision_log.publish import log_server
from workbench.decision_log.rotating import rotate_key
from workbench.decision_log.serving import Binding
from workbench.decision_log.storage import FolderStorage

ENTRIES, CHECKPOINTS, MUTATIONS = 3_000, 20, 60


@pytest.fixture(scope="session")
def client(tmp_path_factory):
    try:
        return build_client(tmp_path_factory.mktemp("go"))
    except MissingClientError as missing:
        pytest.skip(f"foreign client: {missing}")


@pytest.fixture(scope="module")
def signed():
    return generate_signer("example.com/decisions")


@pytest.fixture
def grown(tmp_path, signed):
    return write_log(tmp_path, ENTRIES, CHECKPOINTS, signed)


def test_every_entry_and_every_kept_checkpoint_verifies(client, grown, signed):
    log, kept = grown
    assert len(list(kept.iterdir())) == CHECKPOINTS
    assert refusal(client, signed.verifier.encode(), log, kept) is None


def test_every_random_mutation_is_refused(client, grown, signed):
    log, kept = grown
    key, rng = signed.verifier.encode(), random.Random(7)
    accepted, tried = [], 0
    for mutation in mutations(log, kept, ENTRIES, count=MUTATIONS, rng=rng):
        tried += 1
        if refusal_of(client, key, log, kept, mutation) is None:
            accepted.append(mutation)
    assert accepted == []
    assert tried == MUTATIONS
    assert refusal(client, key, log, kept) is None


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 2_561])
def test_trees_at_the_edges_of_tiles_verify(client, tmp_path, signed, size):
    log, kept = write_log(tmp_path, size, 3 if size > 2 else 1, signed)
    assert refusal(client, signed.verifier.encode(), log, kept) is None


def test_a_published_log_verifies_over_http(client, grown, signed, serving):
    log, kept = grown
    key, url = signed.verifier.encode(), serving(log_server(log, Binding()))
    assert refusal(client, key, url, kept) is None
    (log / "tile/0/002").unlink()
    assert "tile/0/002: missing" in refusal(client, key, url, kept)


def test_cosignatures_verify(client, grown, signed):
    log, kept = grown
    key, note = signed.verifier.encode(), (log / "checkpoint").read_bytes()
    one, other = generate_signer("witness.example/w1"), generate_signer("w2")
    text, _ = split_note(note)
    (log / "checkpoint").write_bytes(note + cosign(one, text, 1_767_355_200))
    keys = [witness_verifier(signer).encode() for signer in (one, other)]
    assert refusal(client, key, log, kept) is None
    assert refusal(client, key, log, kept, witness=keys[0]) is None
    assert "by 1 of 2" in refusal(client, key, log, kept, witness=",".join(keys))
    (log / "checkpoint").write_bytes(note + cosign(one, text + b"more\n", 1_767_355_200))
    assert refusal(client, key, log, kept) is None
    assert "invalid signature" in refusal(client, key, log, kept, witness=keys[0])


def test_a_rotated_log_verifies_by_its_new_key_and_kept_checkpoints_by_both(
    client, workspace, logs, tmp_path
):
    kept, origin = tmp_path / "kept", workspace.log_origin()
    kept.mkdir()
    note = open_log(workspace).append(logs.records(0, 300)).checkpoint
    (kept / "300").write_text(note)
    storage = FolderStorage(workspace.log)
    old, new = rotate_key(origin, storage, now=datetime.now(UTC), actor="test")
    shutil.copy(workspace.log / "checkpoint", kept / "301")
    assert refusal(client, old, workspace.log, kept) is None  # the crossing
    open_log(workspace).append(logs.records(300, 600))
    assert refusal(client, new, workspace.log, kept, earlier=old) is None
    assert refusal(client, new, workspace.log, kept).startswith("kept checkpoint 300")
    assert refusal(client, old, workspace.log, kept).startswith("checkpoint: ")


def test_the_first_bad_place_is_named(client, grown, signed):
    log, kept = grown
    bundle = log / "tile/entries/003"
    bundle.write_bytes(bundle.read_bytes().replace(b'"d800"', b'"d801"'))
    said = refusal(client, signed.verifier.encode(), log, kept)
    assert said.startswith("tile/entries/003: entry 800")


def test_another_history_under_the_same_key_is_exposed_by_kept_checkpoints(
    client, grown, signed, tmp_path
):
    _, kept = grown
    forked, _ = write_log(tmp_path / "fork", ENTRIES - 1, 1, signed)
    key = signed.verifier.encode()
    assert "the log has only 2999" in refusal(client, key, forked, kept)
    (kept / f"{ENTRIES:09d}").unlink()
    text = Checkpoint(signed.verifier.name, 2_000, bytes(32)).sign(signed)
    (kept / "forged").write_bytes(text)
    assert "kept checkpoint" in refusal(client, key, forked, kept)


def test_another_key_is_not_trusted(client, grown):
    log, kept = grown
    other = generate_signer("example.com/decisions").verifier.encode()
    assert refusal(client, other, log, kept).startswith("checkpoint: ")


def test_a_signature_in_another_spelling_of_base64_is_refused(client, grown, signed):
    log, kept = grown
    path = log / "checkpoint"
    note = path.read_text()
    last = note[-3]  # before '=': its two lowest bits carry nothing
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    path.write_text(f"{note[:-3]}{alphabet[alphabet.index(last) + 1]}=\n")
    assert "canonical" in refusal(client, signed.verifier.encode(), log, kept)
