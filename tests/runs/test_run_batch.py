"""Several notebooks in one go: order, parameters, parent run."""

import pytest
from small_notebooks import OPEN

from workbench.errors import ParameterError, RunError
from workbench.runs.batch import run_notebooks
from workbench.runs.ledger import Ledger
from workbench.runs.notebooks import in_order
from workbench.runs.parameters import declared

SEGMENT = """import pandas as pd
frame = pd.DataFrame({
    "item_id": ["I1"], "location_id": ["S1"], "segment": ["AX"], "abc": ["A"], "xyz": ["X"],
    "pattern": ["smooth"], "revenue": [15.0], "demand_mean": [float(periods)], "policy": ["p"],
})
run.write("segments", frame)"""


def _names(notebooks):
    return [declaration.name for declaration in in_order([declared(path) for path in notebooks])]


def test_writers_come_before_readers_whatever_their_numbers(notebook):
    last = notebook("05-last", "pass", reads=["policies"])
    middle = notebook("10-middle", "pass", reads=["segments"], writes=["policies"])
    first = notebook("20-first", "pass", reads=["sales"], writes=["segments"])
    assert _names([last, middle, first]) == ["20-first", "10-middle", "05-last"]


def test_unrelated_notebooks_keep_their_order(notebook):
    paths = [notebook(name, "pass", reads=["sales"]) for name in ("30-c", "10-a", "20-b")]
    assert _names(paths) == ["30-c", "10-a", "20-b"]


def test_optional_reads_order_too(notebook):
    import nbformat

    reader = notebook("10-reader", "pass")
    document = nbformat.read(reader, as_version=4)
    document.metadata["workbench"]["reads_if_present"] = ["segments"]
    nbformat.write(document, reader)
    writer = notebook("20-writer", "pass", writes=["segments"])
    assert _names([reader, writer]) == ["20-writer", "10-reader"]


def test_circle_is_refused_before_anything_runs(workspace, notebook):
    notebook("10-a", "pass", reads=["segments"], writes=["policies"])
    notebook("20-b", "pass", reads=["policies"], writes=["segments"])
    with pytest.raises(RunError, match="each reads what another writes; break the circle"):
        run_notebooks(workspace, ["10-a", "20-b"])
    assert Ledger(workspace.ledger).latest() == []


def test_wrong_parameter_of_the_second_is_refused_before_the_first_runs(workspace, notebook):
    notebook("10-a", "pass")
    notebook("20-b", "pass", parameters="periods: int = 30")
    with pytest.raises(ParameterError, match="20-b: parameter 'periods': 30 is refused"):
        run_notebooks(workspace, ["10-a", "20-b"])
    assert Ledger(workspace.ledger).latest() == []


def test_parameter_that_no_notebook_knows_is_refused(workspace, notebook):
    notebook("10-a", "pass")
    notebook("20-b", "pass")
    with pytest.raises(ParameterError, match="'horizon': unknown to all 2 notebooks"):
        run_notebooks(workspace, ["10-a", "20-b"], parameters={"horizon": 3})


def test_chain_runs_under_one_parent_and_reruns_only_what_changed(workspace, notebook, events):
    read = "run.headline(str(run.read('segments')['demand_mean'].sum()))"
    notebook("20-reader", OPEN, read, reads=["segments"])
    notebook("30-writer", OPEN, SEGMENT, reads=["sales"], writes=["segments"])
    ended = []
    results = run_notebooks(
        workspace, ["20-reader", "30-writer"], parameters={"periods": 4}, ended=ended.append
    )
    assert [(r.job, r.headline) for r in results] == [("30-writer", ""), ("20-reader", "4.0")]
    assert ended == results
    kinds = [(kind, job) for kind, job, _ in events()]
    assert kinds[0] == ("START", "run")
    assert kinds[-1] == ("COMPLETE", "run")
    parent = events()[0][2]["run"]["runId"]
    children = [e["run"]["facets"]["parent"] for _, job, e in events() if job != "run"]
    assert [child["run"]["runId"] for child in children] == [parent] * 4
    again = run_notebooks(workspace, ["20-reader", "30-writer"], parameters={"periods": 4})
    assert [r.status for r in again] == ["cached", "cached"]
    assert len(events()) == 6  # where all is cached, nothing has happened


def test_failure_leaves_out_what_reads_from_it_and_fails_the_parent(workspace, notebook, events):
    notebook("10-a", "1 / 0", reads=["sales"], writes=["segments"])
    notebook("20-b", "pass", reads=["segments"], writes=["policies"])
    notebook("30-c", "pass", reads=["policies"])
    notebook("40-d", OPEN, reads=["sales"])
    ended = []
    with pytest.raises(RunError, match=r"ZeroDivisionError.*was not written: 20-b, 30-c\.$"):
        run_notebooks(workspace, ["10-a", "20-b", "30-c", "40-d"], ended=ended.append)
    assert [result.job for result in ended] == ["40-d"]
    assert [(kind, job) for kind, job, _ in events()] == [
        ("START", "run"), ("START", "10-a"), ("FAIL", "10-a"),
        ("START", "40-d"), ("COMPLETE", "40-d"), ("FAIL", "run"),
    ]  # fmt: skip


def test_table_that_nobody_ingested_keeps_no_other_notebook_from_running(workspace, notebook):
    notebook("10-a", "pass", reads=["shipments"])
    notebook("20-b", OPEN, reads=["sales"])
    ended = []
    with pytest.raises(RunError, match="10-a: reads table 'shipments', which does not exist yet"):
        run_notebooks(workspace, ["10-a", "20-b"], ended=ended.append)
    assert [result.job for result in ended] == ["20-b"]
