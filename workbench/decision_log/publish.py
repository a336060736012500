"""The log's files over HTTP, read-only, as c2sp.org/tlog-tiles lays them out.

Only paths that the format knows are looked up, spelt exactly: locks, pending batches and foreign
files do not exist here. Symbolic links inside the folder are not followed.
"""

import os
import stat
from pathlib import Path
from typing import Final

from workbench.decision_log.serving import TEXT_TYPE, Binding, LogServer, Reply, Request, text_reply
from workbench.decision_log.tiles import CHECKPOINT, MAXIMUM_ENTRY, TILE_WIDTH, parse_path
from workbench.errors import LogError

_MOST_BYTES: Final = TILE_WIDTH * (MAXIMUM_ENTRY + 2)
_METHODS: Final = ("GET", "HEAD")
_CHECKPOINT_HEADERS: Final = {"Content-Type": TEXT_TYPE, "Cache-Control": "no-cache"}
_TILE_HEADERS: Final = {
    "Content-Type": "application/octet-stream",
    "Cache-Control": "public, max-age=31536000, immutable",
}


def log_server(folder: Path, binding: Binding) -> LogServer:
    """A server of a log's folder.

    Raises:
        LogError: There is no log, or the address or the certificate cannot be used.
    """
    if not (folder / CHECKPOINT).is_file():
        raise LogError(f"{folder / CHECKPOINT}: not found; expected the folder of a decision log.")
    return LogServer(lambda request: answer(folder, request), binding)


def answer(folder: Path, request: Request) -> Reply:
    """Answer one request for a file of the log."""
    if request.method not in _METHODS:
        return text_reply(405, "Expected GET or HEAD.", Allow=", ".join(_METHODS))
    path = request.path.removeprefix("/")
    known = path == CHECKPOINT or parse_path(path) is not None
    data = _read_within(folder, path) if known and request.path.startswith("/") else None
    if data is None:
        return text_reply(404, "Not found.")
    return Reply(200, data, _CHECKPOINT_HEADERS if path == CHECKPOINT else _TILE_HEADERS)


def _read_within(folder: Path, path: str) -> bytes | None:
    """A regular file below the folder, no component of whose path is a symbolic link."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        for part in path.split("/"):
            parent = descriptor
            try:
                # not blocking: to open a pipe would wait for its writer
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                descriptor = os.open(part, flags, dir_fd=parent)
            finally:
                os.close(parent)
    except OSError:
        return None
    return _read_regular(descriptor)


def _read_regular(descriptor: int) -> bytes | None:
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(_MOST_BYTES)
    except OSError:
        return None
    finally:
        os.close(descriptor)
