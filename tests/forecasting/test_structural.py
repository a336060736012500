"""The structural model against statsmodels' Kalman filter and known patterns."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.statespace.structural import UnobservedComponents

from workbench.forecasting.structural import (
    Effects,
    StructuralConfig,
    calendar_effects,
    forecast_structural,
)

DATES = pd.date_range("2015-03-03", periods=300)
DAYS = 272
COUNTED = np.ones(DAYS, dtype=bool)


def effects(indicator=None):
    indicator = np.zeros((300, 1)) if indicator is None else indicator
    return calendar_effects(DATES, indicator, np.zeros((300, 0)), StructuralConfig())


def test_without_effects_it_is_the_kalman_filters_local_level():
    rng = np.random.default_rng(0)
    y = 5 + np.cumsum(rng.normal(0, 0.05, 120)) + rng.normal(0, 0.3, 120)
    model = UnobservedComponents(y, "local level", use_exact_diffuse=True)
    wanted = model.smooth([1.0, 1 / 50]).forecast(1)[0]
    none = Effects(np.zeros((121, 0)), np.zeros(0))
    found = forecast_structural(
        np.exp(y)[None, :], none, ahead=1, step=50.0, counted=np.ones(120, dtype=bool)
    )
    assert np.log(found[0, 0]) == pytest.approx(wanted, abs=1e-6)


def test_a_weekly_pattern_goes_on():
    pattern = np.array([3.0, 1, 1, 1, 2, 5, 6])[DATES.dayofweek] * 100
    found = forecast_structural(
        pattern[None, :DAYS], effects(), ahead=28, step=100.0, counted=COUNTED
    )
    assert found[0] == pytest.approx(pattern[DAYS:], rel=0.03)


def test_an_indicators_lift_is_learned():
    lift = (np.asarray(DATES.day) <= 10).astype(float)[:, None]
    demand = 200 * np.where(lift[:, 0] > 0, 1.2, 1.0)
    found = forecast_structural(
        demand[None, :DAYS], effects(lift), ahead=28, step=100.0, counted=COUNTED
    )
    assert found[0] == pytest.approx(demand[DAYS:], rel=0.03)


def test_closed_days_tell_nothing():
    rng = np.random.default_rng(1)
    demand = rng.poisson(80, (2, DAYS)).astype(float)
    shut, counted = demand.copy(), COUNTED.copy()
    shut[:, 200], counted[200] = 0, False
    one, other = (
        forecast_structural(d, effects(), ahead=7, step=100.0, counted=counted)
        for d in (demand, shut)
    )
    np.testing.assert_array_equal(one, other)


def test_series_are_forecast_apart():
    demand = np.random.default_rng(2).poisson(50, (3, DAYS)).astype(float)
    together = forecast_structural(demand, effects(), ahead=7, step=100.0, counted=COUNTED)
    alone = forecast_structural(demand[1:2], effects(), ahead=7, step=100.0, counted=COUNTED)
    assert together[1] == pytest.approx(alone[0])


def test_a_calendar_that_ends_too_early_is_refused():
    with pytest.raises(ValueError, match="effects of 300 days; expected 272 known and 29 ahead"):
        forecast_structural(np.ones((1, DAYS)), effects(), ahead=29, step=1.0, counted=COUNTED)
