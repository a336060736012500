"""Which part of a table an event says was read."""

from datetime import date

import pandas as pd
import pytest

from workbench.lineage.journal import Journal
from workbench.lineage.lifecycle import Found, RunLineage
from workbench.lineage.schemas import official_schemas
from workbench.lineage.validate import event_findings
from workbench.tables.store import TableStore

RUN = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"


@pytest.fixture
def sales(tmp_path):
    days = pd.date_range("2026-01-05", "2026-03-31")
    frame = pd.DataFrame({
        "item_id": "A", "location_id": "S1", "date": days, "channel": "store", "quantity": 1.0,
        "revenue": 2.0, "in_stock": None,
    })  # fmt: skip
    return TableStore(tmp_path / "tables").write("sales", frame, provenance="source", source="x")


@pytest.fixture
def event(tmp_path, sales):
    """COMPLETE of a run that read the sales where a condition holds, as of a day."""

    def read(*conditions, as_of=None):
        journal = Journal(tmp_path / "lineage")
        run = RunLineage(journal, workspace_id="shop", job="10-a", run_id=RUN)
        run.start([sales], as_of=as_of)
        run.complete(found=Found(subsets={"sales": conditions}))
        return list(journal.events())[-1]

    return read


def text(event):
    """The condition as SQL, to compare it with what was asked."""
    return _text(event["inputs"][0]["inputFacets"]["subset"]["inputCondition"])


def _text(node):
    signs = {"EQUAL": "=", "GREATER_THAN": ">", "GREATER_EQUAL_THAN": ">=", "LESS_EQUAL_THAN": "<="}
    if node["type"] == "binary":
        return f"({_text(node['left'])} {node['operator']} {_text(node['right'])})"
    if node["type"] == "compare":
        return f"{_text(node['left'])} {signs[node['comparison']]} {_text(node['right'])}"
    return node.get("field", node.get("value"))


DAYS = "(date >= 2026-01-05 AND date <= {})"


def test_the_days_of_the_table_are_those_read(event):
    assert text(event("")) == DAYS.format("2026-03-31")


def test_nothing_after_the_business_day_is_read(event):
    assert text(event("", as_of=date(2026, 2, 10))) == DAYS.format("2026-02-10")


def test_items_of_a_query_are_named(event):
    found = text(event("item_id IN ('A', 'B') AND quantity > 0"))
    items = "(item_id = A OR item_id = B)"
    assert found == f"({DAYS.format('2026-03-31')} AND ({items} AND quantity > 0))"


def test_two_reads_see_what_either_sees(event):
    found = text(event("item_id = 'A'", "revenue BETWEEN 1 AND 2"))
    either = "(item_id = A OR (revenue >= 1 AND revenue <= 2))"
    assert found == f"({DAYS.format('2026-03-31')} AND {either})"


@pytest.mark.parametrize("conditions", [("item_id LIKE 'A%'",), ("item_id = 'A'", ""), ("x(",)])
def test_what_no_comparison_can_say_is_left_out(event, conditions):
    assert text(event(*conditions)) == DAYS.format("2026-03-31")


def test_of_conditions_joined_by_or_none_is_left_out(event):
    assert text(event("item_id = 'A' OR item_id LIKE 'B%'")) == DAYS.format("2026-03-31")


def test_the_facet_is_valid(event, shared):
    official = official_schemas(shared("vectors/openlineage/spec"))
    assert event_findings(event("item_id IN ('A', 'B')"), official) == []
