"""Forecasts from past cutoffs beside what occurred, in one order, and what is learned from them.

Forecasts are stacked cutoff by cutoff, window by window, one row per series. Families themselves
keep the protocol of `protocol.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.forecasting import intermittent
from workbench.forecasting.distribution import (
    CountDistribution,
    count_group,
    fit_distribution,
    group_count,
)
from workbench.forecasting.features import Known, known_at, targets_at
from workbench.forecasting.global_model import Window
from workbench.forecasting.panel import Panel
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
    """

    panel: Panel
    windows: tuple[Window, ...]
    levels: Array
    seed: int


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
