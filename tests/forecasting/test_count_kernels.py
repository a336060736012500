"""Sums of the negative binomial's probabilities against scipy's own functions."""

import numpy as np
import pytest
from scipy import stats

from workbench.forecasting import count_kernels

LEVELS = np.array([1e-4, 0.025, 0.1, 0.5, 0.9, 0.99, 1 - 1e-4])


@pytest.fixture(scope="module")
def cases():
    """Means from nothing to thousands of units, sizes from wild to nearly Poisson."""
    rng = np.random.default_rng(7)
    mean = np.exp(rng.uniform(np.log(1e-3), np.log(6_000), 3_000))
    size = np.exp(rng.uniform(np.log(0.05), np.log(1e4), 3_000))
    return mean, size


def test_quantiles_are_scipys(cases):
    mean, size = cases
    found = count_kernels.quantiles(mean, size, LEVELS)
    exact = stats.nbinom.ppf(LEVELS, size[:, None], (size / (size + mean))[:, None])
    # scipy rounds a root: where a level is met to the last bit, either count is right
    same = found == np.maximum(exact, 0)
    assert same.mean() > 0.999
    assert np.abs(found - exact).max() <= 1


def test_probabilities_around_a_count_are_scipys(cases):
    mean, size = cases
    count = np.random.default_rng(8).poisson(mean * 1.2).astype(float)
    below, at = count_kernels.around(count, mean, size)
    success = size / (size + mean)
    assert below == pytest.approx(stats.nbinom.cdf(count - 1, size, success), abs=1e-11)
    assert at == pytest.approx(stats.nbinom.cdf(count, size, success), abs=1e-11)


def test_short_sums_leave_large_and_even_demand_to_others():
    found = count_kernels.short_quantiles(
        np.array([3.0, 5_000.0, 1_900.0]), np.array([2.0, 2.0, 1e4]), np.array([0.5])
    )
    assert np.isnan(found[:, 0]).tolist() == [False, True, True]
