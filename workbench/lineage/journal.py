"""The journal: one OpenLineage event a line, appended under a lock and made durable.

`lineage/events-YYYY-MM-DD.ndjson`, by UTC day. A writer that dies within a line leaves it torn; the
next append moves it aside into `torn-lines.txt`, so that every line of the journal is whole.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from workbench.errors import LineageError

_LOCK: Final = ".lock"
_TORN: Final = "torn-lines.txt"


class Journal:
    """Durable events in a folder; several processes may append at once."""

    def __init__(
        self, folder: Path, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.folder = folder
        self._clock = clock

    def append(self, event: Mapping[str, Any]) -> None:
        """Add one event; durable when this returns.

        Raises:
            LineageError: The event has no JSON form, or the folder cannot be written.
        """
        try:
            line = json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError) as error:
            raise LineageError(f"lineage event: has no JSON form ({error}).") from error
        path = self.folder / f"events-{self._clock():%Y-%m-%d}.ndjson"
        try:
            with self._locked():
                _append_line(path, line.encode() + b"\n")
        except OSError as error:
            raise LineageError(
                f"{path}: cannot be written ({error.strerror}); expected room and permission, mend"
                " that and run again."
            ) from error

    def events(self) -> Iterator[dict[str, Any]]:
        """All events, oldest file first.

        Raises:
            LineageError: A line is not JSON, other than a torn last one.
        """
        for path in sorted(self.folder.glob("events-*.ndjson")):
            with path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    if not line.endswith(b"\n"):
                        break  # torn: never acknowledged, moved aside by the next append
                    try:
                        yield json.loads(line)
                    except ValueError as error:
                        raise LineageError(
                            f"{path}, line {number}: not JSON ({error}); restore the file."
                        ) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _append_line(path: Path, line: bytes) -> None:
    new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            size = _set_torn_line_aside(path, descriptor, size)
        written = 0
        while written < len(line):
            written += os.pwrite(descriptor, line[written:], size + written)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if new:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _set_torn_line_aside(path: Path, descriptor: int, size: int) -> int:
    """Keep what a dead writer left of its line, and cut it off; returns the new size."""
    data = os.pread(descriptor, size, 0)
    end = data.rfind(b"\n") + 1
    with (path.parent / _TORN).open("ab") as aside:
        aside.write(data[end:] + b"\n")
        aside.flush()
        os.fsync(aside.fileno())
    os.ftruncate(descriptor, end)
    return end
