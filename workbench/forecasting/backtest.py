"""Rolling-origin backtest and the forecast that follows from it.

In time, without overlap:

    train ──► calibrate ──► test cutoffs ──► as-of date

A first model is trained before the calibration period, on which spread, bias and levels are learned
from its errors. A second one, refitted up to the first test cutoff, is judged with them on the test
cutoffs. The last, refitted on all history, makes the forecast, calibrated on the test cutoffs.

Nothing after a cutoff is seen from it, apart from promotions that were planned.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.contracts import columns as c
from workbench.errors import ContractError
from workbench.forecasting import intermittent, losses
from workbench.forecasting.config import ForecastConfig
from workbench.forecasting.distribution import (
    CountDistribution,
    fit_distribution,
    group_count,
    mean_group,
)
from workbench.forecasting.features import targets_at
from workbench.forecasting.global_model import GlobalModel, Window, fit_mean_model
from workbench.forecasting.naive import seasonal_naive, seasonal_naive_quantiles
from workbench.forecasting.panel import Panel

Array = npt.NDArray[np.float64]
Say = Callable[[str], None]
HISTORY_DAYS = 91  # needed before the first training cutoff
STEP_DAYS = 7
CHOSEN = "lightgbm_counts"
NAIVE = "seasonal_naive"
_RATES: dict[str, Callable[[Array], Array]] = {
    "croston": intermittent.croston,
    "sba": intermittent.sba,
    "tsb": intermittent.tsb,
}


@dataclass(frozen=True)
class Case:
    """Outcomes and forecasts of several cutoffs and windows, one row per series, stacked."""

    cutoff: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]
    actual: Array
    mean: Array
    group: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Forecaster:
    """Expected demand by one model, made into quantiles by one calibration."""

    model: GlobalModel
    distribution: CountDistribution
    windows: tuple[Window, ...]

    def quantiles(self, panel: Panel, cutoff: int, window: Window) -> Array:
        """Whole-number quantiles of a window, shape (series, levels)."""
        mean = self.model.mean(panel, cutoff, window)
        group = mean_group(mean, _block(panel, self.windows, window))
        return self.distribution.quantiles(mean, group)


@dataclass(frozen=True)
class Backtest:
    """What the trial on past cutoffs showed.

    Attributes:
        scores: Per model: value-weighted MAPE, pinball loss, coverage of 90%, bias.
        calibration: Per level: share of outcomes by randomised PIT, and raw coverage.
        errors: Per cutoff and series, window of 14 days or the nearest: actual, median, losses.
        forecaster: The chosen family as it was at the first test cutoff.
        final: The same, refitted on all history, calibrated on the test cutoffs.
        cutoffs: Columns of the test cutoffs.
    """

    scores: pd.DataFrame
    calibration: pd.DataFrame
    errors: pd.DataFrame
    forecaster: Forecaster
    final: Forecaster
    cutoffs: tuple[int, ...]


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


def backtest(
    panel: Panel,
    windows: Sequence[Window],
    config: ForecastConfig,
    *,
    rivals: Sequence[str] = tuple(_RATES),
    say: Say = lambda text: None,
) -> Backtest:
    """Try the families on past cutoffs and fit the one that makes the forecast.

    Args:
        panel: All history up to the as-of date.
        windows: What is forecast from each cutoff.
        config: Cutoffs, levels, size of the model.
        rivals: Families to try besides the naive one.
        say: Told what is being done.

    Raises:
        ContractError: The history is too short for training, calibration and test.
    """
    windows = tuple(windows)
    last = panel.units.shape[1] - 1
    reach = max(w.start + w.length - 1 for w in windows)
    test, calibrate = _cutoffs(panel, config, reach)
    first = test[0]
    options = {"trees": config.trees, "seed": config.seed}
    say("training up to the calibration period")
    early = fit_mean_model(panel, _steps(calibrate[0] - reach), windows, **options)
    learned = _learn(_collect(panel, early.mean, calibrate, windows), windows, config)
    say("training up to the first test cutoff")
    model = fit_mean_model(panel, _steps(first - reach), windows, **options)
    judged = [cutoff for cutoff in test if cutoff + reach <= last]
    case = _collect(panel, model.mean, judged, windows)
    say("trying the other families")
    quantiles = {CHOSEN: learned.quantiles(case.mean, case.group), **_others(
        panel, calibrate, judged, windows, config, rivals)}  # fmt: skip
    say("training on all history")
    latest = fit_mean_model(panel, _steps(last - reach), windows, **options)
    return Backtest(
        scores=_scores(panel, case, quantiles, config),
        calibration=_calibration(case, learned, quantiles[CHOSEN], config),
        errors=_errors(panel, case, quantiles, config),
        forecaster=Forecaster(model, learned, windows),
        final=Forecaster(latest, _learn(case, windows, config), windows),
        cutoffs=tuple(test),
    )


def forecast_rows(
    panel: Panel, forecaster: Forecaster, cutoff: int, windows: Sequence[Window], levels: Array
) -> pd.DataFrame:
    """Rows of the `forecasts` table from one cutoff, without run_id."""
    day = panel.first_day + pd.Timedelta(days=cutoff)
    parts = []
    for window in windows:
        values = forecaster.quantiles(panel, cutoff, window)
        count, width = values.shape
        parts.append(
            pd.DataFrame(
                {
                    c.MODEL: CHOSEN,
                    c.ITEM_ID: np.repeat(panel.series[c.ITEM_ID].to_numpy(), width),
                    c.LOCATION_ID: np.repeat(panel.series[c.LOCATION_ID].to_numpy(), width),
                    c.CUTOFF: day,
                    c.HORIZON_START: day + pd.Timedelta(days=window.start),
                    c.HORIZON_END: day + pd.Timedelta(days=window.start + window.length - 1),
                    c.QUANTILE: np.tile(levels, count),
                    c.VALUE: values.ravel(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _cutoffs(panel: Panel, config: ForecastConfig, reach: int) -> tuple[list[int], list[int]]:
    last = panel.units.shape[1] - 1
    test = [last - STEP_DAYS * k for k in range(config.test_cutoffs, 0, -1)]
    calibrate = [
        test[0] - reach - STEP_DAYS * k
        for k in range(max(1, config.calibration_weeks - reach // STEP_DAYS))
    ][::-1]
    needed = HISTORY_DAYS + STEP_DAYS + reach
    if calibrate[0] < needed:
        days = panel.units.shape[1]
        raise ContractError(
            f"sales: {days} days of history; expected at least {days + needed - calibrate[0]} for"
            " training, calibration and test: give fewer test_cutoffs or calibration_weeks."
        )
    return test, calibrate


def _steps(last: int) -> list[int]:
    return list(range(HISTORY_DAYS, last + 1, STEP_DAYS))


def _block(panel: Panel, windows: Sequence[Window], window: Window) -> npt.NDArray[np.int64]:
    """Calibration groups: kind of site, and length of window or week of the horizon."""
    if all(w.length == 1 for w in windows):
        place = min((window.start - 1) // 7, 3)
    else:
        place = sorted({w.length for w in windows}).index(window.length)
    return np.asarray(2 * place + np.where(panel.is_dc, 0, 1))


def _blocks(windows: Sequence[Window]) -> int:
    return 2 * (4 if all(w.length == 1 for w in windows) else len({w.length for w in windows}))


def _collect(
    panel: Panel,
    mean_of: Callable[[Panel, int, Window], Array],
    cutoffs: Sequence[int],
    windows: Sequence[Window],
) -> Case:
    parts = []
    for cutoff in cutoffs:
        for window in windows:
            mean = mean_of(panel, cutoff, window)
            group = mean_group(mean, _block(panel, windows, window))
            actual = targets_at(panel, cutoff, start=window.start, length=window.length)
            size = len(mean)
            parts.append(
                (np.full(size, cutoff), np.full(size, window.length), actual.astype(float), mean,
                 group)
            )  # fmt: skip
    return Case(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _learn(case: Case, windows: Sequence[Window], config: ForecastConfig) -> CountDistribution:
    return fit_distribution(
        case.actual, case.mean, case.group, groups=group_count(_blocks(windows)),
        levels=config.quantiles, seed=config.seed,
    )  # fmt: skip


def _others(
    panel: Panel,
    calibrate: Sequence[int],
    judged: Sequence[int],
    windows: Sequence[Window],
    config: ForecastConfig,
    rivals: Sequence[str],
) -> dict[str, Array]:
    """Quantiles of the other families on the same cutoffs, windows and series."""
    naive = [
        seasonal_naive_quantiles(
            panel.units[:, : cutoff + 1].astype(float),
            start=w.start,
            length=w.length,
            levels=config.quantiles,
        )
        for cutoff in judged
        for w in windows
    ]
    result = {NAIVE: np.concatenate(naive)}
    for name in rivals:
        rate = _RATES[name]
        rates = {k: rate(panel.units[:, : k + 1].astype(float)) for k in {*calibrate, *judged}}

        def mean(_: Panel, cutoff: int, window: Window, rates: dict[int, Array] = rates) -> Array:
            return np.maximum(rates[cutoff] * window.length, 1e-3)

        learned = _learn(_collect(panel, mean, calibrate, windows), windows, config)
        case = _collect(panel, mean, judged, windows)
        result[name] = learned.quantiles(case.mean, case.group)
    return result


def _scores(
    panel: Panel, case: Case, quantiles: dict[str, Array], config: ForecastConfig
) -> pd.DataFrame:
    levels = np.asarray(config.quantiles)
    median, ninety = int(np.abs(levels - 0.5).argmin()), int(np.abs(levels - 0.9).argmin())
    value = np.tile(panel.series["price"].to_numpy(), len(case.actual) // len(panel.series))
    money = float((case.actual * value).sum())
    rows = []
    for name, values in quantiles.items():
        loss = losses.pinball(case.actual, values, levels).mean(axis=1)
        rows.append(
            {
                "model": name,
                "vw_mape": losses.value_weighted_mape(case.actual, values[:, median], value),
                "vw_pinball": float((loss * value).sum() / money),
                "pinball": float(loss.mean()),
                "coverage_90": float((case.actual <= values[:, ninety]).mean()),
                "bias_of_median": losses.bias_share(case.actual, values[:, median]),
            }
        )
    table = pd.DataFrame(rows)
    naive = table.set_index("model").loc[NAIVE]
    for column in ("vw_mape", "vw_pinball"):
        table[f"{column}_skill"] = 1 - table[column] / float(naive[column])
    return table.sort_values("vw_pinball", ignore_index=True)


def _calibration(
    case: Case, learned: CountDistribution, quantiles: Array, config: ForecastConfig
) -> pd.DataFrame:
    pit = learned.randomised_pit(case.actual, case.mean, case.group, seed=config.seed + 1)
    return pd.DataFrame(
        {
            "level": config.quantiles,
            "pit": [float((pit <= level).mean()) for level in config.quantiles],
            "raw_coverage": losses.coverage(case.actual, quantiles),
        }
    )


def _errors(
    panel: Panel, case: Case, quantiles: dict[str, Array], config: ForecastConfig
) -> pd.DataFrame:
    """Errors of one window length per cutoff and series, for monitoring."""
    lengths = np.unique(case.length)
    chosen = case.length == lengths[np.abs(lengths - 14).argmin()]
    levels = np.asarray(config.quantiles)
    median = int(np.abs(levels - 0.5).argmin())
    repeats = int(chosen.sum()) // len(panel.series)
    values = quantiles[CHOSEN][chosen]
    actual = case.actual[chosen]
    keys = pd.concat([panel.series[[c.ITEM_ID, c.LOCATION_ID, "price"]]] * repeats)
    return keys.reset_index(drop=True).assign(
        cutoff=panel.first_day + pd.to_timedelta(case.cutoff[chosen], unit="D"),
        actual=actual,
        median=values[:, median],
        naive=quantiles[NAIVE][chosen][:, median],
        absolute_error=np.abs(actual - values[:, median]),
        pinball=losses.pinball(actual, values, levels).mean(axis=1),
    )


def rmsse_of_days(panel: Panel, forecaster: Forecaster, cutoff: int, days: int) -> pd.DataFrame:
    """RMSSE per series over the days after a cutoff: ours (expected demand) and seasonal naive."""
    history = panel.units[:, : cutoff + 1].astype(float)
    windows = [Window(day, 1) for day in range(1, days + 1)]
    actual = panel.units[:, cutoff + 1 : cutoff + 1 + days].astype(float)
    ours = np.stack([forecaster.model.mean(panel, cutoff, w) for w in windows], axis=1)
    naive = np.stack([seasonal_naive(history, start=w.start, length=1) for w in windows], axis=1)
    return panel.series[[c.ITEM_ID, c.LOCATION_ID]].assign(
        ours=losses.rmsse(history, actual, ours), naive=losses.rmsse(history, actual, naive)
    )
