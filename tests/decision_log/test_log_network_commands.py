"""`workbench log witness`, `workbench log serve` and `workbench log verify --require-witness`."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workbench.commands import log as log_commands
from workbench.decision_log.append import DecisionLog, open_log
from workbench.decision_log.cosignature import witness_verifier
from workbench.decision_log.index import LogIndex
from workbench.decision_log.keys import ensure_key
from workbench.decision_log.note import generate_signer, parse_verifier
from workbench.decision_log.serving import Binding
from workbench.decision_log.storage import FolderStorage
from workbench.decision_log.witness import Witness, ensure_witness
from workbench.decision_log.witness_server import witness_server
from workbench.decision_log.witness_state import StateFile
from workbench.errors import ConfigError, LogError, VerificationError
from workbench.workspace import open_workspace

NAME = "witness.example/w1"
IN_MEMORY = Path(":memory:")


@pytest.fixture
def workspace(tmp_path, monkeypatch, logs):
    root = tmp_path / "shop"
    root.mkdir()
    (root / "workbench.toml").write_text('[workspace]\nname = "shop"\n')
    monkeypatch.setenv("WORKBENCH_WORKSPACE", str(root))
    monkeypatch.setenv("WORKBENCH_KEYS", str(tmp_path / "keys"))
    space = open_workspace(root)
    open_log(space).append(logs.records(0, 5))
    return space


@pytest.fixture
def witness(workspace, tmp_path, serving):
    """A running witness of the workspace's log, named in its settings; its key."""
    state = StateFile(tmp_path / "witness" / "w1")
    signer = ensure_witness(NAME, state)
    log = parse_verifier(call("key").output)
    url = serving(witness_server(Witness(signer, [log], state, lambda: 1_767_355_200), Binding()))
    configure(workspace, url, key := witness_verifier(signer).encode())
    return key


def configure(workspace, url, key):
    (workspace.root / "workbench.toml").write_text(
        f'[workspace]\nname = "shop"\n[log]\nwitnesses = [{{url = "{url}", key = "{key}"}}]\n'
    )


def call(*arguments):
    result = CliRunner().invoke(log_commands.app, list(arguments), catch_exceptions=True)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_collected_cosignatures_are_demanded_by_verify(workspace, witness):
    with pytest.raises(VerificationError, match="cosigned by 0 of 1"):
        call("verify", "--require-witness", "1")
    assert f"Cosigned by {NAME}" in call("witness", "collect").output
    assert f"Cosigned by {NAME}" in call("verify", "--require-witness", "1").output
    facts = json.loads(call("verify", "--json").output)
    assert facts["cosignatures"] == [{"witness": NAME, "time": 1_767_355_200}]


def test_a_new_entry_leaves_the_checkpoint_bare_until_collected_again(workspace, witness, logs):
    call("witness", "collect")
    open_log(workspace).append(logs.records(5, 6))
    with pytest.raises(VerificationError, match=r"by 0 of 1 .*witness collect"):
        call("verify", "--require-witness", "1")
    call("witness", "collect")
    assert call("verify", "--require-witness", "1").exit_code == 0


def test_a_given_folder_brings_no_witness_of_its_own(workspace, witness):
    call("witness", "collect")
    folder, key = str(workspace.log), call("key").output.strip()
    with pytest.raises(ConfigError, match="0 witnesses are known; give the key of each"):
        call("verify", folder, "--key", key, "--require-witness", "1")
    given = ["--require-witness", "1", "--witness"]
    assert call("verify", folder, "--key", key, *given, witness).exit_code == 0
    stranger = witness_verifier(generate_signer(NAME)).encode()
    with pytest.raises(VerificationError, match="cosigned by 0 of 1"):
        call("verify", folder, "--key", key, *given, stranger)


def test_a_witness_given_twice_counts_once(workspace, witness):
    call("witness", "collect")
    with pytest.raises(ConfigError, match="expected another key for each witness"):
        call("verify", "--require-witness", "2", "--witness", witness, "--witness", witness)


def test_a_proof_shows_who_cosigned(workspace, witness, tmp_path):
    call("witness", "collect")
    proof = tmp_path / "d2.tlog-proof"
    call("prove", "d2", "--out", str(proof))
    demand = ["verify", str(proof), "--require-witness", "1", "--witness"]
    assert f"Cosigned by {NAME}" in call(*demand, witness).output
    assert json.loads(call(*demand, witness, "--json").output)["cosignatures"][0]["witness"] == NAME
    with pytest.raises(VerificationError, match="expected at least 1"):
        call(*demand, witness_verifier(generate_signer("w2")).encode())


def test_a_rewritten_log_is_named_by_collect(workspace, witness, tmp_path, logs):
    call("witness", "collect")
    workspace.log.rename(tmp_path / "away")
    # an insider with key and files, past everything that this machine remembers
    insider = DecisionLog(
        FolderStorage(workspace.log), ensure_key(workspace.log_origin()), LogIndex(IN_MEMORY)
    )
    insider.append(logs.records(100, 105))
    with pytest.raises(VerificationError, match="history was rewritten, or the log was forked"):
        call("witness", "collect")
    assert (workspace.log / "checkpoint").read_text().count("—") == 1


def test_collect_without_witnesses_says_how_to_name_one(workspace):
    with pytest.raises(ConfigError, match=r"names no witness; expected \[log\] witnesses"):
        call("witness", "collect")


def test_a_witness_that_is_away_fails_with_one_sentence(workspace):
    configure(workspace, "http://127.0.0.1:9", witness_verifier(generate_signer("w")).encode())
    with pytest.raises(VerificationError, match=r"add-checkpoint: no answer .*start the witness"):
        call("witness", "collect")


def test_a_witness_of_the_logs_own_name_is_refused(workspace):
    key = call("key").output.strip()
    with pytest.raises(ConfigError, match="has the name of the log"):
        call("witness", "serve", "--origin-key", key, "--name", workspace.log_origin())


def test_the_key_of_a_witness_is_made_once_for_its_owner_alone(workspace, tmp_path):
    first = call("witness", "key", "--name", "w9").output
    assert call("witness", "key", "--name", "w9").output == first
    assert (tmp_path / "keys" / "w9.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "witness" / "w9" / "state").is_file()


def test_serve_publishes_until_it_is_stopped(workspace):
    line = [sys.executable, "-m", "workbench", "log", "serve", "--port", "0"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().split()[2]
        with urllib.request.urlopen(f"{url}/checkpoint", timeout=10) as response:
            assert response.read() == (workspace.log / "checkpoint").read_bytes()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_serve_names_a_taken_port(workspace):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(LogError, match=f"port {port}: cannot be listened on"):
            call("serve", "--port", port)
