"""Delimited text and Parquet files, staged for mapping with the file and row they come from."""

import codecs
import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from workbench.adapters.broken_lines import RejectedLine, without_broken_lines
from workbench.adapters.line_ends import with_one_line_end
from workbench.adapters.loads import single
from workbench.adapters.sources import CsvSource, ParquetSource
from workbench.contracts.relation_checks import literal, quoted
from workbench.errors import SourceError

FILE: Final = "_file"
ROW: Final = "_row"
LARGEST: Final = 64 << 30
"""Bytes that a Parquet file may hold when it is unpacked, beyond a hundred times its size."""
_CHUNK_BYTES = 1 << 20
_LONGEST_LINE = 16 << 20
_DELIMITERS = ",;\t|"
_PACKED: Final = {
    b"\x1f\x8b": "compressed (gzip)", b"PK\x03\x04": "a zip archive or a workbook",
    b"BZh": "compressed (bzip2)", b"\xfd7zX": "compressed (xz)",
    b"\x28\xb5\x2f\xfd": "compressed (zstd)",
}  # fmt: skip


def matching(folder: Path, pattern: str, source: str) -> list[Path]:
    """Files that a path or pattern names, sorted.

    Raises:
        SourceError: No file matches, or the pattern leads out of the description's folder.
    """
    given = Path(pattern)
    if ".." in given.parts:
        raise SourceError(
            f"source {source!r}: path {pattern!r} climbs out of the folder of the description;"
            " expected a path below it, or an absolute one. Name the folder with --folder."
        )
    base = Path(given.anchor) if given.is_absolute() else folder
    relative = str(given.relative_to(given.anchor)) if given.is_absolute() else pattern
    found = sorted(path for path in base.glob(relative) if path.is_file())
    if not found:
        raise SourceError(
            f"source {source!r}: {base / relative} not found; correct 'path' or put the file there."
        )
    return found


def stage_csv(
    connection: duckdb.DuckDBPyConnection,
    source: CsvSource,
    folder: Path,
    wanted: Sequence[str] | None,
    into: str,
    work: Path,
) -> list[RejectedLine]:
    """Stage the wanted columns, or all of them, as text; returns lines that are no records.

    Args:
        connection: Where the table goes.
        source: Its description.
        folder: Of the description.
        wanted: Names of columns; None for all.
        into: Name of the table.
        work: Folder for copies in UTF-8.
    """
    rejected: list[RejectedLine] = []
    for number, path in enumerate(matching(folder, source.path, source.name)):
        refuse_packed(path)
        names = source.header or _heading(path, source)
        require_columns(path, names, wanted or (), source.delimiter)
        readable = _as_utf8(path, source.encoding, work / f"{into}-{number}.csv")

        def stage(text: Path, path: Path = path, names: Sequence[str] = names) -> None:
            _stage(connection, path, csv_scan(text, names, source), wanted, into)

        try:
            stage(readable)
        except SourceError as refused:
            rest = work / f"{into}-{number}"
            rejected += _stage_mended(
                connection, path, readable, rest, source, names, stage, refused
            )
    return rejected


def stage_parquet(
    connection: duckdb.DuckDBPyConnection,
    source: ParquetSource,
    folder: Path,
    wanted: Sequence[str] | None,
    into: str,
) -> None:
    """Stage the wanted columns, or all of them."""
    for path in matching(folder, source.path, source.name):
        scan = f"read_parquet({literal(str(path))})"
        try:
            described = connection.execute(f"DESCRIBE FROM {scan}").fetchall()
            unpacked = single(
                connection,
                f"SELECT sum(total_uncompressed_size) FROM parquet_metadata({literal(str(path))})",
            )
        except duckdb.Error as error:
            raise unreadable(path, "Parquet", error) from error
        if unpacked > max(LARGEST, 100 * path.stat().st_size):
            raise SourceError(
                f"{path}: would unpack to {unpacked:,} bytes; expected at most {LARGEST:,}. Write"
                " it in several files if it is really so large."
            )
        require_columns(path, [str(row[0]) for row in described], wanted or ())
        _stage(connection, path, scan, wanted, into)


def _stage_mended(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    readable: Path,
    rest: Path,
    source: CsvSource,
    names: Sequence[str],
    stage: Callable[[Path], None],
    refused: SourceError,
) -> list[RejectedLine]:
    """Stage a file that was refused: with one line end, then without lines that are no records."""
    even, whole = rest.with_suffix(".even"), rest.with_suffix(".whole")
    if with_one_line_end(readable, even):
        try:
            stage(even)
            return []
        except SourceError as error:
            readable, refused = even, error
    if source.on_bad_rows == "refuse":
        raise refused
    scan = csv_scan(readable, names, source)
    broken = without_broken_lines(connection, path, readable, scan, whole)
    if not broken:
        raise refused
    stage(whole)
    return broken


def append_chunk(
    connection: duckdb.DuckDBPyConnection,
    chunk: pa.Table,
    wanted: Sequence[str] | None,
    into: str,
    *,
    first: bool,
) -> None:
    """Append rows in Arrow, with their file and number, to a table."""
    names = ", ".join([*map(quoted, wanted), FILE, ROW]) if wanted is not None else "*"
    connection.register("chunk", chunk)
    verb = "CREATE OR REPLACE TEMP TABLE {} AS" if first else "INSERT INTO {}"
    connection.execute(f"{verb.format(quoted(into))} SELECT {names} FROM chunk")
    connection.unregister("chunk")


def _stage(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    scan: str,
    wanted: Sequence[str] | None,
    into: str,
) -> None:
    """Append the rows of one file, numbered from 1 in the order of the file."""
    names = ", ".join(map(quoted, wanted)) if wanted is not None else "*"
    rows = (
        f"SELECT {names}, {literal(str(path))} AS {FILE}, row_number() OVER () AS {ROW} FROM {scan}"
    )
    exists = single(
        connection,
        f"SELECT count(*) FROM duckdb_tables() WHERE temporary AND table_name = {literal(into)}",
    )
    verb = (
        f"INSERT INTO {quoted(into)} BY NAME" if exists else f"CREATE TEMP TABLE {quoted(into)} AS"
    )
    try:
        connection.execute("SET preserve_insertion_order = true")
        connection.execute(f"{verb} {rows}")
    except duckdb.Error as error:
        raise unreadable(path, "Parquet" if "read_parquet" in scan else "CSV", error) from error
    finally:
        connection.execute("SET preserve_insertion_order = false")


def unreadable(path: Path, kind: str, error: Exception) -> SourceError:
    """That a file is not of the kind that it should be, in one sentence."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    reason = lines[0].split(": ", 1)[-1].rstrip(".")[:200]
    remedy = (
        "check delimiter, quoting and encoding in the description of the source"
        if kind == "CSV"
        else "export the file again, it may be truncated"
    )
    return SourceError(f"{path}: cannot be read as {kind} ({reason}); {remedy}.")


def require_columns(
    path: Path, names: Sequence[str], wanted: Sequence[str], delimiter: str = ""
) -> None:
    """Refuse a file that lacks a column that is mapped."""
    for name in wanted:
        if name not in names:
            shown = ", ".join(repr(known[:60]) for known in names[:12])
            remedy = "Correct [source.columns] or the file."
            better = max(_DELIMITERS, key=lambda mark: names[0].count(mark) if names else 0)
            if delimiter and len(names) == 1 and better in names[0]:
                remedy = f"The file is delimited by {better!r}, not {delimiter!r}: set 'delimiter'."
            raise SourceError(f"{path}: no column {name!r}; found {shown}. {remedy}")


def require_names(path: Path, names: Sequence[str]) -> None:
    """Refuse a heading without names, or with one twice."""
    if not names:
        raise SourceError(f"{path}: empty; expected a heading line and at least one row.")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SourceError(
            f"{path}: column {twice!r} occurs twice in the heading; rename one, or list the names"
            " in 'header'."
        )


def _heading(path: Path, source: CsvSource) -> list[str]:
    try:
        with path.open(encoding=reading_encoding(source.encoding), newline="") as lines:
            first = lines.readline(_LONGEST_LINE)
            names = next(csv.reader([first], delimiter=source.delimiter), [])
    except LookupError as error:
        raise SourceError(
            f"source {source.name!r}: unknown encoding {source.encoding!r}; use a name such as"
            " utf-8, windows-1252 or utf-16."
        ) from error
    except UnicodeError as error:
        raise _wrong_encoding(path, source.encoding) from error
    except csv.Error as error:
        raise unreadable(path, "CSV", error) from error
    except OSError as error:
        raise no_access(path, error) from error
    require_names(path, names)
    return names


def refuse_packed(path: Path) -> None:
    """Say that a file is compressed, before its bytes are taken for text of a wrong encoding."""
    try:
        with path.open("rb") as file:
            begins = file.read(4)
    except OSError as error:
        raise no_access(path, error) from error
    for magic, kind in _PACKED.items():
        if begins.startswith(magic):
            raise SourceError(f"{path}: is {kind}, not text; unpack it, or export it as text.")


def no_access(path: Path, error: OSError) -> SourceError:
    """That the operating system does not give a file."""
    return SourceError(
        f"{path}: cannot be read ({error.strerror or error}); expected a readable file. Check its"
        " owner and permissions."
    )


def reading_encoding(encoding: str) -> str:
    """UTF-8 may begin with a byte order mark, which is no part of the first name."""
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def csv_scan(path: Path, names: Sequence[str], source: CsvSource) -> str:
    """DuckDB's reader of a file in UTF-8, every column as text."""
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    return (
        f"read_csv({literal(str(path))}, auto_detect = false, columns = {{{columns}}},"
        f" header = {'false' if source.header else 'true'}, delim = {literal(source.delimiter)},"
        f" quote = '\"', escape = '\"', nullstr = {literal(source.null)},"
        f" max_line_size = {_LONGEST_LINE})"
    )


def _as_utf8(path: Path, encoding: str, copy: Path) -> Path:
    """The file itself if it is valid UTF-8, else a copy in UTF-8.

    Nearly every file can be decoded as windows-1252 and its like, and comes out garbled where it
    was not: so one that is valid UTF-8 beyond ASCII is refused under another name.
    """
    name = reading_encoding(encoding)
    decoder = codecs.getincrementaldecoder(name)()
    checker = _Utf8Check() if name != "utf-8-sig" and len("a".encode(name)) == 1 else None
    try:
        with path.open("rb") as given:
            if name == "utf-8-sig":
                _decode(given.read, decoder, lambda _: None)
                return path
            with copy.open("w", encoding="utf-8", newline="") as decoded:
                _decode(given.read, decoder, lambda text: _ignore(decoded.write(text)), checker)
    except UnicodeError as error:
        raise _wrong_encoding(path, encoding) from error
    except OSError as error:
        raise no_access(path, error) from error
    if checker is not None and checker.is_utf8():
        raise SourceError(
            f"{path}: is encoded as utf-8, not {encoding}; correct 'encoding' in the description of"
            " the source."
        )
    return copy


class _Utf8Check:
    """Whether bytes seen so far are UTF-8 beyond ASCII."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._valid, self._beyond = True, False

    def see(self, chunk: bytes, final: bool = False) -> None:
        if self._valid:
            try:
                self._decoder.decode(chunk, final=final)
            except UnicodeDecodeError:
                self._valid = False
            self._beyond = self._beyond or not chunk.isascii()

    def is_utf8(self) -> bool:
        self.see(b"", final=True)
        return self._valid and self._beyond


def _decode(
    read: Callable[[int], bytes],
    decoder: codecs.IncrementalDecoder,
    write: Callable[[str], None],
    checker: _Utf8Check | None = None,
) -> None:
    while chunk := read(_CHUNK_BYTES):
        write(decoder.decode(chunk))
        if checker:
            checker.see(chunk)
    write(decoder.decode(b"", final=True))


def _ignore(_: int) -> None:
    return None


def _wrong_encoding(path: Path, encoding: str) -> SourceError:
    return SourceError(
        f"{path}: not encoded as {encoding}; state the encoding of the file, for example"
        " encoding = 'windows-1252', in the description of the source."
    )
