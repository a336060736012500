"""What a forecast loses less than its opponents, with intervals by item."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from workbench.forecasting import added_value
from workbench.forecasting.added_value import legacy_quantiles, share_saved

LEVELS = np.array([0.1, 0.5, 0.9])


def test_the_legacy_forecast_is_a_mean_with_normal_safety_stock():
    # textbook: mean * L + z * s * sqrt(L), of the latest 4 of 5 days
    units = np.array([[100.0, 2, 4, 6, 8]])
    found = legacy_quantiles(units, 4, days=4, length=9, levels=LEVELS)[0]
    sd = np.std([2, 4, 6, 8], ddof=1)
    assert found == pytest.approx(np.maximum(45 + stats.norm.ppf(LEVELS) * sd * 3, 0))


def test_the_legacy_forecast_sees_nothing_after_its_cutoff():
    units = np.random.default_rng(0).poisson(3.0, (5, 60)).astype(float)
    changed = units.copy()
    changed[:, 41:] = 999
    asked = {"days": 28, "length": 7, "levels": LEVELS}
    before, after = (legacy_quantiles(u, 40, **asked) for u in (units, changed))
    assert np.array_equal(before, after)


def test_the_interval_agrees_with_the_normal_approximation_of_a_ratio_of_sums():
    # delta method over items (Cochran 1977, Sampling techniques, section 6.2)
    rng = np.random.default_rng(1)
    items = np.repeat(np.arange(400), 5)
    theirs = rng.gamma(2.0, 1.0, 400).repeat(5)
    ours = 0.7 * theirs + rng.normal(0, 0.2, 400).repeat(5)
    saved, low, high = share_saved(*map(pd.Series, (ours, theirs, items)), seed=2)
    a, b = (np.bincount(items, x) for x in (ours, theirs))
    error = np.sqrt(((a - a.sum() / b.sum() * b) ** 2).sum()) / b.sum()
    assert saved == pytest.approx(1 - a.sum() / b.sum())
    assert (high - low) / (2 * stats.norm.ppf(0.95)) == pytest.approx(error, rel=0.1)


def test_one_item_has_no_interval():
    saved, low, high = share_saved(pd.Series([1.0]), pd.Series([2.0]), pd.Series(["a"]), seed=0)
    assert saved == 0.5
    assert np.isnan([low, high]).all()


def test_value_is_added_by_segment_against_both_opponents(result):
    panel, config, trial = result
    errors = added_value.with_legacy(panel, trial.errors, config.quantiles)
    table = added_value.value_added(panel, errors, seed=1)
    every = table[table["segment"] == "all"].set_index("against")
    for against, column in (("seasonal naive", "naive_pinball"), ("legacy", "legacy_pinball")):
        money = errors[["pinball", column]].mul(errors["price"], axis=0).sum()
        assert every.loc[against, "saved"] == pytest.approx(1 - money["pinball"] / money[column])
        assert every.loc[against, "low"] < every.loc[against, "saved"] < every.loc[against, "high"]
    assert errors.attrs["legacy_days"] in added_value.LEGACY_DAYS
    assert "less) than the legacy mean of 28 days" in added_value.reading(table, legacy_days=28)
    first = errors.iloc[7]
    row = int(np.flatnonzero(panel.series["item_id"] == first["item_id"])[0])
    cutoff = panel.column(first["cutoff"])
    made = legacy_quantiles(
        panel.units[[row]], cutoff, days=errors.attrs["legacy_days"],
        length=int(first["window_days"]), levels=np.array(config.quantiles),
    )[0]  # fmt: skip
    gap = first["actual"] - made
    levels = np.array(config.quantiles)
    assert first["legacy_pinball"] == pytest.approx(
        np.maximum(levels * gap, (levels - 1) * gap).mean()
    )
