"""The witness: every answer of the specification, races, and what it remembers."""

import os
import threading
from hashlib import sha256
from pathlib import Path

import pytest

from workbench.decision_log.checkpoint import Checkpoint
from workbench.decision_log.cosignature import cosignatures, witness_verifier
from workbench.decision_log.keys import has_key
from workbench.decision_log.note import generate_signer
from workbench.decision_log.storage import MemoryStorage
from workbench.decision_log.tiles import CHECKPOINT
from workbench.decision_log.tree import TreeReader
from workbench.decision_log.witness import (
    SIZE_TYPE,
    AddCheckpoint,
    Witness,
    ensure_witness,
    parse_request,
)
from workbench.decision_log.witness_state import StateFile, create_state
from workbench.errors import LockedError, LogError, VerificationError

NOW = 1_767_355_200
# of a witness that has seen nothing: header with the digest of what follows
EMPTY_STATE = b"workbench witness state v1 " + sha256(b"{}\n").hexdigest().encode() + b"\n{}\n"


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_KEYS", str(tmp_path / "keys"))
    return StateFile(tmp_path / "state")


@pytest.fixture
def signer(state):
    return ensure_witness("witness.example/w1", state)


@pytest.fixture
def witness(state, signer, logs):
    return Witness(signer, [logs.signer.verifier], state, lambda: NOW)


def request(storage, old):
    """The right request for a log's checkpoint after `old` entries."""
    note = storage.read(CHECKPOINT)
    size = int(note.split(b"\n")[1])
    proof = TreeReader(storage, size).consistency_proof(min(old, size))
    return AddCheckpoint(old, tuple(proof), note)


def ask(witness, storage, old):
    return witness.add_checkpoint(request(storage, old).encode())


def told(answer):
    return answer.status, answer.content_type, answer.body


def forked(logs, size):
    """Another history under the log's own key."""
    storage = MemoryStorage()
    logs.open(storage).append([logs.record(10_000), *logs.records(1, size)])
    return storage


def test_the_first_checkpoint_is_cosigned_and_remembered(witness, signer, logs):
    storage, log = logs.filled(5)
    answer = ask(witness, storage, 0)
    assert answer.status == 200
    note = storage.read(CHECKPOINT) + answer.body
    (found,) = cosignatures(note, [witness_verifier(signer)])
    assert found.time == NOW
    log.append(logs.records(5, 700))
    assert told(ask(witness, storage, 0)) == (409, SIZE_TYPE, b"5\n")
    assert ask(witness, storage, 5).status == 200
    assert told(ask(witness, storage, 5)) == (409, SIZE_TYPE, b"700\n")


def test_the_same_checkpoint_is_cosigned_again(witness, logs):
    storage, _ = logs.filled(5)
    assert ask(witness, storage, 0).status == 200
    assert ask(witness, storage, 5).status == 200


def test_an_empty_log_is_cosigned(witness, logs):
    storage, log = logs.filled(0)
    log.checkpoint()
    assert ask(witness, storage, 0).status == 200


def test_an_empty_log_with_another_root_is_a_conflict(witness, logs):
    note = Checkpoint(logs.signer.verifier.name, 0, bytes(32)).sign(logs.signer)
    answer = witness.add_checkpoint(AddCheckpoint(0, (), note).encode())
    assert told(answer) == (409, SIZE_TYPE, b"0\n")


def test_an_unknown_origin_is_not_found(witness, logs):
    other, _ = type(logs)(generate_signer("example.com/other")).filled(3)
    assert ask(witness, other, 0).status == 404


def test_a_checkpoint_that_the_log_did_not_sign_is_forbidden(witness, logs):
    other, _ = type(logs)(generate_signer(logs.signer.verifier.name)).filled(3)
    assert ask(witness, other, 0).status == 403
    storage, _ = logs.filled(3)
    altered = request(storage, 0).encode().replace(b"\n3\n", b"\n4\n")
    assert witness.add_checkpoint(altered).status == 403


def test_a_fork_signed_with_the_logs_own_key_is_refused(witness, logs):
    storage, _ = logs.filled(300)
    assert ask(witness, storage, 0).status == 200
    assert ask(witness, forked(logs, 400), 300).status == 422
    assert told(ask(witness, forked(logs, 300), 300)) == (409, SIZE_TYPE, b"300\n")
    assert ask(witness, storage, 300).status == 200


def test_a_log_that_was_rolled_back_is_refused(witness, logs):
    storage, _ = logs.filled(300)
    older, _ = logs.filled(200)
    assert ask(witness, storage, 0).status == 200
    assert told(ask(witness, older, 200)) == (409, SIZE_TYPE, b"300\n")
    assert ask(witness, older, 300).status == 400  # old size beyond the checkpoint


def test_a_proof_that_does_not_hold_is_unprocessable(witness, logs):
    storage, log = logs.filled(5)
    assert ask(witness, storage, 0).status == 200
    log.append(logs.records(5, 9))
    good = request(storage, 5)
    for proof in ((), good.proof[1:], (*good.proof, bytes(32)), (bytes(32), *good.proof[1:])):
        broken = AddCheckpoint(5, proof, good.note)
        assert witness.add_checkpoint(broken.encode()).status == 422
    assert witness.add_checkpoint(good.encode()).status == 200


def test_a_first_request_with_a_proof_is_unprocessable(witness, logs):
    storage, _ = logs.filled(5)
    body = AddCheckpoint(0, (bytes(32),), storage.read(CHECKPOINT)).encode()
    assert witness.add_checkpoint(body).status == 422


HASH = b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
MALFORMED = {
    "nothing": lambda body: b"",
    "no old line": lambda body: body.partition(b"\n")[2],
    "leading zero": lambda body: body.replace(b"old 0", b"old 00", 1),
    "sign": lambda body: body.replace(b"old 0", b"old -1", 1),
    "huge": lambda body: body.replace(b"old 0", b"old " + b"9" * 5_000, 1),
    "space": lambda body: body.replace(b"old 0", b"old  0", 1),
    "carriage return": lambda body: body.replace(b"old 0\n", b"old 0\r\n", 1),
    "no empty line": lambda body: body.replace(b"old 0\n\n", b"old 0\n", 1),
    "short hash": lambda body: body.replace(b"old 0\n", b"old 0\nAAAA\n", 1),
    "spelling": lambda body: body.replace(b"old 0\n", b"old 0\n" + HASH.replace(b"A=", b"B="), 1),
    "too many": lambda body: body.replace(b"old 0\n", b"old 0\n" + HASH * 64, 1),
    "no note": lambda body: body.partition(b"\n\n")[0] + b"\n\nhello\n",
    "not UTF-8": lambda body: body.replace(b"example", b"\xff\xfe", 1),
    "beyond": lambda body: body.replace(b"old 0", b"old 6", 1),
}


@pytest.mark.parametrize("change", MALFORMED)
def test_a_malformed_request_is_a_bad_request(witness, logs, change):
    storage, _ = logs.filled(5)
    body = request(storage, 0).encode()
    assert witness.add_checkpoint(MALFORMED[change](body)).status == 400
    assert witness.add_checkpoint(body).status == 200


def test_a_checkpoint_without_root_is_a_bad_request(witness, logs):
    note = logs.signer.sign(f"{logs.signer.verifier.name}\n5\n".encode())
    assert witness.add_checkpoint(AddCheckpoint(0, (), note).encode()).status == 400


def test_requests_are_read_as_they_are_written(logs):
    storage, _ = logs.filled(9)
    for old in (0, 5):
        assert parse_request(request(storage, old).encode()) == request(storage, old)
    with pytest.raises(VerificationError, match="old size"):
        parse_request(b"new 5\n\n")


# The example of c2sp.org/tlog-witness
EXAMPLE = """old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
""".encode()  # noqa: E501


def test_the_published_example_is_understood(witness):
    parsed = parse_request(EXAMPLE)
    assert (parsed.old_size, len(parsed.proof)) == (20_852_014, 4)
    assert parsed.encode() == EXAMPLE
    assert witness.add_checkpoint(EXAMPLE).status == 404


def race(witness, bodies):
    barrier, answers = threading.Barrier(len(bodies)), [0] * len(bodies)

    def submit(number):
        barrier.wait()
        answers[number] = witness.add_checkpoint(bodies[number]).status

    threads = [threading.Thread(target=submit, args=(n,)) for n in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(answers)


@pytest.mark.parametrize("attempt", range(5))
def test_of_racing_histories_exactly_one_is_cosigned(witness, logs, attempt):
    storages = [logs.filled(50)[0], *(forked(logs, 50 + n) for n in range(5))]
    bodies = [request(storage, 0).encode() for storage in storages]
    assert race(witness, bodies) == [200, 409, 409, 409, 409, 409]


def test_a_race_of_growing_logs_never_rolls_back(witness, state, signer, logs):
    storage, log = logs.filled(10)
    assert ask(witness, storage, 0).status == 200
    bodies = []
    for size in (20, 30, 40, 50):
        log.append(logs.records(10, size))
        bodies.append(request(storage, 10).encode())
    assert race(witness, bodies) == [200, 409, 409, 409]
    answer = ask(witness, storage, 0)
    reopened = Witness(signer, [logs.signer.verifier], state, lambda: NOW)
    assert told(ask(reopened, storage, 0)) == told(answer)


class FullDisk:
    """A state in memory whose disk can fill up."""

    def __init__(self):
        self.data, self.full = None, False

    def read(self):
        return self.data

    def write(self, data):
        if self.full:
            raise LogError("disk full at /secret")
        self.data = data


def test_nothing_is_cosigned_that_is_not_durable(signer, logs):
    state = FullDisk()
    create_state(state)
    witness = Witness(signer, [logs.signer.verifier], state, lambda: NOW)
    storage, _ = logs.filled(5)
    state.full = True
    answer = ask(witness, storage, 0)
    assert answer.status == 500
    assert b"secret" not in answer.body
    state.full = False
    assert ask(witness, storage, 0).status == 200


def test_a_state_is_flushed_before_and_after_its_name_moves(witness, state, logs, monkeypatch):
    # a power loss cannot be tried here: what is asked of the kernel, and in which order, can
    calls, fsync, replace = [], os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("flush"), fsync(fd))[1])
    monkeypatch.setattr(Path, "replace", lambda a, b: (calls.append("rename"), replace(a, b))[1])
    assert ask(witness, logs.filled(5)[0], 0).status == 200
    assert calls == ["flush", "rename", "flush"]
    assert list(state.path.parent.glob(".*.new")) == []


def test_the_state_survives_a_restart(witness, state, signer, logs):
    storage, _ = logs.filled(300)
    assert ask(witness, storage, 0).status == 200
    again = Witness(ensure_witness(signer.verifier.name, state), [logs.signer.verifier], state, int)
    assert told(ask(again, forked(logs, 400), 0)) == (409, SIZE_TYPE, b"300\n")


def test_several_logs_are_remembered_apart(state, signer, logs):
    other = type(logs)(generate_signer("example.com/other"))
    keys = [logs.signer.verifier, other.signer.verifier]
    first, second = logs.filled(5)[0], other.filled(7)[0]
    witness = Witness(signer, keys, state, lambda: NOW)
    assert [ask(witness, storage, 0).status for storage in (first, second)] == [200, 200]
    alone = Witness(signer, keys[:1], state, lambda: NOW)
    assert ask(alone, first, 5).status == 200
    both = Witness(signer, keys, state, lambda: NOW)
    assert told(ask(both, second, 0)) == (409, SIZE_TYPE, b"7\n")


def test_every_damaged_byte_of_the_state_is_found(witness, state, signer, logs):
    assert ask(witness, logs.filled(5)[0], 0).status == 200
    good = state.read()
    for position in range(len(good)):
        altered = bytearray(good)
        altered[position] ^= 1
        state.write(bytes(altered))
        with pytest.raises(LogError, match=r"witness state: damaged; .*cosign a fork"):
            Witness(signer, [logs.signer.verifier], state, int)
    state.write(good[:40])
    with pytest.raises(LogError, match="damaged"):
        Witness(signer, [logs.signer.verifier], state, int)


def test_a_lost_state_is_not_begun_anew_under_the_same_key(state, signer, logs):
    state.path.unlink()
    again = ensure_witness(signer.verifier.name, state)
    with pytest.raises(LogError, match="witness state: missing"):
        Witness(again, [logs.signer.verifier], state, int)
    assert has_key(signer.verifier.name)


def test_a_crash_between_state_and_key_is_completed(state, logs):
    create_state(state)
    made = state.read()
    assert made == EMPTY_STATE
    signer = ensure_witness("witness.example/w1", state)
    assert state.read() == made
    witness = Witness(signer, [logs.signer.verifier], state, lambda: NOW)
    assert ask(witness, logs.filled(2)[0], 0).status == 200


def test_a_recorded_log_given_with_another_key_is_named(witness, state, signer, logs):
    assert ask(witness, logs.filled(5)[0], 0).status == 200
    other = generate_signer(logs.signer.verifier.name).verifier
    with pytest.raises(LogError, match="give the key under which it was recorded as well"):
        Witness(signer, [other], state, int)
    assert Witness(signer, [other, logs.signer.verifier], state, int)


def test_one_process_holds_the_state(state, signer):
    again = StateFile(state.path.parent)
    with state.exclusive(), pytest.raises(LockedError, match="another process"), again.exclusive():
        pass
    with again.exclusive():
        assert again.read() == EMPTY_STATE


def test_a_closed_witness_cosigns_nothing_and_moves_nothing(witness, state, logs):
    storage, _ = logs.filled(5)
    witness.close()
    assert ask(witness, storage, 0).status == 503
    assert state.read() == EMPTY_STATE


def test_an_unwritable_state_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LogError, match=r"file/state: cannot be (written|locked)"):
        StateFile(tmp_path / "file").write(b"")
