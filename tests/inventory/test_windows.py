"""Window quantiles: arrangement, interpolation, random lead times, expected shortage."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, poisson

from workbench.contracts import columns as c
from workbench.errors import ContractError
from workbench.inventory.windows import (
    WindowForecasts,
    at_level,
    expected_demand,
    expected_shortage,
    lead_time_distribution,
    level_of_each,
    paths_reading,
    protection_quantiles,
    window_forecasts,
    windows_of_paths,
)

LEVELS = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99])
CUTOFF = pd.Timestamp("2017-10-08")


def _rows(item, window, values):
    return pd.DataFrame(
        {
            c.MODEL: "boosting",
            c.ITEM_ID: item,
            c.LOCATION_ID: "DC1",
            c.CUTOFF: CUTOFF,
            c.HORIZON_START: CUTOFF + pd.Timedelta(1, unit="D"),
            c.HORIZON_END: CUTOFF + pd.Timedelta(window, unit="D"),
            c.QUANTILE: LEVELS,
            c.VALUE: values,
        }
    )


def _normal(mean, sd):
    return mean + sd * norm.ppf(LEVELS)


def _forecasts():
    days = np.array([9, 10, 14, 21])
    values = np.array([[_normal(5 * d, 4 * d**0.5) for d in days]])
    return WindowForecasts(values[:, None], pd.DatetimeIndex([CUTOFF]), days, LEVELS)


def test_arranges_windows_in_the_order_of_the_series():
    frame = pd.concat([_rows("b", 9, 2 * LEVELS), _rows("a", 9, LEVELS), _rows("a", 1, 9 * LEVELS)])
    series = pd.DataFrame({c.ITEM_ID: ["a", "b"], c.LOCATION_ID: "DC1"})
    windows = window_forecasts(frame, series)
    assert windows.window_days.tolist() == [9]
    assert windows.values[:, 0, 0, -1] == pytest.approx([0.99, 1.98])


def test_puts_crossing_quantiles_in_order():
    crossing = LEVELS.copy()
    crossing[4] = 0.0
    series = pd.DataFrame({c.ITEM_ID: ["a"], c.LOCATION_ID: ["DC1"]})
    values = window_forecasts(_rows("a", 9, crossing), series).values[0, 0, 0]
    assert (np.diff(values) >= 0).all()


def test_refuses_to_mix_models():
    both = pd.concat([_rows("a", 9, LEVELS), _rows("a", 9, LEVELS).assign(model="naive")])
    series = pd.DataFrame({c.ITEM_ID: ["a"], c.LOCATION_ID: ["DC1"]})
    with pytest.raises(ContractError, match="2 models"):
        window_forecasts(both, series)


def test_names_the_series_without_forecast():
    series = pd.DataFrame({c.ITEM_ID: ["a", "z"], c.LOCATION_ID: "DC1"})
    with pytest.raises(ContractError, match="first item z at DC1"):
        window_forecasts(_rows("a", 9, LEVELS), series)


def test_fixed_lead_time_takes_the_window_as_forecast():
    windows = _forecasts()
    found = protection_quantiles(windows, np.array([7.0]), np.array([0.0]), review_days=7)
    assert found[0, 0] == pytest.approx(windows.values[0, 0, 2])


def test_between_windows_each_quantile_is_interpolated():
    windows = _forecasts()
    found = protection_quantiles(windows, np.array([5.0]), np.array([0.0]), review_days=7)
    assert found[0, 0] == pytest.approx(windows.values[0, 0, 1:3].mean(axis=0))


def test_random_lead_time_gives_the_mixture_of_its_windows():
    # second route: sample the lead time, then demand of that window
    windows = _forecasts()
    found = protection_quantiles(windows, np.array([7.0]), np.array([1.05]), review_days=7)[0, 0]
    days, weight = lead_time_distribution(7.0, 1.05)
    draw = np.random.default_rng(5)
    length = draw.choice(days, p=weight, size=200_000) + 7
    demand = draw.normal(5 * length, 4 * length**0.5)
    # the inner quantiles: the outer levels are only known up to 2.5% and 99%
    assert found[1:7] == pytest.approx(np.quantile(demand, LEVELS[1:7]), rel=0.02)


def test_random_lead_time_widens_the_distribution():
    windows = _forecasts()
    fixed = protection_quantiles(windows, np.array([7.0]), np.array([0.0]), review_days=7)[0, 0]
    varying = protection_quantiles(windows, np.array([7.0]), np.array([2.0]), review_days=7)[0, 0]
    assert varying[6] - varying[1] > fixed[6] - fixed[1]


def test_lead_times_are_whole_days_with_the_right_mean():
    days, weight = lead_time_distribution(14.0, 2.1)
    assert weight.sum() == pytest.approx(1.0)
    assert days @ weight == pytest.approx(14.0, abs=0.01)


def test_each_series_gets_its_own_target():
    values = np.array([LEVELS * 100, LEVELS * 10])
    found = level_of_each(values, LEVELS, np.array([0.5, 0.9625]))
    assert found == pytest.approx([50.0, 9.625])


def test_target_beyond_the_levels_takes_the_last_quantile():
    assert level_of_each(LEVELS[None] * 100, LEVELS, np.array([0.999]))[0] == pytest.approx(99.0)


def test_levels_in_between_are_linear():
    assert at_level(LEVELS * 8, LEVELS, np.array([0.3, 0.6])) == pytest.approx([2.4, 4.8])


def test_expected_shortage_of_normal_demand():
    # σ·G(z) with G the standard normal loss; the tail beyond 99% is cut off
    levels = np.linspace(0.005, 0.995, 100)
    values = (100 + 20 * norm.ppf(levels))[None]
    loss = norm.pdf(0.5) - 0.5 * norm.sf(0.5)
    found = expected_shortage(values, levels, np.array([110.0]))
    assert found[0] == pytest.approx(20 * loss, rel=0.03)
    assert expected_demand(values, levels)[0] == pytest.approx(100.0, rel=1e-3)


def _paths(quantities, item="a"):
    """`forecast_paths` rows of one series, paths by days; only days with demand, and the last."""
    path, day = np.nonzero(
        (quantities > 0) | (np.arange(quantities.shape[1]) == len(quantities.T) - 1)
    )
    return pd.DataFrame(
        {
            c.ITEM_ID: item, c.LOCATION_ID: "DC1", c.CUTOFF: CUTOFF, c.PATH: path,
            c.DATE: CUTOFF + pd.to_timedelta(day + 1, unit="D"), c.QUANTITY: quantities[path, day],
        }
    )  # fmt: skip


def test_windows_of_four_paths_worked_by_hand():
    # Sums after 1, 2, 3 days: 0 1 2 | 3 3 3 | 0 0 5 | 1 1 1. The median lies between the second and
    # the third of four, the 87.5% quantile is the largest (middles of quarters: 12.5, 37.5, ...).
    quantities = np.array([[0.0, 1, 1], [3, 0, 0], [0, 0, 5], [1, 0, 0]])
    series = pd.DataFrame({c.ITEM_ID: ["b", "a"], c.LOCATION_ID: "DC1"})
    found, known = windows_of_paths(_paths(quantities), series, np.array([0.5, 0.875]))
    assert known.tolist() == [1]
    assert found.window_days.tolist() == [1, 2, 3]
    assert found.values[0, 0].tolist() == [[0.5, 3], [1, 3], [2.5, 5]]


def test_windows_of_poisson_paths_are_poisson_within_sampling_error():
    # Independent days of rate 2: n of them are Poisson with rate 2 n. Of 4,000 paths a quantile's
    # level has a standard error of at most 0.8 points.
    draws = np.random.default_rng(1).poisson(2.0, (4_000, 14)).astype(float)
    series = pd.DataFrame({c.ITEM_ID: ["a"], c.LOCATION_ID: "DC1"})
    found, _ = windows_of_paths(_paths(draws), series, LEVELS)
    for days in (3, 9, 14):
        values = found.values[0, 0, days - 1]
        assert (poisson.cdf(np.floor(values), 2 * days) >= LEVELS - 0.024).all()
        assert (poisson.cdf(np.floor(values) - 1, 2 * days) <= LEVELS + 0.024).all()


def test_series_without_paths_are_said_to_rest_on_windows_alone():
    series = pd.DataFrame({c.ITEM_ID: ["other"], c.LOCATION_ID: "DC1"})
    for paths in (_paths(np.ones((2, 3))), pd.DataFrame()):
        found, known = windows_of_paths(paths, series, LEVELS)
        level = protection_quantiles(found, np.zeros(0), np.zeros(0), review_days=7)
        assert known.tolist() == []
        assert "None of these series" in paths_reading(level[:, 0], level[:, 0], LEVELS)


def test_the_reading_compares_both_ways_to_a_window():
    direct = np.tile(np.arange(10.0, 19), (4, 1))
    assert paths_reading(direct, direct * [[1.0], [1.08], [1.12], [1.2]], LEVELS) == (
        "4 series have joint paths: at 95% these put demand in the protection window at 1.10 of the"
        " forecast of windows, all series together; half of the series lie between 1.06 and 1.14."
    )


def test_paths_of_several_cutoffs_are_refused():
    two = pd.concat([_paths(np.ones((2, 3))), _paths(np.ones((2, 3)))], ignore_index=True)
    two.loc[: len(two) // 2 - 1, c.CUTOFF] -= pd.Timedelta(7, unit="D")
    series = pd.DataFrame({c.ITEM_ID: ["a"], c.LOCATION_ID: "DC1"})
    with pytest.raises(ContractError, match="forecast_paths: hold 2 cutoffs; expected one"):
        windows_of_paths(two, series, LEVELS)
