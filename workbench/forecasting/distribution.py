"""Count distributions: negative binomial with the spread of past errors, recalibrated in time.

Demand of slow movers is a small whole number, so quantiles are whole numbers and cover more than
their level by nature; calibration is judged by the randomised PIT (Czado, Gneiting and Held 2009,
"Predictive model assessment for count data", Biometrics 65).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Array = npt.NDArray[np.float64]
_GRID_POINTS = 500
MEAN_EDGES = np.array([0.5, 1, 2, 4, 8, 16, 64])  # groups of expected demand


@dataclass(frozen=True)
class CountDistribution:
    """Negative binomial per group, with levels mapped to those that past forecasts needed.

    Attributes:
        dispersion: Per group: variance is mean + dispersion * mean^2.
        scale: Per group: factor on the mean that removed past bias.
        levels: Nominal levels, ascending.
        mapped: Per group the level to read off instead, shape (groups, levels).
    """

    dispersion: Array
    scale: Array
    levels: Array
    mapped: Array

    def quantiles(self, mean: Array, group: npt.NDArray[np.int64]) -> Array:
        """Whole-number quantiles, shape (n, levels), never crossing."""
        result = np.zeros((len(mean), len(self.levels)))
        for g in np.unique(group):
            rows = group == g
            scaled = mean[rows] * self.scale[g]
            for j, level in enumerate(self.mapped[g]):
                result[rows, j] = _quantile(scaled, self.dispersion[g], float(level))
        return np.maximum.accumulate(result, axis=1)

    def randomised_pit(
        self, actual: Array, mean: Array, group: npt.NDArray[np.int64], *, seed: int
    ) -> Array:
        """Uniform if the forecasts are calibrated, shape (n,); after the mapping of levels."""
        raw = _pit(actual, mean * self.scale[group], self.dispersion[group], seed=seed)
        result = np.empty_like(raw)
        for g in np.unique(group):
            rows = group == g
            x = np.concatenate([[0.0], self.mapped[g], [1.0]])
            y = np.concatenate([[0.0], self.levels, [1.0]])
            result[rows] = np.interp(raw[rows], x, y)
        return result


def fit_distribution(
    actual: Array,
    mean: Array,
    group: npt.NDArray[np.int64],
    *,
    groups: int,
    levels: Sequence[float],
    seed: int,
) -> CountDistribution:
    """Learn spread, bias and levels from forecasts whose outcome is known.

    Args:
        actual: Demand that occurred, shape (n,).
        mean: Expected demand that was forecast, shape (n,).
        group: Group of each, 0 to groups - 1. Small groups borrow from all.
        groups: How many there are.
        levels: Nominal levels.
        seed: Of the randomised PIT.
    """
    nominal = np.asarray(levels, dtype=float)
    dispersion, scale = np.zeros(groups), np.ones(groups)
    mapped = np.tile(nominal, (groups, 1))
    everything = np.ones(len(actual), dtype=bool)
    for g in range(groups):
        rows = group == g if (group == g).sum() >= 200 else everything
        scale[g] = np.clip(actual[rows].sum() / max(mean[rows].sum(), 1e-9), 0.7, 1.4)
        dispersion[g] = _dispersion(actual[rows], mean[rows] * scale[g])
        pit = _pit(actual[rows], mean[rows] * scale[g], dispersion[g], seed=seed)
        mapped[g] = np.maximum.accumulate(np.clip(np.quantile(pit, nominal), 1e-4, 1 - 1e-4))
    return CountDistribution(dispersion, scale, nominal, mapped)


def mean_group(mean: Array, block: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Group by expected demand within each block (for example, window length and kind of site)."""
    return np.asarray(block * (len(MEAN_EDGES) + 1) + np.searchsorted(MEAN_EDGES, mean))


def group_count(blocks: int) -> int:
    """Number of groups of `mean_group`."""
    return blocks * (len(MEAN_EDGES) + 1)


def _dispersion(actual: Array, mean: Array) -> float:
    """By moments: (variance - mean) / mean^2, weighted so that no single series decides."""
    weight = 1 / (mean + 0.5)
    excess = ((actual - mean) ** 2 - mean) * weight
    return float(max((excess.sum()) / max((mean**2 * weight).sum(), 1e-9), 1e-4))


def _pit(actual: Array, mean: Array, dispersion: Array | float, *, seed: int) -> Array:
    size = 1 / np.asarray(dispersion, dtype=float)
    success = size / (size + np.maximum(mean, 1e-6))
    whole = np.round(actual)
    below = stats.nbinom.cdf(whole - 1, size, success)
    at = stats.nbinom.cdf(whole, size, success)
    draw = np.random.default_rng(seed).random(len(whole))
    return np.asarray(below + draw * (at - below), dtype=np.float64)


def _quantile(mean: Array, dispersion: float, level: float) -> Array:
    """Quantiles for many means: computed on a fine grid of their range, a step in between."""
    size = 1 / dispersion
    grid = np.geomspace(max(mean.min(), 1e-3), max(mean.max(), 2e-3), _GRID_POINTS)
    values = np.maximum.accumulate(stats.nbinom.ppf(level, size, size / (size + grid)))
    place = np.clip(np.searchsorted(grid, mean * (1 - 1e-9)), 0, _GRID_POINTS - 1)
    return np.asarray(np.maximum(values[place], 0), dtype=np.float64)
