"""Count distributions: negative binomial with the spread of past errors, recalibrated twice.

Levels are first mapped per group of like size and spread, then per segment of series: what a group
gets right on average it can still get wrong for the smooth few among the lumpy many.

Demand of slow movers is a small whole number, so quantiles are whole numbers and cover more than
their level by nature; calibration is judged by the randomised PIT (Czado, Gneiting and Held 2009,
"Predictive model assessment for count data", Biometrics 65).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy import special

from workbench.forecasting import count_kernels, losses

Array = npt.NDArray[np.float64]
Groups = npt.NDArray[np.int64]
_LOG_STEP = np.log(1.015)  # quantiles are tabulated at means this far apart
_LEAST_MEAN = 1e-3
_SMALL_GROUP = 200  # forecasts below which a group borrows from all
_DRIFT_PRIOR = 0.25  # weight of "nothing has moved" over that of the latest outcomes
_DRIFT_LIMITS = (0.85, 1.2)  # a larger move within weeks is taken for an accident
_SCALE_LIMITS = (0.7, 1.4)  # past bias beyond this is taken for an accident
MEAN_EDGES = np.array([0.5, 1, 2, 4, 8, 16, 64])  # groups of expected demand, units
SPREAD_EDGES = np.array([0.25, 1])  # steady, variable, wild
SPREAD_BANDS = len(SPREAD_EDGES) + 1


@dataclass(frozen=True)
class CountDistribution:
    """Negative binomial per group, with levels mapped to those that past forecasts needed.

    Attributes:
        dispersion: Per group: variance is mean + dispersion * mean^2.
        scale: Per group: factor on the mean that removed past bias.
        levels: Nominal levels, ascending.
        mapped: Per group the level to read off instead, shape (groups, levels).
        asked: Per segment the level to ask its groups for instead, shape (segments, levels).
        drift: Per segment: factor on the mean by which the latest outcomes have moved away.
    """

    dispersion: Array
    scale: Array
    levels: Array
    mapped: Array
    asked: Array
    drift: Array
    _tables: dict[tuple[int, int], tuple[int, Array]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def quantiles(self, mean: Array, group: Groups, segment: Groups) -> Array:
        """Whole-number quantiles, shape (n, levels), never crossing."""
        result = np.zeros((len(mean), len(self.levels)))
        pair = group * len(self.asked) + segment
        order = np.argsort(pair, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(pair[order])) + 1):
            g, s = int(group[rows[0]]), int(segment[rows[0]])
            centre = mean[rows] * self.scale[g] * self.drift[s]
            place = np.log(np.maximum(centre, _LEAST_MEAN)) / _LOG_STEP
            ends = int(np.floor(place.min())), int(np.ceil(place.max()))
            first, table = self._table(g, s, *ends)
            steps = np.arange(first, first + len(table))
            for j in range(len(self.levels)):
                result[rows, j] = np.rint(np.interp(place, steps, table[:, j]))
        return np.maximum.accumulate(result, axis=1)

    def _table(self, g: int, s: int, first: int, last: int) -> tuple[int, Array]:
        """Quantiles of group and segment at means of 1.015 to the powers `first` to `last` or more.

        Kept, because a backtest asks for the same group and means many times.
        """
        start, known = self._tables.get((g, s), (first, np.zeros((0, len(self.levels)))))
        if start > first or start + len(known) <= last:
            start, last = min(start, first), max(start + len(known) - 1, last)
            mean = np.exp(_LOG_STEP * np.arange(start, last + 1))
            size = np.full(len(mean), 1 / self.dispersion[g])
            levels = through(self.asked[s], self.levels, self.mapped[g])
            known = count_kernels.quantiles(mean, size, levels)
            self._tables[g, s] = start, np.maximum.accumulate(known, axis=0)
        return self._tables[g, s]

    def at_levels(self, levels: Array) -> "CountDistribution":
        """The same distributions with quantiles at other levels as well, in ascending order.

        Levels are mapped along the line between those that were learned, so that quantiles at
        these stay what they are.
        """
        every = np.union1d(self.levels, levels)
        mapped, asked = (
            np.stack([through(every, self.levels, one) for one in maps])
            for maps in (self.mapped, self.asked)
        )
        return CountDistribution(self.dispersion, self.scale, every, mapped, asked, self.drift)

    def randomised_pit(
        self, actual: Array, mean: Array, group: Groups, segment: Groups, *, seed: int
    ) -> Array:
        """Uniform if the forecasts are calibrated, shape (n,); after both mappings of levels."""
        centre = mean * self.scale[group] * self.drift[segment]
        pit = _pit(actual, centre, self.dispersion[group], seed=seed)
        return self._calibrated(pit, group, segment)

    def cumulative(self, counts: Array, mean: Array, group: Groups, segment: Groups) -> Array:
        """Probability of demand of at most each count, shape (n, counts); of whole units."""
        shape = (len(mean), len(counts))
        every = np.broadcast_to(np.floor(counts), shape).ravel()
        scaled = np.repeat(mean * self.scale[group] * self.drift[segment], len(counts))
        raw = probability_below(every + 1, scaled, np.repeat(self.dispersion[group], len(counts)))
        return self._calibrated(raw.reshape(shape), group, segment)

    def _calibrated(self, probability: Array, group: Groups, segment: Groups) -> Array:
        """Through both mappings of levels: what past outcomes say a probability is worth."""
        for each, maps in ((group, self.mapped), (segment, self.asked)):
            for place in np.unique(each):
                rows = each == place
                probability[rows] = through(probability[rows], maps[place], self.levels)
        return probability


def fit_distribution(
    actual: Array,
    mean: Array,
    group: Groups,
    segment: Groups,
    *,
    groups: int,
    segments: int,
    levels: Sequence[float],
    seed: int,
    recent: npt.NDArray[np.bool_] | None = None,
) -> CountDistribution:
    """Learn spread, bias and levels from forecasts whose outcome is known.

    Args:
        actual: Demand that occurred, shape (n,).
        mean: Expected demand that was forecast, shape (n,).
        group: Group of each, 0 to groups - 1, see `count_group`; one with few forecasts learns
            from all bands of spread together, or if these are few too, from all forecasts.
        segment: Kind of series of each, 0 to segments - 1; one with few forecasts is left as its
            groups are.
        groups: How many there are.
        segments: How many there are.
        levels: Nominal levels.
        seed: Of the randomised PIT.
        recent: Which of them are the latest, from which drift is learned; none by default.
    """
    nominal = np.asarray(levels, dtype=float)
    dispersion, scale = np.zeros(groups), np.ones(groups)
    mapped = np.tile(nominal, (groups, 1))
    sizes = np.bincount(group, minlength=groups)
    wider = group // SPREAD_BANDS
    enough = np.bincount(wider, minlength=groups // SPREAD_BANDS) >= _SMALL_GROUP
    learned = {-1: _learn(actual, mean, nominal, seed)}
    for w in map(int, np.flatnonzero(enough)):
        learned[w] = _learn(actual[wider == w], mean[wider == w], nominal, seed)
    for g in range(groups):
        w = g // SPREAD_BANDS
        rows = group == g
        dispersion[g], scale[g], mapped[g] = (
            _learn(actual[rows], mean[rows], nominal, seed)
            if sizes[g] >= _SMALL_GROUP
            else learned[w if enough[w] else -1]
        )
    asked = np.tile(nominal, (segments, 1))
    still = np.ones(segments)
    first = CountDistribution(dispersion, scale, nominal, mapped, asked.copy(), still)
    pit = first.randomised_pit(actual, mean, group, segment, seed=seed + 1)
    for s in np.flatnonzero(np.bincount(segment, minlength=segments) >= _SMALL_GROUP):
        asked[s] = levels_needed(pit[segment == s], nominal)
    drift = (
        still
        if recent is None
        else _drift(actual[recent], (mean * scale[group])[recent], segment[recent], segments)
    )
    return CountDistribution(dispersion, scale, nominal, mapped, asked, drift)


def raised(fitted: CountDistribution, by: Array) -> CountDistribution:
    """The same with each nominal level of a group read off higher, for caution.

    Args:
        fitted: Of `fit_distribution`.
        by: Added to the levels of each group, shape (groups, levels); at most three quarters of
            what is left above a level are added.
    """
    nominal = fitted.levels
    wanted = np.minimum(nominal + by, 1 - (1 - nominal) / 4)
    mapped = np.stack(
        [through(own, nominal, known) for own, known in zip(wanted, fitted.mapped, strict=True)]
    )
    return replace(fitted, mapped=mapped, _tables={})


def error_between(pit: Array, cluster: Groups, levels: Array, *, independent: float) -> Array:
    """Standard error of the share of outcomes at or below each level, shape (levels,).

    Outcomes of a cluster, such as windows from one cutoff, err together: however many they are,
    they count once.

    Args:
        pit: Probability integral transforms, shape (n,).
        cluster: Of each, shape (n,); with fewer than two the error is not known and taken for 0.
        levels: Nominal levels.
        independent: Clusters that do not overlap.
    """
    shares = [(pit[cluster == each, None] <= levels).mean(axis=0) for each in np.unique(cluster)]
    if len(shares) < 2:
        return np.zeros(len(levels))
    return np.asarray(np.std(shares, axis=0, ddof=1) / np.sqrt(independent))


def count_group(mean: Array, overdispersion: Array, block: Groups) -> Groups:
    """Group by expected demand and by spread within each block.

    Args:
        mean: Expected demand of the window, in units.
        overdispersion: Daily variance beyond Poisson's over squared mean, as known at the cutoff.
        block: What is calibrated apart, for example length of window and kind of site.
    """
    size = np.searchsorted(MEAN_EDGES, mean)
    band = np.searchsorted(SPREAD_EDGES, overdispersion)
    return np.asarray((block * (len(MEAN_EDGES) + 1) + size) * SPREAD_BANDS + band)


def group_count(blocks: int) -> int:
    """Number of groups of `count_group`."""
    return blocks * (len(MEAN_EDGES) + 1) * SPREAD_BANDS


def _drift(actual: Array, mean: Array, segment: Groups, segments: int) -> Array:
    """How far each segment's latest outcomes lie from what was expected, drawn towards no drift.

    Weighted so that no single series decides; an expectation is believed as much as it weighs.
    """
    weight = 1 / np.sqrt(mean + 0.5)
    sold, expected = (
        np.bincount(segment, value * weight, minlength=segments) for value in (actual, mean)
    )
    count = np.bincount(segment, minlength=segments)
    moved = (sold + _DRIFT_PRIOR * expected) / np.maximum((1 + _DRIFT_PRIOR) * expected, 1e-9)
    return np.where(count >= _SMALL_GROUP, np.clip(moved, *_DRIFT_LIMITS), 1.0)


def _learn(actual: Array, mean: Array, nominal: Array, seed: int) -> tuple[float, float, Array]:
    """Dispersion, scale and mapped levels of one group."""
    scale = float(np.clip(actual.sum() / max(mean.sum(), 1e-9), *_SCALE_LIMITS))
    dispersion = _dispersion(actual, mean * scale)
    pit = _pit(actual, mean * scale, dispersion, seed=seed)
    return dispersion, scale, levels_needed(pit, nominal)


def levels_needed(pit: Array, nominal: Array) -> Array:
    """Levels below which outcomes stayed as often as the nominal ones say."""
    return np.maximum.accumulate(np.clip(np.quantile(pit, nominal), 1e-4, 1 - 1e-4))


def through(value: Array, x: Array, y: Array) -> Array:
    """Along the line from (0, 0) over the points (x, y) to (1, 1)."""
    x, y = np.concatenate([[0.0], x, [1.0]]), np.concatenate([[0.0], y, [1.0]])
    return np.asarray(np.interp(value, x, y), dtype=np.float64)


def _dispersion(actual: Array, mean: Array) -> float:
    """By moments: (variance - mean) / mean^2, weighted so that no single series decides."""
    weight = 1 / (mean + 0.5)
    excess = ((actual - mean) ** 2 - mean) * weight
    return float(max((excess.sum()) / max((mean**2 * weight).sum(), 1e-9), 1e-4))


def _pit(actual: Array, mean: Array, dispersion: Array | float, *, seed: int) -> Array:
    size = np.broadcast_to(1 / np.asarray(dispersion, dtype=float), actual.shape)
    expected = np.maximum(mean, 1e-6)
    below, at = count_kernels.around(np.round(actual), expected, np.ascontiguousarray(size))
    return losses.randomised_pit(below, at, seed=seed)


def probability_below(count: Array, mean: Array, dispersion: Array | float) -> Array:
    """Negative binomial probability of fewer units than `count`."""
    size = 1 / np.asarray(dispersion, dtype=float)
    success = size / (size + np.maximum(mean, 1e-6))
    probability = special.betainc(size, np.maximum(count, 1), success)
    return np.asarray(np.where(count > 0, probability, 0.0), dtype=np.float64)
