"""A client of the log's service: one connection."""

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from workbench.contracts.records import DecisionRecord
from workbench.decision_log.append import Appended, Signed
from workbench.decision_log.service.messages import MAXIMUM_BODY, raise_error, receive, send
from workbench.decision_log.service.peers import address_of, peer_of, user_name
from workbench.errors import LogError
from workbench.workspace import Workspace, keys_folder

_PART_BYTES: Final = MAXIMUM_BODY // 2  # of a batch that is too large for one message
_NOBODY_LISTENS: Final = (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTSOCK, errno.ENOTDIR)


class BrokenOffError(LogError):
    """The service ended; the same may be asked again, since no record is entered twice."""


class ServiceClient:
    """Appends through the service; one connection, kept open until `close`.

    Args:
        path: Of the service's socket.
        user: Who must be serving; None: anybody whom the socket's folder lets in.

    Raises:
        BrokenOffError: Nobody listens there.
        LogError: It may not be opened, or somebody else listens.
    """

    def __init__(self, path: Path, *, user: int | None = None) -> None:
        self._path = path
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with address_of(path) as address:
                self._connection.connect(address)
            self._refuse_other_than(user)
        except OSError as error:
            self._connection.close()
            kind = BrokenOffError if error.errno in _NOBODY_LISTENS else LogError
            raise kind(
                f"{path}: the log's service does not answer ({error.strerror or error}); start it"
                " with 'workbench log service'."
            ) from error

    def __enter__(self) -> "ServiceClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Process of the service."""
        return peer_of(self._connection).pid

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def append(self, records: Sequence[DecisionRecord]) -> Appended:
        """See `DecisionLog.append`."""
        return self.append_entries([record.unsealed() for record in records])

    def append_entries(self, entries: Sequence[bytes]) -> Appended:
        """Append canonical records; they are durable on return.

        A batch of more than 32 MB goes in several parts, each taken whole or refused.
        """
        answers = [self._append(part) for part in _parts(entries)]
        if len(answers) == 1:
            return answers[0]
        first = next((a.first_index for a in answers if a.first_index is not None), None)
        last = answers[-1]
        indexes = tuple(index for answer in answers for index in answer.indexes)
        new = sum(answer.new for answer in answers)
        return Appended(indexes, new, first, last.size, last.told)

    def _append(self, entries: Sequence[bytes]) -> Appended:
        answer, _ = self._ask({"do": "append"}, entries)
        signed = Signed(answer.pop("root"), answer.pop("checkpoint"))
        facts = {**answer, "indexes": tuple(answer["indexes"])}
        return Appended(**facts, told=lambda: signed)

    def entries_of(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Entries of those decisions that are in the log, by id."""
        answer, entries = self._ask({"do": "entries_of"}, [name.encode() for name in ids])
        return dict(zip(answer["ids"], entries, strict=True))

    def publish(self) -> None:
        """Return when readers see all that was acknowledged; else they do a little later.

        Raises:
            LogError: The storage refused; nothing acknowledged is lost.
        """
        self._ask({"do": "publish"}, [])

    def _ask(
        self, head: dict[str, Any], entries: Sequence[bytes]
    ) -> tuple[dict[str, Any], list[bytes]]:
        try:
            with suppress(BrokenPipeError):  # it may have said why before it hung up
                send(self._connection, head, entries)
            answer = receive(self._connection)
        except OSError as error:
            raise self._broken(str(error.strerror or error)) from error
        if answer is None:
            raise self._broken("it hung up")
        if answer[0].get("again"):
            raise BrokenOffError(str(answer[0].get("message")))
        raise_error(answer[0])
        return answer

    def _broken(self, why: str) -> BrokenOffError:
        return BrokenOffError(
            f"{self._path}: the log's service broke off ({why}); what it did not acknowledge may or"
            " may not be in the log: run again, the same records are never entered twice."
        )

    def _refuse_other_than(self, user: int | None) -> None:
        serving = peer_of(self._connection)
        if user is not None and serving.uid != user:
            self._connection.close()
            raise LogError(
                f"{self._path}: served by {serving.name!r}; expected {user_name(user)!r}, who runs"
                " this. End that process, or set [log] socket in workbench.toml if it is meant."
            )


def _parts(entries: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    start = size = 0
    for place, entry in enumerate(entries):
        if size and size + len(entry) > _PART_BYTES:
            yield entries[start:place]
            start, size = place, 0
        size += len(entry) + 2
    yield entries[start:]


def socket_path(workspace: Workspace) -> Path:
    """Where the service of a workspace listens, unless its settings say otherwise.

    Beside the log's key, which every writer needs: sessions and timers with different runtime
    folders find the same service, other users find none, and a copy of the workspace has neither
    the socket nor this service.
    """
    if workspace.log_socket is not None:
        return workspace.log_socket
    place = f"{workspace.root.resolve()}\0{workspace.log_origin()}"
    return keys_folder() / f"log-{sha256(os.fsencode(place)).hexdigest()[:16]}.sock"


def connect(workspace: Workspace) -> ServiceClient | None:
    """A client of the workspace's service; None where none runs.

    Raises:
        LogError: The socket there is not this user's.
    """
    user = os.getuid() if workspace.log_socket is None else None
    try:
        return ServiceClient(socket_path(workspace), user=user)
    except BrokenOffError:  # none was started, or a crash left its socket
        return None
