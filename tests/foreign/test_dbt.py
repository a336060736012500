"""dbt runs on our tables in its own environment; its datasets and ours are one graph.

The way: a till's file → our `sales` → dbt's `sales_by_week` → dbt's `weekly_units`, an exported
file → our `signals`. `make foreign-dbt` installs dbt and runs this.
"""

import json
import shutil
import sys
from pathlib import Path

import pytest

from workbench.lineage.validate import validate_journal
from workbench.workspace import open_workspace

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for `dbt_shop`

from dbt_shop import DBT, build, done


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    if not DBT.exists():
        pytest.skip(f"no dbt at {DBT}; 'make foreign-dbt' installs it")
    root = tmp_path_factory.mktemp("dbt") / "shop"
    root.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.delenv("WORKBENCH_WORKSPACE", raising=False)
        build(root)
        yield open_workspace(root)


def _graph(*command):
    return json.loads(done("lineage", "graph", *command, "--json"))


def _last(names):
    return {name.rpartition("/")[2] for name in names}


def test_our_table_leads_back_through_dbt_to_our_source(shop):
    above = _last(_graph("signals")["upstream"])
    assert {"weekly_units.parquet", "warehouse.main.sales_by_week", "sales", "till.csv"} <= above


def test_our_source_leads_forward_through_dbt_to_our_table(shop):
    below = _last(_graph("sales")["downstream"])
    assert {"warehouse.main.sales_by_week", "weekly_units.parquet", "signals"} <= below


def test_either_name_asks_for_the_same_dataset(shop):
    theirs = f"duckdb://{shop.root / 'warehouse.duckdb'}/warehouse.main.sales"
    assert _graph(theirs)["downstream"] == _graph("sales")["downstream"]


def test_columns_are_followed_through_both(shop):
    found = {
        (one["name"].rpartition("/")[2], column)
        for one in _graph("signals.value")["sources"]
        for column in one["columns"]
    }
    assert ("sales", "quantity") in found
    assert ("sales", "revenue") not in found


def test_the_whole_journal_is_valid(shop, shared):
    schemas = shared("vectors/openlineage/spec")
    assert validate_journal(shop.lineage, schemas).problems == ()


def test_importing_again_changes_nothing(shop):
    assert "0 events imported, 6 known already" in done("lineage", "import", "dbt.ndjson")


def test_an_import_after_our_ingest_gives_the_same_graph(shop, tmp_path):
    """Events of both in the other order: dbt's are brought in last."""
    lines = [line for file in sorted(shop.lineage.glob("*.ndjson")) for line in file.open()]
    ours = [line for line in lines if "urn:inventory-workbench" in json.loads(line)["producer"]]
    late = tmp_path / "late"
    shutil.copytree(shop.root / "data", late / "data")
    shutil.copyfile(shop.root / "workbench.toml", late / "workbench.toml")
    (late / "lineage").mkdir()
    name = next(shop.lineage.glob("*.ndjson")).name
    (late / "lineage" / name).write_text("".join(ours))
    before = _graph("signals")["upstream"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(late)
        assert "till.csv" not in _last(_graph("signals")["upstream"])
        done("lineage", "import", shop.root / "dbt.ndjson")
        assert _graph("signals")["upstream"] == before
