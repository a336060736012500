"""How a trial is fitted into the history that there is."""

import pytest

from workbench.errors import ContractError
from workbench.forecasting.config import ForecastConfig
from workbench.forecasting.periods import days_of, periods_of, windows_of, within_history


def _fits(panel, config):
    for windows in (windows_of(config), days_of(config)):
        periods_of(panel, windows, config)


def test_a_year_takes_the_trial_as_asked_for(make_panel):
    config = ForecastConfig()
    assert within_history(make_panel(series=2, days=365), config) == config


@pytest.mark.parametrize("days", range(183, 275, 7))
def test_what_is_chosen_always_fits(make_panel, days):
    panel = make_panel(series=2, days=days)
    _fits(panel, within_history(panel, ForecastConfig()))


def test_fewer_test_cutoffs_before_less_calibration(make_panel):
    used = within_history(make_panel(series=2, days=240), ForecastConfig())
    assert (used.test_cutoffs, used.calibration_weeks) == (8, 9)


def test_a_day_less_than_the_least_is_refused_with_the_least(make_panel):
    with pytest.raises(ContractError, match="182 days of history; expected at least 183"):
        within_history(make_panel(series=2, days=182), ForecastConfig())


def test_the_least_that_a_refusal_names_is_enough(make_panel):
    panel = make_panel(series=2, days=183)
    used = within_history(panel, ForecastConfig())
    assert used.test_cutoffs == 4
    _fits(panel, used)
