"""What each family forecasts from past cutoffs: expected demand and quantiles, in one order.

A period says what a family may learn from and where it is judged. Forecasts are stacked cutoff by
cutoff, window by window, one row per series.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.forecasting import intermittent, losses
from workbench.forecasting.distribution import (
    CountDistribution,
    count_group,
    fit_distribution,
    group_count,
)
from workbench.forecasting.features import Known, known_at, targets_at
from workbench.forecasting.global_model import GlobalModel, Window
from workbench.forecasting.global_quantiles import (
    QuantileModels,
    conformal_offsets,
    whole_quantiles,
)
from workbench.forecasting.naive import seasonal_naive, seasonal_naive_quantiles
from workbench.forecasting.panel import Panel
from workbench.forecasting.partitions import Parts
from workbench.forecasting.patterns import SEGMENTS, segment

Array = npt.NDArray[np.float64]
Groups = npt.NDArray[np.int64]
MeanOf = Callable[[int, Window, Known], Array]

CHOSEN = "lightgbm_counts"
QUANTILES = "lightgbm_quantiles"
NAIVE = "seasonal_naive"
RATES = intermittent.METHODS
_SMALLEST_MEAN = 1e-3
DRIFT_DAYS = 28  # latest errors that say how far demand has moved from what was learned


@dataclass(frozen=True)
class Setting:
    """What all families share.

    Attributes:
        panel: History.
        windows: What is forecast from each cutoff.
        levels: Quantile levels, ascending.
        seed: Of randomised PIT.
        parts: The panel on workers that compute what is per series; None: it is computed here.
    """

    panel: Panel
    windows: tuple[Window, ...]
    levels: Array
    seed: int
    parts: Parts | None = None

    @property
    def plan(self) -> tuple[tuple[Window, ...], Array, int]:
        """All but the panel: what a worker must know besides its part."""
        return self.windows, self.levels, self.seed


By = Callable[[Setting], MeanOf]  # what expects demand, before it knows of which series


@dataclass(frozen=True)
class Stack:
    """Expected demand and outcome of every cutoff, window and series, stacked.

    Attributes:
        cutoff: Column of the cutoff.
        length: Days in the window.
        ends: Column of the window's last day.
        block: Kind of site and length of window: what is calibrated apart.
        segment: Kind of site and demand pattern of the series as known at the cutoff.
        overdispersion: Spread of the series as known at the cutoff.
        actual: Demand that occurred.
        mean: Expected demand.
    """

    cutoff: Groups
    length: Groups
    ends: Groups
    block: Groups
    segment: Groups
    overdispersion: Array
    actual: Array
    mean: Array

    @property
    def group(self) -> Groups:
        """Calibration group: block, size of expected demand, band of spread."""
        return count_group(self.mean, self.overdispersion, self.block)

    def at(self, cutoffs: Sequence[int]) -> "Stack":
        """The rows of some cutoffs."""
        return self.where(np.isin(self.cutoff, list(cutoffs)))

    def where(self, chosen: npt.NDArray[np.bool_]) -> "Stack":
        """Some rows."""
        return Stack(*(part[chosen] for part in self._parts))

    def joined(self, later: "Stack") -> "Stack":
        """These rows, then others."""
        return Stack.of([self, later])

    @classmethod
    def of(cls, stacks: Sequence["Stack"]) -> "Stack":
        """Several stacks as one."""
        parts = zip(*(s._parts for s in stacks), strict=True)
        return cls(*(np.concatenate(columns) for columns in parts))

    @property
    def _parts(self) -> tuple[npt.NDArray[Any], ...]:
        return (self.cutoff, self.length, self.ends, self.block, self.segment, self.overdispersion,
                self.actual, self.mean)  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """One family's forecasts in the order of a stack.

    Attributes:
        mean: Expected demand, shape (n,).
        quantiles: Shape (n, levels).
        pit: Randomised PIT of the outcome, shape (n,); NaN for families without a distribution.
    """

    mean: Array
    quantiles: Array
    pit: Array

    def where(self, chosen: npt.NDArray[np.bool_]) -> "Judged":
        """Some rows."""
        return Judged(self.mean[chosen], self.quantiles[chosen], self.pit[chosen])

    @classmethod
    def of(cls, parts: Sequence["Judged"]) -> "Judged":
        """Several stretches of cutoffs as one."""
        return cls(
            np.concatenate([part.mean for part in parts]),
            np.concatenate([part.quantiles for part in parts]),
            np.concatenate([part.pit for part in parts]),
        )


def blocks(setting: Setting, window: Window) -> Groups:
    """Block of each series: kind of site and length of window.

    Days of a horizon are one block: apart, a week of them has too few errors to learn from.
    """
    place = sorted({w.length for w in setting.windows}).index(window.length)
    return np.asarray(2 * place + np.where(setting.panel.is_dc, 0, 1))


def stack(setting: Setting, cutoffs: Sequence[int], mean_of: MeanOf) -> Stack:
    """Forecast the mean from each cutoff and set the outcome beside it."""
    parts = []
    for cutoff in cutoffs:
        known, kind = known_at(setting.panel, cutoff), segment(setting.panel, cutoff)
        for window in setting.windows:
            mean = np.maximum(mean_of(cutoff, window, known), _SMALLEST_MEAN)
            span = {"start": window.start, "length": window.length}
            actual = targets_at(setting.panel, cutoff, **span).astype(float)
            last = cutoff + window.start + window.length - 1
            cut, length, ends = (np.full(len(mean), v) for v in (cutoff, window.length, last))
            block = blocks(setting, window)
            parts.append((cut, length, ends, block, kind, known.overdispersion, actual, mean))
    return Stack(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def stacked(setting: Setting, cutoffs: Sequence[int], by: By) -> Stack:
    """`stack`, where the series lie: on workers, if the panel is with them."""
    if setting.parts is None:
        return stack(setting, cutoffs, by(setting))
    return Stack(*setting.parts.turns(_stacked, setting.plan, tuple(cutoffs), by))


def _stacked(
    panel: Panel, plan: tuple[Any, ...], cutoffs: Sequence[int], by: By
) -> tuple[npt.NDArray[Any], ...]:
    setting = Setting(panel, *plan)
    return stack(setting, cutoffs, by(setting))._parts


def learn(setting: Setting, past: Stack) -> CountDistribution:
    """Spread, bias and levels from forecasts whose outcome is known, and the latest drift."""
    places = len({w.length for w in setting.windows})
    return fit_distribution(
        past.actual, past.mean, past.group, past.segment, groups=group_count(2 * places),
        segments=len(SEGMENTS), levels=setting.levels.tolist(), seed=setting.seed,
        recent=past.ends > past.ends.max() - DRIFT_DAYS,
    )  # fmt: skip


def count_family(learned: CountDistribution, case: Stack, *, seed: int) -> Judged:
    """Expected demand as a distribution of counts."""
    group = case.group
    return Judged(
        case.mean * learned.scale[group] * learned.drift[case.segment],
        learned.quantiles(case.mean, group, case.segment),
        learned.randomised_pit(case.actual, case.mean, group, case.segment, seed=seed),
    )


def mean_by_model(setting: Setting, model: GlobalModel) -> MeanOf:
    """Expected demand by the global model."""
    return lambda cutoff, window, known: model.mean(setting.panel, cutoff, window, known)


def mean_by_rate(setting: Setting, name: str) -> MeanOf:
    """Expected demand by Croston's method or a descendant: the rate times the days."""
    units, known_rates = setting.panel.units.astype(float), dict[int, Array]()

    def mean(cutoff: int, window: Window, _: Known) -> Array:
        if cutoff not in known_rates:
            known_rates[cutoff] = RATES[name](units, [cutoff])[:, 0]
        return known_rates[cutoff] * window.length

    return mean


def naive_family(setting: Setting, cutoffs: Sequence[int]) -> Judged:
    """Seasonal naive with the spread of its own past errors."""
    if setting.parts is not None:
        return Judged(*setting.parts.turns(_naive, setting.plan, tuple(cutoffs)))
    return Judged(*_naive(setting.panel, setting.plan, cutoffs))


def _naive(panel: Panel, plan: tuple[Any, ...], cutoffs: Sequence[int]) -> tuple[Array, ...]:
    windows, levels, _ = plan
    mean, quantiles = [], []
    for cutoff in cutoffs:
        known = panel.units[:, : cutoff + 1].astype(float)
        for window in windows:
            span = {"start": window.start, "length": window.length}
            mean.append(seasonal_naive(known, **span))
            quantiles.append(seasonal_naive_quantiles(known, **span, levels=levels.tolist()))
    point = np.concatenate(mean)
    return point, np.concatenate(quantiles), np.full(len(point), np.nan)


def quantile_family(
    setting: Setting,
    learned_by: QuantileModels,
    learn_at: Sequence[int],
    models: QuantileModels,
    judge_at: Sequence[int],
) -> Judged:
    """LightGBM's quantile objective, conformalised on earlier cutoffs."""
    ratios, base, block, actual = _ratios(setting, learned_by, learn_at)
    offsets = conformal_offsets(ratios, actual, base, block, setting.levels)
    ratios, base, block, _ = _ratios(setting, models, judge_at)
    quantiles = whole_quantiles(ratios + offsets[block], base)
    mean = losses.mean_of_quantiles(quantiles, setting.levels)
    return Judged(mean, quantiles, np.full(len(mean), np.nan))


def _ratios(
    setting: Setting, models: QuantileModels, cutoffs: Sequence[int]
) -> tuple[Array, Array, Groups, Array]:
    if setting.parts is not None:
        found: Any = setting.parts.turns(_ratios_here, setting.plan, models, tuple(cutoffs))
        return found  # type: ignore[no-any-return]
    return _ratios_here(setting.panel, setting.plan, models, cutoffs)


def _ratios_here(
    panel: Panel, plan: tuple[Any, ...], models: QuantileModels, cutoffs: Sequence[int]
) -> tuple[Array, Array, Groups, Array]:
    setting, parts = Setting(panel, *plan), []
    for cutoff in cutoffs:
        known = known_at(panel, cutoff)
        for window in setting.windows:
            ratios, base = models.raw(panel, cutoff, window, known)
            actual = targets_at(panel, cutoff, start=window.start, length=window.length)
            parts.append((ratios, base, blocks(setting, window), actual.astype(float)))
    ratios, base, block, actual = zip(*parts, strict=True)
    return (
        np.concatenate(ratios), np.concatenate(base), np.concatenate(block), np.concatenate(actual)
    )  # fmt: skip
