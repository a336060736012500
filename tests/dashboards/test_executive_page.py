"""The executive page states what `kpis` states, and is whole or absent."""

import json
import re
from datetime import UTC, date, datetime

import pandas as pd
import pytest

from workbench.contracts.records import DecisionRecord
from workbench.dashboards import roi
from workbench.dashboards.publish import lines_html, publish_executive
from workbench.dashboards.serve import serve_pages
from workbench.decision_log.append import open_log
from workbench.errors import DashboardError
from workbench.tables.store import TableStore


def test_states_the_saving_its_interval_and_that_it_is_simulated(workspace):
    words, amount, interval = roi.headline(roi.load(workspace))
    assert words == "Simulated saving since 2024-01-01:"
    assert amount == "$ 1,230"
    assert interval == "(80% interval $ 934 to $ 1,530)"


def test_names_a_loss_a_loss_with_its_interval_turned(simulated, workspace):
    simulated.write_results(workspace, simulated.kpi_rows(-500.0, 100.0), ())
    words, amount, interval = roi.headline(roi.load(workspace))
    assert (words, amount) == ("Simulated loss since 2024-01-01:", "$ 500")
    assert interval == "(80% interval $ 400 to $ 600)"


def test_says_when_the_interval_includes_zero(simulated, workspace):
    simulated.write_results(workspace, simulated.kpi_rows(100.0, 300.0), ("scenarios",))
    assert "no evidence" in roi.headline(roi.load(workspace))[2]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (2000.0, "ours leaves $ 2,000 more in stock than the legacy, at cost, on hand and on order."
                 " That is more than the saving itself"),
        (-500.0, "ours leaves $ 500 less in stock"),
        (100.0, ""),  # of a saving of 1,234
    ],
)  # fmt: skip
def test_stock_at_the_end_is_told_beside_the_saving_where_it_matters(
    simulated, workspace, change, said
):
    row = {"kpi": "stock_value_end_change", "scope": "all", "unit": "USD", "run_id": simulated.RUN}
    row |= dict.fromkeys(("value", "low", "high"), change)
    kpis = pd.concat([simulated.kpi_rows(), pd.DataFrame([row])])
    simulated.write_results(workspace, kpis, ())
    told = roi.end_stock(roi.load(workspace))
    assert said in told
    assert bool(told) == bool(said)
    assert ('class="end-stock"' in publish_executive(workspace).read_text("utf-8")) == bool(said)


@pytest.mark.parametrize(("compared", "other"), [("plan-2", False), ("plan-1", True)])
def test_orders_of_another_plan_than_was_compared_are_called_so(
    simulated, workspace, compared, other
):
    TableStore(workspace.tables).write(
        "proposals", simulated.proposal_rows([9.0]), provenance="simulated", source="a rerun",
        run_id="plan-2",
    )  # fmt: skip
    path = workspace.reports / "70-measure-roi" / "2024-01-21" / simulated.RUN / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "upstream_runs": [compared]}))
    page = publish_executive(workspace).read_text("utf-8")
    assert ("These orders are of run plan-2" in page) == other


def test_compares_with_the_legacy(workspace):
    tiles = {name: (value, note) for name, value, note in roi.tiles(roi.load(workspace))}
    assert tiles["Fill rate"] == ("97.2%", "+1.7 points against the legacy")
    assert tiles["Stock value"] == ("$ 55.0 k", "+5.8% against the legacy")
    assert tiles["Cost"] == ("$ 7,770", "−13.7% against the legacy's $ 9,000")


def test_what_if_holds_each_simulated_target_and_starts_at_the_cheapest(simulated, workspace):
    points, chosen = roi.what_if(roi.load(workspace))
    assert [point.target for point in points] == ["90.0%", "95.0%", "99.0%"]
    assert [point.y for point in points] == [cost for cost, _, _ in simulated.SWEEP.values()]
    assert points[chosen].target == "95.0%"
    assert points[chosen].cost_change == "+$ 34"  # 7,800 against the plan's 7,766


def test_lists_the_five_lines_with_most_at_stake(workspace):
    lines = roi.load(workspace).lines
    assert lines["money_at_stake"].tolist() == [70.0, 60.0, 30.0, 20.0, 10.0]


def test_lists_no_line_that_somebody_answered(workspace, monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_KEYS", str(tmp_path / "keys"))
    facts = {"recorded_at": datetime(2024, 1, 21, tzinfo=UTC), "actor": "someone"}
    about = {"as_of": date(2024, 1, 21), "valid_from": date(2024, 1, 22)}
    about |= {"valid_to": date(2024, 1, 29), "location_id": "DC1", "quantity": 24.0}
    log, lines = open_log(workspace), roi.load(workspace).lines
    for row in lines.head(2).to_dict("records"):
        record = {
            **facts,
            **about,
            "item_id": row["item_id"],
            "detail": {"proposal": "replenishment"},
        }
        log.append([DecisionRecord(row["proposal_id"], "proposal", role="runner", **record)])
    first = lines["proposal_id"].iloc[0]
    log.append([DecisionRecord("a1", "acceptance", role="planner", supersedes=first, **facts)])
    assert roi.load(workspace).lines["money_at_stake"].tolist()[:2] == [60.0, 30.0]


def test_escapes_what_items_are_called(workspace):
    text = lines_html(roi.load(workspace).lines)
    assert "Simulated &lt;b&gt;item&lt;/b&gt; &amp; more" in text
    assert "<b>item" not in text


def test_without_proposals_says_what_to_run(simulated, empty):
    simulated.write_results(empty, simulated.kpi_rows(), ())
    page = publish_executive(empty).read_text(encoding="utf-8")
    assert "workbench run 30-set-replenishment-policy" in page


def test_publishes_one_file_that_names_no_other_host(workspace):
    path = publish_executive(workspace)
    assert path == workspace.reports / "dashboards" / "executive-roi.html"
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    page = path.read_text(encoding="utf-8")
    assert not re.search(r'<(?:script|img|link|iframe)[^>]*\s(?:src|href)="(?!data:)', page)
    embedded = re.search(r'id="what-if-points">(.*?)</script>', page, re.DOTALL)
    assert len(json.loads(embedded.group(1))["points"]) == 3


def test_shows_the_run_that_the_pointer_names_whatever_table_is_current(simulated, workspace):
    newer = simulated.kpi_rows(9.0, 1.0)
    TableStore(workspace.tables).write("kpis", newer, provenance="simulated", source="test")
    assert roi.headline(roi.load(workspace))[1] == "$ 1,230"


def test_before_the_notebook_has_run_one_sentence_says_so(empty):
    for attempt in (publish_executive, lambda w: serve_pages(w, port=0)):
        with pytest.raises(DashboardError, match=r"no run of 70-measure-roi yet.*workbench run"):
            attempt(empty)
    assert not (empty.reports / "dashboards").exists()


def test_refuses_results_that_lack_a_figure(simulated, workspace):
    kpis: pd.DataFrame = simulated.kpi_rows()
    simulated.write_results(workspace, kpis[kpis["kpi"] != "fill_rate_change"], ())
    with pytest.raises(DashboardError, match="no 'fill_rate_change'"):
        publish_executive(workspace)


@pytest.mark.parametrize("damage", ["{", '{"run_id": "x"}'])
def test_refuses_a_damaged_manifest(workspace, damage):
    path = next(workspace.reports.rglob("run.json"))
    path.write_text(damage, encoding="utf-8")
    with pytest.raises(DashboardError, match=r"run\.json"):
        publish_executive(workspace)


def test_an_unwritable_place_leaves_the_earlier_page(workspace, tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("here", encoding="utf-8")
    with pytest.raises(DashboardError, match="cannot be written"):
        publish_executive(workspace, blocker / "page.html")
    assert blocker.read_text(encoding="utf-8") == "here"


def test_a_taken_port_is_named(workspace):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(DashboardError, match=f"127.0.0.1:{port}.*--port"):
            serve_pages(workspace, port=port)
