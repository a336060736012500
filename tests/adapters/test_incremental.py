"""Sources that bring only what is new: added, corrected openly, and never twice."""

import sqlite3

from workbench.adapters.registers import bad_rows

STOCK = {
    "name": "wms", "kind": "csv", "path": "stock.csv", "table": "stock",
    "incremental": {"watermark": "day"}, "columns": {
        "item_id": "sku", "location_id": "site", "date": "day", "on_hand": "pieces",
        "on_order": "coming",
    },
}  # fmt: skip
HEADING = "sku,site,day,pieces,coming\n"


def deliver(folder, *lines):
    (folder / "stock.csv").write_text(HEADING + "\n".join(lines) + "\n")


def test_new_rows_join_those_of_the_table(tmp_path, store, ingest):
    deliver(tmp_path, "A,S,2024-01-01,5,0", "B,S,2024-01-01,1,0")
    ingest(STOCK)
    deliver(tmp_path, "A,S,2024-01-02,4,0")
    (result,) = ingest(STOCK)
    assert result.summary() == "stock: 1 read = 1 added, 3 now"
    assert store.read("stock")["on_hand"].tolist() == [5, 4, 1]


def test_the_same_delivery_again_changes_nothing(tmp_path, store, ingest):
    deliver(tmp_path, "A,S,2024-01-01,5,0")
    first = ingest(STOCK)[0].version.version
    (again,) = ingest(STOCK)
    assert again.version.version == first
    assert again.summary() == "stock: 1 read, 1 unchanged = 0 added, 1 now"
    (account,) = store.read("loads").to_dict("records")  # still tells how the version came to be
    assert (account["read"], account["added"], account["unchanged"]) == (1, 1, 0)


def test_a_late_correction_makes_a_version_that_says_so(tmp_path, store, ingest):
    deliver(tmp_path, "A,S,2024-01-01,5,0")
    before = ingest(STOCK)[0].version
    deliver(tmp_path, "A,S,2024-01-01,6,0", "A,S,2024-01-02,4,0")
    (result,) = ingest(STOCK)
    assert result.summary() == "stock: 2 read, 1 corrected = 1 added, 2 now"
    assert (
        f"1 rows were loaded before with other values; version {before.version[:12]}"
        in (result.lines()[1])
    )
    assert store.read("stock")["on_hand"].tolist() == [6, 4]
    assert store.read(before)["on_hand"].tolist() == [5]
    assert result.version.parents == {"stock": before.digest}


def test_an_old_delivery_does_not_lower_the_watermark(tmp_path, store, ingest):
    deliver(tmp_path, "A,S,2024-01-05,5,0")
    ingest(STOCK)
    deliver(tmp_path, "A,S,2024-01-02,5,0")
    version = ingest(STOCK)[0].version.version
    loads = store.read("loads").set_index("loaded_version")
    assert loads.loc[version, "watermark"] == "2024-01-05 00:00:00"


def test_a_database_is_asked_from_the_watermark_less_the_overlap(tmp_path, store, ingest):
    database = sqlite3.connect(tmp_path / "wms.db")
    database.execute("CREATE TABLE stock (sku, site, day, pieces, coming, changed)")
    rows = [("A", "S", f"2024-01-0{day}", day, 0, f"2024-02-0{day} 10:00:00") for day in (1, 2, 3)]
    database.executemany("INSERT INTO stock VALUES (?, ?, ?, ?, ?, ?)", rows)
    database.commit()
    source = {**STOCK, "kind": "sqlite", "path": "wms.db",
              "query": "SELECT * FROM stock WHERE changed > $since",
              "incremental": {"watermark": "changed", "overlap_days": 1}}  # fmt: skip
    assert ingest(source)[0].load.read == 3
    later = "2024-02-04 09:00:00"
    database.execute("UPDATE stock SET pieces = 9, changed = ? WHERE day LIKE '%1'", [later])
    database.commit()
    (result,) = ingest(source)  # asked after 2024-02-02 10:00
    assert result.summary() == "stock: 2 read, 1 corrected, 1 unchanged = 0 added, 3 now"
    assert ingest(source)[0].load.read == 2  # after 2024-02-03 09:00: both again


def test_nothing_new_is_no_error_later_but_is_at_first(tmp_path, store, ingest):
    deliver(tmp_path, "A,S,2024-01-01,5,0")
    ingest(STOCK)
    (tmp_path / "stock.csv").write_text(HEADING)
    (result,) = ingest(STOCK)
    assert result.summary() == "stock: 0 read = 0 added, 1 now"


def test_bad_rows_of_a_delivery_are_set_aside(tmp_path, store, ingest):
    deliver(tmp_path, "A,S,2024-01-01,5,0")
    ingest(STOCK)
    deliver(tmp_path, "A,S,2024-01-02,4,0", "B,S,2024-01-02,4,-1")
    (result,) = ingest(STOCK | {"bad_rows_limit": 0.5})
    assert result.summary() == "stock: 2 read, 1 quarantined = 1 added, 2 now"
    deliver(tmp_path, "C,S,2024-01-03,4,0")
    ingest(STOCK)
    assert bad_rows(store, ["stock"]).empty
    assert bad_rows(store, earlier=True)["value"].tolist() == ["-1"]
    ingest({name: given for name, given in STOCK.items() if name != "incremental"})
    assert bad_rows(store, earlier=True).empty  # loaded anew as a whole
