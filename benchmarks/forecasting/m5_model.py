"""The forecast of M5: aggregates by a structural model, items by LightGBM, made to add up.

Upper nodes (154, total to store and department) have too few series for trees and too much calendar
for exponential smoothing: a structural model forecasts each. LightGBM forecasts the 30,490 item
and store series directly; its sums are a second opinion on the upper nodes. The blend is
reconciled, and the items are scaled to it.
"""

import time
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.forecasting.m5_data import HORIZON, M5, STATES, UPPER
from workbench.forecasting import direct, reconcile
from workbench.forecasting.structural import (
    StructuralConfig,
    calendar_effects,
    forecast_structural,
)

Array = npt.NDArray[np.float64]
_FIRST_ORIGIN = 112  # days that the longest mean of an origin looks back


@dataclass(frozen=True)
class M5Config:
    """The one configuration, chosen on windows that end before d_1914.

    Attributes:
        rows: Training rows of LightGBM.
        trees: Boosting rounds.
        origins: Weekly origins to learn from.
        blend: Weight of LightGBM's sums against the structural model, on the log scale.
        structural: Penalties of the structural model.
        upper_origins: Past origins, a week apart, that give the upper nodes' errors.
        seed: Of all sampling.
    """

    rows: int = 1_500_000
    trees: int = 150
    origins: int = 24
    blend: float = 0.2
    structural: StructuralConfig = field(default_factory=StructuralConfig)
    upper_origins: int = 6
    seed: int = 1


@dataclass(frozen=True)
class Forecast:
    """Point forecasts from one cutoff and what they cost.

    Attributes:
        known: Days known.
        items: LightGBM alone, shape (30490, 28).
        upper: Structural model alone, shape (154, 28).
        nodes: Reconciled, all 42,840 nodes, shape (nodes, 28).
        cpu_seconds: Spent by this process.
    """

    known: int
    items: Array
    upper: Array
    nodes: Array
    cpu_seconds: float


def forecast(m5: M5, known: int, config: M5Config) -> Forecast:
    """Forecast the 28 days after the first `known` days; later sales are not looked at."""
    m5, started = m5.until(known), time.process_time()
    items = item_forecast(m5, known, config)
    upper = upper_forecast(m5, known, config)
    nodes = coherent(m5, items, upper, config)
    return Forecast(known, items, upper, nodes, time.process_time() - started)


def item_forecast(m5: M5, known: int, config: M5Config) -> Array:
    """LightGBM's expected sales of items in stores, shape (30490, 28)."""
    panel = m5.panel(known)
    leads = range(1, HORIZON + 1)
    origins = [known - 1 - HORIZON - 7 * k for k in range(config.origins)]
    origins = [origin for origin in origins if origin >= _FIRST_ORIGIN]
    sample = direct.training_sample(panel, origins, leads, rows=config.rows, seed=config.seed)
    booster = direct.fit_direct(panel, sample, trees=config.trees, seed=config.seed)
    return direct.forecast_direct(panel, booster, known - 1, leads)


def upper_forecast(m5: M5, known: int, config: M5Config) -> Array:
    """The structural model's forecast of the upper nodes, shape (154, 28)."""
    top = m5.tree.until(UPPER)
    units = m5.tree.sums(m5.units[:, :known])[: len(top.level)]
    calendar = m5.calendar
    names = sorted(set(calendar["event_name_1"].dropna()) | set(calendar["event_name_2"].dropna()))
    events = np.column_stack(
        [(calendar["event_name_1"] == n) | (calendar["event_name_2"] == n) for n in names]
    ).astype(float)
    open_ = (calendar["event_name_1"] != "Christmas").to_numpy()[:known]
    result = np.zeros((len(units), HORIZON))
    state = node_state(m5)
    for place in range(-1, len(STATES)):
        snap = [f"snap_{s}" for s in (STATES if place < 0 else STATES[place : place + 1])]
        effects = calendar_effects(
            pd.DatetimeIndex(calendar["date"]), calendar[snap].to_numpy(float), events,
            config.structural,
        )  # fmt: skip
        result[state == place] = forecast_structural(
            units[state == place],
            effects,
            ahead=HORIZON,
            step=config.structural.step,
            counted=open_,
        )
    return result


def node_state(m5: M5) -> npt.NDArray[np.int64]:
    """State of each upper node, -1 for those that span states, shape (154,)."""
    own = m5.keys["state_id"].map({s: i for i, s in enumerate(STATES)}).to_numpy()
    top = m5.tree.until(UPPER)
    result = []
    for codes, labels in zip(m5.tree.codes, top.labels, strict=False):
        low, high = np.full(len(labels), 9), np.full(len(labels), -1)
        np.minimum.at(low, codes, own)
        np.maximum.at(high, codes, own)
        result.append(np.where(low == high, low, -1))
    return np.concatenate(result)


def coherent(m5: M5, items: Array, upper: Array, config: M5Config) -> Array:
    """Blend, reconcile the upper nodes and scale the items to them, shape (nodes, 28)."""
    top = m5.tree.until(UPPER)
    summed = m5.tree.sums(items)[: len(top.level)]
    logs = config.blend * np.log(np.maximum(summed, 1)), np.log(np.maximum(upper, 1))
    blended = np.exp(logs[0] + (1 - config.blend) * logs[1])
    fitted = reconcile.reconcile_weighted(top, blended, reconcile.structural_variance(top))
    parent = m5.tree.codes[len(top.names) - 1]
    return m5.tree.sums(reconcile.align(parent, items, fitted[top.nodes(UPPER)]))
