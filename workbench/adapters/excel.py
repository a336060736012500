"""Sheets of Excel workbooks and OpenDocument spreadsheets, staged as text for mapping.

Numbers that are whole are written without a decimal point, so that an article number stays one;
days and times in ISO 8601; formulas as the value that was last saved.
"""

import datetime
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, Final

import duckdb
import pyarrow as pa

from workbench.adapters.files import (
    FILE,
    ROW,
    append_chunk,
    matching,
    require_columns,
    require_names,
    unreadable,
)
from workbench.adapters.sources import ExcelSource
from workbench.errors import SourceError

LARGEST: Final = 1 << 30
"""Bytes that a workbook may hold when it is unpacked."""
_ROWS_PER_CHUNK: Final = 50_000


def stage_excel(
    connection: duckdb.DuckDBPyConnection,
    source: ExcelSource,
    folder: Path,
    wanted: Sequence[str] | None,
    into: str,
) -> None:
    """Stage the wanted columns of a sheet, or all of them, as text.

    Raises:
        SourceError: The file is missing, damaged, would unpack to more than `LARGEST`, or lacks
            the sheet or a column.
    """
    first = True
    for path in matching(folder, source.path, source.name):
        names, rows = read_sheet(path, source.sheet, source.heading_row, source.header)
        require_columns(path, names, wanted or ())
        for chunk in _chunks(path, names, rows):
            append_chunk(connection, chunk, wanted, into, first=first)
            first = False


def sheets(path: Path) -> list[str]:
    """Names of a workbook's sheets."""
    return list(_opened(path).sheet_names)


def read_sheet(
    path: Path, sheet: str = "", heading_row: int = 1, header: Sequence[str] = ()
) -> tuple[list[str], Iterator[tuple[int, list[str | None]]]]:
    """Names of the columns and the rows below, each with its number in the sheet.

    Rows without any value are left out, as a spreadsheet shows nothing there either.
    """
    book = _opened(path)
    if sheet and sheet not in book.sheet_names:
        known = ", ".join(map(repr, book.sheet_names[:12]))
        raise SourceError(f"{path}: no sheet {sheet!r}; found {known}. Correct 'sheet'.")
    try:
        found = (
            book.get_sheet_by_name(sheet or book.sheet_names[0])
            .to_python(skip_empty_area=False)
        )  # fmt: skip
    except Exception as error:  # the reader's own, of several kinds
        raise unreadable(path, "Excel", error) from error
    rows = ((number, [_text(cell) for cell in row]) for number, row in enumerate(found, 1))
    filled = ((number, row) for number, row in rows if any(cell is not None for cell in row))
    body = ((number, row) for number, row in filled if number >= heading_row)
    if header:
        return list(header), body
    _, heading = next(body, (0, []))
    while heading and heading[-1] is None:
        heading.pop()
    names = [name or f"column {number}" for number, name in enumerate(heading, 1)]
    require_names(path, names)
    return names, body


def _opened(path: Path) -> Any:
    import python_calamine

    _refuse_bomb(path)
    try:
        return python_calamine.CalamineWorkbook.from_path(str(path))
    except Exception as error:  # the reader's own, of several kinds
        raise unreadable(path, "Excel", error) from error


def _refuse_bomb(path: Path) -> None:
    """A workbook is a zip archive: look at its table of contents before anything is unpacked."""
    try:
        if not zipfile.is_zipfile(path):
            return  # the old binary format, or damaged: the reader says so
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            size = sum(member.file_size for member in members)
            if size > LARGEST:
                raise SourceError(
                    f"{path}: would unpack to {size:,} bytes; expected at most {LARGEST:,}. Export"
                    " the sheet as csv if it is really so large."
                )
            for member in members:
                parts = PurePosixPath(member.filename.replace("\\", "/"))
                if parts.is_absolute() or ".." in parts.parts:
                    raise SourceError(
                        f"{path}: holds a file {member.filename!r} that points outside of it;"
                        " expected a workbook. Do not open it: ask who sent it."
                    )
            damaged = archive.testzip()  # reads no further than the sizes stated
            if damaged:
                raise zipfile.BadZipFile(f"checksum of {damaged} is wrong")
    except (OSError, zipfile.BadZipFile, EOFError, ValueError) as error:
        raise unreadable(path, "Excel", error) from error


def _text(cell: Any) -> str | None:
    if cell is None or cell == "":
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime.datetime | datetime.date):
        return cell.isoformat(*([" "] if isinstance(cell, datetime.datetime) else []))
    return str(cell)


def _chunks(
    path: Path, names: Sequence[str], rows: Iterable[tuple[int, list[str | None]]]
) -> Iterator[pa.Table]:
    rows, empty = iter(rows), True
    while (chunk := list(islice(rows, _ROWS_PER_CHUNK))) or empty:
        empty = False
        columns = {
            name: pa.array([row[i] if i < len(row) else None for _, row in chunk], pa.string())
            for i, name in enumerate(names)
        }
        columns[FILE] = pa.array([str(path)] * len(chunk), pa.string())
        columns[ROW] = pa.array([number for number, _ in chunk], pa.int64())
        yield pa.table(columns)
