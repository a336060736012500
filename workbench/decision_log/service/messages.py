"""Messages between the log's service and its clients: a JSON head, then entries.

Each message is framed by two lengths of 4 bytes, big-endian: of the head and of the body. The body
holds entries as a bundle does, each after its length as 16 bits.
"""

import json
import socket
from collections.abc import Sequence
from typing import Any, Final

from workbench import errors
from workbench.decision_log.tiles import decode_bundle, encode_bundle
from workbench.errors import LogError, WorkbenchError

MAXIMUM_HEAD: Final = 16 << 20  # bytes; answers name an index per entry
MAXIMUM_BODY: Final = 64 << 20
_LENGTHS: Final = 8


def send(connection: socket.socket, head: dict[str, Any], entries: Sequence[bytes] = ()) -> None:
    """Send one message.

    Raises:
        LogError: It is larger than a message may be.
        OSError: The connection broke.
    """
    text, body = json.dumps(head).encode(), encode_bundle(entries)
    if len(text) > MAXIMUM_HEAD or len(body) > MAXIMUM_BODY:
        raise LogError(
            f"message of {len(body)} bytes to the log's service; expected at most {MAXIMUM_BODY},"
            " append in several parts."
        )
    connection.sendall(len(text).to_bytes(4, "big") + len(body).to_bytes(4, "big") + text + body)


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[bytes]] | None:
    """Read one message; None when the other side closed between messages.

    Raises:
        LogError: It is malformed or too large, or the connection ended within it.
        OSError: The connection broke.
    """
    lengths = receive_lengths(connection)
    return receive_rest(connection, *lengths) if lengths else None


def receive_lengths(connection: socket.socket) -> tuple[int, int] | None:
    """Lengths of the next message's head and body; None when the other side closed.

    Raises:
        LogError: They are larger than a message may be, or the connection ended within them.
        OSError: The connection broke.
    """
    lengths = _exactly(connection, _LENGTHS, whole=False)
    if lengths is None:
        return None
    head_length = int.from_bytes(lengths[:4], "big")
    body_length = int.from_bytes(lengths[4:], "big")
    if head_length > MAXIMUM_HEAD or body_length > MAXIMUM_BODY:
        raise LogError(f"message of {head_length + body_length} bytes: too large.")
    return head_length, body_length


def receive_rest(
    connection: socket.socket, head_length: int, body_length: int
) -> tuple[dict[str, Any], list[bytes]]:
    """Head and entries of a message whose lengths were read.

    Raises:
        LogError: It is malformed, or the connection ended within it.
        OSError: The connection broke.
    """
    text = _exactly(connection, head_length) or b""
    body = _exactly(connection, body_length) or b""
    try:
        head = json.loads(text)
        entries = decode_bundle(body, "message")
    except (ValueError, RecursionError) as error:
        raise LogError(f"message: malformed ({error}).") from error
    if not isinstance(head, dict):
        raise LogError("message: expected an object.")
    return head, entries


def _exactly(connection: socket.socket, count: int, *, whole: bool = True) -> bytes | None:
    parts, missing = [], count
    while missing:
        part = connection.recv(min(missing, 1 << 20))
        if not part:
            if not whole and missing == count:
                return None
            raise LogError("message: the connection ended within it.")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def error_head(error: WorkbenchError, *, again: bool = False) -> dict[str, Any]:
    """An error as an answer; `again` says that another service may be asked the same."""
    return {"error": type(error).__name__, "message": str(error), "again": again}


def raise_error(head: dict[str, Any]) -> None:
    """Raise the error that an answer carries, if any, as the class that the service raised."""
    if "error" not in head:
        return
    kind = getattr(errors, str(head["error"]), LogError)
    if not (isinstance(kind, type) and issubclass(kind, WorkbenchError)):
        kind = LogError
    raise kind(str(head.get("message", "the log's service refused.")))
