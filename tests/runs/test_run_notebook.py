"""A run from its name to a report that is complete, cached, or run again."""

import hashlib
import json
import shutil
from dataclasses import replace
from datetime import date

import pytest
from small_notebooks import OPEN, PROPOSE, write_notebook, write_sales

from workbench.decision_log.append import open_log
from workbench.decision_log.keys import verifier_key
from workbench.decision_log.verify import verify_log
from workbench.lineage.validate import validate_journal
from workbench.runs.ledger import Ledger
from workbench.runs.publish import latest_report
from workbench.runs.run import run_notebook
from workbench.tables.store import TableStore
from workbench.workspace import Workspace

SEGMENT = """import pandas as pd
frame = pd.DataFrame({
    "item_id": ["I1"], "location_id": ["S1"], "segment": ["AX"], "abc": ["A"], "xyz": ["X"],
    "pattern": ["smooth"], "revenue": [15.0], "demand_mean": [2.0], "policy": ["window"],
})
run.write("segments", frame)"""
COUNT = "run.headline(f\"{len(run.read('sales'))} rows, {periods} periods\")"
MODEL = 'run.save_model("weights.bin", b"weights")'


@pytest.fixture(scope="module")
def finished(template, tmp_path_factory):
    """One governed run with tables, models and proposals, and its workspace."""
    space = Workspace(tmp_path_factory.mktemp("finished") / "space", "small", "EUR")
    shutil.copytree(template, space.root)
    write_notebook(
        space, "30-propose", OPEN, COUNT, SEGMENT, MODEL, PROPOSE, "run.finish()",
        reads=["sales", "stock"], writes=["segments", "proposals"],
    )  # fmt: skip
    return space, run_notebook(space, "30-propose", parameters={"periods": 4})


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of the finished workspace to change."""
    space, result = finished
    shutil.copytree(space.root, tmp_path / "space")
    report = tmp_path / "space" / result.report.relative_to(space.root)
    return replace(space, root=tmp_path / "space"), replace(result, report=report)


def _manifest(result):
    return json.loads((result.report / "run.json").read_text())


def test_result_tells_headline_and_place(finished):
    space, result = finished
    assert (result.job, result.status, result.decisions) == ("30-propose", "complete", 2)
    assert result.headline == "3 rows, 4 periods (partly simulated)"
    assert result.report == space.reports / "30-propose" / "2017-12-31" / result.run_id
    assert latest_report(space, "30-propose") == result.report


def test_manifest_holds_what_the_run_rests_on(finished):
    space, result = finished
    manifest, store = _manifest(result), TableStore(space.tables)
    assert manifest["parameters"]["periods"] == 4
    assert manifest["as_of"] == "2017-12-31"
    assert manifest["inputs"]["sales"]["digest"] == store.current("sales").digest
    assert manifest["outputs"]["segments"]["version"] == store.current("segments").version
    assert manifest["proposals"] == 2
    assert manifest["simulated"] == ["stock"]
    assert [model["digest"] for model in manifest["models"]] == [_sha256(b"weights")]


def test_manifest_digests_are_those_of_the_files(finished):
    _, result = finished
    artefacts = _manifest(result)["artefacts"]
    assert {"notebook.ipynb", "report.html", "tables/proposals.csv"} <= set(artefacts)
    for name, digest in artefacts.items():
        assert _sha256((result.report / name).read_bytes()) == digest


def test_log_holds_the_proposals_with_their_evidence(finished):
    space, result = finished
    report = verify_log(space.log, verifier_key(space.log_origin()))
    assert report.entries == 2
    records = [json.loads(entry) for entry in _entries(space)]
    one = next(record for record in records if record["item_id"] == "I1")
    assert (one["quantity"], one["valid_from"], one["tier"]) == (12, "2018-01-01", "manual")
    assert one["reasons"] == ["Stock is low.", "Demand rises."]
    assert one["simulated"] is True
    assert one["run_ids"] == [result.run_id]
    assert one["models"][0]["digest"] == _sha256(b"weights")
    stock = TableStore(space.tables).current("stock")
    assert one["evidence"] == [
        {"table": "stock", "digest": stock.digest, "first_row": 0, "last_row": 1}
    ]


def test_report_keeps_the_answer_of_the_log(finished):
    _, result = finished
    answer = json.loads((result.report / "decision-log.json").read_text())
    assert (answer["entries"], answer["first_index"], answer["tree_size"]) == (2, 0, 2)


def test_lineage_is_valid_and_names_outputs_and_log_range(finished):
    space, result = finished
    report = validate_journal(space.lineage, None)
    assert report.problems == ()
    complete = _events(space)[-1]
    assert complete["eventType"] == "COMPLETE"
    names = {dataset["name"] for dataset in complete["outputs"]}
    manifest = (result.report / "run.json").relative_to(space.root).as_posix()
    assert {"segments", "proposals", manifest} <= names
    assert complete["run"]["facets"]["workbench_decisionLog"]["entries"] == 2


def test_ledger_says_complete(finished):
    space, result = finished
    row = Ledger(space.ledger).get(result.run_id[:20])
    assert (row.status, row.attempt, row.as_of) == ("complete", 0, date(2017, 12, 31))
    assert set(row.outputs) == {"segments", "proposals"}
    assert list((space.runtime).glob("0*")) == []


def test_trained_model_is_kept_by_digest(finished):
    space, _ = finished
    digest = _sha256(b"weights")
    assert (space.models / "weights.bin" / digest).read_bytes() == b"weights"


def test_report_says_that_it_rests_on_simulated_data(finished):
    _, result = finished
    assert "imulated" in (result.report / "report.html").read_text()


def test_unchanged_run_is_cached_without_an_event(finished):
    space, result = finished
    before = len(_events(space))
    again = run_notebook(space, "30-propose", parameters={"periods": 4})
    assert (again.status, again.run_id, again.report) == ("cached", result.run_id, result.report)
    assert len(_events(space)) == before


def test_lost_report_is_made_again_without_doubling_proposals(copied):
    space, result = copied
    shutil.rmtree(result.report)
    again = run_notebook(space, "30-propose", parameters={"periods": 4})
    assert (again.status, again.decisions) == ("complete", 0)
    assert len(_entries(space)) == 2
    assert json.loads((again.report / "run.json").read_text())["proposals"] == 2


def test_forced_run_proposes_anew(copied):
    space, _ = copied
    forced = run_notebook(space, "30-propose", parameters={"periods": 4}, force=True)
    assert forced.decisions == 2
    assert Ledger(space.ledger).get(forced.run_id).attempt == 1


def test_changed_input_runs_again_and_a_changed_run_id_does_not(workspace, notebook):
    notebook("10-a", OPEN, COUNT, reads=["sales"])
    store = TableStore(workspace.tables)
    first = run_notebook(workspace, "10-a")
    assert run_notebook(workspace, "10-a", parameters={"periods": 3}).status == "cached"
    write_sales(store, quantity=3.0)
    second = run_notebook(workspace, "10-a")
    assert second.status == "complete"
    write_sales(store)
    assert run_notebook(workspace, "10-a").run_id == first.run_id


def test_as_of_hides_what_became_known_later(workspace, notebook):
    notebook("10-a", OPEN, COUNT, reads=["sales"])
    result = run_notebook(workspace, "10-a", as_of=date(2017, 12, 30))
    assert result.headline == "2 rows, 3 periods"
    assert result.report.parent.name == "2017-12-30"


def test_secret_parameter_appears_nowhere(workspace, notebook):
    notebook("10-a", OPEN, "print('using', api_token)", "run.headline('done')")
    run_notebook(workspace, "10-a", parameters={"api_token": "opensesame42"})
    files = [path for path in workspace.root.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [path for path in files if b"opensesame42" in path.read_bytes()] == []


def test_kernel_has_no_key_folder_and_its_share_of_threads(workspace, notebook):
    cell = """import os
run.save_file("env.txt", os.environ.get("WORKBENCH_KEYS", "none") + " "
              + os.environ["OMP_NUM_THREADS"] + " " + os.environ["OMP_WAIT_POLICY"])"""
    notebook("10-a", OPEN, cell)
    result = run_notebook(workspace, "10-a", workers=64)
    assert (result.report / "env.txt").read_text() == "none 1 passive"


def _sha256(data):
    return hashlib.sha256(data).hexdigest()


def _events(space):
    paths = sorted(space.lineage.glob("events-*.ndjson"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def _entries(space):
    ids = TableStore(space.tables).read("proposals")["proposal_id"]
    return list(open_log(space).entries_of(list(ids)).values())


TOLD = """from workbench.contracts.made_from import MadeFrom, aggregated
told = aggregated("sales.quantity stock.on_hand items.brand")
run.write("segments", frame, made_from=MadeFrom({"segment": told, "abc": told}))"""


def test_columns_are_made_from_what_the_notebook_states_and_its_kernel_tells(
    workspace, notebook, events
):
    code = SEGMENT.replace('run.write("segments", frame)', TOLD)
    stated = {"segments": "small_notebooks:SEGMENTS"}
    reads, writes = ["sales", "stock"], ["segments"]
    notebook("20-segment", OPEN, code, reads=reads, writes=writes, made_from=stated)
    run_notebook(workspace, "20-segment")
    (segments,) = [one for one in events()[-1][2]["outputs"] if one["name"] == "segments"]
    facet = segments["facets"]["columnLineage"]
    found = {
        column: sorted(f"{one['name']}.{one['field']}" for one in field["inputFields"])
        for column, field in facet["fields"].items()
        if field["inputFields"]
    }
    both = ["sales.quantity", "stock.on_hand"]  # once each, and no table that was not read
    assert found == {"segment": both, "abc": both}
    assert [one["field"] for one in facet["dataset"]] == ["item_id"]


def test_a_notebook_that_names_no_kernel_runs(workspace, notebook):
    path = notebook("20-count", OPEN, COUNT, reads=["sales"])
    document = json.loads(path.read_text())
    del document["metadata"]["kernelspec"]
    path.write_text(json.dumps(document))
    assert run_notebook(workspace, "20-count").headline == "3 rows, 3 periods"
