"""`workbench log` and `workbench trace` on a workspace with tables, reports and a log."""

import json
from dataclasses import replace
from datetime import date

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from workbench.commands import log as log_commands
from workbench.commands import trace as trace_command
from workbench.contracts.records import ModelReference, RowEvidence
from workbench.decision_log.append import open_log
from workbench.errors import KeyFileError, LogError, VerificationError
from workbench.tables.store import TableStore
from workbench.workspace import open_workspace

RUN = "01920000-0000-7000-8000-000000000001"


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    root = tmp_path / "shop"
    root.mkdir()
    (root / "workbench.toml").write_text('[workspace]\nname = "shop"\n')
    monkeypatch.setenv("WORKBENCH_WORKSPACE", str(root))
    monkeypatch.setenv("WORKBENCH_KEYS", str(tmp_path / "keys"))
    return open_workspace(root)


@pytest.fixture
def filled(workspace, logs):
    """Two decisions at the centre, one overridden; an order line at a store on 2018-01-03."""
    store = TableStore(workspace.tables)
    _write_tables(store)
    stock = store.current("stock")
    proposal = logs.record(
        1, item_id="I1", location_id="DC1", valid_from=date(2018, 1, 1),
        valid_to=date(2018, 1, 8), as_of=date(2017, 12, 31), run_ids=(RUN, "gone"), unit="EA",
        models=(ModelReference("lgbm", "1", "b" * 64),), inputs={"stock": stock.digest},
        evidence=(
            RowEvidence("stock", stock.digest, 0, 1), RowEvidence("stock", "0" * 64, 0, 0),
        ),
        reasons=("Demand rose [12%]",), simulated=True, interval_low=1.0, interval_high=9.0,
        interval_level=0.8, before=2.0, money_at_stake=12.5, currency="USD",
        rule="built-in/manual", tier="manual", policy_digest="c" * 64,
        detail={"proposal": "replenishment"},
    )  # fmt: skip
    override = logs.record(2, kind="override", supersedes="d1", after=7.0, reason_code="promotion")
    open_log(workspace).append([proposal, override, logs.record(3, item_id="I2")])
    report = workspace.reports / "30-set-policy" / "2017-12-31" / RUN
    report.mkdir(parents=True)
    manifest = {"run_id": RUN, "notebook": "30-set-policy", "as_of": "2017-12-31"}
    manifest |= {"headline": "Simulated saving 3%", "parameters": {"horizon": 28}}
    (report / "run.json").write_text(json.dumps(manifest))
    return workspace


def _write_tables(store):
    day = pd.Timestamp("2018-01-03")
    frames = {
        "order_lines": {
            "order_id": "O'1", "line": [1, 2], "item_id": ["I1", "I9"], "location_id": "S1",
            "date": day, "quantity": 1.0, "price": 2.0,
        },
        "locations": {"location_id": ["S1", "DC1"], "kind": ["store", "dc"]},
        "stock": {
            "item_id": "I1", "location_id": ["DC1", "S1"], "date": day, "on_hand": 1.0,
            "on_order": 0.0,
        },
    }  # fmt: skip
    for table, columns in frames.items():
        store.write(table, pd.DataFrame(columns), provenance="simulated", source="test")


def call(*arguments, app=log_commands.app):
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=True)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def trace(*arguments):
    app = typer.Typer()
    app.command()(trace_command.trace)
    return call(*arguments, app=app)


def facts(*arguments):
    return json.loads(trace(*arguments, "--json").output)


def test_verify_says_that_every_entry_is_included(filled):
    output = call("verify").output
    assert "all 3 entries are included under the signed checkpoint of workbench/shop-" in output
    assert "nobody can see that an older" in output


def test_verify_reports_facts_as_json(filled):
    found = json.loads(call("verify", "--json").output)
    assert (found["verified"], found["entries"], found["foreign"]) == (True, 3, [])


def test_verify_takes_a_folder_and_a_key(filled, tmp_path):
    key = call("key").output.strip()
    (tmp_path / "keys").rename(tmp_path / "elsewhere")
    assert "all 3 entries" in call("verify", str(filled.log), "--key", key).output
    with pytest.raises(KeyFileError, match="--key"):
        call("verify", str(filled.log))


def test_a_key_inside_the_folder_is_not_trusted(filled, tmp_path):
    key = call("key").output
    (tmp_path / "keys").rename(tmp_path / "elsewhere")
    (filled.log / "workbench.pub").write_text(key)
    with pytest.raises(KeyFileError, match="no verifier key pinned"):
        call("verify")


def test_verify_since_a_kept_checkpoint(filled, logs, tmp_path):
    kept = tmp_path / "kept"
    kept.write_text(call("checkpoint").output)
    open_log(filled).append([logs.record(9)])
    assert (
        "It extends the kept checkpoint of size 3." in call("verify", "--since", str(kept)).output
    )
    newer = tmp_path / "newer"
    newer.write_text(call("checkpoint").output)
    (filled.log / "checkpoint").write_text(kept.read_text())
    with pytest.raises(VerificationError, match="smaller than 4"):
        call("verify", "--since", str(newer))
    with pytest.raises(LogError, match="cannot be read"):
        call("verify", "--since", str(tmp_path / "missing"))


def test_an_altered_entry_is_named(filled):
    path = filled.log / "tile/entries/000.p/3"
    path.write_bytes(path.read_bytes().replace(b"promotion", b"promotioN"))
    with pytest.raises(VerificationError, match=r"tile/entries/000.p/3, entry 1: differs"):
        call("verify")


def test_a_proof_verifies_without_the_log(filled, tmp_path):
    proof, key = tmp_path / "d2.tlog-proof", call("key").output.strip()
    assert "verifies offline" in call("prove", "d2", "--out", str(proof)).output
    assert proof.read_text() == call("prove", "d2").output
    filled.root.rename(tmp_path / "away")
    output = call("verify", str(proof), "--key", key).output
    assert "entry 1 is included under the signed checkpoint" in output
    assert '"reason_code": "promotion"' in output
    proof.write_text(proof.read_text().replace("index 1", "index 0"))
    with pytest.raises(VerificationError, match="not in the signed tree"):
        call("verify", str(proof), "--key", key)


def test_prove_needs_a_known_decision_and_a_writable_place(filled, tmp_path):
    with pytest.raises(LogError, match="'nope': not in the log"):
        call("prove", "nope")
    with pytest.raises(LogError, match="cannot be written"):
        call("prove", "d1", "--out", str(tmp_path / "missing" / "proof"))


def test_prove_replaces_no_file_and_writes_into_no_log(filled, tmp_path):
    log = filled.root / "governance/log"
    before = (log / "checkpoint").read_bytes()
    for place in (log / "checkpoint", log / "tile" / "proof", log / "proof"):
        with pytest.raises(LogError, match="lies in the decision log"):
            call("prove", "d2", "--out", str(place))
    assert (log / "checkpoint").read_bytes() == before
    proof = tmp_path / "d2.tlog-proof"
    call("prove", "d2", "--out", str(proof))
    with pytest.raises(LogError, match="exists; expected a new file"):
        call("prove", "d1", "--out", str(proof))


def test_checkpoint_is_the_signed_note(filled):
    assert call("checkpoint").output == (filled.log / "checkpoint").read_text()
    assert json.loads(call("checkpoint", "--json").output)["size"] == 3


@pytest.mark.parametrize("arguments", [["verify"], ["prove", "d1"]])
def test_without_a_log_the_first_run_is_named(workspace, arguments):
    with pytest.raises(LogError, match="decision log"):
        call(*arguments)


def test_trace_of_a_decision_shows_what_it_rests_on(filled):
    output = trace("--decision", "d1").output
    for text in (
        "Decision d1  proposal for item I1 at DC1  entry 0 ✓", "Demand rose [12%]",
        "proposes 0.5 EA · 80% interval 1 to 9 · before: 2 · 12.50 USD at stake · rests on",
        "in force from 2018-01-01 until before 2018-01-08", "tier manual", "lgbm 1  sha256 bbbb",
        "30-set-policy  as of 2017-12-31", "Simulated saving 3%", "gone  no report here",
        "version not kept here", "override to 7: promotion", "← this decision",
        "every entry above is proven",
    ):  # fmt: skip
        assert text in output


def test_row_evidence_is_proven_against_the_table_store(filled):
    (decision,) = facts("--decision", "d1")["decisions"]
    states = [rows["state"] for rows in decision["evidence"]]
    assert states == ["proven", "version not kept here"]


def test_trace_of_an_item_on_a_day(filled):
    found = facts("--item", "I1", "--location", "DC1", "--date", "2018-01-03")["decisions"]
    assert [decision["record"]["id"] for decision in found] == ["d2"]
    assert found[0]["chain"]["id"] == "d1"
    with pytest.raises(LogError, match="no decision in force on 2018-01-08"):
        trace("--item", "I1", "--date", "2018-01-08")


def test_trace_of_an_order_finds_the_decision_of_the_supplying_centre(filled):
    found = facts("--order", "O'1")
    first, second = found["lines"]
    assert (first["decision"], first["decided_for"]) == ("d2", "DC1")
    assert (second["decision"], second["next_decision"]) == (None, None)
    output = trace("--order", "O'1", "--line", "1").output
    assert "item I1 at S1 on 2018-01-03 belongs to decision d2 of DC1, which supplies it" in output
    assert "Decision d2  override for item I1 at DC1" in output
    assert "changes it to 7 (promotion)" in output
    assert "answers d1  proposal for item I1 at DC1" in output
    assert "Demand rose [12%]" in output


def test_trace_names_an_unknown_order_and_line(filled):
    with pytest.raises(LogError, match="order 'O9': not in the table order_lines"):
        trace("--order", "O9")
    with pytest.raises(LogError, match="line 7"):
        trace("--order", "O'1", "--line", "7")


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["--decision", "d1", "--item", "I1"], ["--decision", "d1", "--line", "1"],
        ["--order", "o", "--date", "2018-01-01"], ["--item", "I1", "--date", "tomorrow"],
    ],
)  # fmt: skip
def test_wrong_usage_exits_with_2(filled, arguments):
    assert trace(*arguments).exit_code == 2


def test_a_record_can_be_replaced_only_by_one_that_supersedes_it(filled, logs):
    from workbench.errors import ImmutableError

    with pytest.raises(ImmutableError, match="supersedes"):
        open_log(filled).append([replace(logs.record(3), item_id="I3")])
