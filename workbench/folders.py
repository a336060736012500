"""Folders that appear whole or not at all, and a lock between processes."""

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_WORK_PREFIX: Final = ".writing-"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the write lock of a folder against other processes and threads."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def work_folder(folder: Path) -> Iterator[Path]:
    """A new hidden folder inside `folder`, removed at the end whatever happens.

    What a killed process left behind is removed by the next call: a work folder whose lock is
    free has no owner.
    """
    with locked(folder):
        for left in folder.glob(_WORK_PREFIX + "*"):
            _remove_if_abandoned(left)
        work = folder / f"{_WORK_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
        work.mkdir()
        owner = os.open(work, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(owner, fcntl.LOCK_EX)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
        os.close(owner)


def _remove_if_abandoned(work: Path) -> None:
    try:
        descriptor = os.open(work, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(work, ignore_errors=True)
    except BlockingIOError:
        pass  # its owner is alive
    finally:
        os.close(descriptor)


def sync(path: Path) -> None:
    """Make a file's or folder's content durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, data: bytes) -> None:
    """Write a new file and make it durable."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace_durably(path: Path, data: bytes) -> None:
    """Replace a small file so that a reader sees the old or the new content, never a part."""
    fresh = path.with_name(f".{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        write_durably(fresh, data)
        fresh.replace(path)
        sync(path.parent)
    finally:
        fresh.unlink(missing_ok=True)


def move_into_place(folder: Path, target: Path) -> None:
    """Make a finished folder durable, then visible under its final name.

    Raises:
        OSError: The target exists, or the file system refuses.
    """
    for path in folder.iterdir():
        sync(path)
    sync(folder)
    folder.rename(target)
    sync(target.parent)


def link_or_copy(source: Path, target: Path) -> None:
    """A second name for the same bytes, or a copy where the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        sync(target)
