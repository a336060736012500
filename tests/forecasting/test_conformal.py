"""Conformal quantiles of ratios."""

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
