"""The descriptions that ship, on the real data that they describe."""

import shutil

import duckdb
import openpyxl
import pytest

from workbench.adapters import excel
from workbench.adapters.ingest import ingest_sources
from workbench.adapters.sources import load_sources
from workbench.resources import resource


@pytest.fixture
def example(shared, store):
    def run(name, folder, only=None):
        path = shared(f"data/{folder}") if isinstance(folder, str) else folder
        described = load_sources(resource(f"notebooks/sources/{name}.toml"), path)
        if only:
            chosen = [source for source in described.source if source.table in only]
            described = described.model_copy(update={"source": chosen})
        results = ingest_sources(store, described, key=b"k" * 32)
        return {result.table: result for result in results}

    return run


def test_online_retail_every_line_goes_to_one_of_three_tables(example, store):
    tables = ("order_lines", "returns", "stock_movements")
    found = example("online_retail", "online_retail", tables)
    # UCI's page: 541,909 rows; credit notes: InvoiceNo begins with C
    assert sum(result.loaded for result in found.values()) == 541_909
    assert found["returns"].loaded == 9_288
    assert store.query("SELECT sum(quantity) AS n FROM returns")["n"][0] > 0


def test_scms_orders_precede_their_deliveries(example, store):
    found = example("scms", "scms", ("purchase_orders", "receipts"))
    orders = found["purchase_orders"]
    assert (orders.load.read, orders.load.left_out) == (10_324, 5_404 + 328)
    late = store.query(
        "SELECT count(*) FILTER (WHERE ordered <= received) AS good, count(*) AS n"
        " FROM purchase_orders JOIN receipts USING (po_id, line)"
    )
    assert late["n"][0] == 4_592
    assert late["good"][0] / late["n"][0] > 0.97


def test_adventureworks_headerless_files_are_joined(example, shared, store):
    found = example("adventureworks", "adventureworks")
    assert all(result.load.quarantined == 0 for result in found.values())
    lines = (shared("data/adventureworks") / "PurchaseOrderDetail.csv").read_text().splitlines()
    assert found["purchase_orders"].loaded == len(lines)
    orders = store.read("purchase_orders", where="po_id = '1'")
    head = (shared("data/adventureworks") / "PurchaseOrderHeader.csv").read_text().splitlines()[0]
    assert orders["supplier_id"].tolist() == [head.split("\t")[4]]
    assert found["items"].version.rests_on_simulated


def test_m5_columns_become_days_and_days_without_a_price_no_rows(example, shared, store, tmp_path):
    folder = shared("data/m5")
    for name in ("calendar", "sell_prices"):
        shutil.copy(folder / f"{name}.parquet", tmp_path)
    few = "item_id IN ('HOBBIES_1_001', 'FOODS_3_090') AND store_id IN ('CA_1', 'TX_3')"
    duckdb.execute(
        f"COPY (SELECT * FROM '{folder}/sales_d1495_d1941.parquet' WHERE {few})"
        f" TO '{tmp_path}/sales_d1495_d1941.parquet'"
    )
    found = example("m5", tmp_path, ("sales", "calendar"))
    wide = duckdb.sql(f"FROM '{tmp_path}/sales_d1495_d1941.parquet'").df()
    days = [name for name in wide.columns if name.startswith("d_")]
    sales = store.query("SELECT sum(quantity) AS units, min(date) AS first FROM sales")
    assert sales["units"][0] == wide[days].to_numpy().sum()
    assert str(sales["first"][0].date()) == "2015-03-03"
    assert found["sales"].loaded <= 4 * len(days)


def test_a_workbook_of_others_reads_as_a_second_reader_sees_it(shared):
    path = shared("data/m5") / "published_scores_and_ranks.xlsx"
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    assert excel.sheets(path) == book.sheetnames
    names = [f"c{i}" for i in range(book.worksheets[0].max_column)]
    _, rows = excel.read_sheet(path, header=names)
    read = dict(rows)
    for number, cells in enumerate(book.worksheets[0].iter_rows(values_only=True), 1):
        if any(cell is not None for cell in cells):
            numbers = [float(cell) for cell in read[number] if _is_number(cell)]
            assert numbers == [float(cell) for cell in cells if _is_number(cell)]


def _is_number(cell):
    try:
        return cell is not None and float(cell) is not None
    except ValueError:
        return False
