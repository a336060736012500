"""`workbench trace`: what it finds and shows."""

from datetime import date

import pandas as pd
import pytest

from workbench.decision_log.append import open_log
from workbench.decision_log.checkpoint import Checkpoint
from workbench.decision_log.keys import ensure_key
from workbench.decision_log.tree import Edge, grow
from workbench.errors import LogError
from workbench.merkle import leaf_hash, tree_root
from workbench.tables.store import TableStore


def test_trace_of_a_decision_shows_what_it_rests_on(filled, trace, facts):
    output = trace("--decision", "d1").output
    for text in (
        "Decision d1  proposal for item I1 at DC1  entry 0 ✓", "Demand rose [12%]",
        "proposes 0.5 pieces · demand until the next delivery 1 to 9 pieces (80%)",
        "(80%) · the policy before: 2",
        "12.50 USD at stake · rests on simulated data",
        "in force from 2018-01-01 until before 2018-01-08", "tier manual",
        "lgbm version 1  sha256 bbbb",
        "30-set-policy  as of 2017-12-31", "Simulated saving 3%",
        "no report of it here, and no lineage of its completion",
        "version not kept here", "override to 7: promotion", "← this decision",
        "every entry above is proven", "digests shortened; --json shows them whole",
    ):  # fmt: skip
        assert text in output


def test_row_evidence_is_proven_against_the_table_store(filled, trace, facts):
    (decision,) = facts("--decision", "d1")["decisions"]
    states = [rows["state"] for rows in decision["evidence"]]
    assert states == ["proven", "not checkable"]


def test_trace_of_an_item_on_a_day(filled, trace, facts):
    found = facts("--item", "I1", "--location", "DC1", "--date", "2018-01-03")["decisions"]
    assert [decision["record"]["id"] for decision in found] == ["d2"]
    assert found[0]["chain"]["id"] == "d1"
    with pytest.raises(LogError, match="no decision in force on 2018-01-08"):
        trace("--item", "I1", "--date", "2018-01-08")


def test_trace_of_an_order_finds_the_decision_of_the_supplying_centre(filled, trace, facts):
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


def test_trace_names_an_unknown_order_and_line(filled, trace, facts):
    with pytest.raises(LogError, match="order 'O9': neither in the table order_lines nor"):
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
def test_wrong_usage_exits_with_2(filled, trace, arguments):
    assert trace(*arguments).exit_code == 2


def test_a_superseded_decision_says_so_and_its_successor_names_it(filled, trace, logs):
    week = {"valid_from": date(2018, 1, 1), "valid_to": date(2018, 1, 8)}
    about = {"item_id": "I1", "location_id": "DC1", "detail": {"proposal": "replenishment"}}
    open_log(filled).append([logs.record(5, **about, **week)])
    output = trace("--decision", "d1").output
    assert "stands at 7 pieces: was overridden by test" in output
    assert "a newer proposal of 0.5 waits for an answer: the proposal d5 of 2026-01-02" in output
    assert "in force is another: stands at 7 pieces" in trace("--decision", "d5").output
    open_log(filled).append([logs.record(6, kind="acceptance", supersedes="d5", **about, **week)])
    output = trace("--decision", "d1").output
    assert "no longer holds: was overridden by test" in output
    assert "stands at" not in output
    assert "superseded from 2018-01-01 on by the acceptance d6 of 2026-01-02, entry 4" in output
    output = trace("--decision", "d6").output
    assert "superseded from" not in output
    assert "supersedes the override d2 of 2026-01-02, entry 1, in force from 2018-01-01" in output


def test_several_decisions_are_listed_newest_first_unless_all_is_wanted(filled, trace, facts, logs):
    places = [{"item_id": "I5", "location_id": f"S{number:02}"} for number in range(23)]
    open_log(filled).append([logs.record(10 + n, **place) for n, place in enumerate(places)])
    lines = trace("--item", "I5").output.splitlines()
    assert lines[0].startswith("entry 25  proposal d32 for item I5 at S22  0.5")
    assert lines[20] == "3 more: --json for all, --location for one place"
    assert len(lines) == 23
    assert len(facts("--item", "I5")["decisions"]) == 23
    assert trace("--item", "I5", "--full").output.count("Decision d") == 23
    assert "Decision d32" in trace("--item", "I5", "--location", "S22").output


def test_an_unknown_item_is_not_sent_round_in_a_circle(filled, trace):
    with pytest.raises(LogError, match="item 'nope': no decision in the log") as caught:
        trace("--item", "nope")
    assert "trace --item" not in str(caught.value)


def _order(store, table, day, **columns):
    frame = pd.DataFrame({"line": [1, 2, 3], "item_id": ["I1", "I1", "I9"], **columns, **day})
    store.write(table, frame, provenance="simulated", source="test")


def test_lines_without_a_decision_are_told_together(filled, trace, logs):
    store = TableStore(filled.tables)
    day = {"date": pd.Timestamp("2017-05-01")}
    _order(store, "order_lines", day, order_id="O2", location_id="S1", quantity=1.0, price=2.0)
    result = trace("--order", "O2")
    first, second, last = result.output.splitlines()
    assert first == (
        "2 lines of O2: no decision was in force on 2017-05-01; the log's decisions about their"
        " items are in force from 2018-01-01"
    )
    assert second.endswith("item I9 at S1 on 2017-05-01: no decision about it is in the log")
    assert last.startswith("no entry of the log to prove")
    assert result.exit_code == 0


def test_a_purchase_order_is_traced_too(filled, trace, facts):
    day = {"ordered": pd.Timestamp("2018-01-02"), "due": pd.Timestamp("2018-01-04")}
    _order(
        TableStore(filled.tables), "purchase_orders", day, po_id="PO-1", supplier_id="V1",
        location_id="DC1", quantity=1.0,
    )  # fmt: skip
    first, _, third = facts("--order", "PO-1")["lines"]
    assert (first["table"], first["decision"], third["decision"]) == ("purchase_orders", "d2", None)
    assert "Purchase order PO-1, line 1: item I1 at DC1" in trace("--order", "PO-1").output


@pytest.fixture
def signed(workspace):
    """Puts entries into the workspace's log that no append would take, and signs them."""
    origin = workspace.log_origin()

    def put(*entries):
        objects = grow(Edge(), [entry.encode() for entry in entries])
        for path, data in objects.items():
            (workspace.log / path).parent.mkdir(parents=True, exist_ok=True)
            (workspace.log / path).write_bytes(data)
        root = tree_root([leaf_hash(entry.encode()) for entry in entries])
        note = Checkpoint(origin, len(entries), root).sign(ensure_key(origin))
        (workspace.log / "checkpoint").write_bytes(note)

    return put


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("not JSON", "entry 0: not a decision record"),
        ("[1]", "entry 0: not a decision record"),
        ('{"kind":"proposal"}', "entry 0: not a decision record"),
        ("[" * 60_000, "nested too deeply"),
        ('{"id":"d1","kind":"proposal","models":[1]}', "entry 0: models is"),
        ('{"id":"d1","kind":"proposal","quantity":"7"}', "entry 0: quantity is '7'"),
        ('{"id":"d1","kind":"guess"}', "entry 0: kind is 'guess'"),
    ],
)
def test_a_signed_entry_that_is_no_record_is_told_in_one_sentence(signed, trace, entry, message):
    signed(entry)
    with pytest.raises(LogError, match=message):
        trace("--decision", "d1", "--json")
