"""Losses, intermittent methods, count distributions, and the backtest's honesty."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from workbench.errors import ContractError
from workbench.forecasting import backtest, intermittent, losses
from workbench.forecasting.config import ForecastConfig
from workbench.forecasting.distribution import fit_distribution
from workbench.forecasting.features import DRIVERS, NAMES, features_at
from workbench.forecasting.global_model import GlobalModel, Window, training_rows
from workbench.forecasting.naive import seasonal_naive, seasonal_naive_quantiles
from workbench.forecasting.panel import Panel

LEVELS = [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99]


def make_panel(series=60, days=365, seed=0):
    """Poisson demand with a weekly season, a price and promotions; simulated for these tests."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(1.0, 3.0, series)[:, None] + 0.05
    week = 1 + 0.4 * np.sin(2 * np.pi * np.arange(days) / 7)
    promoted = np.zeros((2, series, days + 56), np.float32)
    promoted[0] = np.repeat(rng.random((series, (days + 56) // 7 + 1)) < 0.1, 7, 1)[:, : days + 56]
    units = rng.poisson(rate * week * (1 + promoted[0][:, :days])).astype(np.float32)
    keys = pd.DataFrame(
        {
            "item_id": [f"{i:04d}" for i in range(series)],
            "location_id": np.where(np.arange(series) % 2, "DC1", "7"),
            "category": np.where(np.arange(series) % 3, "a", "b"),
            "price": rng.uniform(1, 9, series),
        }
    )
    return Panel(
        keys, units, np.full((series, days), 2.0, np.float32), promoted,
        pd.Timestamp("2017-01-01"), np.arange(series) % 2 == 1,
    )  # fmt: skip


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


@given(st.floats(0.05, 80), st.floats(0.02, 1.5), st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_count_quantiles_equal_those_of_the_negative_binomial(mean, dispersion, seed):
    rng = np.random.default_rng(seed)
    size = 1 / dispersion
    actual = rng.negative_binomial(size, size / (size + mean), 4_000).astype(float)
    group = np.zeros(4_000, dtype=np.int64)
    means = np.full(4_000, mean)
    learned = fit_distribution(actual, means, group, groups=1, levels=LEVELS, seed=1)
    found = learned.quantiles(means[:1], group[:1])[0]
    exact = stats.nbinom.ppf(LEVELS, size, size / (size + mean))
    spread = np.sqrt(mean + dispersion * mean**2)
    assert np.abs(found - exact).max() <= 1 + 0.6 * spread
    assert (found == np.round(found)).all()
    assert (np.diff(found) >= 0).all()


def test_randomised_pit_of_the_true_distribution_is_uniform():
    rng = np.random.default_rng(2)
    mean = rng.gamma(1, 2, 20_000) + 0.1
    actual = rng.negative_binomial(2, 2 / (2 + mean)).astype(float)
    group = np.zeros(len(mean), dtype=np.int64)
    half = len(mean) // 2
    learned = fit_distribution(
        actual[:half], mean[:half], group[:half], groups=1, levels=LEVELS, seed=1
    )
    pit = learned.randomised_pit(actual[half:], mean[half:], group[half:], seed=3)
    shares = np.array([(pit <= level).mean() for level in LEVELS])
    assert np.abs(shares - LEVELS).max() < 0.015


def test_every_feature_belongs_to_a_driver():
    assert list(DRIVERS) == NAMES
    assert features_at(make_panel(), 200, start=1, length=14).shape == (60, len(NAMES))


def test_features_do_not_change_when_the_future_does():
    panel, cutoff = make_panel(), 250
    day = panel.first_day + pd.Timedelta(days=cutoff)
    for window in (Window(1, 14), Window(5, 1)):
        now = features_at(panel, cutoff, start=window.start, length=window.length)
        later = panel.units.copy()
        later[:, cutoff + 1 :] = 999
        prices = panel.price.copy()
        prices[:, cutoff + 1 :] = 999
        changed = Panel(panel.series, later, prices, panel.promoted, panel.first_day, panel.is_dc)
        cut = panel.until(day)
        assert np.array_equal(
            now, features_at(changed, cutoff, start=window.start, length=window.length)
        )
        assert np.array_equal(
            now, features_at(cut, cutoff, start=window.start, length=window.length)
        )


def test_a_planted_leak_would_be_caught():
    # A feature that looks one day too far differs once the future is changed.
    panel, cutoff = make_panel(), 250
    leak = panel.units[:, cutoff - 6 : cutoff + 2].mean(axis=1)
    later = panel.units.copy()
    later[:, cutoff + 1 :] = 999
    assert not np.array_equal(leak, later[:, cutoff - 6 : cutoff + 2].mean(axis=1))


def test_training_refuses_windows_whose_demand_is_not_known():
    with pytest.raises(ValueError, match="ends after the panel"):
        training_rows(make_panel(), [360], [Window(1, 14)], rows=100, seed=0)


@pytest.fixture(scope="module")
def result():
    config = ForecastConfig(trees=40, test_cutoffs=8, windows_days=[7, 14])
    panel = make_panel(series=160)
    return panel, config, backtest.backtest(panel, backtest.windows_of(config), config)


def test_the_model_beats_seasonal_naive_on_noisy_demand(result):
    scores = result[2].scores.set_index("model")
    assert scores.loc["lightgbm_counts", "vw_pinball"] < scores.loc["seasonal_naive", "vw_pinball"]


def test_forecasts_are_whole_ordered_and_not_negative(result):
    panel, config, trial = result
    last = panel.units.shape[1] - 1
    rows = backtest.forecast_rows(
        panel, trial.final, last, backtest.windows_of(config), np.array(config.quantiles)
    )
    assert (rows["value"] >= 0).all()
    assert (rows["value"] == rows["value"].round()).all()
    keys = ["item_id", "location_id", "horizon_end"]
    assert (rows.groupby(keys)["value"].diff().dropna() >= 0).all()
    assert rows["horizon_start"].min() == panel.last_day + pd.Timedelta(days=1)


def test_longer_windows_expect_more(result):
    panel, _, trial = result
    last = panel.units.shape[1] - 1
    short = trial.final.quantiles(panel, last, Window(1, 7)).sum()
    assert trial.final.quantiles(panel, last, Window(1, 14)).sum() > short


def test_a_model_restored_from_its_bytes_forecasts_the_same(result):
    panel, _, trial = result
    again = GlobalModel.load(trial.final.model.serialised)
    window = Window(1, 14)
    assert again.mean(panel, 364, window) == pytest.approx(
        trial.final.model.mean(panel, 364, window)
    )


def test_the_same_seed_gives_the_same_forecast(result):
    panel, config, trial = result
    again = backtest.backtest(panel, backtest.windows_of(config), config)
    assert again.final.model.serialised == trial.final.model.serialised
    pd.testing.assert_frame_equal(again.scores, trial.scores)


def test_a_history_too_short_is_refused():
    config = ForecastConfig(windows_days=[21])
    with pytest.raises(ContractError, match="150 days of history; expected at least"):
        backtest.backtest(make_panel(days=150), backtest.windows_of(config), config)
