"""One item in three systems (WMS, ERP, shop): merged by a person, seen whole, undone."""

import json

import pytest
from typer.testing import CliRunner

from workbench.cli import app
from workbench.errors import LogError, TableError
from workbench.tables.store import TableStore
from workbench.workspace import open_workspace

ERP = (
    "no;text;brand\n0471;Tomato soup 500 ml;Oakham\n0472;TOMATO SUOP 0.5L;OAKHAM\n"
    "0473;Salt;Oakham\n"
)
WMS = "bin;day;pieces\n000471-A;2024-03-01;7\n000472-A;2024-03-01;5\n"
SHOP = "slug;day;sold;money\ntomato-soup;2024-03-01;2;5.00\ntomato-soup-old;2024-03-01;1;2.50\n"
ALIASES = (
    "system,theirs,ours\nwms,000471-A,471\nwms,000472-A,472\nshop,tomato-soup,471\n"
    "shop,tomato-soup-old,472\n"
)
ALIAS_SOURCE = """
[[source]]
name = "cross-reference"
kind = "csv"
path = "aliases.csv"
table = "item_aliases"
columns = { source_system = "system", source_id = "theirs", item_id = "ours" }
constants = { valid_from = "2024-01-01" }
"""
SOURCES = """
[[source]]
name = "ERP"
kind = "csv"
path = "erp.csv"
delimiter = ";"
table = "items"
system = "erp"
columns = { item_id = "no", description = "text", brand = "brand" }
constants = { base_uom = "EA", currency = "USD", is_demand = true }

[[source]]
name = "WMS"
kind = "csv"
path = "wms.csv"
delimiter = ";"
table = "stock"
system = "wms"
repeats = "add_up"
columns = { item_id = "bin", date = "day", on_hand = "pieces" }
constants = { location_id = "DC", on_order = 0 }

[[source]]
name = "shop"
kind = "csv"
path = "shop.csv"
delimiter = ";"
table = "sales"
system = "shop"
repeats = "add_up"
columns = { item_id = "slug", date = "day", quantity = "sold", revenue = "money" }
constants = { location_id = "DC", channel = "web" }
"""


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Runs the command in a workspace with the three exports; an error is the test's."""
    (tmp_path / "workbench.toml").write_text("[workspace]\nname = 'three'\n")
    for name, text in (("erp", ERP), ("wms", WMS), ("shop", SHOP), ("aliases", ALIASES)):
        (tmp_path / f"{name}.csv").write_text(text)
    (tmp_path / "aliases.toml").write_text(ALIAS_SOURCE)
    (tmp_path / "exports.toml").write_text(SOURCES)
    monkeypatch.setenv("WORKBENCH_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("WORKBENCH_KEYS", str(tmp_path / "keys"))

    def run(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.output

    return run


def ingest(call, folder):
    return call("ingest", folder / "aliases.toml") + call("ingest", folder / "exports.toml")


def known(call, item):
    return json.loads(call("items", "show", item, "--json"))


def test_one_item_over_three_systems_is_merged_by_a_person_and_undone(tmp_path, call):
    ingest(call, tmp_path)
    before = known(call, "471")
    assert before["systems"] == [["items", "471"], ["shop", "tomato-soup"], ["wms", "000471-A"]]

    assert known(call, "tomato-soup") == before  # by the shop's number

    assert "0.9" in call("items", "duplicates")
    (proposed,) = json.loads(call("items", "duplicates", "--propose", "--json"))["records"]
    again = json.loads(call("items", "duplicates", "--propose", "--json"))
    assert again["entered"] == 0  # a proposal is entered once

    with pytest.raises(LogError, match="is not accepted; expected a proposal that somebody"):
        call("items", "merge", proposed["id"])
    call("decide", "accept", proposed["id"], "--reason", "same shelf, same label")
    assert "472 is 471 from the next ingest on" in call("items", "merge", proposed["id"])
    call("items", "merge", proposed["id"])  # once more changes nothing
    told = ingest(call, tmp_path)
    assert "items: 3 read, 1 merged = 2 loaded" in told
    assert "4 read, 2 left out" in told  # aliases decided by people are not the file's to change

    after = known(call, "472")
    assert after["item_id"] == "471"
    assert [pair for pair in after["systems"] if pair not in before["systems"]][1:] == [
        ["shop", "tomato-soup-old"],
        ["wms", "000472-A"],
    ]
    store = TableStore(open_workspace(tmp_path).tables)
    assert store.read("stock")[["item_id", "on_hand"]].to_numpy().tolist() == [["471", 12]]
    assert store.read("sales")[["item_id", "quantity"]].to_numpy().tolist() == [["471", 3]]
    assert "1 location, 2024-03-01 to 2024-03-01, quantity 3 in all" in after["tables"]["sales"]

    aliases = store.read("item_aliases")
    merge_id = aliases.set_index("source_id").loc["472", "decision_id"]
    call("items", "undo", merge_id, "--reason", "other recipe")
    ingest(call, tmp_path)
    assert known(call, "471") == before
    assert store.read("stock")["on_hand"].tolist() == [7, 5]
    with pytest.raises(LogError, match="its merge was undone"):
        call("items", "merge", proposed["id"])


def test_a_merge_is_in_the_log_and_orders_nothing(tmp_path, call):
    ingest(call, tmp_path)
    (proposed,) = json.loads(call("items", "duplicates", "--propose", "--json"))["records"]
    call("decide", "accept", proposed["id"])
    call("items", "merge", proposed["id"])
    traced = call("trace", "--decision", proposed["id"])
    assert "names agree by" in traced
    assert "included under the signed checkpoint" in call("log", "verify")
    with pytest.raises(LogError, match="no decision waits for its order"):
        call("orders", "export", tmp_path / "orders.csv")


def test_only_so_many_pairs_are_listed_and_then_those_that_were_not_entered(tmp_path, call):
    erp = tmp_path / "erp.csv"
    erp.write_text(erp.read_text() + "0481;Rye bread 750 g;Oakham\n0482;RYE BREAD 0.75kg;OAKHAM\n")
    ingest(call, tmp_path)
    told = call("items", "duplicates", "--limit", 1)
    assert "2 pairs among 5 items, the surest 1 listed (--limit); --propose enters them." in told
    assert told.count(" = ") == 1
    assert len(json.loads(call("items", "duplicates", "--limit", 1, "--json"))) == 1
    entered = [
        json.loads(call("items", "duplicates", "--limit", 1, "--propose", "--json"))["records"]
        for _ in range(3)
    ]
    first, second, third = (records[0]["entry"] for records in entered)
    assert (first, second, third) == (0, 1, 0)


def test_units_are_told_with_clashes_and_what_is_not_read(tmp_path, call):
    erp = SOURCES.split("[[source]]")[1].replace("constants", 'size_text = "text"\nconstants')
    packs = """
[[source]]
name = "packs"
kind = "csv"
path = "packs.csv"
table = "uom_conversions"
columns = { item_id = "no", from_uom = "from", to_uom = "to", factor = "n" }
"""
    (tmp_path / "packs.csv").write_text("no,from,to,n\n471,CASE,EA,12\n471,EA,CASE,0.1\n")
    (tmp_path / "exports.toml").write_text(f"[[source]]{erp}{packs}")
    call("ingest", tmp_path / "exports.toml")
    told = call("items", "units")
    assert "package sizes: 0 of 3 read (0.0%)" in told
    assert "'Salt' (1 items): not recognised" in told
    assert "conflict: item 471: EA to XCS to EA gives 1.2, expected 1" in told
    assert json.loads(call("items", "units", "--json"))["clashes"][0]["kind"] == "conflict"


def test_gtins_are_told_with_what_is_wrong_and_what_is_shared(tmp_path, call):
    erp = SOURCES.split("[[source]]")[1].replace('brand = "brand"', 'gtin = "ean"')
    (tmp_path / "exports.toml").write_text(f"[[source]]{erp}")
    (tmp_path / "erp.csv").write_text(
        "no;text;ean\n471;Soup;036000291452\n472;Stew;0036000291452\n473;Salt;4006381333932\n"
        "474;Rag;\n"
    )
    call("ingest", tmp_path / "exports.toml")
    assert call("items", "gtins").splitlines() == [
        "GTINs: 3 of 4 items have one; 1 wrong, 1 shared by several items, 0 of a shop's own range",
        "  473: '4006381333932' check digit is 2, expected 1",
        "  00036000291452 is on 471, 472",
    ]
    assert "… and 1 more shared; --json lists them all." in call("items", "gtins", "--rows", 0)
    assert json.loads(call("items", "gtins", "--json"))["shared"] == [
        ["00036000291452", ["471", "472"]]
    ]


def test_what_no_table_knows_is_refused_and_what_the_master_lacks_is_told(tmp_path, call):
    (tmp_path / "aliases.csv").write_text("system,theirs,ours\nshop,tomato-soup-old,tomato-soup\n")
    ingest(call, tmp_path)
    with pytest.raises(TableError, match="item 'nowhere': in no table, and no system's number"):
        call("items", "show", "nowhere")
    assert "not in the item master: say in item_aliases which item it is" in call(
        "items", "show", "000471-A"
    )
