"""Days and windows that add up, against the matrices of temporal hierarchies written out."""

import numpy as np
import pytest

from workbench.forecasting import temporal
from workbench.forecasting.global_model import Window


@pytest.fixture
def forecasts():
    """Days, weeks and the month of three series, each forecast by itself."""
    rng = np.random.default_rng(1)
    days = rng.uniform(5, 20, (3, 28))
    windows = [Window(1, 28), *temporal.whole_windows(28, 7)]
    return days, windows, temporal.summed(days, windows) * rng.uniform(0.8, 1.2, (3, 5))


def test_structural_scaling_is_the_textbooks(forecasts):
    # THieF: S of month, weeks and days; W is the number of days below each node (equations 5 and 9)
    days, windows, sums = forecasts
    S = np.vstack([np.ones((1, 28)), np.kron(np.eye(4), np.ones((1, 7))), np.eye(28)])
    weight = np.diag(1 / S.sum(axis=1))
    base = np.vstack([sums.T, days.T])
    expected = np.linalg.solve(S.T @ weight @ S, S.T @ weight @ base)
    found = temporal.reconcile_windows(days, windows, sums)
    assert found == pytest.approx(expected.T)


def test_day_week_and_month_agree_after_it(forecasts):
    days, windows, sums = forecasts
    found = temporal.reconcile_windows(days, windows, sums)
    month, *weeks = temporal.summed(found, windows).T
    assert np.sum(weeks, axis=0) == pytest.approx(month)
    assert (np.abs(month - sums[:, 0]) < np.abs(days.sum(axis=1) - sums[:, 0])).all()


def test_windows_may_overlap(forecasts):
    # Least squares written out: a row per window divided by the root of its length, a row per day.
    days, _, _ = forecasts
    windows = [Window(1, 9), Window(1, 14)]
    sums = temporal.summed(days, windows) + np.array([[6.0, -3.0]])
    inside = np.array([[day < w.length for day in range(28)] for w in windows], dtype=float)
    scale = np.sqrt([[9.0], [14.0]])
    rows = np.vstack([inside / scale, np.eye(28)])
    target = np.vstack([sums.T / scale, days.T])
    expected = np.linalg.lstsq(rows, target, rcond=None)[0].T
    assert temporal.reconcile_windows(days, windows, sums) == pytest.approx(expected)


def test_days_that_add_up_already_stay(forecasts):
    days, windows, _ = forecasts
    found = temporal.reconcile_windows(days, windows, temporal.summed(days, windows))
    assert found == pytest.approx(days)
    assert temporal.reconcile_windows(days, [], np.zeros((3, 0))) is days


def test_no_day_becomes_negative():
    days = np.full((1, 14), 0.1)
    found = temporal.reconcile_windows(days, [Window(1, 7)], np.array([[-9.0]]))
    assert found.min() == 0


def test_a_window_beyond_the_days_is_refused():
    with pytest.raises(ValueError, match="not within 14 days"):
        temporal.window_tree(14, [Window(8, 14)])
