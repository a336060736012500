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


def naive_scale(history: Array, length: int = 1) -> Array:
    """Mean squared change from one window to the next since the first sale, shape (n,).

    With windows of one day the scale of the M5 competition; NaN where nothing is to be compared.

    Args:
        history: Demand per day, shape (n, days).
        length: Days in a window.
    """
    total = np.cumsum(np.pad(history, ((0, 0), (1, 0))), axis=1)
    windows = total[:, length:] - total[:, :-length]
    change = (windows[:, length:] - windows[:, :-length]) ** 2
    listed = (np.cumsum(history > 0, axis=1) > 0)[:, : change.shape[1]]
    counted = listed.sum(axis=1)
    scale = np.divide((change * listed).sum(axis=1), counted, out=np.full(len(history), np.nan),
                      where=counted > 0)  # fmt: skip
    return np.asarray(np.where(scale > 0, scale, np.nan))


def rmsse(history: Array, actual: Array, forecast: Array, *, length: int = 1) -> Array:
    """Root mean squared scaled error per series, shape (n,); NaN where the scale is zero.

    Source: Makridakis, Spiliotis and Assimakopoulos 2022, "M5 accuracy competition", eq. 1.

    Args:
        history: Shape (n, days).
        actual: Shape (n, forecasts).
        forecast: Shape (n, forecasts).
        length: Days in each forecast window.
    """
    error = ((actual - forecast) ** 2).mean(axis=1)
    return np.asarray(np.sqrt(error / naive_scale(history, length)))


def coverage(actual: Array, quantiles: Array) -> Array:
    """Share of outcomes at or below each quantile, shape (levels,)."""
    return np.asarray((actual[:, None] <= quantiles).mean(axis=0), dtype=np.float64)


def bias_share(actual: Array, forecast: Array) -> float:
    """Sum of forecast minus actual, as a share of actual."""
    return float((forecast.sum() - actual.sum()) / actual.sum())


def mean_of_quantiles(quantiles: Array, levels: Array) -> Array:
    """Expected value of quantile functions, straight between levels and flat beyond."""
    inner = ((quantiles[:, 1:] + quantiles[:, :-1]) / 2) @ np.diff(levels)
    return np.asarray(inner + quantiles[:, 0] * levels[0] + quantiles[:, -1] * (1 - levels[-1]))
