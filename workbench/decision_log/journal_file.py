"""The journal as a file: a record is durable after one write.

Where the file system allows it, a journal with a reserve is written past the page cache
(`direct_file`).
"""

import os
import secrets
from pathlib import Path
from typing import Final

from workbench.decision_log.direct_file import DirectFile, direct_file, write_at
from workbench.decision_log.durable import flush
from workbench.decision_log.journal import BLOCK_BYTES, EPOCH_BYTES, frame, header

_AT_ONCE: Final = 1 << 20


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
        self._direct: DirectFile | None = None
        self._reserve = reserve
        self._reserved = 0
        self._epoch = b""
        self._end = self._next = 0  # of what was kept; of what was written
        try:
            if reserve:
                self._extend(reserve)
                self._direct = direct_file(path, self._descriptor)
            flush(path.parent)
        except BaseException:
            self.close()
            raise

    def write(self, data: bytes) -> None:
        """Add a record; it is durable on return, and not there when this raises."""
        self.begin(data)
        self.end()
        self.keep()

    @property
    def overlaps(self) -> bool:
        """Whether the disk writes between `begin` and `end`."""
        return self._direct is not None and self._direct.overlaps

    def begin(self, data: bytes) -> None:
        """Begin to write a record after those that were kept."""
        if self._end:
            framed = frame(self._epoch, self._end, data)
        else:
            self._epoch = secrets.token_bytes(EPOCH_BYTES)
            framed = header(self._epoch) + frame(self._epoch, BLOCK_BYTES, data)
        end = self._end + len(framed)
        if self._reserve and end > self._reserved:
            self._extend(end)
        self._put(framed, self._end)
        self._next = end

    def end(self) -> None:
        """Wait until what was begun is durable."""
        if self._direct is not None:
            self._direct.end()

    def keep(self) -> None:
        """Go on after what was written; else the next record is written over it."""
        self._end = self._next

    def empty(self) -> None:
        """Take back every record; the next one begins a new epoch, also when this raises."""
        self._end = self._next = 0
        self._put(bytes(BLOCK_BYTES), 0)
        self.end()

    def close(self) -> None:
        """Let go of the file."""
        direct, self._direct = self._direct, None
        try:
            os.close(self._descriptor)
        finally:
            if direct is not None:
                direct.close()

    def _extend(self, end: int) -> None:
        """Fill the next reserve with zeros, at least up to `end`."""
        end += -end % self._reserve
        for place in range(self._reserved, end, _AT_ONCE):
            write_at(self._descriptor, bytes(min(_AT_ONCE, end - place)), place)
        os.fsync(self._descriptor)
        self._reserved = end

    def _put(self, data: bytes, place: int) -> None:
        """Begin to write whole blocks durably."""
        if self._direct is not None:
            self._direct.begin(data, place)
        else:
            write_at(self._descriptor, data, place)
            os.fdatasync(self._descriptor)
