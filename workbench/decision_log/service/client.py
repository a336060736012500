"""Clients of the log's service."""

import contextlib
import hashlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from workbench.contracts.records import DecisionRecord
from workbench.decision_log.append import Appended, LogClient, open_log
from workbench.decision_log.service.messages import raise_error, receive, send
from workbench.errors import LogError
from workbench.workspace import Workspace

_START_SECONDS: Final = 20.0
_IDLE_SECONDS: Final = 30


class ServiceClient:
    """Appends through the service; one connection, kept open.

    Args:
        path: Of the service's socket.

    Raises:
        LogError: Nobody listens there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._connection.connect(str(path))
        except OSError as error:
            self._connection.close()
            raise LogError(
                f"{path}: the log's service does not answer ({error.strerror or error}); start it"
                " with 'workbench log service'."
            ) from error

    def __enter__(self) -> "ServiceClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def append(self, records: Sequence[DecisionRecord]) -> Appended:
        """See `DecisionLog.append`."""
        return self.append_entries([record.unsealed() for record in records])

    def append_entries(self, entries: Sequence[bytes]) -> Appended:
        """Append canonical records; they are durable on return."""
        answer, _ = self._ask({"do": "append"}, entries)
        return Appended(**{**answer, "indexes": tuple(answer["indexes"])})

    def entries_of(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Entries of those decisions that are in the log, by id."""
        answer, entries = self._ask({"do": "entries_of"}, [name.encode() for name in ids])
        return dict(zip(answer["ids"], entries, strict=True))

    def _ask(
        self, head: dict[str, Any], entries: Sequence[bytes]
    ) -> tuple[dict[str, Any], list[bytes]]:
        try:
            send(self._connection, head, entries)
            answer = receive(self._connection)
        except OSError as error:
            raise self._broken(str(error.strerror or error)) from error
        if answer is None:
            raise self._broken("it hung up")
        raise_error(answer[0])
        return answer

    def _broken(self, why: str) -> LogError:
        return LogError(
            f"{self._path}: the log's service broke off ({why}); what it did not acknowledge may or"
            " may not be in the log: run again, the same records are never entered twice."
        )


def log_client(workspace: Workspace) -> LogClient:
    """The log of a workspace: through its service where one runs, else in this process.

    Raises:
        KeyFileError: The signing key is unusable.
    """
    return connect(workspace) or open_log(workspace)


def socket_path(workspace: Workspace) -> Path:
    """Where the service of a workspace listens for its own user.

    Raises:
        LogError: The folder for it belongs to somebody else.
    """
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    folder = Path(base) / f"workbench-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    facts = folder.lstat()
    if facts.st_uid != os.getuid() or facts.st_mode & 0o077 or not folder.is_dir():
        raise LogError(
            f"{folder}: is not a folder of yours alone; expected mode 700, remove it and run again."
        )
    where = f"{workspace.log_origin()}\n{workspace.root.resolve()}"
    return folder / f"{hashlib.sha256(where.encode()).hexdigest()[:24]}.sock"


def connect(workspace: Workspace) -> ServiceClient | None:
    """A client of the workspace's service; None where none runs."""
    path = socket_path(workspace)
    if not path.exists():
        return None
    try:
        return ServiceClient(path)
    except LogError:  # left by a crash
        return None


def start_and_connect(workspace: Workspace) -> ServiceClient:
    """A client of the workspace's service, which is started where none runs.

    Raises:
        LogError: It does not come up.
    """
    client = connect(workspace)
    if client is not None:
        return client
    command = [sys.executable, "-m", "workbench", "log", "service", "--idle", str(_IDLE_SECONDS)]
    service = subprocess.Popen(
        command, cwd=workspace.root, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        client = connect(workspace)
        if client is not None:
            return client
        if service.poll() is not None:
            said = service.stderr.read().strip() if service.stderr else ""
            raise LogError(said or "the log's service ended at once; run 'workbench log service'.")
        time.sleep(0.02)
    raise LogError("the log's service did not come up; run 'workbench log service' to see why.")
