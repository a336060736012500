"""The journal as a file: a record is durable after one write.

Where the file system allows it, a journal with a reserve is written past the page cache
(`O_DIRECT`) with `O_DSYNC`, which is faster than a write and a flush: a record goes to the disk in
the write itself, and the disk's own cache is flushed before that returns.
"""

import errno
import mmap
import os
import secrets
from pathlib import Path
from typing import Final

from workbench.decision_log.journal import BLOCK_BYTES, EPOCH_BYTES, frame, header

_AT_ONCE: Final = 1 << 20
_UNABLE: Final = (errno.EINVAL, errno.EOPNOTSUPP)  # a file system without O_DIRECT


class JournalFile:
    """A journal that this process writes; the file must not exist.

    Args:
        path: Of the file.
        mode: Who may read it.
        reserve: Bytes to fill with zeros at once, and again whenever they are used up. Records
            that overwrite them change no metadata, so that each is one write to the disk.

    Raises:
        OSError: It cannot be made or written.
    """

    def __init__(self, path: Path, reserve: int = 0, *, mode: int = 0o600) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        self._uncached: _Uncached | None = None
        self._reserve = reserve
        self._reserved = 0
        self._epoch = b""
        self._end = 0
        try:
            if reserve:
                self._extend(reserve)
                self._uncached = _uncached(path)
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
            framed = header(self._epoch) + frame(self._epoch, BLOCK_BYTES, data)
        end = self._end + len(framed)
        if self._reserve and end > self._reserved:
            self._extend(end)
        self._put(framed, self._end)
        self._end = end

    def empty(self) -> None:
        """Take back every record; the next one begins a new epoch, also when this raises."""
        self._end = 0
        self._put(bytes(BLOCK_BYTES), 0)

    def close(self) -> None:
        """Let go of the file."""
        uncached, self._uncached = self._uncached, None
        try:
            os.close(self._descriptor)
        finally:
            if uncached is not None:
                uncached.close()

    def _extend(self, end: int) -> None:
        """Fill the next reserve with zeros, at least up to `end`."""
        end += -end % self._reserve
        for place in range(self._reserved, end, _AT_ONCE):
            _write(self._descriptor, bytes(min(_AT_ONCE, end - place)), place)
        os.fsync(self._descriptor)
        self._reserved = end

    def _put(self, data: bytes, place: int) -> None:
        """Write durably; both in whole blocks."""
        if self._uncached is not None:
            self._uncached.write(data, place)
        else:
            _write(self._descriptor, data, place)
            os.fdatasync(self._descriptor)


class _Uncached:
    """Durable writes of whole blocks past the page cache.

    Args:
        descriptor: Of the file, opened with `O_DIRECT` and `O_DSYNC`; closed by `close`.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = memoryview(mmap.mmap(-1, _AT_ONCE))  # begins at a page, as O_DIRECT demands

    def write(self, data: bytes, place: int) -> None:
        for start in range(0, len(data), _AT_ONCE):
            part = data[start : start + _AT_ONCE]
            self._buffer[: len(part)] = part
            _write(self._descriptor, self._buffer[: len(part)], place + start)

    def close(self) -> None:
        os.close(self._descriptor)


def _uncached(path: Path) -> _Uncached | None:
    """A second way to a file whose first block is zeros; None where that cannot be had."""
    descriptor = -1
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_DIRECT | os.O_DSYNC | os.O_CLOEXEC)
        uncached = _Uncached(descriptor)
        uncached.write(bytes(BLOCK_BYTES), 0)
    except OSError as error:
        if descriptor >= 0:
            os.close(descriptor)
        if error.errno not in _UNABLE:
            raise
        return None
    return uncached


def _write(descriptor: int, data: bytes | memoryview, place: int) -> None:
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
