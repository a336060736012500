"""`workbench lineage` on a workspace."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from workbench.commands.lineage import app
from workbench.errors import LineageError
from workbench.lineage.journal import Journal
from workbench.lineage.lifecycle import RunLineage

RUN = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"


@pytest.fixture
def workspace(tmp_path, monkeypatch, suppliers, locations):
    root = tmp_path / "shop"
    root.mkdir()
    (root / "workbench.toml").write_text("[workspace]\n")
    monkeypatch.setenv("WORKBENCH_WORKSPACE", str(root))
    run = RunLineage(Journal(root / "lineage"), workspace_id="shop", job="10-place", run_id=RUN)
    run.start([suppliers])
    run.complete([locations])
    return root


def invoke(*arguments):
    result = CliRunner().invoke(app, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_valid_journal_exits_with_0(workspace, shared):
    result = invoke("validate", "--schemas", str(shared("vectors/openlineage/spec")))
    assert (result.exit_code, result.stdout) == (
        0,
        "2 events of 1 run in 1 file, 0 open: no problems\n",
    )


def test_problems_are_printed_and_exit_with_1(workspace):
    (path,) = (workspace / "lineage").glob("*.ndjson")
    path.write_text(path.read_text().replace('"eventType":"START"', '"eventType":"BEGIN"'))
    result = invoke("validate", "--json")
    facts = json.loads(result.stdout)
    assert (result.exit_code, facts["valid"]) == (1, False)
    assert facts["problems"][0]["run_id"] == RUN
    assert "eventType" in invoke("validate").stdout


def test_graph_shows_what_a_table_was_made_from_and_feeds(workspace):
    text = invoke("graph", "locations").stdout
    assert "└── suppliers  (10-place)" in text
    run, flow = invoke("graph").stdout.splitlines()
    assert run.startswith("10-place · ")
    assert run.endswith(" · run 2e3f4a5b")
    assert flow == "    suppliers → locations"
    facts = json.loads(invoke("graph", "suppliers", "--json").stdout)
    assert facts == {"table": "suppliers", "upstream": [], "downstream": ["locations"]}
    edges = json.loads(invoke("graph", "--json").stdout)["edges"]
    assert edges == [{"from": "suppliers", "to": "locations", "jobs": ["10-place"]}]


def test_graph_of_an_unknown_table_is_refused(workspace):
    with pytest.raises(LineageError, match="no run read or wrote"):
        invoke("graph", "sales")


def test_deep_line_is_one_sentence(workspace):
    (path,) = (workspace / "lineage").glob("*.ndjson")
    path.write_text(path.read_text() + "[" * 200_000 + "\n")
    result = invoke("validate")
    assert (result.exit_code, "line: nested too deeply" in result.stdout) == (1, True)
    with pytest.raises(LineageError, match="nested too deeply"):
        invoke("graph")


def test_deep_event_is_one_sentence(workspace):
    (path,) = (workspace / "lineage").glob("*.ndjson")
    path.write_text(path.read_text() + '{"run":' + '{"facets":' * 900 + "1" + "}" * 901 + "\n")
    assert invoke("validate").exit_code == 1


def test_event_without_names_is_one_sentence(workspace):
    (path,) = (workspace / "lineage").glob("*.ndjson")
    path.write_text(path.read_text() + '{"eventType":"COMPLETE"}\n')
    with pytest.raises(LineageError, match="'workbench lineage validate' names the line"):
        invoke("graph")


def test_unknown_name_is_answered_with_near_ones(workspace):
    with pytest.raises(LineageError, match=r"such as locations\.$"):
        invoke("graph", "location")
    with pytest.raises(LineageError, match="such as locations, suppliers"):
        invoke("graph", "../../x")


def test_the_command_module_starts_without_the_client():
    code = (
        "import sys; import workbench.commands.lineage, workbench.lineage.lifecycle;"
        "sys.exit(any(m.startswith(('openlineage', 'jsonschema')) for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
