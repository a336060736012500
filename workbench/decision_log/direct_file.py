"""Durable writes of whole blocks past the page cache, while the processor goes on.

`O_DIRECT` with `O_DSYNC` is faster than a write and a flush: bytes go to the disk in the write
itself, and the disk's own cache is flushed before that is done. Where the kernel has asynchronous
I/O (io_submit(2)), a write is begun, other work done, and then waited for; elsewhere it is done
when it is begun.
"""

import ctypes
import errno
import mmap
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

BLOCK_BYTES: Final = 4096
_AT_ONCE: Final = 1 << 20
_DIRECT: Final = getattr(os, "O_DIRECT", 0)  # Linux
_FLAGS: Final = os.O_WRONLY | _DIRECT | os.O_DSYNC | os.O_NOFOLLOW | os.O_CLOEXEC
# A file system without O_DIRECT; asynchronous calls that are forbidden to this process.
_UNABLE: Final = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM)
# io_setup, io_destroy, io_getevents, io_submit of <asm/unistd.h>
_CALLS: Final = {"x86_64": (206, 207, 208, 209), "aarch64": (0, 1, 4, 2)}
_WRITE: Final = 1  # IOCB_CMD_PWRITE of <linux/aio_abi.h>
_LONG: Final = ctypes.c_long
_POINTER: Final = ctypes.c_void_p


class DirectFile:
    """Writes a file of whole blocks, one write at a time.

    Args:
        path: Of the file.

    Raises:
        OSError: It cannot be opened that way.
    """

    def __init__(self, path: Path) -> None:
        self._mapped = mmap.mmap(-1, _AT_ONCE)  # begins at a page, as O_DIRECT demands
        self._descriptor = os.open(path, _FLAGS)
        self._buffer = memoryview(self._mapped)
        self._queue = _queue(self._descriptor, self._mapped)
        self._begun: tuple[int, int] | None = None  # bytes and place of the write in flight

    @property
    def overlaps(self) -> bool:
        """Whether this process goes on while the disk writes."""
        return self._queue is not None

    def begin(self, data: bytes, place: int) -> None:
        """Begin to write whole blocks; they are durable when `end` has returned.

        Raises:
            OSError: The disk refused.
        """
        self.end()  # an interrupted writer may not have waited
        if self._queue is None or len(data) > _AT_ONCE:
            self._at_once(data, place)
            return
        self._buffer[: len(data)] = data
        self._queue.submit(len(data), place)
        self._begun = len(data), place

    def end(self) -> None:
        """Wait for what was begun, if anything was.

        Raises:
            OSError: The disk refused it.
        """
        if self._begun is None or self._queue is None:
            return
        written = self._queue.wait()
        (length, place), self._begun = self._begun, None
        if written < 0:
            raise OSError(-written, os.strerror(-written))
        if written < length:  # as write(2) may
            write_at(self._descriptor, self._buffer[written:length], place + written)

    def is_same(self, descriptor: int) -> bool:
        """Whether a descriptor is of this file: another may have taken its name."""
        return os.path.sameopenfile(self._descriptor, descriptor)

    def close(self) -> None:
        """Let go of the file, after what is in flight."""
        queue, self._queue = self._queue, None
        try:
            if queue is not None:
                queue.close()
        finally:
            os.close(self._descriptor)

    def _at_once(self, data: bytes, place: int) -> None:
        for start in range(0, len(data), _AT_ONCE):
            part = data[start : start + _AT_ONCE]
            self._buffer[: len(part)] = part
            write_at(self._descriptor, self._buffer[: len(part)], place + start)


def direct_file(path: Path, opened: int | None = None) -> DirectFile | None:
    """A way past the page cache to a file whose first block is zeros; None: there is none.

    Args:
        path: Of the file.
        opened: A descriptor of it; another file under that name is not written.

    Raises:
        OSError: The disk refused, or it is another file.
    """
    direct: DirectFile | None = None
    if not _DIRECT:
        return None
    try:
        direct = DirectFile(path)
        if opened is not None and not direct.is_same(opened):
            raise OSError(errno.ESTALE, "replaced by another file while it was made")
        direct.begin(bytes(BLOCK_BYTES), 0)
        direct.end()
    except BaseException as error:
        if direct is not None:
            direct.close()
        if isinstance(error, OSError) and error.errno in _UNABLE:
            return None
        raise
    return direct


def write_at(descriptor: int, data: bytes | memoryview, place: int) -> None:
    """Write all of it at a place of a file."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, place)
        view, place = view[written:], place + written


class _Control(ctypes.Structure):
    """`struct iocb` of <linux/aio_abi.h>, of a little-endian machine."""

    _fields_ = (
        ("data", ctypes.c_uint64), ("key", ctypes.c_uint32), ("rw_flags", ctypes.c_int32),
        ("operation", ctypes.c_uint16), ("priority", ctypes.c_int16), ("file", ctypes.c_uint32),
        ("buffer", ctypes.c_uint64), ("length", ctypes.c_uint64), ("offset", ctypes.c_int64),
        ("reserved", ctypes.c_uint64), ("flags", ctypes.c_uint32), ("event", ctypes.c_uint32),
    )  # fmt: skip


class _Event(ctypes.Structure):
    """`struct io_event` of <linux/aio_abi.h>."""

    _fields_ = (
        ("data", ctypes.c_uint64), ("control", ctypes.c_uint64),
        ("result", ctypes.c_int64), ("second", ctypes.c_int64),
    )  # fmt: skip


class _Queue:
    """A queue of the kernel for one write in flight, always from the same buffer.

    Raises:
        OSError: The kernel has none to give.
    """

    def __init__(self, descriptor: int, buffer: mmap.mmap) -> None:
        setup, destroy, getevents, submit = _CALLS[platform.machine()]
        self._context = ctypes.c_ulong(0)
        _checked(_call(_LONG, _POINTER)(setup, 1, ctypes.addressof(self._context)))
        address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
        self._control = _Control(operation=_WRITE, file=descriptor, buffer=address)
        self._pointer = ctypes.c_uint64(ctypes.addressof(self._control))
        self._event = _Event()
        self._submit_call = (submit, self._context.value, 1, ctypes.addressof(self._pointer))
        self._wait_call = (
            getevents, self._context.value, 1, 1, ctypes.addressof(self._event), None,
        )  # fmt: skip
        self._destroy_call = (destroy, self._context.value)
        self._submit = _call(ctypes.c_ulong, _LONG, _POINTER)
        self._wait = _call(ctypes.c_ulong, _LONG, _LONG, _POINTER, _POINTER)

    def submit(self, length: int, place: int) -> None:
        self._control.length, self._control.offset = length, place
        self._event.control = 0
        while self._submit(*self._submit_call) != 1:
            _retried()

    def wait(self) -> int:
        """How many bytes were written, or the negative number of an error.

        Called again by an interrupted caller it returns the same: what the kernel filled in tells,
        not what the call returned, which an exception of a signal handler may have swallowed.
        """
        while not self._event.control:
            if self._wait(*self._wait_call) != 1:
                _retried()
        return int(self._event.result)

    def close(self) -> None:
        """Waits for what is in flight, too."""
        _call(ctypes.c_ulong)(*self._destroy_call)


def _queue(descriptor: int, buffer: mmap.mmap) -> _Queue | None:
    if platform.machine() not in _CALLS or ctypes.sizeof(_LONG) != 8 or sys.platform != "linux":
        return None
    try:
        return _Queue(descriptor, buffer)
    except OSError:  # forbidden to this process, or none is left: it goes without
        return None


def _call(*arguments: Any) -> Callable[..., int]:
    """syscall(2) with arguments of these types after the number of the call."""
    return ctypes.CFUNCTYPE(_LONG, _LONG, *arguments, use_errno=True)(
        ("syscall", ctypes.CDLL(None))
    )


def _retried() -> None:
    """After a call that failed: returns where it is to be made again."""
    number = ctypes.get_errno()
    if number != errno.EINTR:
        raise OSError(number, os.strerror(number))


def _checked(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
