"""Croston's method, its descendants and seasonal naive, against worked examples."""

import numpy as np
import pytest

from workbench.forecasting import intermittent
from workbench.forecasting.naive import seasonal_naive, seasonal_naive_quantiles

LEVELS = [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99]


def test_croston_matches_a_worked_example():
    # Demand 3 on day 2, 5 on day 5, alpha 0.5: size 3 -> 4, interval 2 -> 2.5.
    units = np.array([[0, 3, 0, 0, 5, 0.0]])
    assert intermittent.croston(units, alpha=0.5) == pytest.approx([4 / 2.5])
    assert intermittent.sba(units, alpha=0.5) == pytest.approx([0.75 * 4 / 2.5])


def test_croston_agrees_with_statsforecast():
    from statsforecast.models import CrostonClassic

    rng = np.random.default_rng(1)
    units = rng.poisson(0.4, (5, 120)).astype(float)
    theirs = [CrostonClassic().forecast(row, h=1)["mean"][0] for row in units]
    assert intermittent.croston(units) == pytest.approx(np.array(theirs), rel=1e-6)


def test_tsb_fades_when_an_item_dies():
    alive = np.array([[2.0] * 50])
    dead = np.array([[2.0] * 50 + [0.0] * 100])
    assert intermittent.tsb(alive) == pytest.approx([2.0])
    assert intermittent.tsb(dead)[0] < 0.02
    assert intermittent.croston(dead) == pytest.approx([2.0])


def test_a_path_ends_where_the_plain_method_does():
    units = np.random.default_rng(5).poisson(0.3, (4, 90)).astype(float)
    for day in (30, 89):
        assert intermittent.tsb_path(units)[:, day] == pytest.approx(
            intermittent.tsb(units[:, : day + 1])
        )


def test_an_item_that_never_sold_is_expected_not_to():
    assert intermittent.croston(np.zeros((1, 30))) == pytest.approx([0.0])
    assert intermittent.tsb(np.zeros((1, 30))) == pytest.approx([0.0])


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
