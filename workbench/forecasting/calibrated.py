"""Distributions for families that know less than one: learned from their own past errors.

`Counts` makes expected demand into a distribution of whole numbers (`distribution.py`);
`Conformal` corrects quantiles over the recent level, level by level. Both let the family learn up
to a past cutoff, forecast from the cutoffs after it as it would have then, and calibrate on what
occurred; then it is refitted on all history.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from workbench.errors import ContractError
from workbench.forecasting import losses
from workbench.forecasting.distribution import CountDistribution, count_group
from workbench.forecasting.families import MeanOf, Setting, Stack, blocks, learn, stack
from workbench.forecasting.features import Known, known_at, targets_at
from workbench.forecasting.global_model import Window
from workbench.forecasting.global_quantiles import conformal_offsets, whole_quantiles
from workbench.forecasting.panel import SERIES, Panel
from workbench.forecasting.partitions import ask, share_of
from workbench.forecasting.patterns import segment
from workbench.forecasting.protocol import Fitted, Forecast, Task, known_by

Array = npt.NDArray[np.float64]


class Expects(Protocol):
    """A fitted family that knows what to expect, and no more."""

    def mean(self, history: Panel) -> Array:
        """Expected demand of the task's windows, shape (series, windows)."""
        ...


class Point(Protocol):
    """A family of point forecasts."""

    @property
    def name(self) -> str: ...

    @property
    def good_for(self) -> str: ...

    def fit(self, history: Panel, task: Task) -> Expects: ...


class GivesRatios(Protocol):
    """A fitted family of raw quantiles."""

    def ratios(self, history: Panel) -> tuple[Array, Array]:
        """Quantiles over a base, (series, windows, levels), and the base in units, without them."""
        ...


class Ratios(Protocol):
    """A family of raw quantiles, in multiples of each series' recent level."""

    @property
    def name(self) -> str: ...

    @property
    def good_for(self) -> str: ...

    def fit(self, history: Panel, task: Task) -> GivesRatios: ...


def past_cutoffs(history: Panel, task: Task) -> list[int]:
    """Columns from which a family calibrates, ascending; at least one window of each has ended.

    Before the first of them there is enough to learn from: `task.start` periods and a window.

    Raises:
        ContractError: The history is too short for even one.
    """
    last = history.units.shape[1] - 1
    ends = sorted(window.start + window.length - 1 for window in task.windows)
    latest = -(-ends[0] // task.spacing)
    count = task.cutoffs + -(-ends[-1] // task.spacing) - latest
    columns = [last - task.spacing * (latest + k) for k in reversed(range(count))]
    kept = [column for column in columns if column >= task.start + task.reach]
    if not kept or kept[0] + task.reach > last:
        raise ContractError(
            f"history: {last + 1} periods, too few to calibrate windows that end"
            f" {task.reach} periods ahead; expected {task.start + 2 * task.reach + 1} or more: give"
            " a longer history or shorter windows."
        )
    return kept


@dataclass(frozen=True)
class Counts:
    """A point family with distributions of whole numbers around what it expects.

    Attributes:
        point: The family.
        refit: Learn again on all history once calibrated; without, what was learned before the
            calibration cutoffs is brought up to date by the history alone, at half the cost.
    """

    point: Point
    refit: bool = True

    @property
    def name(self) -> str:
        return self.point.name

    @property
    def good_for(self) -> str:
        return self.point.good_for

    def fit(self, history: Panel, task: Task) -> "CountsFitted":
        cutoffs = past_cutoffs(history, task)
        early = self.point.fit(known_by(history, cutoffs[0]), task)
        setting = setting_of(history, task)
        past = stack(setting, cutoffs, expected(setting, early))
        ended = past.ends < history.units.shape[1]
        learned = learn(setting, past.where(ended & np.isfinite(past.actual)))
        latest = self.point.fit(history, task) if self.refit else early
        return CountsFitted(latest, learned, task)


@dataclass(frozen=True)
class CountsFitted:
    """What is expected, and the distribution around it."""

    latest: Expects
    distribution: CountDistribution
    task: Task

    def part(self, rows: slice) -> Self | None:
        """With what some series need of the family inside."""
        share = share_of(self.latest, rows)
        return None if share is None else replace(self, latest=share)

    def forecast(self, history: Panel) -> Forecast:
        mean = np.maximum(self._mean(history), _LEAST_MEAN)
        return count_forecast(self.distribution, setting_of(history, self.task), mean)

    def _mean(self, history: Panel) -> Array:
        return _whole(self.latest.mean(history), self.latest, history, self.task.windows)

    def pit(self, history: Panel, actual: Array, *, seed: int) -> Array:
        """Randomised PIT of what the windows brought, shape (series, windows)."""
        cutoff = history.units.shape[1] - 1
        mean = np.maximum(self._mean(history), _LEAST_MEAN)
        setting, kind = setting_of(history, self.task), segment(history, cutoff)
        groups = groups_of(setting, mean, self.task.windows, known_at(history, cutoff))
        each = [
            self.distribution.randomised_pit(
                actual[:, place], mean[:, place], group, kind, seed=seed + place
            )
            for place, group in enumerate(groups.T)
        ]
        return np.stack(each, axis=1)


_LEAST_MEAN = 1e-3  # units a window: what never sold is not impossible


def count_forecast(
    learned: CountDistribution,
    setting: Setting,
    mean: Array,
    *,
    windows: Sequence[Window] = (),
    known: Known | None = None,
) -> Forecast:
    """Counts around expected demand of each window.

    Args:
        learned: From past errors.
        setting: Whose panel ends with the cutoff, unless `known` says which that is.
        mean: Shape (series, windows).
        windows: Of the columns of `mean`; those of the setting by default.
        known: What is known at the cutoff.
    """
    known = known_at(setting.panel, setting.panel.units.shape[1] - 1) if known is None else known
    kind = segment(setting.panel, known.cutoff)
    groups = groups_of(setting, mean, windows or setting.windows, known)
    quantiles = [
        learned.quantiles(mean[:, place], group, kind) for place, group in enumerate(groups.T)
    ]
    unbiased = mean * learned.scale[groups] * learned.drift[kind][:, None]
    return Forecast(unbiased, np.stack(quantiles, axis=1))


def groups_of(
    setting: Setting, mean: Array, windows: Sequence[Window], known: Known
) -> npt.NDArray[np.int64]:
    """Calibration group of each series and window, shape (series, windows)."""
    groups = [
        count_group(mean[:, place], known.overdispersion, blocks(setting, window))
        for place, window in enumerate(windows)
    ]
    return np.stack(groups, axis=1)


@dataclass(frozen=True)
class Conformal:
    """A family of raw quantiles, moved so that past outcomes stay below as often as they say."""

    source: Ratios

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def good_for(self) -> str:
        return self.source.good_for

    def fit(self, history: Panel, task: Task) -> "ConformalFitted":
        cutoffs = past_cutoffs(history, task)
        early = self.source.fit(known_by(history, cutoffs[0]), task)
        setting = setting_of(history, task)
        parts = [_outcomes(setting, early, cutoff) for cutoff in cutoffs]
        ratios, base, block, actual = (np.concatenate(part) for part in zip(*parts, strict=True))
        offsets = conformal_offsets(ratios, actual, base, block.astype(np.int64), task.levels)
        return ConformalFitted(self.source.fit(history, task), offsets, task)


@dataclass(frozen=True)
class ConformalFitted:
    """Raw quantiles and what to add to each level, per kind of site and length of window."""

    latest: GivesRatios
    offsets: Array
    task: Task

    def part(self, rows: slice) -> Self | None:
        """With what some series need of the family inside."""
        share = share_of(self.latest, rows)
        return None if share is None else replace(self, latest=share)

    def forecast(self, history: Panel) -> Forecast:
        setting = setting_of(history, self.task)
        ratios, base = self.latest.ratios(history)
        quantiles = np.stack(
            [
                whole_quantiles(ratios[:, k] + self.offsets[blocks(setting, window)], base[:, k])
                for k, window in enumerate(self.task.windows)
            ],
            axis=1,
        )
        return Forecast(mean_of(quantiles, self.task.levels), quantiles)


def mean_of(quantiles: Array, levels: Array) -> Array:
    """Expected demand of quantiles of every series and window, shape (series, windows)."""
    flat = losses.mean_of_quantiles(quantiles.reshape(-1, len(levels)), levels)
    return flat.reshape(quantiles.shape[:2])


def setting_of(history: Panel, task: Task) -> Setting:
    """The task on a history."""
    return Setting(history, task.windows, task.levels, task.seed)


def stacked(setting: Setting, cutoffs: Sequence[int], fitted: Fitted) -> tuple[Stack, Array]:
    """What a fitted family forecast from past cutoffs beside what occurred.

    Returns:
        One row per cutoff, window and series; the quantiles in that order, shape (n, levels).
    """
    made = {cut: ask(fitted, "forecast", known_by(setting.panel, cut)) for cut in cutoffs}
    places = {window: place for place, window in enumerate(setting.windows)}
    case = stack(setting, cutoffs, lambda cut, window, _: made[cut].mean[:, places[window]])
    quantiles = [made[cutoff].quantiles.swapaxes(0, 1) for cutoff in cutoffs]
    return case, np.concatenate(quantiles).reshape(-1, len(setting.levels))


def expected(setting: Setting, early: Expects) -> MeanOf:
    """Expected demand from past cutoffs, each from what was known then."""
    places = {window: place for place, window in enumerate(setting.windows)}
    made: dict[int, Array] = {}

    def mean(cutoff: int, window: Window, _: Known) -> Array:
        if cutoff not in made:
            made.clear()
            history = known_by(setting.panel, cutoff)
            made[cutoff] = _whole(ask(early, "mean", history), early, history, setting.windows)
        return np.asarray(made[cutoff][:, places[window]])

    return mean


def _whole(mean: Array, fitted: Expects, history: Panel, windows: Sequence[Window]) -> Array:
    """What a fitted family expects, if it says so for every series and window.

    Raises:
        ContractError: The shape is another one, or a value is missing.
    """
    family = getattr(fitted, "name", type(fitted).__name__)
    shape = (len(history.series), len(windows))
    if mean.shape != shape:
        raise ContractError(
            f"family {family!r}: expected demand of shape {mean.shape}; expected {shape} (series,"
            " windows): return one value for each."
        )
    missing = ~np.isfinite(mean).all(axis=1)
    if missing.any():
        item, location = history.series[SERIES].to_numpy()[int(np.flatnonzero(missing)[0])]
        raise ContractError(
            f"family {family!r}: expected demand of {int(missing.sum()):,} series is missing, the"
            f" first item {item} at {location}; expected a number for every window: leave these"
            " series out or mend the family."
        )
    return mean


def _outcomes(setting: Setting, early: GivesRatios, cutoff: int) -> tuple[Array, ...]:
    """Raw quantiles, base, block and outcome of the windows of one cutoff that have ended."""
    ratios, base = ask(early, "ratios", known_by(setting.panel, cutoff))
    last = setting.panel.units.shape[1] - 1
    ended = [k for k, w in enumerate(setting.windows) if cutoff + w.start + w.length - 1 <= last]
    windows = [setting.windows[k] for k in ended]
    actual = [
        targets_at(setting.panel, cutoff, start=w.start, length=w.length).astype(float)
        for w in windows
    ]
    block = [blocks(setting, window).astype(float) for window in windows]
    return (
        np.concatenate([ratios[:, k] for k in ended]), np.concatenate([base[:, k] for k in ended]),
        np.concatenate(block), np.concatenate(actual),
    )  # fmt: skip
