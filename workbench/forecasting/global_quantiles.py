"""LightGBM's quantile objective: one model per level, conformalised, in whole numbers.

The alternative to a model of expected demand with a count distribution (`global_model.py`,
`distribution.py`): nine fits instead of one, each on demand over the recent level. The backtest
judges both on the same cutoffs.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.forecasting.features import NAMES, Known, features_at, known_at, level
from workbench.forecasting.global_model import (
    PARAMETERS,
    Window,
    part_sample,
    rows_share,
    training_rows,
)
from workbench.forecasting.panel import Panel
from workbench.forecasting.partitions import Boosting

Array = npt.NDArray[np.float64]
# Fewer rows and leaves than the mean model: leaves are refitted by sorting, the slow part.
_ROWS = 50_000
_TREES = 40
_QUANTILE_PARAMETERS = {"objective": "quantile", "learning_rate": 0.15, "num_leaves": 15}


@dataclass(frozen=True)
class QuantileModels:
    """A fitted model per level, ascending."""

    boosters: tuple[Any, ...]
    levels: Array

    def raw(
        self, panel: Panel, cutoff: int, window: Window, known: Known | None = None
    ) -> tuple[Array, Array]:
        """Quantiles of demand over the recent level, (series, levels), and that level in units."""
        known = known_at(panel, cutoff) if known is None else known
        x = features_at(panel, cutoff, start=window.start, length=window.length, known=known)
        ratios = [np.asarray(booster.predict(x)) for booster in self.boosters]
        return np.stack(ratios, axis=1), np.asarray(known.level * window.length, dtype=float)


def fit_quantile_models(
    panel: Panel,
    cutoffs: Sequence[int],
    windows: Sequence[Window],
    *,
    levels: Sequence[float],
    seed: int,
    map_: Callable[..., Iterable[Any]] = map,
    at_once: int = 1,
) -> QuantileModels:
    """Fit every level on the same past windows, weighed by their recent level.

    Weights make an error count in units, as the pinball loss of a whole panel does.

    Args:
        panel: History; windows must end within it.
        cutoffs: Columns of past cutoffs.
        windows: What was to be forecast from each.
        levels: Ascending.
        seed: Of row sampling.
        map_: Applies the fit to groups of levels, for example a pool's.
        at_once: How many groups; the levels of one share what is made of the rows.
    """
    import lightgbm

    def parameters(each: float) -> dict[str, Any]:
        return {**PARAMETERS, **_QUANTILE_PARAMETERS, "alpha": each, "seed": seed}

    if panel.parts is not None:
        share = rows_share(panel, cutoffs, windows, _ROWS)
        size = _usual_size(panel, cutoffs, windows)
        wanted = [Boosting(parameters(each), _TREES, NAMES, weighted=True) for each in levels]
        texts = panel.parts.boost(_part_rows, cutoffs, windows, share, seed, size, wanted=wanted)
        found = tuple(lightgbm.Booster(model_str=text) for text in texts)
        return QuantileModels(found, np.asarray(levels, dtype=float))
    x, y, base = training_rows(panel, cutoffs, windows, rows=_ROWS, seed=seed)

    def fit(some: Sequence[float]) -> list[Any]:
        data = lightgbm.Dataset(
            x, y / base, weight=base / base.mean(), feature_name=NAMES, params=parameters(some[0])
        )
        return [lightgbm.train(parameters(each), data, _TREES) for each in some]

    groups = [levels[place::at_once] for place in range(min(at_once, len(levels)))]
    boosters: list[Any] = [None] * len(levels)
    for place, fitted in enumerate(map_(fit, groups)):
        boosters[place::at_once] = fitted
    return QuantileModels(tuple(boosters), np.asarray(levels, dtype=float))


def _usual_size(panel: Panel, cutoffs: Sequence[int], windows: Sequence[Window]) -> float:
    """Mean of the recent level over all past windows, in units: weights are relative to it."""
    levels = [float(level(panel, cutoff).mean(dtype=float)) for cutoff in cutoffs]
    return float(np.mean(levels) * np.mean([window.length for window in windows]))


def _part_rows(
    panel: Panel, number: int, cutoffs: Sequence[int], windows: Sequence[Window], share: float,
    seed: int, size: float,
) -> tuple[Any, ...]:  # fmt: skip
    x, y, base = part_sample(panel, number, cutoffs, windows, share, seed)
    return x, y / base, None, base / size


def conformal_offsets(
    ratios: Array, actual: Array, base: Array, block: npt.NDArray[np.int64], levels: Array
) -> Array:
    """What to add to each level so that past outcomes stay below it as often as it says.

    One-sided conformal quantile regression (Romano, Patterson and Candès 2019), in units of the
    recent level, per block.

    Args:
        ratios: Forecast quantiles over `base`, shape (n, levels).
        actual: Demand that occurred, shape (n,).
        base: Recent level of the window in units, shape (n,).
        block: Block of each forecast, from 0.
        levels: Nominal.

    Returns:
        Shape (blocks, levels); zero for a block without outcomes.
    """
    misses = (actual / base)[:, None] - ratios
    count = int(block.max()) + 1
    offsets = np.zeros((count, len(levels)))
    for b in np.unique(block):
        for j, asked in enumerate(levels):
            offsets[b, j] = np.quantile(misses[block == b, j], asked, weights=base[block == b],
                                        method="inverted_cdf")  # fmt: skip
    return offsets


def whole_quantiles(ratios: Array, base: Array) -> Array:
    """Quantiles in units: whole, ascending in level, not negative."""
    units = np.maximum(np.rint(ratios * base[:, None]), 0)
    return np.asarray(np.maximum.accumulate(units, axis=1))
