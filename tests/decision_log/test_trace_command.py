"""`workbench trace`: what it finds and shows."""

from datetime import date

import pytest

from workbench.decision_log.append import open_log
from workbench.errors import LogError


def test_trace_of_a_decision_shows_what_it_rests_on(filled, trace, facts):
    output = trace("--decision", "d1").output
    for text in (
        "Decision d1  proposal for item I1 at DC1  entry 0 ✓", "Demand rose [12%]",
        "proposes 0.5 EA · demand until the next delivery 1 to 9 EA (80%) · the policy before: 2",
        "12.50 USD at stake · rests on simulated data",
        "in force from 2018-01-01 until before 2018-01-08", "tier manual",
        "lgbm version 1  sha256 bbbb",
        "30-set-policy  as of 2017-12-31", "Simulated saving 3%",
        "no report and no lineage of it here",
        "version not kept here", "override to 7: promotion", "← this decision",
        "every entry above is proven",
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
def test_wrong_usage_exits_with_2(filled, trace, arguments):
    assert trace(*arguments).exit_code == 2


def test_a_superseded_decision_says_so_and_its_successor_names_it(filled, trace, logs):
    week = {"valid_from": date(2018, 1, 1), "valid_to": date(2018, 1, 8)}
    about = {"item_id": "I1", "location_id": "DC1", "detail": {"proposal": "replenishment"}}
    open_log(filled).append([logs.record(5, **about, **week)])
    output = trace("--decision", "d1").output
    assert (
        "superseded in force from 2018-01-01 on by the proposal d5 of 2026-01-02, entry 3" in output
    )
    output = trace("--decision", "d5").output
    assert "superseded in force" not in output
    assert "supersedes the override d2 of 2026-01-02, entry 1, in force from 2018-01-01" in output
