"""Figures of the savings say what the numbers say, gains and losses alike."""

import pandas as pd
import pytest

from workbench.contracts import columns as c
from workbench.dashboards.figures import roi

NAN = float("nan")


def _kpis(sign):
    """Small, complete set of named figures; `sign` turns every saving into a loss."""
    rows = [
        ("saving_total", "all", 60.0, 40.0, 80.0), ("saving_share", "all", 0.06, 0.04, 0.08),
        ("saving_component", "component=holding", 100.0, 90.0, 110.0),
        ("saving_component", "component=ordering", 0.0, -5.0, 5.0),
        ("saving_component", "component=lost_margin", -40.0, -60.0, -20.0),
        ("saving_cumulative", "week=2017-12-18", 20.0, 10.0, 30.0),
        ("saving_cumulative", "week=2017-12-25", 60.0, 40.0, 80.0),
        ("saving_site", "site=DC1", 50.0, 30.0, 70.0), ("saving_site", "site=7", 9.0, 1.0, 17.0),
        ("saving_site", "site=8", 1.0, 0.5, 1.5),
    ]  # fmt: skip
    rows = [(kpi, scope, *sorted((sign * low, sign * high)), sign * value)
            for kpi, scope, value, low, high in rows]  # fmt: skip
    frame = pd.DataFrame(rows, columns=[c.KPI, c.SCOPE, c.LOW, c.HIGH, c.VALUE])
    costs = pd.DataFrame(
        [("cost_total", "policy=legacy", NAN, NAN, 1000.0),
         ("cost_total", "policy=ours", NAN, NAN, 1000.0 - sign * 60.0),
         ("sweep_cost", "service_target=0.9", NAN, NAN, 950.0),
         ("sweep_cost", "service_target=0.95", NAN, NAN, 930.0),
         ("sweep_cost", "legacy_target=0.9", NAN, NAN, 990.0)],
        columns=frame.columns,
    )  # fmt: skip
    return pd.concat([frame, costs], ignore_index=True).assign(**{c.UNIT: "USD"})


def test_headline_begins_with_simulated_saving():
    sentence = roi.saving_sentence(_kpis(1), level=0.8)
    assert sentence.startswith("Simulated saving: $ 60 (80% interval $ 40 to $ 80)")


def test_headline_shows_a_loss_with_its_sign():
    sentence = roi.saving_sentence(_kpis(-1), level=0.8)
    assert sentence.startswith("Simulated loss: $ 60 (80% interval $ 40 to $ 80)")


@pytest.mark.parametrize(("sign", "verb"), [(1, "saved"), (-1, "lost")])
def test_cumulative_title_names_gain_or_loss(sign, verb):
    title = roi.cumulative_saving(_kpis(sign), level=0.8).layout.title.text
    assert f"Ours {verb} $\u00a060 in 2 weeks" in title


def test_waterfall_ends_at_our_cost():
    bars = roi.cost_waterfall(_kpis(1)).data[0]
    changes = sum(bars.y[1:-1])
    assert bars.y[0] + changes == pytest.approx(bars.y[-1])
    assert bars.base[-2] + bars.y[-2] == pytest.approx(bars.y[-1])


def test_sites_beyond_the_top_are_added_up():
    bars = roi.saving_bars(_kpis(1), "saving_site", what="site", level=0.8, top=1).data[0]
    shown = {label.split("  ")[0]: saved for label, saved in zip(bars.y, bars.x, strict=True)}
    assert shown == {"site DC1": 50.0, "2 others": 10.0}


def test_what_if_names_the_cheapest_target_and_that_no_higher_one_was_tried():
    assert "the highest target tried, 95.0%" in roi.cost_by_target(_kpis(1)).layout.title.text
