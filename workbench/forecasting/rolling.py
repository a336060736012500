"""The family that makes the forecast, rolled over the test cutoffs as it would be in use.

LightGBM with counts is refitted every few weeks and calibrated every week on all errors known by
then. Any other family is refitted every few weeks with the calibration of its own, and in between
forecasts from longer histories.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from workbench.forecasting.calibrated import expected, stacked
from workbench.forecasting.config import ForecastConfig
from workbench.forecasting.families import Judged, Setting, Stack, count_family, learn, stack
from workbench.forecasting.forecaster import FamilyForecaster, Forecaster, GlobalForecaster
from workbench.forecasting.global_model import GlobalModel, fit_mean_model
from workbench.forecasting.losses import pit_of_quantiles
from workbench.forecasting.members import LightGBMFitted, threads
from workbench.forecasting.periods import HISTORY_DAYS, STEP_DAYS, Periods
from workbench.forecasting.protocol import (
    Cost,
    Distributed,
    Family,
    Fitted,
    Task,
    checked,
    known_by,
    measured,
)


@dataclass(frozen=True)
class Rolled:
    """The chosen family over the test cutoffs.

    Attributes:
        forecasters: As it was at each test cutoff.
        final: Refitted on all history.
        case: Outcomes of the judged cutoffs.
        judged: What it forecast, in that order.
        cost: Of all fits and forecasts.
    """

    forecasters: dict[int, Forecaster]
    final: Forecaster
    case: Stack
    judged: Judged
    cost: Cost


def task_of(setting: Setting, periods: Periods) -> Task:
    """What is asked of the families that are tried."""
    return Task(
        setting.windows, setting.levels, setting.seed, spacing=STEP_DAYS,
        cutoffs=len(periods.calibrate), start=HISTORY_DAYS,
    )  # fmt: skip


def roll_counts(setting: Setting, config: ForecastConfig, periods: Periods) -> Rolled:
    """LightGBM with counts: the last calibration rests on the test cutoffs."""
    batches, last = _batches(periods, config), setting.panel.units.shape[1] - 1
    known = [periods.calibrate[0], *(batch[0] for batch in batches), last]
    with ThreadPoolExecutor(threads()) as pool:
        fit = partial(_fit, setting, config, reach=periods.reach)
        (early, *middle, latest), training = measured(lambda: list(pool.map(fit, known)))
    past = _stack(setting, periods.calibrate, early, periods)
    (forecasters, case, judged), rolling = measured(
        lambda: _roll(setting, batches, middle, periods, past)
    )
    final = GlobalForecaster(latest, learn(setting, case), setting.windows)
    return Rolled(forecasters, final, case, judged, training + rolling)


def roll_family(
    name: str, family: Family, setting: Setting, config: ForecastConfig, periods: Periods
) -> Rolled:
    """Any family of the protocol, each time with all that was known.

    Raises:
        ContractError: A forecast breaks the protocol, or the history is too short for the family.
    """
    task, panel = task_of(setting, periods), setting.panel
    forecasters: dict[int, Forecaster] = {}
    cases, parts, cost = [], [], Cost()
    for batch in _batches(periods, config):
        history = known_by(panel, batch[0])
        fitted, fitting = measured(partial(family.fit, history, task))
        checked(fitted.forecast(history), history, task, family=name)
        forecasters |= dict.fromkeys(batch, FamilyForecaster(name, fitted, task))
        ended = [cutoff for cutoff in batch if cutoff in periods.judged]
        cost += fitting
        if ended:
            (case, quantiles), spent = measured(partial(stacked, setting, ended, fitted))
            cases.append(case)
            pit = _pit(setting, fitted, case, quantiles)
            parts.append(Judged(case.mean, quantiles, pit))
            cost += spent
    latest, fitting = measured(partial(family.fit, panel, task))
    final = FamilyForecaster(name, latest, task)
    return Rolled(forecasters, final, Stack.of(cases), Judged.of(parts), cost + fitting)


def _pit(
    setting: Setting, fitted: Fitted, case: Stack, quantiles: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Randomised PIT in the order of the stack, from quantiles where the family knows no more."""
    seed = setting.seed + 1
    if not isinstance(fitted, Distributed):
        return pit_of_quantiles(case.actual, quantiles, setting.levels, seed=seed)
    cutoffs = np.unique(case.cutoff)
    actual = case.actual.reshape(len(cutoffs), len(setting.windows), -1)
    each = [
        fitted.pit(known_by(setting.panel, int(cutoff)), came.T, seed=seed + place).T
        for place, (cutoff, came) in enumerate(zip(cutoffs, actual, strict=True))
    ]
    return np.stack(each).ravel()


def _batches(periods: Periods, config: ForecastConfig) -> list[tuple[int, ...]]:
    """Test cutoffs from one refit to the next."""
    every = range(0, len(periods.test), config.refit_weeks)
    return [periods.test[place : place + config.refit_weeks] for place in every]


def _fit(setting: Setting, config: ForecastConfig, known: int, *, reach: int) -> GlobalModel:
    """The mean model, as it could be trained at column `known`."""
    steps = list(range(HISTORY_DAYS, known - reach + 1, STEP_DAYS))
    return fit_mean_model(
        setting.panel, steps, setting.windows, trees=config.trees, seed=config.seed
    )


def _stack(setting: Setting, cutoffs: Sequence[int], model: GlobalModel, periods: Periods) -> Stack:
    """What a model expected from past cutoffs beside what occurred."""
    fitted = LightGBMFitted(model, task_of(setting, periods))
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
    used = {cutoff: model for batch, model in zip(batches, models, strict=True)
            for cutoff in batch}  # fmt: skip
    cases = {k: _stack(setting, [k], used[k], periods) for k in used if k in periods.judged}
    every = past.joined(Stack.of(list(cases.values())))

    def calibrated(cutoff: int) -> tuple[Forecaster, Judged | None]:
        learned = learn(setting, every.where(every.ends <= cutoff))
        made = GlobalForecaster(used[cutoff], learned, setting.windows)
        if cutoff not in cases:
            return made, None
        return made, count_family(learned, cases[cutoff], seed=setting.seed + 1)

    with ThreadPoolExecutor(threads()) as pool:
        weekly = list(pool.map(calibrated, used))
    forecasters = {cutoff: made for cutoff, (made, _) in zip(used, weekly, strict=True)}
    judged = [judged for _, judged in weekly if judged is not None]
    return forecasters, Stack.of(list(cases.values())), Judged.of(judged)
