"""The log's service as programs find it: started when none runs, gone when nobody asks."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from workbench.decision_log.append import open_log
from workbench.decision_log.keys import verifier_key
from workbench.decision_log.service import access
from workbench.decision_log.service.access import log_client, start_and_connect
from workbench.decision_log.service.client import connect, socket_path
from workbench.decision_log.verify import verify_log
from workbench.errors import ContractError, KeyFileError, LogError
from workbench.workspace import open_workspace


@pytest.fixture
def workspace(workspace, monkeypatch):
    """One in which services are started; those that run at the end are ended."""
    monkeypatch.delenv("WORKBENCH_LOG_SERVICE")
    yield workspace
    with suppress(LogError):
        client = connect(workspace)
        if client is not None:
            end(client.pid)


def end(pid, number=signal.SIGTERM):
    os.kill(pid, number)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)


def pid_of(workspace):
    with connect(workspace) as client:
        return client.pid


def verified(workspace):
    return verify_log(workspace.log, verifier_key(workspace.log_origin())).entries


def test_the_first_append_starts_a_service_that_the_next_finds(logs, workspace):
    assert log_client(workspace).append([logs.record(0)]).size == 1
    first = pid_of(workspace)
    assert first != os.getpid()
    assert log_client(workspace).append([logs.record(1)]).size == 2
    assert pid_of(workspace) == first
    assert os.getsid(first) == first  # Ctrl-C in this terminal does not reach it
    assert stat_mode(socket_path(workspace)) == 0o600


def stat_mode(path):
    return path.stat().st_mode & 0o777


def test_many_processes_that_start_at_once_find_one_service(logs, workspace):
    program = (
        "import sys; from workbench.workspace import find_workspace;"
        "from workbench.decision_log.service.access import log_client;"
        "print(log_client(find_workspace()).append_entries([sys.argv[1].encode()]).indexes[0])"
    )

    def append(number):
        entry = logs.record(number).canonical().decode()
        return subprocess.run(
            [sys.executable, "-c", program, entry], capture_output=True, text=True, check=True
        )

    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(append, range(6)))
    assert sorted(int(each.stdout) for each in done) == list(range(6))
    assert [each.stderr for each in done] == [""] * 6  # nobody wrote in its own process
    assert verified(workspace) == 6


def test_a_service_that_ends_between_two_requests_is_replaced(logs, workspace):
    client = log_client(workspace)
    client.append([logs.record(0)])
    first = pid_of(workspace)
    end(first, signal.SIGKILL)
    assert socket_path(workspace).exists()  # what it left
    assert client.append([logs.record(1)]).size == 2
    assert pid_of(workspace) != first


def test_a_service_that_is_killed_while_asked_is_replaced(logs, workspace):
    client = log_client(workspace)
    client.append([logs.record(0)])
    first = pid_of(workspace)
    os.kill(first, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.append, [logs.record(1)])
        time.sleep(0.2)
        end(first, signal.SIGKILL)
        assert asked.result(20).size == 2
    assert verified(workspace) == 2


def test_it_leaves_no_process_and_no_socket_when_idle(logs, workspace, monkeypatch):
    monkeypatch.setattr(access, "IDLE_SECONDS", 0.3)
    log_client(workspace).append([logs.record(0)])
    pid = pid_of(workspace)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()  # not even as a zombie of this process
    assert not socket_path(workspace).exists()
    assert connect(workspace) is None
    assert sorted(p.name for p in workspace.log.glob(".*")) == [".lock", ".service"]


def test_without_room_for_a_socket_this_process_writes_and_says_so(logs, workspace, caplog):
    socket_path(workspace).mkdir(parents=True)
    assert log_client(workspace).append([logs.record(0)]).size == 1
    (said,) = [record.getMessage() for record in caplog.records]
    assert "is no socket" in said
    assert said.endswith("this process wrote the log itself.")
    assert said.count("\n") == 0
    bad = logs.record(1).canonical().replace(b'"quantity":0.5', b'"quantity":"0.5"')
    with pytest.raises(ContractError, match="must be number"):  # after the same checks
        log_client(workspace).append_entries([bad])


def test_what_is_wrong_with_the_log_itself_is_said_as_without_a_service(logs, workspace):
    open_log(workspace).append([logs.record(0)])
    next(Path(os.environ["WORKBENCH_KEYS"]).glob("*.key")).chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        log_client(workspace).append([logs.record(1)])


def test_a_switch_keeps_processes_from_being_started(logs, workspace, monkeypatch):
    monkeypatch.setenv("WORKBENCH_LOG_SERVICE", "off")
    assert log_client(workspace).append([logs.record(0)]).size == 1
    assert not socket_path(workspace).exists()


def test_a_path_longer_than_an_address_works(logs, workspace, monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_KEYS", str(tmp_path / "/".join(["folder" * 5] * 5)))
    assert len(bytes(socket_path(workspace))) > 107
    with start_and_connect(workspace) as client:
        assert client.append([logs.record(0)]).size == 1
        pid = client.pid
    end(pid)
    assert not socket_path(workspace).exists()


def test_a_workspace_is_copied_while_its_service_runs_and_the_copy_has_a_service_of_its_own(
    logs, workspace, tmp_path
):
    log_client(workspace).append([logs.record(0)])
    shutil.copytree(workspace.root, tmp_path / "copy")
    copy = open_workspace(tmp_path / "copy")
    assert copy.log_origin() == workspace.log_origin()
    assert connect(copy) is None  # what is meant for one is not entered in the other
    assert socket_path(copy) != socket_path(workspace)
    assert not [path for path in workspace.root.rglob("*") if path.is_socket()]


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
def test_a_service_of_another_user_is_not_trusted(logs, workspace):
    """Whoever may write the socket's folder could answer for the log, and write nothing."""
    socket_path(workspace).parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_path(workspace)))
        child = os.fork()
        if not child:
            os.setuid(65534)
            listener.listen()
            time.sleep(30)
            os._exit(0)
        time.sleep(0.2)
        try:
            with pytest.raises(LogError, match="served by 'nobody'; expected 'root'"):
                log_client(workspace).append([logs.record(0)])
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    socket_path(workspace).unlink()
