"""Quantiles from past forecast errors: split conformal, per group, on the scale of logs or roots.

An error is the logarithm of outcome over forecast, or the difference of their square roots, divided
by the usual size of the series' own errors, so that series of a group can be pooled. One-sided, a
level at a time. Roots are for series that may sell next to nothing: a ratio to next to nothing is
as large as chance makes it, and would be the upper quantile of all.

Source: Romano, Patterson and Candès 2019, "Conformalized quantile regression"; Barber et al. 2023,
"Conformal prediction beyond exchangeability", for what time order takes away from its guarantee.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Groups = npt.NDArray[np.int64]
_LEAST_SIZE = 1e-9  # of errors: a group that was never wrong still has a ratio
_LEAST = 0.5  # units: half of one sale, so that a day without a sale has a ratio; added to roots


@dataclass(frozen=True)
class RatioQuantiles:
    """What stands around the forecast, learned from past errors.

    Attributes:
        size: Usual size of each series' error, shape (series,).
        factor: Error over size, shape (groups, leads, levels).
        roots: Whether an error is a difference of square roots, and not the logarithm of a ratio.
    """

    size: Array
    factor: Array
    roots: bool = False

    def quantiles(self, forecast: Array, group: Groups) -> Array:
        """Quantiles that never cross, shape (series, leads, levels).

        Args:
            forecast: Shape (series, leads).
            group: Of each series, shape (series,).
        """
        error = self.factor[group] * self.size[:, None, None]
        place = _scaled(forecast, self.roots)[:, :, None] + error
        values = np.maximum(np.maximum(place, 0) ** 2 - _LEAST, 0) if self.roots else np.exp(place)
        return np.asarray(np.maximum.accumulate(values, axis=2))


def fit_ratio_quantiles(
    forecast: Array,
    actual: Array,
    group: Groups,
    levels: Array,
    *,
    block: int,
    prior: float = 50.0,
    roots: bool = False,
) -> RatioQuantiles:
    """Learn from past origins.

    Args:
        forecast: Shape (origins, series, leads).
        actual: Same shape.
        group: Of each series: whose errors are pooled.
        levels: Ascending.
        block: Leads that share their quantiles, for example a week.
        prior: Observations that the group's size counts for in the size of a series.
        roots: Take differences of square roots instead of ratios.
    """
    error = _scaled(actual, roots) - _scaled(forecast, roots)
    size = _sizes(error, group, prior)
    scaled = error / size[:, None]
    leads = forecast.shape[2]
    factor = np.zeros((int(group.max()) + 1, leads, len(levels)))
    for g in range(len(factor)):
        for start in range(0, leads, block):
            span = slice(start, start + block)
            factor[g, span] = conformal_quantiles(scaled[:, group == g, span].ravel(), levels)
    return RatioQuantiles(size, factor, roots)


def conformal_quantiles(errors: Array, levels: Array) -> Array:
    """Empirical quantiles with the finite-sample correction, outwards from the middle.

    The k-th smallest of n errors covers a new one with probability k / (n + 1), if they are
    exchangeable: for a level above one half k is rounded up, below it down.
    """
    ordered = np.sort(errors)
    place = levels * (len(errors) + 1)
    rank = np.where(levels > 0.5, np.ceil(place), np.where(levels < 0.5, np.floor(place), place))
    return np.asarray(np.interp(rank, np.arange(1, len(errors) + 1), ordered))


def _scaled(units: Array, roots: bool) -> Array:
    return np.asarray(np.sqrt(units + _LEAST) if roots else np.log(np.maximum(units, _LEAST)))


def _sizes(ratio: Array, group: Groups, prior: float) -> Array:
    """Root mean square error of each series, drawn towards its group's."""
    count = ratio.shape[0] * ratio.shape[2]
    own = (ratio**2).mean(axis=(0, 2))
    pooled = (np.bincount(group, own) / np.maximum(np.bincount(group), 1))[group]
    size = np.sqrt((count * own + prior * pooled) / (count + prior))
    return np.asarray(np.maximum(size, _LEAST_SIZE))
