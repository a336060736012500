"""Days, weeks and longer windows of one series that add up.

Every window that has a forecast of its own corrects the days in it, and they it: temporal
hierarchies with structural scaling, where the error variance of a window grows with its days.

Source: Athanasopoulos, Hyndman, Kourentzes and Petropoulos 2017, "Forecasting with temporal
hierarchies", EJOR 262, section 3.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from workbench.forecasting.global_model import Window
from workbench.forecasting.hierarchy import Hierarchy
from workbench.forecasting.reconcile import reconcile_weighted

Array = npt.NDArray[np.float64]
WEEK_DAYS = 7
MONTH_DAYS = 28  # four weeks, of which thirteen make a year, as retailers count


def window_tree(days: int, windows: Sequence[Window]) -> Hierarchy:
    """A level of two nodes per window, the days in it and the others; then single days.

    Windows may overlap, as those that orders cover do.

    Raises:
        ValueError: A window does not lie within the days, or leaves none of them out.
    """
    every = np.arange(1, days + 1)
    codes, names = [], []
    for window in windows:
        outside = (every < window.start) | (every >= window.start + window.length)
        if window.start < 1 or window.start + window.length - 1 > days or not window.length:
            raise ValueError(f"{window}: not within {days} days; expected one that ends there.")
        codes.append(outside.astype(np.int64))
        names.append(f"days {window.start} to {window.start + window.length - 1}")
    labels = [("in", "out") if code.any() else ("in",) for code in codes]
    single = tuple(map(str, every))
    return Hierarchy((*names, "day"), (*codes, every - 1), (*labels, single))


def reconcile_windows(days: Array, windows: Sequence[Window], sums: Array) -> Array:
    """Days that add up to windows as nearly as both are worth, shape (series, days).

    Args:
        days: Expected demand of each day, shape (series, days).
        windows: Those with a forecast of their own.
        sums: Expected demand of each, shape (series, windows).
    """
    if not windows:
        return days
    tree = window_tree(days.shape[1], windows)
    inside, place = [], 0
    for labels in tree.labels[:-1]:
        inside.append(place)
        place += len(labels)
    base = np.zeros((len(tree.level), len(days)))
    variance = np.full(len(base), np.inf)
    base[inside], variance[inside] = sums.T, [window.length for window in windows]
    base[place:], variance[place:] = days.T, 1.0
    return reconcile_weighted(tree, base, variance)[place:].T


def whole_windows(days: int, length: int) -> list[Window]:
    """The windows of one length that lie one after another within the days."""
    return [Window(1 + length * k, length) for k in range(days // length)]


def summed(daily: Array, windows: Sequence[Window]) -> Array:
    """Demand of windows from that of days, along axis 1: shape (series, windows, ...)."""
    return np.stack(
        [daily[:, w.start - 1 : w.start - 1 + w.length].sum(axis=1) for w in windows], axis=1
    )
