"""Direct multi-horizon forecasts on simulated panels."""

from dataclasses import replace

import numpy as np
import pytest

from workbench.forecasting import direct

AHEAD = 28


def make_panel(series=150, days=250, seed=0):
    """Poisson demand with a weekly season; a price cut of a fifth in some weeks doubles it."""
    rng = np.random.default_rng(seed)
    total = days + AHEAD
    cut = np.repeat(rng.random((series, total // 7 + 1)) < 0.15, 7, axis=1)[:, :total]
    season = 1 + 0.5 * np.sin(2 * np.pi * np.arange(total) / 7)
    mean = rng.gamma(2.0, 1.5, series)[:, None] * season * np.where(cut, 2, 1)
    place = np.arange(series)
    panel = direct.DailyPanel(
        units=rng.poisson(mean).astype(np.float32)[:, :days],
        listed=np.full(series, -1000), price=np.where(cut, 0.8, 1.0).astype(np.float32),
        region=place % 2, days=rng.integers(0, 2, (2, total, 1)).astype(np.float32),
        day_names=("holiday",), codes=(place % 3)[:, None], code_names=("category",),
        item=place // 2, department=place % 3, weekday=2,
    )  # fmt: skip
    return panel, mean


def fitted(panel, last):
    origins = [last - AHEAD - 7 * k for k in range(12)]
    sample = direct.training_sample(panel, origins, range(1, AHEAD + 1), rows=20_000, seed=0)
    quick = {"min_data_in_leaf": 50, "num_leaves": 15}
    return direct.fit_direct(panel, sample, trees=60, seed=0, parameters=quick)


@pytest.fixture(scope="module")
def case():
    panel, mean = make_panel()
    return panel, mean, fitted(panel, 249)


def test_features_do_not_see_demand_after_the_origin(case):
    panel, _, _ = case
    future = panel.units.copy()
    future[:, 201:] = 99
    changed = replace(panel, units=future)
    rows = np.arange(len(panel.units))
    for lead in (1, 7, 8, 28):
        known = direct.features(panel, direct.origin_at(panel, 200), lead, rows)
        seen = direct.features(changed, direct.origin_at(changed, 200), lead, rows)
        np.testing.assert_array_equal(known, seen)


def test_training_days_that_have_not_ended_are_refused(case):
    with pytest.raises(ValueError, match="origin 230 plus lead 28: after the last of 250 days"):
        direct.training_sample(case[0], [230], [28], rows=10, seed=0)


def test_the_forecast_is_nearer_to_the_true_mean_than_the_recent_mean(case):
    panel, mean, booster = case
    truth = mean[:, 250:]
    ours = direct.forecast_direct(panel, booster, 249, range(1, AHEAD + 1))
    recent = panel.units[:, -28:].mean(axis=1, keepdims=True)
    assert np.abs(ours - truth).mean() < 0.5 * np.abs(recent - truth).mean()


def test_a_price_cut_ahead_raises_the_forecast(case):
    panel, _, booster = case
    low, high = panel.price.copy(), panel.price.copy()
    low[:, 250:], high[:, 250:] = 0.8, 1.0
    cheap, dear = (
        direct.forecast_direct(replace(panel, price=p), booster, 249, [1]).sum()
        for p in (low, high)
    )
    assert 1.5 < cheap / dear < 2.5


def test_nothing_is_forecast_where_an_item_is_not_on_sale(case):
    panel, _, booster = case
    price = panel.price.copy()
    price[0, 250:] = np.nan
    found = direct.forecast_direct(replace(panel, price=price), booster, 249, [1, 2])
    assert (found[0] == 0).all()
    assert (found[1:] > 0).all()


def test_means_of_a_new_item_leave_out_the_days_before_its_listing(case):
    panel = case[0]
    units, listed = panel.units.copy(), panel.listed.copy()
    units[0], units[0, 247:], listed[0] = 0, [2, 4, 6], 247
    origin = direct.origin_at(replace(panel, units=units, listed=listed), 249)
    assert origin.level[0] == pytest.approx(4)
    assert origin.fixed[0, :5] == pytest.approx(np.ones(5))


def test_the_same_seed_gives_the_same_forecast(case):
    panel, _, booster = case
    again = direct.forecast_direct(panel, fitted(panel, 249), 249, [3])
    np.testing.assert_array_equal(again, direct.forecast_direct(panel, booster, 249, [3]))
