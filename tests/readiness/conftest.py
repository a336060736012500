"""A small, clean warehouse in SQL, to plant defects in."""

import datetime

import duckdb
import pandas as pd
import pytest

from workbench.contracts import tables

_SQL_TYPES = {
    "text": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN",
    "date": "DATE", "time": "TIMESTAMP",
}  # fmt: skip
_DAY = "DATE '2023-01-01' + CAST(d AS INTEGER)"
_ROWS = {
    "items": """
        SELECT 'I' || i AS item_id, 'Item ' || i AS description, 'C' || i % 2 AS category,
            'D' AS department, 'EA' AS base_uom, 'GRM' AS pack_uom, (i + 1) || ' G' AS pack_text,
            i + 1.0 AS pack_size, 1.0 AS pack_count, 2.0 AS unit_cost, 4.0 AS unit_price,
            'EUR' AS currency, ['96385074', '036000291452', '4006381333931', '9780471117094',
                '10614141543219'][i + 1] AS gtin, true AS is_demand FROM range(5) t(i)""",
    "suppliers": "SELECT 'S' AS supplier_id, 'US' AS country",
    "locations": "SELECT 'L' || l AS location_id, 'store' AS kind FROM range(2) t(l)",
    "calendar": """SELECT DATE '2023-12-25' AS date, 'Christmas Day' AS event,
        'public_holiday' AS type""",
    "sales": f"""
        SELECT 'I' || i AS item_id, 'L' || l AS location_id, {_DAY} AS date, 'store' AS channel,
            2.0 AS quantity, 8.0 AS revenue, true AS in_stock
        FROM range(5) a(i), range(2) b(l), range(730) c(d) WHERE d <> 358""",
    "orders": """
        SELECT 'O-' || item_id || location_id || date AS order_id, 'H' || hash(item_id) % 9
                || location_id AS customer_hash, 'store' AS channel,
            date + INTERVAL 10 HOUR + INTERVAL 1 SECOND * (ascii(substr(item_id, 2))) AS ordered,
            ordered + INTERVAL 1 DAY AS promised, date FROM sales""",
    "order_lines": """
        SELECT 'O-' || item_id || location_id || date AS order_id, 1 AS line, item_id, location_id,
            date, quantity, 4.0 AS price FROM sales""",
    "shipments": """SELECT 'D' || order_id AS shipment_id, order_id, 1 AS line, date AS shipped,
        date + 1 AS delivered FROM orders WHERE date < '2023-03-01'""",
    "returns": """SELECT 'B' || order_id AS return_id, order_id, line, item_id, location_id,
            date + 2 AS date, 1.0 AS quantity, price, NULL AS customer_hash FROM order_lines
            WHERE date = '2023-04-01'
        UNION ALL SELECT 'C' || order_id, '*', NULL, item_id, l.location_id, l.date + 2, 1.0, price,
            customer_hash
        FROM order_lines l JOIN orders USING (order_id) WHERE l.date = '2023-04-08'""",
    "prices": """SELECT item_id, '*' AS location_id,
        DATE '2023-01-01' + CAST(7 * w AS INTEGER) AS valid_from,
        4.0 + w % 2 AS price, 'EUR' AS currency FROM items, range(104) t(w)""",
    "promotions": """SELECT item_id, location_id, DATE '2023-03-06' AS valid_from,
        'mailer' AS kind, DATE '2023-03-13' AS valid_to FROM items, locations""",
    "supplier_items": """SELECT 'S' AS supplier_id, item_id, location_id, 3.0 AS lead_time_days,
        1.0 AS lead_time_sd_days, 6.0 AS minimum_order_quantity, 6.0 AS order_multiple,
        2.0 AS unit_cost, 'EUR' AS currency FROM items, locations""",
    "stock": f"""
        SELECT item_id, location_id, {_DAY} AS date, 1000.0 + 10 * (d // 7) - 2 * d AS on_hand,
            0.0 AS on_order FROM items, locations, range(200) t(d)""",
    "stock_movements": f"""
        SELECT concat_ws('-', item_id, location_id, d, moved) AS movement_id, item_id, location_id,
            {_DAY} + INTERVAL 9 HOUR AS time, moved AS kind,
            CASE WHEN moved = 'receipt' THEN 10.0 ELSE -2.0 END AS quantity
        FROM items, locations, range(1, 200) t(d), (VALUES ('receipt'), ('issue')) k(moved)
        WHERE moved = 'issue' OR d % 7 = 0""",
    "purchase_orders": f"""
        SELECT concat_ws('-', item_id, location_id, d) AS po_id, 1 AS line, 'S' AS supplier_id,
            item_id, location_id, {_DAY} - 3 AS ordered, {_DAY} AS due, 10.0 AS quantity,
            2.0 AS unit_cost
        FROM items, locations, range(1, 200) t(d) WHERE d % 7 = 0""",
    "loads": """SELECT name AS loaded_table, 'v' || day AS loaded_version, 'till' AS source,
        100 AS read, 0 AS expanded, 0 AS left_out, 0 AS quarantined, 0 AS merged, 100 AS added,
        0 AS corrected, 0 AS unchanged, 0 AS kept, 100 AS loaded
        FROM range(11) t(day), (VALUES ('sales'), ('stock')) n(name)""",
    "quarantine": "SELECT 'sales' AS loaded_table WHERE false",
    "receipts": """SELECT 'R' || po_id AS receipt_id, po_id, line, due AS received, quantity,
        0.0 AS rejected FROM purchase_orders""",
}


FIRST_LOAD = datetime.datetime(2024, 12, 20, 6)


def daily_loads(days=11, *, late=0, stale=0):
    """Versions of sales and stock that came every morning, each one day fuller.

    Args:
        days: How many mornings.
        late: Days by which the last delivery of sales came later.
        stale: Days that stock ends before sales.
    """
    rows = []
    for day in range(days):
        loaded = FIRST_LOAD + datetime.timedelta(days=day)
        sold = loaded + datetime.timedelta(days=late if day == days - 1 else 0)
        last = loaded.date() - datetime.timedelta(days=1)
        rows.append(("sales", f"v{day}", sold, last))
        rows.append(("stock", f"v{day}", loaded, last - datetime.timedelta(days=stale)))
    return pd.DataFrame(rows, columns=["table_name", "version", "loaded", "last_observed"])


@pytest.fixture(scope="session")
def clean_warehouse():
    connection = duckdb.connect(config={"threads": "1"})  # small tables
    for table, rows in _ROWS.items():
        columns = ", ".join(
            f'"{column.name}" {_SQL_TYPES[column.type]}'
            for column in tables.contract(table).columns
        )
        connection.execute(f"CREATE TABLE {table} ({columns})")
        connection.execute(f"INSERT INTO {table} BY NAME {rows}")
    yield connection
    connection.close()


@pytest.fixture
def warehouse(clean_warehouse):
    """An in-memory DuckDB with tables by contract and not a single defect; changes are undone."""
    clean_warehouse.execute("BEGIN")
    yield clean_warehouse
    clean_warehouse.execute("ROLLBACK")
