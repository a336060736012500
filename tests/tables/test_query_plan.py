"""Which columns a query looks at, and what decides how many rows it has."""

import pytest

from workbench.tables.plan import columns_read, in_any_order, rows_alone


def counted(sql):
    return columns_read(f"SELECT count(*) FROM ({rows_alone(sql)})")


def test_only_what_an_answer_needs_is_read():
    sql = "SELECT brand, category = 'x' AS affected FROM items WHERE is_demand"
    assert columns_read(f"SELECT count(*) FILTER (affected) FROM ({sql})") == {
        ("items", "category"), ("items", "is_demand"),
    }  # fmt: skip


def test_what_is_known_beside_the_tables_can_be_read():
    beside = "CREATE TABLE deliveries(loaded TIMESTAMP, last_observed DATE)"
    assert columns_read("SELECT max(loaded) FROM deliveries", beside=beside) == {
        ("deliveries", "loaded")
    }


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT count(*) OVER (PARTITION BY gtin) > 1 FROM items WHERE is_demand", {"is_demand"}),
        ("SELECT string_agg(DISTINCT brand) FROM items GROUP BY category", {"category"}),
        ("SELECT brand FROM items QUALIFY count(*) OVER (PARTITION BY gtin) > 1", {"gtin"}),
    ],
)
def test_how_many_rows_there_are_follows_from_what_chooses_and_groups_them(sql, columns):
    assert {name for _, name in counted(sql)} == columns


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT max(unit_price) AS highest FROM items",
        "SELECT DISTINCT brand FROM items",
        "SELECT lower(brand) AS label, count(*) FROM items GROUP BY label",
        "SELECT brand, count(*) FROM items GROUP BY ALL",
        "SELECT brand, count(*) FROM items GROUP BY 1",
        "SELECT brand FROM items UNION SELECT category FROM items",
    ],
)
def test_a_query_whose_rows_follow_from_what_is_selected_stays(sql):
    assert rows_alone(sql) == sql


@pytest.mark.parametrize(
    ("affected", "columns"),
    [
        ("row_number() OVER (PARTITION BY brand ORDER BY item_id) > 1", {"brand"}),
        ("rank() OVER (PARTITION BY brand ORDER BY unit_cost) > 1", {"brand", "unit_cost"}),
        (
            "row_number() OVER (PARTITION BY brand ORDER BY item_id) > 1 AND is_demand",
            {"brand", "item_id", "is_demand"},
        ),
        (
            "row_number() OVER (PARTITION BY brand ORDER BY item_id) > pack_count",
            {"brand", "item_id", "pack_count"},
        ),
    ],
)
def test_how_many_repeats_there_are_does_not_follow_from_which_one_is_first(affected, columns):
    sql = in_any_order(f"SELECT gtin, {affected} AS affected FROM items", "affected")
    read = columns_read(f"SELECT count(*) FILTER (affected) FROM ({sql})")
    assert {name for _, name in read} == columns
