"""The structural model against statsmodels' Kalman filter and known patterns."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.statespace.structural import UnobservedComponents

from workbench.forecasting.structural import (
    Effects,
    StructuralConfig,
    calendar_effects,
    fit_structural,
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
        np.exp(y)[None, :], none, ahead=1, step=50.0, counted=np.ones(120, dtype=bool), mean=False
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


def test_an_indicators_lift_may_differ_between_parts_of_the_month():
    day = np.asarray(DATES.day)
    lift = (day <= 10).astype(float)[:, None]
    demand = 200 * np.where(day <= 3, 1.4, np.where(day <= 10, 1.1, 1.0))
    config = StructuralConfig(part_indicator=0.1)
    parts = calendar_effects(DATES, lift, np.zeros((300, 0)), config)
    fit = {"step": 1e4, "ahead": 28, "counted": COUNTED}
    found = forecast_structural(demand[None, :DAYS], parts, **fit)
    assert found[0] == pytest.approx(demand[DAYS:], rel=0.03)
    alike = forecast_structural(demand[None, :DAYS], effects(lift), **fit)
    assert np.abs(found[0] - demand[DAYS:]).max() < np.abs(alike[0] - demand[DAYS:]).max()


def test_pooled_effects_lie_between_the_series_own_and_the_groups():
    pattern = np.array([3.0, 1, 1, 1, 2, 5, 6])[DATES.dayofweek] * 100
    fit = {"step": 1e4, "ahead": 28, "counted": COUNTED}
    own = fit_structural(pattern[None, :DAYS], effects(), **fit)
    flat = np.zeros((1, 300))
    same = fit_structural(pattern[None, :DAYS], effects(), prior=flat, **fit)
    np.testing.assert_allclose(same.calendar, own.calendar)
    stiff = fit_structural(pattern[None, :DAYS], effects(), prior=flat, pooling=1e9, **fit)
    np.testing.assert_allclose(stiff.calendar, 0, atol=1e-6)
    drawn = fit_structural(pattern[None, :DAYS], effects(), prior=flat, pooling=100.0, **fit)
    assert 0.1 * own.calendar.std() < drawn.calendar.std() < 0.95 * own.calendar.std()


def test_effects_of_the_group_are_kept_where_the_series_says_nothing_else():
    group = np.log(np.where(DATES.dayofweek >= 5, 1.5, 1.0))[None, :]
    demand = 100 * np.exp(group[:, :DAYS])
    fit = fit_structural(
        demand, effects(), ahead=28, step=1e4, counted=COUNTED, prior=group, pooling=1e6
    )
    np.testing.assert_allclose(fit.calendar, group, atol=1e-3)
    assert fit.forecast(28)[0] == pytest.approx(100 * np.exp(group[0, DAYS:]), rel=1e-3)


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


def test_the_mean_is_forecast_not_the_median():
    # log-normal noise of deviation 0.5: the mean is exp(0.125) times the median of 100
    noise = np.random.default_rng(3).normal(0, 0.5, (40, DAYS))
    found = forecast_structural(100 * np.exp(noise), effects(), ahead=28, step=1e4, counted=COUNTED)
    assert found.mean() == pytest.approx(100 * np.exp(0.125), rel=0.03)


def test_growth_goes_on():
    demand = 100 * np.exp(0.3 * np.arange(300) / 365)
    found = forecast_structural(demand[None, :DAYS], effects(), ahead=28, step=1e4, counted=COUNTED)
    assert found[0] == pytest.approx(demand[DAYS:], rel=0.02)


def test_series_are_forecast_apart():
    demand = np.random.default_rng(2).poisson(50, (3, DAYS)).astype(float)
    together = forecast_structural(demand, effects(), ahead=7, step=100.0, counted=COUNTED)
    alone = forecast_structural(demand[1:2], effects(), ahead=7, step=100.0, counted=COUNTED)
    assert together[1] == pytest.approx(alone[0])


def test_a_calendar_that_ends_too_early_is_refused():
    with pytest.raises(ValueError, match="effects of 300 days; expected 272 known and 29 ahead"):
        forecast_structural(np.ones((1, DAYS)), effects(), ahead=29, step=1.0, counted=COUNTED)
