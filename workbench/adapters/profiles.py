"""What a file looks like: its kind, how it is written, and each column's values in a sample.

Nothing is loaded; the first rows of a file are read as text. `roles.py` guesses from the profile
what the columns mean.
"""

import codecs
import csv
import io
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import duckdb

from workbench.adapters.excel import read_sheet, sheets
from workbench.adapters.files import no_access, refuse_packed, unreadable
from workbench.contracts.relation_checks import literal, quoted
from workbench.errors import SourceError

SAMPLE_ROWS: Final = 20_000
_SAMPLE_BYTES: Final = 4 << 20
_ODD_SHARE: Final = 0.01  # of values that may not fit a column's type: what ingest sets aside
_TRIED: Final = 50  # values on which every way of writing is tried
_MOST_TITLES: Final = 20  # rows above a sheet's heading
_COMMA: Final = re.compile(r"[+-]?(\d{1,3}([. \u00a0]\d{3})+|\d+)(,\d+)?")  # 1.234,50
_WESTERN: Final = 0.08  # share of letters beyond ASCII in text of Latin letters
_DELIMITERS: Final = ",;\t|"
_DAY_FORMATS: Final = (
    "%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%b-%y", "%d-%b-%Y", "%m/%d/%y", "%d.%m.%y",
    "%d-%m-%Y", "%Y/%m/%d", "%Y%m%d", "%b %d, %Y",
)  # fmt: skip
_TIMES: Final = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", "T%H:%M:%S", "T%H:%M:%S.%f")
_TRUTH: Final = frozenset({"true", "false", "yes", "no", "y", "n", "t", "f", "0", "1"})


@dataclass(frozen=True)
class ColumnProfile:
    """A column in the sample.

    Attributes:
        type: `integer`, `number`, `date`, `time`, `boolean`, `text`, or `empty`.
        format: How days or times are written, strptime; empty for ISO 8601.
        also: Another format that fits every value: whether day or month comes first is open.
        decimal: `,` if numbers are written with a decimal comma.
        odd: Values that do not fit the type, at most one of a hundred, and the first of them.
    """

    name: str
    rows: int
    filled: int
    distinct: int
    type: str
    format: str = ""
    also: str = ""
    decimal: str = ""
    examples: tuple[str, ...] = ()
    values: frozenset[str] = frozenset()
    odd: tuple[int, str] = (0, "")

    @property
    def unique(self) -> bool:
        """Whether no value occurs twice and none is missing."""
        return self.rows == self.filled == self.distinct > 0


@dataclass(frozen=True)
class Profile:
    """A file, a sheet or a table of a database.

    Attributes:
        kind: As in a description of sources.
        settings: Further settings of the source, with why.
        rows: The sample, as text.
    """

    path: Path
    kind: str
    part: str
    settings: dict[str, tuple[object, str]]
    columns: tuple[ColumnProfile, ...]
    rows: Sequence[Sequence[str | None]] = field(repr=False, default=())


def profiles(path: Path) -> list[Profile]:
    """The profile of a file, or of each sheet or table in it.

    Raises:
        SourceError: The file is missing, empty or damaged.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_SAMPLE_BYTES)
    except OSError as error:
        raise no_access(path, error) from error
    if not head.strip():
        raise SourceError(f"{path}: empty; expected rows. Export it again.")
    if head.startswith(b"PAR1"):
        return [_parquet(path)]
    if head.startswith(b"SQLite format 3\0"):
        return _database(path, "sqlite")
    if head[8:12] == b"DUCK":
        return _database(path, "duckdb")
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return _workbook(path)
    refuse_packed(path)
    return [_delimited(path, head)]


def _parquet(path: Path) -> Profile:
    try:
        with closing(duckdb.connect()) as connection:
            relation = connection.sql(
                f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM read_parquet({literal(str(path))})"
                f" LIMIT {SAMPLE_ROWS}"
            )
            names, rows = list(relation.columns), relation.fetchall()
    except duckdb.Error as error:
        raise unreadable(path, "Parquet", error) from error
    return _profile(path, "parquet", "", {}, names, rows)


def _database(path: Path, kind: str) -> list[Profile]:
    listing = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY 1",
        "duckdb": "SELECT table_name FROM information_schema.tables ORDER BY 1",
    }[kind]
    found = []
    try:
        with closing(_connected(path, kind)) as database:
            for (table,) in database.execute(listing).fetchall():
                query = f"SELECT * FROM {quoted(table)}"
                answer = database.execute(f"{query} LIMIT {SAMPLE_ROWS}")
                names = [column[0] for column in answer.description or ()]
                rows = [[None if v is None else str(v) for v in row] for row in answer.fetchall()]
                settings: dict[str, tuple[object, str]] = {"query": (query, "whole table")}
                found.append(_profile(path, kind, table, settings, names, rows))
    except (duckdb.Error, sqlite3.Error) as error:
        raise unreadable(path, kind, error) from error
    return found


def _connected(path: Path, kind: str) -> "sqlite3.Connection | duckdb.DuckDBPyConnection":
    if kind == "sqlite":
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    return duckdb.connect(str(path), read_only=True)


def _workbook(path: Path) -> list[Profile]:
    found, names = [], sheets(path)
    for sheet in names:
        above = _rows_above_heading(path, sheet)
        try:
            heading, body = read_sheet(path, sheet, above + 1)
        except SourceError:  # an empty sheet, or one without a table
            continue
        settings: dict[str, tuple[object, str]] = {}
        if above:
            settings["heading_row"] = (above + 1, "the first row that is filled as those below it")
        if len(names) > 1:
            settings["sheet"] = (sheet, f"one of {len(names)} sheets")
        rows = [row[: len(heading)] for _, row in islice(body, SAMPLE_ROWS)]
        found.append(_profile(path, "excel", sheet, settings, heading, rows))
    return found


def _rows_above_heading(path: Path, sheet: str) -> int:
    """Rows of titles: those before the first one that is as wide as most, and looks like names."""
    _, body = read_sheet(path, sheet, header=["any"])
    rows = [(number, [v for v in row if v is not None]) for number, row in islice(body, 200)]
    if not rows:
        return 0
    usual = Counter(len(values) for _, values in rows).most_common(1)[0][0]
    for number, values in rows[:_MOST_TITLES]:
        if len(values) >= usual and _is_heading([values]):
            return number - 1 if number > rows[0][0] else 0
    return 0


def _delimited(path: Path, head: bytes) -> Profile:
    encoding, why = _encoding(head)
    text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(head)
    text = text.removeprefix("\ufeff")
    if len(head) == _SAMPLE_BYTES:
        text = text[: text.rfind("\n") + 1]
    delimiter, width = _delimiter(text)
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row]
    settings: dict[str, tuple[object, str]] = {}
    if delimiter != ",":
        settings["delimiter"] = (delimiter, f"{width} values in nearly every line")
    if encoding != "utf-8":
        settings["encoding"] = (encoding, why)
    names = rows[0]
    if _is_heading(rows):
        rows = rows[1:]
    else:
        names = [f"column{number}" for number in range(1, len(names) + 1)]
        settings["header"] = (names, "the first line looks like values: name the columns")
    texts = [[value or None for value in row] for row in rows[:SAMPLE_ROWS]]
    return _profile(path, "csv", "", settings, names, texts)


def _encoding(head: bytes) -> tuple[str, str]:
    for mark, name in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if head.startswith(mark):
            return name, "byte order mark"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        beyond = sum(byte > 127 for byte in head) / len(head)
        if beyond < _WESTERN:
            return "windows-1252", "not utf-8, few letters beyond ASCII: check names with accents"
        import charset_normalizer

        best = charset_normalizer.from_bytes(head[: 1 << 16]).best()
        name = best.encoding if best else "windows-1252"
        return name, "not utf-8; the likeliest by its letters, check names"
    return "utf-8", ""


def _delimiter(text: str) -> tuple[str, int]:
    """The mark that cuts most lines into the same number of values, more than one."""
    lines = text.splitlines()[:200]
    best = (0.0, 1, ",")
    for mark in _DELIMITERS:
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=mark) if row)
        width, count = widths.most_common(1)[0]
        if width > 1:
            best = max(best, (count / sum(widths.values()), width, mark))
    return best[2], best[1]


def _is_heading(rows: Sequence[Sequence[str]]) -> bool:
    """Names are filled, differ, and are no numbers or days."""
    first = rows[0]
    if len(set(first)) < len(first) or not all(name.strip() for name in first):
        return False
    return not any(_number(name) or _day(name) for name in first)


def _profile(
    path: Path,
    kind: str,
    part: str,
    settings: dict[str, tuple[object, str]],
    names: Sequence[str],
    rows: Sequence[Sequence[str | None]],
) -> Profile:
    columns = tuple(
        profile_column(name, [row[i] if i < len(row) else None for row in rows])
        for i, name in enumerate(names)
    )
    return Profile(path, kind, part, settings, columns, rows)


def profile_column(name: str, values: Sequence[str | None]) -> ColumnProfile:
    """A column's type and how it is written, as its values in the sample allow: all, or nearly."""
    counts = Counter(value.strip() for value in values if value is not None and value.strip())
    different, filled = frozenset(counts), counts.total()
    fitting = different
    if _type(different)[0] == "text":
        fitting = _most_alike(counts) or different
    kind, form, also, decimal = _type(fitting)
    odd = sorted(different - fitting)
    return ColumnProfile(
        name, len(values), filled, len(different), kind, form, also, decimal,
        tuple(sorted(different)[:3]), different, (sum(counts[v] for v in odd), "".join(odd[:1])),
    )  # fmt: skip


def _most_alike(counts: Counter[str]) -> frozenset[str] | None:
    """Values that are written in one way, if that is nearly all of them and not text."""
    sample = sorted(counts, key=lambda value: (-counts[value], value))[:_TRIED]
    if sum(any(char.isdigit() for char in value) for value in sample) < 0.9 * len(sample):
        return None
    forms = [day + time for day in _DAY_FORMATS for time in _TIMES]
    ways: list[Callable[[str], object]] = [
        *(partial(_parsed, form=form) for form in forms), _number, _COMMA.fullmatch,
    ]  # fmt: skip
    best = max(ways, key=lambda way: sum(bool(way(value)) for value in sample))
    fitting = frozenset(value for value in counts if best(value))
    least = (1 - _ODD_SHARE) * counts.total()
    return fitting if sum(counts[value] for value in fitting) >= least else None


def _type(values: frozenset[str]) -> tuple[str, str, str, str]:
    if not values:
        return "empty", "", "", ""
    forms = _formats(values)
    if forms:
        iso = forms[0].startswith("%Y-%m-%d")
        kind = "time" if "%H" in forms[0] and not _at_midnight(values) else "date"
        return kind, "" if iso else forms[0], forms[1] if len(forms) > 1 else "", ""
    if all(_number(value) for value in values):
        whole = all(float(value).is_integer() for value in values)
        return "integer" if whole else "number", "", "", ""
    if all(_COMMA.fullmatch(value) for value in values):
        return "number", "", "", ","
    if {value.lower() for value in values} <= _TRUTH:
        return "boolean", "", "", ""
    return "text", "", "", ""


def _formats(values: frozenset[str]) -> list[str]:
    """Formats that fit every value; those of the first few are tried on the rest."""
    few = list(islice(values, 50))
    fitting = [
        day + time for day in _DAY_FORMATS for time in _TIMES if _all_fit(few, day + time)
    ]  # fmt: skip
    return [form for form in fitting if _all_fit(values, form)]


def _all_fit(values: Iterable[str], form: str) -> bool:
    return all(_parsed(value, form) for value in values)


def _parsed(value: str, form: str) -> datetime | None:
    try:
        found = datetime.strptime(value[:26], form)
    except ValueError:
        return None
    compact = form.startswith("%Y%m%d")  # eight digits may be an article number
    return found if not compact or 1990 <= found.year <= 2050 else None


def _at_midnight(values: Iterable[str]) -> bool:
    return all(re.search(r"[ T]00:00(:00)?(\.0+)?$", value) for value in values)


def _day(value: str) -> bool:
    return any(_parsed(value, form) for form in _DAY_FORMATS)


def _number(value: str) -> bool:
    try:
        return float(value) not in (float("inf"), float("-inf")) and value.strip()[-1].isdigit()
    except ValueError:
        return False
