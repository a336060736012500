"""How a program reaches the log of a workspace: through its service.

Single-user mode: the service is started when none runs, and ends when nobody asks any more. Where
it cannot be started this process writes by itself, under the same lock and after the same checks.
Service mode (`[log] socket` in workbench.toml): that socket and nothing else.
"""

import fcntl
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from workbench.contracts.records import DecisionRecord
from workbench.decision_log.append import Appended, LogClient, open_log
from workbench.decision_log.service.checks import check_all, standing_checks
from workbench.decision_log.service.client import (
    BrokenOffError,
    ServiceClient,
    connect,
    socket_path,
)
from workbench.decision_log.service.peers import this_process
from workbench.errors import LogError
from workbench.workspace import (
    CONFIG_FILE,
    KEYS_VARIABLE,
    WORKSPACE_VARIABLE,
    Workspace,
    keys_folder,
)

SERVICE_VARIABLE: Final = "WORKBENCH_LOG_SERVICE"
IDLE_SECONDS: Final = 60
_ATTEMPTS: Final = 3
_START_SECONDS: Final = 20.0
_POLL_SECONDS: Final = 0.01
_PAUSE_SECONDS: Final = 0.05
_STARTING: Final = ".log-starting.lock"
_log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class _InProcess:
    """Writes the log in this process, after the checks that the service makes."""

    def __init__(self, workspace: Workspace, warning: str = "") -> None:
        self._log = open_log(workspace)
        self._checks = standing_checks(workspace)
        self._warning = warning

    def __enter__(self) -> "_InProcess":
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        if self._warning and failed is None:
            _log.warning("%s", self._warning)

    def append(self, records: Sequence[DecisionRecord]) -> Appended:
        return self.append_entries([record.unsealed() for record in records])

    def append_entries(self, entries: Sequence[bytes]) -> Appended:
        check_all(entries, this_process(), self._checks, self._find)
        return self._log.append_entries(entries)

    def entries_of(self, ids: Sequence[str]) -> dict[str, bytes]:
        return self._log.entries_of(ids)

    def publish(self) -> None:
        """Nothing to do: an append in this process lets the log go, and so publishes."""

    def _find(self, name: str) -> Mapping[str, Any] | None:
        entry = self._log.entries_of([name]).get(name)
        return json.loads(entry) if entry else None


Ask = Callable[[ServiceClient | _InProcess], Answer]


def log_client(workspace: Workspace) -> LogClient:
    """The log of a workspace, as its settings say it is reached."""
    return _Service(workspace) if workspace.log_socket else _OnDemand(workspace)


class _OnDemand:
    """Asks the service, starting it when none runs; else writes in this process."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def append(self, records: Sequence[DecisionRecord]) -> Appended:
        return self.append_entries([record.unsealed() for record in records])

    def append_entries(self, entries: Sequence[bytes]) -> Appended:
        return self._ask(lambda log: _appended(log, entries))

    def entries_of(self, ids: Sequence[str]) -> dict[str, bytes]:
        return self._ask(lambda log: log.entries_of(ids))

    def _ask(self, ask: Ask[Answer]) -> Answer:
        """Ask again where the service ended meanwhile: no record is entered twice."""
        for _ in range(_ATTEMPTS):
            try:
                with self._reach() as log:
                    return ask(log)
            except BrokenOffError as error:
                broken = error
                time.sleep(_PAUSE_SECONDS)
        raise broken

    def _reach(self) -> ServiceClient | _InProcess:
        if os.environ.get(SERVICE_VARIABLE) == "off":
            return connect(self._workspace) or _InProcess(self._workspace)
        try:
            return start_and_connect(self._workspace)
        except _NotStartedError as error:
            return _InProcess(self._workspace, warning=str(error))


def _appended(log: ServiceClient | _InProcess, entries: Sequence[bytes]) -> Appended:
    """Durable, and seen by whoever reads the log from now on."""
    done = log.append_entries(entries)
    log.publish()
    return done


class _Service(_OnDemand):
    """Asks the service of service mode; never starts one, never writes by itself."""

    def _reach(self) -> ServiceClient:
        try:
            return ServiceClient(socket_path(self._workspace))
        except LogError as error:
            raise LogError(
                f"{error} {self._workspace.root / CONFIG_FILE} names this socket in [log]: nothing"
                " is written without that service, ask its operator to start it."
            ) from error


class _NotStartedError(LogError):
    """The service did not come up."""


def start_and_connect(workspace: Workspace) -> ServiceClient:
    """A client of the workspace's service, which is started where none runs.

    Raises:
        LogError: It does not come up, or the socket there is another user's.
    """
    client = connect(workspace)
    if client is not None:
        return client
    try:
        with _starting(workspace):
            return connect(workspace) or _start(workspace)
    except OSError as error:
        raise _not_started(f"{error.filename or workspace.data}: {error.strerror}") from error


@contextmanager
def _starting(workspace: Workspace) -> Iterator[None]:
    """One starter at a time; the others find what it started."""
    workspace.data.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(workspace.data / _STARTING, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _start(workspace: Workspace) -> ServiceClient:
    """Start the service apart from this process and its terminal, and wait until it listens."""
    environment = {
        **os.environ,
        WORKSPACE_VARIABLE: str(workspace.root.resolve()),
        KEYS_VARIABLE: str(keys_folder().resolve()),
    }
    command = [sys.executable, "-P", "-m", "workbench.decision_log.service", str(IDLE_SECONDS)]
    service = subprocess.Popen(
        command,
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    threading.Thread(target=service.wait, daemon=True).start()  # leaves no zombie when it ends
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        ended = service.poll() is not None
        client = connect(workspace)
        if client is not None:
            return client
        if ended:
            said = service.stderr.read().strip() if service.stderr else ""
            why = said.splitlines()[-1] if said else f"it ended with {service.returncode}"
            raise _not_started(why)
        time.sleep(_POLL_SECONDS)
    raise _not_started(f"it does not listen after {_START_SECONDS:.0f} s")


def _not_started(why: str) -> _NotStartedError:
    return _NotStartedError(
        f"the log's service did not start ({why.rstrip('.')}); this process wrote the log itself."
    )
