"""Sums of the negative binomial's probabilities: plain Python that numba compiles at first use.

A sum from no demand upwards takes some nanoseconds a unit and gives every level, or a probability
and that of one unit less, at once: of the demand of slow movers that is a hundredth of the work of
an inverted or an incomplete beta function. Where demand is so large, or so even, that the sum would
be long or cannot start, it is left to these.
"""

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from workbench.forecasting.intermittent_kernels import compiled

Array = npt.NDArray[np.float64]
_SMALLEST_LOG = -600.0  # below it the chance of no demand is not a number that sums can start from
_LONGEST = 2_000.0  # units, beyond which a sum is no shorter than the function


def short_quantiles(mean: Array, size: Array, levels: Array) -> Array:
    """Quantiles at ascending levels, shape (n, levels); NaN where the sum would be too long.

    Args:
        mean: Expected units, shape (n,).
        size: Of the distribution: variance is mean + mean^2 / size, shape (n,).
        levels: Ascending.
    """
    result = np.empty((len(mean), len(levels)))
    compiled(_quantile_loop)(mean, size, np.ascontiguousarray(levels, dtype=float), result)
    return result


def quantiles(mean: Array, size: Array, levels: Array) -> Array:
    """Quantiles at ascending levels, shape (n, levels)."""
    result = short_quantiles(mean, size, levels)
    rest = np.isnan(result[:, 0]) if len(levels) else np.zeros(len(mean), dtype=bool)
    if rest.any():
        k, m = size[rest, None], mean[rest, None]
        result[rest] = stats.nbinom.ppf(levels, k, k / (k + m))
    return np.maximum(result, 0)


def around(count: Array, mean: Array, size: Array) -> tuple[Array, Array]:
    """Probability of fewer units than `count`, and of at most so many, shape (n,) each."""
    below, at = np.empty(len(count)), np.empty(len(count))
    compiled(_around_loop)(count, mean, size, below, at)
    rest = np.isnan(at)
    if rest.any():
        below[rest], at[rest] = (
            _by_beta(count[rest] + step, mean[rest], size[rest]) for step in (0, 1)
        )
    return below, at


def _by_beta(count: Array, mean: Array, size: Array) -> Array:
    """Probability of fewer units than `count`."""
    probability = special.betainc(size, np.maximum(count, 1), size / (size + mean))
    return np.asarray(np.where(count > 0, probability, 0.0))


def _quantile_loop(mean: Array, size: Array, levels: Array, result: Array) -> None:
    for i in range(len(mean)):
        k, m = size[i], mean[i]
        start = k * np.log(k / (k + m))
        if start < _SMALLEST_LOG or m > _LONGEST:
            result[i, :] = np.nan
            continue
        ratio = m / (k + m)
        chance = np.exp(start)
        below, count = chance, 0.0
        for j in range(len(levels)):
            while below < levels[j]:
                count += 1.0
                chance *= ratio * (k + count - 1.0) / count
                below += chance
                if chance < 1e-14 and count > m:
                    break
            result[i, j] = count


def _around_loop(counts: Array, mean: Array, size: Array, below: Array, at: Array) -> None:
    for i in range(len(counts)):
        k, m, last = size[i], mean[i], counts[i]
        start = k * np.log(k / (k + m))
        if start < _SMALLEST_LOG or last > _LONGEST:
            at[i] = np.nan
            continue
        ratio = m / (k + m)
        chance = np.exp(start)
        fewer, upto, count = 0.0, chance, 0.0
        while count < last:
            count += 1.0
            chance *= ratio * (k + count - 1.0) / count
            fewer = upto
            upto += chance
        if last < 0:
            fewer, upto = 0.0, 0.0
        below[i], at[i] = fewer, min(upto, 1.0)
