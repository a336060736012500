"""`workbench ingest` as a person calls it."""

import json

import pytest
import typer
from typer.testing import CliRunner

from workbench.commands.ingest import ingest
from workbench.errors import SourceError

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
    assert "ingest-sources: complete in" in result.output


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
