"""Titles of forecast figures state what the tables say."""

import re

import pandas as pd
import pytest

from workbench.dashboards.figures import forecasting as figures
from workbench.forecasting import views


def title_of(chart):
    return chart.layout.title.text.replace("</b><br><b>", " ")


def choice(counts, quantiles):
    return pd.DataFrame(
        {"model": ["lightgbm_counts", "lightgbm_quantiles", "seasonal_naive"],
         "vw_pinball_skill": [counts, quantiles, 0.0]}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "quantiles", "verdict"),
    [
        (0.379, 0.373, "37.9% less .* 37.3% less: too close to call"),
        (0.40, 0.35, "counts are ahead"),
        (0.30, 0.35, "the quantile objective is ahead"),
    ],
)
def test_a_near_tie_is_stated(counts, quantiles, verdict):
    assert re.search(verdict, views.choice_reading(choice(counts, quantiles)))


def test_a_choice_without_the_quantile_objective_names_the_best():
    frame = choice(0.2, 0.3).replace({"lightgbm_quantiles": "tsb"})
    assert re.search("counts lose 20.0% less .* loses least is", views.choice_reading(frame))


def test_families_tried_say_what_they_are_good_for_and_what_they_cost():
    frame = pd.DataFrame(
        {"model": ["ets", "tsb"], "cpu_seconds": [9.0, 1.0], "peak_mib": [5.0, 2.0]}
    )
    table = views.families_tried(frame)
    assert table["model"].tolist() == ["tsb", "ets"]
    assert table["good_for"].str.contains("fade out|aggregates").all()


def test_a_choice_that_was_not_made_is_stated():
    assert "nothing was chosen" in views.choice_reading(pd.DataFrame())


@pytest.fixture
def segments():
    return pd.DataFrame(
        {
            "segment": ["all stores, smooth", "one store, lumpy"],
            "value_share": [0.99, 0.01],
            "bias": [-0.11, 0.30],
            "vw_pinball_skill": [0.25, 0.40],
            "pit_gap": [0.063, 0.018],
        }
    )


def test_the_bias_that_misses_most_money_is_in_the_title(segments):
    title = title_of(figures.skill_by_segment(segments))
    assert "Every segment gains; smooth items over all stores are forecast 11.0% too low" in title


def test_a_segment_that_loses_is_not_called_a_gain(segments):
    segments.loc[1, "vw_pinball_skill"] = -0.01
    assert "Not every segment gains" in title_of(figures.skill_by_segment(segments))


def test_segments_whose_quantiles_are_off_are_marked(segments):
    colours = figures.skill_by_segment(segments).data[0].marker.color
    assert colours[0] != colours[1]  # drawn from the bottom: lumpy, then smooth


def test_the_least_calibrated_segment_is_in_the_title():
    table = pd.DataFrame(
        {"segment": ["all stores, smooth"] * 2 + ["one store, lumpy"] * 2,
         "level": [0.5, 0.9] * 2, "pit": [0.44, 0.88, 0.51, 0.9]}
    )  # fmt: skip
    title = title_of(figures.calibration_by_segment(table))
    assert "1 of 2 segments are calibrated within 3 points" in title
    assert "smooth items over all stores are 6.0 off" in title


def test_promotion_is_compared_with_none():
    effect = pd.DataFrame(
        {"promotion": ["none", "mailer"], "observed": [0.8, 1.2], "forecast": [0.8, 1.1],
         "forecasts": [900, 100]}
    )  # fmt: skip
    assert "With mailer, items sell 1.5 times" in title_of(figures.promotion_effect(effect))


@pytest.mark.parametrize(
    ("kinds", "finding"),
    [
        (["none"], "No promotion ran in the test weeks"),
        ([], "No promotion ran in the test weeks"),
        (["mailer"], "Every item was promoted in the test weeks"),
    ],
)
def test_without_promotions_to_compare_the_figure_says_so(kinds, finding):
    effect = pd.DataFrame(
        {"promotion": kinds, "observed": 1.0, "forecast": 1.1, "forecasts": 9}
    ).astype({"observed": float, "forecast": float, "forecasts": int})  # fmt: skip
    assert finding in title_of(figures.promotion_effect(effect))


def test_families_that_do_not_ship_are_shown_by_their_own_name():
    frame = choice(0.2, 0.3).replace({"lightgbm_counts": "moving_average"})
    shown = figures.skill_by_model(frame.assign(vw_pinball=[3, 2, 9], vw_mape_skill=0.1))
    assert list(shown.data[0].y) == ["moving average", "LightGBM quantiles"]
