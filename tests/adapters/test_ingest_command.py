"""`workbench ingest` as a person calls it."""

import csv
import json
from datetime import UTC, date, datetime, timedelta

import pytest
import typer
from typer.testing import CliRunner

from workbench.cli import app
from workbench.commands.ingest import ingest
from workbench.errors import ParameterError, SourceError
from workbench.resources import resource
from workbench.runs.run import run_notebook
from workbench.tables.store import TableStore
from workbench.workspace import open_workspace

SOURCES = """
[[source]]
name = "erp"
kind = "csv"
path = "locations.csv"
table = "locations"
[source.columns]
location_id = "id"
[source.constants]
kind = "store"
"""


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    (tmp_path / "workbench.toml").write_text("[workspace]\nname = 'test'\n")
    (tmp_path / "sources.toml").write_text(SOURCES)
    (tmp_path / "locations.csv").write_text("id\nS1\nS2\n")
    monkeypatch.setenv("WORKBENCH_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("WORKBENCH_KEYS", str(tmp_path / "keys"))
    return tmp_path


def call(*arguments):
    app = typer.Typer()
    app.command()(ingest)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_prints_one_line_per_table_and_how_the_run_ended(workspace):
    result = call(workspace / "sources.toml")
    assert result.exit_code == 0, result.output
    assert "locations: 2 read = 2 loaded" in result.output
    folder = workspace.name  # 'sources' says nothing: the folder tells one ingest from another
    assert f"ingest-{folder}: complete in" in result.output


def test_unchanged_sources_are_reported_cached(workspace):
    call(workspace / "sources.toml")
    assert ": cached in" in call(workspace / "sources.toml").output
    assert ": complete in" in call(workspace / "sources.toml", "--force").output
    (workspace / "locations.csv").write_text("id\nS1\nS2\nS3\n")
    assert "3 read = 3 loaded" in call(workspace / "sources.toml").output


def test_prints_facts_as_json(workspace):
    facts = json.loads(call(workspace / "sources.toml", "--json").output)
    (table,) = facts["tables"]
    assert (table["table"], table["rows"], len(table["digest"])) == ("locations", 2, 64)
    assert facts["account"] == ["locations: 2 read = 2 loaded"]


def test_missing_description_is_refused(workspace):
    result = call(workspace / "nowhere.toml")
    assert isinstance(result.exception, SourceError)


def add_a_faulty_source(workspace):
    """It is read after the first, and refused for its date."""
    (workspace / "calendar.csv").write_text("day,event\n2024-13-01,Feast\n")
    second = SOURCES.replace("erp", "feasts").replace("locations", "calendar")
    second = second.replace('location_id = "id"', 'date = "day"\nevent = "event"')
    second = second.replace('kind = "store"', 'type = "public"')
    (workspace / "sources.toml").write_text(SOURCES + second)


def test_an_ingest_that_fails_changes_no_table(workspace):
    call(workspace / "sources.toml")
    store = TableStore(open_workspace(workspace).tables)
    before = store.current("locations")
    (workspace / "locations.csv").write_text("id\nS1\nS2\nS3\n")
    add_a_faulty_source(workspace)
    refused = call(workspace / "sources.toml").exception
    assert isinstance(refused, SourceError)
    assert "calendar.csv line 2, column 'day' holds '2024-13-01'" in str(refused)
    assert str(refused).endswith("No table was changed, also not locations.")
    assert store.current("locations") == before
    assert store.versions("locations") == [before]
    assert store.tables() == ["loads", "locations", "quarantine"]


def test_a_refused_ingest_takes_no_version_of_earlier_loads_away(workspace):
    call(workspace / "sources.toml")
    store = TableStore(open_workspace(workspace).tables)
    first = store.current("locations")
    (workspace / "locations.csv").write_text("id\nS1\nS2\nS3\n")
    call(workspace / "sources.toml")
    second = store.current("locations")
    (workspace / "locations.csv").write_text("id\nS1\nS2\n")  # the first again, then a refusal
    add_a_faulty_source(workspace)
    assert isinstance(call(workspace / "sources.toml").exception, SourceError)
    assert store.current("locations") == second
    assert store.versions("locations") == [first, second]
    store.verify_version(first)


def test_amounts_in_another_currency_than_the_workspace_are_refused(workspace):
    items = SOURCES.replace("locations", "items").replace("location_id", "item_id")
    items = items.replace('kind = "store"', "").replace(
        "[source.constants]",
        """[source.constants]
description = "thing"
base_uom = "EA"
is_demand = true
currency = "EUR"
""",
    )
    (workspace / "sources.toml").write_text(items)
    (workspace / "items.csv").write_text("id\nA\n")
    refused = str(call(workspace / "sources.toml").exception)
    assert "amounts in EUR, but the workspace counts in USD" in refused
    (workspace / "workbench.toml").write_text("[workspace]\nname = 'test'\ncurrency = 'EUR'\n")
    assert call(workspace / "sources.toml").exit_code == 0


def test_a_kind_that_is_not_read_is_refused_with_what_to_do(workspace):
    stated = SOURCES.replace('kind = "csv"', 'kind = "access"')
    (workspace / "sources.toml").write_text(stated)
    refused = str(call(workspace / "sources.toml").exception)
    assert "source 'erp': kind 'access', which is not read; expected one of csv, excel" in refused
    assert "Export anything else as csv." in refused


def test_the_example_that_ships_is_read_and_audited_and_says_that_it_is_made_up(workspace):
    example = resource("notebooks/sources/example/SOURCES.toml")
    result = call(example)
    assert result.exit_code == 0, result.output
    assert "ingest-example: complete in" in result.output
    notebook = resource("notebooks/00-audit-readiness.ipynb")
    report = run_notebook(open_workspace(workspace), notebook).report
    assert "<strong>Simulated.</strong>" in (report / "report.html").read_text(encoding="utf-8")
    assert asserted(workspace) == found(report)


def asserted(workspace):
    """By table and check: passed, expected and actual, of the last COMPLETE event's inputs."""
    journal = sorted((workspace / "lineage").glob("events-*.ndjson"))[-1]
    event = json.loads(journal.read_text().splitlines()[-1])
    assert (event["eventType"], event["job"]["name"]) == ("COMPLETE", "00-audit-readiness")
    return {
        (data["name"], one["assertion"]): (one["success"], one["expected"], one["actual"])
        for data in event["inputs"]
        if "dataQualityAssertions" in data["inputFacets"]
        for one in data["inputFacets"]["dataQualityAssertions"]["assertions"]
    }


def found(report):
    """The same by the audit's own table of checks, for all that were measured or kept at load."""
    with (report / "tables/checks.csv").open(encoding="utf-8", newline="") as file:
        checks = [row for row in csv.DictReader(file) if row["status"] != "not measured"]
    assert len(checks) > 60
    return {
        (table, row["check_id"]): (row["rows_affected"] == "0", row["expected"], row["actual"])
        for row in checks
        for table in row["reads"].split()
        if table not in ("deliveries", "item_pairs")  # no data sets
    }


@pytest.mark.parametrize(
    ("day", "said"),
    [
        (date(2010, 1, 1), "table 'sales' begins on 2024-01-01; expected a day from then on"),
        (date(2024, 8, 20), "its tables end on 2024-07-18; expected a day at most 31 days later"),
        (datetime.now(UTC).date() + timedelta(days=3), "is to come; expected a day up to today"),
    ],
)
def test_a_business_date_that_the_data_does_not_know_is_refused(workspace, day, said):
    call(resource("notebooks/sources/example/SOURCES.toml"))
    notebook = resource("notebooks/20-segment-items.ipynb")
    with pytest.raises(ParameterError, match=said):
        run_notebook(open_workspace(workspace), notebook, as_of=day)
    assert not (workspace / "reports").exists()


def bad_site(workspace, value):
    text = SOURCES.replace('kind = "store"', "").replace("[source.constants]", 'kind = "kind"')
    text = text.replace('table = "locations"', 'table = "locations"\nbad_rows_limit = 0.5')
    (workspace / "sources.toml").write_text(text)
    (workspace / "locations.csv").write_text(f'id,kind\nS1,store\n"{value}",hall\n')
    call(workspace / "sources.toml")


def test_bad_rows_are_shown_by_reason_and_exported_without_formulas(workspace):
    bad_site(workspace, "=cmd|'/C calc'!A0")
    shown = CliRunner().invoke(app, ["quarantine"]).output
    assert "locations: 1 row, column 'kind': not allowed, expected one of dc, store" in shown
    assert "first locations.csv:3, 'hall'" in shown
    file = workspace / "bad.csv"
    CliRunner().invoke(app, ["quarantine", "locations", "--csv", str(file)])
    (row,) = csv.DictReader(file.open(newline=""))
    assert json.loads(row["record"])["id"].startswith("=cmd")
    assert not any(cell[:1] in "=+-@" for cell in row.values() if cell)


def test_an_export_replaces_no_file(workspace):
    bad_site(workspace, "S2")
    (workspace / "bad.csv").write_text("mine")
    refused = CliRunner().invoke(app, ["quarantine", "--csv", str(workspace / "bad.csv")])
    assert "exists; name a file that does not" in str(refused.exception)
    assert (workspace / "bad.csv").read_text() == "mine"


def test_a_delivery_that_joins_its_table_is_cached_and_never_rolls_back(workspace):
    text = SOURCES.replace(
        'table = "locations"', 'table = "locations"\nincremental = { watermark = "id" }'
    )
    (workspace / "sources.toml").write_text(text)
    store = TableStore(open_workspace(workspace).tables)
    for name in ("1", "2", "3"):
        (workspace / "locations.csv").write_text(f"id\n{name}\n")
        call(workspace / "sources.toml")
    (workspace / "locations.csv").write_text("id\n1\n")  # the first delivery once more
    assert "1 unchanged = 0 added, 3 now" in call(workspace / "sources.toml").output
    assert ": cached in" in call(workspace / "sources.toml").output
    assert store.current("locations").rows == 3


def test_paths_begin_in_the_named_folder(workspace, tmp_path):
    (workspace / "month").mkdir()
    (workspace / "locations.csv").rename(workspace / "month" / "locations.csv")
    result = call(workspace / "sources.toml", "--folder", workspace / "month")
    assert "locations: 2 read = 2 loaded" in result.output


def test_suggest_writes_a_description_that_ingests_and_replaces_none(workspace, monkeypatch):
    monkeypatch.chdir(workspace)
    result = call("--suggest", "locations.csv", "--out", "first.toml")
    assert "first.toml: 1 sources described, 0 open points." in result.output
    assert "exists" in str(call("--suggest", "locations.csv", "--out", "first.toml").exception)


def test_nothing_is_set_aside_where_nothing_was_ingested(workspace):
    result = CliRunner().invoke(app, ["quarantine"])
    assert (result.exit_code, result.output) == (0, "0 bad rows set aside.\n")
