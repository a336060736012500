"""Drift of inputs and of forecast errors."""

import numpy as np
import pandas as pd
import pytest

from workbench.errors import ContractError
from workbench.monitoring.drift import (
    error_ratio,
    input_drift,
    period_within,
    population_stability_index,
)


def test_stability_index_of_two_bins_by_hand():
    # Median split: reference half and half, current 80/20:
    # (0.3) ln(0.8/0.5) + (-0.3) ln(0.2/0.5) = 0.3 * ln 4
    reference = np.array([0.0] * 50 + [1.0] * 50)
    current = np.array([0.0] * 20 + [1.0] * 80)
    value = population_stability_index(reference, current, bins=2)
    assert value == pytest.approx(0.3 * np.log(4), rel=1e-6)


def test_stability_index_of_a_sample_with_itself_is_zero():
    sample = np.random.default_rng(0).normal(size=500)
    assert population_stability_index(sample, sample) == pytest.approx(0)


def _periods(rng, shift_last=0.0, periods=12, items=80, days=14):
    item_level = rng.normal(size=items)
    frames = []
    for period in range(periods):
        common = rng.normal(scale=0.3)  # a season moves every item at once
        values = item_level[:, None] + common + rng.normal(size=(items, days))
        values += shift_last if period == periods - 1 else 0
        frames.append(pd.DataFrame({"period": period, "value": values.ravel()}))
    return pd.concat(frames)


def test_no_drift_raises_about_as_often_as_the_level_says():
    raised = [
        input_drift(_periods(np.random.default_rng(s)), period="period", features=["value"])
        .loc[0, "raised"]
        for s in range(100)
    ]  # fmt: skip
    # Ten earlier pairs, threshold at their largest: 1 in 11 expected. A test on pooled rows
    # (Kolmogorov-Smirnov at 5%) raises in nearly all of these.
    assert np.mean(raised) < 0.2


def test_real_drift_is_raised():
    raised = [
        input_drift(_periods(np.random.default_rng(s), 3.0), period="period", features=["value"])
        .loc[0, "raised"]
        for s in range(20)
    ]  # fmt: skip
    assert np.mean(raised) > 0.9


def test_too_short_a_history_is_refused():
    rows = _periods(np.random.default_rng(0), periods=4)
    with pytest.raises(ContractError, match="4 periods; expected at least 7"):
        input_drift(rows, period="period", features=["value"])


def _errors(rng, factor, items=200):
    frames = []
    for current in (False, True):
        demand = rng.gamma(2, 5, items)
        size = demand * rng.uniform(0.2, 0.6, items) * (factor if current else 1)
        frames.append(
            pd.DataFrame({"item": range(items), "now": current, "error": size, "demand": demand})
        )
    return pd.concat(frames)


def test_interval_covers_the_true_ratio_about_as_often_as_it_says():
    covered = []
    for seed in range(100):
        result = error_ratio(
            _errors(np.random.default_rng(seed), 1.25), cluster="item", current="now",
            numerator="error", denominator="demand", draws=300, seed=seed,
        )  # fmt: skip
        covered.append(result["low"] <= 1.25 <= result["high"])
    assert 0.68 <= np.mean(covered) <= 0.92  # 80% nominal, three standard errors


def test_periods_without_demand_are_refused():
    errors = pd.DataFrame({"item": [1], "now": [False], "error": [1.0], "demand": [2.0]})
    with pytest.raises(ContractError, match="more than zero in each"):
        error_ratio(errors, cluster="item", current="now", numerator="error", denominator="demand")


def _prices(last=1.0, periods=12, items=200):
    """Prices that never change, but for rounding to cents, and in the last period by a factor."""
    rng = np.random.default_rng(3)
    frames = []
    for period in range(periods):
        noise = rng.normal(scale=0.001 * (1 + period % 2), size=items)
        level = last if period == periods - 1 else 1.0
        frames.append(pd.DataFrame({"period": period, "price": level + noise, "unused": 0.0}))
    return pd.concat(frames)


def test_rounding_of_prices_is_no_drift():
    table = input_drift(
        _prices(), period="period", features=["price", "unused"], resolution={"price": 0.01}
    )
    assert not table["raised"].any()
    assert "unused" not in set(table["feature"])  # no promotions: nothing to judge


def test_prices_that_rise_after_a_steady_year_are_raised():
    table = input_drift(
        _prices(1.05), period="period", features=["price"], resolution={"price": 0.01}
    )
    assert table["raised"].tolist() == [True]


def test_a_short_history_is_judged_in_shorter_periods():
    assert period_within(365, 28) == 28
    assert period_within(183, 28) == 21
    with pytest.raises(ContractError, match="48 days; expected at least 49"):
        period_within(48, 28)
