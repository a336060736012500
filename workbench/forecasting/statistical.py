"""Statistical models of single series, by statsforecast: points, completed by `calibrated.Counts`.

Parameters are estimated once per series; from later days they are applied to the longer history
(`forward`), which costs a hundredth of an estimate. So rolling origins are cheap, and calibration
is out of sample: nothing after the first calibration cutoff was seen by the parameters.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from workbench.forecasting.panel import Panel
from workbench.forecasting.protocol import Task

Array = npt.NDArray[np.float64]
_SEASONS = 60  # latest seasons that parameters are estimated on
_FEWEST = 3  # seasons below which a series is forecast by its mean


def _ets(season: int) -> Any:
    from statsforecast.models import AutoETS

    return AutoETS(season_length=season, model="ANA")


def _theta(season: int) -> Any:
    from statsforecast.models import OptimizedTheta

    return OptimizedTheta(season_length=season)


def _arima(season: int) -> Any:
    from statsforecast.models import ARIMA

    return ARIMA(order=(1, 0, 1), season_length=season, seasonal_order=(1, 0, 0))


MODELS: Mapping[str, tuple[Callable[[int], Any], str]] = {
    "ets": (_ets, "steady sellers with a season, seen alone; aggregates"),
    "theta": (_theta, "steady sellers with a slow trend, seen alone; aggregates"),
    "arima": (_arima, "single series whose days follow from the days before"),
}
_STATE: Mapping[str, tuple[str, ...]] = {  # of a fitted model, what `forward` looks at
    "ets": ("par", "components", "m", "n_params"),
    "theta": ("par", "modeltype", "m"),
    "arima": ("coef", "arma", "sigma2", "lambda", "xreg"),
}


@dataclass(frozen=True)
class Statistical:
    """One model per series.

    Exponential smoothing with additive errors and season (Hyndman et al. 2008), the optimised theta
    method (Fiorucci et al. 2016), ARIMA(1,0,1)(1,0,0).

    Attributes:
        kind: Name in `MODELS`.
    """

    kind: str

    @property
    def name(self) -> str:
        return self.kind

    @property
    def good_for(self) -> str:
        return MODELS[self.kind][1]

    def fit(self, history: Panel, task: Task) -> "StatisticalFitted":
        if history.parts is None:
            return StatisticalFitted(_models(history, self.kind, task.season), self.kind, task)
        found = history.parts.map(_models, self.kind, task.season)
        return StatisticalFitted(list(chain.from_iterable(found)), self.kind, task)


@dataclass(frozen=True)
class StatisticalFitted:
    """A model per series, None where the mean of its latest seasons stands in."""

    models: list[Any]
    kind: str
    task: Task

    def part(self, rows: slice) -> Self:
        """The models of some series."""
        return replace(self, models=self.models[rows])

    def mean(self, history: Panel) -> Array:
        """Expected demand of the windows, never negative."""
        reach = self.task.reach
        each = np.stack(
            [
                _ahead(model, row, reach, self.task.season)
                for model, row in zip(self.models, history.units, strict=True)
            ]
        )
        spans = [slice(w.start - 1, w.start - 1 + w.length) for w in self.task.windows]
        return np.stack([np.maximum(each, 0)[:, span].sum(axis=1) for span in spans], axis=1)


def state_of(model: Any, kind: str) -> dict[str, Any] | None:
    """What a fitted model needs to be applied to another history; None of none."""
    return None if model is None else {name: model.model_[name] for name in _STATE[kind]}


def with_state(state: Mapping[str, Any] | None, kind: str, season: int) -> Any:
    """The model that gave `state_of`."""
    if state is None:
        return None
    model = MODELS[kind][0](season)
    model.model_ = {"fit": None, **state}
    return model


def _models(history: Panel, kind: str, season: int) -> list[Any]:
    make = MODELS[kind][0]
    return [_fitted(make(season), row, season) for row in history.units]


def _fitted(model: Any, row: npt.NDArray[np.floating], season: int) -> Any:
    """The model with its parameters, None where they cannot be estimated."""
    known = _observed(row)[-_SEASONS * season :]
    if len(known) < _FEWEST * season or np.ptp(known) == 0:
        return None
    with warnings.catch_warnings():  # an estimate at a bound is no news to the reader
        warnings.simplefilter("ignore")
        try:
            return model.fit(known)
        except Exception:  # the library raises classes of its own; one series sinks no panel
            return None


def _ahead(model: Any, row: npt.NDArray[np.floating], reach: int, season: int) -> Array:
    """Expected demand of each period ahead."""
    known = _observed(row)[-_SEASONS * season :]
    if model is not None:
        found = np.asarray(model.forward(known, reach)["mean"], dtype=float)
        if np.isfinite(found).all():
            return found
    recent = known[-4 * season :]
    return np.full(reach, recent.mean() if len(recent) else 0.0)


def _observed(row: npt.NDArray[np.floating]) -> Array:
    """Demand from the first observed period on; a gap after it holds the last known value."""
    values = row.astype(float)
    seen = np.flatnonzero(np.isfinite(values))
    if not len(seen):
        return np.zeros(0)
    values = values[seen[0] :]
    place = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(len(values)), 0))
    return values[place]
