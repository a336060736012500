"""Bad rows set aside: which rows of a source do not reach its table, and the register of them.

    quarantine: loaded_table, loaded_version, source, file, row, column, reason, value, record

The value is the one at fault; of a row that repeats another, where that one stands. A row's record
holds the mapped columns of the source as JSON, so that it can be mended; columns that identify
people are left out of it, and so are columns that are not mapped.
"""

from pathlib import Path
from typing import Final

import pyarrow as pa

from workbench.adapters.files import FILE, ROW
from workbench.adapters.places import file_name, lines
from workbench.adapters.refusals import BAD, MAPPED, Rows, given
from workbench.adapters.sources import CsvSource
from workbench.contracts import columns as c
from workbench.contracts.relation_checks import literal, quoted

_LONGEST_VALUE: Final = 200
_LONGEST_RECORD: Final = 4_000


def bad_row_table(rows: Rows) -> pa.Table:
    """The bad rows as they stand in the register, but for the version that they are missing from.

    Args:
        rows: With the table of bad rows made.
    """
    shown = [
        f"{literal(mapping.label)}, CAST({quoted(given(name))} AS VARCHAR)"
        for name, mapping in rows.source.columns.items()
        if not mapping.secret
    ]
    record = f"json_object({', '.join(shown)})::VARCHAR" if shown else "NULL"
    found = rows.connection.execute(
        f'SELECT {FILE}, {ROW}, "column", reason, left(value, {_LONGEST_VALUE}),'
        f" left({record}, {_LONGEST_RECORD}), first_file, first_row"
        f" FROM {BAD} JOIN {MAPPED} USING ({FILE}, {ROW}) ORDER BY {FILE}, {ROW}"
    ).fetchall()
    placed = _on_lines(rows, found)
    secret = any(mapping.secret for mapping in rows.source.columns.values())
    placed += [
        (
            file_name(rows.source, rows.folder, line.file), line.line, None, line.reason, None,
            None if secret else line.text[:_LONGEST_RECORD],
        )
        for line in rows.broken
    ]  # fmt: skip
    names = (c.FILE, c.ROW, c.COLUMN, c.REASON, c.VALUE, c.RECORD)
    types = (pa.string(), pa.int64(), *[pa.string()] * 4)
    columns = list(zip(*placed, strict=True)) if placed else [()] * len(names)
    return pa.table(
        {
            name: pa.array(values, kind)
            for name, values, kind in zip(names, columns, types, strict=True)
        }
    )


def _on_lines(rows: Rows, found: list[tuple]) -> list[tuple]:  # type: ignore[type-arg]
    """The same with the names of files as described, and lines of text files instead of rows."""
    by_file: dict[str, set[int]] = {}
    for file, row, *_, first_file, first_row in found:
        by_file.setdefault(file, set()).add(row)
        if first_file:
            by_file.setdefault(first_file, set()).add(first_row)
    on_line: dict[tuple[str, int], int] = {}
    for file, numbers in by_file.items():
        if isinstance(rows.source, CsvSource) and file != "query":
            broken = rows.broken_lines(file)
            for row, line in lines(Path(file), rows.source, numbers, broken).items():
                on_line[file, row] = line

    def placed(file: str, row: int) -> tuple[str, int]:
        return file_name(rows.source, rows.folder, file), on_line.get((file, row), row)

    return [
        (*placed(file, row), column, reason,
         "{}:{}".format(*placed(first_file, first_row)) if first_file else value, record)
        for file, row, column, reason, value, record, first_file, first_row in found
    ]  # fmt: skip
