"""The forecast of M5: aggregates by a structural model, items by LightGBM, made to add up.

Upper nodes (154, total to store and department) have too few series for trees and too much calendar
for exponential smoothing: two structural models forecast each, one of them with calendar effects
drawn towards those of the groups above, and their mean counts. LightGBM forecasts the 30,490 item
and store series directly; its sums are a second opinion on stores' departments. The blend is
reconciled, and the items are scaled to it.
"""

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.forecasting.m5_data import CLOSED, HORIZON, M5, STATES, UPPER
from workbench.forecasting import direct, reconcile
from workbench.forecasting.hierarchy import Hierarchy
from workbench.forecasting.structural import (
    Effects,
    StructuralConfig,
    StructuralFit,
    calendar_effects,
    fit_structural,
)

Array = npt.NDArray[np.float64]
# Levels whose calendar effects are drawn towards those of the groups above, in turn.
POOLED: tuple[dict[str, dict[str, int]], ...] = (
    {"2 state": {"1 total": 1}, "4 category": {"1 total": 1}},
    {
        "3 store": {"2 state": 1}, "5 department": {"4 category": 1},
        "6 state, category": {"2 state": 1, "4 category": 1, "1 total": -1},
    },
    {
        "7 state, department": {"6 state, category": 1, "5 department": 1, "4 category": -1},
        "8 store, category": {"3 store": 1, "6 state, category": 1, "2 state": -1},
    },
    {
        "9 store, department": {
            "8 store, category": 1, "7 state, department": 1, "6 state, category": -1,
        },
    },
)  # fmt: skip


@dataclass(frozen=True)
class M5Config:
    """The one configuration, chosen on windows that end before d_1914.

    Attributes:
        rows: Training rows of LightGBM.
        trees: Boosting rounds.
        origins: Weekly origins to learn from.
        blend: Weight of LightGBM's sums for stores' departments, on the log scale.
        structural: Penalties of the structural models, whose logarithms are averaged.
        upper_origins: Past origins, a week apart, that give the upper nodes' errors.
        seed: Of all sampling.
    """

    rows: int = 1_500_000
    trees: int = 150
    origins: int = 52
    blend: float = 0.3
    structural: tuple[StructuralConfig, ...] = (
        StructuralConfig(step=250.0, event=0.15, pooling=3.0),
        StructuralConfig(step=250.0, event=0.15, part_indicator=0.5),
    )
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


def forecast(m5: M5, known: int, config: M5Config, cache: Path | None = None) -> Forecast:
    """Forecast the 28 days after the first `known` days; later sales are not looked at.

    Args:
        m5: The data.
        known: Days known.
        config: The configuration.
        cache: Folder where LightGBM's part is kept, with the CPU seconds that it cost.
    """
    m5 = m5.until(known)
    items, spent = cached_items(m5, known, config, cache)
    started = time.process_time()
    upper = upper_forecast(m5, known, config)
    nodes = coherent(m5, items, upper, config)
    return Forecast(known, items, upper, nodes, spent + time.process_time() - started)


def cached_items(m5: M5, known: int, config: M5Config, cache: Path | None) -> tuple[Array, float]:
    """`item_forecast` and its CPU seconds, or what an earlier run of the same code kept of them."""
    what = (known, config.rows, config.trees, config.origins, config.seed)
    digest = hashlib.sha256(repr(what).encode() + Path(direct.__file__).read_bytes()).hexdigest()
    path = cache / f"m5-items-{known}-{digest[:16]}.npz" if cache else None
    if path and path.exists():
        kept = np.load(path)
        return kept["items"], float(kept["cpu_seconds"])
    started = time.process_time()
    items = item_forecast(m5, known, config)
    spent = time.process_time() - started
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, items=items, cpu_seconds=spent)
    return items, spent


def item_forecast(m5: M5, known: int, config: M5Config) -> Array:
    """LightGBM's expected sales of items in stores, shape (30490, 28)."""
    panel = m5.panel(known)
    leads = range(1, HORIZON + 1)
    origins = [known - 1 - HORIZON - 7 * k for k in range(config.origins)]
    origins = [origin for origin in origins if origin >= direct.FIRST_ORIGIN]
    closed = np.flatnonzero(m5.calendar["event_name_1"] == CLOSED).tolist()
    sample = direct.training_sample(
        panel, origins, leads, rows=config.rows, seed=config.seed, closed=closed
    )
    booster = direct.fit_direct(panel, sample, trees=config.trees, seed=config.seed)
    return direct.forecast_direct(panel, booster, known - 1, leads)


def upper_forecast(m5: M5, known: int, config: M5Config) -> Array:
    """Geometric mean of the structural models' forecasts of the upper nodes, shape (154, 28)."""
    logs = [np.log(structural_forecast(m5, known, each)) for each in config.structural]
    return np.asarray(np.exp(np.mean(logs, axis=0)))


def structural_forecast(m5: M5, known: int, config: StructuralConfig) -> Array:
    """One structural model's forecast of the upper nodes, shape (154, 28)."""
    top = m5.tree.until(UPPER)
    units = m5.tree.sums(m5.units[:, :known])[: len(top.level)]
    fit = _fit_nodes(m5, units, config, None)
    if config.pooling is None:
        return fit.forecast(HORIZON)
    groups = above(top)
    for names in POOLED:
        refitted = _fit_nodes(m5, units, config, groups @ fit.calendar)
        rows = np.isin(top.level, [top.names.index(name) for name in names])
        for part in ("level", "calendar", "variance"):
            getattr(fit, part)[rows] = getattr(refitted, part)[rows]
    return fit.forecast(HORIZON)


def _fit_nodes(
    m5: M5, units: Array, config: StructuralConfig, prior: Array | None
) -> StructuralFit:
    """All upper nodes, each with the calendar of its state or, above states, of all of them."""
    known = units.shape[1]
    open_ = (m5.calendar["event_name_1"] != CLOSED).to_numpy()[:known]
    state = node_state(m5)
    level, calendar = np.zeros((2, len(units), known + HORIZON))
    variance = np.zeros(len(units))
    for place in range(-1, len(STATES)):
        rows = state == place
        fit = fit_structural(
            units[rows], node_effects(m5.calendar, place, config), ahead=HORIZON, step=config.step,
            counted=open_, prior=None if prior is None else prior[rows],
            pooling=1.0 if prior is None or config.pooling is None else config.pooling,
        )  # fmt: skip
        level[rows], calendar[rows], variance[rows] = fit.level, fit.calendar, fit.variance
    return StructuralFit(level, calendar, variance)


def node_effects(calendar: pd.DataFrame, place: int, config: StructuralConfig) -> Effects:
    """Calendar of a state's nodes, or with -1 of those that span states."""
    names = sorted(set(calendar["event_name_1"].dropna()) | set(calendar["event_name_2"].dropna()))
    events = np.column_stack(
        [(calendar["event_name_1"] == n) | (calendar["event_name_2"] == n) for n in names]
    ).astype(float)
    snap = [f"snap_{s}" for s in (STATES if place < 0 else STATES[place : place + 1])]
    dates = pd.DatetimeIndex(calendar["date"])
    return calendar_effects(dates, calendar[snap].to_numpy(float), events, config)


def above(tree: Hierarchy) -> Array:
    """How calendar effects of a node follow from those of its groups, shape (nodes, nodes).

    Logarithms of effects add up: those of a state's department are the state's plus the
    department's less the total's.
    """
    matrix = np.zeros((len(tree.level), len(tree.level)))
    members = tree.matrix.toarray()
    for stage in POOLED:
        for name, groups in stage.items():
            for node in range(len(tree.level))[tree.nodes(name)]:
                for group, weight in groups.items():
                    rows = tree.nodes(group)
                    holds = (members[rows] >= members[node]).all(axis=1)
                    matrix[node, rows] += weight * holds
    return matrix


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
    weight = np.where(top.level == top.level[-1], config.blend, 0.0)[:, None]
    logs = np.log(np.maximum(summed, 1)), np.log(np.maximum(upper, 1))
    blended = np.exp(weight * logs[0] + (1 - weight) * logs[1])
    fitted = reconcile.reconcile_weighted(top, blended, reconcile.structural_variance(top))
    parent = m5.tree.codes[len(top.names) - 1]
    return m5.tree.sums(reconcile.align(parent, items, fitted[top.nodes(UPPER)]))
