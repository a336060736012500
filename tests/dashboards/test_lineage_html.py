"""The lineage picture: every line joins boxes that are there."""

import json
import re
from html import unescape

import pytest

from tests.lineage import journals
from workbench.dashboards.lineage_html import lineage_page
from workbench.lineage.graph import lineage_graph
from workbench.lineage.journal import Journal

REPORT = "reports/{}/2026-01-01/01900000-0000-7000-8000-00000000000{}/tables/errors.parquet"


@pytest.fixture
def drawn(tmp_path):
    """A table made from a file of another notebook's report, as drift is from a backtest's errors.

    The pictures by name, as the page holds them.
    """
    errors = journals.dataset(REPORT.format("10-forecast", 1), "e1")
    forecasts, alarms = journals.dataset("forecasts", "f1"), journals.dataset("alarms", "a1")
    last = journals.dataset(REPORT.format("60-monitor", 2), "l1")
    sales = journals.dataset("sales", "s1")
    events = journals.lived(0, "10-forecast", "run-1", [sales], [forecasts, errors])
    events += journals.lived(5, "60-monitor", "run-2", [errors, sales], [alarms, last])
    journals.write(tmp_path / "lineage", events)
    with lineage_graph(Journal(tmp_path / "lineage")) as graph:
        page = lineage_page(graph)
    found = re.search(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)
    return json.loads(unescape(found.group(1)))


@pytest.mark.parametrize("picture", ["detail", "full", "jobs"])
def test_lines_join_boxes_of_their_picture(drawn, picture):
    boxes = {node["id"] for node in drawn[picture]["nodes"]}
    assert boxes >= {one for edge in drawn[picture]["edges"] for one in edge}
    assert drawn[picture]["edges"]


def test_a_report_that_a_table_was_made_from_is_shown_as_a_file(drawn):
    assert "report" in drawn["hide"]
    files = [n["name"] for n in drawn["detail"]["nodes"] if n["kind"] == "file"]
    assert files == ["reports/10-forecast"]
    reports = [n["name"] for n in drawn["full"]["nodes"] if n["kind"] == "report"]
    assert reports == ["reports/60-monitor"]
