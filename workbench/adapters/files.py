"""Delimited text and Parquet files, staged for mapping with the file and row they come from."""

import codecs
import csv
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from workbench.adapters.loads import literal, quoted, single
from workbench.adapters.sources import CsvSource, ParquetSource
from workbench.errors import SourceError

FILE = "_file"
ROW = "_row"
_CHUNK_BYTES = 1 << 20


def matching(folder: Path, pattern: str, source: str) -> list[Path]:
    """Files that a path or pattern names, sorted.

    Raises:
        SourceError: No file matches.
    """
    given = Path(pattern)
    base = Path(given.anchor) if given.is_absolute() else folder
    relative = str(given.relative_to(given.anchor)) if given.is_absolute() else pattern
    found = sorted(path for path in base.glob(relative) if path.is_file())
    if not found:
        raise SourceError(
            f"source {source!r}: {base / relative} not found; correct 'path' or put the file there."
        )
    return found


def stage_csv(
    connection: duckdb.DuckDBPyConnection, source: CsvSource, folder: Path, wanted: Sequence[str]
) -> int:
    """Stage the wanted columns, as text, in table `raw`; returns the number of rows."""
    for number, path in enumerate(matching(folder, source.path, source.name)):
        names = source.header or _heading(path, source)
        _require(path, names, wanted)
        with _as_utf8(path, source.encoding) as readable:
            scan = _scan(readable, names, source)
            _stage(connection, path, scan, wanted, first=number == 0)
    return single(connection, "SELECT count(*) FROM raw")


def stage_parquet(
    connection: duckdb.DuckDBPyConnection,
    source: ParquetSource,
    folder: Path,
    wanted: Sequence[str],
) -> int:
    """Stage the wanted columns in table `raw`; returns the number of rows."""
    for number, path in enumerate(matching(folder, source.path, source.name)):
        scan = f"read_parquet({literal(str(path))})"
        try:
            described = connection.execute(f"DESCRIBE FROM {scan}").fetchall()
        except duckdb.Error as error:
            raise _unreadable(path, "Parquet", error) from error
        _require(path, [str(row[0]) for row in described], wanted)
        _stage(connection, path, scan, wanted, first=number == 0)
    return single(connection, "SELECT count(*) FROM raw")


def _stage(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    scan: str,
    wanted: Sequence[str],
    *,
    first: bool,
) -> None:
    """Append the rows of one file to `raw`, numbered from 1 in the order of the file."""
    names = ", ".join(quoted(name) for name in wanted)
    rows = (
        f"SELECT {names}, {literal(str(path))} AS {FILE}, row_number() OVER () AS {ROW} FROM {scan}"
    )
    verb = "CREATE OR REPLACE TEMP TABLE raw AS" if first else "INSERT INTO raw"
    try:
        connection.execute("SET preserve_insertion_order = true")
        connection.execute(f"{verb} {rows}")
    except duckdb.Error as error:
        raise _unreadable(path, "Parquet" if "read_parquet" in scan else "CSV", error) from error
    finally:
        connection.execute("SET preserve_insertion_order = false")


def _unreadable(path: Path, kind: str, error: Exception) -> SourceError:
    reason = str(error).strip().splitlines()[0].split(": ", 1)[-1].rstrip(".")
    remedy = (
        "export the file again, it may be truncated"
        if kind == "Parquet"
        else "check delimiter, quoting and encoding in the description of the source"
    )
    return SourceError(f"{path}: cannot be read as {kind} ({reason}); {remedy}.")


def _require(path: Path, names: Sequence[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if name not in names:
            shown = ", ".join(repr(known) for known in names[:12])
            raise SourceError(
                f"{path}: no column {name!r}; found {shown}. Correct [source.columns] or the file."
            )


def _heading(path: Path, source: CsvSource) -> list[str]:
    try:
        with path.open(encoding=reading_encoding(source.encoding), newline="") as lines:
            names = next(csv.reader(lines, delimiter=source.delimiter), [])
    except LookupError as error:
        raise SourceError(
            f"source {source.name!r}: unknown encoding {source.encoding!r}; use a name such as"
            " utf-8, windows-1252 or utf-16."
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise _wrong_encoding(path, source.encoding) from error
    if not names:
        raise SourceError(f"{path}: empty; expected a heading line and at least one row.")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SourceError(
            f"{path}: column {twice!r} occurs twice in the heading; rename one, or list the names"
            " in 'header'."
        )
    return names


def reading_encoding(encoding: str) -> str:
    """UTF-8 may begin with a byte order mark, which is no part of the first name."""
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def _scan(path: Path, names: Sequence[str], source: CsvSource) -> str:
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    return (
        f"read_csv({literal(str(path))}, auto_detect = false, columns = {{{columns}}},"
        f" header = {'false' if source.header else 'true'}, delim = {literal(source.delimiter)},"
        f" quote = '\"', escape = '\"', nullstr = {literal(source.null)})"
    )


@contextmanager
def _as_utf8(path: Path, encoding: str) -> Iterator[Path]:
    """The file itself if it is valid UTF-8, else a temporary copy in UTF-8."""
    decoder = codecs.getincrementaldecoder(reading_encoding(encoding))()
    is_utf8 = reading_encoding(encoding) == "utf-8-sig"
    with tempfile.TemporaryDirectory() as folder, path.open("rb") as given:
        copy = Path(folder) / "utf8.csv"
        try:
            with copy.open("w", encoding="utf-8", newline="") as decoded:
                while chunk := given.read(_CHUNK_BYTES):
                    text = decoder.decode(chunk)
                    if not is_utf8:
                        decoded.write(text)
                decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise _wrong_encoding(path, encoding) from error
        yield path if is_utf8 else copy


def _wrong_encoding(path: Path, encoding: str) -> SourceError:
    return SourceError(
        f"{path}: not encoded as {encoding}; state the encoding of the file, for example"
        " encoding = 'windows-1252', in the description of the source."
    )
