"""Nine quantiles of every M5 node and day, calibrated on windows that have ended.

Upper nodes: past errors of the reconciled structural model, on a ratio scale, pooled by level
(split conformal). Item levels: negative binomial counts around the forecast, their
spread and levels learned from the last 28 known days, forecast without them.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.forecasting.m5_data import FIRST_DAY, HORIZON, M5, UPPER
from benchmarks.forecasting.m5_model import Forecast, M5Config, upper_forecast
from workbench.forecasting import losses, reconcile
from workbench.forecasting.conformal import RatioQuantiles, fit_ratio_quantiles
from workbench.forecasting.distribution import (
    CountDistribution,
    count_group,
    fit_distribution,
    group_count,
)

Array = npt.NDArray[np.float64]
Groups = npt.NDArray[np.int64]
LEVELS = np.array([0.005, 0.025, 0.165, 0.25, 0.5, 0.75, 0.835, 0.975, 0.995])
_STEP = 7  # days between the origins of past errors
_SPREAD_DAYS = 91
_LEAST_MEAN = 1e-3


def quantiles(m5: M5, now: Forecast, past: Forecast, config: M5Config) -> Array:
    """Quantiles of all nodes, shape (nodes, 28, 9); those of items are whole numbers.

    Args:
        m5: Sales after `now.known` are not looked at.
        now: What to give a distribution.
        past: The same forecast from 28 days before, made without those days.
        config: As of the forecasts.
    """
    m5 = m5.until(now.known)
    top = m5.tree.until(UPPER)
    count = len(top.level)
    result = np.empty((len(m5.tree.level), HORIZON, len(LEVELS)), dtype=np.float32)
    ratios = learn_upper(m5, now.known, config)
    result[:count] = ratios.quantiles(now.nodes[:count], top.level)
    learned = learn_items(m5, past, config)
    mean, group, segment = _item_case(m5, now)
    found = learned.quantiles(mean, group, segment)
    result[count:] = found.reshape(-1, HORIZON, len(LEVELS))
    return result


def learn_upper(m5: M5, known: int, config: M5Config) -> RatioQuantiles:
    """From the structural model's forecasts of past windows."""
    top = m5.tree.until(UPPER)
    units = m5.tree.sums(m5.units[:, :known])[: len(top.level)]
    variance = reconcile.structural_variance(top)
    origins = [known - HORIZON - _STEP * k for k in range(config.upper_origins)]
    forecasts, actual = [], []
    for origin in origins:
        base = upper_forecast(m5, origin, config)
        forecasts.append(reconcile.reconcile_weighted(top, base, variance))
        actual.append(units[:, origin : origin + HORIZON])
    return fit_ratio_quantiles(
        np.stack(forecasts), np.stack(actual), top.level, LEVELS, block=HORIZON
    )


def learn_items(m5: M5, past: Forecast, config: M5Config) -> CountDistribution:
    """Spread and levels of the item levels, from a window whose sales are known."""
    count = len(m5.tree.until(UPPER).level)
    window = m5.units[:, past.known : past.known + HORIZON]
    actual = m5.tree.sums(window)[count:].ravel()
    mean, group, segment = _item_case(m5.until(past.known), past)
    return fit_distribution(
        actual, mean, group, segment, groups=group_count(3), segments=3,
        levels=LEVELS.tolist(), seed=config.seed,
    )  # fmt: skip


def _item_case(m5: M5, forecast: Forecast) -> tuple[Array, Groups, Groups]:
    """Mean, group and segment of every item node and day, one row each."""
    count = len(m5.tree.until(UPPER).level)
    known = m5.tree.sums(m5.units[:, -_SPREAD_DAYS:])[count:]
    average = known.mean(axis=1)
    spread = (known.var(axis=1) - average) / np.maximum(average, _LEAST_MEAN) ** 2
    block = np.repeat(m5.tree.level[count:] - m5.tree.level[count], HORIZON)
    mean = np.maximum(forecast.nodes[count:].ravel(), _LEAST_MEAN)
    return mean, count_group(mean, np.repeat(spread, HORIZON), block), block


def absolute_scale(m5: M5, known: int, squared: Array) -> Array:
    """Mean absolute daily change of each node, shape (nodes,).

    The competition takes it over all 1,941 days, of which 447 are at hand. Here it is that of the
    known days, times the root of how much the published squared scale differs from theirs; the root
    of the published one where the known days show no change.

    Args:
        m5: Sales.
        known: Days known.
        squared: Published squared scales, from the full history.
    """
    history = m5.tree.sums(m5.units[:, :known])
    ratio = squared / losses.naive_scale(history)
    scale = losses.naive_scale(history, power=1) * np.sqrt(ratio)
    return np.asarray(np.where(np.isnan(scale), np.sqrt(squared), scale))


def scale_error(m5: M5, known: int, squared: Array) -> tuple[float, float, float]:
    """How far `absolute_scale` is from the exact one where the full history is at hand.

    Returns:
        Relative error, without sign: median and 90th percentile of the 823 items of FOODS_3 in
        store TX_3, and that of their sum.
    """
    full = pd.read_parquet(m5.folder.parent / "m5_tx3_foods3" / "sales_d1_d1941.parquet")
    history = full.filter(like="d_").to_numpy(float)[:, : known + FIRST_DAY - 1]
    ours = absolute_scale(m5, known, squared)
    ids = pd.Index(m5.keys["id"]).get_indexer(full["id"].str.replace("validation", "evaluation"))
    items = ours[m5.tree.nodes("12 item, store")][ids] / losses.naive_scale(history, power=1)
    place = m5.tree.labels[m5.tree.names.index(UPPER)].index("TX_3_FOODS_3")
    total = losses.naive_scale(history.sum(axis=0, keepdims=True), power=1)[0]
    off = np.abs(items - 1)
    return (
        float(np.nanmedian(off)), float(np.nanquantile(off, 0.9)),
        float(abs(ours[m5.tree.nodes(UPPER)][place] / total - 1)),
    )  # fmt: skip
