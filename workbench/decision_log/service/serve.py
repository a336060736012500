"""Running the service of a workspace."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from workbench.decision_log.append import open_log
from workbench.decision_log.service.checks import standing_checks
from workbench.decision_log.service.client import socket_path
from workbench.decision_log.service.server import LogServer
from workbench.decision_log.storage import SERVICE
from workbench.errors import LockedError, LogError
from workbench.workspace import Workspace

_RESERVE: Final = 1 << 20  # bytes of journal, so that a flush changes no metadata
_OWNER: Final = 0o600
_GROUP: Final = 0o660


def serve(
    workspace: Workspace,
    *,
    path: Path | None = None,
    idle: float | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> None:
    """Serve the log of a workspace until a signal, or until it is idle.

    Args:
        workspace: Whose log.
        path: Of the socket; default: where the workspace's clients look.
        idle: Seconds without a client after which to stop; None: never.
        say: Told where it listens, once it does.

    Raises:
        LockedError: Another service serves this log.
        WorkbenchError: Key, log, roles or socket are unusable.
    """
    where = path or socket_path(workspace)
    service_mode = workspace.log_socket is not None
    with _alone(workspace, where):
        server = LogServer(
            lambda: open_log(workspace, reserve=_RESERVE),
            where,
            checks=standing_checks(workspace),
            idle=idle,
            mode=_GROUP if service_mode else _OWNER,
        )
        server.stop_on_signals()
        server.run(lambda: say(f"Decision log of {workspace.log_origin()} served at {where}"))


@contextmanager
def _alone(workspace: Workspace, where: Path) -> Iterator[None]:
    """One service for a log: a second one is told where the first is."""
    lock = workspace.log / SERVICE
    try:
        workspace.log.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise LogError(
            f"{lock}: cannot be written ({error.strerror}); expected the log of the user who runs"
            " its service."
        ) from error
    try:
        _lock(descriptor, workspace)
        with suppress(OSError):  # for people only
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} at {where}".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, workspace: Workspace) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 500, 0).decode(errors="replace")
        raise LockedError(
            f"{workspace.log}: {holder or 'another process'} serves this log already; expected to"
            " be its only service, use that one or stop it first."
        ) from error
