"""What a notebook may read, keep, propose and record; in this process, without a kernel."""

import json
from dataclasses import replace
from datetime import date

import pandas as pd
import pyarrow as pa
import pytest

from workbench.contracts.private import Private
from workbench.errors import ContractError, RunError
from workbench.runs import artefacts, proposed
from workbench.runs.context import CONTEXT_VARIABLE, Context
from workbench.runs.facts import Facts
from workbench.tables.store import TableStore
from workbench.tables.versions import open_version


@pytest.fixture
def run(workspace, tmp_path, monkeypatch):
    """A governed run that reads sales and stock, and writes proposals."""
    store = TableStore(workspace.tables)
    folder = tmp_path / "report"
    folder.mkdir()
    context = Context(
        run_id="01a20000-0000-7000-8000-000000000001", notebook="30-propose", as_of="2017-12-30",
        folder=str(folder), workspace=str(workspace.root),
        inputs={table: store.current(table).version for table in ("sales", "stock")},
        writes=("proposals",), skip_key="key", attempt=0,
    )  # fmt: skip
    context.save(tmp_path / "context.json")
    monkeypatch.setenv(CONTEXT_VARIABLE, str(tmp_path / "context.json"))
    return artefacts.open()


def _proposals(items, quantity=12.0):
    day = pd.Timestamp("2018-01-01")
    return pd.DataFrame(
        {
            "kind": "replenishment", "item_id": items, "location_id": "DC1", "supplier_id": "V1",
            "from_location_id": "*", "valid_from": day, "valid_to": day + pd.Timedelta(7, "D"),
            "unit": "H87", "currency": "EUR", "proposed": quantity,
            "reasons": [["Low."]] * len(items),
        }
    )  # fmt: skip


def _staged(run):
    name = Facts.load(run.folder / "facts.json").tables["proposals"]
    return TableStore(run.workspace.tables).read(
        open_version(run.folder / "staged" / "proposals" / name)
    )


def test_proposals_without_a_column_are_refused_in_a_sentence(run):
    with pytest.raises(RunError, match=r"30-propose: proposals without column 'reasons'.*Add it"):
        run.propose(_proposals(["I1"]).drop(columns="reasons"))


def test_reads_the_pinned_version_as_known_on_the_business_date(run):
    later = run.read("sales").assign(quantity=99.0, item_id="I9")
    TableStore(run.workspace.tables).write("sales", later, provenance="source", source="later")
    frame = run.read("sales")
    assert set(frame["item_id"]) == {"I1"}
    assert frame["date"].max() == pd.Timestamp("2017-12-30")
    assert run.query("SELECT count(*) AS n FROM sales")["n"].tolist() == [2]


def test_undeclared_tables_are_refused(run):
    with pytest.raises(RunError, match="reads table 'locations' without declaring it"):
        run.read("locations")
    with pytest.raises(RunError, match="writes table 'sales' without declaring it"):
        run.write("sales", run.read("sales"))


def test_rows_in_an_arrow_table_make_the_same_version_as_in_a_frame(run):
    writer = artefacts.Run(
        replace(run._context, writes=("forecasts",)), run.workspace, governed=True
    )
    day = pd.Timestamp("2018-01-01")
    frame = pd.DataFrame(
        {
            "model": "ets", "item_id": ["I2", "I1"], "location_id": "DC1", "cutoff": day,
            "horizon_start": day, "horizon_end": day + pd.Timedelta(6, "D"), "quantile": 0.5,
            "value": [3.0, 5.0], "serves": "replenishment",
        }
    )  # fmt: skip
    compact = pa.Table.from_pandas(frame)
    place = compact.column_names.index("item_id")
    coded = compact.column("item_id").dictionary_encode()
    versions = [
        writer.write("forecasts", rows)
        for rows in (frame, compact, compact.set_column(place, "item_id", coded))
    ]
    assert len({version.digest for version in versions}) == 1
    assert TableStore(run.workspace.tables).read(versions[1])["run_id"].unique() == [run.run_id]
    with pytest.raises(ContractError, match="quantile"):
        writer.write("forecasts", compact.drop_columns(["quantile"]))


def test_simulated_input_marks_the_run(run):
    assert run.simulated
    assert Facts.load(run.folder / "facts.json").simulated == ["stock"]


def test_proposals_of_several_cells_add_up(run):
    first = run.propose(_proposals(["I1", "I2"]))
    run.propose(_proposals(["I3"]))
    staged = _staged(run)
    assert sorted(staged["item_id"]) == ["I1", "I2", "I3"]
    assert set(first["proposal_id"]) < set(staged["proposal_id"])
    assert json.loads(staged["reasons"][0]) == ["Low."]


def test_the_list_of_proposals_is_by_money_at_stake_and_names_units(run):
    run.propose(_proposals(["I1", "I2"]).assign(money_at_stake=[1.0, 2.0]))
    listed = pd.read_csv(run.folder / "tables/proposals.csv")
    assert listed["item_id"].tolist() == ["I2", "I1"]
    assert listed["unit_name"].tolist() == ["pieces", "pieces"]


def test_same_proposal_twice_is_refused_and_the_first_stays(run):
    run.propose(_proposals(["I1"]))
    with pytest.raises(ContractError, match="proposal_id"):
        run.propose(_proposals(["I1"], quantity=13.0))
    assert _staged(run)["proposed"].tolist() == [12.0]


def test_proposal_id_follows_from_the_work_not_from_the_run(run, workspace, monkeypatch):
    again = run._context.__class__(**{**vars(run._context), "run_id": "other"})
    forced = run._context.__class__(**{**vars(run._context), "attempt": 1})
    frame = _proposals(["I1"])
    one, same, new = (proposed.proposal_ids(frame, c) for c in (run._context, again, forced))
    assert one == same
    assert one != new
    as_dates = frame.assign(valid_from=[pd.Timestamp("2018-01-01").date()])
    assert proposed.proposal_ids(as_dates, run._context) == one


@pytest.mark.parametrize(
    ("kind", "fields", "text"),
    [
        ("approval", {}, "'approval' is not for a notebook"),
        ("proposal", {}, "Propose with 'run.propose'"),
        ("fact", {"actor": "ceo"}, "'actor' is not for a notebook"),
        ("fact", {"colour": "red"}, "'colour' is not for a notebook"),
        ("fact", {"detail": {"note": Private("Jane", 1)}}, "private value, which a notebook"),
        ("fact", {"detail": {"pruned": {}}}, "detail.pruned lets entries go"),
    ],
)
def test_notebook_cannot_decide_or_speak_for_others(run, kind, fields, text):
    with pytest.raises(ContractError, match=text):
        run.record(kind, **fields)


@pytest.mark.parametrize("name", ["../outside.txt", "/tmp/outside.txt"])
def test_artefact_outside_the_report_is_refused(run, name):
    with pytest.raises(RunError, match="leaves the report folder"):
        run.save_file(name, "text")


def test_spreadsheet_takes_no_cell_of_a_table_for_a_formula(run):
    frame = pd.DataFrame({"text": ["=1+1", "@cmd", "-5", "plain"], "number": [-1, 2, 3, 4]})
    path = run.save_table(frame, "cells")
    lines = path.with_suffix(".csv").read_text().splitlines()
    assert lines[1:] == ["'=1+1,-1", "'@cmd,2", "'-5,3", "plain,4"]
    assert pd.read_parquet(path).equals(frame)


def test_interactive_run_is_a_draft_that_logs_nothing(workspace, monkeypatch, capsys):
    monkeypatch.delenv(CONTEXT_VARIABLE, raising=False)
    monkeypatch.chdir(workspace.notebooks)
    run = artefacts.open()
    assert "no decision is logged" in capsys.readouterr().out
    assert not run.simulated
    run.read("stock")
    assert run.simulated
    run.propose(_proposals(["I1"]))
    assert "never logged" in capsys.readouterr().out
    assert not workspace.log.exists()
    assert run.folder.parent == workspace.reports / "interactive"


def test_a_draft_does_not_read_days_to_come(workspace, monkeypatch):
    monkeypatch.delenv(CONTEXT_VARIABLE, raising=False)
    monkeypatch.chdir(workspace.root)
    store = TableStore(workspace.tables)
    stock = store.read(store.current("stock"))
    slip = stock.head(1).assign(date=pd.Timestamp("2199-01-01"))
    store.write("stock", pd.concat([stock, slip]), provenance="source", source="stock record")
    run = artefacts.open()
    assert run.as_of <= date.today()
    assert len(run.read("stock")) == len(stock)
    with pytest.raises(RunError, match="'nosuch', which this workspace does not have"):
        run.read("nosuch")


def test_a_table_that_is_only_shown_leaves_no_file(run, capsys):
    frame = pd.DataFrame({"seconds": [1.5]})
    run.table(frame, "cost", "Seconds", keep=False)
    run.table(frame, "kept", "Seconds")
    assert [path.name for path in run.folder.rglob("*.csv")] == ["kept.csv"]
    assert "Seconds" in capsys.readouterr().out
