"""LightGBM's quantile objective, conformalised."""

import numpy as np
import pytest

from workbench.forecasting import losses
from workbench.forecasting.features import known_at, targets_at
from workbench.forecasting.global_model import Window
from workbench.forecasting.global_quantiles import (
    conformal_offsets,
    fit_quantile_models,
    whole_quantiles,
)
from workbench.forecasting.naive import seasonal_naive_quantiles

LEVELS = np.array([0.1, 0.5, 0.9])
WINDOW = Window(1, 7)


@pytest.fixture(scope="module")
def fitted(make_panel):
    """A panel whose promotions treble demand, and models that saw it until day 299."""
    panel = make_panel(series=200, lift=3.0, share=0.25)
    cutoffs = range(100, 290, 7)
    return panel, fit_quantile_models(panel, cutoffs, [WINDOW], levels=LEVELS.tolist(), seed=1)


def forecast(fitted, cutoff):
    panel, models = fitted
    return whole_quantiles(*models.raw(panel, cutoff, WINDOW))


def test_quantiles_are_whole_and_do_not_cross(fitted):
    for cutoff in (300, 340, 357):
        found = forecast(fitted, cutoff)
        assert (np.diff(found, axis=1) >= 0).all()
        assert (found >= 0).all()
        assert (found == np.round(found)).all()


def test_pinball_loss_beats_seasonal_naive_where_promotions_lift_demand(fitted):
    panel = fitted[0]
    ours, naive = 0.0, 0.0
    for cutoff in range(300, 358, 7):
        actual = targets_at(panel, cutoff, start=1, length=7).astype(float)
        known = panel.units[:, : cutoff + 1].astype(float)
        rival = seasonal_naive_quantiles(known, start=1, length=7, levels=LEVELS.tolist())
        ours += losses.pinball(actual, forecast(fitted, cutoff), LEVELS).mean()
        naive += losses.pinball(actual, rival, LEVELS).mean()
    assert ours < 0.8 * naive


def test_the_median_knows_that_a_promotion_lifts_demand(fitted):
    panel, models = fitted
    ratios, _ = models.raw(panel, 320, WINDOW, known_at(panel, 320))
    ahead = panel.promoted[0, :, 321:328].mean(axis=1)
    with_plan, without = ratios[ahead > 0.5, 1].mean(), ratios[ahead < 0.2, 1].mean()
    assert with_plan > 1.3 * without  # truly 3, less where recent weeks were promoted too


def test_the_same_rows_give_the_same_models(make_panel):
    panel = make_panel(series=40)
    models = [
        fit_quantile_models(panel, [150, 200], [WINDOW], levels=[0.5], seed=3) for _ in range(2)
    ]
    assert models[0].boosters[0].model_to_string() == models[1].boosters[0].model_to_string()


def test_conformal_offsets_move_levels_to_where_outcomes_were():
    # Forecast 1 per unit of level at both levels; outcomes 0.5 to 2.4 in steps of 0.1: 10% of them
    # lie at or below 0.6 and 90% at or below 2.2.
    actual = np.arange(5, 25) / 10
    ratios, levels = np.ones((20, 2)), np.array([0.1, 0.9])
    offsets = conformal_offsets(ratios, actual, np.ones(20), np.zeros(20, dtype=int), levels)
    assert offsets[0] == pytest.approx([-0.4, 1.2])


def test_conformal_offsets_are_learned_block_by_block():
    actual = np.concatenate([np.full(50, 2.0), np.full(50, 0.5)])
    block = np.repeat([0, 1], 50)
    offsets = conformal_offsets(np.ones((100, 1)), actual, np.ones(100), block, np.array([0.5]))
    assert offsets.ravel() == pytest.approx([1.0, -0.5])


def test_crossing_quantiles_are_put_in_order():
    found = whole_quantiles(np.array([[0.4, 0.2, -1.0]]), np.array([10.0]))
    assert found.tolist() == [[4, 4, 4]]
