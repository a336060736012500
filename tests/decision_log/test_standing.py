"""Which of several decisions for the same item, location and days holds, and what is ordered."""

from datetime import date, timedelta

import pytest

from workbench.contracts.record_checks import check_entry
from workbench.decision_log.answers import Answer, Author, answer_record, superseded_answers
from workbench.decision_log.executions import (
    Order,
    execution_record,
    open_decisions,
    ordered_otherwise,
)
from workbench.decision_log.index import LogIndex
from workbench.decision_log.standing import AGAIN, standing
from workbench.decision_log.storage import MemoryStorage
from workbench.decision_log.trace import DecisionHistory
from workbench.errors import LogError

ABOUT = {"item_id": "I1", "location_id": "S1", "unit": "EA", "tier": "manual"}
TOPIC = {"detail": {"proposal": "replenishment"}}


class Planner:
    """A log in memory with proposal d1 for 1 to 7 January, and who answers what is in it."""

    def __init__(self, logs, folder):
        self.logs, self.storage, self.folder = logs, MemoryStorage(), folder
        self.log, self.now = logs.open(self.storage), logs.record(0).recorded_at
        self.propose(1)

    def propose(self, number, first=1, end=8, **changes):
        days = {"valid_from": date(2018, 1, first), "valid_to": date(2018, 1, end)}
        fields = {**ABOUT, **TOPIC, **days, "quantity": float(10 + number), **changes}
        self.log.append([self.logs.record(number, **fields)])

    def history(self):
        return DecisionHistory(self.storage, LogIndex(self.folder / "i.sqlite"), self.logs.key)

    def by(self, actor="ann"):
        self.now += timedelta(seconds=1)
        return Author(actor, "planner", self.now)

    def answer(self, target, verb="accept", **given):
        record = answer_record(self.history(), Answer(target, verb, **given), self.by())
        check_entry(record.canonical())
        self.log.append([record])
        return record

    def override(self, target, **given):
        said = {"quantity": 5.0, "reason": "Flyer", "reason_code": "promotion"}
        return self.answer(target, "override", **{**said, **given})

    def order(self, target, order="PO-1", **given):
        record = execution_record(self.history(), target, Order(order, 1, **given), self.by())
        self.log.append([record])
        return record

    def in_force(self, day=3):
        day = date(2018, 1, day) if day else None
        return [e.id for e in self.history().decisions("I1", location_id="S1", day=day)]

    def to_order(self):
        return [entry.id for entry in open_decisions(self.history())]

    def stands(self, name):
        history = self.history()
        found = vars(standing(history, history.decision(name)))
        return {relation: [e.id for e in others] for relation, others in found.items() if others}


@pytest.fixture
def planner(logs, tmp_path):
    return Planner(logs, tmp_path)


@pytest.mark.parametrize("answer", ["accept", "override"])
def test_an_answer_survives_a_rerun_that_proposes_anew(planner, answer):
    mine = planner.override("d1") if answer == "override" else planner.answer("d1")
    planner.propose(2)
    assert planner.in_force() == planner.in_force(None) == planner.to_order() == [mine.id]
    assert planner.stands("d1") == planner.stands(mine.id) == {"waiting": ["d2"]}
    assert planner.stands("d2") == {"behind": [mine.id]}


def test_an_answer_to_the_newer_proposal_supersedes_the_earlier_answer(planner):
    mine = planner.answer("d1")
    planner.propose(2)
    history = planner.history()
    record = answer_record(history, Answer("d2", "accept"), planner.by())
    assert superseded_answers(history, record) == [
        f"supersedes {mine.id}, which was accepted by ann on 2026-01-02, entry 1"
    ]
    later = planner.answer("d2")
    assert planner.in_force() == planner.to_order() == [later.id]
    assert planner.stands("d1") == {"superseded_by": [later.id]}
    with pytest.raises(LogError, match=f"superseded by the acceptance '{later.id}', entry 3"):
        planner.override(mine.id)


def test_an_answer_can_be_changed_while_a_newer_proposal_waits(planner):
    mine = planner.answer("d1")
    planner.propose(2)
    changed = planner.override(mine.id)
    assert planner.to_order() == planner.in_force() == [changed.id]


def test_refusing_the_newer_proposal_keeps_the_earlier_answer(planner):
    mine = planner.answer("d1")
    planner.propose(2)
    planner.answer("d2", "reject", reason_code="budget")
    assert planner.in_force() == planner.in_force(None) == planner.to_order() == [mine.id]
    assert planner.stands("d1") == {}


def test_an_answer_taken_back_does_not_bring_the_superseded_one_back(planner):
    planner.answer("d1")
    planner.propose(2)
    planner.answer("d2")
    taken_back = planner.answer("d2", "reject", reason_code="budget")
    assert planner.in_force() == [taken_back.id]
    assert planner.to_order() == []


def test_a_rejection_stands_until_a_later_proposal_is_answered(planner):
    refused = planner.answer("d1", "reject", reason_code="delisted")
    planner.propose(2)
    assert planner.in_force() == [refused.id]
    later = planner.answer("d2")
    assert planner.in_force() == planner.to_order() == [later.id]


def test_of_proposals_that_nobody_answered_the_latest_is_in_force(planner):
    planner.propose(2)
    assert planner.in_force() == planner.in_force(None) == ["d2"]
    assert planner.stands("d1") == {"superseded_by": ["d2"]}
    assert planner.stands("d2") == {"supersedes": ["d1"]}
    with pytest.raises(LogError, match="superseded by the proposal 'd2'"):
        planner.answer("d1")


def test_an_expired_override_holds_back_no_proposal(planner):
    mine = planner.override("d1", expires=date(2018, 1, 4))
    planner.propose(2, first=4)
    assert (planner.in_force(3), planner.in_force(4)) == ([mine.id], ["d2"])
    assert planner.stands("d2") == {"supersedes": ["d1"]}
    assert planner.stands(mine.id) == {}


def test_other_days_places_and_topics_do_not_meet(planner):
    mine = planner.answer("d1")
    planner.propose(2, first=8, end=15)
    planner.propose(3, location_id="S2")
    planner.propose(4, detail={"proposal": "policy"})
    assert planner.stands(mine.id) == {}
    assert planner.in_force() == ["d4", mine.id]


def test_goods_that_are_ordered_are_not_accepted_again(planner):
    planner.answer("d1")
    order = planner.order("d1")
    planner.propose(2)
    assert planner.stands("d2")["orders"] == [order.id]
    for answer in (planner.answer, planner.override):
        with pytest.raises(LogError, match=r"the same was ordered as PO-1 by ann.*give --again"):
            answer("d2")
    planner.answer("d2", "reject", reason_code="ordered")


def test_who_orders_the_same_again_says_so_and_why(planner):
    planner.answer("d1")
    order = planner.order("d1")
    planner.propose(2)
    with pytest.raises(LogError, match="--again with no reason"):
        planner.answer("d2", again=True)
    more = planner.answer("d2", again=True, reason="A second lorry")
    assert more.detail == {AGAIN: [order.id]}
    assert planner.answer("d2", again=True, reason="A second lorry").id == more.id
    assert planner.to_order() == [more.id]
    assert ordered_otherwise(planner.history(), planner.history().decision(more.id)) == []
    assert planner.order("d2", order="PO-2").supersedes == more.id


def test_an_order_placed_after_the_newer_answer_holds_that_one_back(planner):
    mine = planner.answer("d1")
    planner.propose(2)
    theirs = execution_record(planner.history(), mine.id, Order("PO-1", 1), planner.by())
    later = planner.answer("d2")  # while the order file is written
    planner.log.append([theirs])
    history = planner.history()
    assert [e.id for e in ordered_otherwise(history, history.decision(later.id))] == [theirs.id]
    with pytest.raises(LogError, match="ordered for days they share as PO-1"):
        planner.order("d2", order="PO-2")
    assert planner.order("d2", order="PO-2", again=True).order_id == "PO-2"


def test_an_order_line_belongs_to_the_answer_and_not_to_what_waits(planner):
    from workbench.decision_log.traced import OrderLine

    mine = planner.answer("d1")
    planner.propose(2)
    (line,) = planner.history().order_lines([OrderLine("O", 1, "I1", "S1", date(2018, 1, 3))])
    assert line.decision.id == mine.id


def test_answers_and_orders_of_a_time_are_found(planner):
    mine, order = planner.answer("d1"), planner.order("d1")
    found = planner.history().answered_in(date(2018, 1, 7), date(2018, 1, 14))
    assert [entry.id for entry in found] == [mine.id, order.id]
    assert planner.history().answered_in(date(2018, 1, 8), date(2018, 1, 14)) == []
