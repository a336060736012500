"""What events say of tables: what each was made from, what is missing in it, who checked it."""

import os

import pytest

from workbench.lineage.facts import (
    Assertion,
    ColumnSource,
    Feed,
    FileVersion,
    Found,
    JobDescription,
)
from workbench.lineage.journal import Journal
from workbench.lineage.lifecycle import RunLineage
from workbench.lineage.schemas import official_schemas
from workbench.lineage.validate import event_findings

RUN = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"


@pytest.fixture
def files(tmp_path):
    return [FileVersion(tmp_path / name, "ab" * 32, 3, "csv") for name in ("a.csv", "b.csv")]


@pytest.fixture
def lived(tmp_path, files, suppliers, locations, monkeypatch):
    """COMPLETE of a run that says of one output what it was made from, and of the other not."""
    monkeypatch.setattr(os, "environ", {"TZ": "UTC", "SECRET": "hunter2", "LANG": ""})
    job = JobDescription("10-place", owner="planning", documentation="Places.")
    journal = Journal(tmp_path / "lineage")
    run = RunLineage(journal, workspace_id="shop", job=job, run_id=RUN)
    run.start([suppliers], files=files)
    feed = Feed(
        files=[files[0]], settings=[files[1]],
        columns={"location_id": [ColumnSource(files[0], "id", masked=True)], "kind": []},
    )  # fmt: skip
    check = Assertion(
        "suppliers", "country-missing", False, "0 rows", "1 of 3 rows", "info", "One."
    )
    run.complete([suppliers, locations], feeds={"locations": feed}, found=Found(assertions=[check]))
    return list(journal.events())[-1]


def test_a_table_names_the_files_that_it_was_made_from(lived, files):
    whole, part = lived["outputs"]
    assert "lineage" not in whole["facets"]
    rows, settings = part["facets"]["lineage"]["inputs"]
    assert (rows["namespace"], rows["name"], rows["type"]) == (
        "file",
        str(files[0].path),
        "DATASET",
    )
    assert settings["name"] == str(files[1].path)
    assert settings["transformations"] == [{"type": "INDIRECT", "description": "settings"}]


def test_columns_name_the_columns_that_they_were_made_from(lived, files):
    fields = lived["outputs"][1]["facets"]["columnLineage"]["fields"]
    (source,) = fields["location_id"]["inputFields"]
    assert (source["name"], source["field"]) == (str(files[0].path), "id")
    assert source["transformations"][0]["masking"] is True
    assert fields["kind"]["inputFields"] == []
    assert set(fields) == {"location_id", "kind"}


def test_a_table_made_from_nothing_says_so(tmp_path, suppliers):
    journal = Journal(tmp_path / "lineage")
    run = RunLineage(journal, workspace_id="shop", job="10-a", run_id=RUN)
    run.start([suppliers])
    run.complete([suppliers], feeds={"suppliers": Feed()})
    assert list(journal.events())[-1]["outputs"][0]["facets"]["lineage"]["inputs"] == []


def test_columns_say_what_becomes_of_each_source_and_what_decides_the_rows(tmp_path, suppliers):
    use = [ColumnSource("sales", "quantity", how="AGGREGATION"),
           ColumnSource("sales", "quantity", how="FILTER")]  # fmt: skip
    feed = Feed(None, columns={"country": use}, rows=[ColumnSource("items", "item_id", how="JOIN")])
    event = _completed(tmp_path, [], [suppliers], feeds={"suppliers": feed})
    facet = event["outputs"][0]["facets"]["columnLineage"]
    (source,) = facet["fields"]["country"]["inputFields"]
    kinds = [(one["type"], one["subtype"]) for one in source["transformations"]]
    assert kinds == [("DIRECT", "AGGREGATION"), ("INDIRECT", "FILTER")]
    (row,) = facet["dataset"]
    assert (row["name"], row["field"], row["transformations"][0]["type"]) == (
        "items", "item_id", "INDIRECT",
    )  # fmt: skip
    assert "lineage" not in event["outputs"][0]["facets"]
    assert event_findings(event) == []


def test_a_table_that_had_another_version_is_overwritten(tmp_path, suppliers, locations):
    event = _completed(tmp_path, [], [suppliers, locations], found=Found(replaced={"locations"}))
    changes = [one["facets"]["lifecycleStateChange"] for one in event["outputs"]]
    assert [one["lifecycleStateChange"] for one in changes] == ["CREATE", "OVERWRITE"]


def test_queries_stand_at_the_job_without_secrets(tmp_path, suppliers):
    queries = ["SELECT 1", "SELECT 'password=hunter2'"]
    event = _completed(tmp_path, [suppliers], [], found=Found(queries=queries))
    sql = event["job"]["facets"]["sql"]
    assert sql["dialect"] == "duckdb"
    assert sql["query"].startswith("SELECT 1;\nSELECT")
    assert "hunter2" not in sql["query"]


def test_checks_that_could_not_be_measured_are_skipped_tests(tmp_path, suppliers):
    checks = [
        Assertion("suppliers", name, passed, "0 rows", "0 of 0 rows", "info", "One.")
        for name, passed in (("a", True), ("b", False), ("c", None))
    ]
    event = _completed(tmp_path, [suppliers], [], found=Found(assertions=checks))
    tests = event["run"]["facets"]["test"]["tests"]
    assert {one["name"]: one["status"] for one in tests} == {"a": "pass", "b": "fail", "c": "skip"}
    stated = event["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert [one["assertion"] for one in stated] == ["a", "b"]


def test_files_that_were_found_on_the_way_are_inputs(tmp_path, suppliers, files):
    event = _completed(tmp_path, [suppliers], [], found=Found(files=[files[0]]))
    assert [one["name"] for one in event["inputs"]] == ["suppliers", str(files[0].path)]


def _completed(tmp_path, inputs, outputs, **told):
    journal = Journal(tmp_path / "lineage")
    run = RunLineage(journal, workspace_id="shop", job="10-a", run_id=RUN)
    run.start(inputs)
    run.complete(outputs, **told)
    return list(journal.events())[-1]


def test_missing_values_are_counted_as_the_files_have_them(lived):
    metrics = lived["outputs"][0]["facets"]["dataQualityMetrics"]
    assert metrics["rowCount"] == 3
    missing = {name: column["nullCount"] for name, column in metrics["columnMetrics"].items()}
    assert missing == {"supplier_id": 0, "country": 1}


def test_checks_stand_on_the_table_that_was_checked(lived):
    (table, *others) = lived["inputs"]
    (found,) = table["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert (found["success"], found["expected"], found["actual"]) == (
        False,
        "0 rows",
        "1 of 3 rows",
    )
    assert "inputStatistics" in table["inputFacets"]
    assert not any("dataQualityAssertions" in other["inputFacets"] for other in others)


def test_run_and_job_say_owner_environment_and_whether_data_is_simulated(lived):
    facets = lived["run"]["facets"]
    variables = facets["environmentVariables"]["environmentVariables"]
    assert variables == [{"name": "TZ", "value": "UTC"}]
    (tag,) = facets["tags"]["tags"]
    assert (tag["key"], tag["value"], tag["source"]) == ("simulated", "true", "WORKBENCH")
    assert lived["job"]["facets"]["ownership"]["owners"] == [{"name": "planning", "type": "OWNER"}]
    kinds = [dataset["facets"]["datasetType"]["datasetType"] for dataset in lived["inputs"]]
    assert kinds == ["TABLE", "FILE", "FILE"]


def test_every_facet_is_valid(lived, shared):
    official = official_schemas(shared("vectors/openlineage/spec"))
    assert event_findings(lived, official) == []


def test_sources_of_another_kind_than_the_specification_has_are_found(lived):
    source = lived["outputs"][1]["facets"]["lineage"]["inputs"][0]
    source["type"] = "TABLE"
    assert [field for field, _ in event_findings(lived)] == [
        "outputs[1].facets.lineage.inputs[0].type"
    ]
    del source["name"], source["namespace"]
    source["type"] = "JOB"
    assert event_findings(lived) == []
