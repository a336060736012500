"""Figures of the audit say what the frames say."""

import pytest

from workbench.dashboards.figures import readiness as figures
from workbench.readiness import coverage
from workbench.readiness.audit import audit, fix_list
from workbench.readiness.config import ReadinessConfig

CONFIG = ReadinessConfig()


@pytest.fixture
def ask(warehouse):
    warehouse.execute("UPDATE items SET gtin = NULL, unit_cost = NULL WHERE item_id = 'I0'")
    warehouse.execute("UPDATE items SET pack_uom = NULL WHERE item_id = 'I1'")
    warehouse.execute("DELETE FROM sales WHERE location_id = 'L1' AND date > '2023-01-25'")
    return lambda sql: warehouse.execute(sql).df()


@pytest.fixture
def result(ask):
    available = ["items", "locations", "calendar", "sales", "orders", "order_lines", "prices"]
    return audit(ask, available, config=CONFIG)


def test_score_figure_names_the_worst_area_and_what_is_not_measured(result):
    figure = figures.score_by_area(result.areas, result.score)
    assert result.areas.iloc[0]["area"] in figure.layout.title.text
    assert "tables missing, not measured" in figure.data[0].text
    assert max(figure.data[0].x) <= 100


def test_gains_shown_and_others_add_up(result):
    fixes = fix_list(result)
    figure = figures.gain_by_fix(fixes, top=2)
    assert len(figure.data[0].x) == 3
    assert sum(figure.data[0].x) == pytest.approx(fixes["gain"].sum())


def test_money_figure_states_largest_sum_first(result):
    figure = figures.money_at_stake(fix_list(result), currency="EUR", top=5)
    assert "€" in figure.layout.title.text
    assert list(figure.data[0].x) == sorted(figure.data[0].x)


def test_coverage_leaves_weeks_without_sales_blank(ask):
    figure = figures.weekly_coverage(coverage.weekly_selling_days(ask))
    full, thin = figure.data[0].z
    assert (full[1:-1] == 7).sum() > 100
    assert (thin == thin).sum() == 5  # weeks up to 25 January; the rest is NaN
    assert "1 of 2 locations" in figure.layout.title.text


def test_bands_hold_every_item_once(ask):
    bands = coverage.items_by_selling_days(ask, config=CONFIG)
    assert bands["items"].sum() == 5
    assert bands["revenue_share"].sum() == pytest.approx(1)
    assert "5 items sell on 100+ days" in (
        figures.items_by_selling_days(bands, enough=100).layout.title.text
    )


def test_size_figure_counts_read_and_unread(ask):
    figure = figures.size_reading(coverage.sizes_by_department(ask))
    assert "80.0% of typed sizes were read" in figure.layout.title.text
    assert coverage.unread_sizes(ask)["pack_text"].tolist() == ["2 G"]
