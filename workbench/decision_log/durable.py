"""Files of a log, made and replaced so that a crash leaves what was there, or what is new."""

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
    flush(path.parent)


def flush(path: Path) -> None:
    """Make a file's bytes, or a folder's entries, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_durably(folder: Path) -> None:
    """Make a folder and those above it; their names are flushed."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        flush(made.parent)


def create_file(path: str, data: bytes, *, allocate: bool = False) -> bool:
    """Write a new file; False where there is one. An attempt that fails leaves none.

    Args:
        path: Of the file; its folder is made.
        data: Its content.
        allocate: Give it its blocks at once: ext4 would flush a file without them when it is
            renamed over another.
    """
    try:
        descriptor = _exclusive(path)
    except FileExistsError:
        return False
    try:
        if allocate:
            os.posix_fallocate(descriptor, 0, len(data))
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError:
        Path(path).unlink()
        raise
    finally:
        os.close(descriptor)
    return True


def _exclusive(path: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return os.open(path, flags, 0o644)
    except FileNotFoundError:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o644)


def read_whole(descriptor: int) -> bytes:
    """All that is left to read of an open file."""
    parts = []
    while part := os.read(descriptor, 1 << 20):
        parts.append(part)
    return b"".join(parts)
