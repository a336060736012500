"""The service: one process that holds the log's key and appends for its clients."""

import contextlib
import errno
import json
import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from workbench.decision_log.append import DecisionLog
from workbench.decision_log.service.checks import Check, check_all
from workbench.decision_log.service.group import GroupCommit, StoppingError
from workbench.decision_log.service.limits import Limits, TooManyError
from workbench.decision_log.service.messages import (
    error_head,
    receive_lengths,
    receive_rest,
    send,
)
from workbench.decision_log.service.peers import Peer, address_of, peer_of
from workbench.errors import LogError, WorkbenchError

_BACKLOG: Final = 64
_POLL_SECONDS: Final = 0.2
_PATIENCE_SECONDS: Final = 30.0  # with a client that sends or reads slowly
_PARTING_SECONDS: Final = 10.0
_OWNER_ONLY: Final = 0o600
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED)


class LogServer:
    """Listens on a unix socket.

    Args:
        open_log: Opens the log in this process.
        path: Of the socket; its folder must exist.
        checks: Run on every record before it is appended; each raises to refuse.
        idle: Seconds without a client after which the service stops; None: never.
        mode: Of the socket: who may connect.
    """

    def __init__(
        self,
        open_log: Callable[[], DecisionLog],
        path: Path,
        *,
        checks: Sequence[Check],
        idle: float | None = None,
        mode: int = _OWNER_ONLY,
    ) -> None:
        self._path = path
        self._checks = checks
        self._idle = idle
        self._mode = mode
        self._group = GroupCommit(open_log)
        self._limits = Limits()
        self._stopping = threading.Event()
        self._clients: dict[socket.socket, threading.Thread] = {}
        self._guard = threading.Lock()
        self._last_seen = time.monotonic()

    def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Serve until `stop` or a signal; then answer what was received and let the log go.

        Raises:
            WorkbenchError: The log is locked, damaged or unwritable, or the socket is taken.
        """
        self._group.start()
        try:
            with _listening(self._path, self._mode) as listener:
                started()
                while not self._stopping.is_set() and not self._idle_too_long():
                    self._accept(listener)
                self._last_calls(listener)
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

    def _accept(self, listener: socket.socket) -> bool:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            return False
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            time.sleep(_POLL_SECONDS)  # who waits is served when others have gone
            return False
        connection.settimeout(None)
        thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
        with self._guard:
            self._last_seen = time.monotonic()
            self._clients[connection] = thread
        try:
            thread.start()
        except RuntimeError:  # no thread is to be had
            with self._guard:
                self._clients.pop(connection)
            connection.close()
        return True

    def _last_calls(self, listener: socket.socket) -> None:
        """Take who found the socket before its name goes; who comes later finds none."""
        _remove(self._path)
        listener.settimeout(0.0)
        with contextlib.suppress(BlockingIOError):
            while self._accept(listener):
                pass

    def _finish(self) -> None:
        """Append what waits, refuse what comes, and see every answer off."""
        self._group.close()
        with self._guard:
            clients = dict(self._clients)
        for connection in clients:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        deadline = time.monotonic() + _PARTING_SECONDS
        for thread in clients.values():
            thread.join(max(0.0, deadline - time.monotonic()))

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                peer = peer_of(connection)
                try:
                    with self._limits.connection(peer.uid):
                        while self._serve_one(connection, peer):
                            pass
                except TooManyError as error:
                    send(connection, error_head(error))
        except (OSError, WorkbenchError):
            pass  # a client that breaks off, or sends no message, is let go
        finally:
            with self._guard:
                self._clients.pop(connection, None)

    def _serve_one(self, connection: socket.socket, peer: Peer) -> bool:
        """Answer one request; False when there is none any more."""
        connection.settimeout(None)
        lengths = receive_lengths(connection)
        if lengths is None:
            return False
        connection.settimeout(_PATIENCE_SECONDS)
        with self._limits.room(peer.uid, sum(lengths)):
            head, entries = receive_rest(connection, *lengths)
            try:
                answer, found = self._do(peer, head, entries)
            except WorkbenchError as error:
                answer, found = error_head(error, again=isinstance(error, StoppingError)), []
            send(connection, answer, found)
        return True

    def _do(
        self, peer: Peer, head: dict[str, Any], entries: list[bytes]
    ) -> tuple[dict[str, Any], list[bytes]]:
        wish = head.get("do")
        if wish == "append":
            check_all(entries, peer, self._checks, self._find)
            return self._group.append(entries).facts(), []
        if wish == "entries_of":
            known = self._group.entries_of(_names(entries))
            return {"ids": list(known)}, list(known.values())
        if wish == "publish":
            self._group.publish()
            return {}, []
        raise LogError(
            f"request {str(wish)[:40]!r}: unknown; expected append, entries_of or publish."
        )

    def _find(self, name: str) -> Mapping[str, Any] | None:
        entry = self._group.entries_of([name]).get(name)
        return json.loads(entry) if entry else None


def _names(entries: Sequence[bytes]) -> list[str]:
    try:
        return [entry.decode() for entry in entries]
    except UnicodeDecodeError as error:
        raise LogError("request: an id is not UTF-8; expected ids of decisions.") from error


@contextlib.contextmanager
def _listening(path: Path, mode: int) -> Iterator[socket.socket]:
    """A listening socket; a dead one that a crash left is replaced, a live one never."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    bound = False
    try:
        with address_of(path) as address:
            _clear(path, address)
            os.fchmod(listener.fileno(), mode)  # its file is born with it: never open to more
            listener.bind(address)
            bound = True
            Path(address).chmod(mode)  # the umask may have taken what the group needs
        listener.listen(_BACKLOG)
        listener.settimeout(_POLL_SECONDS)
        yield listener
    except OSError as error:
        raise LogError(
            f"{path}: cannot listen there ({error.strerror or error}); give another with --socket."
        ) from error
    finally:
        listener.close()
        if bound:
            _remove(path)


def _clear(path: Path, address: str) -> None:
    if not os.path.lexists(path):
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise LogError(f"{path}: is no socket; expected a free path for the log's service.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(address)
        except OSError:  # its process is dead
            path.unlink()
            return
        raise LogError(
            f"{path}: process {peer_of(probe).pid} listens there already; expected a free path,"
            " give another with --socket."
        )


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
