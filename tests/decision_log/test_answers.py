"""Answers to proposals: which are taken, what their records say, what stands afterwards."""

import json
from datetime import date, timedelta

import pytest

from workbench.contracts.record_checks import check_entry
from workbench.decision_log.answers import Answer, Author, answer_record
from workbench.decision_log.executions import (
    Order,
    Outcome,
    execution_record,
    open_decisions,
    outcome_record,
)
from workbench.decision_log.index import LogIndex
from workbench.decision_log.storage import MemoryStorage
from workbench.decision_log.trace import DecisionHistory
from workbench.errors import ImmutableError, LogError

JANUARY = {"valid_from": date(2018, 1, 1), "valid_to": date(2018, 1, 8)}
ABOUT = {"item_id": "I1", "location_id": "S1", "unit": "EA", "currency": "EUR", "tier": "manual"}
PROPOSAL = {**ABOUT, **JANUARY, "detail": {"proposal": "replenishment"}, "simulated": True}


class Desk:
    """A log in memory, and people who answer what is in it."""

    def __init__(self, logs, folder):
        self.storage, self.log_index = MemoryStorage(), folder / "i.sqlite"
        self.logs, self.log = logs, logs.open(self.storage)
        self.log.append([logs.record(1, **{**PROPOSAL, "quantity": 12.0})])
        self.clock = logs.record(0).recorded_at

    def history(self):
        return DecisionHistory(self.storage, LogIndex(self.log_index), self.logs.key)

    def by(self, actor="ann"):
        self.clock += timedelta(seconds=1)
        return Author(actor, "planner", self.clock)

    def record(self, target, verb, actor="ann", **given):
        return answer_record(self.history(), Answer(target, verb, **given), self.by(actor))

    def answer(self, target, verb, actor="ann", **given):
        record = self.record(target, verb, actor, **given)
        check_entry(record.canonical())
        self.log.append([record])
        return record

    def override(self, target="d1", quantity=7.0, **given):
        reason = {"reason_code": "promotion", "reason": "A flyer in week 1"}
        return self.answer(target, "override", quantity=quantity, **{**reason, **given})

    def execute(self, target="d1", order="PO-1", line=1, **given):
        record = execution_record(self.history(), target, Order(order, line, **given), self.by())
        check_entry(record.canonical())
        self.log.append([record])
        return record

    def outcome(self, target="d1", received=11.0, day=date(2018, 1, 5), money=-2.5):
        found = Outcome(received, day, money)
        record = outcome_record(self.history(), target, found, self.by())
        check_entry(record.canonical())
        self.log.append([record])
        return record

    def in_force(self, day=date(2018, 1, 3)):
        (found,) = self.history().decisions("I1", location_id="S1", day=day)
        return found


@pytest.fixture
def desk(logs, tmp_path):
    return Desk(logs, tmp_path)


def test_an_acceptance_names_what_it_accepts_and_carries_what_it_is_about(desk):
    record = desk.answer("d1", "accept")
    said = json.loads(record.canonical())
    assert said == {
        "id": record.id, "kind": "acceptance", "supersedes": "d1", "quantity": 12, "actor": "ann",
        "role": "planner", "recorded_at": "2026-01-02T03:04:06.000000Z", "item_id": "I1",
        "location_id": "S1", "unit": "EA", "currency": "EUR", "tier": "manual",
        "valid_from": "2018-01-01", "valid_to": "2018-01-08", "simulated": True,
        "schema_version": 1,
    }  # fmt: skip
    assert desk.in_force().kind == "acceptance"


def test_an_override_says_what_it_changes_and_until_when(desk):
    record = desk.override(expires=date(2018, 1, 4))
    assert (record.before, record.after, record.quantity) == (12, 7, 7)
    assert (record.reason_code, record.reasons) == ("promotion", ("A flyer in week 1",))
    assert desk.in_force(date(2018, 1, 3)).id == record.id
    assert desk.in_force(date(2018, 1, 4)).id == "d1"  # expired: what it overrode is back


def test_the_approval_of_an_override_ends_with_it(desk):
    desk.override(expires=date(2018, 1, 4))
    desk.answer("d1", "approve", actor="bob")
    assert desk.in_force(date(2018, 1, 3)).kind == "approval"
    assert desk.in_force(date(2018, 1, 4)).id == "d1"


def test_after_a_rejection_the_rejection_is_in_force(desk):
    desk.answer("d1", "reject", reason_code="delisted")
    assert desk.in_force().kind == "rejection"


def test_the_same_answer_again_is_the_same_entry(desk):
    first = desk.answer("d1", "accept")
    again = desk.answer("d1", "accept")
    assert again.id == first.id
    assert desk.log.checkpoint().size == 2


def test_the_same_answer_again_holds_also_after_the_order(desk):
    desk.answer("d1", "accept")
    desk.answer("d1", "approve", actor="bob")
    desk.execute()
    for verb, actor in (("accept", "ann"), ("approve", "bob")):
        desk.answer("d1", verb, actor=actor)
    assert desk.log.checkpoint().size == 4


def test_another_answer_is_refused_and_names_the_first(desk):
    first = desk.answer("d1", "accept")
    with pytest.raises(
        LogError, match=f"was accepted by ann on 2026-01-02, entry 1, as '{first.id}"
    ):
        desk.override()
    with pytest.raises(LogError, match="was accepted by ann"):
        desk.answer("d1", "accept", actor="bob")


def test_an_answer_is_changed_by_answering_it(desk):
    first = desk.answer("d1", "accept")
    changed = desk.override(first.id)
    assert (changed.supersedes, changed.before) == (first.id, 12)
    again = desk.override(changed.id, quantity=8.0)
    assert (again.before, desk.in_force().id) == (7, again.id)


def test_of_two_who_answer_at_once_the_log_takes_one(desk):
    mine = desk.record("d1", "accept")
    theirs = desk.record("d1", "reject", actor="bob", reason_code="delisted")
    desk.log.append([mine])
    with pytest.raises(ImmutableError):
        desk.log.append([theirs])


def test_a_rejection_takes_back_what_was_accepted_and_stands(desk):
    first = desk.answer("d1", "accept")
    record = desk.answer("d1", "reject", reason_code="budget")
    assert record.supersedes == first.id
    for answered in ("d1", first.id, record.id):
        with pytest.raises(LogError, match="rejection stands"):
            desk.override(answered)


def test_nobody_approves_their_own_answer(desk):
    desk.override()
    with pytest.raises(LogError, match="ann's own override; expected somebody else"):
        desk.answer("d1", "approve")
    assert desk.answer("d1", "approve", actor="bob").quantity == 7


def test_a_proposal_is_not_approved_before_it_is_answered(desk):
    with pytest.raises(LogError, match="accept or override it first"):
        desk.answer("d1", "approve", actor="bob")


def test_a_superseded_proposal_is_not_answered(desk):
    desk.log.append([desk.logs.record(2, **PROPOSAL)])
    with pytest.raises(LogError, match="superseded by the proposal 'd2', entry 1"):
        desk.answer("d1", "accept")
    desk.answer("d2", "accept")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"verb": "override", "reason": "x", "reason_code": "y"}, "no quantity"),
        ({"verb": "accept", "quantity": 3.0}, "accept with quantity 3"),
        ({"verb": "override", "quantity": 7.0, "reason_code": "y"}, "without a reason"),
        ({"verb": "override", "quantity": 7.0, "reason": "x"}, "without a reason code"),
        ({"verb": "reject"}, "without a reason code"),
        ({"verb": "accept", "expires": date(2018, 1, 2)}, "only an override expires"),
        ({"verb": "reject", "reason_code": "Not OK"}, "lower-case letters"),
        ({"verb": "reject", "reason_code": "x" * 41}, "at most 40"),
        ({"verb": "accept", "reason": "x" * 2001}, "at most 2,000"),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(desk, given, message):
    with pytest.raises(LogError, match=message):
        desk.answer("d1", **given)
    assert desk.log.checkpoint().size == 1


@pytest.mark.parametrize("quantity", [-1.0, float("nan"), float("inf"), 7.5])
def test_a_quantity_that_cannot_be_ordered_is_refused(desk, quantity):
    with pytest.raises(LogError, match="quantity"):
        desk.override(quantity=quantity)


def test_an_override_that_is_never_in_force_is_refused(desk):
    with pytest.raises(LogError, match="would never be in force"):
        desk.override(expires=date(2018, 1, 1))


def test_an_unknown_decision_and_one_that_is_none_are_refused(desk):
    desk.log.append([desk.logs.record(5, kind="fact")])
    with pytest.raises(LogError, match="'nope': not in the log"):
        desk.answer("nope", "accept")
    with pytest.raises(LogError, match="record of kind fact"):
        desk.answer("d5", "accept")


def test_an_execution_follows_the_last_answer(desk):
    desk.answer("d1", "accept")
    approval = desk.answer("d1", "approve", actor="bob")
    assert [entry.id for entry in open_decisions(desk.history())] == [approval.id]
    record = desk.execute()
    assert (record.supersedes, record.order_id, record.order_line) == (approval.id, "PO-1", 1)
    assert (record.quantity, record.before) == (12, None)
    assert desk.execute().id == record.id
    assert open_decisions(desk.history()) == []


def test_what_was_ordered_may_differ_from_what_was_decided(desk):
    desk.answer("d1", "accept")
    record = desk.execute(quantity=10.0)
    assert (record.quantity, record.before) == (10, 12)


def test_nothing_executes_that_nobody_answered_or_that_was_rejected(desk):
    with pytest.raises(LogError, match="proposal of tier manual that nobody answered"):
        desk.execute()
    desk.answer("d1", "reject", reason_code="budget")
    with pytest.raises(LogError, match="was rejected by ann"):
        desk.execute()
    assert open_decisions(desk.history()) == []


def test_a_decision_is_ordered_once_and_a_line_executes_one(desk):
    desk.answer("d1", "accept")
    desk.log.append([desk.logs.record(2, **{**PROPOSAL, "item_id": "I2"})])
    desk.answer("d2", "accept")
    desk.execute()
    with pytest.raises(LogError, match="was ordered as PO-1 by ann"):
        desk.execute(order="PO-2")
    with pytest.raises(LogError, match="line 1: executes decision"):
        desk.execute("d2")
    with pytest.raises(LogError, match="was ordered as PO-1"):
        desk.override()


def test_outcomes_follow_the_order_one_a_day_and_can_be_corrected(desk):
    desk.answer("d1", "accept")
    with pytest.raises(LogError, match="was accepted by ann on 2026-01-02, entry 1 and was not"):
        desk.outcome()
    order = desk.execute()
    record = desk.outcome()
    assert (record.supersedes, record.quantity, record.before) == (order.id, 11, 12)
    assert (record.as_of, record.detail, record.currency) == (
        date(2018, 1, 5),
        {"money": -2.5},
        "EUR",
    )
    assert desk.outcome().id == record.id
    desk.outcome(day=date(2018, 1, 6), received=1.0)
    with pytest.raises(LogError, match="another outcome of 2018-01-05, entry 3"):
        desk.outcome(received=10.0)
    assert desk.outcome(record.id, received=10.0).supersedes == record.id


@pytest.mark.parametrize(
    ("received", "money", "message"),
    [(-1.0, None, "quantity -1"), (1.5, None, "whole pieces"), (1.0, float("nan"), "money nan")],
)
def test_an_outcome_that_cannot_be_is_refused(desk, received, money, message):
    desk.answer("d1", "accept")
    desk.execute()
    with pytest.raises(LogError, match=message):
        desk.outcome(received=received, money=money)


def test_the_whole_chain_hangs_on_the_proposal(desk):
    desk.answer("d1", "accept")
    desk.execute()
    desk.outcome()
    past = desk.history()
    entries = past.tree(past.decision("d1")).entries()
    assert [e.kind for e in entries] == ["proposal", "acceptance", "execution", "outcome"]
    (named,) = past.naming_order("PO-1", 1)
    assert named.kind == "execution"


def test_what_states_no_quantity_is_never_ordered_nor_changed_to_one(desk):
    merge = {"item_id": "I9", "tier": "manual", "quantity": None, "detail": {"proposal": "merge"}}
    desk.log.append([desk.logs.record(9, **merge)])
    with pytest.raises(LogError, match="states no quantity that could be another one"):
        desk.override("d9")
    desk.answer("d9", "accept")
    assert open_decisions(desk.history()) == []
    with pytest.raises(LogError, match="states no quantity; expected one that says how much"):
        desk.execute("d9")
