"""Demand hidden by stockouts: which days it is hidden on, and what it is expected to have been.

What sold on a day that ran out is not demand but its lower bound. Such days are known from
`in_stock` flags, or inferred from runs of zeros that are too long for an item that sells nearly
every day. Their demand is the expectation given that it was at least what sold.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from workbench.contracts import columns as c
from workbench.errors import ContractError

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
_WEEK = 7
_LEVEL_DAYS = 56  # of the level: a day and the eight weeks before it
_ROUNDS = 8  # of expectation and maximisation; more move the level by less than 0.1%
_LARGEST_ZERO_SHARE = 0.3  # a fast mover sells on 70% of its days or more
DELISTED_DAYS = 28  # without a sale: a fast mover is not out of stock but gone
_SHRINK_WEEKS = 4  # weeks of evidence that the even week counts for


@dataclass(frozen=True)
class Recovered:
    """Demand with hidden days filled in.

    Attributes:
        units: Expected demand, shape (series, days); as sold where nothing was hidden.
        hidden: Days that only bound demand from below, shape (series, days).
    """

    units: Array
    hidden: Flags

    def effect(self, sold: Array, keys: pd.DataFrame) -> pd.DataFrame:
        """What recovery changed, for the series it touched.

        Returns:
            item_id, location_id, hidden_days, sold, demand (units), bias (sold over demand - 1).
        """
        touched = self.hidden.any(axis=1)
        before, after = np.nansum(sold, axis=1), np.nansum(self.units, axis=1)
        table = keys[[c.ITEM_ID, c.LOCATION_ID]].assign(
            hidden_days=self.hidden.sum(axis=1), sold=before, demand=after,
            bias=np.divide(before, after, out=np.ones(len(after)), where=after > 0) - 1,
        )  # fmt: skip
        return table.iloc[np.flatnonzero(touched)].sort_values("bias", ignore_index=True)


def long_zero_runs(units: Array, *, chance: float = 0.01) -> Flags:
    """Days in runs of zeros that a fast mover has by accident less often than `chance`.

    A series sells on its good days as often as outside the run in question; a run of n zeros has
    probability p0^n at each of its days. Runs before the first sale are not stockouts.

    Args:
        units: Demand, NaN where it was not observed, shape (series, days).
        chance: Expected false alarms per series.
    """
    observed = np.isfinite(units)
    zero = observed & (units == 0)
    begun = np.cumsum(np.where(observed, units, 0), axis=1) > 0
    run = np.zeros(units.shape, dtype=np.int64)  # length of the run each zero belongs to
    forward = np.zeros(len(units), dtype=np.int64)
    for day in range(units.shape[1]):
        forward = np.where(zero[:, day], forward + 1, 0)
        run[:, day] = forward
    for day in range(units.shape[1] - 2, -1, -1):
        run[:, day] = np.where(zero[:, day] & zero[:, day + 1], run[:, day + 1], run[:, day])
    short = zero & begun & (run < _WEEK)
    days = np.maximum((begun & observed & (~zero | short)).sum(axis=1), 1)
    share = (short.sum(axis=1) + 1) / (days + 2)
    needed = np.log(chance / days) / np.log(np.minimum(share, 0.99))
    fast = (share <= _LARGEST_ZERO_SHARE) & (days >= 4 * _WEEK)
    return np.asarray(zero & begun & fast[:, None] & (run >= needed[:, None]))


def zero_runs_so_far(units: Array, *, chance: float = 0.01, longest: int = DELISTED_DAYS) -> Flags:
    """As `long_zero_runs`, told from each day and those before it alone.

    The first days of a run may be chance; a day counts once the run up to it is too long for how
    the item sold in the eight weeks before, and no longer when the run is so long that the item
    has rather been delisted. So a backtest sees on a day what was known on it, and an item that
    fades out with its season is not taken for one that ran out.

    Args:
        units: Demand, NaN where it was not observed, shape (series, days).
        chance: Expected false alarms per series.
        longest: Days of a run after which nobody waits for stock any more.
    """
    observed = np.isfinite(units)
    zero = observed & (units == 0)
    begun = np.cumsum(np.where(observed, units, 0), axis=1) > 0
    run = np.zeros(units.shape, dtype=np.int64)
    forward = np.zeros(len(units), dtype=np.int64)
    for day in range(units.shape[1]):
        forward = np.where(zero[:, day], forward + 1, 0)
        run[:, day] = forward
    short = zero & begun & (run < _WEEK)
    counted = begun & observed & (~zero | short)
    days = _trailing(counted.astype(float))
    share = (_trailing(short.astype(float)) + 1) / (days + 2)
    tried = np.maximum(np.cumsum(counted, axis=1), 1)
    needed = np.log(chance / tried) / np.log(np.minimum(share, 0.99))
    fast = (share <= _LARGEST_ZERO_SHARE) & (days >= 4 * _WEEK)
    return np.asarray(zero & begun & fast & (run >= needed) & (run <= longest))


def recover(units: Array, hidden: Flags) -> Recovered:
    """Replace what sold on hidden days by the demand to expect, given that it was at least that.

    Level (of the eight weeks up to the day) and weekday profile are found by expectation and
    maximisation, so that days which ran out because much was asked for do not drop from the level.
    Demand is negative binomial around them, with the spread of the days that are not hidden. A day
    is recovered from itself and the days before it alone: no backtest sees through it ahead.
    Source: Dempster, Laird and Rubin 1977, "Maximum likelihood from incomplete data", JRSS B 39;
    for lost sales Nahmias 1994, "Demand estimation in lost sales inventory systems", NRL 41.

    Args:
        units: What sold, NaN where it was not observed, shape (series, days).
        hidden: Days on which demand may have been more.

    Raises:
        ContractError: Shapes differ.
    """
    if units.shape != hidden.shape:
        raise ContractError(
            f"hidden: has shape {hidden.shape}; expected {units.shape} as the demand: give one flag"
            " per series and day."
        )
    touched = np.flatnonzero(hidden.any(axis=1))
    result = np.array(units, dtype=float)
    sold, flags = result[touched], hidden[touched] & np.isfinite(units[touched])
    expected = np.where(flags, np.nan, sold)
    for _ in range(_ROUNDS):
        rate = _rate(expected)
        spread = _dispersion(np.where(flags, np.nan, sold), rate)
        expected = np.where(flags, _at_least(sold, rate, spread), sold)
    result[touched] = expected
    return Recovered(result, hidden & np.isfinite(units))


def _rate(demand: Array) -> Array:
    """Level times weekday profile up to each day, shape (series, days); NaN does not count."""
    known = np.isfinite(demand)
    filled = np.where(known, demand, 0.0)
    count = _trailing(known.astype(float))
    ever = np.cumsum(filled, axis=1) / np.maximum(np.cumsum(known, axis=1), 1)
    level = np.where(count > 0, _trailing(filled) / np.maximum(count, 1), ever)
    profile = np.ones(demand.shape)
    for day in range(_WEEK):
        same = slice(day, None, _WEEK)
        prior = _SHRINK_WEEKS * level[:, same] + 1e-9
        ours = np.cumsum(filled[:, same], axis=1) + prior
        profile[:, same] = ours / (np.cumsum((level * known)[:, same], axis=1) + prior)
    return np.asarray(level * profile)


def _trailing(values: Array) -> Array:
    """Sum over each day and those before it in the window of the level."""
    total = np.cumsum(values, axis=1)
    total[:, _LEVEL_DAYS:] = total[:, _LEVEL_DAYS:] - total[:, :-_LEVEL_DAYS].copy()
    return total


def _dispersion(demand: Array, rate: Array) -> Array:
    """Variance beyond Poisson's over squared mean, of the known days up to each."""
    excess = np.cumsum(np.nan_to_num((demand - rate) ** 2 - rate), axis=1)
    square = np.cumsum(np.where(np.isfinite(demand), rate**2, 0.0), axis=1)
    return np.asarray(np.clip(excess / np.maximum(square, 1e-9), 1e-3, 10.0))


def _at_least(sold: Array, rate: Array, dispersion: Array) -> Array:
    """Expected negative binomial demand D given that it is at least what sold.

    rate * P(D' >= sold - 1) / P(D >= sold), where D' has one more unit of size: the size-biased
    distribution. Far above the rate it is what sold.
    """
    sold = np.nan_to_num(sold)
    rate = np.maximum(rate, 1e-9)
    size = 1 / dispersion
    chance = rate / (size + rate)
    tail = np.where(sold > 0, special.betainc(np.maximum(sold, 1), size, chance), 1.0)
    wider = np.where(sold > 1, special.betainc(np.maximum(sold - 1, 1), size + 1, chance), 1.0)
    given = np.divide(rate * wider, tail, out=sold.copy(), where=tail > 1e-12)
    return np.asarray(np.maximum(given, sold))
