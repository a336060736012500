"""`workbench lineage validate --files`: what events name against what lies on disk."""

import json
import shutil
import sqlite3

import pytest
from small_notebooks import OPEN, PROPOSE, write_notebook
from typer.testing import CliRunner

from workbench.commands.lineage import app
from workbench.runs.check_lineage import check_workspace
from workbench.runs.ledger import Ledger
from workbench.runs.run import run_notebook
from workbench.runs.steps import governed_step, ingest_step
from workbench.workspace import Workspace

SOURCES = """[[source]]
name = "erp"
kind = "csv"
path = "shops.csv"
table = "locations"
columns = { location_id = "id" }
constants = { kind = "store" }
"""


@pytest.fixture(scope="module")
def finished(template, tmp_path_factory):
    """A workspace with an ingest and a run that leaves files, a table, a model and decisions."""
    space = Workspace(tmp_path_factory.mktemp("checked") / "space", "small", "EUR")
    shutil.copytree(template, space.root)
    (space.root / "shops.csv").write_text("id\nDC1\n")
    (space.root / "sources.toml").write_text(SOURCES)
    governed_step(space, ingest_step(space, space.root / "sources.toml", say=lambda line: None))
    model = "run.save_model('weights.bin', b'weights'); run.save_file('note.txt', 'the note')"
    write_notebook(
        space, "30-propose", OPEN, PROPOSE, model, reads=["stock"], writes=["proposals"]
    )  # fmt: skip
    run_notebook(space, "30-propose")
    return space


@pytest.fixture
def space(finished, tmp_path, monkeypatch):
    shutil.copytree(finished.root, tmp_path / "space")
    monkeypatch.setenv("WORKBENCH_WORKSPACE", str(tmp_path / "space"))
    return Workspace(tmp_path / "space", "small", "EUR")


def _run(space):
    return Ledger(space.ledger).latest()[0]


def _told(space):
    return [(notice.kind, notice.text) for notice in check_workspace(space)]


def test_what_is_as_it_was_has_no_notice(space):
    assert _told(space) == []
    result = CliRunner().invoke(app, ["validate", "--files"])
    assert result.exit_code == 0
    assert "files, tables and ledger: no problems, 0 notices" in result.output


@pytest.mark.parametrize(
    "name", ["report.html", "run.json", "notebook.ipynb", "note.txt", "decision-log.json"]
)
def test_altered_file_of_a_report_is_named_with_its_run(space, name):
    path = space.root / _run(space).report / name
    path.write_bytes(path.read_bytes().replace(b"e", b"E"))
    result = CliRunner().invoke(app, ["validate", "--files"])
    assert result.exit_code == 1
    assert f"altered: run {_run(space).run_id}, {path}: " in result.output


@pytest.mark.parametrize("name", ["report.html", "note.txt", "decision-log.json"])
def test_missing_file_is_gone_and_no_problem(space, name):
    (space.root / _run(space).report / name).unlink()
    result = CliRunner().invoke(app, ["validate", "--files", "--json"])
    assert result.exit_code == 0
    (notice,) = json.loads(result.output)["notices"]
    assert notice["kind"] == "gone"
    assert name in notice["text"]


def test_altered_and_missing_table_and_model(space):
    part = next(space.tables.glob("proposals/*/part-*.parquet"))
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(bytes(data))
    shutil.rmtree(next(space.tables.glob("stock/*/")))
    next(space.models.glob("weights.bin/*")).write_bytes(b"others")
    told = _told(space)
    assert sorted(kind for kind, _ in told) == ["altered", "altered", "gone"]
    assert any("table 'stock': version" in text for kind, text in told if kind == "gone")
    assert any("model 'weights.bin'" in text for kind, text in told if kind == "altered")


def test_changed_source_is_told_and_no_problem(space):
    (space.root / "shops.csv").write_text("id\nDC1\nDC2\n")
    ((kind, text),) = _told(space)
    assert (kind, "has changed since the run read it" in text) == ("changed", True)
    assert CliRunner().invoke(app, ["validate", "--files"]).exit_code == 0


def test_run_of_the_ledger_without_events_is_told(space):
    with sqlite3.connect(space.ledger) as ledger:
        row = list(ledger.execute("SELECT * FROM runs").fetchone())
        ledger.execute(
            f"INSERT INTO runs VALUES ({','.join('?' * len(row))})", ["0" * 36, *row[1:]]
        )
    ((kind, text),) = _told(space)
    assert kind == "events"
    assert "the ledger calls it complete, the journal has no COMPLETE, START of it" in text
    assert CliRunner().invoke(app, ["validate", "--files"]).exit_code == 1
