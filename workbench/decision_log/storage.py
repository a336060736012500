"""Where a log keeps its bytes: a protocol, a POSIX folder and an in-memory stand-in."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Final, Protocol

from workbench.errors import ImmutableError, LockedError, LogError

LOCK: Final = ".lock"
PENDING: Final = ".pending"


class Storage(Protocol):
    """Create-once objects by relative path; `replace` serves the checkpoint and the pending batch.

    Every write is durable when it returns.
    """

    def lock(self) -> AbstractContextManager[None]: ...
    def read(self, path: str) -> bytes | None: ...
    def create(self, path: str, data: bytes) -> None: ...
    def replace(self, path: str, data: bytes) -> None: ...
    def remove(self, path: str) -> None: ...
    def paths(self) -> Iterator[str]: ...


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

    def create(self, path: str, data: bytes) -> None:
        if self.objects.setdefault(path, data) != data:
            raise _immutable(path)

    def replace(self, path: str, data: bytes) -> None:
        self.objects[path] = data

    def remove(self, path: str) -> None:
        self.objects.pop(path, None)

    def paths(self) -> Iterator[str]:
        yield from sorted(self.objects)


class FolderStorage:
    """A POSIX folder: written to a temporary name, fsynced, linked or renamed, folder fsynced."""

    def __init__(self, root: Path) -> None:
        self.root = root

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
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()}".encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def _acquire(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 100, 0).decode(errors="replace") or "another process"
            raise LockedError(
                f"{self.root}: {holder} is writing to the log; expected to be alone, wait until it"
                " ends and run again."
            ) from error

    def read(self, path: str) -> bytes | None:
        try:
            return (self.root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise LogError(f"{self.root / path}: cannot be read ({error.strerror}).") from error

    def create(self, path: str, data: bytes) -> None:
        existing = self.read(path)
        if existing is not None:
            if existing != data:
                raise _immutable(str(self.root / path))
            return
        self._write(path, data, replace=False)

    def replace(self, path: str, data: bytes) -> None:
        self._write(path, data, replace=True)

    def remove(self, path: str) -> None:
        target = self.root / path
        with _named(target):
            target.unlink(missing_ok=True)

    def paths(self) -> Iterator[str]:
        for path in sorted(self.root.rglob("*")):
            if path.is_file() or path.is_symlink():
                yield path.relative_to(self.root).as_posix()

    def _write(self, path: str, data: bytes, *, replace: bool) -> None:
        target = self.root / path
        staged = target.with_name(f".{target.name}.new")
        with _named(target):
            missing = _missing_folders(target.parent)
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
            for folder in [target.parent, *missing]:
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
