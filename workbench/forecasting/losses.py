"""How good forecasts are. Lower is better everywhere but in coverage."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def pinball(actual: Array, quantiles: Array, levels: Array) -> Array:
    """Pinball loss, shape (n, levels), in units.

    Source: Koenker and Bassett 1978, "Regression quantiles", Econometrica 46.
    """
    error = actual[:, None] - quantiles
    return np.asarray(np.maximum(levels * error, (levels - 1) * error), dtype=np.float64)


def value_weighted_mape(actual: Array, forecast: Array, value: Array) -> float:
    """Sum of |error| * value over sum of actual * value: zeros cannot break it."""
    return float(np.sum(np.abs(actual - forecast) * value) / np.sum(actual * value))


def rmsse(history: Array, actual: Array, forecast: Array) -> Array:
    """Root mean squared scaled error per series, shape (n,).

    The scale is the mean squared day-to-day change of the history from its first sale on.
    Source: Makridakis, Spiliotis and Assimakopoulos 2022, "M5 accuracy competition", eq. 1.

    Args:
        history: Shape (n, days).
        actual: Shape (n, horizon).
        forecast: Shape (n, horizon).
    """
    listed = np.cumsum(history > 0, axis=1) > 0
    change = np.diff(history, axis=1) ** 2
    counted = listed[:, :-1]
    scale = (change * counted).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
    error = ((actual - forecast) ** 2).mean(axis=1)
    return np.asarray(np.sqrt(np.divide(error, scale, out=np.full(len(scale), np.nan),
                                        where=scale > 0)))  # fmt: skip


def coverage(actual: Array, quantiles: Array) -> Array:
    """Share of outcomes at or below each quantile, shape (levels,)."""
    return np.asarray((actual[:, None] <= quantiles).mean(axis=0), dtype=np.float64)


def bias_share(actual: Array, forecast: Array) -> float:
    """Sum of forecast minus actual, as a share of actual."""
    return float((forecast.sum() - actual.sum()) / actual.sum())
