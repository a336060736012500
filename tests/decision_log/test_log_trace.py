"""Tracing: the decision in force, its chain, its proof."""

import sqlite3
from datetime import date

import pytest

from workbench.decision_log.index import LogIndex
from workbench.decision_log.storage import MemoryStorage
from workbench.decision_log.tiles import bundle_path
from workbench.decision_log.trace import DecisionHistory, OrderLine
from workbench.errors import LogError, VerificationError

JANUARY = {"valid_from": date(2018, 1, 1), "valid_to": date(2018, 1, 8)}
ORDER = {"detail": {"proposal": "replenishment"}, "item_id": "I1", "location_id": "S1"}


@pytest.fixture
def history(logs, tmp_path):
    """Opens the history of a log that holds the given records."""

    def build(*records):
        storage = MemoryStorage()
        logs.open(storage).append(records)
        return DecisionHistory(storage, LogIndex(tmp_path / "i.sqlite"), logs.key)

    return build


def _ids(entries):
    return [entry.id for entry in entries]


@pytest.mark.parametrize(
    ("day", "found"),
    [(31, []), (1, ["d1"]), (7, ["d1"]), (8, [])],  # valid_from <= day < valid_to
)
def test_a_decision_is_in_force_from_its_first_day_until_before_its_last(logs, history, day, found):
    past = history(logs.record(1, **ORDER, **JANUARY))
    asked = date(2017, 12, 31) if day == 31 else date(2018, 1, day)
    assert _ids(past.decisions("I1", day=asked)) == found


def test_the_latest_entry_is_in_force(logs, history):
    earlier = logs.record(1, **ORDER, **JANUARY)
    later = logs.record(2, **ORDER, **JANUARY, recorded_at=earlier.recorded_at.replace(year=2020))
    past = history(earlier, later)
    assert _ids(past.decisions("I1", location_id="S1", day=date(2018, 1, 2))) == ["d2"]


def test_an_expired_override_gives_way_to_what_it_overrode(logs, history):
    proposal = logs.record(1, **ORDER, **JANUARY)
    override = logs.record(2, kind="override", supersedes="d1", expires=date(2018, 1, 4), after=9.0)
    past = history(proposal, override)
    assert _ids(past.decisions("I1", day=date(2018, 1, 3))) == ["d2"]
    assert _ids(past.decisions("I1", day=date(2018, 1, 4))) == ["d1"]


def test_an_answer_is_about_what_the_proposal_is_about(logs, history):
    accepted = logs.record(2, kind="acceptance", supersedes="d1")
    past = history(logs.record(1, **ORDER, **JANUARY), accepted)
    assert _ids(past.decisions("I1", location_id="S1", day=date(2018, 1, 3))) == ["d2"]


def test_facts_and_outcomes_do_not_decide(logs, history):
    outcome = logs.record(2, kind="outcome", supersedes="d1")
    past = history(logs.record(1, **ORDER, **JANUARY), outcome)
    assert _ids(past.decisions("I1")) == ["d1"]


def test_locations_and_topics_are_decided_separately(logs, history):
    policy = {**ORDER, "detail": {"proposal": "policy"}}
    past = history(
        logs.record(1, **ORDER),
        logs.record(2, **policy),
        logs.record(3, **{**ORDER, "location_id": "S2"}),
        logs.record(4, **{**ORDER, "item_id": "I2"}),
    )
    assert _ids(past.decisions("I1")) == ["d2", "d1", "d3"]
    assert _ids(past.decisions("I1", location_id="S2")) == ["d3"]
    assert past.decisions("unknown") == []


def test_the_chain_runs_from_the_first_record_to_the_last(logs, history):
    past = history(
        logs.record(1, **ORDER),
        logs.record(2, kind="override", supersedes="d1"),
        logs.record(3, kind="approval", supersedes="d2"),
        logs.record(4, kind="execution", supersedes="d3"),
        logs.record(5, kind="outcome", supersedes="d1"),
    )
    tree = past.tree(past.decision("d3"))
    assert _ids(tree.entries()) == ["d1", "d2", "d3", "d4", "d5"]
    assert _ids([node.entry for node in tree.followed_by]) == ["d2", "d5"]


def test_a_chain_that_goes_in_a_circle_ends(logs, history):
    past = history(logs.record(1, supersedes="d2"), logs.record(2, supersedes="d1"))
    assert sorted(_ids(past.tree(past.decision("d1")).entries())) == ["d1", "d2"]


def test_a_chain_may_begin_outside_the_log(logs, history):
    past = history(logs.record(1, supersedes="elsewhere"))
    assert _ids(past.tree(past.decision("d1")).entries()) == ["d1"]


def _line(day, **changes):
    fields = {"order_id": "O1", "line": 1, "item_id": "I1", "location_id": "S1"}
    return OrderLine(**{**fields, "day": day, "supplied_from": ("DC1",), **changes})


def test_an_order_line_belongs_to_the_decision_at_its_location(logs, history):
    centre = {**ORDER, "location_id": "DC1"}
    past = history(logs.record(1, **ORDER, **JANUARY), logs.record(2, **centre, **JANUARY))
    (traced,) = past.order_lines([_line(date(2018, 1, 2))])
    assert traced.decision.id == "d1"


def test_else_to_the_decision_where_it_is_supplied_from(logs, history):
    centre = {**ORDER, "location_id": "DC1"}
    past = history(logs.record(2, **centre, **JANUARY), logs.record(3, **centre))
    (traced,) = past.order_lines([_line(date(2018, 1, 2))])
    assert (traced.decision.id, traced.decision.location_id) == ("d2", "DC1")


def test_a_line_before_every_decision_names_the_next_one(logs, history):
    later = {"valid_from": date(2018, 2, 1), "valid_to": date(2018, 2, 8)}
    past = history(logs.record(1, **ORDER, **later), logs.record(2, **ORDER, **JANUARY))
    (traced,) = past.order_lines([_line(date(2017, 5, 1))])
    assert (traced.decision, traced.following.id) == (None, "d2")
    (other,) = past.order_lines([_line(date(2017, 5, 1), item_id="I9")])
    assert (other.decision, other.following) == (None, None)


def test_an_entry_that_names_the_order_line_goes_first(logs, history):
    named = logs.record(2, kind="override", order_id="O1", order_line=1)
    past = history(named, logs.record(1, **ORDER, **JANUARY))
    first, second = past.order_lines([_line(date(2018, 1, 2)), _line(date(2018, 1, 2), line=2)])
    assert (first.decision.id, second.decision.id) == ("d2", "d1")


def test_an_unknown_decision_is_named(logs, history):
    with pytest.raises(LogError, match="'nope': not in the log"):
        history(logs.record(1)).decision("nope")


def test_an_altered_entry_is_not_shown(logs, tmp_path):
    storage = MemoryStorage()
    logs.open(storage).append(logs.records(0, 3))
    past = DecisionHistory(storage, LogIndex(tmp_path / "i.sqlite"), logs.key)
    path = bundle_path(0, 3)
    storage.objects[path] = storage.objects[path].replace(b"0.5", b"0.9")
    with pytest.raises(VerificationError, match="the log was altered"):
        past.decision("d1")


@pytest.fixture
def indexed(logs, tmp_path):
    """A log of one answered proposal and another; how to open it, and how to alter its index."""
    storage, path = MemoryStorage(), tmp_path / "i.sqlite"
    logs.open(storage).append(
        [
            logs.record(1, **ORDER, **JANUARY),
            logs.record(2, kind="override", supersedes="d1"),
            logs.record(3, item_id="I2", location_id="S1", order_id="O1", order_line=1),
        ]
    )

    def alter(*statements):
        with sqlite3.connect(path) as connection:
            for statement in statements:
                connection.execute(statement)

    def build():
        return DecisionHistory(storage, LogIndex(path), logs.key)

    build()
    return build, alter


STRAY = [
    "UPDATE entries SET id = 'x' WHERE id = 'd1'",
    "DELETE FROM entries WHERE id = 'd2'",
    "UPDATE entries SET item_id = 'I1', location_id = 'S1' WHERE id = 'd3'",
    "UPDATE entries SET item_id = 'I9' WHERE id = 'd2'",
    "UPDATE entries SET valid_to = '2018-01-02' WHERE id = 'd2'",
    "UPDATE state SET size = 2",
    "UPDATE state SET rows = x'00'",
]


@pytest.mark.parametrize("statement", STRAY)
def test_an_index_that_was_altered_is_rebuilt_from_the_log(indexed, statement):
    build, alter = indexed
    alter(statement)
    past = build()
    assert _ids(past.decisions("I1", day=date(2018, 1, 3))) == ["d2"]
    assert _ids(past.decisions("I2")) == ["d3"]
    assert past.decision("d1").id == "d1"


@pytest.mark.parametrize("statement", STRAY[:5])
def test_an_index_altered_while_it_is_open_shows_no_other_decision(indexed, statement):
    build, alter = indexed
    past = build()
    alter(statement)
    assert past.decision("d1").id == "d1"
    build()  # mends it
    past = build()
    alter(statement)
    assert set(_ids(past.decisions("I1"))) <= {"d1", "d2"}


def test_an_index_that_names_another_order_line_is_rebuilt(indexed):
    build, alter = indexed
    past = build()
    alter("UPDATE entries SET order_id = 'O2' WHERE id = 'd3'")
    (traced,) = past.order_lines([_line(date(2018, 1, 2), order_id="O2")])
    assert traced.decision.id == "d2"
