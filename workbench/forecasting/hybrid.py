"""Hybrid: a statistical forecast of each series, corrected by one LightGBM of all series.

The statistical model knows level and season of its series; LightGBM learns by which factor demand
differed from what that model had expected, from price, promotion, calendar and all other items. The
errors that it learns from are out of sample: at each past cutoff the statistical model had seen
nothing after it, neither for its state nor for its parameters.

Source: Smyl 2020, "A hybrid method of exponential smoothing and recurrent neural networks", IJF 36,
for the idea; Bojer and Meldgaard 2021, "Kaggle forecasting competitions", IJF 37, for boosting.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from workbench.forecasting.calibrated import Expects, Point
from workbench.forecasting.features import NAMES, Known, features_at, known_at, targets_at
from workbench.forecasting.global_model import PARAMETERS, Window
from workbench.forecasting.members import training_cutoffs
from workbench.forecasting.panel import Panel
from workbench.forecasting.partitions import ask, share_of
from workbench.forecasting.protocol import Task, known_by

Array = npt.NDArray[np.float64]
_LIMITS = (0.2, 5.0)  # of the recent level, beyond which a statistical forecast is not believed
_LEAST = 0.02  # units a day: what does not sell is no offset to multiply
_BASE = "base_to_level"


@dataclass(frozen=True)
class Hybrid:
    """A point family and what boosting makes of its errors.

    Attributes:
        base: The statistical family.
        trees: Boosting rounds.
        every: Training cutoffs between estimates of the base's parameters.
        rows: Most rows to learn from.
    """

    base: Point
    trees: int = 120
    every: int = 13
    rows: int = 250_000

    @property
    def name(self) -> str:
        return f"hybrid_{self.base.name}"

    @property
    def good_for(self) -> str:
        return "panels whose series differ in level and habit while promotions move all alike"

    def fit(self, history: Panel, task: Task) -> "HybridFitted":
        import lightgbm

        x, y, offset = self.rows_of(history, task)
        data = lightgbm.Dataset(
            x, y, init_score=offset, feature_name=[*NAMES, _BASE], params=PARAMETERS
        )
        booster = lightgbm.train({**PARAMETERS, "seed": task.seed}, data, self.trees)
        return HybridFitted(self.base.fit(history, task), booster, task)

    def rows_of(self, history: Panel, task: Task) -> tuple[npt.NDArray[np.float32], Array, Array]:
        """Features, demand and log of what the base expected, of past windows."""
        cutoffs = training_cutoffs(history, task)
        rng = np.random.default_rng(task.seed)
        share = min(1.0, self.rows / (len(cutoffs) * len(task.windows) * len(history.units)))
        parts = []
        for place in range(0, len(cutoffs), self.every):
            base = self.base.fit(known_by(history, cutoffs[place]), task)
            for cutoff in cutoffs[place : place + self.every]:
                known = known_at(history, cutoff)
                mean = ask(base, "mean", known_by(history, cutoff))
                listed = np.nan_to_num(history.units[:, : cutoff + 1]).any(axis=1)
                for k, window in enumerate(task.windows):
                    chosen = listed & (rng.random(len(mean)) < share)
                    x, offset = corrected_features(history, cutoff, window, known, mean[:, k])
                    span = {"start": window.start, "length": window.length}
                    y = targets_at(history, cutoff, **span).astype(float)
                    parts.append((x[chosen], y[chosen], offset[chosen]))
        x, y, offset = (np.concatenate(part) for part in zip(*parts, strict=True))
        return x, y, offset


@dataclass(frozen=True)
class HybridFitted:
    """The base, and the booster that multiplies it."""

    base: Expects
    booster: Any
    task: Task

    @property
    def serialised(self) -> bytes:
        return str(self.booster.model_to_string()).encode()

    def part(self, rows: slice) -> Self | None:
        """With what some series need of the family inside."""
        share = share_of(self.base, rows)
        return None if share is None else replace(self, base=share)

    def mean(self, history: Panel) -> Array:
        cutoff = history.units.shape[1] - 1
        known, base = known_at(history, cutoff), self.base.mean(history)
        each = []
        for k, window in enumerate(self.task.windows):
            x, offset = corrected_features(history, cutoff, window, known, base[:, k])
            each.append(np.exp(self.booster.predict(x, raw_score=True) + offset))
        return np.stack(each, axis=1)


def corrected_features(
    history: Panel, cutoff: int, window: Window, known: Known, base: Array
) -> tuple[npt.NDArray[np.float32], Array]:
    """Features of the global model and how the base differs from the recent level; log of the base.

    Args:
        history: Demand after `cutoff` is not looked at.
        cutoff: Column of the last known day.
        window: What is forecast.
        known: What is known at the cutoff.
        base: What the base expects of the window, shape (series,).
    """
    recent = known.level * window.length
    believed = np.clip(base, _LIMITS[0] * recent, _LIMITS[1] * recent)
    believed = np.maximum(believed, _LEAST * window.length)
    x = features_at(history, cutoff, start=window.start, length=window.length, known=known)
    ratio = (believed / recent).astype(np.float32)
    return np.column_stack([x, ratio]), np.log(believed)
