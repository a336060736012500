"""The day's first sales update what is expected of today and of this week.

Demand of a target (today, or a window that began today) is Poisson at a rate that is not known
exactly: a gamma distribution says what the forecast believes of it. When a share `s` of the
target's demand has usually arrived and `x` has been sold, the gamma stays a gamma (conjugacy), so
that what is still to come is negative binomial, in closed form:

    size' = size + w x        rate' = size / mean + w s
    rest ~ negative binomial of that size with mean (1 - s) size' / rate'

`w`, between 0 and 1, is how much of what is seen now says something about the rest: sales of one
morning are partly that morning's own. It is learned from past days, as are the levels.

Sources: Gelman et al. 2013, "Bayesian data analysis", section 2.6 (gamma and Poisson); Ibrahim and
Chen 2000, "Power prior distributions", Statistical Science 15 (w).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from workbench.forecasting import count_kernels
from workbench.forecasting.distribution import levels_needed, probability_below, through
from workbench.forecasting.losses import mean_of_quantiles, randomised_pit

Array = npt.NDArray[np.float64]
_SIZES = np.geomspace(0.1, 100, 31)  # sizes of the gamma that are tried
WEIGHTS = tuple(float(w) for w in np.round(np.arange(0, 1.01, 0.1), 1))
_LEAST_MEAN = 1e-3


@dataclass(frozen=True)
class Belief:
    """What is believed of demand that is still to come, per series.

    Attributes:
        sold: Units that are sold already, shape (n,).
        mean: Expected units to come, shape (n,).
        size: Of the negative binomial to come; small is wild, large is nearly Poisson, shape (n,).
    """

    sold: Array
    mean: Array
    size: Array

    @property
    def expected(self) -> Array:
        """Units of the whole target."""
        return self.sold + self.mean

    def quantiles(self, levels: Array) -> Array:
        """Whole-number quantiles of the whole target, shape (n, levels), never crossing."""
        result = count_kernels.short_quantiles(self.mean, self.size, levels)
        large = np.isnan(result).any(axis=1)
        if large.any():  # so large that the normal distribution stands in
            mean, size = self.mean[large, None], self.size[large, None]
            deviation = np.sqrt(mean + mean**2 / size)
            result[large] = np.maximum(np.ceil(mean + special.ndtri(levels) * deviation - 0.5), 0)
        return np.asarray(self.sold[:, None] + result)

    def pit(self, total: Array, *, seed: int) -> Array:
        """Randomised PIT of the whole target's demand, shape (n,)."""
        rest = total - self.sold
        at, below = (probability_below(rest + k, self.mean, 1 / self.size) for k in (1, 0))
        return randomised_pit(below, at, seed=seed)

    def log_score(self, total: Array) -> Array:
        """Log probability of what the rest turned out to be, shape (n,)."""
        rest, k = total - self.sold, self.size
        return np.asarray(
            special.gammaln(k + rest) - special.gammaln(k) - special.gammaln(rest + 1)
            + k * np.log(k / (k + self.mean)) + rest * np.log(self.mean / (k + self.mean))
        )  # fmt: skip


def belief_of(quantiles: Array, levels: Array) -> Belief:
    """The gamma-Poisson belief closest to a forecast's quantiles, nothing sold yet.

    Args:
        quantiles: Shape (n, levels).
        levels: Ascending.
    """
    mean = np.maximum(mean_of_quantiles(quantiles, levels), _LEAST_MEAN)
    none = np.zeros(len(mean))
    far = [
        np.abs(Belief(none, mean, np.full(len(mean), k)).quantiles(levels) - quantiles).sum(axis=1)
        for k in _SIZES
    ]
    return Belief(none, mean, _SIZES[np.argmin(far, axis=0)])


def update(prior: Belief, sold: Array, share: Array | float, *, weight: float) -> Belief:
    """What is believed once `sold` units went in the time that usually brings `share` of all.

    Args:
        prior: Of the whole target, before it began.
        sold: Units so far, shape (n,).
        share: Of the target's demand that has usually arrived by now, 0 to 1.
        weight: How much of what is seen tells about the rest, 0 to 1; at 0 the rest stays as it
            was forecast.
    """
    size = prior.size + weight * sold
    rate = prior.size / prior.mean + weight * share
    rest = np.maximum((1 - share) * size / rate, 1e-9)
    return Belief(np.asarray(sold, dtype=float), np.asarray(rest), np.asarray(size))


@dataclass(frozen=True)
class Sense:
    """How one target is updated at each clock of the day.

    Attributes:
        shares: Of the target's demand that has usually arrived, one per clock.
        weights: Per clock.
        spread: Factor on the prior's size.
        asked: Level to ask for instead of each nominal one, shape (clocks, levels).
        levels: Nominal.
    """

    shares: tuple[float, ...]
    weights: tuple[float, ...]
    spread: float
    asked: Array
    levels: Array

    def believe(self, prior: Belief, sold: Array, clock: int) -> Belief:
        """Belief at a clock, from the prior of the whole target."""
        wide = Belief(prior.sold, prior.mean, prior.size * self.spread)
        return update(wide, sold, self.shares[clock], weight=self.weights[clock])

    def quantiles(self, prior: Belief, sold: Array, clock: int) -> Array:
        """Calibrated whole-number quantiles of the target, shape (n, levels)."""
        return self.believe(prior, sold, clock).quantiles(self.asked[clock])

    def pit(self, prior: Belief, sold: Array, total: Array, clock: int, *, seed: int) -> Array:
        """Randomised PIT of the target's demand after calibration, shape (n,)."""
        raw = self.believe(prior, sold, clock).pit(total, seed=seed)
        return through(raw, self.asked[clock], self.levels)


def learn_sense(
    prior: Belief, sold: Array, total: Array, shares: Sequence[float], levels: Array, *, seed: int
) -> Sense:
    """Learn weights, spread and levels from past days.

    Args:
        prior: Of the target, as forecast before it began.
        sold: Units by each clock, shape (clocks, n).
        total: Units of the whole target, shape (n,).
        shares: Of the target's demand that has usually arrived, one per clock.
        levels: Nominal, ascending.
        seed: Of the randomised PIT.
    """
    clocks = range(len(shares))

    def score(spread: float, weight: float, clock: int) -> float:
        wide = Belief(prior.sold, prior.mean, prior.size * spread)
        now = update(wide, sold[clock], shares[clock], weight=weight)
        return float(now.log_score(total).mean())

    spread = max((0.5, 0.7, 1.0, 1.4, 2.0), key=lambda k: score(k, 0.0, 0))
    weights = tuple(max(WEIGHTS, key=lambda w: score(spread, w, j)) for j in clocks)
    plain = Sense(tuple(shares), weights, spread, np.tile(levels, (len(shares), 1)), levels)
    asked = [
        levels_needed(plain.pit(prior, sold[j], total, j, seed=seed + j), levels) for j in clocks
    ]
    return Sense(tuple(shares), weights, spread, np.stack(asked), levels)
