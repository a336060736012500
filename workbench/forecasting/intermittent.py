"""Croston's method and its descendants: demand rate of items that sell now and then.

All work on a matrix of series at once. `*_path` gives the rate expected after every day, which is
what a backtest needs; the plain name gives the last of them. `distribution.py` turns rates into
distributions of counts.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def croston(units: Array, *, alpha: float = 0.1) -> Array:
    """Croston 1972, "Forecasting and stock control for intermittent demands", ORQ 23.

    Size and interval are smoothed at days with demand only; both start at their first values.

    Args:
        units: Shape (series, days).
        alpha: Smoothing constant of size and interval.

    Returns:
        Units per day, shape (series,).
    """
    return croston_path(units, alpha=alpha)[:, -1]


def sba(units: Array, *, alpha: float = 0.1) -> Array:
    """Syntetos and Boylan 2005, "The accuracy of intermittent demand estimates", IJF 21.

    Croston's rate without its bias: times 1 - alpha / 2.
    """
    return sba_path(units, alpha=alpha)[:, -1]


def tsb(units: Array, *, alpha_size: float = 0.1, alpha_probability: float = 0.05) -> Array:
    """Teunter, Syntetos and Babai 2011, "Intermittent demand", EJOR 214.

    The probability of demand is updated every day, so that dying items fade. It starts at one over
    the days to the first demand, the size at the first demand.
    """
    return tsb_path(units, alpha_size=alpha_size, alpha_probability=alpha_probability)[:, -1]


def croston_path(units: Array, *, alpha: float = 0.1) -> Array:
    """Croston's rate after each day, shape (series, days); zero before the first demand."""
    path = np.zeros(units.shape)
    for day, (size, interval) in enumerate(_sizes_and_intervals(units, alpha)):
        path[:, day] = np.divide(size, interval, out=np.zeros(len(size)), where=interval > 0)
    return path


def sba_path(units: Array, *, alpha: float = 0.1) -> Array:
    """Syntetos and Boylan's rate after each day, shape (series, days)."""
    return np.asarray((1 - alpha / 2) * croston_path(units, alpha=alpha))


def tsb_path(units: Array, *, alpha_size: float = 0.1, alpha_probability: float = 0.05) -> Array:
    """Teunter, Syntetos and Babai's rate after each day, shape (series, days)."""
    path = np.zeros(units.shape)
    size, probability = np.zeros(len(units)), np.zeros(len(units))
    started = np.zeros(len(units), dtype=bool)
    for day in range(units.shape[1]):
        now = units[:, day] > 0
        first, later = now & ~started, now & started
        size = np.where(first, units[:, day], size + alpha_size * later * (units[:, day] - size))
        probability += alpha_probability * started * (now - probability)
        probability = np.where(first, 1.0 / (day + 1), probability)
        started |= now
        path[:, day] = probability * size
    return path


def _sizes_and_intervals(units: Array, alpha: float) -> Iterator[tuple[Array, Array]]:
    """Smoothed size of a demand and days between demands, after each day."""
    count = len(units)
    size, interval = np.zeros(count), np.zeros(count)
    since = np.ones(count)
    started = np.zeros(count, dtype=bool)
    for day in range(units.shape[1]):
        now = units[:, day] > 0
        first, later = now & ~started, now & started
        size = np.where(first, units[:, day], size + alpha * later * (units[:, day] - size))
        interval = np.where(first, since, interval + alpha * later * (since - interval))
        started |= now
        since = np.where(now, 1.0, since + 1)
        yield size, interval
