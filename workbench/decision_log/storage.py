"""Where a log keeps its bytes: a protocol, a POSIX folder and an in-memory stand-in."""

import errno
import fcntl
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from workbench.decision_log.durable import replace_durably
from workbench.errors import ImmutableError, LockedError, LogError

LOCK: Final = ".lock"
PENDING: Final = ".pending"
UNFINISHED: Final = ".new"  # ends the hidden name of a file that is being written
_POLL_SECONDS: Final = 0.02


class Storage(Protocol):
    """Create-once objects by relative path; `replace` serves the checkpoint and the pending batch.

    Creations and replacements are durable when they return. `create` takes several objects, so
    that an adapter can make them durable together; it may fail after any of them.
    """

    def lock(self) -> AbstractContextManager[None]: ...
    def read(self, path: str) -> bytes | None: ...
    def create(self, objects: Mapping[str, bytes]) -> None: ...
    def replace(self, path: str, data: bytes) -> None: ...
    def publish(self, path: str, data: bytes) -> None: ...
    def remove(self, path: str) -> None: ...
    def paths(self, under: str = "") -> Iterator[str]: ...


def _immutable(path: str) -> ImmutableError:
    return ImmutableError(
        f"{path}: holds other bytes than those to be written; nothing was replaced. Run"
        " 'workbench log verify' to see where the log differs."
    )


class MemoryStorage:
    """For tests: keeps objects in a dictionary, forgets them with the process."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def lock(self) -> AbstractContextManager[None]:
        return nullcontext()

    def read(self, path: str) -> bytes | None:
        return self.objects.get(path)

    def create(self, objects: Mapping[str, bytes]) -> None:
        for path, data in objects.items():
            if self.objects.setdefault(path, data) != data:
                raise _immutable(path)

    def replace(self, path: str, data: bytes) -> None:
        self.objects[path] = data

    def publish(self, path: str, data: bytes) -> None:
        self.replace(path, data)

    def remove(self, path: str) -> None:
        self.objects.pop(path, None)

    def paths(self, under: str = "") -> Iterator[str]:
        yield from sorted(path for path in self.objects if path.startswith(under))


class FolderStorage:
    """A POSIX folder: written to a temporary name, fsynced, linked or renamed, folder fsynced.

    Args:
        root: The folder, made at the first write.
        patience: Seconds to wait for another writer before giving up.
    """

    def __init__(self, root: Path, *, patience: float = 0.0) -> None:
        self.root = root
        self._patience = patience

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Exclusive among processes; says who holds it.

        Raises:
            LockedError: Another process is writing.
        """
        with _named(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.root / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._acquire(descriptor)
            with suppress(OSError):  # for people only
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"process {os.getpid()}".encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def _acquire(self, descriptor: int) -> None:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    holder = os.pread(descriptor, 100, 0).decode(errors="replace")
                    raise LockedError(
                        f"{self.root}: {holder or 'another process'} is writing to the log;"
                        " expected to be alone, wait until it ends and run again."
                    ) from error
                time.sleep(_POLL_SECONDS)

    def read(self, path: str) -> bytes | None:
        try:
            return (self.root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise LogError(f"{self.root / path}: cannot be read ({error.strerror}).") from error

    def create(self, objects: Mapping[str, bytes]) -> None:
        folders: dict[Path, None] = {}
        for path, data in objects.items():
            existing = self.read(path)
            if existing is None:
                folders |= dict.fromkeys(self._place(path, data, replace=False))
            elif existing != data:
                raise _immutable(str(self.root / path))
            else:  # an attempt that failed later may not have synced the folders
                folders |= dict.fromkeys(self._above(path))
        self._sync(folders)

    def replace(self, path: str, data: bytes) -> None:
        self._sync(self._place(path, data, replace=True))

    def publish(self, path: str, data: bytes) -> None:
        """Replace one file, durable when this returns, without a batch around it."""
        with _named(self.root / path):
            replace_durably(self.root / path, data)

    def remove(self, path: str) -> None:
        target = self.root / path
        with _named(target):
            target.unlink(missing_ok=True)

    def paths(self, under: str = "") -> Iterator[str]:
        for folder, folders, files in os.walk(self.root / under):
            folders.sort()
            for name in sorted(files):
                yield (Path(folder) / name).relative_to(self.root).as_posix()

    def _place(self, path: str, data: bytes, *, replace: bool) -> list[Path]:
        """Write a file under its final name; returns the folders whose entries changed."""
        target = self.root / path
        staged = target.with_name(f".{target.name}{UNFINISHED}")
        with _named(target):
            parents = _missing_folders(target.parent)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with staged.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                if replace:
                    staged.replace(target)
                else:
                    os.link(staged, target)
            except FileExistsError:
                raise _immutable(str(target)) from None
            finally:
                staged.unlink(missing_ok=True)
        return [target.parent, *parents]

    def _above(self, path: str) -> list[Path]:
        return [self.root / folder for folder in PurePosixPath(path).parents]

    def _sync(self, folders: Iterable[Path]) -> None:
        for folder in folders:
            with _named(folder):
                _sync_folder(folder)


def _missing_folders(folder: Path) -> list[Path]:
    """Parents of folders about to be made: their entries must reach the disk too."""
    parents = []
    while not folder.exists():
        folder = folder.parent
        parents.append(folder)
    return parents


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses into one sentence."""
    try:
        yield
    except OSError as error:
        remedy = {
            errno.ENOSPC: "free disk space",
            errno.EROFS: "make the folder writable",
            errno.EACCES: "make the folder writable for this user",
        }.get(error.errno or 0, "mend the storage")
        raise LogError(
            f"{path}: cannot be written ({error.strerror}); nothing was acknowledged, {remedy} and"
            " run again."
        ) from error
