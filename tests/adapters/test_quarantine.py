"""Bad rows: set aside with their reason and line, counted, and never too many."""

import json

import pytest

from workbench.errors import ContractError, SourceError

STOCK = {
    "name": "wms", "kind": "csv", "path": "stock.csv", "table": "stock", "bad_rows_limit": 0.5,
    "columns": {
        "item_id": "sku", "location_id": "site", "date": "day", "on_hand": "pieces",
        "on_order": "coming",
    },
}  # fmt: skip
HEADING = "sku,site,day,pieces,coming\n"
GOOD = "A,S1,2024-01-01,5,0\nB,S1,2024-01-01,7,2\nC,S1,2024-01-01,1,0\n"


def write(folder, text):
    (folder / "stock.csv").write_bytes((HEADING + text).encode())


def reasons(store):
    frame = store.read("quarantine").sort_values("row")
    return [
        tuple(row) for row in frame[["row", "column", "reason", "value"]].to_numpy(dtype=object)
    ]


def test_bad_rows_are_set_aside_with_line_column_reason_and_value(tmp_path, store, ingest):
    write(tmp_path, GOOD + 'D,"S\n1",2024-01-01,1,0\nE,S1,2024-13-01,1,0\nF,S1,2024-01-01,x,0\n'
                           "G,S1,2024-01-01,1,-4\n")  # fmt: skip
    (result,) = ingest(STOCK | {"bad_rows_limit": 0.6})
    assert result.summary() == "stock: 7 read, 4 quarantined = 3 loaded"
    assert store.read("stock")["item_id"].tolist() == ["A", "B", "C"]
    ids = "ids without line breaks, control and direction characters"
    assert reasons(store) == [
        (5, "site", f"holding a control character, expected {ids}", "S\n1"),
        (7, "day", "expected a date", "2024-13-01"),
        (8, "pieces", "expected a number", "x"),
        (9, "coming", "below 0, expected >= 0", "-4"),
    ]


def test_the_row_is_kept_as_it_was_so_that_it_can_be_mended(tmp_path, store, ingest):
    write(tmp_path, GOOD + "D,S1,2024-01-01,x,3\n")
    ingest(STOCK)
    (record,) = store.read("quarantine")["record"]
    assert json.loads(record) == {
        "sku": "D", "site": "S1", "day": "2024-01-01", "pieces": "x", "coming": "3"
    }  # fmt: skip


def test_lines_of_too_many_or_too_few_values_are_set_aside(tmp_path, store, ingest):
    write(tmp_path, 'A,S1,2024-01-01,5,0\nB;S1\n\n"C",S1,2024-01-01,1,0\nD,S1,2024-01-01,1,0,9\n'
                    "E,S1,2024-01-01,-1,-1\n")  # fmt: skip
    (result,) = ingest(STOCK | {"bad_rows_limit": 0.6})
    assert result.summary() == "stock: 5 read, 3 quarantined = 2 loaded"
    assert [(row, reason) for row, _, reason, _ in reasons(store)] == [
        (3, "1 value in the line, expected 5"),
        (6, "6 values in the line, expected 5"),
        (7, "below 0, expected >= 0"),
    ]


def test_of_equal_rows_the_first_stays_and_of_differing_ones_none(tmp_path, store, ingest):
    twice = "A,S1,2024-01-01,5,0\n"
    write(tmp_path, GOOD + twice + "B,S1,2024-01-01,8,2\nD,S1,2024-01-01,9,9\n")
    (result,) = ingest(STOCK)
    assert result.summary() == "stock: 6 read, 3 quarantined = 3 loaded"
    assert store.read("stock")["item_id"].tolist() == ["A", "C", "D"]
    differ = "key occurs more than once, with other values"
    assert [(row, *told) for row, _, *told in reasons(store)] == [
        (3, differ, None), (5, "repeats an earlier row", "stock.csv:2"), (6, differ, None),
    ]  # fmt: skip


def test_rows_of_days_to_come_are_told(tmp_path, store, ingest):
    write(tmp_path, GOOD + "D,S1,2999-01-01,1,0\n")
    (result,) = ingest(STOCK)
    assert result.loaded == 4
    assert "days to come, up to 2999-01-01" in result.lines()[1]


def test_more_bad_rows_than_the_limit_refuse_the_source(tmp_path, store, ingest):
    write(tmp_path, GOOD + "D,S1,2024-01-01,x,3\n")
    message = r"line 5, column 'pieces' holds 'x'.*1 of 4 rows are bad, more than the limit of 1\.0"
    with pytest.raises(SourceError, match=message):
        ingest(STOCK | {"bad_rows_limit": 0.01})
    assert store.tables() == []


def test_refuse_allows_no_bad_row(tmp_path, store, ingest):
    write(tmp_path, GOOD + "D,S1,2024-01-01,1,-3\n")
    with pytest.raises(ContractError, match="line 5, column 'coming' holds '-3'"):
        ingest(STOCK | {"on_bad_rows": "refuse"})
    assert store.tables() == []


def test_what_identifies_people_is_not_in_the_register(tmp_path, store, ingest):
    (tmp_path / "orders.csv").write_text("no,who,at\n1,Ada,2024-01-01\n2,Bob,never\n")
    ingest({
        "name": "shop", "kind": "csv", "path": "orders.csv", "table": "orders",
        "bad_rows_limit": 0.5, "constants": {"channel": "web"}, "columns": {
            "order_id": "no", "customer_hash": {"column": "who", "secret": True},
            "ordered": "at", "date": "at",
        },
    })  # fmt: skip
    (record,) = store.read("quarantine")["record"]
    assert json.loads(record) == {"no": "2", "at": "never"}


def test_the_register_keeps_to_the_version_that_it_speaks_of(tmp_path, store, ingest):
    write(tmp_path, GOOD + "D,S1,2024-01-01,x,3\n")
    first = ingest(STOCK)[0].version.version
    write(tmp_path, GOOD + "D,S1,2024-01-01,1,3\n")
    second = ingest(STOCK)[0].version.version
    assert set(store.read("quarantine")["loaded_version"]) == {first}
    loads = store.read("loads").set_index("loaded_version")
    assert loads.loc[first, ["read", "quarantined", "loaded"]].tolist() == [4, 1, 3]
    assert loads.loc[second, ["read", "quarantined", "loaded"]].tolist() == [4, 0, 4]


def test_repeats_are_added_up_dropped_or_the_last_one_kept(tmp_path, store, ingest):
    write(tmp_path, GOOD + "A,S1,2024-01-01,2,1\nB,S1,2024-01-01,7,2\n")
    summary = ingest(STOCK | {"repeats": "add_up"})[0].summary()
    assert summary == "stock: 5 read, 2 merged = 3 loaded"
    assert store.read("stock")[["on_hand", "on_order"]].to_numpy().tolist() == [
        [7, 1], [14, 4], [1, 0],
    ]  # fmt: skip
    ingest(STOCK | {"repeats": "last"})
    assert store.read("stock")["on_hand"].tolist() == [2, 7, 1]
    (result,) = ingest(STOCK | {"repeats": "drop_equal"})
    assert result.summary() == "stock: 5 read, 1 merged, 2 quarantined = 2 loaded"
