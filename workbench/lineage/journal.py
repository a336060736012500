"""The journal: every event one line of JSON, durable before `append` returns.

    <folder>/events-YYYYMMDD-NNNN.ndjson   by UTC day and, within a day, by size
             torn/<file>.<offset>          what a killed writer left of a line
             .lock                         held while writing

A line is written in one call under a lock and synced. A writer that dies in between leaves at
most an unfinished last line, which nobody was told is kept; the next append moves it aside.
"""

import errno
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from workbench.errors import LineageError
from workbench.folders import locked, sync, write_durably

DEFAULT_FILE_BYTES: Final = 64 * 1024 * 1024
_NAME: Final = re.compile(r"events-(\d{8})-(\d{4,})\.ndjson")


def utc_now() -> datetime:
    """The clock that is used unless another is passed in."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Position:
    """Where a line begins: name of its file, offset in bytes."""

    file: str
    offset: int


@dataclass(frozen=True)
class Line:
    """One complete line; `number` counts from 1 where a file was read from its beginning."""

    position: Position
    end: int
    number: int
    data: bytes

    def event(self) -> dict[str, Any]:
        """The event.

        Raises:
            LineageError: The line is not a JSON object.
        """
        try:
            event = json.loads(self.data)
        except ValueError as error:
            raise LineageError(f"{self.place}: not JSON ({error}).") from error
        except RecursionError as error:
            raise LineageError(f"{self.place}: nested too deeply for an event.") from error
        if not isinstance(event, dict):
            raise LineageError(f"{self.place}: not a JSON object.")
        return event

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.position.file}:{self.number}"


class Journal:
    """Append-only events of one workspace; several processes may use it at the same time."""

    def __init__(
        self,
        folder: Path,
        *,
        file_bytes: int = DEFAULT_FILE_BYTES,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Use the journal in `folder`, which is made at the first append.

        Args:
            folder: Where the files are.
            file_bytes: A file that would grow beyond this is followed by a new one.
            now: Clock, UTC, for the day in file names.
        """
        self.folder = folder
        self._file_bytes = file_bytes
        self._now = now

    def append(
        self, event: Mapping[str, Any], *, check: Callable[[], None] | None = None
    ) -> Position:
        """Write an event; when this returns, it is on disk.

        Args:
            event: A JSON object.
            check: Called under the lock before writing; what it raises prevents the write.

        Raises:
            LineageError: The event has no JSON form, or the folder cannot be written; then the
                journal is as it was.
        """
        line = _encoded(event)
        try:
            with locked(self.folder):
                if check is not None:
                    check()
                return self._write(line)
        except OSError as error:
            raise LineageError(
                f"{self.folder}: event not written ({error.strerror or error}); expected room on"
                " the disk and permission to write. Earlier events are safe: mend that and retry."
            ) from error

    def files(self) -> list[Path]:
        """Files of the journal, oldest first."""
        found = [path for path in self.folder.glob("events-*.ndjson") if _NAME.fullmatch(path.name)]
        return sorted(found, key=lambda path: file_order(path.name))

    def lines(self, since: Position | None = None) -> Iterator[Line]:
        """Complete lines in order, from `since` on; an unfinished last line is left out."""
        for path in self.files():
            if since is None or file_order(path.name) > file_order(since.file):
                yield from _lines(path, 0)
            elif path.name == since.file:
                yield from _lines(path, since.offset)

    def events(self) -> Iterator[dict[str, Any]]:
        """All events, oldest first.

        Raises:
            LineageError: A line is not a JSON object.
        """
        return (line.event() for line in self.lines())

    def unfinished(self) -> Position | None:
        """Where an unfinished last line begins that no append has moved aside yet."""
        for path in reversed(self.files()[-1:]):
            with path.open("rb") as file:
                end, keep = os.fstat(file.fileno()).st_size, _complete_bytes(file.fileno())
            if keep < end:
                return Position(path.name, keep)
        return None

    def _write(self, line: bytes) -> Position:
        newest = next(reversed(self.files()), None)
        if newest is not None:
            self._repair(newest)
        path = self._current(newest, len(line))
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            offset = os.fstat(descriptor).st_size
            _write_whole(descriptor, line, offset)
        finally:
            os.close(descriptor)
        if offset == 0:
            sync(self.folder)
        return Position(path.name, offset)

    def _current(self, newest: Path | None, length: int) -> Path:
        """The file that takes the next line; a clock that steps back never reopens an old one."""
        today = f"{self._now():%Y%m%d}"
        if newest is None:
            return self.folder / f"events-{today}-0001.ndjson"
        day, number = _NAME.fullmatch(newest.name).groups()  # type: ignore[union-attr]
        size = newest.stat().st_size
        if today > day:
            return self.folder / f"events-{today}-0001.ndjson"
        if size and size + length > self._file_bytes:
            return self.folder / f"events-{day}-{int(number) + 1:04d}.ndjson"
        return newest

    def _repair(self, path: Path) -> None:
        """Move an unfinished last line to a side file, then cut it off."""
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            end, keep = os.fstat(descriptor).st_size, _complete_bytes(descriptor)
            if keep == end:
                return
            torn = self.folder / "torn"
            torn.mkdir(exist_ok=True)
            side = torn / f"{path.name}.{keep}"
            side.unlink(missing_ok=True)
            write_durably(side, os.pread(descriptor, end - keep, keep))
            sync(torn)
            os.ftruncate(descriptor, keep)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def file_order(name: str) -> tuple[str, int]:
    """Sort key of a journal file's name: day, number within the day."""
    match = _NAME.fullmatch(name)
    return (match.group(1), int(match.group(2))) if match else ("", 0)


def _encoded(event: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise LineageError(
            f"event of run {event.get('run')!r}: no JSON form ({error}); expected text, finite"
            " numbers, lists and objects."
        ) from error
    return text.encode("utf-8", "replace") + b"\n"


def _write_whole(descriptor: int, line: bytes, offset: int) -> None:
    """Write and sync; on failure the file has its former length again."""
    try:
        if os.write(descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, "no room for the whole line")
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, offset)
        raise


def _complete_bytes(descriptor: int) -> int:
    """Length of a file up to and including its last newline."""
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - 65_536)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _lines(path: Path, offset: int) -> Iterator[Line]:
    with path.open("rb") as file:
        file.seek(offset)
        for number, data in enumerate(file, 1):
            if not data.endswith(b"\n"):
                return
            yield Line(Position(path.name, offset), offset + len(data), number, data)
            offset += len(data)
