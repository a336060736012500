"""`workbench trace --run` and `--model`: totals and lists."""

import pytest

from workbench.contracts.records import ModelReference
from workbench.decision_log.append import open_log
from workbench.errors import LogError

RUNS = ("01920000-0000-7000-8000-00000000000a", "01920000-0000-7000-8000-00000000000b")
MODEL = ModelReference("lgbm", "7", "e" * 64)


@pytest.fixture
def many(workspace, logs):
    """25 proposals of a run: one ordered and received, one rejected; one of a run upstream."""
    money = {"money_at_stake": 2.5, "currency": "EUR"}
    proposals = [
        logs.record(n, run_ids=RUNS, models=(MODEL,), item_id=f"I{n}", **money) for n in range(25)
    ]
    answers = [
        logs.record(30, kind="acceptance", supersedes="d0"),
        logs.record(31, kind="execution", supersedes="d30", order_id="PO-1"),
        logs.record(32, kind="outcome", supersedes="d31", detail={"money": -4.0}, currency="EUR"),
        logs.record(33, kind="rejection", supersedes="d1"),
    ]
    other = logs.record(40, run_ids=(RUNS[1],), models=(ModelReference("lgbm", "8", "f" * 64),))
    open_log(workspace).append([*proposals, *answers, other])
    return workspace


def test_the_decisions_of_a_run_are_counted_by_what_became_of_them(many, trace, facts):
    found = facts("--run", RUNS[0])
    assert found["totals"] == {
        "decisions": 25, "upstream_of": 0, "states": {"ordered": 1, "rejected": 1, "open": 23},
        "at_stake": {"EUR": 62.5}, "made": {"EUR": -4.0}, "outcomes": 1,
    }  # fmt: skip
    assert [one["id"] for one in found["summary"]] == [f"d{n}" for n in range(24, 4, -1)]
    output = trace("--run", RUNS[0]).output
    for text in ("25 decisions of run", "62.50 EUR at stake", "−4.00 EUR made by outcomes"):
        assert text in output


def test_decisions_that_only_rest_on_a_run_are_told_apart(many, facts):
    totals = facts("--run", RUNS[1])["totals"]
    assert (totals["decisions"], totals["upstream_of"]) == (1, 25)


@pytest.mark.parametrize(
    ("model", "count"), [("lgbm", 26), ("lgbm@7", 25), ("e" * 64, 25), ("f" * 64, 1)]
)
def test_the_decisions_that_rest_on_a_model_are_counted_and_listed(many, facts, model, count):
    found = facts("--model", model)
    assert found["totals"]["decisions"] == count
    assert len(found["summary"]) == min(count, 20)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--run", "nope"], "run 'nope': no decision of it"),
        (["--model", "lgbm@9"], "model 'lgbm@9': no decision in the log rests on it"),
    ],
)
def test_an_unknown_run_or_model_is_told(many, trace, arguments, message):
    with pytest.raises(LogError, match=message):
        trace(*arguments)
