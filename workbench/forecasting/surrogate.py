"""What a family's forecast follows: a LightGBM trained to say what the family says.

Most families have no contributions of single features. A surrogate learns what they expect, over
the recent level, from the features of the global model; contributions are then those of the
surrogate, and how far it repeats the forecast is told with them. It is never a forecast itself.

Source: Molnar 2022, "Interpretable machine learning", section 8.6, "Global surrogate".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from workbench.forecasting.backtest import CHOSEN, Backtest
from workbench.forecasting.features import NAMES, features_at, known_at
from workbench.forecasting.global_model import PARAMETERS, GlobalModel
from workbench.forecasting.panel import Panel

Array = npt.NDArray[np.float64]
FILE: Final = "demand-windows-surrogate.txt"
OWN: Final = "demand-windows.txt"
_LEAST: Final = 1e-3  # units: what never sells is expected to sell next to nothing


@dataclass(frozen=True)
class Surrogate:
    """The model that repeats a family.

    Attributes:
        model: Trained on all cutoffs.
        missed: Share of the forecast's units by which one that was trained without the as-of date
            missed what the family forecasts from it.
        reading: Both in one sentence.
    """

    model: GlobalModel
    missed: float
    reading: str


def explained_file(parameters: Mapping[str, Any]) -> str:
    """Name of the model whose contributions explain the forecast of a run with these parameters."""
    return OWN if parameters.get("family", CHOSEN) == CHOSEN else FILE


def explained_reading(parameters: Mapping[str, Any]) -> str:
    """What is explained, in one sentence."""
    family = parameters.get("family", CHOSEN)
    if family == CHOSEN:
        return "Explained is the model that made the forecast, not a copy trained again."
    return (
        f"The forecast is made by {family}, which has no contributions of its own. Explained is a"
        " LightGBM that was trained to repeat it; the report of the forecast says how well it does."
    )


def fit_surrogate(panel: Panel, result: Backtest, *, trees: int, seed: int) -> Surrogate:
    """Learn what the family expected of its windows at every test cutoff and expects now.

    Args:
        panel: All history.
        result: Backtest of windows.
        trees: Boosting rounds.
        seed: Of row sampling.
    """
    last = panel.units.shape[1] - 1
    past = [_rows(panel, result, cutoff) for cutoff in result.cutoffs]
    now = _rows(panel, result, last)
    before = _fit(past, trees, seed)
    x, mean, base = now
    repeated = np.exp(before.booster.predict(x, raw_score=True)) * base
    missed = float(np.abs(repeated - mean).sum() / mean.sum())
    reading = (
        f"A LightGBM that repeats {result.family} misses its forecast by {missed:.0%} of all units"
        " where it was not trained: so much of the forecast no driver explains."
    )
    return Surrogate(_fit([*past, now], trees, seed), missed, reading)


def _rows(panel: Panel, result: Backtest, cutoff: int) -> tuple[npt.NDArray[Any], Array, Array]:
    """Features, what the family expects and the recent level in units, of all windows."""
    last = panel.units.shape[1] - 1
    made = result.final if cutoff == last else result.forecaster_at(cutoff)
    known, windows = known_at(panel, cutoff), made.windows
    mean = made.mean(panel, cutoff, windows)
    x = [
        features_at(panel, cutoff, start=window.start, length=window.length, known=known)
        for window in windows
    ]
    base = [known.level.astype(float) * window.length for window in windows]
    return np.concatenate(x), np.maximum(mean.T.ravel(), _LEAST), np.concatenate(base)


def _fit(
    parts: Sequence[tuple[npt.NDArray[Any], Array, Array]], trees: int, seed: int
) -> GlobalModel:
    import lightgbm

    x, mean, base = (np.concatenate(part) for part in zip(*parts, strict=True))
    data = lightgbm.Dataset(x, mean, init_score=np.log(base), feature_name=NAMES, params=PARAMETERS)
    return GlobalModel(lightgbm.train({**PARAMETERS, "seed": seed}, data, trees))
