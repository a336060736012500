"""Simple families on M5, each bottom-up: what the forecast has to beat."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from benchmarks.forecasting.m5_data import HORIZON, M5, UPPER
from benchmarks.forecasting.m5_model import Forecast
from workbench.forecasting import intermittent, reconcile

Array = npt.NDArray[np.float64]
_MONTH = 28


def naive(units: Array) -> Array:
    """The last day, repeated."""
    return np.repeat(units[:, -1:], HORIZON, axis=1)


def seasonal_naive(units: Array) -> Array:
    """The last week, repeated."""
    return np.tile(units[:, -7:], HORIZON // 7)


def moving_average(units: Array) -> Array:
    """Mean of the last 28 days."""
    return np.repeat(units[:, -_MONTH:].mean(axis=1, keepdims=True), HORIZON, axis=1)


def _rate(method: intermittent.RatesAt) -> Callable[[Array], Array]:
    return lambda units: np.repeat(method(units, [units.shape[1] - 1]), HORIZON, axis=1)


BOTTOM_UP: dict[str, Callable[[Array], Array]] = {
    "naive": naive, "seasonal naive": seasonal_naive, "moving average, 28 days": moving_average,
    **{name.upper(): _rate(method) for name, method in intermittent.METHODS.items()},
}  # fmt: skip


def ets_top_down(m5: M5, known: int) -> Array:
    """Exponential smoothing (AutoETS) of store and department, items by their last 28 days."""
    from statsforecast.models import AutoETS

    upper = m5.tree.sums(m5.units[:, :known])[m5.tree.nodes(UPPER)]
    model = AutoETS(season_length=7, model="ZZA")
    totals = np.stack([model.forecast(y, HORIZON)["mean"] for y in upper])
    return by_recent_shares(m5, known, np.maximum(totals, 0))


def structural_top_down(m5: M5, now: Forecast) -> Array:
    """The structural model, reconciled, items by their last 28 days."""
    top = m5.tree.until(UPPER)
    fitted = reconcile.reconcile_weighted(top, now.upper, reconcile.structural_variance(top))
    return by_recent_shares(m5, now.known, fitted[top.nodes(UPPER)])


def by_recent_shares(m5: M5, known: int, totals: Array) -> Array:
    """Items at their mean of the last 28 days, scaled to store and department."""
    recent = moving_average(m5.units[:, :known].astype(float))
    return reconcile.align(m5.tree.codes[m5.tree.names.index(UPPER)], recent, totals)
