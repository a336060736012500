"""The static graph: what notebooks and steps declare, as job and dataset events."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workbench.commands.lineage import app
from workbench.lineage.journal import Journal
from workbench.lineage.schemas import official_schemas
from workbench.lineage.validate import event_findings, validate_journal
from workbench.runs.static_lineage import record_static, static_events
from workbench.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
LINKED = """[workspace]
[lineage.symlinks]
sales = { namespace = "duckdb:///srv/w.duckdb", name = "w.main.sales" }
"""


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """The notebooks and descriptions of sources that ship, and no run."""
    root = tmp_path / "shop"
    shutil.copytree(ROOT / "notebooks", root / "notebooks")
    (root / "workbench.toml").write_text(LINKED)
    monkeypatch.setenv("WORKBENCH_WORKSPACE", str(root))
    return Workspace(root, "shop", "EUR")


def by_name(events):
    return {(one.get("job") or one["dataset"])["name"]: one for one in events}


def test_every_static_event_is_valid(workspace, shared):
    official = official_schemas(shared("vectors/openlineage/spec"))
    events = by_name(static_events(workspace))
    assert {"10-forecast-demand", "simulate-supply", "ingest-completejourney", "sales"} <= set(
        events
    )
    assert {
        name: found for name, one in events.items() if (found := event_findings(one, official))
    } == {}


@pytest.mark.parametrize(
    ("name", "damage", "field"),
    [
        ("sales", lambda one: one["dataset"].pop("name"), "dataset.name"),
        ("sales", lambda one: one["dataset"]["facets"]["schema"].pop("_schemaURL"), "schema"),
        ("20-segment-items", lambda one: one.pop("eventTime"), "eventTime"),
        ("20-segment-items", lambda one: one["inputs"][0].update(rows=1), "inputs"),
    ],
)
def test_a_broken_static_event_is_found(workspace, shared, name, damage, field):
    event = json.loads(json.dumps(by_name(static_events(workspace))[name]))
    damage(event)
    official = official_schemas(shared("vectors/openlineage/spec"))
    assert any(field in where for where, _ in event_findings(event, official))


def test_a_job_event_says_which_columns_its_tables_are_made_from(workspace):
    (segments,) = by_name(static_events(workspace))["20-segment-items"]["outputs"]
    fields = segments["facets"]["columnLineage"]["fields"]["revenue"]["inputFields"]
    assert {"sales.revenue", "sales.date"} <= {f"{one['name']}.{one['field']}" for one in fields}


def test_tables_carry_the_names_that_others_give_them(workspace):
    events = by_name(static_events(workspace))
    read = {one["name"]: one for one in events["20-segment-items"]["inputs"]}
    for dataset in (events["sales"]["dataset"], read["sales"]):
        (identifier,) = dataset["facets"]["symlinks"]["identifiers"]
        assert identifier["name"] == "w.main.sales"


def test_what_is_declared_is_recorded_once_until_it_changes(workspace, shared):
    new, known = record_static(workspace)
    assert (new > 30, known) == (True, 0)
    assert record_static(workspace) == (0, new)
    path = workspace.notebooks / "20-segment-items.ipynb"
    path.write_text(path.read_text().replace("**Owner:**", "**Owner:** New"))
    assert record_static(workspace) == (1, new - 1)
    last = list(Journal(workspace.lineage).events())[-1]
    assert last["job"]["name"] == "20-segment-items"
    assert last["job"]["facets"]["ownership"]["owners"][0]["name"].startswith("New")
    report = validate_journal(workspace.lineage, shared("vectors/openlineage/spec"))
    assert (report.events, report.runs, report.problems) == (new + 1, 0, ())


def test_recording_needs_the_static_graph(workspace):
    assert CliRunner().invoke(app, ["graph", "--record"]).exit_code == 2
    first, again = (CliRunner().invoke(app, ["graph", "--static", "--record"]) for _ in range(2))
    assert first.stdout.endswith("events recorded, 0 were in the journal as they are\n")
    assert again.stdout.startswith("0 events recorded, ")
    assert CliRunner().invoke(app, ["graph"]).stdout == "no run has completed yet\n"
