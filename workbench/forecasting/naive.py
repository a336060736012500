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
    last = known.shape[1] - start - length
    first = max(season, last - HISTORY_DAYS)
    errors = _past_errors(known[:, first - season :], start, length, season)
    point = seasonal_naive(known, start=start, length=length, season=season)
    quantiles = np.quantile(errors, levels, axis=1, method="inverted_cdf").T
    return np.asarray(np.maximum(point[:, None] + quantiles, 0))


def _past_errors(known: Array, start: int, length: int, season: int) -> Array:
    """Of the forecast from every day after the first season, shape (series, origins).

    From sums before each day: a window is whole seasons and a part of one, which may go round.
    """
    before = np.cumsum(np.pad(known, ((0, 0), (1, 0))), axis=1, dtype=np.float64)
    count = known.shape[1] - start - length + 1 - season
    ends = np.arange(season, season + count)
    sold = before[:, ends + start - 1 + length] - before[:, ends + start - 1]
    whole, rest = divmod(length, season)
    begin = ends - season + (start - 1) % season
    stop = begin + rest
    part = before[:, np.minimum(stop, ends)] - before[:, begin]
    round_again = before[:, np.maximum(stop - season, ends - season)] - before[:, ends - season]
    expected = whole * (before[:, ends] - before[:, ends - season]) + part + round_again
    return np.asarray(sold - expected)
