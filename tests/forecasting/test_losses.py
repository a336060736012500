"""Losses, by hand."""

import numpy as np
import pytest
from scipy import stats

from workbench.forecasting import losses


def test_pinball_loss_is_the_tilted_absolute_error():
    # y = 10, q = 8: 0.9 * 2; y = 10, q = 13: (1 - 0.9) * 3
    actual = np.array([10.0, 10.0])
    loss = losses.pinball(actual, np.array([[8.0], [13.0]]), np.array([0.9]))
    assert loss.ravel() == pytest.approx([1.8, 0.3])


def test_pinball_loss_at_the_median_is_half_the_absolute_error():
    rng = np.random.default_rng(0)
    y, q = rng.normal(size=50), rng.normal(size=(50, 1))
    assert losses.pinball(y, q, np.array([0.5]))[:, 0] == pytest.approx(abs(y - q[:, 0]) / 2)


def test_value_weighted_mape_weighs_errors_by_price():
    # errors 1 and 2 at prices 10 and 1; sales worth 10 * 10 + 4 * 1
    value = losses.value_weighted_mape(
        np.array([10.0, 4.0]), np.array([9.0, 6.0]), np.array([10.0, 1.0])
    )
    assert value == pytest.approx(12 / 104)


def test_rmsse_of_the_naive_step_is_one():
    # Forecasting the last value of a series that alternates errs by 2 as often as history changes.
    history = np.array([[1.0, 3.0, 1.0, 3.0, 1.0]])
    actual = np.array([[3.0, 3.0]])
    assert losses.rmsse(history, actual, np.array([[1.0, 1.0]])) == pytest.approx([1.0])


def test_rmsse_scales_by_the_naive_error_since_the_first_sale():
    # history from its first sale: 2, 4, 1; naive errors 2, -3 and, before it, 0 to 2 is not counted
    history = np.array([[0.0, 0.0, 2.0, 4.0, 1.0]])
    found = losses.rmsse(history, np.array([[3.0, 1.0]]), np.array([[1.0, 2.0]]))
    assert found == pytest.approx([np.sqrt(((2**2 + 1) / 2) / ((2**2 + 3**2) / 2))])


def test_rmsse_of_a_constant_history_is_missing_not_infinite():
    assert np.isnan(losses.rmsse(np.ones((1, 9)), np.ones((1, 1)), np.zeros((1, 1))))[0]


def test_rmsse_of_windows_compares_windows():
    # windows of two days in 1 1 3 3: totals 2, 4, 6; from the first to the third: 4
    scale = losses.naive_scale(np.array([[1.0, 1.0, 3.0, 3.0]]), length=2)
    assert scale == pytest.approx([16.0])


def test_coverage_counts_outcomes_at_the_quantile():
    actual = np.array([0.0, 1.0, 2.0, 3.0])
    quantiles = np.array([[0.0, 2.0]] * 4)
    assert losses.coverage(actual, quantiles) == pytest.approx([0.25, 0.75])


def test_bias_is_forecast_over_sold():
    assert losses.bias_share(np.array([4.0, 6.0]), np.array([5.0, 6.0])) == pytest.approx(0.1)


def test_mean_of_uniform_quantiles_is_the_middle():
    levels = np.array([0.1, 0.5, 0.9])
    assert losses.mean_of_quantiles(levels[None, :] * 10, levels) == pytest.approx([5.0])


def test_absolute_naive_scale_starts_at_the_first_sale():
    # from the first sale 2 4 1: changes 2 and 3
    scale = losses.naive_scale(np.array([[0.0, 0.0, 2.0, 4.0, 1.0]]), power=1)
    assert scale == pytest.approx([2.5])


def test_mase_of_an_error_as_large_as_the_naive_change_is_one():
    history = np.array([[1.0, 3.0, 1.0, 3.0]])
    found = losses.mase(history, np.array([[5.0, 5.0]]), np.array([[3.0, 7.0]]))
    assert found == pytest.approx([1.0])


def test_wape_is_error_over_sales():
    assert losses.wape(np.array([2.0, 0.0]), np.array([1.0, 0.5])) == pytest.approx(0.75)


def test_scaled_pinball_is_the_mean_loss_over_the_scale():
    # losses at level 0.9: 0.9 * 2 and 0.1 * 3; mean 1.05, scale 3
    quantiles = np.array([[[8.0], [13.0]]])
    found = losses.scaled_pinball(
        np.array([[10.0, 10.0]]), quantiles, np.array([0.9]), np.array([3.0])
    )
    assert found == pytest.approx(np.array([[0.35]]))


def test_weighted_scores_leave_out_what_weighs_nothing():
    score = np.array([2.0, 4.0, np.nan, 3.0])
    found = losses.weighted(score, np.array([0.25, 0.75, 0, 1.0]), np.array([0, 0, 1, 1]))
    assert found == pytest.approx([3.5, 3.0])


def test_crps_of_two_samples_by_hand():
    # mean |x - y| = (1 + 3) / 2; half the mean distance of different samples: 4 / 2
    assert losses.crps_of_samples(np.array([1.0]), np.array([[0.0, 4.0]])) == pytest.approx([0.0])


def test_crps_of_many_normal_samples_is_the_closed_form():
    # Gneiting and Raftery 2007, eq. 20 at the mean: (sqrt(2) - 1) / sqrt(pi)
    samples = np.random.default_rng(0).normal(size=(1, 200_000))
    wanted = (np.sqrt(2) - 1) / np.sqrt(np.pi)
    assert losses.crps_of_samples(np.zeros(1), samples) == pytest.approx([wanted], abs=3e-3)


def test_randomised_pit_of_true_poisson_forecasts_is_uniform():
    demand = np.random.default_rng(5).poisson(0.7, 20_000)
    below, at = stats.poisson.cdf(demand - 1, 0.7), stats.poisson.cdf(demand, 0.7)
    assert stats.kstest(losses.randomised_pit(below, at, seed=1), "uniform").pvalue > 0.01


@pytest.mark.parametrize("rate", [0.4, 2.3, 40.0])
def test_the_pit_of_quantiles_is_that_of_the_distribution_behind_them(rate):
    # quantiles of a Poisson distribution, whole numbers many of which are alike
    levels = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99])
    actual = np.random.default_rng(5).poisson(rate, 40_000).astype(float)
    quantiles = np.tile(stats.poisson.ppf(levels, rate), (len(actual), 1))
    pit = losses.pit_of_quantiles(actual, quantiles, levels, seed=6)
    exact = losses.randomised_pit(
        stats.poisson.cdf(actual - 1, rate), stats.poisson.cdf(actual, rate), seed=6
    )
    assert [(pit <= one).mean() for one in levels] == pytest.approx(
        [(exact <= one).mean() for one in levels], abs=0.02 if rate > 30 else 0.07
    )
