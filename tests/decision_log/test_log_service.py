"""The log's service: many clients, one writer; what it acknowledges is durable."""

import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from workbench.decision_log.append import open_log
from workbench.decision_log.keys import verifier_key
from workbench.decision_log.service.access import log_client
from workbench.decision_log.service.client import BrokenOffError, connect, socket_path
from workbench.decision_log.service.limits import Limits
from workbench.decision_log.service.messages import receive, send
from workbench.decision_log.verify import verify_log
from workbench.errors import ContractError, ImmutableError, LockedError, LogError
from workbench.workspace import Workspace


@pytest.fixture
def short():
    """A folder that other users may enter."""
    with tempfile.TemporaryDirectory(prefix="wb") as folder:
        yield Path(folder)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_KEYS", str(tmp_path / "keys"))
    root = tmp_path / "site"
    root.mkdir()
    (root / "workbench.toml").write_text('name = "site"\n', encoding="utf-8")
    (root / "data").mkdir()
    return Workspace(root=root, name="site")


@pytest.fixture
def start(workspace):
    started = []

    def run(*arguments, path=None):
        path = path or socket_path(workspace)
        command = [sys.executable, "-m", "workbench", "log", "service", "--socket", str(path)]
        service = subprocess.Popen(
            [*command, *arguments], cwd=workspace.root, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        started.append(service)
        assert "served at" in service.stdout.readline(), service.stderr.read()
        return service

    yield run
    for service in started:
        service.kill()
        service.communicate()


def verified(workspace):
    return verify_log(workspace.log, verifier_key(workspace.log_origin()))


def published(workspace):
    """Entries that readers see, once the service has nothing more to show."""
    for _ in range(100):
        report = verified(workspace)
        if not report.files.pending:
            break
        time.sleep(0.02)
    return report.entries


def test_clients_append_at_the_same_time_and_each_entry_is_there_once(logs, workspace, start):
    service = start()

    def append_some(number):
        with connect(workspace) as client:
            return [client.append([logs.record(1000 * number + i)]) for i in range(200)]

    with ThreadPoolExecutor(8) as pool:
        done = [answer for part in pool.map(append_some, range(8)) for answer in part]
    assert sorted(answer.indexes[0] for answer in done) == list(range(1600))
    assert published(workspace) == 1600  # while the service still runs
    service.send_signal(signal.SIGTERM)
    assert service.wait(10) == 0
    assert not socket_path(workspace).exists()
    assert not (workspace.log / ".journal").exists()
    assert verified(workspace).entries == 1600


def test_a_client_reads_back_the_entries_that_it_names(logs, workspace, start):
    start()
    with connect(workspace) as client:
        client.append(logs.records(0, 5))
        found = client.entries_of(["d3", "none", "d1"])
    assert found == {name: logs.record(int(name[1])).canonical() for name in ("d1", "d3")}


def test_a_record_that_breaks_the_schema_is_refused_and_the_service_goes_on(logs, workspace, start):
    start()
    with connect(workspace) as client:
        bad = logs.record(1).canonical().replace(b'"quantity":0.5', b'"quantity":"0.5"')
        with pytest.raises(ContractError, match=r"'d1': data\.quantity must be number"):
            client.append_entries([logs.record(0).canonical(), bad])
        with pytest.raises(ContractError, match="expected canonical JSON"):
            client.append_entries([b'{"id": "d"}'])
        assert client.append([logs.record(2)]).size == 1
        with pytest.raises(ImmutableError, match="'d2': is in the log with other content"):
            client.append([logs.record(2, quantity=9.0)])


def test_the_runner_uses_the_service_where_one_runs(logs, workspace, start):
    assert log_client(workspace).append([logs.record(0)]).size == 1
    service = start()
    service.send_signal(signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(log_client(workspace).append, [logs.record(1)])
        time.sleep(0.2)
        assert not asked.done()  # nobody but the service does it
        service.send_signal(signal.SIGCONT)
        assert asked.result(10).size == 2


def test_a_second_writer_is_told_who_holds_the_log(logs, workspace, start, monkeypatch):
    service = start()
    monkeypatch.setattr("workbench.decision_log.append._PATIENCE_SECONDS", 0.0)
    with connect(workspace) as client:
        client.append([logs.record(1)])
        with pytest.raises(LockedError, match=f"process {service.pid} is writing"):
            open_log(workspace).append([logs.record(0)])


def test_a_second_service_is_told_where_the_first_one_is(workspace, start, short):
    service = start()
    command = [sys.executable, "-m", "workbench", "log", "service", "--socket", short / "other"]
    second = subprocess.run(command, cwd=workspace.root, capture_output=True, text=True)
    assert second.returncode == 1
    assert f"process {service.pid} at {socket_path(workspace)} serves this log" in second.stderr
    assert connect(workspace) is not None


def test_the_log_is_let_go_when_nobody_asks(logs, workspace, start):
    start()
    with connect(workspace) as client:
        client.append([logs.record(0)])
        deadline = time.monotonic() + 10
        while (workspace.log / ".journal").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert open_log(workspace).append([logs.record(1)]).size == 2
        assert client.append([logs.record(2)]).size == 3
    assert published(workspace) == 3


def test_a_service_that_was_killed_is_started_again_and_lost_nothing(logs, workspace, start):
    rng = random.Random(7)
    acknowledged = []

    def append_for_ever(first):
        with connect(workspace) as client:
            for number in itertools.count(first):
                acknowledged.append(client.append([logs.record(number)]).size)

    for number in range(6):
        service = start()
        timer = threading.Timer(rng.uniform(0.02, 0.3), service.kill)
        timer.start()
        with pytest.raises(LogError, match="never entered twice"):
            append_for_ever(100_000 * number)
        service.wait()
        timer.join()
        assert open_log(workspace).checkpoint().size >= len(acknowledged)
        assert verified(workspace).entries >= len(acknowledged)
    start()  # the socket of the dead one is still there
    with connect(workspace) as client:
        size = client.append([logs.record(10**9)]).size
    assert size > len(acknowledged)
    assert published(workspace) == size


def test_a_client_that_goes_away_after_asking_is_still_entered_and_harms_nobody(
    logs, workspace, start
):
    start()
    head = {"do": "append"}
    with connect(workspace) as client:
        for number in range(50):
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.connect(str(socket_path(workspace)))
                send(stranger, head, [logs.record(number).canonical()])
        deadline = time.monotonic() + 10
        while len(client.entries_of([f"d{n}" for n in range(50)])) < 50:
            assert time.monotonic() < deadline
        assert client.append([logs.record(50)]).size == 51


def test_a_user_with_too_many_connections_is_told(logs, workspace, start):
    start()
    many = [connect(workspace) for _ in range(64)]
    time.sleep(0.3)
    with connect(workspace) as one_more, pytest.raises(LogError, match="64 connections of this"):
        one_more.append([logs.record(0)])
    many.pop().close()
    time.sleep(0.3)
    assert many.pop().append([logs.record(0)]).size == 1
    for client in many:
        client.close()


def test_a_batch_larger_than_a_message_goes_in_parts(logs, workspace, start, monkeypatch):
    monkeypatch.setattr("workbench.decision_log.service.client._PART_BYTES", 3000)
    start()
    with connect(workspace) as client:
        answer = client.append(logs.records(0, 100))
        again = client.append(logs.records(0, 100))
    assert answer.indexes == tuple(range(100))
    assert (answer.new, answer.first_index, answer.size) == (100, 0, 100)
    assert (again.new, again.first_index, again.indexes) == (0, None, answer.indexes)


def test_room_of_a_user_is_waited_for_and_leaves_that_of_others():
    limits = Limits(size=100)
    entered = []

    def ask(uid):
        with limits.room(uid, 60):
            entered.append(uid)

    with ThreadPoolExecutor(2) as pool:
        with limits.room(1, 60):
            waiting = pool.submit(ask, 1)
            pool.submit(ask, 2).result(5)
            assert entered == [2]
        waiting.result(5)
    assert entered == [2, 1]
    with limits.room(1, 500):  # one that is larger than all alone
        pass


def test_eight_clients_that_append_until_the_stop_know_of_each_entry(logs, workspace, start):
    """Acknowledged is in the log, refused is not, and nothing is unknown after a clean stop."""
    service = start()
    outcomes = {}

    def append_until_refused(first):
        with suppress(BrokenOffError), connect(workspace) as client:
            for number in range(first, first + 10_000):
                outcomes[number] = False
                client.append([logs.record(number)])
                outcomes[number] = True

    with ThreadPoolExecutor(8) as pool:
        tasks = [pool.submit(append_until_refused, 10_000 * n) for n in range(8)]
        until = time.monotonic() + 30  # on a busy machine
        while sum(list(outcomes.values())) <= 50 and time.monotonic() < until:
            time.sleep(0.1)
        service.send_signal(signal.SIGTERM)
        for task in tasks:
            task.result(20)
    assert service.wait(20) == 0
    acknowledged = {number for number, done in outcomes.items() if done}
    assert len(acknowledged) > 50
    found = open_log(workspace).entries_of([f"d{number}" for number in outcomes])
    assert set(found) == {f"d{number}" for number in acknowledged}
    assert not socket_path(workspace).exists()


def test_a_service_without_clients_stops_after_a_while(workspace, start):
    assert start("--idle", "0.5").wait(10) == 0
    assert connect(workspace) is None


def test_what_was_received_before_the_stop_is_answered(logs, workspace, start):
    service = start()
    answers = []

    def append_many():
        with connect(workspace) as client:
            for number in range(10_000):
                try:
                    answers.append(client.append([logs.record(number)]).size)
                except LogError as error:
                    answers.append(str(error))
                    return

    thread = threading.Thread(target=append_many)
    thread.start()
    while len(answers) < 20:
        time.sleep(0.01)
    service.send_signal(signal.SIGTERM)
    thread.join(20)
    assert service.wait(10) == 0
    assert verified(workspace).entries == len(answers) - 1


def test_garbage_ends_its_connection_and_nothing_else(logs, workspace, start):
    start()
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 8, bytes(8), b"\0\0\0\5\0\0\0\0[1,2]"):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(str(socket_path(workspace)))
            stranger.sendall(garbage)
            stranger.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                assert stranger.recv(100) == b""
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(str(socket_path(workspace)))
        send(stranger, {"do": "delete"})
        assert "unknown" in receive(stranger)[0]["message"]
    with connect(workspace) as client:
        assert client.append([logs.record(0)]).size == 1


AS_NOBODY = """
import os, sys
from pathlib import Path
from workbench.decision_log.service.client import ServiceClient
from workbench.errors import WorkbenchError
os.setgroups([]); os.setgid(65534); os.setuid(65534)
client = ServiceClient(Path(sys.argv[1]))
for entry in sys.argv[2:]:
    try:
        print(client.append_entries([entry.encode()]).size)
    except WorkbenchError as error:
        print(error)
try:
    print(Path(os.environ["WORKBENCH_KEYS"]).iterdir().__next__())
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
def test_another_user_appends_under_its_own_name_only(logs, workspace, start, short):
    path = short / "log.sock"
    start(path=path)
    short.chmod(0o755)
    path.chmod(0o777)
    mine = {"actor": "nobody", "kind": "fact"}
    records = [
        logs.record(1, actor="root"), logs.record(2, actor="nobody"),
        logs.record(3, **mine, detail={"pruned": {}}), logs.record(4, **{**mine, "kind": "shred"}),
    ]  # fmt: skip
    entries = [record.canonical() for record in records]
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(path), *(entry.decode() for entry in entries)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    refused, size, pruned, shredded, key = done.stdout.splitlines()
    assert "actor is 'root'; expected 'nobody'" in refused
    assert "'d3': says that something was pruned; expected it from the user who runs" in pruned
    assert "'d4': says that something was shredded" in shredded
    assert (size, key) == ("1", "Permission denied")
