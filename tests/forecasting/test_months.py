"""Months far ahead: level, season, and intervals that grow with the lead."""

import numpy as np
import pytest

from workbench.forecasting import months

LEVELS = np.array([0.05, 0.5, 0.95])


def history(count, *, series=60, season=None, walk=0.0, seed=0):
    """Daily demand whose months are known exactly: `count` months of 28 equal days."""
    rng = np.random.default_rng(seed)
    level = 280 * np.exp(np.cumsum(rng.normal(0, walk, (series, count)), axis=1))
    shape = np.ones(13) if season is None else season
    total = level * shape[np.arange(count) % 13]
    return np.repeat(total / 28, 28, axis=1)


def forecast(units, count=6):
    group = np.zeros(len(units), dtype=np.int64)
    return months.forecast_months(units, group, months=count, levels=LEVELS)


def test_months_end_on_the_last_day():
    units = np.arange(60.0)[None]
    # days 4 to 31 and 32 to 59 of 0 to 59
    assert months.monthly(units).tolist() == [[sum(range(4, 32)), sum(range(32, 60))]]


def test_smoothing_is_the_textbooks():
    # l_t = 0.4 y_t + 0.6 l_(t-1) from 10: 14, 12.4
    assert months.smoothed(np.array([[10.0, 20.0, 10.0]]), 0.4)[0] == pytest.approx([10, 14, 12.4])


def test_with_two_years_the_season_is_found():
    season = np.r_[np.full(6, 0.8), np.full(6, 1.1), 1.6]
    found = forecast(history(27, season=season), 13)
    assert found.seasonal
    # month 27 is the first of its year (0.8): what follows is the season from its second month on
    expected = 280 * season[(27 + np.arange(13)) % 13] / season.mean()
    assert found.mean[0] == pytest.approx(expected, rel=0.01)


def test_with_one_year_there_is_none():
    found = forecast(history(13, season=np.linspace(0.5, 1.5, 13)))
    assert not found.seasonal
    assert len(set(found.mean[0].round(6))) == 1
    assert "without a season, for want of two years" in found.reading


def test_intervals_cover_what_comes_and_widen_with_the_lead():
    # A level that walks at random: errors at lead h are its steps added up.
    units = history(22, series=400, walk=0.15, seed=3)
    known, came = units[:, : 16 * 28], months.monthly(units)[:, 16:]
    found = forecast(known)
    low, high = found.quantiles[:, :, 0], found.quantiles[:, :, 2]
    covered = ((came >= low) & (came <= high)).mean(axis=0)
    assert (covered > 0.85).all()
    width = np.log(high / low).mean(axis=0)
    assert (np.diff(width) > 0).all()


def test_leads_beyond_what_could_be_tried_grow_as_the_root():
    found = forecast(history(8, walk=0.2), 8)
    assert found.trials == (5, 4, 3, 2, 1, 0, 0, 0)
    assert "intervals of the first 3, beyond which they grow" in found.reading
    roots = np.sqrt(found.quantiles + 0.5)
    width = (roots[:, :, 2] - roots[:, :, 1]).mean(axis=0)
    assert width[7] / width[3] == pytest.approx(np.sqrt(8 / 4), rel=0.03)


def test_a_history_of_less_than_six_months_gives_none():
    found = forecast(history(5))
    assert found.mean.shape == (60, 0)
    assert found.reading == "History is shorter than 6 months of four weeks: no months."
    assert forecast(history(13), 0).reading == "No months ahead were asked for."


def test_past_launches_do_not_put_endless_months_within_reach():
    # 60 series from next to nothing to 30 to 70 units a month: one error in nine is a ratio of 100,
    # and as the upper quantile would put thousands within reach of series that sell 70 at most.
    rng = np.random.default_rng(2)
    total = np.where(np.arange(12) < 6, 0.5, rng.uniform(30, 70, (60, 12)))
    found = forecast(np.repeat(total / 28, 28, axis=1), 1)
    assert 70 < found.quantiles[:, 0, 2].mean() < 4 * 70
