"""The graph as of a decision: what was known when it was made, not what came of it since."""

import json

import pandas as pd
import pytest
from small_notebooks import OPEN, PROPOSE, make_workspace, write_notebook, write_sales
from typer.testing import CliRunner

from workbench.cli import app
from workbench.commands.log import open_history
from workbench.runs.run import run_notebook
from workbench.runs.steps import Step, governed_step
from workbench.tables.store import TableStore


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    space = make_workspace(tmp_path_factory.mktemp("decided") / "space")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(space.root)
        yield space


@pytest.fixture(scope="module")
def decided(workspace):
    """A run proposed from sales; afterwards a step made suppliers from the proposals."""
    write_notebook(workspace, "10-propose", OPEN, PROPOSE, reads=["sales"], writes=["proposals"])
    run_notebook(workspace, "10-propose")
    before = TableStore(workspace.tables).current("sales")
    write_sales(TableStore(workspace.tables), quantity=9.0)
    frame = pd.DataFrame({"supplier_id": ["V9"]})

    def write(inputs, run_id):
        store = TableStore(workspace.tables)
        return [store.write("suppliers", frame, provenance="derived", source="t", run_id=run_id)]

    governed_step(workspace, Step("later", "Later.", write, reads=["proposals"]))
    (entry, *_) = open_history(workspace).of_run(
        TableStore(workspace.tables).current("proposals").run_id
    )
    return entry, before


def _graph(*command):
    result = CliRunner().invoke(app, ["lineage", "graph", *command, "--json"])
    assert result.exit_code == 0, result.output or result.exception
    return json.loads(result.output)


def test_a_decision_is_asked_about_as_of_its_own_time(decided):
    entry, before = decided
    found = _graph("--decision", entry.id, "--full")
    assert {one["name"]: one["digest"] for one in found["sources"]} == {"sales": before.digest}
    assert "suppliers" not in found["downstream"]
    assert "proposals" in found["downstream"]


def test_a_table_can_be_asked_about_as_of_a_decision(decided):
    entry, _ = decided
    assert _graph("proposals")["downstream"] == ["suppliers"]
    assert _graph("proposals", "--decision", entry.id)["downstream"] == []


def test_an_answer_is_a_later_decision(decided, workspace):
    entry, _ = decided
    accepted = CliRunner().invoke(app, ["decide", "accept", entry.id])
    assert accepted.exit_code == 0, accepted.output or accepted.exception
    (answer,) = open_history(workspace).followers(open_history(workspace).decision(entry.id))
    assert _graph("proposals", "--decision", answer.id)["downstream"] == ["suppliers"]


def test_two_times_at_once_are_refused(decided):
    entry, _ = decided
    command = ["lineage", "graph", "--decision", entry.id, "--as-of", "2026-01-01"]
    assert CliRunner().invoke(app, command).exit_code == 2
