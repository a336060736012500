"""One LightGBM model for all series: expected demand of a window, as a factor on the recent level.

The Poisson objective with the recent level as offset lets slow and fast series share one model;
`distribution.py` turns expectations into quantiles. `global_quantiles.py` fits the quantiles
themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from workbench.forecasting.features import NAMES, Known, features_at, known_at, level, targets_at
from workbench.forecasting.panel import Panel
from workbench.forecasting.partitions import Boosting

Array = npt.NDArray[np.float64]
PARAMETERS: dict[str, Any] = {
    "objective": "poisson", "learning_rate": 0.08, "num_leaves": 31, "min_data_in_leaf": 300,
    "feature_fraction": 0.8, "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 5.0,
    "max_bin": 127, "verbosity": -1,
    # One thread a fit, several fits at once: the same bytes on any number of cores. Row-wise, which
    # takes a third less time than column-wise.
    "deterministic": True, "force_row_wise": True, "num_threads": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Window:
    """Days `start` to `start + length - 1` after a cutoff."""

    start: int
    length: int


@dataclass(frozen=True)
class GlobalModel:
    """A fitted model; `serialised` is what is stored and put on record."""

    booster: Any

    @property
    def serialised(self) -> bytes:
        return str(self.booster.model_to_string()).encode()

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Restore a model from its bytes."""
        import lightgbm

        return cls(lightgbm.Booster(model_str=data.decode()))

    def mean(self, panel: Panel, cutoff: int, window: Window, known: Known | None = None) -> Array:
        """Expected demand of the window, shape (series,)."""
        known = known_at(panel, cutoff) if known is None else known
        x = features_at(panel, cutoff, start=window.start, length=window.length, known=known)
        factor = np.exp(np.asarray(self.booster.predict(x, raw_score=True)))
        return np.asarray(factor * known.level * window.length, dtype=np.float64)

    def contributions(
        self, panel: Panel, cutoff: int, window: Window, *, rows: Sequence[int] | None = None
    ) -> tuple[Array, Array]:
        """Raw log contributions (series, features + 1) and the units that they multiply.

        Args:
            panel: History.
            cutoff: Column of the last known day.
            window: What is forecast.
            rows: Of some series only; the others' features count all the same.
        """
        chosen = slice(None) if rows is None else list(rows)
        x = features_at(panel, cutoff, start=window.start, length=window.length)[chosen]
        raw = np.asarray(self.booster.predict(x, pred_contrib=True), dtype=np.float64)
        return raw, np.asarray(level(panel, cutoff)[chosen] * window.length, dtype=np.float64)


def fit_mean_model(
    panel: Panel,
    cutoffs: Sequence[int],
    windows: Sequence[Window],
    *,
    trees: int,
    seed: int,
    rows: int = 250_000,
) -> GlobalModel:
    """Fit expected demand on past cutoffs whose windows have ended.

    Workers that hold the panel train together, each on its own rows.

    Args:
        panel: History; windows must end within it.
        cutoffs: Columns of past cutoffs.
        windows: What was to be forecast from each.
        trees: Boosting rounds.
        seed: Of row sampling.
        rows: Most rows to train on, sampled evenly over cutoffs and windows.
    """
    import lightgbm

    parameters = {**PARAMETERS, "seed": seed}
    if panel.parts is not None:
        share = rows_share(panel, cutoffs, windows, rows)
        wanted = Boosting(parameters, trees, NAMES, offset=True)
        found = panel.parts.boost(_part_rows, cutoffs, windows, share, seed, wanted=[wanted])
        return GlobalModel(lightgbm.Booster(model_str=found[0]))
    x, y, base = training_rows(panel, cutoffs, windows, rows=rows, seed=seed)
    data = lightgbm.Dataset(x, y, init_score=np.log(base), feature_name=NAMES, params=PARAMETERS)
    return GlobalModel(lightgbm.train(parameters, data, trees))


def training_rows(
    panel: Panel, cutoffs: Sequence[int], windows: Sequence[Window], *, rows: int, seed: int
) -> tuple[npt.NDArray[np.float32], Array, Array]:
    """Features, demand and offset (level times length) of past windows.

    Raises:
        ValueError: A window ends after the panel: its demand is not known.
    """
    share = rows_share(panel, cutoffs, windows, rows)
    return _sampled(panel, cutoffs, windows, share, np.random.default_rng(seed))


def rows_share(panel: Panel, cutoffs: Sequence[int], windows: Sequence[Window], rows: int) -> float:
    """Share of all past windows that gives so many rows."""
    return min(1.0, rows / (len(cutoffs) * len(windows) * len(panel.units)))


def part_sample(
    panel: Panel,
    number: int,
    cutoffs: Sequence[int],
    windows: Sequence[Window],
    share: float,
    seed: int,
) -> tuple[npt.NDArray[np.float32], Array, Array]:
    """As `training_rows`, of the series of one part, with a random stream of its own."""
    return _sampled(panel, cutoffs, windows, share, np.random.default_rng([seed, number]))


def _part_rows(panel: Panel, number: int, *given: Any) -> tuple[Any, ...]:
    x, y, base = part_sample(panel, number, *given)
    return x, y, np.log(base), None


def _sampled(
    panel: Panel,
    cutoffs: Sequence[int],
    windows: Sequence[Window],
    share: float,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.float32], Array, Array]:
    pairs = [(cutoff, window) for cutoff in cutoffs for window in windows]
    x, y, base = [], [], []
    for cutoff, group in groupby(pairs, key=lambda pair: pair[0]):
        known = known_at(panel, cutoff)
        for _, window in group:
            if cutoff + window.start + window.length > panel.units.shape[1]:
                raise ValueError(f"{window} from column {cutoff} ends after the panel")
            span = {"start": window.start, "length": window.length}
            chosen = rng.random(len(panel.units)) < share
            x.append(features_at(panel, cutoff, **span, known=known)[chosen])
            y.append(targets_at(panel, cutoff, **span)[chosen])
            base.append((known.level * window.length)[chosen])
    return np.concatenate(x), np.concatenate(y).astype(float), np.concatenate(base).astype(float)
