"""Unix sockets: who is at the other end, and paths longer than an address has room for."""

import os
import pwd
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MOST_PATH_BYTES: Final = 107  # of sockaddr_un on Linux, less the closing zero


@dataclass(frozen=True)
class Peer:
    """The process at the other end, as the kernel names it."""

    pid: int
    uid: int
    name: str


def user_name(uid: int) -> str:
    """Login name of a user; the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def this_process() -> Peer:
    """This process, as others would see it."""
    return Peer(os.getpid(), os.getuid(), user_name(os.getuid()))


def peer_of(connection: socket.socket) -> Peer:
    """Who connected, or who listens (Linux, SO_PEERCRED): not forgeable by the other end."""
    facts = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", facts)
    return Peer(pid, uid, user_name(uid))


@contextmanager
def address_of(path: Path) -> Iterator[str]:
    """An address of the socket at `path`, by way of its open folder where the path is long.

    Raises:
        OSError: The folder cannot be opened.
    """
    if len(os.fsencode(path)) <= _MOST_PATH_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
