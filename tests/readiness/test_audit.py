"""Checks find what is planted, exactly, and nothing in clean data."""

import pytest

from tests.readiness.conftest import daily_loads
from workbench.contracts.checks import check_frame
from workbench.contracts.tables import FINDINGS
from workbench.item_master.duplicates import pair_table
from workbench.readiness import coverage
from workbench.readiness.audit import Surroundings, audit, beside, fix_list
from workbench.readiness.checks import AREAS, ITEM_PAIRS, KEYS, LOADS, all_checks
from workbench.readiness.config import ReadinessConfig
from workbench.tables.plan import in_any_order, rows_alone

CONFIG = ReadinessConfig()


CHECKS = {item.id: item for item in all_checks()}


def audited(warehouse, **surroundings):
    warehouse.register(ITEM_PAIRS, pair_table(warehouse.execute("FROM items").df()))
    available = [name for (name,) in warehouse.execute("SHOW TABLES").fetchall()]
    known = Surroundings(**({"deliveries": daily_loads()} | surroundings))
    ask = lambda sql: warehouse.execute(sql).df()  # noqa: E731
    return audit(ask, available, config=CONFIG, surroundings=known)


def affected(warehouse, check_id):
    warehouse.register(ITEM_PAIRS, pair_table(warehouse.execute("FROM items").df()))
    today = "WITH audit_day AS (SELECT DATE '2024-12-30' AS today) "
    count = f"SELECT count(*) FILTER (affected) FROM ({CHECKS[check_id].query(CONFIG)})"
    return warehouse.execute(today + count).fetchone()[0]


def test_clean_data_has_no_finding_but_that_goods_came_back(warehouse):
    result = audited(warehouse)
    assert result.findings["check_id"].tolist() == ["returns-credited"]
    assert set(result.checks["status"]) == {"measured"}
    assert result.score == pytest.approx(100, abs=0.1)


I0 = "WHERE item_id = 'I0'"
SEEDED = {
    "items-unknown": ("DELETE FROM items " + I0, 2 * 729),
    "items-without-category": ("UPDATE items SET category = NULL " + I0, 1),
    "items-without-pack-size": ("UPDATE items SET pack_text = NULL, pack_uom = NULL " + I0, 1),
    "items-size-unparsed": ("UPDATE items SET pack_uom = NULL " + I0, 1),
    "items-not-merchandise": ("UPDATE items SET is_demand = false " + I0, 2 * 729),
    "items-never-sold": ("DELETE FROM sales " + I0, 1),
    "items-without-gtin": ("UPDATE items SET gtin = NULL " + I0, 1),
    "items-without-cost": ("UPDATE items SET unit_cost = NULL " + I0, 1),
    "items-cost-above-price": ("UPDATE items SET unit_cost = 4.0 " + I0, 1),
    "items-alike": (
        "UPDATE items SET pack_size = 3, gtin = NULL, description = CASE item_id WHEN 'I0' THEN"
        " 'Tomato soup' ELSE 'TOMATO SUOP' END WHERE item_id IN ('I0', 'I2')", 2,
    ),
    "items-mixed-units": ("UPDATE items SET base_uom = 'KGM' " + I0, 1),
    "lines-zero-quantity": ("UPDATE order_lines SET quantity = 0 WHERE date = '2023-05-01'", 10),
    "sales-revenue-without-quantity": (
        "UPDATE sales SET quantity = 0 WHERE date = '2023-05-01'", 10,
    ),
    "sales-given-away": ("UPDATE sales SET revenue = 0 WHERE date = '2023-05-01'", 10),
    "sales-negative-revenue": ("UPDATE sales SET revenue = -1 WHERE date = '2023-05-01'", 10),
    "lines-price-outlier": ("UPDATE order_lines SET price = 40 WHERE date = '2023-05-01'", 10),
    "lines-quantity-outlier": (
        "UPDATE order_lines SET quantity = 80 WHERE date = '2023-05-01'", 10,
    ),
    "sales-not-in-orders": ("DELETE FROM order_lines WHERE date = '2023-05-01'", 10),
    "lines-without-order": ("DELETE FROM orders WHERE date = '2023-05-01'", 10),
    "orders-repeated": (
        "INSERT INTO orders BY NAME SELECT * REPLACE (order_id || 'b' AS order_id) FROM orders"
        " WHERE date = '2023-05-01'", 10,
    ),
    "orders-at-midnight": ("UPDATE orders SET ordered = date WHERE date = '2023-05-01'", 10),
    "sales-unknown-location": ("DELETE FROM locations WHERE location_id = 'L1'", 5 * 729),
    "history-short": ("DELETE FROM sales WHERE date >= '2023-03-02'", 182 - 60),
    "history-under-two-years": ("DELETE FROM sales WHERE date >= '2024-01-01'", 365),
    "items-short-history": (f"DELETE FROM sales {I0} AND date > '2023-03-01'", 1),
    "locations-few-days": (
        "DELETE FROM sales WHERE location_id = 'L1' AND date > '2023-01-25'", 1,
    ),
    "item-locations-thin": (
        "DELETE FROM sales WHERE location_id = 'L1' AND date > '2023-01-25'", 5,
    ),
    "calendar-holes": ("DELETE FROM sales WHERE date IN ('2023-05-01', '2023-05-02')", 2),
    "items-long-gaps": (
        f"DELETE FROM sales {I0} AND date BETWEEN '2023-06-01' AND '2023-06-28'", 1,
    ),
    "items-dead": (f"DELETE FROM sales {I0} AND date > '2024-06-01'", 1),
    "stockouts-invisible": ("UPDATE sales SET in_stock = NULL WHERE date = '2023-05-01'", 10),
    "prices-missing": (f"DELETE FROM prices {I0} AND valid_from < '2023-01-08'", 14),
    "prices-zero": (f"UPDATE prices SET price = 0 {I0} AND valid_from = '2023-01-08'", 1),
    "prices-jump": (f"UPDATE prices SET price = 400 {I0} AND valid_from = '2023-05-07'", 2),
    "prices-mixed-currency": (
        f"UPDATE prices SET currency = 'USD' {I0} AND valid_from = '2023-05-07'", 1,
    ),
    "promotions-unknown": ("DELETE FROM items " + I0, 2),
    "promotions-reversed": ("UPDATE promotions SET valid_to = '2023-03-01' " + I0, 2),
    "promotions-without-sales": ("DELETE FROM sales WHERE location_id = 'L1'", 5),
    "stock-negative": ("UPDATE stock SET on_hand = -1 WHERE date = '2023-02-01'", 10),
    "stock-unbalanced": ("DELETE FROM stock_movements WHERE kind = 'receipt'", 10 * 28),
    "stock-unexplained": ("DELETE FROM receipts WHERE received = '2023-01-08'", 10),
    "supply-cost-above-price": ("UPDATE supplier_items SET unit_cost = 4 " + I0, 2),
    "supply-lead-time-odd": ("UPDATE supplier_items SET lead_time_days = 0 " + I0, 2),
    "stock-of-unknown-items": ("DELETE FROM items " + I0, 1),
    "stock-gaps": (f"DELETE FROM stock {I0} AND date = '2023-02-01'", 2),
    "receipts-over": ("UPDATE receipts SET quantity = 11 WHERE received = '2023-01-08'", 10),
    "receipts-never": ("DELETE FROM receipts WHERE received = '2023-01-08'", 10),
    "receipts-before-order": (
        "UPDATE receipts SET received = '2023-01-01' WHERE received = '2023-01-08'", 10,
    ),
    "receipts-without-order": ("DELETE FROM purchase_orders WHERE due = '2023-01-08'", 10),
    "supply-terms-missing": ("DELETE FROM supplier_items " + I0, 1),
    "items-gtin-wrong": ("UPDATE items SET gtin = '4006381333932' " + I0, 1),
    "items-gtin-shared": ("UPDATE items SET gtin = '00' || '036000291452' " + I0, 2),
    "items-id-untidy": ("UPDATE items SET item_id = 'i-1' " + I0, 2),
    "sales-below-cost": ("UPDATE sales SET revenue = 3 WHERE date = '2023-05-01'", 10),
    "sales-revenue-mismatch": ("UPDATE sales SET revenue = 9 WHERE date = '2023-05-01'", 10),
    "sales-spike": ("UPDATE sales SET quantity = 9 WHERE date = '2023-05-01'", 10),
    "lines-unit-mixed": (
        f"UPDATE order_lines SET price = 48 {I0} AND date <= '2023-01-02'", 1,
    ),
    "lines-repeated": (
        "INSERT INTO order_lines BY NAME SELECT * REPLACE (2 AS line) FROM order_lines"
        " WHERE date = '2023-05-01'", 10,
    ),
    "orders-in-future": (
        "UPDATE orders SET date = '2025-05-01', ordered = '2025-05-01 10:00:00'"
        " WHERE date = '2023-05-01'", 10,
    ),
    "orders-wrong-day": ("UPDATE orders SET date = date + 3 WHERE date = '2023-05-01'", 10),
    "orders-hours-shifted": (
        "UPDATE orders SET ordered = ordered + INTERVAL 6 HOUR"
        " WHERE date BETWEEN '2023-05-01' AND '2023-05-07'", 1,
    ),
    "orders-promised-before": (
        "UPDATE orders SET promised = ordered - INTERVAL 1 HOUR WHERE date = '2023-05-01'", 10,
    ),
    "returns-credited": ("SELECT 1", 20),
    "returns-repeated": (
        "INSERT INTO returns BY NAME SELECT * REPLACE (return_id || 'b' AS return_id)"
        " FROM returns WHERE order_id <> '*'", 10,
    ),
    "returns-without-sale": (
        "UPDATE returns SET customer_hash = 'nobody' WHERE order_id = '*'", 10,
    ),
    "returns-more-than-sold": ("UPDATE returns SET quantity = 3 WHERE order_id <> '*'", 10),
    "shipments-unknown": ("UPDATE shipments SET line = 7 WHERE shipped = '2023-02-01'", 10),
    "shipments-reversed": (
        "UPDATE shipments SET delivered = '2023-01-31' WHERE shipped = '2023-02-01'", 10,
    ),
    "receipts-history-short": ("DELETE FROM receipts WHERE received > '2023-06-01'", 182 - 141),
    "locations-missing-days": (
        "DELETE FROM sales WHERE location_id = 'L1' AND date IN ('2023-05-01', '2023-05-02')", 2,
    ),
    "items-new": (f"DELETE FROM sales {I0} AND date < '2024-12-01'", 1),
    "stockouts-censor-demand": ("UPDATE stock SET on_hand = 0 WHERE date = '2023-02-01'", 10),
    "prices-unknown-items": ("DELETE FROM items " + I0, 1),
    "stock-frozen": ("UPDATE stock SET on_hand = 50 " + I0, 2),
    "movements-unknown-items": ("DELETE FROM items " + I0, 2 * (199 + 28)),
    "movements-written-off": (
        "UPDATE stock_movements SET kind = 'write_off' WHERE time = '2023-02-01 09:00:00'", 10,
    ),
    "movements-midnight": (
        "UPDATE stock_movements SET time = '2023-02-01' WHERE time = '2023-02-01 09:00:00'", 10,
    ),
    "receipts-under": ("UPDATE receipts SET quantity = 9 WHERE received = '2023-01-08'", 10),
    "receipts-same-day": (
        "UPDATE receipts SET received = '2023-01-05' WHERE received = '2023-01-08'", 10,
    ),
    "receipts-lead-time-extreme": (
        "UPDATE receipts SET received = '2023-03-08' WHERE received = '2023-01-08'", 10,
    ),
    "receipts-late": (
        "UPDATE receipts SET received = '2023-01-16' WHERE received = '2023-01-08'", 10,
    ),
    "receipts-repeated": (
        "INSERT INTO receipts BY NAME SELECT * REPLACE (receipt_id || 'b' AS receipt_id)"
        " FROM receipts WHERE received = '2023-01-08'", 10,
    ),
    "receipts-in-packs": ("UPDATE receipts SET quantity = 120 WHERE received = '2023-01-08'", 10),
    "receipts-in-future": (
        "UPDATE receipts SET received = '2025-01-08' WHERE received = '2023-01-08'", 10,
    ),
    "purchase-orders-unknown": ("DELETE FROM items " + I0, 2 * 28),
    "purchase-orders-repeated": (
        "INSERT INTO purchase_orders BY NAME SELECT * REPLACE (po_id || 'b' AS po_id)"
        " FROM purchase_orders WHERE due = '2023-01-08'", 10,
    ),
    "purchase-orders-without-cost": (
        "UPDATE purchase_orders SET unit_cost = 0 WHERE due = '2023-01-08'", 10,
    ),
    "purchase-cost-outlier": (
        "UPDATE purchase_orders SET unit_cost = 20 WHERE due = '2023-01-08'", 10,
    ),
    "purchase-orders-due-early": (
        "UPDATE purchase_orders SET due = '2023-01-01' WHERE due = '2023-01-08'", 10,
    ),
    "supply-lead-time-untrue": ("UPDATE supplier_items SET lead_time_days = 14 " + I0, 2),
}  # fmt: skip


@pytest.mark.parametrize("check_id", SEEDED)
def test_planted_defect_is_found_and_counted_exactly(warehouse, check_id):
    defect, rows = SEEDED[check_id]
    warehouse.execute(defect)
    assert affected(warehouse, check_id) == rows


def test_every_check_has_a_planted_defect_and_an_area():
    elsewhere = {item.id for item in all_checks() if item.area in (KEYS, LOADS)}
    assert set(CHECKS) - elsewhere == set(SEEDED)
    assert {item.area for item in all_checks()} == set(AREAS)


@pytest.mark.parametrize(
    ("check_id", "defect", "rows"),
    [
        ("sales-key-repeated", "INSERT INTO sales SELECT * FROM sales " + I0, 2 * 729),
        ("items-key-repeated", "INSERT INTO items SELECT * FROM items " + I0, 1),
        ("sales-value-invalid", "UPDATE sales SET quantity = -1 WHERE date = '2023-05-01'", 10),
        ("items-value-invalid", "UPDATE items SET base_uom = NULL " + I0, 1),
    ],
)
def test_what_the_store_would_refuse_is_found_in_other_tables(warehouse, check_id, defect, rows):
    warehouse.execute(defect)
    assert affected(warehouse, check_id) == rows


def test_what_the_store_refuses_is_listed_and_neither_asked_nor_scored(warehouse):
    warehouse.execute("INSERT INTO sales SELECT * FROM sales " + I0)
    checks = audited(warehouse, contracts_kept=True).checks.set_index("check_id")
    assert checks.loc["sales-key-repeated", "status"] == "kept at load"
    assert checks.loc["sales-key-repeated", "rows_affected"] == 0


@pytest.mark.parametrize(
    ("check_id", "loads", "tables"),
    [
        ("loads-late", {"late": 3}, 1),
        ("loads-stale", {"stale": 8}, 1),
        ("loads-behind", {"stale": 8}, 1),
        ("orders-in-future", {"days": 1}, 9 * 10),  # loaded on the 20th, sales to the 30th
    ],
)
def test_deliveries_are_judged_by_their_own_rhythm(warehouse, check_id, loads, tables):
    checks = audited(warehouse, deliveries=daily_loads(**loads)).checks.set_index("check_id")
    assert checks.loc[check_id, "rows_affected"] == tables


def set_aside(warehouse, *rows):
    for table, version, file, row, column, reason in rows:
        warehouse.execute(
            "INSERT INTO quarantine BY NAME SELECT ? AS loaded_table, ? AS loaded_version, 'till'"
            ' AS source, ? AS file, ? AS row, ? AS "column", ? AS reason',
            [table, version, file, row, column, reason],
        )
        warehouse.execute(
            "UPDATE loads SET quarantined = quarantined + 1, read = read + 1"
            " WHERE (loaded_table, loaded_version) = (?, ?)", [table, version],
        )  # fmt: skip


def test_bad_rows_of_the_versions_in_force_count_as_a_share_of_what_was_read(warehouse):
    set_aside(
        warehouse,
        ("sales", "v10", "a.csv", 9, "quantity", "is no number"),
        ("sales", "v10", "a.csv", 17, "quantity", "is no number"),
        ("sales", "v10", "b.csv", 3, None, "has 4 values, expected 5"),
        ("sales", "v9", "a.csv", 9, "quantity", "is no number"),  # of a version that is replaced
    )
    result = audited(warehouse)
    finding = result.findings.set_index("check_id").loc["loads-set-aside"]
    assert finding["finding"] == "3 of 203 source rows are bad and were set aside, in no table."
    examples = result.examples.query("check_id == 'loads-set-aside'")["example"]
    assert any("quantity, reason is no number, rows 2" in one for one in examples)
    assert any("share 0.97%, first b.csv:3" in one for one in examples)  # 1 of 103


def test_totals_are_those_of_the_groups_that_are_shown(warehouse):
    set_aside(
        warehouse,
        *(("sales", "v10", "a.csv", row, "quantity", f"reason {row % 3}") for row in range(1, 8)),
        *(("stock", "v10", "s.csv", row, None, "too short") for row in range(1, 4)),
    )
    check, (prefix, _) = CHECKS["loads-set-aside"], beside(daily_loads())
    shown = f"{prefix}SELECT sum(rows) FILTER (affected) FROM ({check.query(CONFIG)})"
    counted = f"{prefix}SELECT affected FROM ({check.counted(CONFIG)})"
    assert warehouse.execute(shown).fetchone() == warehouse.execute(counted).fetchone() == (10,)


def test_bad_rows_are_shown_by_source_and_reason(warehouse):
    set_aside(warehouse, ("stock", "v10", "s.csv", 2, "on_hand", "is no number"))
    ask = lambda sql: warehouse.execute(sql).df()  # noqa: E731
    rows = coverage.set_aside(ask, ["loads", "quarantine"], daily_loads())
    assert rows[["table", "source", "reason", "rows", "first"]].to_numpy().tolist() == [
        ["stock", "till", "is no number", 1, "s.csv:2"]
    ]
    assert coverage.set_aside(ask, ["loads"], daily_loads()).empty


def test_examples_are_the_rows_with_most_money(warehouse):
    warehouse.execute("UPDATE sales SET revenue = -revenue WHERE date = '2023-05-01'")
    warehouse.execute("UPDATE sales SET revenue = -99 WHERE date = '2023-05-02' AND item_id = 'I3'")
    examples = audited(warehouse).examples.query("check_id == 'sales-negative-revenue'")
    assert examples["money_at_stake"].tolist() == [99, 99, 8, 8, 8]
    assert examples["example"].iloc[0] == (
        "item_id I3, location_id L0, date 2023-05-02, quantity 2"
    )


def test_money_at_stake_is_stated_where_it_means_something(warehouse):
    warehouse.execute("UPDATE sales SET revenue = 0 WHERE date = '2023-05-01'")
    finding = audited(warehouse).findings.set_index("check_id").loc["sales-given-away"]
    assert finding["money_at_stake"] == 10 * 2 * 4  # rows, pieces, shelf price
    assert finding["finding"] == "10 of 7,290 sales rows have a quantity but no revenue."


def test_findings_meet_their_contract(warehouse):
    warehouse.execute("DELETE FROM items " + I0)
    findings = audited(warehouse).findings.assign(run_id="r")
    assert len(check_frame(findings, FINDINGS, where="audit")) == len(findings) > 0


def test_checks_without_their_tables_are_listed_not_scored(warehouse):
    for table in ("stock", "stock_movements", "purchase_orders", "receipts", "supplier_items"):
        warehouse.execute(f"DROP TABLE {table}")
    result = audited(warehouse)
    checks = result.checks.set_index("check_id")
    assert checks.loc["stock-negative", "status"] == "not measured"
    assert checks.loc["stock-negative", "finding"] == "Not measured: no table stock."
    assert result.areas.set_index("area")["score"].isna().tolist().count(True) == 1


def test_fix_list_gains_add_up_to_what_the_score_lacks(warehouse):
    for check_id in ("items-unknown", "lines-zero-quantity", "receipts-over"):
        warehouse.execute(SEEDED[check_id][0])
    result = audited(warehouse)
    assert fix_list(result)["gain"].sum() == pytest.approx(100 - result.score)
    assert fix_list(result)["gain"].is_monotonic_decreasing


@pytest.mark.parametrize(("leaves", "day"), [("orders", "p.ordered"), ("receipts", "r.received")])
def test_stock_of_a_location_follows_from_what_others_order_or_receive_from_it(
    warehouse, leaves, day
):
    warehouse.execute("UPDATE purchase_orders SET supplier_id = 'LAGER'")
    warehouse.execute(f"""
        INSERT INTO stock SELECT s.item_id, 'LAGER', s.date, 100000 - coalesce(sum(q.quantity)
            FILTER (q.day <= s.date), 0), 0
        FROM stock s LEFT JOIN (
            SELECT p.item_id, {day} AS day, {"p" if leaves == "orders" else "r"}.quantity
            FROM receipts r JOIN purchase_orders p USING (po_id, line)) q USING (item_id)
        WHERE s.location_id = 'L0' GROUP BY ALL""")
    assert affected(warehouse, "stock-unexplained") == 0
    warehouse.execute("""
        UPDATE stock SET on_hand = on_hand - 3
        WHERE location_id = 'LAGER' AND item_id = 'I0' AND date = '2023-05-01'""")
    assert affected(warehouse, "stock-unexplained") == 2  # of that evening, and the next


def test_what_is_left_of_a_query_to_count_its_rows_has_as_many(warehouse):
    # DuckDB counts both; what `checked` is said to be made from rests on the second
    warehouse.execute("UPDATE items SET gtin = NULL, category = NULL " + I0)
    warehouse.execute("DELETE FROM receipts WHERE line % 3 = 0")
    prefix, _ = beside(daily_loads())
    tables = {name for (name,) in warehouse.execute("SHOW TABLES").fetchall()}
    for item in CHECKS.values():
        if set(item.reads) <= {*tables, "deliveries"}:
            query = item.query(CONFIG)
            whole, alone = (
                warehouse.execute(f"{prefix}SELECT count(*) FROM ({sql})").fetchone()
                for sql in (query, rows_alone(query))
            )
            assert whole == alone, item.id


def test_rows_numbered_in_any_order_are_affected_as_often(warehouse):
    for table in ("receipts", "purchase_orders", "orders"):
        key = {"receipts": "receipt_id", "purchase_orders": "po_id", "orders": "order_id"}[table]
        warehouse.execute(
            f"INSERT INTO {table} SELECT * REPLACE ({key} || '-2' AS {key}) FROM {table} LIMIT 3"
        )
    for name in ("receipts-repeated", "purchase-orders-repeated", "orders-repeated"):
        query = CHECKS[name].query(CONFIG)
        assert in_any_order(query, "affected") != query
        counts = [
            warehouse.execute(f"SELECT count(*) FILTER (affected) FROM ({sql})").fetchone()[0]
            for sql in (query, in_any_order(query, "affected"))
        ]
        assert counts == [3, 3], name
