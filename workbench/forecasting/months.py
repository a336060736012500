"""Months far ahead: what contracts, capacity and budgets rest on, with intervals as wide as it is.

A month is four weeks; thirteen make a year. What a series sold in past months is smoothed to a
level, for each lead as it was best, times a season where there is one. How far off such forecasts
were in the past, at each lead apart and as differences of square roots, gives the intervals.

    fewer than 6 months known        no forecast: nothing could be tried
    less than 2 years                no season: one year cannot tell it from what happened in it
    a lead tried n < 3 times         as wide as the longest lead that was, times the root of their
                                     ratio, as of a level that walks at random
    a group of fewer than 20 series  its errors are those of the largest group
    a lead tried n times             (n + 1) / n times the variance: all series share what happened
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from workbench.forecasting.conformal import RatioQuantiles, fit_ratio_quantiles
from workbench.forecasting.temporal import MONTH_DAYS

Array = npt.NDArray[np.float64]
Groups = npt.NDArray[np.int64]
YEAR_MONTHS = 13
MODEL = "monthly_smoothing"
_FEWEST_MONTHS = 6
_FIRST_TRIAL = 3  # months known before the first trial
_FEWEST_TRIALS = 3
_FEWEST_SERIES = 20
_ALPHAS = (0.1, 0.2, 0.4, 0.7, 1.0)


@dataclass(frozen=True)
class Months:
    """Forecast of months ahead.

    Attributes:
        mean: Level times season, shape (series, months); no months where history is too short.
        spread: What stands around it, one of each lead.
        group: Of each series: whose errors are pooled.
        levels: Quantile levels, ascending.
        trials: Past trials of each lead, shape (months,).
        alphas: Smoothing constant of each lead that was best in them: the near future follows the
            latest month, the far one an average.
        seasonal: Whether two years of history gave a season.
        asked: Months that were asked for.
    """

    mean: Array
    spread: tuple[RatioQuantiles, ...]
    group: Groups
    levels: Array
    trials: tuple[int, ...]
    alphas: tuple[float, ...]
    seasonal: bool
    asked: int

    @property
    def quantiles(self) -> Array:
        """Whole units, never crossing, shape (series, months, levels)."""
        return np.rint(self.samples(slice(None)))

    @property
    def expected(self) -> Array:
        """Mean of the quantiles, expected demand where levels are those of equally likely samples.

        Shape (series, months). Above the level: what a series may sell more has no bound.
        """
        every, result = slice(None), np.empty(self.mean.shape)
        for place in range(len(self.spread)):
            result[:, place] = self._of_lead(place, every).mean(axis=1)
        return result

    def samples(self, rows: slice) -> Array:
        """Quantiles of some series, not rounded, shape (rows, months, levels)."""
        result = np.empty((*self.mean[rows].shape, len(self.levels)))
        for place in range(len(self.spread)):
            result[:, place] = self._of_lead(place, rows)
        return result

    def _of_lead(self, place: int, rows: slice) -> Array:
        own = replace(self.spread[place], size=self.spread[place].size[rows])
        return own.quantiles(self.mean[rows, place : place + 1], self.group[rows])[:, 0]

    @property
    def reading(self) -> str:
        """What these months rest on, in one sentence."""
        if not self.asked:
            return "No months ahead were asked for."
        if not self.trials:
            return f"History is shorter than {_FEWEST_MONTHS} months of four weeks: no months."
        tried = sum(count >= _FEWEST_TRIALS for count in self.trials)
        season = "with a season" if self.seasonal else "without a season, for want of two years"
        if tried == len(self.trials):
            return f"{tried} months ahead, {season}; past errors of every lead give its interval."
        return (
            f"{len(self.trials)} months ahead, {season}; past errors give the intervals of the"
            f" first {tried}, beyond which they grow as the root of the lead."
        )


def monthly(units: npt.NDArray[np.floating]) -> Array:
    """Demand of past months that end on the last day, shape (series, months)."""
    count = units.shape[1] // MONTH_DAYS
    recent = units[:, units.shape[1] - count * MONTH_DAYS :].astype(np.float64)
    return np.asarray(recent.reshape(len(units), count, MONTH_DAYS).sum(axis=2))


def forecast_months(
    units: npt.NDArray[np.floating],
    group: Groups,
    *,
    months: int,
    levels: Array,
    season_of_group: Groups | None = None,
) -> Months:
    """Forecast months ahead of the last day.

    Args:
        units: Daily demand, shape (series, days).
        group: Of each series: whose errors are pooled.
        months: How many.
        levels: Quantile levels, ascending.
        season_of_group: Of each series: whose seasons are pooled; that of errors by default.
    """
    kind = group if season_of_group is None else season_of_group
    known = monthly(units)
    count = known.shape[1]
    if count < _FEWEST_MONTHS or not months:
        none = np.zeros((len(known), 0))
        return Months(none, (), group, levels, (), (), False, months)
    season = season_of(known, kind)[kind]
    level = known / season[:, np.arange(count) % YEAR_MONTHS]
    alphas = _best_alphas(level, months)
    ahead = season[:, (count + np.arange(months)) % YEAR_MONTHS]
    latest = {alpha: smoothed(level, alpha)[:, -1] for alpha in set(alphas)}
    mean = np.stack([latest[alpha] for alpha in alphas], axis=1) * ahead
    pooled = _pooled(group)
    spread, trials = _spread(level, alphas, pooled, levels)
    seasonal = count >= 2 * YEAR_MONTHS
    return Months(mean, spread, pooled, levels, trials, alphas, seasonal, months)


def season_of(known: Array, group: Groups) -> Array:
    """What a month of the year brings over the year's mean, shape (groups, 13).

    Args:
        known: Demand of past months, shape (series, months).
        group: Of each series.

    Returns:
        Ones where history is shorter than two years.
    """
    years = known.shape[1] // YEAR_MONTHS
    result = np.ones((int(group.max()) + 1, YEAR_MONTHS))
    if years < 2:
        return result
    first = known.shape[1] - years * YEAR_MONTHS
    pooled = np.zeros((len(result), years * YEAR_MONTHS))
    np.add.at(pooled, group, known[:, first:])
    each = pooled.reshape(len(result), years, YEAR_MONTHS)
    share = each / np.maximum(each.mean(axis=2, keepdims=True), 1e-9)
    mean = share.mean(axis=1)
    found = np.where(pooled.sum(axis=1)[:, None] > 0, np.maximum(mean, 0.05), 1.0)
    place = (first + np.arange(YEAR_MONTHS)) % YEAR_MONTHS
    result[:, place] = found / found.mean(axis=1, keepdims=True)
    return result


def smoothed(level: Array, alpha: float) -> Array:
    """Simple exponential smoothing from the first month on, shape (series, months)."""
    result = level.copy()
    for month in range(1, level.shape[1]):
        result[:, month] = alpha * level[:, month] + (1 - alpha) * result[:, month - 1]
    return result


def _trials(level: Array, alpha: float, lead: int) -> tuple[Array, Array]:
    """Forecasts of past months `lead` ahead and what came, shape (trials, series, 1) each."""
    count = level.shape[1]
    made = smoothed(level, alpha)[:, _FIRST_TRIAL - 1 : count - lead]
    came = level[:, _FIRST_TRIAL - 1 + lead :]
    return made.T[:, :, None], came.T[:, :, None]


def _pooled(group: Groups) -> Groups:
    """Groups without gaps, from 0; those of few series learn with the largest."""
    size = np.bincount(group)
    joined = np.where(size[group] < _FEWEST_SERIES, size.argmax(), group)
    return np.unique(joined, return_inverse=True)[1].astype(np.int64)


def _best_alphas(level: Array, months: int) -> tuple[float, ...]:
    """Per lead the constant with least absolute error; that of the last lead tried beyond it."""
    longest = min(months, level.shape[1] - _FIRST_TRIAL - _FEWEST_TRIALS + 1)
    found = [
        min(_ALPHAS, key=lambda alpha, h=lead: _loss(level, alpha, h))  # type: ignore[misc]
        for lead in range(1, longest + 1)
    ]
    return (*found, *[found[-1]] * (months - longest))


def _loss(level: Array, alpha: float, lead: int) -> float:
    made, came = _trials(level, alpha, lead)
    return float(np.abs(made - came).mean())


def _spread(
    level: Array, alphas: Sequence[float], group: Groups, levels: Array
) -> tuple[tuple[RatioQuantiles, ...], tuple[int, ...]]:
    """What stands around the mean of each lead, and how often it was tried."""
    trials = tuple(max(0, level.shape[1] - _FIRST_TRIAL + 1 - h) for h in range(1, 1 + len(alphas)))
    result: list[RatioQuantiles] = []
    longest, learned = 1, None
    for place, count in enumerate(trials):
        lead = place + 1
        if count >= _FEWEST_TRIALS or learned is None:
            made, came = _trials(level, alphas[place], lead)
            learned = fit_ratio_quantiles(made, came, group, levels, block=1, roots=True)
            longest = lead
            wider = np.sqrt((count + 1) / count)
        else:
            wider = np.sqrt(lead / longest * (trials[longest - 1] + 1) / trials[longest - 1])
        result.append(replace(learned, size=learned.size * wider))
    return tuple(result), trials
