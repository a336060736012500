"""Lines of delimited text that are no records: too few values, or too many.

DuckDB tells where such a line begins as a position in bytes, which is right where its line numbers
are not (line breaks in quotes, empty lines). The lines are taken out of a copy that keeps every
line break, so that places in the copy are places in the file.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import duckdb

from workbench.contracts.printable import counted
from workbench.errors import SourceError

_CHUNK_BYTES: Final = 1 << 20
_COUNTED: Final = ("MISSING COLUMNS", "TOO MANY COLUMNS")


@dataclass(frozen=True)
class RejectedLine:
    """A line that is no record.

    Attributes:
        line: Number of the line, counted from 1.
        reason: What is wrong.
        text: The line.
    """

    file: str
    line: int
    reason: str
    text: str


def without_broken_lines(
    connection: duckdb.DuckDBPyConnection, path: Path, readable: Path, scan: str, copy: Path
) -> list[RejectedLine]:
    """Write a copy of a file without lines that hold too few or too many values.

    Args:
        connection: Any; the file's rows are not kept in it.
        path: The user's file, for messages.
        readable: The same in UTF-8.
        scan: DuckDB's reader of it.
        copy: What to write; not written where there are no such lines, or other faults too.

    Returns:
        The lines that were taken out.

    Raises:
        SourceError: The file ends within a line.
    """
    found = _rejects(connection, scan)
    if not found or any(kind not in _COUNTED for kind, *_ in found):
        return []
    size, lines, number = readable.stat().st_size, list[RejectedLine](), 1
    with readable.open("rb") as given, copy.open("wb") as kept:
        for _, begins, raw, reason in found:
            number += _copied(given, kept, begins - given.tell())
            if given.tell() + len(raw) >= size:
                raise SourceError(
                    f"{path}: ends within line {number:,} ({reason}); expected whole lines. The"
                    " file is truncated: export it again."
                )
            if given.read(len(raw)) != raw:  # the place is not where the reader says
                return []
            lines.append(RejectedLine(str(path), number, reason, raw.decode("utf-8", "replace")))
            breaks = raw.count(b"\n")
            kept.write(b"\n" * breaks)
            number += breaks
        _copied(given, kept, size - given.tell())
    return lines


def _rejects(connection: duckdb.DuckDBPyConnection, scan: str) -> list[tuple[str, int, bytes, str]]:
    """Kind of fault, first byte, bytes and reason of each line that is refused, in file order."""
    storing = scan.removesuffix(")") + (
        ", store_rejects = true, rejects_table = 'line_rejects', rejects_scan = 'line_scans')"
    )
    try:
        connection.execute(f"SELECT count(*) FROM {storing}").fetchall()
        rows = connection.execute(
            "SELECT error_type::VARCHAR, line_byte_position - 1, csv_line, error_message"
            " FROM line_rejects ORDER BY 2, column_idx"
        ).fetchall()
    except (duckdb.Error, UnicodeDecodeError):
        return []
    finally:
        connection.execute("DROP TABLE IF EXISTS line_rejects; DROP TABLE IF EXISTS line_scans")
    first = {begins: (kind, begins, line, reason) for kind, begins, line, reason in rows[::-1]}
    return [
        (kind, begins, line.rstrip("\r\n").encode(), _reason(reason))
        for kind, begins, line, reason in sorted(first.values(), key=lambda row: row[1])
    ]


def _reason(message: str) -> str:
    """`Expected Number of Columns: 3 Found: 2` in our words."""
    counts = re.search(r"Columns: (\d+) Found: (\d+)", message)
    if counts is None:
        return message.splitlines()[0]
    return f"{counted(int(counts[2]), 'value')} in the line, expected {counts[1]}"


def _copied(given: BinaryIO, kept: BinaryIO, size: int) -> int:
    """Copy so many bytes; returns the line breaks among them."""
    breaks = 0
    while size > 0 and (chunk := given.read(min(size, _CHUNK_BYTES))):
        kept.write(chunk)
        breaks += chunk.count(b"\n")
        size -= len(chunk)
    return breaks
