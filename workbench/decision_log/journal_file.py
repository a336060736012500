"""The journal as a file: one write and one flush per record."""

import os
import secrets
from pathlib import Path

from workbench.decision_log.journal import EPOCH_BYTES, HEADER_BYTES, frame, header


class JournalFile:
    """A journal that this process writes; the file must not exist.

    Args:
        path: Of the file.
        mode: Who may read it.
        reserve: Bytes to fill with zeros at once. Records that overwrite them change no metadata,
            so that a flush is one write to the disk.

    Raises:
        OSError: It cannot be made or written.
    """

    def __init__(self, path: Path, reserve: int = 0, *, mode: int = 0o600) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        self._epoch = b""
        self._end = 0
        try:
            if reserve:
                _write(self._descriptor, bytes(reserve), 0)
                os.fsync(self._descriptor)
            flush(path.parent)
        except OSError:
            self.close()
            raise

    def write(self, data: bytes) -> None:
        """Add a record; it is durable on return, and not there when this raises."""
        if self._end:
            framed = frame(self._epoch, self._end, data)
        else:
            self._epoch = secrets.token_bytes(EPOCH_BYTES)
            framed = header(self._epoch) + frame(self._epoch, HEADER_BYTES, data)
        _write(self._descriptor, framed, self._end)
        os.fdatasync(self._descriptor)
        self._end += len(framed)

    def empty(self) -> None:
        """Take back every record; the next one begins a new epoch, also when this raises."""
        self._end = 0
        _write(self._descriptor, bytes(HEADER_BYTES), 0)
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


def _write(descriptor: int, data: bytes, place: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, place)
        view, place = view[written:], place + written


def flush(path: Path) -> None:
    """Make a file's bytes, or a folder's entries, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
