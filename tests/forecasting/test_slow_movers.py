"""Full distributions of slow movers: whole, calibrated, windows as windows."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from workbench.errors import ContractError
from workbench.forecasting.global_model import Window
from workbench.forecasting.intermittent import METHODS
from workbench.forecasting.movement import Movement
from workbench.forecasting.slow_movers import Plan, fit_counts, past_windows

LEVELS = [0.25, 0.5, 0.75, 0.833, 0.95, 0.99]
WINDOWS = (Window(1, 1), Window(1, 6))


@pytest.fixture(scope="module")
def demand():
    """Poisson demand of 3,000 items with rates of 0.02 to 0.8 a period, 60 periods."""
    rng = np.random.default_rng(3)
    rates = rng.uniform(0.02, 0.8, 3_000)
    return rates, rng.poisson(rates[:, None], (3_000, 66)).astype(float)


@pytest.fixture(scope="module")
def forecast(demand):
    known = demand[1][:, :60]
    trials = past_windows(known, WINDOWS, Plan(start=20))
    return fit_counts(known, trials, method="adida", levels=LEVELS).forecast(known)


@pytest.mark.parametrize("length", [1, 6])
def test_quantiles_are_whole_ordered_and_cover_what_they_say(demand, forecast, length):
    quantiles, actual = forecast.quantiles(length), demand[1][:, 60 : 60 + length].sum(axis=1)
    assert (quantiles == np.rint(quantiles)).all()
    assert quantiles.min() >= 0
    assert (np.diff(quantiles, axis=1) >= 0).all()
    covered = (actual[:, None] <= quantiles).mean(axis=0)
    assert (covered >= np.array(LEVELS) - 0.01).all()
    pit = forecast.pit(length, actual, seed=4)
    assert [(pit <= level).mean() for level in LEVELS] == pytest.approx(LEVELS, abs=0.025)


def test_a_window_is_narrower_than_the_sum_of_its_periods(demand, forecast):
    # Quantiles of Poisson demand: of the window, and of six periods one by one.
    rates, place = demand[0], LEVELS.index(0.95)
    truth = stats.poisson.ppf(0.95, 6 * rates).mean()
    assert forecast.quantiles(6)[:, place].mean() == pytest.approx(truth, rel=0.12)
    assert 6 * forecast.quantiles(1)[:, place].mean() > 1.5 * truth


@pytest.mark.parametrize("length", [1, 6])
def test_quantiles_are_read_off_the_cumulative_distribution(forecast, length):
    counts = np.arange(40.0)
    below = forecast.cumulative(length, counts)
    assert (np.diff(below, axis=1) >= -1e-12).all()
    assert below[:, -1] == pytest.approx(1, abs=1e-3)
    read = np.argmax(below >= 0.95, axis=1)
    near = np.abs(read - forecast.quantiles(length)[:, LEVELS.index(0.95)])
    assert near.max() <= 1  # quantiles are tabulated at means 1.5% apart
    assert (near > 0).mean() < 0.02


@pytest.mark.parametrize("method", METHODS)
def test_spare_parts_are_covered_by_every_method(method, shared):
    # The proof with figures per level: benchmarks/forecasting/intermittent.py.
    units = pd.read_csv(shared("data/carparts/carparts_months_1_45.csv")).to_numpy(float).T
    known = units[:, :42]
    trials = past_windows(known, WINDOWS[:1], Plan(count=16, start=20))
    forecast = fit_counts(known, trials, method=method, levels=LEVELS).forecast(known)
    rows = np.isfinite(units[:, 42])
    pit = forecast.pit(1, np.nan_to_num(units[:, 42]), seed=2)[rows]
    raw = (units[rows, 42, None] <= forecast.quantiles(1)[rows]).mean(axis=0)
    assert [(pit <= level).mean() for level in LEVELS[3:]] == pytest.approx(LEVELS[3:], abs=0.025)
    assert (raw[3:] >= np.array(LEVELS[3:]) - 0.005).all()


def test_windows_that_nobody_observed_teach_nothing():
    units = np.random.default_rng(1).poisson(1.0, (300, 40)).astype(float)
    units[:, 30:] = np.nan
    with pytest.raises(ContractError, match="no window of the past"):
        past_windows(units, [Window(1, 2)], Plan(count=3))
    trials = past_windows(units, [Window(1, 2)], Plan(count=14))
    assert np.isfinite(trials.actual).all()
    assert max(trials.cutoffs[place] for place in trials.place) + 2 < 30


def test_an_item_that_never_sold_is_expected_to_sell_nothing(forecast):
    silent = forecast.forecaster.forecast(np.zeros((2, 60)))
    assert silent.quantiles(6).tolist() == np.zeros((2, len(LEVELS))).tolist()


def test_a_window_that_was_not_calibrated_is_refused(forecast):
    with pytest.raises(ContractError, match="window of 3 periods: calibrated are 1, 6"):
        forecast.quantiles(3)


SEASON = 1 + 0.5 * np.sin(2 * np.pi * np.arange(96) / 24)


@pytest.fixture(scope="module")
def seasonal():
    """Poisson demand of 2,000 items that rise and fall together, 96 periods."""
    rng = np.random.default_rng(5)
    return rng.poisson(rng.uniform(0.05, 0.8, (2_000, 1)) * SEASON).astype(float)


def followed(units, known, outlook):
    group = np.arange(len(units)) % 2
    movement = outlook and Movement(group, outlook)
    trials = past_windows(units[:, :known], WINDOWS, Plan(start=30, spacing=2))
    fitted = fit_counts(units[:, :known], trials, method="tsb", levels=LEVELS, movement=movement)
    return fitted.forecast(units[:, :known])


def test_rates_follow_the_season_of_their_groups(seasonal):
    def outlook(totals, ahead):
        known = totals.shape[1]
        level = totals.sum(axis=1, keepdims=True) / SEASON[:known].sum()
        return level * SEASON[known : known + ahead]

    known, start, length = 84, 1, 6  # the season turns up again
    moved, still = followed(seasonal, known, outlook), followed(seasonal, known, None)
    actual = seasonal[:, known : known + length].sum(axis=1)
    assert moved.mean(length).sum() == pytest.approx(actual.sum(), rel=0.05)
    assert abs(still.mean(length).sum() / actual.sum() - 1) > 0.1
    gaps = [
        abs((each.pit(length, actual, seed=1, start=start) <= 0.833).mean() - 0.833)
        for each in (moved, still)
    ]
    assert gaps[0] < 0.03 < gaps[1]


def test_a_group_that_goes_on_as_its_rates_say_changes_nothing(demand):
    units = demand[1]
    group = np.zeros(len(units), dtype=int)
    movement = Movement(group, lambda totals, ahead: np.full((1, ahead), 2.0))
    rates = np.full(len(units), 2.0 / len(units))
    np.testing.assert_allclose(movement.factors(movement.expected(units, 3), rates), 1)


def test_a_later_window_has_a_mean_of_its_own(seasonal):
    def rising(totals, ahead):
        return totals.mean(axis=1, keepdims=True) * (1 + np.arange(ahead))

    units = seasonal
    windows = (Window(1, 3), Window(4, 3))
    trials = past_windows(units, windows, Plan(start=30))
    movement = Movement(np.zeros(len(units), dtype=int), rising)
    fitted = fit_counts(units, trials, method="tsb", levels=LEVELS, movement=movement)
    forecast = fitted.forecast(units)
    # periods 1 to 3 add up to 1 + 2 + 3, periods 4 to 6 to 4 + 5 + 6
    ratio = forecast.factor[:, 3:].sum(axis=1) / forecast.factor[:, :3].sum(axis=1)
    np.testing.assert_allclose(ratio, 15 / 6)
    assert forecast.quantiles(3, 4).sum() > 1.5 * forecast.quantiles(3).sum()
    with pytest.raises(ContractError, match="from period 5: windows were fitted up to period 6"):
        forecast.quantiles(3, 5)


def test_caution_raises_quantiles_where_cutoffs_disagree(seasonal):
    known = seasonal[:, :84]
    trials = past_windows(known, WINDOWS, Plan(start=30, spacing=6))
    plain, cautious = (
        fit_counts(known, trials, method="tsb", levels=LEVELS, caution=caution).forecast(known)
        for caution in (0.0, 1.0)
    )
    assert (cautious.quantiles(6) >= plain.quantiles(6)).all()
    assert cautious.quantiles(6).sum() > plain.quantiles(6).sum()
    steps = [each.quantiles(6).sum(axis=0) for each in (plain, cautious)]
    assert (np.diff(steps[1]) > 0).all()
