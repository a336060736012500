"""The families that ship, each behind the protocol of `protocol.py`.

Those with a distribution of their own are families; those that know only what to expect are points,
those that give raw quantiles ratios: `calibrated.py` completes both.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from workbench.forecasting import direct
from workbench.forecasting.features import known_at
from workbench.forecasting.global_model import GlobalModel, fit_mean_model
from workbench.forecasting.global_quantiles import QuantileModels, fit_quantile_models
from workbench.forecasting.intermittent import METHODS
from workbench.forecasting.naive import seasonal_naive, seasonal_naive_quantiles
from workbench.forecasting.panel import Panel
from workbench.forecasting.protocol import Forecast, Task
from workbench.forecasting.slow_movers import CountForecaster, Plan, fit_counts, past_windows

Array = npt.NDArray[np.float64]


class EachAlone:
    """What is fitted serves any part of a panel as it is: a series needs no other."""

    def part(self, rows: slice) -> Self:
        """What these series need of it: all."""
        return self


@dataclass(frozen=True)
class Naive:
    """Demand repeats itself, with the spread of its own past errors.

    Attributes:
        seasonal: Repeat the same period of the last season, else the last period.
    """

    seasonal: bool = True

    @property
    def name(self) -> str:
        return "seasonal_naive" if self.seasonal else "naive"

    @property
    def good_for(self) -> str:
        return "what every other family has to beat; nothing is learned"

    def fit(self, history: Panel, task: Task) -> "NaiveFitted":
        return NaiveFitted(task.season if self.seasonal else 1, task)


@dataclass(frozen=True)
class NaiveFitted(EachAlone):
    """Knows how long a season is."""

    season: int
    task: Task

    def forecast(self, history: Panel) -> Forecast:
        known, levels = history.units.astype(float), self.task.levels.tolist()
        mean, quantiles = [], []
        for window in self.task.windows:
            span = {"start": window.start, "length": window.length, "season": self.season}
            mean.append(seasonal_naive(known, **span))
            quantiles.append(seasonal_naive_quantiles(known, **span, levels=levels))
        return Forecast(np.stack(mean, axis=1), np.stack(quantiles, axis=1))


@dataclass(frozen=True)
class SlowMovers:
    """A method of `intermittent.py` with counts calibrated on windows that have passed.

    Attributes:
        method: Name in `intermittent.METHODS`.
    """

    method: str

    @property
    def name(self) -> str:
        return self.method

    @property
    def good_for(self) -> str:
        return {
            "croston": "items that sell now and then; too high where demand fades",
            "sba": "as Croston, without its bias",
            "tsb": "items that fade out: the rate falls while nothing sells",
            "adida": "items with long gaps: demand is added up over them",
            "imapa": "items with gaps of any length, where nothing else is known of them",
        }[self.method]

    def fit(self, history: Panel, task: Task) -> "SlowMoversFitted":
        plan = Plan(spacing=task.spacing, count=task.cutoffs, start=task.start, seed=task.seed)
        units = history.units.astype(float)
        trials = past_windows(units, task.windows, plan)
        return SlowMoversFitted(
            fit_counts(units, trials, method=self.method, levels=task.levels.tolist()), task
        )


@dataclass(frozen=True)
class SlowMoversFitted(EachAlone):
    """Smoothing constant, spread and levels that past windows suggest."""

    counts: CountForecaster
    task: Task

    def forecast(self, history: Panel) -> Forecast:
        ahead = self.counts.forecast(history.units.astype(float))
        lengths = [window.length for window in self.task.windows]
        known = {length: (ahead.mean(length), ahead.quantiles(length)) for length in set(lengths)}
        mean, quantiles = ([known[length][part] for length in lengths] for part in (0, 1))
        return Forecast(np.stack(mean, axis=1), np.stack(quantiles, axis=1))

    def pit(self, history: Panel, actual: Array, *, seed: int) -> Array:
        """Randomised PIT of what the windows brought, shape (series, windows)."""
        ahead = self.counts.forecast(history.units.astype(float))
        each = [
            ahead.pit(window.length, actual[:, place], seed=seed + place)
            for place, window in enumerate(self.task.windows)
        ]
        return np.stack(each, axis=1)


@dataclass(frozen=True)
class Rate:
    """The rate of a method of `intermittent.py` times the periods of a window: a point."""

    method: str

    @property
    def name(self) -> str:
        return self.method

    @property
    def good_for(self) -> str:
        return SlowMovers(self.method).good_for

    def fit(self, history: Panel, task: Task) -> "RateFitted":
        return RateFitted(self.method, task)


@dataclass(frozen=True)
class RateFitted(EachAlone):
    """Has nothing to learn: the rate follows from the history."""

    method: str
    task: Task

    def mean(self, history: Panel) -> Array:
        units = history.units.astype(float)
        rate = METHODS[self.method](units, [units.shape[1] - 1])
        return np.asarray(rate * [window.length for window in self.task.windows])


@dataclass(frozen=True)
class LightGBMMean:
    """One model of all series of what is expected, a factor on the recent level.

    Attributes:
        trees: Boosting rounds.
    """

    trees: int = 120

    name: ClassVar[str] = "lightgbm_counts"
    good_for: ClassVar[str] = (
        "panels with prices, promotions and events: learns from all items at once"
    )

    def fit(self, history: Panel, task: Task) -> "LightGBMFitted":
        model = fit_mean_model(
            history, training_cutoffs(history, task), task.windows, trees=self.trees, seed=task.seed
        )
        return LightGBMFitted(model, task)


@dataclass(frozen=True)
class LightGBMFitted(EachAlone):
    """The model, whose bytes go on record."""

    model: GlobalModel
    task: Task

    @property
    def serialised(self) -> bytes:
        return self.model.serialised

    def mean(self, history: Panel) -> Array:
        cutoff = history.units.shape[1] - 1
        known = known_at(history, cutoff)
        each = [self.model.mean(history, cutoff, window, known) for window in self.task.windows]
        return np.stack(each, axis=1)


@dataclass(frozen=True)
class LightGBMQuantiles:
    """LightGBM's quantile objective, one model per level: raw quantiles."""

    name: ClassVar[str] = "lightgbm_quantiles"
    good_for: ClassVar[str] = "panels whose spread, not only mean, depends on promotions and season"

    def fit(self, history: Panel, task: Task) -> "QuantilesFitted":
        with ThreadPoolExecutor(threads()) as pool:
            models = fit_quantile_models(
                history, training_cutoffs(history, task), task.windows,
                levels=task.levels.tolist(), seed=task.seed, map_=pool.map, at_once=threads(),
            )  # fmt: skip
        return QuantilesFitted(models, task)


@dataclass(frozen=True)
class QuantilesFitted(EachAlone):
    """A model per level."""

    models: QuantileModels
    task: Task

    def ratios(self, history: Panel) -> tuple[Array, Array]:
        cutoff = history.units.shape[1] - 1
        known = known_at(history, cutoff)
        each = [self.models.raw(history, cutoff, w, known) for w in self.task.windows]
        ratios, base = zip(*each, strict=True)
        return np.stack(ratios, axis=1), np.stack(base, axis=1)


@dataclass(frozen=True)
class LightGBMDays:
    """One model of single days with the Tweedie objective; a window is the sum of its days.

    Attributes:
        trees: Boosting rounds.
        rows: Most rows to learn from.
    """

    trees: int = 200
    rows: int = 250_000

    name: ClassVar[str] = "lightgbm_days"
    good_for: ClassVar[str] = (
        "many windows of one horizon from one model, where days differ by price and weekday"
    )

    def fit(self, history: Panel, task: Task) -> "DaysFitted":
        panel = daily_panel(history)
        last = history.units.shape[1] - 1 - task.reach
        origins = range(last, direct.FIRST_ORIGIN - 1, -task.spacing)
        leads = sorted(set(_days(task)))
        sample = direct.training_sample(panel, origins, leads, rows=self.rows, seed=task.seed)
        return DaysFitted(direct.fit_direct(panel, sample, trees=self.trees, seed=task.seed), task)


@dataclass(frozen=True)
class DaysFitted:
    """The booster of single days."""

    booster: Any
    task: Task

    @property
    def serialised(self) -> bytes:
        return str(self.booster.model_to_string()).encode()

    def mean(self, history: Panel) -> Array:
        days = range(1, self.task.reach + 1)
        last = history.units.shape[1] - 1
        each = direct.forecast_direct(daily_panel(history), self.booster, last, days)
        spans = [slice(w.start - 1, w.start - 1 + w.length) for w in self.task.windows]
        return np.stack([each[:, span].sum(axis=1) for span in spans], axis=1)


def threads() -> int:
    """As many as OpenMP would take: fits run side by side, each on one thread.

    That is twice as fast on two cores as one fit on both, and gives the same bytes on any number.
    """
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)


def training_cutoffs(history: Panel, task: Task) -> list[int]:
    """Columns from which a model learns: the windows of each have ended."""
    return list(range(task.start, history.units.shape[1] - task.reach, task.spacing))


def daily_panel(history: Panel) -> direct.DailyPanel:
    """The history as the model of single days sees it: no promotions, prices stay as they are."""
    ahead = history.events.shape[1] - history.units.shape[1]
    price = np.pad(history.price, ((0, 0), (0, ahead)), mode="edge")
    sold = history.units > 0
    codes = np.column_stack([history.is_dc.astype(np.int64), history.category])
    item = history.series["item_id"].astype("category").cat.codes.to_numpy().astype(np.int64)
    return direct.DailyPanel(
        units=history.units, price=price,
        listed=np.where(sold.any(axis=1), sold.argmax(axis=1), history.units.shape[1]),
        region=np.zeros(len(item), np.int64), days=history.events.T[None].astype(np.float32),
        day_names=("event", "before_holiday"), codes=codes, code_names=("site", "category"),
        item=item, department=history.category, weekday=int(history.first_day.dayofweek),
    )  # fmt: skip


def _days(task: Task) -> Iterator[int]:
    for window in task.windows:
        yield from range(window.start, window.start + window.length)
