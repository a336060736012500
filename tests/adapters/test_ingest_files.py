"""Ingest of files and databases: what arrives, what is refused, and that earlier data stays."""

import codecs
import sqlite3
from datetime import UTC, datetime

import duckdb
import pandas as pd
import pytest

from workbench.adapters.ingest import ingest_sources
from workbench.adapters.source_files import fingerprints
from workbench.adapters.sources import Sources
from workbench.errors import ContractError, SourceError, WorkbenchError
from workbench.tables.store import TableStore

KEY = b"k" * 32
HEADING = "SKU;Shop;Day;Cases;Money"
ROWS = ["A;S1;31.01.2024;2;10.50", "B;S1;01.02.2024;0;0", "A;S2;31.01.2024;1;5.25"]
SALES = {
    "name": "tills",
    "kind": "csv",
    "path": "sales.csv",
    "table": "sales",
    "delimiter": ";",
    "columns": {
        "item_id": "SKU",
        "location_id": "Shop",
        "date": {"column": "Day", "format": "%d.%m.%Y"},
        "quantity": {"column": "Cases", "factor": 12},
        "revenue": "Money",
    },
    "constants": {"channel": "store"},
}


def write(folder, rows, encoding="utf-8", name="sales.csv"):
    (folder / name).write_bytes("\n".join([HEADING, *rows, ""]).encode(encoding))


def ingest(folder, store, source=SALES):
    description = Sources.model_validate({"folder": folder, "source": [source]})
    return ingest_sources(store, description, key=KEY)


@pytest.fixture
def store(tmp_path):
    return TableStore(tmp_path / "tables")


def test_csv_arrives_mapped_converted_and_counted(tmp_path, store):
    write(tmp_path, ROWS)
    (result,) = ingest(tmp_path, store)
    assert result.summary() == "sales: 3 read = 3 loaded"
    sales = store.read("sales")
    assert sales["item_id"].tolist() == ["A", "A", "B"]
    assert sales["quantity"].tolist() == [24, 12, 0]
    assert sales["date"].tolist() == [*[pd.Timestamp("2024-01-31")] * 2, pd.Timestamp("2024-02-01")]
    assert "Terms: not stated" in result.version.source


def test_same_file_again_is_the_same_version(tmp_path, store):
    write(tmp_path, ROWS)
    first, second = ingest(tmp_path, store)[0], ingest(tmp_path, store)[0]
    assert first.version.version == second.version.version
    assert len(store.versions("sales")) == 1


def test_row_order_of_the_file_does_not_change_the_digest(tmp_path, store):
    write(tmp_path, ROWS)
    first = ingest(tmp_path, store)[0].version.digest
    write(tmp_path, ROWS[::-1])
    assert ingest(tmp_path, store)[0].version.digest == first


def test_fingerprint_follows_the_bytes_of_the_files(tmp_path):
    description = Sources.model_validate({"folder": tmp_path, "source": [SALES]})
    write(tmp_path, ROWS)
    first = fingerprints(description)
    assert fingerprints(description) == first
    write(tmp_path, ROWS[::-1])
    assert fingerprints(description) != first


def test_several_files_of_one_pattern_are_read_together(tmp_path, store):
    write(tmp_path, ROWS[:1], name="sales-1.csv")
    write(tmp_path, ROWS[1:], name="sales-2.csv")
    (result,) = ingest(tmp_path, store, SALES | {"path": "sales-*.csv"})
    assert result.loaded == 3


def test_byte_order_mark_is_no_part_of_the_first_name(tmp_path, store):
    write(tmp_path, ROWS)
    path = tmp_path / "sales.csv"
    path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    assert ingest(tmp_path, store)[0].loaded == 3


def test_stated_encoding_is_decoded(tmp_path, store):
    write(tmp_path, ["Käse;S1;31.01.2024;1;1"], encoding="windows-1252")
    ingest(tmp_path, store, SALES | {"encoding": "windows-1252"})
    assert store.read("sales")["item_id"].tolist() == ["Käse"]


def test_parquet_arrives(tmp_path, store):
    frame = pd.DataFrame({"SKU": ["A"], "Shop": ["S"], "Day": ["31.01.2024"], "Cases": [1.5]})
    frame.assign(Money=3).to_parquet(tmp_path / "sales.parquet")
    source = {k: v for k, v in SALES.items() if k != "delimiter"}
    ingest(tmp_path, store, source | {"kind": "parquet", "path": "sales.parquet"})
    assert store.read("sales")["quantity"].tolist() == [18]


def as_query(kind):
    source = {k: v for k, v in SALES.items() if k != "delimiter"}
    return source | {"kind": kind, "path": "erp.db", "query": 'SELECT * FROM "till lines"'}


def fill(connection):
    connection.execute(
        'CREATE TABLE "till lines" (SKU TEXT, Shop TEXT, Day TEXT, Cases INTEGER, Money DOUBLE)'
    )
    connection.execute("""INSERT INTO "till lines" VALUES ('A', 'S', '31.01.2024', 2, 0.1)""")
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("kind", "connect"), [("sqlite", sqlite3.connect), ("duckdb", duckdb.connect)]
)
def test_query_on_a_database_arrives(tmp_path, store, kind, connect):
    connection = connect(str(tmp_path / "erp.db"))
    if kind == "duckdb":
        connection.begin()
    fill(connection)
    ingest(tmp_path, store, as_query(kind))
    sales = store.read("sales")
    assert sales[["quantity", "revenue"]].to_numpy().tolist() == [[24, 0.1]]


def test_times_are_stored_in_utc_and_people_as_keyed_hashes(tmp_path, store):
    (tmp_path / "orders.csv").write_text("No,Who,At\n1,Ada,2024-07-01 12:00\n2,,2024-01-01 12:00\n")
    source = {
        "name": "shop", "kind": "csv", "path": "orders.csv", "table": "orders",
        "columns": {
            "order_id": "No", "customer_hash": {"column": "Who", "secret": True},
            "ordered": {"column": "At", "time_zone": "Europe/Berlin"}, "date": "At",
        },
        "constants": {"channel": "web"},
    }  # fmt: skip
    ingest(tmp_path, store, source)
    orders = store.read("orders")
    times = [time.replace(tzinfo=UTC) for time in orders["ordered"]]
    assert times == [datetime(2024, 7, 1, 10, tzinfo=UTC), datetime(2024, 1, 1, 11, tzinfo=UTC)]
    assert len(orders["customer_hash"][0]) == 32
    assert pd.isna(orders["customer_hash"][1])


def items_source(**changes):
    columns = {"item_id": "SKU", "description": "Text", "base_uom": {"column": "Unit"}}
    return {
        "name": "erp", "kind": "csv", "path": "items.csv", "table": "items",
        "columns": columns, "size_text": "Size",
        "constants": {"currency": "EUR", "is_demand": True},
    } | changes  # fmt: skip


def test_units_and_sizes_become_recommendation_20_codes(tmp_path, store):
    (tmp_path / "items.csv").write_text("SKU,Text,Unit,Size\nA,Soup,each,6/12 OZ\nB,Rag,EA,LARGE\n")
    ingest(tmp_path, store, items_source())
    items = store.read("items")
    assert items["base_uom"].tolist() == ["EA", "EA"]
    assert items.loc[0, ["pack_count", "pack_size", "pack_uom"]].tolist() == [6, 12, "ONZ"]
    assert items.loc[1, "pack_text"] == "LARGE"
    assert pd.isna(items.loc[1, "pack_size"])


def test_unknown_unit_is_named_with_its_remedy(tmp_path, store):
    (tmp_path / "items.csv").write_text("SKU,Text,Unit,Size\nA,Soup,Gebinde,1 L\n")
    with pytest.raises(SourceError, match=r"items.csv line 2, unknown unit 'Gebinde' in .*Map"):
        ingest(tmp_path, store, items_source())


def test_unknown_unit_can_be_mapped(tmp_path, store):
    (tmp_path / "items.csv").write_text("SKU,Text,Unit,Size\nA,Soup,Gebinde,1 L\n")
    columns = items_source()["columns"]
    columns["base_uom"] = {"column": "Unit", "units": {"Gebinde": "XCS"}}
    ingest(tmp_path, store, items_source(columns=columns))
    assert store.read("items")["base_uom"].tolist() == ["XCS"]


def truncated_parquet(folder):
    pd.DataFrame({"SKU": ["A"] * 1000}).to_parquet(folder / "sales.parquet")
    whole = (folder / "sales.parquet").read_bytes()
    (folder / "sales.parquet").write_bytes(whole[: len(whole) // 2])
    return {k: v for k, v in SALES.items() if k != "delimiter"} | {
        "kind": "parquet",
        "path": "sales.parquet",
    }


def renamed_column(folder):
    (folder / "sales.csv").write_text("Article;Shop;Day;Cases;Money\nA;S;31.01.2024;1;1\n")
    return SALES


def latin_bytes(folder):
    write(folder, ["Käse;S1;31.01.2024;1;1"], encoding="windows-1252")
    return SALES


def rows(*lines):
    def prepare(folder):
        write(folder, lines)
        return SALES

    return prepare


def missing_file(folder):
    return SALES | {"path": "nowhere.csv"}


def no_heading(folder):
    (folder / "sales.csv").write_bytes(b"")
    return SALES


def torn_quote(folder):
    write(folder, ['A;S1;31.01.2024;1;"5'])
    return SALES


def not_a_database(folder):
    (folder / "erp.db").write_bytes(b"this is no database" * 100)
    return as_query("sqlite")


def failing_query(folder):
    fill(sqlite3.connect(folder / "erp.db"))
    return as_query("sqlite") | {"query": "SELECT * FROM nowhere"}


BAD = {
    "missing file": (missing_file, SourceError, "nowhere.csv not found; correct 'path'"),
    "wrong column": (renamed_column, SourceError, "no column 'SKU'; found 'Article', 'Shop'"),
    "wrong type": (
        rows("A;S1;31.01.2024;1;1", "B;S1;31.01.2024;two;1"),
        SourceError,
        "sales.csv line 3, column 'Cases' holds 'two'; expected a number",
    ),
    "wrong date": (rows("A;S1;2024-01-31;1;1"), SourceError, "'2024-01-31'.*written as %d.%m.%Y"),
    "not a number": (rows("A;S1;31.01.2024;nan;1"), SourceError, "holds 'nan'"),
    "duplicate key": (
        rows("A;S1;31.01.2024;1;1", "A;S1;31.01.2024;2;2"), ContractError,
        "sales.csv line 3 has the key of sales.csv line 2 .item_id A, location_id S1",
    ),
    "negative quantity": (rows("A;S1;31.01.2024;-1;1"), ContractError,
                          "sales.csv line 2, column 'Cases' holds '-1'; 'quantity' is below 0"),
    "missing key": (rows(";S1;31.01.2024;1;1"), ContractError,
                    "sales.csv line 2, column 'SKU' is empty; 'item_id' is empty in 1 row"),
    "empty table": (rows(), SourceError, "no rows; expected at least one"),
    "empty file": (no_heading, SourceError, "empty; expected a heading line"),
    "wrong encoding": (latin_bytes, SourceError, "not encoded as utf-8; state the encoding"),
    "truncated parquet": (truncated_parquet, SourceError, "cannot be read as Parquet"),
    "torn quote": (torn_quote, SourceError, "cannot be read as CSV"),
    "not a database": (not_a_database, SourceError, "did not answer the query"),
    "failing query": (failing_query, SourceError, "no such table: nowhere"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence_and_changes_nothing(tmp_path, store, name):
    prepare, kind, message = BAD[name]
    write(tmp_path, ROWS)
    before = ingest(tmp_path, store)[0].version
    source = prepare(tmp_path)
    with pytest.raises(kind, match=message) as refused:
        ingest(tmp_path, store, source)
    assert "\n" not in str(refused.value)
    assert issubclass(kind, WorkbenchError)
    assert store.current("sales").digest == before.digest
    assert len(store.read("sales")) == 3
    assert store.tables() == ["loads", "quarantine", "sales"]


def test_a_real_erp_dump_without_heading_arrives_whole(shared, store):
    # AdventureWorks, a fictional company: tab-separated, no heading, units padded with blanks
    folder = shared("data/adventureworks")
    names = "id product vendor lead price cost received minimum maximum on_order unit modified"
    source = {
        "name": "erp terms", "kind": "csv", "path": "ProductVendor.csv", "table": "supplier_items",
        "delimiter": "\t", "header": names.split(), "terms": "MIT",
        "columns": {
            "supplier_id": "vendor", "item_id": "product", "lead_time_days": "lead",
            "minimum_order_quantity": "minimum", "unit_cost": "price", "capacity": "maximum",
        },
        "constants": {
            "location_id": "*", "lead_time_sd_days": 0, "order_multiple": 1, "currency": "USD",
        },
    }  # fmt: skip
    (result,) = ingest(folder, store, source)
    lines = (folder / "ProductVendor.csv").read_text().splitlines()
    assert result.load.read == result.loaded == len(lines)


def test_real_credit_notes_are_refused_with_their_number(shared, store):
    # Online Retail: 9,288 lines belong to credit notes; 10,624 lines have a negative quantity
    folder = shared("data/online_retail")
    source = {
        "name": "invoices", "kind": "parquet", "path": "online_retail.parquet",
        "table": "returns", "columns": {
            "return_id": "InvoiceNo", "order_id": "InvoiceNo", "quantity": "Quantity",
        },
    }  # fmt: skip
    with pytest.raises(ContractError, match=r"'quantity'.*10,?624"):
        ingest(folder, store, source)


def test_the_line_is_the_one_that_an_editor_shows(tmp_path, store):
    # quoted line breaks make a record longer than a line; empty lines are no records
    text = f'{HEADING};Note\nA;S1;31.01.2024;1;1;"two\nlines"\n\nB;S1;31.01.2024;-2;1;\n'
    (tmp_path / "sales.csv").write_text(text)
    assert text.splitlines()[4].startswith("B;")
    with pytest.raises(ContractError, match=r"sales\.csv line 5, column 'Cases' holds '-2'"):
        ingest(tmp_path, store)


def test_the_value_is_the_one_in_the_file_and_all_such_rows_are_counted(tmp_path, store):
    # 12 pieces a case: the table would hold -12 and -36
    write(tmp_path, ["A;S1;31.01.2024;-1;1", "B;S1;31.01.2024;2;1", "C;S1;31.01.2024;-3;1"])
    expected = r"line 2, column 'Cases' holds '-1'; 'quantity' is below 0 in 2 rows, expected >= 0"
    with pytest.raises(ContractError, match=expected):
        ingest(tmp_path, store)


def test_rows_of_databases_are_named_by_their_number(tmp_path, store):
    fill(sqlite3.connect(tmp_path / "erp.db"))
    source = as_query("sqlite") | {"query": 'SELECT *, -1 AS minus FROM "till lines"'}
    source["columns"] = {**source["columns"], "quantity": "minus"}
    with pytest.raises(
        ContractError, match=r"erp\.db, row 1 of the query's answer, column 'minus'"
    ):
        ingest(tmp_path, store, source)


def test_a_constant_that_breaks_the_contract_is_named(tmp_path, store):
    (tmp_path / "sites.csv").write_text("site\nS1\n")
    sites = {
        "name": "sites", "kind": "csv", "path": "sites.csv", "table": "locations",
        "columns": {"location_id": "site"}, "constants": {"kind": "shop"},
    }  # fmt: skip
    with pytest.raises(ContractError, match=r"constant 'kind' is 'shop'.*one of dc, store"):
        ingest(tmp_path, store, sites)
