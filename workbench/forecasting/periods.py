"""Which past days a forecast is trained, calibrated and tried on, and what it reaches for."""

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.errors import ContractError
from workbench.forecasting.config import ForecastConfig
from workbench.forecasting.global_model import Window
from workbench.forecasting.panel import Panel

HISTORY_DAYS = 91  # needed before the first training cutoff
STEP_DAYS = 7


@dataclass(frozen=True)
class Periods:
    """Columns of cutoffs by what they are for.

    Attributes:
        reach: Days that the longest forecast reaches after a cutoff.
        calibrate: Where spread, bias and levels are learned; every window ends before the test.
        learn: The first of them, to calibrate families before they are compared.
        choose: The last of them, on which families are compared before the test.
        test: Where the chosen family is tried.
        judged: Those of `test` whose every window has ended.
    """

    reach: int
    calibrate: tuple[int, ...]
    learn: tuple[int, ...]
    choose: tuple[int, ...]
    test: tuple[int, ...]
    judged: tuple[int, ...]


def windows_of(config: ForecastConfig) -> tuple[Window, ...]:
    """The windows to forecast as windows."""
    return tuple(Window(1, length) for length in sorted(set(config.windows_days)))


def days_of(config: ForecastConfig) -> tuple[Window, ...]:
    """Each day of the horizon as a window of its own."""
    return tuple(Window(day, 1) for day in range(1, config.horizon_days + 1))


def sampled_days(config: ForecastConfig) -> tuple[Window, ...]:
    """Days on which the daily model is trained and judged: the lead is one of its features."""
    days = [d for d in (1, 2, 3, 5, 7, 11, 15, 21) if d < config.horizon_days]
    return tuple(Window(day, 1) for day in [*days, config.horizon_days])


def within_history(panel: Panel, config: ForecastConfig) -> ForecastConfig:
    """The same configuration, with fewer weeks of test and calibration where history is short.

    The number of test cutoffs gives way first, down to six; then calibration; then both, down to
    the least that still tries the forecast once.

    Raises:
        ContractError: The history is too short even for that.
    """
    days = panel.units.shape[1]
    reach = max(*config.windows_days, config.horizon_days)
    least_tests = max(4, -(-reach // STEP_DAYS))
    plans = [(tests, config.calibration_weeks) for tests in range(config.test_cutoffs, 5, -1)]
    plans += [(6, weeks) for weeks in range(config.calibration_weeks, 5, -1)]
    plans += [(tests, weeks) for weeks in (5, 4) for tests in range(6, least_tests - 1, -1)]
    for tests, weeks in plans:
        if tests <= config.test_cutoffs and weeks <= config.calibration_weeks:
            tried = config.model_copy(update={"test_cutoffs": tests, "calibration_weeks": weeks})
            if _days_needed(tried, reach) <= days:
                return tried
    least = config.model_copy(update={"test_cutoffs": least_tests, "calibration_weeks": 4})
    raise ContractError(
        f"sales: {days} days of history; expected at least {_days_needed(least, reach)} for"
        f" training, calibration and test of forecasts {reach} days ahead: ingest a longer history,"
        " or give shorter windows_days and horizon_days."
    )


def _days_needed(config: ForecastConfig, reach: int) -> int:
    """Days of history behind the first calibration cutoff, and from it to the last day."""
    weeks = config.test_cutoffs + max(1, config.calibration_weeks - reach // STEP_DAYS) - 1
    return 1 + STEP_DAYS * weeks + reach + HISTORY_DAYS + STEP_DAYS + reach


def periods_of(panel: Panel, windows: Sequence[Window], config: ForecastConfig) -> Periods:
    """Divide history into weekly cutoffs for training, calibration, choice and test.

    Raises:
        ContractError: The history is too short; `within_history` says what fits.
    """
    reach = max(w.start + w.length - 1 for w in windows)
    last = panel.units.shape[1] - 1
    test = [last - STEP_DAYS * k for k in range(config.test_cutoffs, 0, -1)]
    count = max(1, config.calibration_weeks - reach // STEP_DAYS)
    calibrate = [test[0] - reach - STEP_DAYS * k for k in reversed(range(count))]
    needed = _days_needed(config, reach)
    if panel.units.shape[1] < needed:
        raise ContractError(
            f"sales: {panel.units.shape[1]} days of history; expected at least {needed} for"
            " training, calibration and test: give fewer test_cutoffs or calibration_weeks."
        )
    judged = [k for k in test if k + reach <= last]
    if not judged:
        raise ContractError(
            f"test_cutoffs: {config.test_cutoffs} weeks, of which none is {reach} days before the"
            f" last day; expected more than {reach // STEP_DAYS}: give more test_cutoffs."
        )
    choose = [k for k in calibrate if k >= calibrate[0] + reach]
    learned = [k for k in calibrate if choose and k + reach <= choose[0]]
    return Periods(reach, *(tuple(part) for part in (calibrate, learned, choose, test, judged)))
