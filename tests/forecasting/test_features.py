"""Features see what was known at the cutoff, and a look into the future is caught."""

import numpy as np
import pandas as pd
import pytest

from workbench.errors import ContractError
from workbench.forecasting.features import DRIVERS, NAMES, features_at, known_at, targets_at
from workbench.forecasting.global_model import Window, training_rows
from workbench.forecasting.leaks import check_no_leak
from workbench.forecasting.patterns import PATTERNS, SEGMENTS, demand_pattern, segment

CUTOFF = 250
WINDOWS = [Window(1, 14), Window(5, 1)]


def compute(window):
    return lambda panel, cutoff: features_at(
        panel, cutoff, start=window.start, length=window.length
    )


def test_every_feature_belongs_to_a_driver(make_panel):
    assert list(DRIVERS) == NAMES
    assert features_at(make_panel(), 200, start=1, length=14).shape == (60, len(NAMES))


@pytest.mark.parametrize("window", WINDOWS)
def test_features_do_not_change_when_the_future_does(make_panel, window):
    check_no_leak(compute(window), make_panel(), CUTOFF)


@pytest.mark.parametrize("window", WINDOWS)
def test_features_are_those_of_the_panel_cut_at_the_cutoff(make_panel, window):
    panel = make_panel()
    cut = panel.until(panel.first_day + pd.Timedelta(days=CUTOFF))
    assert np.array_equal(compute(window)(panel, CUTOFF), compute(window)(cut, CUTOFF))


def test_a_feature_that_looks_one_day_too_far_is_caught_and_named(make_panel):
    def leak(panel, cutoff):
        return panel.units[:, cutoff - 6 : cutoff + 2].mean(axis=1)

    with pytest.raises(ContractError, match=r"^cutoff 250: \d+ of 60 values depend on later days,"):
        check_no_leak(leak, make_panel(), CUTOFF)


def test_a_price_of_tomorrow_is_caught(make_panel):
    with pytest.raises(ContractError, match=r"the first at \[0\]"):
        check_no_leak(lambda panel, cutoff: panel.price[:, cutoff + 1], make_panel(), CUTOFF)


def test_outcomes_are_a_leak_and_the_check_says_so(make_panel):
    with pytest.raises(ContractError, match="expected none"):
        check_no_leak(
            lambda panel, k: targets_at(panel, k, start=1, length=7), make_panel(), CUTOFF
        )


def test_a_check_without_a_future_is_refused(make_panel):
    with pytest.raises(ContractError, match="choose an earlier cutoff"):
        check_no_leak(compute(WINDOWS[0]), make_panel(), 364)


def test_promotions_that_are_planned_are_seen(make_panel):
    panel = make_panel()
    column = features_at(panel, CUTOFF, start=1, length=7)[:, NAMES.index("display_ahead")]
    assert column == pytest.approx(panel.promoted[0, :, CUTOFF + 1 : CUTOFF + 8].mean(axis=1))


def test_days_since_the_last_sale(make_panel):
    panel = make_panel(series=3)
    panel.units[:, 200:251] = 0
    panel.units[0, 250], panel.units[1, 247] = 1, 1
    days = known_at(panel, 250).columns["days_since_sale"]
    assert days[:2] == pytest.approx([0, 3])
    assert days[2] >= 51


def test_training_refuses_windows_whose_demand_is_not_known(make_panel):
    with pytest.raises(ValueError, match="ends after the panel"):
        training_rows(make_panel(), [360], [Window(1, 14)], rows=100, seed=0)


def test_demand_patterns_by_interval_and_variation(make_panel):
    # Cut at 1.32 days between demands and squared variation 0.49: every day 5 is smooth; 1 or 9 a
    # day (0.64) is erratic; 5 every other day is intermittent; 1 or 9 every other day is lumpy.
    panel = make_panel(series=4, days=100)
    panel.units[:] = 0
    panel.units[0] = 5
    panel.units[1] = np.tile([1, 9], 50)
    panel.units[2, ::2] = 5
    panel.units[3, ::2] = np.tile([1, 9], 25)
    assert [PATTERNS[i] for i in demand_pattern(panel, 99)] == [
        "smooth", "erratic", "intermittent", "lumpy",
    ]  # fmt: skip
    assert [SEGMENTS[i] for i in segment(panel, 99)] == [
        "one store, smooth", "all stores, erratic", "one store, intermittent", "all stores, lumpy",
    ]  # fmt: skip
