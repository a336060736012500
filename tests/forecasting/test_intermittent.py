"""Croston's method, its descendants and seasonal naive, against worked examples."""

import numpy as np
import pytest

from workbench.forecasting import intermittent
from workbench.forecasting.naive import seasonal_naive, seasonal_naive_quantiles

LEVELS = [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99]


def last(method, units, **settings):
    return intermittent.METHODS[method](units, [units.shape[1] - 1], **settings)[:, 0]


def test_croston_matches_a_worked_example():
    # Demand 3 on day 2, 5 on day 5, alpha 0.5: size 3 -> 4, interval 2 -> 2.5.
    units = np.array([[0, 3, 0, 0, 5, 0.0]])
    assert last("croston", units, alpha=0.5) == pytest.approx([4 / 2.5])
    assert last("sba", units, alpha=0.5) == pytest.approx([0.75 * 4 / 2.5])


def test_tsb_matches_a_worked_example():
    # First demand on day 2: probability 1/2, size 3; then 1/4, 1/8, 9/16 with size 4, 9/32.
    units = np.array([[0, 3, 0, 0, 5, 0.0]])
    assert last("tsb", units, alpha=0.5, beta=0.5) == pytest.approx([4 * 9 / 32])


def test_adida_and_imapa_match_a_worked_example():
    # Mean interval 5/2, rounded up to 3: blocks (0, 3, 0) and (0, 5, 0), smoothed 3 -> 4, so 4/3.
    # Blocks of 2: (0, 3), (0, 0), (5, 0): 3 -> 1.5 -> 3.25, so 1.625. Days: 0, 1.5, .75, .375,
    # 2.6875, 1.34375.
    units = np.array([[0, 3, 0, 0, 5, 0.0]])
    assert last("adida", units, alpha=0.5) == pytest.approx([4 / 3])
    assert last("imapa", units, alpha=0.5) == pytest.approx([(4 / 3 + 1.625 + 1.34375) / 3])


def test_croston_agrees_with_statsforecast():
    from statsforecast.models import CrostonClassic

    rng = np.random.default_rng(1)
    units = rng.poisson(0.4, (5, 120)).astype(float)
    theirs = [CrostonClassic().forecast(row, h=1)["mean"][0] for row in units]
    assert last("croston", units) == pytest.approx(np.array(theirs), rel=1e-6)


def test_tsb_agrees_with_statsforecast():
    from statsforecast.models import TSB

    units = np.random.default_rng(2).poisson(0.4, (5, 120)).astype(float)
    units[:, 0] = 1  # both start at the first demand; theirs takes the first day for it
    theirs = [TSB(0.1, 0.05).forecast(row, h=1)["mean"][0] for row in units]
    assert last("tsb", units) == pytest.approx(np.array(theirs), rel=1e-6)


def test_tsb_fades_when_an_item_dies():
    alive = np.array([[2.0] * 50])
    dead = np.array([[2.0] * 50 + [0.0] * 100])
    assert last("tsb", alive) == pytest.approx([2.0])
    assert last("tsb", dead)[0] < 0.02
    assert last("croston", dead) == pytest.approx([2.0])


@pytest.mark.parametrize("method", intermittent.METHODS)
def test_a_rate_at_a_cutoff_is_that_of_what_was_known_then(method):
    units = np.random.default_rng(5).poisson(0.3, (4, 90)).astype(float)
    rates = intermittent.METHODS[method](units, [30, 89])
    assert rates[:, 0] == pytest.approx(last(method, units[:, :31]))
    assert rates[:, 1] == pytest.approx(last(method, units))


@pytest.mark.parametrize("method", intermittent.METHODS)
def test_days_nobody_observed_change_nothing(method):
    units = np.array([[0, 3, 0, 0, 5, 0, 1, 0.0]])
    gaps = np.array([[np.nan, 0, 3, 0, np.nan, 0, 5, 0, np.nan, 1, 0.0, np.nan]])
    assert last(method, gaps) == pytest.approx(last(method, units))


@pytest.mark.parametrize("method", intermittent.METHODS)
def test_an_item_that_never_sold_is_expected_not_to(method):
    assert last(method, np.zeros((1, 30))) == pytest.approx([0.0])
    assert last(method, np.full((1, 30), np.nan)) == pytest.approx([0.0])


def test_seasonal_naive_repeats_last_week():
    known = np.arange(21.0)[None, :]
    assert seasonal_naive(known, start=1, length=7) == pytest.approx(
        [14 + 15 + 16 + 17 + 18 + 19 + 20]
    )
    assert seasonal_naive(known, start=9, length=1) == pytest.approx([15.0])


def test_seasonal_naive_quantiles_are_ordered_and_not_negative():
    known = np.random.default_rng(0).poisson(1.0, (20, 200)).astype(float)
    quantiles = seasonal_naive_quantiles(known, start=1, length=10, levels=LEVELS)
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert (quantiles >= 0).all()


def test_discounted_methods_weigh_all_values_by_age():
    # Second algorithm: Brown's discounted least squares of a level is the weighted mean.
    units = np.array([[0, 3, 0, 0, 5, 0, 2, 0, 0.0]])
    sizes, intervals, hits = [3, 5, 2], [2, 3, 2], [0, 1, 0, 0, 1, 0, 1, 0, 0]

    def level(values, alpha):
        return np.average(values, weights=(1 - alpha) ** np.arange(len(values))[::-1])

    chance = level(hits, 0.1)
    assert last("tsb", units, alpha=0.2, discounted=True) == pytest.approx(
        [chance * level(sizes, 0.2)]
    )
    croston = level(sizes, 0.2) / level(intervals, 0.2)
    assert last("croston", units, alpha=0.2, discounted=True) == pytest.approx([croston])
    assert last("sba", units, alpha=0.2, discounted=True) == pytest.approx([0.9 * croston])
    # Mean interval 7/3, so blocks of 2 that end with the last day: 3, 5, 2, 0 from the second on.
    pairs = level([3, 5, 2, 0], 0.2) / 2
    days = level(units[0], 0.2)
    assert last("adida", units, alpha=0.2, discounted=True) == pytest.approx([pairs])
    assert last("imapa", units, alpha=0.2, discounted=True) == pytest.approx([(pairs + days) / 2])


@pytest.mark.parametrize("method", intermittent.METHODS)
def test_a_discounted_rate_is_the_textbooks_once_the_first_values_are_old(method):
    units = np.random.default_rng(6).poisson(0.5, (6, 2_000)).astype(float)
    textbook = last(method, units, alpha=0.1)
    assert last(method, units, alpha=0.1, discounted=True) == pytest.approx(textbook, rel=1e-6)
