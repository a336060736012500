"""Checks find what is planted, exactly, and nothing in clean data."""

import pytest

from workbench.contracts.checks import check_frame
from workbench.contracts.tables import FINDINGS
from workbench.readiness.audit import audit, fix_list
from workbench.readiness.checks import AREAS, all_checks
from workbench.readiness.config import ReadinessConfig

CONFIG = ReadinessConfig()


def audited(warehouse):
    available = [name for (name,) in warehouse.execute("SHOW TABLES").fetchall()]
    return audit(lambda sql: warehouse.execute(sql).df(), available, config=CONFIG)


def affected(warehouse, check_id):
    checks = audited(warehouse).checks.set_index("check_id")
    return int(checks.loc[check_id, "rows_affected"])


def test_clean_data_has_no_finding_at_all(warehouse):
    result = audited(warehouse)
    assert result.findings["finding"].tolist() == []
    assert set(result.checks["status"]) == {"measured"}
    assert result.score == pytest.approx(100)


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
        "UPDATE items SET description = 'Item 2', pack_text = '3 G' " + I0, 2,
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
    "stock-unbalanced": ("DELETE FROM stock_movements WHERE kind = 'receipt'", 10 * 14),
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
}  # fmt: skip


@pytest.mark.parametrize("check_id", SEEDED)
def test_planted_defect_is_found_and_counted_exactly(warehouse, check_id):
    defect, rows = SEEDED[check_id]
    warehouse.execute(defect)
    assert affected(warehouse, check_id) == rows


def test_every_check_has_a_planted_defect_and_an_area():
    assert {item.id for item in all_checks()} == set(SEEDED)
    assert {item.area for item in all_checks()} == set(AREAS)


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
    warehouse.execute("DROP TABLE stock; DROP TABLE receipts; DROP TABLE supplier_items")
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
