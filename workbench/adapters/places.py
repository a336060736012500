"""Where a row of a source stands, as the user can find it: the line that an editor shows."""

import csv
from collections.abc import Collection
from pathlib import Path

from workbench.adapters.files import reading_encoding
from workbench.adapters.sources import (
    CsvSource,
    ExcelSource,
    MappedSource,
    PostgresSource,
    QuerySource,
)

_LONGEST_VALUE = 64 << 20


def place(
    source: MappedSource, folder: Path, file: str, row: int, broken: Collection[int] = ()
) -> str:
    """Where a staged row stands: the line in a text file, else the row of a table or an answer."""
    name = file_name(source, folder, file)
    if isinstance(source, QuerySource | PostgresSource) or file == "query":
        return f"{name}, row {row:,} of the query's answer"
    if isinstance(source, CsvSource):
        line = lines(Path(file), source, {row}, broken).get(row)
        return f"{name} row {row:,}" if line is None else f"{name} line {line:,}"
    return f"{name} row {row:,}{' of the sheet' if isinstance(source, ExcelSource) else ''}"


def file_name(source: MappedSource, folder: Path, file: str) -> str:
    """A file as the description names it."""
    if isinstance(source, PostgresSource):
        return "database"
    if file == "query":
        return source.path
    path = Path(file)
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else file


def lines(
    path: Path, source: CsvSource, rows: Collection[int], broken: Collection[int] = ()
) -> dict[int, int]:
    """Line, counted from 1, on which each of these records begins; without those not found.

    A value in quotes may hold line breaks; lines without any text are no records, nor are the
    broken ones.
    """
    found: dict[int, int] = {}
    last, before = max(rows, default=0), csv.field_size_limit(_LONGEST_VALUE)
    number = 0 if source.header else -1  # the heading is a record
    try:
        with path.open(encoding=reading_encoding(source.encoding), newline="") as text:
            records = csv.reader(text, delimiter=source.delimiter)
            begins = 1
            for record in records:
                number += bool(record) and begins not in broken
                if number in rows and number not in found:
                    found[number] = begins
                if number >= last:
                    break
                begins = records.line_num + 1
    except (OSError, UnicodeError, csv.Error):
        return found
    finally:
        csv.field_size_limit(before)
    return found
