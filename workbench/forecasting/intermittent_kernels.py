"""Loops of the intermittent methods: plain Python that numba compiles at first use.

Each walks through a series once per cutoff or once for all cutoffs. A day without a number is a
day nobody observed (not yet listed, out of stock): it changes nothing and no time passes.

A smoothed value moves by its error over a weight. In the textbooks' form the first value counts in
full and the weight is 1 / alpha from then on; discounted, it is the sum of all values' weights.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Columns = npt.NDArray[np.int64]


@lru_cache(maxsize=8)
def compiled(loop: Callable[..., None]) -> Any:
    """The loop as machine code; compiled in memory at first use, about a second."""
    import numba

    return numba.njit(loop, nogil=True)


def croston_loop(
    units: Array, cutoffs: Columns, alpha: float, discounted: bool, rates: Array
) -> None:
    """Size and interval smoothed at days with demand."""
    for i in range(units.shape[0]):
        size, interval, weight, since, place = 0.0, 0.0, 0.0, 1.0, 0
        for t in range(units.shape[1]):
            value = units[i, t]
            if value > 0:
                first = weight == 0.0
                weight = 1.0 + (1.0 - alpha) * weight if discounted or first else 1.0 / alpha
                size += (value - size) / weight
                interval += (since - interval) / weight
                since = 1.0
            elif value == 0:
                since += 1.0
            while place < len(cutoffs) and cutoffs[place] == t:
                rates[i, place] = size / interval if interval > 0 else 0.0
                place += 1


def tsb_loop(
    units: Array, cutoffs: Columns, alpha: float, beta: float, discounted: bool, rates: Array
) -> None:
    """Size smoothed at days with demand (alpha), probability of demand every day (beta)."""
    for i in range(units.shape[0]):
        size, probability, sizes, days, place = 0.0, 0.0, 0.0, 0.0, 0
        for t in range(units.shape[1]):
            value = units[i, t]
            if value >= 0:
                if discounted:
                    days = 1.0 + (1.0 - beta) * days
                else:  # until the first demand a plain mean
                    days = days + 1.0 if sizes == 0.0 else 1.0 / beta
                probability += ((1.0 if value > 0 else 0.0) - probability) / days
            if value > 0:
                first = sizes == 0.0
                sizes = 1.0 + (1.0 - alpha) * sizes if discounted or first else 1.0 / alpha
                size += (value - size) / sizes
            while place < len(cutoffs) and cutoffs[place] == t:
                rates[i, place] = probability * size
                place += 1


def aggregate_loop(
    units: Array, cutoffs: Columns, alpha: float, every_level: bool, discounted: bool, rates: Array
) -> None:
    """Smooth sums over blocks of days that end at the cutoff.

    Blocks are as long as the mean interval between demands (ADIDA) or of every length up to it,
    whose rates are averaged (IMAPA).
    """
    known = np.empty(units.shape[1])
    for i in range(units.shape[0]):
        for k in range(len(cutoffs)):
            count, demands, last = 0, 0, 0
            for t in range(cutoffs[k] + 1):
                if units[i, t] >= 0:
                    known[count] = units[i, t]
                    count += 1
                    if units[i, t] > 0:
                        demands += 1
                        last = count
            rates[i, k] = 0.0
            if demands == 0:
                continue
            longest = max(1, int(np.floor(last / demands + 0.5)))
            shortest = 1 if every_level else longest
            for length in range(shortest, longest + 1):
                level, weight, start = 0.0, 0.0, count % length
                for begin in range(start, count - length + 1, length):
                    total = 0.0
                    for t in range(begin, begin + length):
                        total += known[t]
                    first = weight == 0.0
                    weight = 1.0 + (1.0 - alpha) * weight if discounted or first else 1.0 / alpha
                    level += (total - level) / weight
                rates[i, k] += level / length / (longest - shortest + 1)
