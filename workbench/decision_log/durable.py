"""Replacing one file so that the new bytes stand when the call returns, whatever happens next."""

import os
from pathlib import Path


def replace_durably(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write under a temporary name, flush, rename, flush the folder.

    The temporary name is fixed: one writer at a time, under a lock. What stands under that name is
    removed, not written: in a folder of others it may be a link to any file.

    Raises:
        OSError: Nothing of the old content was touched, or the rename is done and not yet flushed.
    """
    staged = path.with_name(f".{path.name}.new")
    try:
        staged.unlink(missing_ok=True)
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    except OSError:
        staged.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
