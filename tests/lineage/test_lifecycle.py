"""The life of a run in events: START first, one ending, whoever writes it."""

import contextlib
import hashlib
import multiprocessing
from datetime import UTC, date, datetime, timedelta

import pytest

from workbench.contracts.records import ModelReference
from workbench.errors import LineageError
from workbench.lineage.facts import (
    FileVersion,
    GateResult,
    JobDescription,
    LogRange,
    ModelUse,
    ParentRun,
)
from workbench.lineage.lifecycle import RunLineage, open_runs

RUN = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
OTHER = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"


def run_of(journal, run_id=RUN, job="10-forecast-demand", **options):
    return RunLineage(journal, workspace_id="shop-1a2b", job=job, run_id=run_id, **options)


def types(journal):
    return [event["eventType"] for event in journal.events()]


def test_start_names_run_job_inputs_and_business_day(journal, suppliers):
    run_of(journal).start([suppliers], {"horizon": 28}, as_of=date(2017, 12, 31))
    (event,) = journal.events()
    facets = event["run"]["facets"]
    assert (event["run"]["runId"], event["job"]["name"]) == (RUN, "10-forecast-demand")
    assert event["inputs"][0]["namespace"] == "workbench://shop-1a2b"
    assert event["inputs"][0]["facets"]["version"]["datasetVersion"] == suppliers.digest
    assert facets["nominalTime"]["nominalStartTime"] == "2017-12-31T00:00:00Z"
    assert facets["nominalTime"]["nominalEndTime"] == "2018-01-01T00:00:00Z"
    assert facets["executionParameters"]["parameters"] == [{"key": "horizon", "value": "28"}]


def test_complete_repeats_the_start_and_adds_what_was_made(journal, suppliers, locations):
    run = run_of(journal)
    run.start([suppliers])
    run.complete([locations])
    started, completed = journal.events()
    (output,) = completed["outputs"]
    assert completed["inputs"] == started["inputs"]
    assert output["facets"]["version"]["datasetVersion"] == locations.digest
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 1
    assert output["facets"]["workbench_provenance"]["restsOnSimulated"] is True
    assert [field["name"] for field in output["facets"]["schema"]["fields"]] == [
        "location_id", "kind", "region", "latitude", "longitude",
    ]  # fmt: skip


def test_complete_carries_models_and_log_entries(journal):
    gate = GateResult("pinball loss below naive", passed=True, value=0.8, limit=1.0)
    model = ModelReference("demand", "3", "ab" * 32)
    run = run_of(journal)
    run.start()
    run.complete(
        models=[ModelUse(model, "trained", {"sales": "cd" * 32}, [gate])],
        decisions=LogRange("workbench/shop", 7, 120, 127, "ef" * 32),
    )
    facets = list(journal.events())[-1]["run"]["facets"]
    (used,) = facets["workbench_models"]["models"]
    assert (used["digest"], used["trainingInputs"]) == ("ab" * 32, {"sales": "cd" * 32})
    assert used["gates"] == [{"name": gate.name, "passed": True, "value": 0.8, "limit": 1.0}]
    log = facets["workbench_decisionLog"]
    assert (log["firstIndex"], log["entries"], log["treeSize"]) == (120, 7, 127)


def test_files_are_named_as_the_specification_names_local_files(journal, tmp_path):
    path = tmp_path / "report.html"
    path.write_bytes(b"<p>")
    digest = hashlib.sha256(b"<p>").hexdigest()
    run = run_of(journal)
    run.start(files=[FileVersion(path, digest, 3, "html")])
    run.complete(files=[FileVersion(path, digest, 3)])
    dataset = list(journal.events())[-1]["outputs"][0]
    assert (dataset["namespace"], dataset["name"]) == ("file", str(path))
    assert dataset["facets"]["version"]["datasetVersion"] == digest


def test_parent_names_the_root_of_the_chain(journal):
    root = ParentRun("demo", OTHER)
    middle = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5d"
    run_of(journal, parent=ParentRun("nightly", middle, root=root)).start()
    facet = next(journal.events())["run"]["facets"]["parent"]
    assert (facet["run"]["runId"], facet["job"]["name"]) == (middle, "nightly")
    assert (facet["root"]["run"]["runId"], facet["root"]["job"]["name"]) == (OTHER, "demo")


def test_a_step_and_a_notebook_are_different_jobs(journal):
    run_of(journal, job=JobDescription("ingest", "step", "Reads sources.")).start()
    run_of(journal, OTHER).start()
    step, notebook = (event["job"]["facets"] for event in journal.events())
    assert (step["jobType"]["integration"], step["jobType"]["jobType"]) == ("WORKBENCH", "STEP")
    assert notebook["jobType"]["integration"] == "PAPERMILL"
    assert step["documentation"]["description"] == "Reads sources."
    assert "documentation" not in notebook


@pytest.mark.parametrize("first", ["complete", "fail", "abort"])
@pytest.mark.parametrize("second", ["complete", "fail", "abort", "running"])
def test_nothing_follows_an_ending(journal, first, second):
    run = run_of(journal)
    run.start()
    arguments = {"complete": (), "running": (), "fail": ("broken",), "abort": ("stopped",)}
    getattr(run, first)(*arguments[first])
    with pytest.raises(LineageError, match=f"has ended with {first.upper()}"):
        getattr(run, second)(*arguments[second])
    assert types(journal) == ["START", first.upper()]


def test_nothing_precedes_the_start(journal):
    with pytest.raises(LineageError, match="has not started"):
        run_of(journal).complete()
    assert types(journal) == []


def test_a_second_start_is_refused(journal):
    run = run_of(journal)
    run.start()
    with pytest.raises(LineageError, match="has started already"):
        run.start()


def test_a_run_id_that_is_no_uuid_is_refused(journal):
    with pytest.raises(LineageError, match="'run-7': not a UUID"):
        run_of(journal, "run-7")


def test_a_job_that_cannot_be_named_is_refused(journal):
    with pytest.raises(LineageError, match=r"job name '\.\./x'"):
        run_of(journal, job="../x").start()
    assert types(journal) == []


def test_open_runs_are_those_without_an_ending(journal, suppliers):
    run_of(journal).start([suppliers])
    ended = run_of(journal, OTHER)
    ended.start()
    ended.running()
    ended.complete()
    (left,) = open_runs(journal)
    assert (left.run_id, left.job) == (RUN, "10-forecast-demand")


def test_a_run_left_open_is_completed_by_another(journal, suppliers, locations):
    run_of(journal).start([suppliers], {"horizon": 28})
    (left,) = open_runs(journal)
    RunLineage.resume(journal, left).complete([locations])
    started, completed = journal.events()
    assert open_runs(journal) == []
    assert completed["inputs"] == started["inputs"]
    assert completed["outputs"][0]["name"] == "locations"
    assert completed["run"]["facets"].items() >= started["run"]["facets"].items()


def test_two_that_clean_up_cannot_both_end_a_run(journal):
    run = run_of(journal)
    run.start()
    (left,) = open_runs(journal)
    first, second = RunLineage.resume(journal, left), RunLineage.resume(journal, left)
    first.abort("process died")
    with pytest.raises(LineageError, match="has ended with ABORT"):
        second.abort("process died")
    with pytest.raises(LineageError, match="has ended with ABORT"):
        run.complete()
    assert types(journal) == ["START", "ABORT"]


def end_if_still_open(journal, left):
    with contextlib.suppress(LineageError):
        RunLineage.resume(journal, left).abort("process died")


def test_of_many_processes_that_clean_up_at_once_one_ends_each_run(journal):
    runs = [f"0190a1b2-c3d4-7e5f-8a9b-{n:012x}" for n in range(5)]
    context = multiprocessing.get_context("fork")
    for run_id in runs:
        run_of(journal, run_id).start()
    cleaners = [
        context.Process(target=end_if_still_open, args=(journal, left))
        for left in open_runs(journal)
        for _ in range(4)
    ]
    for cleaner in cleaners:
        cleaner.start()
    for cleaner in cleaners:
        cleaner.join()
    assert sorted(types(journal)) == ["ABORT"] * 5 + ["START"] * 5
    assert open_runs(journal) == []


def test_open_runs_do_not_depend_on_what_was_remembered(journal):
    runs = [run_of(journal, f"0190a1b2-c3d4-7e5f-8a9b-{n:012x}") for n in range(6)]
    for number, run in enumerate(runs):
        run.start()
        open_runs(journal)  # remembers how far it read
        if number % 2:
            run.complete()
    remembered = [run.run_id for run in open_runs(journal)]
    (journal.folder / ".open-runs.json").write_text("{not json")
    assert remembered == [run.run_id for run in open_runs(journal)]
    assert remembered == [run.run_id for run in runs[::2]]


def test_a_clock_that_steps_back_keeps_times_in_order(journal):
    moments = [datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)]
    run = run_of(journal, now=lambda: moments.pop(0))
    run.start()
    run.complete()
    started, completed = (datetime.fromisoformat(e["eventTime"]) for e in journal.events())
    assert timedelta(0) <= completed - started
    assert started == datetime(2026, 1, 2, tzinfo=UTC)


def test_an_ending_that_could_not_be_written_can_be_tried_again(journal):
    run = run_of(journal)
    run.start()
    lock = journal.folder / ".lock"
    lock.unlink()
    lock.mkdir()  # stands in the way, for root too
    with pytest.raises(LineageError, match="event not written"):
        run.complete()
    lock.rmdir()
    run.complete()
    assert types(journal) == ["START", "COMPLETE"]
