"""What was made from what, from the journal."""

from datetime import UTC, datetime

import pytest

from workbench.errors import LineageError
from workbench.lineage.graph import table_graph, tree


def completed(job, inputs, outputs, moment="2026-01-01T00:00:00Z", space="workbench://shop"):
    def datasets(names):
        return [{"namespace": space, "name": name} for name in names.split()]

    return {
        "eventType": "COMPLETE", "eventTime": moment, "job": {"name": job},
        "inputs": datasets(inputs), "outputs": datasets(outputs),
    }  # fmt: skip


EVENTS = [
    completed("ingest", "", "sales items"),
    completed("twin", "sales items", "stock"),
    completed("10-forecast", "sales", "forecasts"),
    completed("30-policy", "forecasts stock items", "policies proposals", "2026-01-02T00:00:00Z"),
]


def test_upstream_and_downstream_reach_through_every_step():
    graph = table_graph(EVENTS)
    assert graph.reach("proposals", graph.upstream) == ["forecasts", "items", "stock", "sales"]
    assert graph.reach("sales", graph.downstream) == ["forecasts", "stock", "policies", "proposals"]
    assert graph.reach("sales", graph.upstream) == []
    assert graph.upstream["stock"]["sales"] == {"twin"}


def test_the_graph_is_that_of_the_time_asked_for():
    graph = table_graph(EVENTS, until=datetime(2026, 1, 1, 12, tzinfo=UTC))
    assert "proposals" not in graph.datasets
    assert graph.reach("forecasts", graph.upstream) == ["sales"]


def test_runs_that_did_not_complete_made_nothing():
    failed = {**EVENTS[1], "eventType": "FAIL"}
    assert table_graph([EVENTS[0], failed]).upstream == {}


def test_a_cycle_ends():
    graph = table_graph([completed("a", "x", "y"), completed("b", "y", "x")])
    assert graph.reach("x", graph.downstream) == ["y", "x"]
    assert tree("x", graph.downstream) == ["x", "└── y  (a)", "    └── x  (b) …"]


def test_a_tree_unfolds_each_table_once():
    assert tree("sales", table_graph(EVENTS).downstream) == [
        "sales",
        "├── forecasts  (10-forecast)",
        "│   ├── policies  (30-policy)",
        "│   └── proposals  (30-policy)",
        "└── stock  (twin)",
        "    ├── policies  (30-policy)",
        "    └── proposals  (30-policy)",
    ]


def test_datasets_of_other_producers_keep_their_namespace():
    graph = table_graph([completed("dbt", "a", "b", space="postgres://db:5432")])
    assert graph.datasets == ("postgres://db:5432/a", "postgres://db:5432/b")


def test_an_unknown_table_is_refused():
    graph = table_graph(EVENTS)
    with pytest.raises(LineageError, match="no run read or wrote 'salse'"):
        graph.reach("salse", graph.upstream)
