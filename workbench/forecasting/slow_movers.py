"""Full distributions of slow movers' demand: a rate, a count distribution, levels from the past.

Any of the methods of `intermittent.py` says how much is expected per period. What the demand of a
window of periods may be is a negative binomial distribution around it, whose spread, bias and
levels are learned, per size and pattern of demand, from windows of the past whose outcome is known.
A window is forecast as a window: its distribution comes from outcomes of windows of its length.

    trials = past_windows(units, windows, plan)
    fitted = fit_counts(units, trials, method="imapa", levels=levels)
    fitted.quantiles(units, Window(1, 7))

What a season or growth does to all of them alike, no slow mover can tell by itself, and windows of
many series then err together. A `Movement` (`movement.py`) forecasts the totals of groups of
series, where it can be seen, and rates follow it; it brings its own calendar. Nothing else needs
dates, prices or a panel: any regular period will do, NaN says "not observed".
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.errors import ContractError
from workbench.forecasting.distribution import (
    CountDistribution,
    count_group,
    error_between,
    fit_distribution,
    group_count,
    raised,
)
from workbench.forecasting.global_model import Window
from workbench.forecasting.intermittent import METHODS
from workbench.forecasting.movement import Movement
from workbench.forecasting.patterns import PATTERNS, overdispersion, pattern_of

Array = npt.NDArray[np.float64]
Groups = npt.NDArray[np.int64]
SPREAD_PERIODS = 91  # recent periods that say how wild a series is
_GROUP_PRIOR = 100.0  # units that say a group was not missed
_CHANCE = 0.5  # of what a whole group was missed by: accident; the rest is taken for lasting bias
_LEAST_MEAN = 1e-3  # per window: what never sold is not impossible


@dataclass(frozen=True)
class Plan:
    """Which past windows calibrate.

    Attributes:
        spacing: Periods between cutoffs; 7 with days, so that each is the weekday of the last.
        count: Cutoffs per window, as many as history allows.
        start: Fewest periods before the first cutoff.
        rows: Most forecasts to learn from, taken evenly.
        alphas: Smoothing constants of which the one with least Poisson deviance is taken.
        seed: Of sampling and randomised PIT.
    """

    spacing: int = 1
    count: int = 8
    start: int = 12
    rows: int = 400_000
    alphas: tuple[float, ...] = (0.05, 0.1, 0.2)
    seed: int = 1


@dataclass(frozen=True)
class Trials:
    """Past windows with known outcome, one row each; the same for every method.

    Attributes:
        windows: What is forecast.
        cutoffs: Columns, ascending.
        row: Series of each trial.
        place: Its cutoff's place in `cutoffs`.
        window: Its window's place in `windows`.
        block: Place of its length among the lengths of `windows`.
        length: Periods in the window.
        pattern: Demand pattern of the series, as known at the cutoff.
        overdispersion: Its spread, as known at the cutoff.
        actual: Demand that occurred.
        plan: How they were drawn.
    """

    windows: tuple[Window, ...]
    cutoffs: tuple[int, ...]
    row: Groups
    place: Groups
    window: Groups
    block: Groups
    length: Groups
    pattern: Groups
    overdispersion: Array
    actual: Array
    plan: Plan


@dataclass(frozen=True)
class CountForecaster:
    """One method with its calibration.

    Attributes:
        method: Name in `intermittent.METHODS`.
        alpha: Smoothing constant that was best on past windows.
        distribution: Counts around the expected demand.
        lengths: Lengths of window it was calibrated for.
        ahead: Last period of these windows.
        movement: What the rates follow, if anything.
        cpu_seconds: What fitting cost.
    """

    method: str
    alpha: float
    distribution: CountDistribution
    lengths: tuple[int, ...]
    ahead: int
    movement: Movement | None
    cpu_seconds: float

    def forecast(self, units: Array) -> "CountForecast":
        """From the last column of `units`, shape (series, periods), NaN where not observed."""
        last = units.shape[1] - 1
        rates = METHODS[self.method](units, [last], alpha=self.alpha, discounted=True)
        rate = rates[:, 0]
        recent = units[:, -SPREAD_PERIODS:]
        factor = (
            np.ones((len(rate), self.ahead))
            if self.movement is None
            else self._factors(self.movement, units, rate)
        )
        return CountForecast(self, rate, factor, pattern_of(units), overdispersion(recent))

    def _factors(self, movement: Movement, units: Array, rate: Array) -> Array:
        """Of every series and coming period, shape (series, ahead)."""
        return movement.factors(movement.expected(units, self.ahead), rate)[movement.group]


@dataclass(frozen=True)
class CountForecast:
    """Distributions of every series from one cutoff; whole units, never negative.

    Attributes:
        forecaster: What made it.
        rate: Units per period before removal of past bias, shape (series,).
        factor: On the rate, of every coming period, shape (series, ahead).
        pattern: Place in `PATTERNS` of each series.
        overdispersion: Spread of each series.
    """

    forecaster: CountForecaster
    rate: Array
    factor: Array
    pattern: Groups
    overdispersion: Array

    def mean(self, length: int, start: int = 1) -> Array:
        """Expected demand of a window of so many periods, shape (series,)."""
        mean, group = self._around(length, start)
        return mean * self.forecaster.distribution.scale[group]

    def quantiles(self, length: int, start: int = 1) -> Array:
        """Quantiles of the demand of a window, shape (series, levels)."""
        return self.forecaster.distribution.quantiles(*self._around(length, start), self.pattern)

    def cumulative(self, length: int, counts: Array, start: int = 1) -> Array:
        """Probability that demand of a window is at most each count, shape (series, counts)."""
        distribution = self.forecaster.distribution
        return distribution.cumulative(counts, *self._around(length, start), self.pattern)

    def pit(self, length: int, actual: Array, *, seed: int, start: int = 1) -> Array:
        """Randomised PIT of what occurred, shape (series,): uniform if calibrated."""
        around = self._around(length, start)
        return self.forecaster.distribution.randomised_pit(actual, *around, self.pattern, seed=seed)

    def _around(self, length: int, start: int) -> tuple[Array, Groups]:
        """Expected demand of a window and the calibration group of each series."""
        lengths = self.forecaster.lengths
        if length not in lengths:
            raise ContractError(
                f"window of {length} periods: calibrated are {', '.join(map(str, lengths))};"
                " expected one of these: add it to the windows that are fitted."
            )
        if start < 1 or start + length - 1 > self.factor.shape[1]:
            raise ContractError(
                f"window of {length} periods from period {start}: windows were fitted up to period"
                f" {self.factor.shape[1]}; expected one that ends there: add it to the windows."
            )
        factor = self.factor[:, start - 1 : start - 1 + length].sum(axis=1)
        mean = np.maximum(self.rate * factor, _LEAST_MEAN)
        block = np.full(len(mean), lengths.index(length))
        return mean, count_group(mean, self.overdispersion, block)


def past_windows(units: Array, windows: Sequence[Window], plan: Plan) -> Trials:
    """Windows that ended by the last column, with what was known before each.

    A window with a period that nobody observed has no outcome and is left out; so is a series
    before its first demand, which every method expects to sell nothing.

    Args:
        units: Demand, NaN where it was not observed, shape (series, periods).
        windows: What is to be forecast.
        plan: Which cutoffs.

    Raises:
        ContractError: No window of the past has an outcome.
    """
    at = {window: _cutoffs(units.shape[1] - 1, window, plan) for window in windows}
    cutoffs = sorted({cut for cuts in at.values() for cut in cuts if cut + 1 >= plan.start})
    chosen = _sample(len(units), sum(len(cuts) for cuts in at.values()), plan)
    parts = [
        _trials_at(units, chosen, place, cut, windows, [w for w in windows if cut in at[w]])
        for place, cut in enumerate(cutoffs)
    ]
    if not sum(len(part[0]) for part in parts):
        raise ContractError(
            f"demand: {units.shape[1]} periods, no window of the past to learn from; expected one"
            f" or more after {plan.start} periods: give a longer history or shorter windows."
        )
    row, place, kind, block, length, pattern, spread, actual = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    return Trials(
        tuple(windows), tuple(cutoffs), row, place, kind, block, length, pattern, spread, actual,
        plan,
    )  # fmt: skip


def fit_counts(
    units: Array,
    trials: Trials,
    *,
    method: str,
    levels: Sequence[float],
    movement: Movement | None = None,
    caution: float = 0.0,
) -> CountForecaster:
    """Choose the smoothing constant, learn spread, bias and levels of one method.

    Args:
        units: As given to `past_windows`.
        trials: What came of it.
        method: Name in `intermittent.METHODS`.
        levels: Quantile levels, ascending.
        movement: What the rates follow; nothing by default.
        caution: Standard errors between cutoffs by which levels are raised, per length of window:
            one month's windows err together, and a level that falls short costs more.
    """
    begun = time.process_time()
    rows, row = np.unique(trials.row, return_inverse=True)
    known = units[rows]
    factors = _unmoved if movement is None else _moved(known, trials, movement.of(rows))
    means = {}
    for alpha in trials.plan.alphas:
        rates = METHODS[method](known, trials.cutoffs, alpha=alpha, discounted=True)
        expected = rates[row, trials.place] * factors(rates, row, trials)
        means[alpha] = np.maximum(expected, _LEAST_MEAN)
    alpha = min(means, key=lambda each: _deviance(trials.actual, means[each]))
    mean = means[alpha]
    if movement is not None:
        mean *= _missed_by_chance(trials, mean, movement.group[trials.row])
    lengths = tuple(sorted({window.length for window in trials.windows}))
    group = count_group(mean, trials.overdispersion, trials.block)
    distribution = fit_distribution(
        trials.actual, mean, group, trials.pattern,
        groups=group_count(len(lengths)), segments=len(PATTERNS), levels=levels,
        seed=trials.plan.seed,
    )  # fmt: skip
    if caution:
        seed = trials.plan.seed + 2
        pit = distribution.randomised_pit(trials.actual, mean, group, trials.pattern, seed=seed)
        errors = _errors_by_length(trials, pit, distribution.levels)
        distribution = raised(distribution, caution * np.repeat(errors, group_count(1), axis=0))
    return CountForecaster(
        method, alpha, distribution, lengths, _ahead(trials.windows), movement,
        time.process_time() - begun,
    )  # fmt: skip


def _unmoved(rates: Array, row: Groups, trials: Trials) -> Array:
    """Periods in each trial's window, shape (trials,)."""
    return trials.length.astype(np.float64)


def _moved(known: Array, trials: Trials, movement: Movement) -> Callable[..., Array]:
    """As `_unmoved`, each period times what the group's total does in it."""
    ahead = _ahead(trials.windows)
    expected = [movement.expected(known[:, : cutoff + 1], ahead) for cutoff in trials.cutoffs]
    spans = [slice(w.start - 1, w.start - 1 + w.length) for w in trials.windows]

    def factors(rates: Array, row: Groups, trials: Trials) -> Array:
        sums = np.empty((len(expected), len(spans), len(expected[0])))
        for place, totals in enumerate(expected):
            each = movement.factors(totals, rates[:, place])
            sums[place] = [each[:, span].sum(axis=1) for span in spans]
        return sums[trials.place, trials.window, movement.group[row]]

    return factors


def _missed_by_chance(trials: Trials, mean: Array, group: Groups) -> Array:
    """Factor on each trial's mean that takes out what its whole group was missed by, by chance.

    What a group does as a whole is for the outlook to foresee. All of it learned as bias of single
    series would be carried into windows that it says nothing about.
    """
    case = (trials.place * len(trials.windows) + trials.window) * (group.max() + 1) + group
    sold, expected = (np.bincount(case, value) for value in (trials.actual, mean))
    missed = (sold + _GROUP_PRIOR) / (expected + _GROUP_PRIOR)
    return np.asarray((missed**_CHANCE)[case])


def _errors_by_length(trials: Trials, pit: Array, levels: Array) -> Array:
    """Standard error between cutoffs, for each length of window, shape (lengths, levels)."""
    errors = []
    for block, length in enumerate(sorted({window.length for window in trials.windows})):
        rows = trials.block == block
        cutoffs = np.array(trials.cutoffs)[np.unique(trials.place[rows])]
        apart = (np.ptp(cutoffs) + length) / length if len(cutoffs) else 1.0
        independent = min(float(len(cutoffs)), float(apart))
        errors.append(error_between(pit[rows], trials.place[rows], levels, independent=independent))
    return np.stack(errors)


def _ahead(windows: Sequence[Window]) -> int:
    """The last period of any window."""
    return max(window.start + window.length - 1 for window in windows)


def _cutoffs(last: int, window: Window, plan: Plan) -> list[int]:
    """Whole spacings before the last column, whose window has ended: the same weekday throughout.

    Each window has cutoffs of its own, so that a short one learns from the latest that there are.
    """
    ended = -(-(window.start + window.length - 1) // plan.spacing)
    return [last - plan.spacing * (ended + k) for k in range(plan.count)]


def _sample(series: int, trials: int, plan: Plan) -> Groups:
    """Rows of the series to learn from."""
    share = min(1.0, plan.rows / max(1, series * trials))
    return np.flatnonzero(np.random.default_rng(plan.seed).random(series) < share)


def _trials_at(
    units: Array, chosen: Groups, place: int, cutoff: int, windows: Sequence[Window],
    ended: Sequence[Window],
) -> tuple[npt.NDArray[Any], ...]:  # fmt: skip
    """Columns of `Trials` from one cutoff, of the windows that had ended."""
    lengths = sorted({window.length for window in windows})
    known = units[chosen, : cutoff + 1]
    pattern, spread = pattern_of(known), overdispersion(known[:, -SPREAD_PERIODS:])
    sold = np.nan_to_num(known).any(axis=1)
    parts = []
    for window in ended:
        first = cutoff + window.start
        actual = units[chosen, first : first + window.length].sum(axis=1)
        rows = np.flatnonzero(sold & np.isfinite(actual))
        numbers = (place, windows.index(window), lengths.index(window.length), window.length)
        repeated = (np.full(len(rows), number) for number in numbers)
        parts.append((chosen[rows], *repeated, pattern[rows], spread[rows], actual[rows]))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def _deviance(actual: Array, mean: Array) -> float:
    """Poisson deviance up to a constant: what a rate loses on counts."""
    return float((mean - actual * np.log(mean)).mean())
