"""Validation: what we write passes every check, and each check sees what it is for."""

import copy
import hashlib
import json
import shutil
import subprocess
import sys
from datetime import date

import jsonschema
import pytest

from workbench.contracts.records import ModelReference
from workbench.errors import LineageError
from workbench.lineage import conform
from workbench.lineage.facts import (
    FileVersion,
    GateResult,
    JobDescription,
    LogRange,
    ModelUse,
    ParentRun,
)
from workbench.lineage.journal import Journal
from workbench.lineage.lifecycle import RunLineage
from workbench.lineage.schemas import Schemas, official_schemas
from workbench.lineage.validate import event_findings, validate_journal

RUN = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5"
ABSENT = object()


@pytest.fixture(scope="module")
def official(shared):
    return official_schemas(shared("vectors/openlineage/spec"))


@pytest.fixture(scope="module")
def written(tmp_path_factory, suppliers, locations):
    """Four runs that use everything that an event can hold; one for each ending, one open."""
    journal = Journal(tmp_path_factory.mktemp("written") / "lineage")
    source = journal.folder.parent / "source.csv"
    source.write_text("a\n")
    file = FileVersion(source, hashlib.sha256(b"a\n").hexdigest(), 2, "csv")
    job = JobDescription("ingest", "step", "Reads *sources*.", source)

    def run(number, **options):
        return RunLineage(
            journal, workspace_id="shop-1", job=job, run_id=f"{RUN}{number}", **options
        )

    whole = run(1, parent=ParentRun("nightly", f"{RUN}9", ParentRun("demo", f"{RUN}8")))
    whole.start([suppliers], {"n": 1, "s": "x", "l": [1]}, files=[file], as_of=date(2017, 12, 31))
    whole.running()
    model = ModelUse(
        ModelReference("m", "1", "ab" * 32), "trained", {"sales": "cd" * 32},
        [GateResult("better than naive", True, 0.5, 1.0), GateResult("reviewed", False)],
    )  # fmt: skip
    decisions = LogRange("workbench/shop-1", 2, 0, 2, "ef" * 32, "workbench/shop-1\n2\n…\n")
    whole.complete([locations], files=[file], models=[model], decisions=decisions)
    failed = run(2)
    failed.start()
    failed.fail("cell 3 raised", "Traceback …")
    aborted = run(3)
    aborted.start()
    aborted.abort("process died")
    run(4).start()
    return journal


@pytest.fixture
def lives(written, journal):
    shutil.copytree(written.folder, journal.folder)
    return journal


@pytest.fixture(scope="module")
def completed(written):
    return next(event for event in written.events() if event["eventType"] == "COMPLETE")


def test_every_event_that_is_built_is_valid(lives, shared):
    report = validate_journal(lives.folder, shared("vectors/openlineage/spec"))
    assert report.problems == ()
    assert (report.events, report.runs, report.open_runs) == (8, 4, (f"{RUN}4",))


def test_the_official_schema_as_a_whole_takes_each_event_as_one_run_event(lives, official):
    # Another route than ours: the specification's own entry point, its oneOf.
    core = official.schemas["OpenLineage.json"]
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    validator = jsonschema.Draft202012Validator(
        core, registry=official._registry, format_checker=checker
    )
    assert [list(validator.iter_errors(event)) for event in lives.events()] == [[]] * 8


def test_facets_are_found_before_garbage_is_collected():
    # attrs makes a class with slots twice; the first lives on until then, and has no fields.
    code = """
import gc, sys; gc.disable()
from workbench.lineage import conform
classes = conform.facet_classes().values()
print(*(cls for cls in classes if getattr(sys.modules[cls.__module__], cls.__name__) is not cls))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_facet_keys_are_those_of_the_official_schemas(official):
    ours = {cls.__name__: key for (_, key), cls in conform.facet_classes().items()}
    theirs = {
        reference["$ref"].rpartition("/")[2]: key
        for schema in official.schemas.values()
        for key, reference in schema.get("properties", {}).items()
        if "$ref" in reference
    }
    abstract = {"BaseSubsetDatasetFacet": "subset"}  # stands as InputSubset… and OutputSubset…
    assert theirs.items() - abstract.items() <= ours.items()
    assert ours["InputSubsetInputDatasetFacet"] == ours["OutputSubsetOutputDatasetFacet"]
    assert len(theirs) > 35


def changed(event, path, value):
    event = copy.deepcopy(event)
    *parents, last = path
    target = event
    for part in parents:
        target = target[part]
    if value is ABSENT:
        del target[last]
    else:
        target[last] = value
    return event


RUN_FACETS, OUTPUT = ("run", "facets"), ("outputs", 0)
BROKEN = [
    (("eventTime",), "2026-01-01T00:00:00", "eventTime"),
    (("eventTime",), ABSENT, "eventTime"),
    (("eventType",), "DONE", "eventType"),
    (("producer",), "workbench", "producer"),
    (("schemaURL",), "https://example.org/x.json", "schemaURL"),
    (("run", "runId"), "7", "run.runId"),
    (("run", "runId"), None, "run.runId"),
    (("run", "runid"), "7", "run.runid"),
    (("job", "name"), ABSENT, "job.name"),
    (("job", "name"), "../x", "job.name"),
    (("job", "namespace"), "workbench://", "job.name"),
    (("inputs",), {}, "inputs"),
    ((*OUTPUT, "name"), "", "outputs[0].name"),
    ((*OUTPUT, "name"), "Sales Table", "outputs[0].name"),
    ((*OUTPUT, "facets", "schema", "fields"), "x", "outputs[0].facets.schema.fields"),
    ((*OUTPUT, "facets", "version", "datasetVersion"), 7, "datasetVersion"),
    ((*OUTPUT, "facets", "nominalTime"), {}, "outputs[0].facets.nominalTime"),
    ((*OUTPUT, "facets", "storage", "_schemaURL"), ABSENT, "storage._schemaURL"),
    ((*OUTPUT, "outputFacets", "outputStatistics", "rowCount"), 1.5, "rowCount"),
    ((*OUTPUT, "outputFacets", "outputStatistics", "rowCount"), True, "rowCount"),
    ((*RUN_FACETS, "nominalTime", "nominalStartTime"), "2026-01-01", "nominalStartTime"),
    ((*RUN_FACETS, "parent", "root", "run", "runId"), "root", "parent.root.run.runId"),
    ((*RUN_FACETS, "executionParameters", "parameters", 0, "value"), 7, "parameters[0].value"),
    ((*RUN_FACETS, "workbench_other"), {}, "run.facets.workbench_other"),
    ((*RUN_FACETS, "workbench_decisionLog", "rootHash"), "ab", "rootHash"),
    ((*RUN_FACETS, "workbench_decisionLog", "firstIndex"), -1, "firstIndex"),
    ((*RUN_FACETS, "workbench_models", "models", 0, "role"), "owner", "role"),
    ((*RUN_FACETS, "theirs_facet"), {}, "run.facets.theirs_facet"),
]


@pytest.mark.parametrize(("path", "value", "field"), BROKEN)
def test_a_broken_event_is_named_by_its_field(completed, path, value, field):
    assert event_findings(completed) == []
    found = event_findings(changed(completed, path, value))
    assert any(place.endswith(field) for place, _ in found), found


@pytest.mark.parametrize(
    ("path", "value"),
    [(path, value) for path, value, _ in BROKEN if path[-1] not in ("schemaURL", "runid", "name",
     "workbench_other", "nominalTime", "namespace", "role", "rootHash", "firstIndex")],
)  # fmt: skip
def test_the_official_schemas_see_what_is_theirs_to_see(completed, official, path, value):
    from workbench.lineage.schemas import official_findings

    assert list(official_findings(completed, official)) == []
    assert list(official_findings(changed(completed, path, value), official)) != []


def test_a_facet_of_another_producer_is_let_be(completed):
    facet = {"_producer": "https://example.org/x", "_schemaURL": "https://example.org/y", "z": 1}
    assert event_findings(changed(completed, (*RUN_FACETS, "theirs_facet"), facet)) == []


def journal_of(folder, events):
    folder.mkdir()
    lines = "".join(json.dumps(event) + "\n" for event in events)
    (folder / "events-20260101-0001.ndjson").write_text(lines)
    return folder


def lifecycle_problems(tmp_path, events):
    report = validate_journal(journal_of(tmp_path / "broken", events))
    return [(p.place.rpartition(":")[2], p.field, p.message) for p in report.problems]


@pytest.mark.parametrize(
    ("order", "line", "message"),
    [
        ("C", "1", "is COMPLETE; expected START as the first event"),
        ("SS", "2", "is a second START"),
        ("SCC", "3", "is COMPLETE after the run has ended with COMPLETE"),
        ("SCR", "3", "is RUNNING after the run has ended with COMPLETE"),
        ("SCSC", "3", "is a second START"),
    ],
)
def test_breaks_of_a_life_are_named(lives, tmp_path, order, line, message):
    start, running, complete = list(lives.events())[:3]
    events = [{"S": start, "R": running, "C": complete}[letter] for letter in order]
    for number, event in enumerate(events):  # each later than the one before
        events[number] = {**event, "eventTime": f"2026-01-01T00:00:0{number}Z"}
    problems = lifecycle_problems(tmp_path, events)
    assert any(p[0] == line and p[1] == "eventType" and message in p[2] for p in problems), problems


def test_times_out_of_order_and_another_job_are_named(lives, tmp_path):
    start, _, complete = list(lives.events())[:3]
    complete["eventTime"] = "2001-01-01T00:00:00Z"
    complete["job"]["name"] = "20-other"
    problems = lifecycle_problems(tmp_path, [start, complete])
    assert {field for _, field, _ in problems} == {"eventTime", "job"}


def test_broken_and_unfinished_lines_are_named_and_the_rest_is_read(lives):
    (path,) = lives.files()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b"{oops}\n", b"[1]\n", *lines[1:], b'{"half']))
    report = validate_journal(lives.folder)
    places = [problem.place.partition(":")[2] for problem in report.problems]
    assert places == ["2", "3", f"byte {path.stat().st_size - 6}"]
    assert report.events == 10


def test_a_missing_folder_and_wrong_schemas_are_refused(lives, tmp_path):
    with pytest.raises(LineageError, match="no such folder"):
        validate_journal(tmp_path / "nothing")
    with pytest.raises(LineageError, match=r"no \*\.json"):
        validate_journal(lives.folder, tmp_path)
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(LineageError, match="not a JSON Schema"):
        Schemas(tmp_path)
    (tmp_path / "a.json").write_text(
        '{"$id": "urn:x", "$schema": "https://json-schema.org/draft/2020-12/schema"}'
    )
    with pytest.raises(LineageError, match=r"no OpenLineage\.json"):
        validate_journal(lives.folder, tmp_path)
