"""Steps that are functions: same ledger, skip key and lineage as notebooks."""

import pandas as pd
import pytest
from small_notebooks import write_sales

from workbench.errors import TableError
from workbench.lineage.journal import Journal
from workbench.runs.check_lineage import check_workspace
from workbench.runs.ledger import Ledger
from workbench.runs.steps import Step, governed_step
from workbench.tables.store import TableStore


def _suppliers(workspace, country="NL", calls=None):
    def function(inputs, run_id):
        if calls is not None:
            calls.append(run_id)
        frame = pd.DataFrame({"supplier_id": ["V1"], "country": [country]})
        store = TableStore(workspace.tables)
        return [
            store.write(
                "suppliers", frame, provenance="source", source="test", run_id=run_id,
                parents=list(inputs.values()),
            )
        ]  # fmt: skip

    return Step("suppliers", "Writes suppliers.", function, ("sales",), {"country": country})


def test_step_is_complete_then_cached(workspace, events):
    calls = []
    first = governed_step(workspace, _suppliers(workspace, calls=calls))
    second = governed_step(workspace, _suppliers(workspace, calls=calls))
    assert (first.status, second.status) == ("complete", "cached")
    assert calls == [first.run_id]
    assert [kind for kind, _, _ in events()] == ["START", "COMPLETE"]
    assert {o["name"] for o in events()[1][2]["outputs"]} == {"suppliers"}


@pytest.mark.parametrize("change", ["input", "parameter", "force"])
def test_step_runs_again_when_what_it_depends_on_changes(workspace, change):
    governed_step(workspace, _suppliers(workspace))
    if change == "input":
        write_sales(TableStore(workspace.tables), quantity=9.0)
    step = _suppliers(workspace, "DE" if change == "parameter" else "NL")
    assert governed_step(workspace, step, force=change == "force").status == "complete"


def test_cached_step_makes_its_version_current_again(workspace):
    store = TableStore(workspace.tables)
    governed_step(workspace, _suppliers(workspace))
    mine = store.current("suppliers").version
    other = pd.DataFrame({"supplier_id": ["V9"], "country": ["FR"]})
    store.write("suppliers", other, provenance="source", source="somebody else")
    assert store.current("suppliers").version != mine
    assert governed_step(workspace, _suppliers(workspace)).status == "cached"
    assert store.current("suppliers").version == mine


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [(TableError("disk"), "FAIL", "failed"), (KeyboardInterrupt(), "ABORT", "aborted"),
     (ValueError("bug"), "FAIL", "failed")],
)  # fmt: skip
def test_step_that_ends_badly_says_so(workspace, events, error, kind, status):
    def function(inputs, run_id):
        raise error

    with pytest.raises(type(error)):
        governed_step(workspace, Step("bad", "Fails.", function))
    assert [name for name, _, _ in events()] == ["START", kind]
    assert Ledger(workspace.ledger).latest()[0].status == status
    assert list(workspace.runtime.glob("0*")) == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_step_that_is_stopped_while_it_tells_of_its_start_has_start_and_end(
    workspace, events, monkeypatch, when
):
    append = Journal.append

    def interrupted(self, event, *arguments, **options):
        monkeypatch.setattr(Journal, "append", append)
        if when == "after":
            append(self, event, *arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        governed_step(workspace, _suppliers(workspace))
    assert [name for name, _, _ in events()] == ["START", "ABORT"]
    assert Ledger(workspace.ledger).latest()[0].status == "aborted"
    assert [str(notice) for notice in check_workspace(workspace)] == []
