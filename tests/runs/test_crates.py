"""A run as a crate: complete, described, executed again elsewhere; a tampered one is refused."""

import json
import shutil
import zipfile
from hashlib import sha256

import pytest
from rocrate.rocrate import ROCrate
from small_notebooks import OPEN, PROPOSE, make_workspace, write_notebook
from typer.testing import CliRunner

from workbench.cli import app
from workbench.errors import CrateError, WorkbenchError
from workbench.lineage.validate import validate_journal
from workbench.runs.crate import write_crate
from workbench.runs.crate_reader import METADATA, unpack
from workbench.runs.ledger import Ledger
from workbench.runs.rerun import rerun
from workbench.runs.run import run_notebook
from workbench.tables.store import TableStore

COUNT = """rows = run.read("sales")
import pandas as pd
run.save_table(rows.groupby("item_id", as_index=False)["quantity"].sum(), "units")
run.write("kpis", pd.DataFrame({
    "kpi": ["units"], "scope": ["all"], "value": [rows["quantity"].sum() * share],
    "low": [0.0], "high": [9.0], "unit": ["EA"],
}))"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A workspace with one complete run, and its crate."""
    space = make_workspace(tmp_path_factory.mktemp("crates") / "space")
    write_notebook(
        space, "10-count", OPEN, COUNT, PROPOSE, "run.headline('Six units.')",
        reads=["sales"], writes=["kpis", "proposals"],
    )  # fmt: skip
    done = run_notebook(space, "10-count", parameters={"share": 0.25})
    crate = space.root / "run.zip"
    write_crate(space, Ledger(space.ledger).get(done.run_id), crate)
    return space, done, crate


@pytest.fixture
def elsewhere(tmp_path):
    """Another workspace, without a table."""
    (tmp_path / "else").mkdir()
    (tmp_path / "else/workbench.toml").write_text('[workspace]\nname = "else"\n')
    from workbench.workspace import open_workspace

    return open_workspace(tmp_path / "else")


def _rewritten(crate, target, change):
    """A copy of a crate after `change(files)`, files by name."""
    with zipfile.ZipFile(crate) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target


def test_executed_elsewhere_it_makes_the_same_tables(made, elsewhere):
    _, done, crate = made
    again = rerun(elsewhere, crate)
    tables = {one.name: one for one in again.outputs if one.kind == "table"}
    assert set(tables) == {"kpis", "proposals"}
    assert again.tables_agree
    assert again.original == done.run_id
    assert {one.name for one in again.outputs if one.agrees} >= {
        "tables/units.csv", "tables/units.parquet",
    }  # fmt: skip
    assert again.differs == ()
    executed = json.loads((again.report / "notebook.ipynb").read_text())
    assert any(cell.get("outputs") for cell in executed["cells"])
    _check_on_record(elsewhere, again, crate)


def _check_on_record(space, again, crate):
    """The rerun is a run of its own, and no table has changed."""
    assert TableStore(space.tables).tables() == []
    assert not space.log.exists()
    row = Ledger(space.ledger).get(again.run_id)
    assert (row.kind, row.status) == ("rerun", "complete")
    assert validate_journal(space.lineage).valid
    lines = [line for file in space.lineage.glob("*.ndjson") for line in file.open()]
    read = json.loads(lines[-1])["inputs"][0]
    digest = read["facets"]["version"]["datasetVersion"]
    assert digest == sha256(crate.read_bytes()).hexdigest()


def test_a_table_that_comes_out_different_is_told(made, elsewhere, tmp_path):
    def other_code(files):
        name = "workspace/notebooks/10-count.ipynb"
        _replace(files, name, files[name].replace(b"* share", b"* 0.5"))

    crate = _rewritten(made[2], tmp_path / "other.zip", other_code)
    again = rerun(elsewhere, crate)
    assert not again.tables_agree
    assert [one.name for one in again.outputs if one.kind == "table" and not one.agrees] == ["kpis"]


def test_another_reader_finds_the_run_and_its_parameters(made, tmp_path):
    """`rocrate` reads what we wrote; terms are those of Process Run Crate 0.5."""
    space, done, crate = made
    found = ROCrate(str(crate))
    profile = found.root_dataset["conformsTo"]
    assert profile.id == "https://w3id.org/ro/wfrun/process/0.5"
    (action,) = found.root_dataset["mentions"]
    assert action.type == "CreateAction"
    assert action.id == f"urn:uuid:{done.run_id}"
    values = {one["name"]: one["value"] for one in action["object"] if one.type == "PropertyValue"}
    assert values["share"] == 0.25
    (table,) = [one for one in action["object"] if "Dataset" in one.type]
    digest = TableStore(space.tables).current("sales").digest
    assert table["identifier"] == f"digest:{digest}"
    assert "SoftwareSourceCode" in action["instrument"].type


def test_it_holds_the_runs_events_byte_by_byte(made):
    space, done, crate = made
    with zipfile.ZipFile(crate) as archive:
        events = archive.read("lineage/events.ndjson").splitlines(keepends=True)
    kept = [line for file in space.lineage.glob("*.ndjson") for line in file.open("rb")]
    assert events == [line for line in kept if done.run_id.encode() in line]
    assert [json.loads(line)["eventType"] for line in events] == ["START", "COMPLETE"]


def _replace(files, name, data):
    """Change a file and what the metadata say of it, as a careful forger would."""
    files[name] = data
    content = json.loads(files[METADATA])
    for entity in content["@graph"]:
        if entity["@id"] == name:
            entity |= {"sha256": sha256(data).hexdigest(), "contentSize": str(len(data))}
    files[METADATA] = json.dumps(content).encode()


def _table(files):
    return next(name for name in files if "/sales/" in name and name.endswith(".parquet"))


def _flip(files):
    name = _table(files)
    files[name] = files[name][:-20] + bytes([files[name][-20] ^ 1]) + files[name][-19:]


def _flip_and_describe(files):
    name = _table(files)
    _flip(files)
    _replace(files, name, files[name])


def _other_version(files):
    manifest = json.loads(files["report/run.json"])
    manifest["inputs"]["sales"]["digest"] = "0" * 64
    _replace(files, "report/run.json", json.dumps(manifest).encode())


def _notebook_name(files):
    manifest = json.loads(files["report/run.json"])
    manifest["notebook"] = "../../../../etc/cron"
    _replace(files, "report/run.json", json.dumps(manifest).encode())


def _lacks(files):
    del files[_table(files)]


def _bomb(files):
    _replace(files, "report/run.json", b"0" * 2**24)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_flip, "is altered"),
        (_flip_and_describe, "table 'sales' is damaged"),
        (_other_version, "table 'sales' has digest"),
        (_notebook_name, "is no manifest"),
        (_lacks, "which its metadata name"),
        (_bomb, "unpacks to"),
        (lambda files: files.update({"../outside.txt": b"x"}), "leads out of its folder"),
        (lambda files: files.update({"/etc/outside.txt": b"x"}), "leads out of its folder"),
        (lambda files: files.update({"extra.txt": b"x"}), "is not in its metadata"),
        (lambda files: files.pop(METADATA), "has no ro-crate-metadata.json"),
        (lambda files: files.update({METADATA: b"[1]"}), "does not describe each file"),
        (lambda files: files.update({METADATA: b"[" * 100_000}), "does not describe each file"),
    ],
)
def test_a_tampered_crate_is_refused_in_one_sentence(made, elsewhere, tmp_path, change, said):
    crate = _rewritten(made[2], tmp_path / "bad.zip", change)
    with pytest.raises(CrateError, match=said) as refused:
        rerun(elsewhere, crate)
    assert str(crate) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not elsewhere.reports.exists()
    assert not (tmp_path / "outside.txt").exists()
    (row,) = Ledger(elsewhere.ledger).latest()
    assert row.status == "failed"


def test_what_is_no_zip_is_refused(elsewhere, tmp_path):
    (tmp_path / "bad.zip").write_bytes(b"no zip")
    with pytest.raises(CrateError, match="cannot be unpacked"):
        rerun(elsewhere, tmp_path / "bad.zip")


def test_a_link_is_refused(made, tmp_path):
    crate = tmp_path / "link.zip"
    shutil.copyfile(made[2], crate)
    with zipfile.ZipFile(crate, "a") as archive:
        link = zipfile.ZipInfo("report/link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(CrateError, match="is a link"):
        unpack(crate, tmp_path / "to", limit_mebibytes=10)


def test_too_large_a_crate_names_the_largest_table(made, tmp_path):
    space, done, _ = made
    row = Ledger(space.ledger).get(done.run_id)
    with pytest.raises(CrateError, match=r"the largest is sales .* --limit"):
        write_crate(space, row, tmp_path / "x.zip", limit_mebibytes=0)
    assert list(tmp_path.iterdir()) == []


def test_a_table_left_out_is_named_and_taken_from_the_other_workspace(
    made, elsewhere, tmp_path, monkeypatch
):
    space, done, _ = made
    crate, runner = tmp_path / "less.zip", CliRunner()
    monkeypatch.chdir(space.root)
    command = ["runs", "show", done.run_id, "--crate", str(crate)]
    shown = runner.invoke(app, [*command, "--leave-out", "sales"])
    assert shown.exit_code == 0, shown.output
    assert sha256(crate.read_bytes()).hexdigest() in shown.output
    assert "without table sales: left out on request" in shown.output
    assert "table sales" in ROCrate(str(crate)).description
    assert isinstance(runner.invoke(app, command).exception, WorkbenchError)  # it exists
    monkeypatch.chdir(elsewhere.root)
    refused = runner.invoke(app, ["runs", "rerun", str(crate)])
    assert "leaves out table 'sales'" in str(refused.exception)
    TableStore(elsewhere.tables).write(
        "sales", TableStore(space.tables).read("sales"), provenance="source", source="test"
    )
    again = runner.invoke(app, ["runs", "rerun", str(crate)])
    assert again.exit_code == 0, again.output
    assert "2 of 2 tables agree" in again.output
