"""Rolling-origin backtest and the forecast that follows from it.

In time, without overlap:

    train ──► calibrate ──► test cutoffs ──► as-of date

A first model is trained before the calibration period, on which spread, bias and levels are learned
from its errors. Over the test cutoffs the model is refitted every few weeks, as it would be in use,
and calibrated every week on all errors known by then. The last, refitted on all history, makes the
forecast, calibrated on the test cutoffs (`rolling.py`, for any other family too). The families were
compared, and one was chosen, on the last weeks of the calibration period only.

Nothing after a cutoff is seen from it, apart from promotions that were planned.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.contracts import columns as c
from workbench.contracts.tables import REPLENISHMENT
from workbench.forecasting import catalogue
from workbench.forecasting.calibrated import Counts
from workbench.forecasting.config import ForecastConfig
from workbench.forecasting.families import CHOSEN, NAIVE, QUANTILES, RATES, Setting
from workbench.forecasting.forecaster import Forecaster
from workbench.forecasting.global_model import Window
from workbench.forecasting.members import LightGBMMean
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
from workbench.forecasting.protocol import Family
from workbench.forecasting.rolling import roll_counts, roll_family, task_of
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
__all__ = ["CHOSEN", "FAMILIES", "HISTORY_DAYS", "NAIVE", "RATES", "STEP_DAYS", "Backtest",
           "Forecaster", "backtest", "days_of", "forecast_rows", "periods_of", "sampled_days",
           "windows_of", "within_history"]  # fmt: skip


@dataclass(frozen=True)
class Backtest:
    """What the trial on past cutoffs showed.

    Attributes:
        family: The family that makes the forecast.
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

    family: str
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
    choose: bool = True,
    say: Say = lambda text: None,
) -> Backtest:
    """Try the families on past cutoffs and fit the one that makes the forecast, `config.family`.

    Args:
        panel: All history up to the as-of date.
        windows: What is forecast from each cutoff.
        config: Family, cutoffs, levels, size of the model.
        families: What to try besides the chosen family, LightGBM with counts and seasonal naive.
        own: Families that do not ship, by name, to try beside them.
        choose: Compare the families on the weeks before the test as well.
        say: Told what is being done.

    Raises:
        ContractError: The history is too short for training, calibration and test.
    """
    every = {CHOSEN: Counts(LightGBMMean(config.trees)), **_tried(families, own or {}, config)}
    setting = Setting(panel, tuple(windows), np.asarray(config.quantiles), config.seed)
    periods = periods_of(panel, setting.windows, config)
    say("training")
    rolled = (
        roll_counts(setting, config, periods)
        if config.family == CHOSEN
        else roll_family(config.family, every[config.family], setting, config, periods)
    )
    say("trying the families")
    rivals = {name: family for name, family in every.items() if name != config.family}
    tried = try_families(panel, rivals, periods.judged, task_of(setting, periods))
    case, judged = rolled.case, {config.family: rolled.judged, **tried.judged}
    return Backtest(
        family=config.family,
        scores=score_table(setting, case, judged),
        choice=_choice(setting, every, periods) if choose else pd.DataFrame(),
        cost=cost_table({config.family: rolled.cost, **tried.cost}),
        segments=segment_table(setting, case, judged, chosen=config.family),
        calibration=calibration_table(setting, case, rolled.judged),
        segment_calibration=segment_calibration(setting, case, rolled.judged),
        errors=error_rows(setting, case, judged, chosen=config.family),
        forecasters=rolled.forecasters,
        final=rolled.final,
        cutoffs=periods.test,
    )


def _tried(
    families: Sequence[str], own: Mapping[str, Family], config: ForecastConfig
) -> dict[str, Family]:
    """The families by name; the sequence model only where it is among one's own."""
    names = dict.fromkeys((NAIVE, *families, config.family))
    shipped = [name for name in names if name not in {CHOSEN, catalogue.DEEP, *own}]
    return {**catalogue.families(shipped), **own}


def forecast_rows(
    panel: Panel, forecaster: Forecaster, cutoff: int, windows: Sequence[Window], levels: Array
) -> pd.DataFrame:
    """Rows of the `forecasts` table from one cutoff, without run_id."""
    day = panel.first_day + pd.Timedelta(days=cutoff)
    if panel.parts is None or forecaster.name != CHOSEN:
        found = _quantiles(panel, forecaster, cutoff, windows, levels)
    else:
        found = np.concatenate(
            panel.parts.map(_quantiles, forecaster, cutoff, tuple(windows), levels)
        )
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
            c.MODEL: forecaster.name,
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
    panel: Panel, forecaster: Forecaster, cutoff: int, windows: Sequence[Window], levels: Array
) -> Array:
    """Shape (series, windows, levels)."""
    return forecaster.quantiles_at(panel, cutoff, windows, levels)


def _choice(setting: Setting, every: Mapping[str, Family], periods: Periods) -> pd.DataFrame:
    """Score the families, the chosen one too, on the last calibration cutoffs."""
    if not (periods.learn and periods.choose):
        return pd.DataFrame()
    trial = try_families(setting.panel, every, periods.choose, task_of(setting, periods))
    return score_table(setting, trial.case, trial.judged)
