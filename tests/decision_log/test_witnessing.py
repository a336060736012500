"""Collecting cosignatures over HTTP: what is written, what is refused, what is found out."""

import http.client
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest

from workbench.decision_log.cosignature import Quorum, parse_witness, witness_verifier
from workbench.decision_log.note import generate_signer, signature_line
from workbench.decision_log.prove import ProvingReader, verify_bundle
from workbench.decision_log.serving import Binding
from workbench.decision_log.storage import MemoryStorage
from workbench.decision_log.tiles import CHECKPOINT
from workbench.decision_log.tree import TreeReader
from workbench.decision_log.verify import verify_storage
from workbench.decision_log.witness import SUBMIT, AddCheckpoint, Witness, ensure_witness
from workbench.decision_log.witness_server import witness_server
from workbench.decision_log.witness_state import StateFile
from workbench.decision_log.witnessing import WitnessAddress, collect, configured_witnesses, post
from workbench.errors import ConfigError, LogError, VerificationError
from workbench.workspace import Workspace

NOW = 1_767_355_200


@pytest.fixture
def run_witness(tmp_path, monkeypatch, logs, serving) -> Callable[..., WitnessAddress]:
    """Starts witnesses of the log, each with its own key and state."""
    monkeypatch.setenv("WORKBENCH_KEYS", str(tmp_path / "keys"))

    def start(name="witness.example/w1", clock=lambda: NOW, binding=None):
        state = StateFile(tmp_path / "witness" / name.replace("/", "_"))
        signer = ensure_witness(name, state)
        witness = Witness(signer, [logs.signer.verifier], state, clock)
        return WitnessAddress(
            serving(witness_server(witness, binding or Binding())), witness_verifier(signer)
        )

    return start


def forked(logs, size):
    """Another history under the log's own key."""
    storage = MemoryStorage()
    logs.open(storage).append([logs.record(10_000), *logs.records(1, size)])
    return storage


def lines(storage):
    return storage.read(CHECKPOINT).decode().split("\n\n")[1].splitlines()


def quorum(*witnesses, required):
    return Quorum(tuple(w.verifier for w in witnesses), required)


def test_cosignatures_of_all_witnesses_stand_below_the_logs_own(logs, run_witness):
    storage, log = logs.filled(300)
    one, two = run_witness("w1"), run_witness("w2")
    bare = storage.read(CHECKPOINT)
    told = collect(storage, logs.signer.verifier, [one, two])
    assert [answer.cosignature.witness for answer in told] == ["w1", "w2"]
    assert storage.read(CHECKPOINT).startswith(bare)
    assert [line.split(" ")[1] for line in lines(storage)] == ["example.com/log", "w1", "w2"]
    report = verify_storage(storage, logs.key, quorum=quorum(one, two, required=2))
    assert len(report.cosignatures) == 2
    assert "Cosigned by w1, which had seen no larger log at 2026-01-02T12" in report.summary()
    log.append(logs.records(300, 310))  # the writer takes a cosigned checkpoint as its own
    assert verify_storage(storage, logs.key).entries == 310


def test_a_growing_log_is_cosigned_again_and_again(logs, run_witness):
    times = iter(range(NOW, NOW + 10))
    storage, log = logs.filled(1, batch=1)
    witness = run_witness(clock=lambda: next(times))
    for size in (1, 2, 255, 256, 257, 600):
        log.append(logs.records(0, size))
        collect(storage, logs.signer.verifier, [witness])
        report = verify_storage(storage, logs.key, quorum=quorum(witness, required=1))
        assert report.entries == size
    collect(storage, logs.signer.verifier, [witness])
    assert len(lines(storage)) == 2  # the newer cosignature replaced the older
    report = verify_storage(storage, logs.key, quorum=quorum(witness, required=1))
    assert report.cosignatures[0].time == NOW + 6


def test_bundles_carry_the_cosignatures(logs, run_witness):
    storage, _ = logs.filled(5)
    witness = run_witness()
    collect(storage, logs.signer.verifier, [witness])
    bundle = ProvingReader(storage, logs.signer.verifier).bundle(3)
    proven = verify_bundle(bundle, logs.key, quorum(witness, required=1))
    assert proven.cosignatures[0].witness == "witness.example/w1"
    with pytest.raises(VerificationError, match="expected at least 1"):
        verify_bundle(bundle, logs.key, Quorum((witness_verifier(generate_signer("other")),), 1))


def test_a_rolled_back_log_is_found_out_by_the_witness_and_by_a_kept_checkpoint(logs, run_witness):
    storage, log = logs.filled(4, batch=1)
    witness = run_witness()
    collect(storage, logs.signer.verifier, [witness])
    older = dict(storage.objects)
    log.append(logs.records(4, 9))
    collect(storage, logs.signer.verifier, [witness])
    kept = storage.read(CHECKPOINT)
    storage.objects = older
    # an older cosigned state is valid in itself; its cosignature only shows its age
    assert verify_storage(storage, logs.key, quorum=quorum(witness, required=1)).entries == 4
    (told,) = collect(storage, logs.signer.verifier, [witness])
    assert told.cosignature is None
    assert "has seen 9 entries of this log, the checkpoint has only 4" in told.reason
    with pytest.raises(VerificationError, match="smaller than 9"):
        verify_storage(storage, logs.key, since=kept)


@pytest.mark.parametrize("size", [300, 400])
def test_a_fork_under_the_logs_own_key_is_not_cosigned(logs, run_witness, size):
    storage, _ = logs.filled(300)
    witness = run_witness()
    collect(storage, logs.signer.verifier, [witness])
    fork = forked(logs, size)
    bare = fork.read(CHECKPOINT)
    (told,) = collect(fork, logs.signer.verifier, [witness])
    assert "does not extend the 300 entries that it has seen" in told.reason
    assert fork.read(CHECKPOINT) == bare
    with pytest.raises(VerificationError, match="cosigned by 0 of 1"):
        verify_storage(fork, logs.key, quorum=quorum(witness, required=1))


def test_one_witness_that_is_away_does_not_stop_the_other(logs, run_witness):
    storage, _ = logs.filled(5)
    here = run_witness("w1")
    away = WitnessAddress("http://127.0.0.1:9", witness_verifier(generate_signer("away")))
    told = collect(storage, logs.signer.verifier, [away, here])
    assert "http://127.0.0.1:9/add-checkpoint: no answer" in told[0].reason
    assert told[1].cosignature.witness == "w1"
    assert len(lines(storage)) == 2


def test_a_witness_is_asked_over_tls_only_if_its_certificate_holds(
    logs, run_witness, certificate, monkeypatch
):
    storage, _ = logs.filled(5)
    pem, key = certificate
    witness = run_witness(binding=Binding(certificate=pem, certificate_key=key))
    assert witness.url.startswith("https://")
    (told,) = collect(storage, logs.signer.verifier, [witness])
    assert "CERTIFICATE_VERIFY_FAILED" in told.reason
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    (told,) = collect(storage, logs.signer.verifier, [witness])
    assert told.cosignature is not None


def test_a_cosignature_by_another_key_is_not_taken(logs, run_witness):
    storage, _ = logs.filled(5)
    real = run_witness("w1")
    for claimed in ("w1", "w2"):
        other = WitnessAddress(real.url, witness_verifier(generate_signer(claimed)))
        (told,) = collect(storage, logs.signer.verifier, [other])
        assert "answered without a cosignature of the configured key" in told.reason
    assert len(lines(storage)) == 1


def test_a_wrong_cosignature_is_not_taken(logs):
    storage, _ = logs.filled(5)
    witness = WitnessAddress("http://w", witness_verifier(generate_signer("w")))
    line = signature_line("w", witness.verifier.key_id + bytes(72))
    (told,) = collect(storage, logs.signer.verifier, [witness], send=lambda url, body: (200, line))
    assert "cosignature of 'w' is wrong" in told.reason
    assert len(lines(storage)) == 1


@pytest.mark.parametrize(
    "answer",
    [(200, b""), (200, b"hello"), (409, b""), (409, b"x\n"), (409, b"-1\n"), (500, b""), (301, b""),
     (409, b"0\n"), (409, "٣\n".encode()), (409, b"9" * 5_000)],
)  # fmt: skip
def test_a_strange_answer_is_named_and_nothing_written(logs, answer):
    storage, _ = logs.filled(5)
    witness = WitnessAddress("http://w", witness_verifier(generate_signer("w")))
    bare = storage.read(CHECKPOINT)
    (told,) = collect(storage, logs.signer.verifier, [witness], send=lambda url, body: answer)
    assert told.cosignature is None
    assert told.reason
    assert storage.read(CHECKPOINT) == bare


def test_a_log_that_grows_meanwhile_is_asked_for_again(logs, run_witness):
    storage, log = logs.filled(5)
    witness = run_witness()
    grown = iter([7])

    def send(url, body):
        answer = post(url, body)
        if size := next(grown, None):
            log.append(logs.records(5, size))
        return answer

    collect(storage, logs.signer.verifier, [witness], send=send)
    report = verify_storage(storage, logs.key, quorum=quorum(witness, required=1))
    assert report.entries == 7


def test_a_log_that_never_rests_is_named_and_keeps_its_checkpoint(logs, run_witness):
    storage, log = logs.filled(5)
    sizes = iter(range(6, 100))

    def send(url, body):
        log.append(logs.records(5, next(sizes)))
        return post(url, body)

    with pytest.raises(LogError, match="the log grew during each of 3 attempts"):
        collect(storage, logs.signer.verifier, [run_witness()], send=send)
    assert verify_storage(storage, logs.key).entries > 5
    assert len(lines(storage)) == 1


def test_a_log_whose_tiles_were_altered_is_not_sent(logs):
    storage, _ = logs.filled(5, batch=5)
    storage.objects["tile/0/000.p/5"] = bytes(160)
    with pytest.raises(VerificationError, match="no witness was asked"):
        collect(storage, logs.signer.verifier, [], send=None)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", SUBMIT, 405),
        ("POST", "/", 404),
        ("POST", "/add-checkpoint/", 404),
        ("GET", "/", 404),
    ],
)
def test_a_witness_answers_one_request_only(run_witness, method, path, status):
    connection = http.client.HTTPConnection(run_witness().url.removeprefix("http://"), timeout=5)
    connection.request(method, path, b"" if method == "POST" else None)
    assert connection.getresponse().status == status
    connection.close()


def test_a_large_request_is_not_read(run_witness):
    url = run_witness().url
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    connection.putrequest("POST", SUBMIT)
    connection.putheader("Content-Length", "65537")
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


@dataclass
class Served:
    """A witness in a process of its own."""

    process: subprocess.Popen[str]
    url: str
    state: Path


@pytest.fixture
def command(tmp_path, logs):
    """Runs `workbench log witness serve` as a process, again and again on one state."""
    environment = {**os.environ, "WORKBENCH_KEYS": str(tmp_path / "witness-keys")}
    started = []

    def run(*arguments):
        line = [sys.executable, "-m", "workbench", "log", "witness", *arguments]
        return subprocess.Popen(
            line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def serve():
        process = run("serve", "--port", "0", "--origin-key", logs.key)
        started.append(process)
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found, process.stderr.read()
        state = tmp_path / "witness" / "workbench-witness" / "state"
        return Served(process, found.group(), state)

    serve.run = run
    yield serve
    for process in started:
        process.kill()
        process.communicate()


def _advance(served, requests, start, acknowledged):
    """Have consecutive sizes cosigned until the witness is gone."""
    for size in range(start + 1, len(requests)):
        try:
            status, _ = post(served.url + SUBMIT, requests[size])
        except LogError:
            return
        assert status == 200
        acknowledged.append(size)


def test_a_witness_killed_under_load_remembers_every_cosignature(logs, command):
    storage, log, requests = *logs.filled(0), [b""]
    for size in range(1, 400):
        log.append(logs.records(size - 1, size))
        proof = tuple(TreeReader(storage, size).consistency_proof(size - 1))
        requests.append(AddCheckpoint(size - 1, proof, storage.read(CHECKPOINT)).encode())
    rng, size, acknowledged = random.Random(3), 0, [0]
    for _ in range(4):
        served = command()
        fork = AddCheckpoint(0, (), forked(logs, 400).read(CHECKPOINT)).encode()
        if size:  # what it remembers, a fork is held against
            assert post(served.url + SUBMIT, fork) == (409, f"{size}\n".encode())
        client = Thread(target=_advance, args=(served, requests, size, acknowledged))
        client.start()
        time.sleep(rng.uniform(0.02, 0.3))
        served.process.kill()
        served.process.wait()
        client.join()
        # the last request may have been recorded without an answer, never the reverse
        state = served.state.read_text()
        size = int(re.search(r"example\.com/log\\n(\d+)\\n", state)[1])
        assert acknowledged[-1] <= size <= acknowledged[-1] + 1
    assert acknowledged[-1] > 4


def test_a_second_process_on_one_state_is_refused_and_a_stop_is_clean(logs, command):
    served = command()
    second = command.run("serve", "--port", "0", "--origin-key", logs.key)
    assert "another process holds the witness's state" in second.communicate()[1]
    assert second.returncode == 1
    served.process.send_signal(signal.SIGTERM)
    served.process.communicate(timeout=20)
    assert served.process.returncode == 0


def test_a_witness_prints_the_key_with_which_it_cosigns(logs, command):
    key = parse_witness(command.run("key").communicate()[0])
    storage, _ = logs.filled(3)
    (told,) = collect(storage, logs.signer.verifier, [WitnessAddress(command().url, key)])
    assert told.cosignature.witness == "workbench-witness"


def settings(folder, text):
    folder.mkdir(exist_ok=True)
    (folder / "workbench.toml").write_text(f'[workspace]\nname = "shop"\n{text}\n')
    return Workspace(folder)


KEY = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"  # a public witness
ENTRY = f'{{url = "http://w.example", key = "{KEY}"}}'


def test_witnesses_are_read_from_the_settings(tmp_path):
    space = settings(
        tmp_path, f'[log]\nwitnesses = [{{url = "https://w.example/a/", key = "{KEY}"}}]'
    )
    (witness,) = configured_witnesses(space)
    assert (witness.url, witness.verifier.encode()) == ("https://w.example/a", KEY)
    assert configured_witnesses(settings(tmp_path, "")) == ()
    assert configured_witnesses(settings(tmp_path, "[log]")) == ()


@pytest.mark.parametrize(
    "text",
    [
        '[log]\nwitnesses = "w"',
        '[log]\nwitnesses = ["w"]',
        "log = 3",
        f'[log]\nwitnesses = [{{key = "{KEY}"}}]',
        f'[log]\nwitnesses = [{{url = "ftp://w", key = "{KEY}"}}]',
        f'[log]\nwitnesses = [{{url = "http://w:port", key = "{KEY}"}}]',
        f'[log]\nwitnesses = [{{url = 3, key = "{KEY}"}}]',
        '[log]\nwitnesses = [{url = "http://w", key = "w+1+x"}]',
        f"[log]\nwitnesses = [{ENTRY}, {ENTRY.replace('w.example', 'v.example')}]",
    ],
)  # fmt: skip
def test_malformed_settings_are_one_sentence(tmp_path, text):
    (tmp_path / "workbench.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"witness"):
        configured_witnesses(Workspace(tmp_path))
