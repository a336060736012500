"""Conformal quantiles of ratios and of differences of roots."""

import numpy as np
import pytest

from workbench.forecasting.conformal import conformal_quantiles, fit_ratio_quantiles

LEVELS = np.array([0.025, 0.25, 0.5, 0.75, 0.975])


def test_the_rank_is_the_conformal_one():
    # of 99 errors the 90th covers a new one with probability 90 / 100 exactly
    errors = np.random.default_rng(0).permutation(np.arange(1.0, 100))
    assert conformal_quantiles(errors, np.array([0.1, 0.5, 0.9])).tolist() == [10, 50, 90]


def test_few_errors_give_their_extremes():
    assert conformal_quantiles(np.array([3.0, 1, 2]), np.array([0.005, 0.995])).tolist() == [1, 3]


def simulate(rng, spread, origins):
    forecast = rng.uniform(50, 500, (origins, len(spread), 14))
    return forecast, forecast * np.exp(rng.standard_t(5, forecast.shape) * spread[:, None])


@pytest.fixture(scope="module")
def learned():
    rng = np.random.default_rng(1)
    spread = np.repeat([0.05, 0.1, 0.3], 20)
    group = np.repeat([0, 0, 1], 20)
    ratios = fit_ratio_quantiles(*simulate(rng, spread, 10), group, LEVELS, block=7)
    forecast, actual = simulate(rng, spread, 20)
    return group, actual, np.stack([ratios.quantiles(f, group) for f in forecast])


def test_new_outcomes_are_covered_as_often_as_stated(learned):
    # a group of 20 series learns from 1,400 errors: standard error of a coverage about 0.01
    group, actual, quantiles = learned
    for g in (0, 1):
        below = (actual[:, group == g, :, None] <= quantiles[:, group == g]).mean(axis=(0, 1, 2))
        assert below == pytest.approx(LEVELS, abs=0.04)


def test_series_of_one_group_keep_their_own_spread(learned):
    _, actual, quantiles = learned
    for rows in (slice(0, 20), slice(20, 40)):
        below = (actual[:, rows, :, None] <= quantiles[:, rows]).mean(axis=(0, 1, 2))
        assert below == pytest.approx(LEVELS, abs=0.04)


def test_quantiles_never_cross(learned):
    assert (np.diff(learned[2], axis=-1) >= 0).all()


def test_forecasts_that_were_never_wrong_have_no_spread():
    sold = np.full((3, 5, 1), 7.0)
    fitted = fit_ratio_quantiles(sold, sold, np.zeros(5, dtype=np.int64), LEVELS, block=1)
    assert fitted.quantiles(np.full((5, 1), 7.0), np.zeros(5, dtype=np.int64)) == pytest.approx(7)


def test_roots_keep_what_came_where_the_forecast_stays_and_grow_slowly_where_it_does_not():
    # 99 outcomes of one series, forecast 20 each time: quantiles for 20 again are the 10th, 50th
    # and 90th outcome. For a forecast f they are (root(f + 1/2) + root(a + 1/2) - root(20.5))^2 -
    # 1/2: from next to nothing to 9,900 is a step of roots, not a factor of thousands.
    actual = np.random.default_rng(3).permutation(np.arange(1.0, 100))[:, None, None] * 100
    levels = np.array([0.1, 0.5, 0.9])
    found = fit_ratio_quantiles(
        np.full(actual.shape, 20.0), actual, np.zeros(1, dtype=int), levels, block=1, roots=True
    )
    own = found.quantiles(np.array([[20.0]]), np.zeros(1, dtype=int))[0, 0]
    assert own == pytest.approx([1000, 5000, 9000])
    for forecast in (0.0, 400.0):
        moved = found.quantiles(np.array([[forecast]]), np.zeros(1, dtype=int))[0, 0]
        by_hand = [
            ((forecast + 0.5) ** 0.5 + (a + 0.5) ** 0.5 - 20.5**0.5) ** 2 - 0.5
            for a in (1000, 5000, 9000)
        ]
        assert moved == pytest.approx(by_hand)
