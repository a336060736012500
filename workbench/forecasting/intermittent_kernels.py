"""Loops of the intermittent methods: plain Python that numba compiles at first use.

Each walks through a series once per cutoff or once for all cutoffs. A day without a number is a
day nobody observed (not yet listed, out of stock): it changes nothing and no time passes.
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


def croston_loop(units: Array, cutoffs: Columns, alpha: float, rates: Array) -> None:
    """Size and interval smoothed at days with demand, both from their first values."""
    for i in range(units.shape[0]):
        size, interval, since, place = 0.0, 0.0, 1.0, 0
        for t in range(units.shape[1]):
            value = units[i, t]
            if value > 0:
                if interval == 0.0:
                    size, interval = value, since
                else:
                    size += alpha * (value - size)
                    interval += alpha * (since - interval)
                since = 1.0
            elif value == 0:
                since += 1.0
            while place < len(cutoffs) and cutoffs[place] == t:
                rates[i, place] = size / interval if interval > 0 else 0.0
                place += 1


def tsb_loop(units: Array, cutoffs: Columns, alpha: float, beta: float, rates: Array) -> None:
    """Size smoothed at days with demand (alpha), probability of demand every day (beta)."""
    for i in range(units.shape[0]):
        size, probability, seen, place = 0.0, -1.0, 0, 0
        for t in range(units.shape[1]):
            value = units[i, t]
            if value >= 0:
                seen += 1
            if value > 0:
                if probability < 0:
                    size, probability = value, 1.0 / seen
                else:
                    size += alpha * (value - size)
                    probability += beta * (1.0 - probability)
            elif value == 0 and probability >= 0:
                probability -= beta * probability
            while place < len(cutoffs) and cutoffs[place] == t:
                rates[i, place] = probability * size if probability > 0 else 0.0
                place += 1


def aggregate_loop(
    units: Array, cutoffs: Columns, alpha: float, every_level: bool, rates: Array
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
                level, start = -1.0, count % length
                for first in range(start, count - length + 1, length):
                    total = 0.0
                    for t in range(first, first + length):
                        total += known[t]
                    level = total if level < 0 else level + alpha * (total - level)
                rates[i, k] += level / length / (longest - shortest + 1)
