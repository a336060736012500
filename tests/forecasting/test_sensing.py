"""The day's first sales update today's distribution: against simulation and the textbook."""

import numpy as np
import pytest
from scipy import stats

from workbench.forecasting.sensing import Belief, belief_of, learn_sense, update

LEVELS = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99])


def belief(mean, size, count=1):
    return Belief(np.zeros(count), np.full(count, float(mean)), np.full(count, float(size)))


@pytest.mark.parametrize(("mean", "size"), [(0.05, 0.3), (3, 1), (40, 5), (900, 8), (5_000, 5_000)])
def test_quantiles_are_those_of_the_negative_binomial(mean, size):
    ours = belief(mean, size).quantiles(LEVELS)[0]
    exact = stats.nbinom.ppf(LEVELS, size, size / (size + mean))
    assert ours == pytest.approx(exact, abs=0 if mean < 1_000 else 2)


def test_the_rest_of_a_day_is_that_of_simulated_days_that_began_alike():
    rng = np.random.default_rng(1)
    rate = rng.gamma(2.0, 10 / 2.0, 4_000_000)  # mean 10, size 2
    morning = rng.poisson(0.3 * rate)
    rest = rng.poisson(0.7 * rate)[morning == 6]
    after = update(belief(10, 2), np.array([6.0]), 0.3, weight=1.0)
    assert after.mean[0] == pytest.approx(rest.mean(), rel=0.01)
    assert after.expected[0] == pytest.approx(6 + rest.mean(), rel=0.01)
    assert after.quantiles(LEVELS)[0] == pytest.approx(6 + np.quantile(rest, LEVELS), abs=1)


def test_without_weight_the_rest_stays_as_it_was_forecast():
    after = update(belief(10, 2), np.array([50.0]), 0.3, weight=0.0)
    assert after.mean[0] == pytest.approx(7)
    assert after.size[0] == pytest.approx(2)


def test_at_the_end_of_the_day_what_sold_is_what_sold():
    after = update(belief(10, 2), np.array([4.0]), 1.0, weight=1.0)
    assert after.quantiles(LEVELS)[0].tolist() == [4] * len(LEVELS)


def test_a_belief_is_found_from_its_quantiles():
    size = 5.0
    quantiles = stats.nbinom.ppf(LEVELS, size, size / (size + np.array([[4.0], [60.0]])))
    found = belief_of(quantiles, LEVELS)
    assert found.mean == pytest.approx([4, 60], rel=0.05)
    assert (np.abs(found.quantiles(LEVELS) - quantiles) <= np.maximum(1, 0.06 * quantiles)).all()


def test_learned_updates_lose_less_than_the_forecast_and_are_calibrated():
    rng = np.random.default_rng(2)
    mean, shares = rng.gamma(1.0, 6.0, 12_000) + 0.2, (0.25, 0.6)
    rate = rng.gamma(3.0, mean / 3.0)
    parts = [rng.poisson(s * rate) for s in (0.25, 0.35, 0.4)]
    sold, total = np.cumsum(parts, axis=0)[:2].astype(float), np.sum(parts, axis=0).astype(float)
    prior = Belief(np.zeros(12_000), mean, np.full(12_000, 3.0))
    old, new = slice(0, 6_000), slice(6_000, None)
    sense = learn_sense(
        Belief(prior.sold[old], mean[old], prior.size[old]), sold[:, old], total[old], shares,
        LEVELS, seed=1,
    )  # fmt: skip
    assert min(sense.weights) >= 0.8
    later = Belief(prior.sold[new], mean[new], prior.size[new])
    losses = [_pinball(total[new], sense.quantiles(later, sold[j, new], j)) for j in (0, 1)]
    assert losses[1] < losses[0] < 0.85 * _pinball(total[new], later.quantiles(LEVELS))
    pit = sense.pit(later, sold[1, new], total[new], 1, seed=3)
    assert [(pit <= x).mean() for x in LEVELS] == pytest.approx(LEVELS.tolist(), abs=0.02)


def _pinball(actual, quantiles):
    error = actual[:, None] - quantiles
    return np.maximum(LEVELS * error, (LEVELS - 1) * error).mean()
