"""Where a log keeps its bytes: a protocol, a POSIX folder and an in-memory stand-in."""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from workbench.decision_log.durable import (
    create_file,
    flush,
    make_durably,
    read_whole,
    replace_durably,
)
from workbench.decision_log.journal import JOURNAL, frames
from workbench.decision_log.journal_file import JournalFile
from workbench.errors import ImmutableError, LockedError, LogError

LOCK: Final = ".lock"
SERVICE: Final = ".service"  # held by the log's service as long as it runs
UNFINISHED: Final = ".new"  # ends the hidden name of a file that is being written
MAXIMUM_FILE: Final = 256 * (2 + 65_535)  # bytes of a full bundle of the largest entries
_POLL_SECONDS: Final = 0.02
_LOCK_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def always() -> bool:
    """Accepts every record."""
    return True


class Storage(Protocol):
    """Create-once objects by relative path, a checkpoint that is replaced, and a journal.

    A record is durable when `record` returns True. `accept` is called meanwhile, which saves time
    where the storage `overlaps`; a record that it refuses is taken back: the next one replaces it,
    and until then whoever opens the log after a crash finds it. Everything else is visible at once
    to readers and durable after `settle`, which then empties the journal: until then the journal
    must suffice to rebuild what a crash takes.
    """

    @property
    def overlaps(self) -> bool: ...
    def lock(self) -> AbstractContextManager[None]: ...
    def read(self, path: str) -> bytes | None: ...
    def create(self, objects: Mapping[str, bytes]) -> None: ...
    def restore(self, objects: Mapping[str, bytes]) -> None: ...
    def replace(self, path: str, data: bytes) -> None: ...
    def publish(self, path: str, data: bytes) -> None: ...
    def remove(self, path: str) -> None: ...
    def paths(self, under: str = "") -> Iterator[str]: ...
    def record(self, data: bytes, accept: Callable[[], bool] = ...) -> bool: ...
    def journal(self) -> list[bytes]: ...
    def settle(self, superseded: Sequence[str] = (), *, last: bool = True) -> None: ...


def _immutable(path: str) -> ImmutableError:
    return ImmutableError(
        f"{path}: holds other bytes than those to be written; nothing was replaced. Run"
        " 'workbench log verify' to see where the log differs."
    )


class MemoryStorage:
    """For tests: keeps objects and journal in memory, forgets them with the process."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.records: list[bytes] = []
        self.overlaps = False

    def lock(self) -> AbstractContextManager[None]:
        return nullcontext()

    def read(self, path: str) -> bytes | None:
        return self.objects.get(path)

    def create(self, objects: Mapping[str, bytes]) -> None:
        for path, data in objects.items():
            if self.objects.setdefault(path, data) != data:
                raise _immutable(path)

    def restore(self, objects: Mapping[str, bytes]) -> None:
        self.objects.update(objects)

    def replace(self, path: str, data: bytes) -> None:
        self.objects[path] = data

    def publish(self, path: str, data: bytes) -> None:
        self.replace(path, data)

    def remove(self, path: str) -> None:
        self.objects.pop(path, None)

    def paths(self, under: str = "") -> Iterator[str]:
        yield from sorted(path for path in self.objects if path.startswith(under))

    def record(self, data: bytes, accept: Callable[[], bool] = always) -> bool:
        self.records.append(data)
        return accept() or not self.records.pop()

    def journal(self) -> list[bytes]:
        return list(self.records)

    def settle(self, superseded: Sequence[str] = (), *, last: bool = True) -> None:
        for path in superseded:
            self.remove(path)
        self.records.clear()


class FolderStorage:
    """A POSIX folder: new files are written in place, what is replaced is renamed over.

    A crash may leave half a new file, which the journal has whole until all is flushed.

    Args:
        root: The folder, made at the first write.
        patience: Seconds to wait for another writer before giving up.
        reserve: Bytes that the journal takes at once, for a writer of many batches.
        shared: Whether the group, which reads the log, may read its journal too.
    """

    def __init__(
        self, root: Path, *, patience: float = 0.0, reserve: int = 0, shared: bool = False
    ) -> None:
        self.root = root
        self._mode = 0o640 if shared else 0o600
        self._patience = patience
        self._reserve = reserve
        self._journal: JournalFile | None = None
        self._path_of_lock = str(root / LOCK)
        self._lock: tuple[int, int] | None = None  # inode and device of the lock, while it is held
        self._unsettled: dict[str, None] = {}

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Exclusive among processes; says who holds it.

        Raises:
            LockedError: Another process is writing.
            LogError: The lock's file was removed or replaced meanwhile.
        """
        with _named(self.root):
            make_durably(self.root)
            descriptor = os.open(self.root / LOCK, _LOCK_FLAGS, 0o600)
        try:
            self._acquire(descriptor)
            with suppress(OSError):  # for people only
                if os.fstat(descriptor).st_nlink == 1:  # else it is another file's name too
                    os.ftruncate(descriptor, 0)
                    os.pwrite(descriptor, f"process {os.getpid()}".encode(), 0)
            with _named(self.root / LOCK):
                facts = os.fstat(descriptor)
            self._lock = facts.st_ino, facts.st_dev
            self._check_lock()
            yield
        finally:
            self._lock = None
            self._forget()
            with suppress(OSError):  # it is let go all the same
                os.close(descriptor)

    def _forget(self) -> None:
        """What is unsettled stays in the journal for whoever locks next."""
        self._unsettled.clear()
        journal, self._journal = self._journal, None
        if journal is not None:
            with suppress(OSError):  # every record was flushed
                journal.close()

    def _check_lock(self) -> None:
        """That the lock, if it is held, still keeps others out: its file may have been removed."""
        if self._lock is None:
            return
        try:
            facts = os.lstat(self._path_of_lock)
            alone = (facts.st_ino, facts.st_dev) == self._lock  # of a file that is open: not reused
        except OSError:
            alone = False
        if not alone:
            raise LogError(
                f"{self.root / LOCK}: was removed or replaced while this process wrote, so that"
                " another may write too; nothing was acknowledged, leave that file alone and run"
                " again."
            )

    def _acquire(self, descriptor: int) -> None:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                with _named(self.root / LOCK, but=BlockingIOError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    holder = ""
                    with suppress(OSError):
                        holder = os.pread(descriptor, 100, 0).decode(errors="replace")
                    raise LockedError(
                        f"{self.root}: {holder or 'another process'} is writing to the log;"
                        " expected to be alone, wait until it ends and run again."
                    ) from error
                time.sleep(_POLL_SECONDS)

    def read(self, path: str) -> bytes | None:
        """Bytes of a regular file; a pipe, a link or a file of impossible size is refused."""
        try:
            descriptor = os.open(f"{self.root}/{path}", _READ_FLAGS)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _unreadable(self.root / path, str(error.strerror)) from error
        try:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise _unreadable(self.root / path, "no regular file")
            if facts.st_size > MAXIMUM_FILE and path != JOURNAL:
                raise _unreadable(self.root / path, f"{facts.st_size} bytes, too large for a log")
            return read_whole(descriptor)
        except OSError as error:
            raise _unreadable(self.root / path, str(error.strerror)) from error
        finally:
            with suppress(OSError):
                os.close(descriptor)

    def create(self, objects: Mapping[str, bytes]) -> None:
        """Write new files; a crash may leave half of one, which `restore` mends."""
        self._check_lock()
        for path, data in objects.items():
            with _named(self.root / path):
                created = create_file(f"{self.root}/{path}", data)
            if not created and self.read(path) != data:
                raise _immutable(str(self.root / path))
            self._unsettled[path] = None

    def restore(self, objects: Mapping[str, bytes]) -> None:
        """Put in place what a crash took or tore.

        What stands is written anew too: after a flush that failed Linux takes the bytes in its
        cache for written, and another flush would not write them.
        """
        for path, data in objects.items():
            self.replace(path, data)

    def replace(self, path: str, data: bytes) -> None:
        """Write under a temporary name, then rename: whole or not at all for every reader."""
        self._check_lock()
        target = self.root / path
        staged = target.with_name(f".{target.name}{UNFINISHED}")
        with _named(target):
            try:
                staged.unlink(missing_ok=True)
                create_file(str(staged), data, allocate=True)
                staged.replace(target)
            except OSError:
                staged.unlink(missing_ok=True)
                raise
        self._unsettled[path] = None

    def publish(self, path: str, data: bytes) -> None:
        """Replace one file, durable when this returns, without a batch around it."""
        with _named(self.root / path):
            replace_durably(self.root / path, data)

    def remove(self, path: str) -> None:
        target = self.root / path
        self._unsettled.pop(path, None)
        with _named(target):
            target.unlink(missing_ok=True)

    def paths(self, under: str = "") -> Iterator[str]:
        for folder, folders, files in os.walk(self.root / under):
            folders.sort()
            for name in sorted(files):
                yield (Path(folder) / name).relative_to(self.root).as_posix()

    @property
    def overlaps(self) -> bool:
        """Whether the disk writes a record while `accept` is called."""
        return self._journal is not None and self._journal.overlaps

    def record(self, data: bytes, accept: Callable[[], bool] = always) -> bool:
        journal = self._journal or self._new_journal()
        try:
            journal.begin(data)
        except OSError as error:
            raise _refused(self.root / JOURNAL, error) from error
        try:
            accepted = accept()
        finally:
            try:
                journal.end()
            except OSError as error:
                raise _refused(self.root / JOURNAL, error) from error
        self._check_lock()  # who took the log over since has read this record, or it is refused
        if accepted:
            journal.keep()
        return accepted

    def _new_journal(self) -> JournalFile:
        with _named(self.root / JOURNAL):
            self._journal = JournalFile(self.root / JOURNAL, self._reserve, mode=self._mode)
        return self._journal

    def journal(self) -> list[bytes]:
        self._check_lock()
        if self._journal is not None:
            with suppress(OSError):  # an interrupted writer may not have waited
                self._journal.end()
        return list(frames(self.read(JOURNAL) or b"", alone=self._lock is not None))

    def settle(self, superseded: Sequence[str] = (), *, last: bool = True) -> None:
        """Flush the files written since the last time, then empty the journal.

        Args:
            superseded: Paths that need no flush and are removed, for good: one that came back
                after a power loss would be empty.
            last: Remove the journal's file too; else it is kept for the records to come.
        """
        self._check_lock()
        gone = set(superseded)
        unsettled = [path for path in self._unsettled if path not in gone]
        folders = {parent: None for path in unsettled for parent in PurePosixPath(path).parents}
        for name in [*unsettled, *map(str, folders)]:
            with _named(self.root / name):
                flush(self.root / name)
        self._unsettled.clear()
        for path in superseded:
            self.remove(path)
        for folder in dict.fromkeys(str(PurePosixPath(path).parent) for path in superseded):
            with _named(self.root / folder):
                flush(self.root / folder)
        self._empty_journal(last)

    def _empty_journal(self, last: bool) -> None:
        with _named(self.root / JOURNAL):
            if self._journal is not None and not last:
                self._journal.empty()
                return
            self._forget()
            if (self.root / JOURNAL).exists():
                (self.root / JOURNAL).unlink()
                flush(self.root)


def _unreadable(path: Path, why: str) -> LogError:
    return LogError(f"{path}: cannot be read ({why}); restore it from a backup.")


@contextmanager
def _named(path: Path, *, but: type[OSError] | None = None) -> Iterator[None]:
    """Turn what the operating system refuses into one sentence, `but` what is dealt with."""
    try:
        yield
    except OSError as error:
        if but is not None and isinstance(error, but):
            raise
        raise _refused(path, error) from error


def _refused(path: Path, error: OSError) -> LogError:
    remedy = {
        errno.ENOSPC: "free disk space",
        errno.EROFS: "make the folder writable",
        errno.EACCES: "make the folder writable for this user",
    }.get(error.errno or 0, "mend the storage")
    return LogError(
        f"{path}: cannot be written ({error.strerror}); nothing was acknowledged, {remedy} and"
        " run again."
    )
