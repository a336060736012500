"""Column lineage that is true: what tables are said to be made from, against what they are.

The whole demo is judged by `benchmarks/column_lineage.py`; here the same experiments run on one
quick step and a few months of made-up sales.
"""

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import column_oracle as oracle
from benchmarks.column_score import Stated, judge, pairs
from benchmarks.column_steps import Step
from workbench.adapters import completejourney_columns
from workbench.contracts.tables import CONTRACTS, contract
from workbench.inventory import twin, twin_columns
from workbench.readiness.made_from import check_columns
from workbench.runs.feeds import stated
from workbench.runs.parameters import declared
from workbench.segmentation.config import SegmentConfig
from workbench.segmentation.made_from import SEGMENTS
from workbench.segmentation.segment import segment_columns, segment_series

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = [declared(path) for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))]


# --- statements are whole ---------------------------------------------------------------------


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda one: one.name)
def test_every_table_of_a_notebook_states_all_its_columns(notebook):
    read = {*notebook.reads, *notebook.reads_if_present}
    statements = stated(notebook.made_from, read=read)
    assert set(statements) == set(notebook.writes)
    for table, statement in statements.items():
        assert _stated_columns(table, statement) == set(contract(table).names)
        assert _unknown(statement, read) == []


def test_every_table_of_twin_and_ingest_states_all_its_columns():
    for table, statement in twin_columns.COLUMNS.items():
        assert _stated_columns(table, statement) == set(contract(table).names)
        assert _unknown(statement, twin.MADE_FROM[table]) == []
    for table, statement in completejourney_columns.MADE_FROM.items():
        assert set(statement.columns) == set(contract(table).names)


def _stated_columns(table, statement):
    return {*statement.columns, *contract(table).run_columns}


def _unknown(statement, read):
    """Sources that the step does not read, or that are no column of theirs."""
    uses = {use for uses in (*statement.columns.values(), statement.rows) for use in uses}
    return [
        use
        for use in uses
        if "/" not in use.of and (use.of not in read or use.column not in CONTRACTS[use.of].names)
    ]


def test_what_checks_look_at_follows_from_the_plans_of_their_queries():
    derive = runpy.run_path(str(ROOT / "scripts/derive_check_columns.py"))
    assert check_columns() == derive["derived"](), "run: python scripts/derive_check_columns.py"


# --- statements are true ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def sold():
    """Sales and items of 14 items, two of them no merchandise, at 3 stores over 20 weeks."""
    random = np.random.default_rng(7)
    days = pd.date_range("2026-01-05", periods=141)
    parts = []
    for item in range(14):
        for store in range(3):
            chance = 0.12 + 0.7 * random.random()
            kept = days[random.random(len(days)) < chance]
            quantity = random.geometric(0.15 + 0.8 * random.random(), len(kept)) * 1.0
            parts.append(pd.DataFrame({
                "item_id": f"I{item:02}", "location_id": f"S{store}", "date": kept,
                "channel": "store", "quantity": quantity,
                "revenue": np.round(quantity * random.uniform(1, 9), 2), "in_stock": None,
            }))  # fmt: skip
    items = pd.DataFrame(dict.fromkeys(contract("items").names), index=range(14))
    items = items.assign(
        item_id=[f"I{item:02}" for item in range(14)], description="x", base_uom="H87",
        category=[f"C{item % 5}" for item in range(14)], currency="EUR",
        is_demand=[item < 12 for item in range(14)],
    )  # fmt: skip
    return {"sales": pd.concat(parts, ignore_index=True), "items": items}


@pytest.fixture(scope="module")
def segments(sold):
    def run(tables):
        items = tables["items"]
        demand = items.loc[items["is_demand"].astype(bool), "item_id"]
        sales = tables["sales"][tables["sales"]["item_id"].isin(demand)]
        series = twin.planned_series(sales, dc="DC1", minimum_days_dc=100, minimum_days_store=30)
        day = tables["sales"]["date"].max()
        table = segment_series(sales, series, dc="DC1", config=SegmentConfig(), as_of=day)
        return {"segments": segment_columns(table)}

    return Step("segments", sold, run)


def test_columns_of_segments_are_made_from_what_is_said(segments):
    said = {"segments": _said(SEGMENTS)}
    score = judge("segments", said, oracle.experiment(segments, pairs(said)))
    assert min(score.precision, score.recall) >= 0.95, (score.unseen, score.unsaid)
    assert score.columns > 15


def test_a_false_statement_is_found(segments):
    wrong = {**SEGMENTS.columns, "revenue": SEGMENTS.columns["xyz"]}
    said = {"segments": _said(type(SEGMENTS)(wrong, SEGMENTS.rows))}
    only = [("sales", "revenue"), ("sales", "quantity")]
    seen = oracle.experiment(segments, pairs(said), only=only)
    score = judge("segments", said, seen)
    revenue = ("segments", "revenue")
    assert (("sales", "revenue"), revenue) in score.unsaid
    assert (("sales", "quantity"), revenue) in score.unseen


def _said(statement):
    def columns(uses):
        return frozenset((use.of, use.column) for use in uses)

    return Stated(
        {name: columns(uses) for name, uses in statement.columns.items()}, columns(statement.rows)
    )
