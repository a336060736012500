"""How good forecasts are. Lower is better everywhere but in coverage."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Levels = npt.NDArray[np.int64]


def pinball(actual: Array, quantiles: Array, levels: Array) -> Array:
    """Pinball loss, shape (n, levels), in units.

    Source: Koenker and Bassett 1978, "Regression quantiles", Econometrica 46.
    """
    error = actual[:, None] - quantiles
    return np.asarray(np.maximum(levels * error, (levels - 1) * error), dtype=np.float64)


def value_weighted_mape(actual: Array, forecast: Array, value: Array) -> float:
    """Sum of |error| * value over sum of actual * value: zeros cannot break it."""
    return float(np.sum(np.abs(actual - forecast) * value) / np.sum(actual * value))


def naive_scale(history: Array, length: int = 1, *, power: int = 2) -> Array:
    """Mean change from one window to the next since the first sale, to a power, shape (n,).

    With windows of one day and squares the scale of RMSSE in the M5 accuracy competition; with
    absolute changes (power 1) that of MASE and of M5 uncertainty's scaled pinball loss. NaN where
    nothing is to be compared.

    Args:
        history: Demand per day, shape (n, days).
        length: Days in a window.
        power: 1 for absolute changes, 2 for squared ones.
    """
    windows = history
    if length > 1:
        total = np.cumsum(np.pad(history, ((0, 0), (1, 0))), axis=1)
        windows = total[:, length:] - total[:, :-length]
    change = np.abs(windows[:, length:] - windows[:, :-length]) ** power
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


def wape(actual: Array, forecast: Array) -> float:
    """Sum of |error| over sum of actual."""
    return value_weighted_mape(actual, forecast, np.ones_like(actual))


def mase(history: Array, actual: Array, forecast: Array, *, season: int = 1) -> Array:
    """Mean absolute scaled error per series, shape (n,); NaN where the scale is zero.

    Source: Hyndman and Koehler 2006, "Another look at measures of forecast accuracy", IJF 22.

    Args:
        history: Shape (n, days); the scale is its mean absolute change over a season.
        actual: Shape (n, forecasts).
        forecast: Shape (n, forecasts).
        season: Days in a season, 1 for the naive change.
    """
    scale = np.abs(history[:, season:] - history[:, :-season]).mean(axis=1)
    error = np.abs(actual - forecast).mean(axis=1)
    return np.asarray(np.divide(error, scale, out=np.full(len(error), np.nan), where=scale > 0))


def scaled_pinball(actual: Array, quantiles: Array, levels: Array, scale: Array) -> Array:
    """Mean pinball loss over days, over the naive scale, shape (n, levels).

    Source: Makridakis et al. 2022, "The M5 uncertainty competition", IJF 38, eq. 1.

    Args:
        actual: Shape (n, days).
        quantiles: Shape (n, days, levels).
        levels: Ascending.
        scale: `naive_scale(history, power=1)`, shape (n,).
    """
    flat = pinball(actual.ravel(), quantiles.reshape(-1, len(levels)), levels)
    return np.asarray(flat.reshape(*actual.shape, -1).mean(axis=1) / scale[:, None])


def weighted(score: Array, weight: Array, level: Levels) -> Array:
    """Weighted sum of the scores of each level of a hierarchy, shape (hierarchy levels, ...).

    Of RMSSE this is WRMSSE, of scaled pinball losses WSPL; the competition's figure is the mean of
    the levels. Series that weigh nothing may have no score.

    Args:
        score: Shape (series,) or (series, quantiles).
        weight: Shape (series,); each level's weights sum to 1.
        level: Place of each series' level, from 0, shape (series,).
    """
    counted = np.where(weight.reshape(-1, *[1] * (score.ndim - 1)) > 0, score, 0.0)
    terms = (counted.T * weight).T
    result = np.zeros((int(level.max()) + 1, *score.shape[1:]))
    np.add.at(result, level, terms)
    return result


def crps_of_samples(actual: Array, samples: Array) -> Array:
    """Continuous ranked probability score of sample forecasts, unbiased in their number, (n,).

    Source: Gneiting and Raftery 2007, "Strictly proper scoring rules", JASA 102, eq. 21; Ferro 2014
    for the factor that makes few samples fair.

    Args:
        actual: Shape (n,).
        samples: Shape (n, samples), at least two.
    """
    count = samples.shape[1]
    ordered = np.sort(samples, axis=1)
    place = 2 * np.arange(1, count + 1) - count - 1
    spread = (ordered * place).sum(axis=1) / (count * (count - 1))
    return np.asarray(np.abs(samples - actual[:, None]).mean(axis=1) - spread)


def randomised_pit(below: Array, at: Array, *, seed: int) -> Array:
    """Uniform if forecasts of counts are calibrated, shape (n,).

    Source: Czado, Gneiting and Held 2009, "Predictive model assessment for count data", Biometrics
    65.

    Args:
        below: Probability that was forecast of less than the outcome, shape (n,).
        at: Probability that was forecast of at most the outcome, shape (n,).
        seed: Of the draw between the two.
    """
    draw = np.random.default_rng(seed).random(len(below))
    return np.asarray(below + draw * (at - below), dtype=np.float64)


def pit_of_quantiles(actual: Array, quantiles: Array, levels: Array, *, seed: int) -> Array:
    """Randomised PIT of whole-number demand of which only quantiles were forecast, shape (n,).

    On which side of a level an outcome lies is certain, but for outcomes that are a quantile: the
    probability of a count is taken to lie midway between what its neighbours allow. Where all
    series sell alike, and few units, that can miss by some points; families that know their whole
    distribution say it themselves (`protocol.Distributed`).

    Args:
        actual: Shape (n,).
        quantiles: Whole, ascending in level, shape (n, levels).
        levels: Theirs.
        seed: Of the draw.
    """
    below, at = (_probability(count, quantiles, levels) for count in (actual - 1, actual))
    return randomised_pit(below, at, seed=seed)


def _probability(count: Array, quantiles: Array, levels: Array) -> Array:
    """Of at most `count`, straight between quantiles that differ, shape (n,)."""
    rows, place = np.arange(len(count)), (quantiles <= count[:, None]).sum(axis=1)
    first, last = place == 0, place == len(levels)
    lower = np.where(first, 0.0, quantiles[rows, place - 1])
    upper = np.where(last, count + 1, quantiles[rows, np.minimum(place, len(levels) - 1)])
    known, next_one = np.append(levels, 0.0)[place - 1], np.append(levels, 1.0)[place]
    share = (count - lower + 0.5) / np.maximum(upper - lower, 1)
    return np.where(count < 0, 0.0, known + (next_one - known) * share)
