"""First descriptions guessed from files: they parse, they ingest, and they say what is open."""

import shutil
import sqlite3
import tomllib

import openpyxl
import pandas as pd
import pytest

from workbench.adapters.ingest import ingest_sources
from workbench.adapters.sources import Sources, load_sources
from workbench.adapters.suggest import suggested
from workbench.errors import SourceError
from workbench.resources import resource


@pytest.fixture
def suggest(tmp_path):
    """Text and parsed sources, by table, that are suggested for files in the test's folder."""

    def run(*names):
        text = suggested([tmp_path / name for name in names], tmp_path, "SOURCES.toml", "EUR")
        sources = tomllib.loads(text).get("source", [])
        return text, {source["table"]: source for source in sources}

    return run


def test_the_example_is_described_as_its_own_description_says(tmp_path, store, suggest):
    example = resource("notebooks/sources/example/SOURCES.toml")
    for path in example.parent.glob("*.csv"):
        shutil.copy(path, tmp_path)
    written = load_sources(example)
    _, found = suggest(*sorted(path.name for path in tmp_path.glob("*.csv")))
    for source in written.source:
        assert found[source.table]["path"] == source.path
        mapped = {name: given.column for name, given in source.columns.items()}
        guessed = {
            name: given if isinstance(given, str) else given["column"]
            for name, given in found[source.table]["columns"].items()
        }
        assert guessed == mapped, source.table
    described = Sources.model_validate({"folder": tmp_path, "source": list(found.values())})
    assert len(ingest_sources(store, described, key=b"k" * 32)) == len(written.source)


def test_a_german_export_is_read_as_it_is_written(tmp_path, store, ingest, suggest):
    rows = "Artikelnr;Filiale;Datum;Menge;Umsatz\nÄ1;Süd;31.01.2024;1,5;1.234,50\n"
    rows += "B;Süd;01.02.2024;2;3,00\n"
    (tmp_path / "verkauf.csv").write_bytes(rows.encode("windows-1252"))
    text, found = suggest("verkauf.csv")
    sales = found["sales"]
    assert (sales["delimiter"], sales["encoding"]) == (";", "windows-1252")
    assert sales["columns"]["revenue"] == {"column": "Umsatz", "decimal": ","}
    assert "all written as %d.%m.%Y" in text
    ingest(sales)
    assert sorted(store.read("sales")["revenue"]) == [3.0, 1234.5]


def test_whether_day_or_month_comes_first_is_left_open(tmp_path, suggest):
    (tmp_path / "sales.csv").write_text("sku,shop,date,qty,revenue\nA,S,01/02/2024,1,1\n")
    text, _ = suggest("sales.csv")
    assert "CHECK: %d/%m/%Y fits too" in text


def test_what_a_table_needs_and_no_column_gives_is_named(tmp_path, suggest):
    (tmp_path / "stock.csv").write_text("sku,date,on_hand\nA,2024-01-01,1\n")
    text, _ = suggest("stock.csv")
    assert '# location_id = ""   # NEEDED: no column looks like it' in text


def test_a_file_without_a_heading_gets_names_to_be_edited(tmp_path, suggest):
    (tmp_path / "stock.tsv").write_text("1\tA\t2024-01-01\n2\tB\t2024-01-01\n")
    text, found = suggest("stock.tsv")
    assert found == {}
    assert "columns: column1, column2, column3" in text


def test_sheets_tables_and_deliveries_are_found(tmp_path, suggest):
    book = openpyxl.Workbook()
    book.active.title = "Artikel"
    for row in (["sku", "name", "unit"], ["A", "Soup", "each"]):
        book.active.append(row)
    book.create_sheet("Notes").append(["nothing here"])
    book.save(tmp_path / "master.xlsx")
    database = sqlite3.connect(tmp_path / "wms.db")
    database.execute("CREATE TABLE stock (sku, site, day, on_hand, on_order)")
    database.execute("INSERT INTO stock VALUES ('A', 'S', '2024-01-01', 1, 0)")
    database.commit()
    for month in ("01", "02"):
        (tmp_path / f"till-2024-{month}.csv").write_text(
            f"sku,shop,date,qty,revenue\nA,S,2024-{month}-03,1,1\n"
        )
    _, found = suggest("master.xlsx", "wms.db", "till-2024-01.csv", "till-2024-02.csv")
    assert found["items"]["sheet"] == "Artikel"
    assert found["stock"]["query"] == 'SELECT * FROM "stock"'
    assert found["sales"]["path"] == "till-2024-0*.csv"


def test_revenue_is_computed_where_only_price_and_quantity_are_there(shared, suggest, tmp_path):
    path = shared("data/online_retail") / "online_retail.parquet"
    text = suggested([path], tmp_path, "SOURCES.toml", "GBP")
    (source,) = tomllib.loads(text)["source"]
    assert source["table"] in ("sales", "order_lines")
    assert source["columns"]["item_id"] == "StockCode"


def test_people_become_keyed_hashes(tmp_path, suggest):
    heading = "order,customer,orderdate,channel,date"
    (tmp_path / "orderhead.csv").write_text(f"{heading}\n1,Ada,2024-01-01 10:00,web,2024-01-01\n")
    _, found = suggest("orderhead.csv")
    assert found["orders"]["columns"]["customer_hash"] == {"column": "customer", "secret": True}


def test_names_with_quotes_and_line_breaks_stay_text(tmp_path, suggest):
    name = 'sku "x"\n[[source]]\nkind = "duckdb"'
    pd.DataFrame({name: ["A"], "date\x7f": ["2024-01-01"]}).to_parquet(tmp_path / 'a"]\n.parquet')
    text, found = suggest('a"]\n.parquet')
    assert all(source["kind"] == "parquet" for source in found.values())
    assert "\x7f" not in text


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "empty; expected rows"), (b"PAR1 but not", "cannot be read as Parquet"),
     (b"PK\x03\x04 but no workbook", "cannot be read as Excel"),
     (b"\x1f\x8b\x08", "is compressed .gzip., not text; unpack it")],
)  # fmt: skip
def test_what_is_no_table_is_one_sentence(tmp_path, suggest, data, message):
    (tmp_path / "file.bin").write_bytes(data)
    with pytest.raises(SourceError, match=message):
        suggest("file.bin")


def test_titles_above_a_heading_and_a_few_wrong_values_do_not_hide_what_a_sheet_is(
    tmp_path, ingest, store, suggest
):
    book = openpyxl.Workbook()
    for row in [["Lagerbestand WMS"], [], ["Artikel", "Lagerort", "Datum", "Bestand", "Bestellt"]]:
        book.active.append(row)
    for number in range(200):
        amount = "kaputt" if number == 7 else number
        day = "31.02.2024" if number == 9 else f"{number % 28 + 1:02d}.01.2024"
        book.active.append([f"A{number}", "LAGER", day, amount, 0])
    book.save(tmp_path / "wms.xlsx")
    text, found = suggest("wms.xlsx")
    assert found["stock"]["heading_row"] == 3
    assert found["stock"]["columns"]["date"] == {"column": "Datum", "format": "%d.%m.%Y"}
    assert "CHECK: 1 of 200 do not fit, first 'kaputt'" in text
    (result,) = ingest(found["stock"])
    assert result.summary() == "stock: 200 read, 2 quarantined = 198 loaded"


def test_units_are_known_by_their_german_names_too(tmp_path, suggest):
    (tmp_path / "artikel.csv").write_text(
        "Artikel-Nr;Bezeichnung;Einheit\n1;Saft;Stück\n2;Mehl;Kisten\n", encoding="utf-8"
    )
    _, found = suggest("artikel.csv")
    assert found["items"]["columns"]["base_uom"] == "Einheit"
