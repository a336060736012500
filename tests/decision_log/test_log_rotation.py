"""Rotation of the log's key: recorded in the log, followed by who trusts the old key."""

import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workbench.cli import app
from workbench.decision_log.append import DecisionLog, open_log
from workbench.decision_log.checkpoint import Checkpoint, open_checkpoint
from workbench.decision_log.index import LogIndex
from workbench.decision_log.keys import (
    KeptCheckpoint,
    ensure_key,
    key_files,
    retired_keys,
    verifier_key,
)
from workbench.decision_log.note import generate_signer, parse_verifier
from workbench.decision_log.rotating import rotate_key
from workbench.decision_log.rotation import rotation_record
from workbench.decision_log.storage import FolderStorage, MemoryStorage, always
from workbench.decision_log.verify import verify_log, verify_storage
from workbench.decision_log.witness import AddCheckpoint, Witness
from workbench.decision_log.witness_state import StateFile, create_state
from workbench.decision_log.writer import LogWriter
from workbench.errors import KeyFileError, LogError, VerificationError

NOW = datetime(2026, 2, 3, tzinfo=UTC)
STEPS = ("successor", "entry", "memory", "switch", "done")


@pytest.fixture
def rotate(workspace):
    """Rotate the key of the workspace's log; gives old and new verifier key."""

    def call(step=lambda name: None):
        storage = FolderStorage(workspace.log)
        return rotate_key(workspace.log_origin(), storage, now=NOW, actor="test", step=step)

    return call


@pytest.fixture
def rotated(workspace, logs, rotate):
    """300 entries, a checkpoint kept, a rotation, 300 more."""
    log = open_log(workspace)
    kept = log.append(logs.records(0, 300)).checkpoint.encode()
    old, new = rotate()
    open_log(workspace).append(logs.records(300, 600))
    return old, new, kept


def test_both_keys_verify_the_whole_log_and_the_old_one_says_what_it_followed(workspace, rotated):
    old, new, kept = rotated
    report = verify_log(workspace.log, old, since=kept)
    assert (report.entries, report.consistent_with) == (601, 300)
    assert f"Key rotated at entry 300: from {old} to {new}" in report.summary()
    report = verify_log(workspace.log, new, since=kept)
    assert (report.entries, report.rotations) == (601, ())


def test_a_second_rotation_is_followed_from_every_key(workspace, logs, rotated, rotate):
    old, middle, kept = rotated
    assert rotate()[0] == middle
    open_log(workspace).append(logs.records(600, 601))
    newest = verifier_key(workspace.log_origin())
    followed = [verify_log(workspace.log, key, since=kept).rotations for key in (old, middle)]
    assert [[r.index for r in each] for each in followed] == [[300, 601], [601]]
    assert verify_log(workspace.log, newest, since=kept).entries == 603
    assert retired_keys(workspace.log_origin()) == [old, middle]


def test_the_crossing_is_signed_by_both_keys_and_what_follows_by_the_new_one(
    workspace, logs, rotate
):
    open_log(workspace).append(logs.records(0, 3))
    old, new = map(parse_verifier, rotate())
    note = (workspace.log / "checkpoint").read_bytes()
    assert open_checkpoint(note, old) == open_checkpoint(note, new)
    open_log(workspace).append(logs.records(3, 4))
    note = (workspace.log / "checkpoint").read_bytes()
    assert open_checkpoint(note, new).size == 5
    with pytest.raises(VerificationError, match="not signed by any trusted key"):
        open_checkpoint(note, old)


def test_the_retired_signing_key_is_gone_and_the_new_one_for_its_owner_alone(workspace, rotated):
    files = key_files(workspace.log_origin())
    folder = files.key.parent
    kept = "".join(p.read_text() for p in folder.iterdir() if "PRIVATE" in p.read_text())
    assert kept.count("PRIVATE") == 1
    assert files.key.stat().st_mode & 0o777 == 0o600
    assert ensure_key(workspace.log_origin()).verifier.encode() == rotated[1]


def test_another_key_is_not_led_anywhere(workspace, rotated):
    stranger = generate_signer(workspace.log_origin()).verifier.encode()
    with pytest.raises(VerificationError, match="not signed by any trusted key"):
        verify_log(workspace.log, stranger)


def test_a_checkpoint_that_a_retired_key_signs_afterwards_is_refused(workspace, logs, rotate):
    """Its thief signs the grown log anew: neither key's holder takes that for the log."""
    open_log(workspace).append(logs.records(0, 3))
    thief = ensure_key(workspace.log_origin())
    old, new = rotate()
    open_log(workspace).append(logs.records(3, 9))
    genuine = (workspace.log / "checkpoint").read_bytes()
    checkpoint = open_checkpoint(genuine, parse_verifier(new))
    for key in (old, new):
        with pytest.raises(VerificationError, match="signs nothing beyond the entry"):
            verify_log(workspace.log, key, since=checkpoint.sign(thief))
    (workspace.log / "checkpoint").write_bytes(checkpoint.sign(thief))
    for key in (old, new):
        with pytest.raises(VerificationError, match="not signed by any trusted key"):
            verify_log(workspace.log, key)


def test_what_a_thief_of_the_old_key_can_do_is_seen_by_a_kept_checkpoint_only(logs, workspace):
    """A fork before the rotation with one of the thief's own: the documentation says so."""
    thief, own = generate_signer("example.com/log"), generate_signer("example.com/log")
    genuine = MemoryStorage()
    DecisionLog(genuine, thief, LogIndex(Path(":memory:"))).append(logs.records(0, 5))
    kept = genuine.read("checkpoint")
    fork = MemoryStorage()
    DecisionLog(fork, thief, LogIndex(Path(":memory:"))).append(logs.records(1, 5))
    writer = LogWriter(fork, thief)
    with writer.held():
        record = rotation_record(writer.recover(), thief, own, now=NOW, actor="thief")
        writer.extend([record.canonical()], successor=own)
    assert verify_storage(fork, thief.verifier.encode()).rotations
    with pytest.raises(VerificationError, match="history was rewritten"):
        verify_storage(fork, thief.verifier.encode(), since=kept)


def forged(logs, **changes):
    """A log whose rotation is not what its keys signed for that place; and its first key."""
    old, new = generate_signer("example.com/log"), generate_signer("example.com/log")
    storage = MemoryStorage()
    DecisionLog(storage, old, LogIndex(Path(":memory:"))).append(logs.records(0, 5))
    writer = LogWriter(storage, old)
    with writer.held():
        before = writer.recover()
        before = Checkpoint(**{**vars(before), **changes.get("before", {})})
        record = rotation_record(
            before, changes.get("old", old), changes.get("new", new), now=NOW, actor="t"
        )
        detail = {**record.detail, **changes.get("detail", {})}
        record = type(record)(**{**vars(record), "detail": detail})
        writer.extend([record.canonical()], successor=changes.get("new", new))
    return storage, old.verifier.encode()


STRANGER = generate_signer("example.com/log")


@pytest.mark.parametrize(
    "changes",
    [
        {"before": {"size": 4}},
        {"before": {"root": bytes(32)}},
        {"before": {"origin": "example.com/other"}},
        {"old": STRANGER},
        {"detail": {"new": STRANGER.verifier.encode()}},
        {"detail": {"statement": "x"}},
        {"new": generate_signer("example.com/other")},
    ],
)
def test_a_rotation_that_was_not_signed_for_its_place_is_refused(logs, changes):
    storage, key = forged(logs, **changes)
    with pytest.raises(VerificationError, match=r"rotation of the log's key|none of the keys"):
        verify_storage(storage, key)


def test_nobody_else_enters_a_rotation(workspace, logs):
    record = logs.record(1, kind="key_rotation", detail={"new": "x"})
    for append in (
        lambda: open_log(workspace).append([record]),
        lambda: open_log(workspace).append_entries([record.canonical()]),
    ):
        with pytest.raises(LogError, match="only 'workbench log rotate-key' enters"):
            append()


def test_a_process_that_read_the_old_key_appends_nothing_more(workspace, logs, rotate):
    stale = open_log(workspace)
    stale.append(logs.records(0, 2))
    rotate()
    with pytest.raises(LogError, match="its key was rotated at entry 2"):
        stale.append(logs.records(2, 3))
    assert open_log(workspace).append(logs.records(2, 3)).size == 4


@pytest.mark.parametrize("at", STEPS)
@pytest.mark.parametrize("then", ["rotate", "append"])
def test_a_rotation_that_is_killed_is_finished_by_the_next_one(workspace, logs, rotate, at, then):
    open_log(workspace).append(logs.records(0, 5))
    first = verifier_key(workspace.log_origin())
    child = os.fork()
    if not child:
        rotate(lambda name: name != at or os.kill(os.getpid(), signal.SIGKILL))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    if then == "rotate" and at != "done":
        assert rotate()[0] == first
    open_log(workspace).append(logs.records(5, 7))
    rotated = at not in ("successor", "entry") or then == "rotate"
    now = verifier_key(workspace.log_origin())
    assert (now != first) == rotated
    assert verify_log(workspace.log, first).entries == 7 + rotated
    assert verify_log(workspace.log, now).entries == 7 + rotated
    assert KeptCheckpoint(workspace.log_origin()).read()


class Dying(FolderStorage):
    """A folder whose process is killed before one of its writes."""

    before = ""

    def _die(self, what):
        if what == self.before:
            os.kill(os.getpid(), signal.SIGKILL)

    def record(self, data, accept=always):
        self._die("record")
        return super().record(data, accept)

    def create(self, objects):
        self._die("create")
        super().create(objects)

    def replace(self, path, data):
        self._die("replace")
        super().replace(path, data)

    def settle(self, superseded=(), *, last=True):
        if self._journal is not None:
            self._die("settle")
        super().settle(superseded, last=last)


@pytest.mark.parametrize("before", ["record", "create", "replace", "settle"])
def test_a_rotation_that_is_killed_while_writing_is_whole_or_absent(workspace, logs, before):
    open_log(workspace).append(logs.records(0, 5))
    origin = workspace.log_origin()
    first = verifier_key(origin)
    child = os.fork()
    if not child:
        storage = Dying(workspace.log)
        storage.before = before
        rotate_key(origin, storage, now=NOW, actor="test")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert open_log(workspace).append(logs.records(5, 6)).size == 6 + (before != "record")
    assert (verifier_key(origin) == first) == (before == "record")
    assert verify_log(workspace.log, first).entries == 6 + (before != "record")


def test_a_switch_that_was_killed_between_its_two_files_is_finished(workspace, logs, rotate):
    open_log(workspace).append(logs.records(0, 5))
    files = key_files(workspace.log_origin())
    old = files.key.read_bytes()
    rotate()
    files.successor.write_bytes(files.key.read_bytes())
    files.successor.chmod(0o600)
    files.key.write_bytes(old)
    assert open_log(workspace).append(logs.records(5, 6)).size == 7
    assert not files.successor.exists()


def test_the_witness_goes_on_with_both_keys_and_then_with_the_new_one(
    workspace, logs, rotate, tmp_path
):
    open_log(workspace).append(logs.records(0, 5))
    old = parse_verifier(verifier_key(workspace.log_origin()))
    store = StateFile(tmp_path / "state")
    create_state(store)

    def ask(keys, first=None):
        witness = Witness(generate_signer("witness.example"), keys, store, lambda: 1)
        from workbench.decision_log.tree import TreeReader

        note = (workspace.log / "checkpoint").read_bytes()
        size = open_checkpoint(note, keys[-1]).size
        proof = TreeReader(FolderStorage(workspace.log), size).consistency_proof(first or size)
        return witness.add_checkpoint(AddCheckpoint(first or 0, tuple(proof), note).encode()).status

    assert ask([old]) == 200
    new = parse_verifier(rotate()[1])
    assert ask([old], 5) == 200  # the crossing needs nothing of the witness
    open_log(workspace).append(logs.records(5, 8))
    assert ask([old, new], 6) == 200
    open_log(workspace).append(logs.records(8, 9))
    assert ask([new], 9) == 200  # the old key may go


def test_the_command_line_rotates_shows_all_keys_and_what_is_pending(workspace, logs, rotate):
    def call(*arguments):
        return CliRunner().invoke(app, list(arguments))

    open_log(workspace).append(logs.records(0, 2))
    said = call("log", "rotate-key").output.splitlines()
    keys = call("log", "key", "--all").output.split()
    assert said[:2] == [f"Retired: {keys[0]}", f"New verifier key: {keys[1]}"]
    assert call("log", "key").output.split() == keys[1:]
    assert "(rotated, 1 before it)" in call("doctor").output
    report = json.loads(call("log", "verify", "--key", keys[0], "--json").output)
    assert report["rotations"] == [{"entry": 2, "old": keys[0], "new": keys[1]}]
    with pytest.raises(InterruptedError):
        rotate(lambda name: name != "entry" or stop())
    assert "run 'workbench log rotate-key' again" in call("doctor").output


def stop():
    raise InterruptedError


def test_who_has_no_signing_key_rotates_none(workspace, logs, rotate):
    open_log(workspace).append(logs.records(0, 2))
    key_files(workspace.log_origin()).key.unlink()
    with pytest.raises(KeyFileError, match="cannot be read"):
        rotate()


def test_an_append_of_nothing_new_tells_the_checkpoint_with_all_its_signatures(
    workspace, logs, rotate
):
    open_log(workspace).append(logs.records(0, 3))
    old, new = map(parse_verifier, rotate())
    told = open_log(workspace).append(logs.records(0, 3)).checkpoint.encode()
    assert told == (workspace.log / "checkpoint").read_bytes()
    assert open_checkpoint(told, old) == open_checkpoint(told, new)
