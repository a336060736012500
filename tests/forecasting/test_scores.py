"""Score tables, recomputed by hand on four forecasts."""

import numpy as np
import pandas as pd
import pytest

from workbench.forecasting import scores
from workbench.forecasting.families import Judged, Setting, Stack
from workbench.forecasting.global_model import Window
from workbench.forecasting.panel import Panel

LEVELS = np.array([0.1, 0.5, 0.9])
CUTOFF = 20


@pytest.fixture
def setting():
    """Two items that sell 1 and 3, and 2 and 6, on alternate days; at prices 10 and 1."""
    units = np.tile(np.array([[1, 3], [2, 6]], np.float32), 20)
    keys = pd.DataFrame({"item_id": ["a", "b"], "location_id": ["DC1", "7"], "category": "x",
                         "price": [10.0, 1.0]})  # fmt: skip
    panel = Panel(keys, units, np.ones_like(units), np.zeros((2, 2, 60), np.float32),
                  pd.Timestamp("2017-01-01"), np.array([True, False]),
                  np.zeros((2, 60), np.float32))  # fmt: skip
    return Setting(panel, (Window(1, 1),), LEVELS, seed=0)


def judged(median, low=0.0, high=20.0, pit=None):
    median = np.array(median, dtype=float)
    quantiles = np.stack([np.full(len(median), low), median, np.full(len(median), high)], axis=1)
    return Judged(median, quantiles, np.array(pit if pit is not None else [np.nan] * len(median)))


@pytest.fixture
def case():
    """Two cutoffs of both items: 3 and 6 sold, then 1 and 2."""
    keys = ([20, 20, 21, 21], [1] * 4, [21, 21, 22, 22], [0, 1] * 2, [0, 1] * 2)
    whole = [np.array(values) for values in keys]
    return Stack(*whole, np.zeros(4), np.array([3.0, 6.0, 1.0, 2.0]), np.ones(4))


@pytest.fixture
def both():
    return {
        "lightgbm_counts": judged([2, 6, 1, 4], pit=[0.05, 0.45, 0.6, 0.95]),
        "seasonal_naive": judged([1, 2, 3, 6]),
    }


def test_value_weighted_mape_by_hand(setting, case, both):
    # errors 1, 0, 0, 2 and 2, 4, 2, 4 at prices 10, 1, 10, 1; sales worth 30 + 6 + 10 + 2 = 48
    table = scores.score_table(setting, case, both).set_index("model")
    assert table["vw_mape"].to_dict() == pytest.approx(
        {"lightgbm_counts": 12 / 48, "seasonal_naive": 48 / 48}
    )
    assert table.loc["lightgbm_counts", "vw_mape_skill"] == pytest.approx(0.75)


def test_pinball_loss_by_hand(setting, case, both):
    # Per forecast the mean over three levels: 10% of actual at quantile 0, half of the error at the
    # median, 10% of 20 less actual. For 3: (0.3 + 0.5 + 1.7) / 3 and so on.
    ours = np.array([0.3 + 0.5 + 1.7, 0.6 + 0 + 1.4, 0.1 + 0 + 1.9, 0.2 + 1 + 1.8]) / 3
    table = scores.score_table(setting, case, both).set_index("model")
    assert table.loc["lightgbm_counts", "pinball"] == pytest.approx(ours.mean())
    weighted = (ours * [10, 1, 10, 1]).sum() / 48
    assert table.loc["lightgbm_counts", "vw_pinball"] == pytest.approx(weighted)


def test_rmsse_by_hand(setting, case, both):
    # a moves by 2 and b by 4 from day to day, so their scales are 4 and 16.
    ours = (np.sqrt(0.5 / 4) + np.sqrt(2 / 16)) / 2
    table = scores.score_table(setting, case, both).set_index("model")
    assert table.loc["lightgbm_counts", "rmsse"] == pytest.approx(ours)
    assert table.loc["seasonal_naive", "rmsse"] == pytest.approx(1.0)


def test_bias_and_coverage_by_hand(setting, case, both):
    table = scores.score_table(setting, case, both).set_index("model")
    assert table.loc["lightgbm_counts", "bias"] == pytest.approx(1 / 12)
    assert table.loc["lightgbm_counts", "coverage_90"] == 1


def test_the_best_family_comes_first(setting, case, both):
    assert scores.score_table(setting, case, both)["model"].tolist()[0] == "lightgbm_counts"


def test_calibration_counts_pits_below_each_level(setting, case, both):
    table = scores.calibration_table(setting, case, both["lightgbm_counts"])
    assert table["pit"].tolist() == [0.25, 0.5, 0.75]
    assert table["raw_coverage"].tolist() == [0, 0.75, 1]


def test_segments_are_judged_apart(setting, case, both):
    table = scores.segment_table(setting, case, both).set_index("segment")
    assert table.index.tolist() == ["all stores, smooth", "one store, smooth"]
    assert table["value_share"].tolist() == pytest.approx([40 / 48, 8 / 48])
    # a: 2 and 1 forecast, 3 and 1 sold; b: 6 and 4 forecast, 6 and 2 sold
    assert table["bias"].tolist() == pytest.approx([-1 / 4, 2 / 8])
    # a: PITs 0.05 and 0.6 against 0.1, 0.5, 0.9: half, half, all below
    assert table["pit_gap"].tolist() == pytest.approx([0.4, 0.4])
    assert table["under_coverage"].tolist() == pytest.approx([0.1, 0.1])


def test_errors_name_cutoff_and_series(setting, case, both):
    rows = scores.error_rows(setting, case, both)
    assert rows["item_id"].tolist() == ["a", "b", "a", "b"]
    assert rows["cutoff"].astype(str).tolist() == ["2017-01-21"] * 2 + ["2017-01-22"] * 2
    assert rows["absolute_error"].tolist() == [1, 0, 0, 2]
    assert rows["naive"].tolist() == [1, 2, 3, 6]
