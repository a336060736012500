"""Rolling-origin backtest and the forecast that follows from it.

In time, without overlap:

    train ──► calibrate ──► test cutoffs ──► as-of date

A first model is trained before the calibration period, on which spread, bias and levels are learned
from its errors. Over the test cutoffs the model is refitted every few weeks, as it would be in use,
and calibrated every week on all errors known by then. The last, refitted on all history, makes the
forecast, calibrated on the test cutoffs. The families were compared, and one was chosen, on the
last weeks of the calibration period only.

Nothing after a cutoff is seen from it, apart from promotions that were planned.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.contracts import columns as c
from workbench.contracts.tables import REPLENISHMENT
from workbench.forecasting import catalogue
from workbench.forecasting.calibrated import Counts, count_forecast, expected, groups_of
from workbench.forecasting.config import ForecastConfig
from workbench.forecasting.distribution import CountDistribution
from workbench.forecasting.families import (
    CHOSEN,
    NAIVE,
    QUANTILES,
    RATES,
    Judged,
    Setting,
    Stack,
    count_family,
    learn,
    stack,
)
from workbench.forecasting.features import Known, known_at
from workbench.forecasting.global_model import GlobalModel, Window, fit_mean_model
from workbench.forecasting.members import LightGBMFitted, LightGBMMean, threads
from workbench.forecasting.panel import Panel
from workbench.forecasting.periods import (
    HISTORY_DAYS,
    STEP_DAYS,
    Periods,
    days_of,
    periods_of,
    sampled_days,
    windows_of,
    within_history,
)
from workbench.forecasting.protocol import Family, Forecast, Task, measured
from workbench.forecasting.scores import (
    calibration_table,
    error_rows,
    score_table,
    segment_calibration,
    segment_table,
)
from workbench.forecasting.trial import cost_table, try_families

Array = npt.NDArray[np.float64]
Say = Callable[[str], None]
FAMILIES = (QUANTILES, *RATES)  # tried besides the chosen family and seasonal naive
__all__ = ["CHOSEN", "FAMILIES", "NAIVE", "RATES", "Backtest", "Forecaster", "backtest",
           "days_of", "forecast_rows", "periods_of", "sampled_days", "windows_of",
           "within_history"]  # fmt: skip


@dataclass(frozen=True)
class Forecaster:
    """Expected demand by one model, made into quantiles by one calibration."""

    model: GlobalModel
    distribution: CountDistribution
    windows: tuple[Window, ...]

    def quantiles(self, panel: Panel, cutoff: int, window: Window) -> Array:
        """Whole-number quantiles of a window, shape (series, levels)."""
        return self.quantiles_of(panel, cutoff, [window])[0]

    def quantiles_of(self, panel: Panel, cutoff: int, windows: Sequence[Window]) -> list[Array]:
        """Whole-number quantiles of several windows from one cutoff."""
        return list(self.forecast(panel, cutoff, windows).quantiles.swapaxes(0, 1))

    def forecast(self, panel: Panel, cutoff: int, windows: Sequence[Window]) -> Forecast:
        """Expected demand, past bias removed, and quantiles of several windows from one cutoff."""
        setting, known = self._setting(panel), known_at(panel, cutoff)
        mean = self._mean(panel, windows, known)
        return count_forecast(self.distribution, setting, mean, windows=windows, known=known)

    def expected(
        self, panel: Panel, cutoff: int, windows: Sequence[Window]
    ) -> tuple[Array, npt.NDArray[np.int64]]:
        """What the model expects, bias and all, and calibration groups, (series, windows) each."""
        known = known_at(panel, cutoff)
        mean = self._mean(panel, windows, known)
        return mean, groups_of(self._setting(panel), mean, windows, known)

    def _mean(self, panel: Panel, windows: Sequence[Window], known: Known) -> Array:
        each = [self.model.mean(panel, known.cutoff, window, known) for window in windows]
        return np.stack(each, axis=1)

    def _setting(self, panel: Panel) -> Setting:
        return Setting(panel, self.windows, self.distribution.levels, seed=0)


@dataclass(frozen=True)
class Backtest:
    """What the trial on past cutoffs showed.

    Attributes:
        scores: Per family, on the test cutoffs: see `scores.score_table`.
        choice: The same on the weeks before the test, from which the family was chosen; empty
            where the calibration period is too short for it.
        cost: What trying each family on the test cutoffs took, refits of the chosen one included:
            see `trial.cost_table`. Differs from run to run.
        segments: Per kind of site and demand pattern: see `scores.segment_table`.
        calibration: Per level: share of outcomes by randomised PIT, and raw coverage.
        segment_calibration: The same per kind of site and demand pattern.
        errors: Per cutoff and series, window of 14 days or the nearest: actual, median, losses.
        forecasters: The chosen family by the test cutoff at which it was calibrated.
        final: The same, refitted on all history, calibrated on the test cutoffs.
        cutoffs: Columns of the test cutoffs.
    """

    scores: pd.DataFrame
    choice: pd.DataFrame
    cost: pd.DataFrame
    segments: pd.DataFrame
    calibration: pd.DataFrame
    segment_calibration: pd.DataFrame
    errors: pd.DataFrame
    forecasters: dict[int, Forecaster]
    final: Forecaster
    cutoffs: tuple[int, ...]

    def forecaster_at(self, cutoff: int) -> Forecaster:
        """The chosen family as it was at a test cutoff."""
        return self.forecasters[max(start for start in self.forecasters if start <= cutoff)]


def backtest(
    panel: Panel,
    windows: Sequence[Window],
    config: ForecastConfig,
    *,
    families: Sequence[str] = FAMILIES,
    own: Mapping[str, Family] | None = None,
    say: Say = lambda text: None,
) -> Backtest:
    """Try the families on past cutoffs and fit the one that makes the forecast.

    Args:
        panel: All history up to the as-of date.
        windows: What is forecast from each cutoff.
        config: Cutoffs, levels, size of the model.
        families: What to try besides the chosen family and seasonal naive.
        own: Families that do not ship, by name, to try beside them.
        say: Told what is being done.

    Raises:
        ContractError: The history is too short for training, calibration and test.
    """
    tried = {**catalogue.families((NAIVE, *families)), **(own or {})}
    setting = Setting(panel, tuple(windows), np.asarray(config.quantiles), config.seed)
    periods = periods_of(panel, setting.windows, config)
    batches = [
        periods.test[place : place + config.refit_weeks]
        for place in range(0, len(periods.test), config.refit_weeks)
    ]
    last = panel.units.shape[1] - 1
    say("training")
    known = [periods.calibrate[0], *(batch[0] for batch in batches), last]
    with ThreadPoolExecutor(threads()) as pool:
        (early, *middle, latest), training = measured(
            lambda: list(pool.map(lambda day: _fit(setting, config, day, periods.reach), known))
        )
    say("trying the families")
    past = _stack(setting, periods.calibrate, early, periods)
    (forecasters, case, judged), rolling = measured(
        lambda: _roll(setting, batches, middle, periods, past)
    )
    rivals = try_families(panel, tried, periods.judged, _task(setting, periods))
    every = {CHOSEN: judged, **rivals.judged}
    return Backtest(
        scores=score_table(setting, case, every),
        choice=_choice(setting, tried, periods, config),
        cost=cost_table({CHOSEN: training + rolling, **rivals.cost}),
        segments=segment_table(setting, case, every),
        calibration=calibration_table(setting, case, judged),
        segment_calibration=segment_calibration(setting, case, judged),
        errors=error_rows(setting, case, every),
        forecasters=forecasters,
        final=Forecaster(latest, learn(setting, case), setting.windows),
        cutoffs=periods.test,
    )


def forecast_rows(
    panel: Panel, forecaster: Forecaster, cutoff: int, windows: Sequence[Window], levels: Array
) -> pd.DataFrame:
    """Rows of the `forecasts` table from one cutoff, without run_id."""
    day = panel.first_day + pd.Timedelta(days=cutoff)
    if panel.parts is None:
        found = _quantiles(panel, forecaster, cutoff, windows)
    else:
        found = np.concatenate(panel.parts.map(_quantiles, forecaster, cutoff, tuple(windows)))
    values = found.swapaxes(0, 1)  # (windows, series, levels)
    each, count, width = values.shape
    starts = [day + pd.Timedelta(days=w.start) for w in windows]
    ends = [day + pd.Timedelta(days=w.start + w.length - 1) for w in windows]
    keys = {
        name: np.tile(np.repeat(panel.series[name].to_numpy(), width), each)
        for name in (c.ITEM_ID, c.LOCATION_ID)
    }
    return pd.DataFrame(
        {
            c.MODEL: CHOSEN,
            **keys,
            c.CUTOFF: day,
            c.HORIZON_START: np.repeat(pd.DatetimeIndex(starts), count * width),
            c.HORIZON_END: np.repeat(pd.DatetimeIndex(ends), count * width),
            c.QUANTILE: np.tile(levels, each * count),
            c.VALUE: values.ravel(),
            c.SERVES: REPLENISHMENT,
        }
    )


def _quantiles(
    panel: Panel, forecaster: Forecaster, cutoff: int, windows: Sequence[Window]
) -> Array:
    """Shape (series, windows, levels)."""
    return np.stack(forecaster.quantiles_of(panel, cutoff, windows), axis=1)


def _fit(setting: Setting, config: ForecastConfig, known: int, reach: int) -> GlobalModel:
    """The mean model, as it could be trained at column `known`."""
    return fit_mean_model(
        setting.panel, _steps(known - reach), setting.windows, trees=config.trees, seed=config.seed
    )


def _stack(setting: Setting, cutoffs: Sequence[int], model: GlobalModel, periods: Periods) -> Stack:
    """What a model expected from past cutoffs beside what occurred."""
    fitted = LightGBMFitted(model, _task(setting, periods))
    return stack(setting, cutoffs, expected(setting, fitted))


def _roll(
    setting: Setting,
    batches: Sequence[Sequence[int]],
    models: Sequence[GlobalModel],
    periods: Periods,
    past: Stack,
) -> tuple[dict[int, Forecaster], Stack, Judged]:
    """Calibrate every week on all windows that have ended by then, and judge.

    Args:
        setting: History, windows and levels.
        batches: Test cutoffs from one refit to the next.
        models: Fitted as of the first cutoff of each batch.
        periods: Cutoffs.
        past: Forecasts from the calibration cutoffs and their outcomes.
    """
    forecasters, cases, judged = {}, [], []
    used = [(cutoff, model) for batch, model in zip(batches, models, strict=True)
            for cutoff in batch]  # fmt: skip
    for cutoff, model in used:
        learned = learn(setting, past.where(past.ends <= cutoff))
        forecasters[cutoff] = Forecaster(model, learned, setting.windows)
        if cutoff in periods.judged:
            case = _stack(setting, [cutoff], model, periods)
            past = past.joined(case)
            cases.append(case)
            judged.append(count_family(learned, case, seed=setting.seed + 1))
    return forecasters, Stack.of(cases), Judged.of(judged)


def _choice(
    setting: Setting, tried: Mapping[str, Family], periods: Periods, config: ForecastConfig
) -> pd.DataFrame:
    """Score the families, the chosen one too, on the last calibration cutoffs."""
    if not (periods.learn and periods.choose):
        return pd.DataFrame()
    task = _task(setting, periods)
    every = {CHOSEN: Counts(LightGBMMean(config.trees)), **tried}
    trial = try_families(setting.panel, every, periods.choose, task)
    return score_table(setting, trial.case, trial.judged)


def _task(setting: Setting, periods: Periods) -> Task:
    """What is asked of the families that are tried."""
    return Task(
        setting.windows, setting.levels, setting.seed, spacing=STEP_DAYS,
        cutoffs=len(periods.calibrate), start=HISTORY_DAYS,
    )  # fmt: skip


def _steps(last: int) -> list[int]:
    return list(range(HISTORY_DAYS, last + 1, STEP_DAYS))
