"""Croston's method and its descendants: demand rate of items that sell now and then.

All work on a matrix of series at once and return the expected demand per day after the last day.
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def croston(units: Array, *, alpha: float = 0.1) -> Array:
    """Croston 1972, "Forecasting and stock control for intermittent demands", ORQ 23.

    Size and interval are smoothed at days with demand only; both start at their first values.

    Args:
        units: Shape (series, days).
        alpha: Smoothing constant of size and interval.
    """
    size, interval = _sizes_and_intervals(units, alpha)
    return np.divide(size, interval, out=np.zeros_like(size), where=interval > 0)


def sba(units: Array, *, alpha: float = 0.1) -> Array:
    """Syntetos and Boylan 2005, "The accuracy of intermittent demand estimates", IJF 21: Croston's
    rate without its bias, times 1 - alpha / 2.
    """  # noqa: D205
    return np.asarray((1 - alpha / 2) * croston(units, alpha=alpha))


def tsb(units: Array, *, alpha_size: float = 0.1, alpha_probability: float = 0.05) -> Array:
    """Teunter, Syntetos and Babai 2011, "Intermittent demand: linking forecasting to inventory
    obsolescence", EJOR 214: the probability of demand is updated every day, so that dying items
    fade.
    """  # noqa: D205
    occurs = units > 0
    first = np.argmax(occurs, axis=1)
    ever = occurs.any(axis=1)
    size = np.where(ever, units[np.arange(len(units)), first], 0.0).astype(float)
    probability = np.where(ever, 1.0 / (first + 1), 0.0)
    for day in range(units.shape[1]):
        now, started = occurs[:, day], day > first
        size = np.where(now & started, size + alpha_size * (units[:, day] - size), size)
        change = alpha_probability * (now - probability)
        probability = np.where(started, probability + change, probability)
    return np.asarray(probability * size)


def _sizes_and_intervals(units: Array, alpha: float) -> tuple[Array, Array]:
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
    return size, interval
