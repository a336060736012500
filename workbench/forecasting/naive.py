"""Naive and seasonal naive: demand repeats itself, with the spread that this had before."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
SEASON = 7  # days: the set holds one year, so a yearly season cannot be learned
HISTORY_DAYS = 91


def seasonal_naive(known: Array, *, start: int, length: int, season: int = SEASON) -> Array:
    """Demand of days `start` to `start + length - 1` ahead, shape (series,).

    A season of one period repeats the last one.

    Source: Hyndman and Athanasopoulos 2021, "Forecasting: principles and practice", section 5.2.
    """
    ahead = np.arange(start, start + length)
    return np.asarray(known[:, known.shape[1] - season + (ahead - 1) % season].sum(axis=1))


def seasonal_naive_quantiles(
    known: Array, *, start: int, length: int, levels: Sequence[float], season: int = SEASON
) -> Array:
    """Point forecast plus quantiles of its own past errors, per series; never negative.

    Args:
        known: Demand up to the cutoff, shape (series, days).
        start: First day ahead.
        length: Days in the window.
        levels: Ascending.
        season: Periods after which demand repeats itself.

    Returns:
        Shape (series, levels).
    """
    days = known.shape[1]
    last = days - start - length
    origins = range(max(season, last - HISTORY_DAYS), last + 1)
    errors = np.stack(
        [
            known[:, o + start - 1 : o + start - 1 + length].sum(axis=1)
            - seasonal_naive(known[:, :o], start=start, length=length, season=season)
            for o in origins
        ]
    )
    point = seasonal_naive(known, start=start, length=length, season=season)
    quantiles = np.quantile(errors, levels, axis=0, method="inverted_cdf").T
    return np.asarray(np.maximum(point[:, None] + quantiles, 0))
