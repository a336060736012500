"""The service: one process that holds the log's key and lock and appends for its clients."""

import contextlib
import os
import pwd
import signal
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from workbench.contracts.record_checks import check_entry
from workbench.decision_log.append import DecisionLog
from workbench.decision_log.service.group import GroupCommit
from workbench.decision_log.service.messages import error_head, receive, send
from workbench.decision_log.service.reserved import reserved_for_the_operator
from workbench.errors import ContractError, LogError, WorkbenchError

_BACKLOG: Final = 64
_POLL_SECONDS: Final = 0.2


@dataclass(frozen=True)
class Peer:
    """The process at the other end, as the kernel names it."""

    pid: int
    uid: int
    name: str


Check = Callable[[dict[str, Any], Peer], None]


def actor_is_peer(record: dict[str, Any], peer: Peer) -> None:
    """Another OS user signs with its own name; the service's user runs what has other names.

    Raises:
        ContractError: The record names somebody else.
    """
    if peer.uid != os.getuid() and record["actor"] != peer.name:
        raise ContractError(
            f"decision {record['id']!r}: actor is {record['actor']!r}; expected {peer.name!r}, the"
            " user who sends it."
        )


class LogServer:
    """Listens on a unix socket.

    Args:
        log: The log that this process writes.
        path: Of the socket; its folder must exist.
        checks: Run on every record before it is appended; each raises to refuse.
        idle: Seconds without a client after which the service stops; None: never.
    """

    def __init__(
        self,
        log: DecisionLog,
        path: Path,
        *,
        checks: Sequence[Check] = (actor_is_peer, reserved_for_the_operator),
        idle: float | None = None,
    ) -> None:
        self._log = log
        self._path = path
        self._checks = checks
        self._idle = idle
        self._group = GroupCommit(log)
        self._stopping = threading.Event()
        self._clients: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._last_seen = time.monotonic()

    def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Serve until `stop` or a signal; then finish what was received and let the log go.

        Raises:
            WorkbenchError: The log is locked, damaged or unwritable, or the socket is taken.
        """
        self._group.start()
        try:
            with _listening(self._path) as listener:
                started()
                while not self._stopping.is_set() and not self._idle_too_long():
                    with contextlib.suppress(TimeoutError):
                        connection, _ = listener.accept()
                        self._begin(connection)
        finally:
            self._finish()

    def stop(self, *_: Any) -> None:
        """Ask for the end; safe in a signal handler."""
        self._stopping.set()

    def stop_on_signals(self) -> None:
        """SIGTERM and SIGINT end the service cleanly."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)

    def _idle_too_long(self) -> bool:
        with self._guard:
            if self._clients or self._idle is None:
                self._last_seen = time.monotonic()
                return False
            return time.monotonic() - self._last_seen > self._idle

    def _begin(self, connection: socket.socket) -> None:
        connection.settimeout(None)
        with self._guard:
            self._clients.add(connection)
        threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _finish(self) -> None:
        self._group.close()
        with self._guard:
            for connection in self._clients:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                peer = _peer(connection)
                while (message := receive(connection)) is not None:
                    self._answer(connection, peer, *message)
        except (OSError, WorkbenchError):
            pass  # a client that breaks off or sends no message is let go
        finally:
            with self._guard:
                self._clients.discard(connection)

    def _answer(
        self, connection: socket.socket, peer: Peer, head: dict[str, Any], entries: list[bytes]
    ) -> None:
        try:
            answer, found = self._do(peer, head, entries)
        except WorkbenchError as error:
            answer, found = error_head(error), []
        send(connection, answer, found)

    def _do(
        self, peer: Peer, head: dict[str, Any], entries: list[bytes]
    ) -> tuple[dict[str, Any], list[bytes]]:
        wish = head.get("do")
        if wish == "append":
            for entry in entries:
                record = check_entry(entry)
                for check in self._checks:
                    check(record, peer)
            return asdict(self._group.append(entries)), []
        if wish == "entries_of":
            known = self._group.entries_of([entry.decode() for entry in entries])
            return {"ids": list(known)}, list(known.values())
        raise LogError(f"request {str(wish)[:40]!r}: unknown; expected append or entries_of.")


def _peer(connection: socket.socket) -> Peer:
    """Who connected (Linux, SO_PEERCRED): as of the connection, not forgeable by the client."""
    facts = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", facts)
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return Peer(pid, uid, name)


@contextlib.contextmanager
def _listening(path: Path) -> Any:
    """A listening socket; a dead one left by a crash is replaced, since the log's lock is ours."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISSOCK(path.lstat().st_mode):
                raise LogError(f"{path}: is no socket; expected a free path for the log's service.")
            path.unlink()
        listener.bind(str(path))
        listener.listen(_BACKLOG)
        listener.settimeout(_POLL_SECONDS)
        yield listener
    except OSError as error:
        raise LogError(
            f"{path}: cannot listen there ({error.strerror or error}); give another with --socket."
        ) from error
    finally:
        listener.close()
        with contextlib.suppress(OSError):
            path.unlink()
