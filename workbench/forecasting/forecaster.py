"""The family that makes the forecast, as it was at one cutoff: asked for any window and level.

Two kinds keep one protocol. `GlobalForecaster` is LightGBM with counts, refitted every few weeks
and calibrated every week (`backtest.py`). `FamilyForecaster` is any other family of `protocol.py`:
what it gives are quantiles at its levels, and other levels lie on the line between them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from workbench.errors import ContractError
from workbench.forecasting import stored
from workbench.forecasting.calibrated import count_forecast, groups_of
from workbench.forecasting.distribution import CountDistribution
from workbench.forecasting.families import CHOSEN, Setting
from workbench.forecasting.features import Known, known_at
from workbench.forecasting.global_model import GlobalModel, Window
from workbench.forecasting.panel import Panel
from workbench.forecasting.partitions import ask
from workbench.forecasting.paths import samples_between
from workbench.forecasting.patterns import segment
from workbench.forecasting.protocol import Fitted, Forecast, Task, checked, known_by

Array = npt.NDArray[np.float64]
Groups = npt.NDArray[np.int64]
QuantilesOf = Callable[[Groups], Array]
T = TypeVar("T")


class Forecaster(Protocol):
    """What makes a forecast, with what was learned by one cutoff."""

    @property
    def name(self) -> str:
        """The family, as in tables."""
        ...

    @property
    def windows(self) -> tuple[Window, ...]:
        """What it was calibrated for; other windows must have one of these lengths."""
        ...

    @property
    def serialised(self) -> bytes:
        """The bytes that go on record, from which it can be restored."""
        ...

    @property
    def file_type(self) -> str:
        """Of these bytes, as the ending of a file's name."""
        ...

    def mean(self, panel: Panel, cutoff: int, windows: Sequence[Window]) -> Array:
        """Expected demand from a cutoff, shape (series, windows)."""
        ...

    def point(self, panel: Panel, cutoff: int, windows: Sequence[Window]) -> Array:
        """What the model alone expects, before a calibration moves it, shape (series, windows)."""
        ...

    def quantiles_at(
        self, panel: Panel, cutoff: int, windows: Sequence[Window], levels: Array
    ) -> Array:
        """Whole-number quantiles at any levels, shape (series, windows, levels)."""
        ...

    def quantiles_by_rows(
        self, panel: Panel, cutoff: int, windows: Sequence[Window], levels: Array
    ) -> QuantilesOf:
        """The same for some rows of the panel at a time, for many levels."""
        ...


@dataclass(frozen=True)
class GlobalForecaster:
    """Expected demand by one model of all series, made into quantiles by one calibration."""

    model: GlobalModel
    distribution: CountDistribution
    windows: tuple[Window, ...]

    name = CHOSEN
    file_type = "txt"

    @property
    def serialised(self) -> bytes:
        return self.model.serialised

    def quantiles(self, panel: Panel, cutoff: int, window: Window) -> Array:
        """Whole-number quantiles of a window, shape (series, levels)."""
        return self.quantiles_of(panel, cutoff, [window])[0]

    def quantiles_of(self, panel: Panel, cutoff: int, windows: Sequence[Window]) -> list[Array]:
        """Whole-number quantiles of several windows from one cutoff."""
        return list(self.forecast(panel, cutoff, windows).quantiles.swapaxes(0, 1))

    def quantiles_at(
        self, panel: Panel, cutoff: int, windows: Sequence[Window], levels: Array
    ) -> Array:
        """As `Forecaster` says; beyond the levels that were learned, straight to 0 and to 1."""
        distribution = self.distribution.at_levels(levels)
        found = replace(self, distribution=distribution).forecast(panel, cutoff, windows)
        return found.quantiles[:, :, np.searchsorted(distribution.levels, levels)]

    def quantiles_by_rows(
        self, panel: Panel, cutoff: int, windows: Sequence[Window], levels: Array
    ) -> QuantilesOf:
        mean, group = self.expected(panel, cutoff, windows)
        kind = segment(panel, cutoff)
        distribution = self.distribution.at_levels(levels)
        wanted = np.searchsorted(distribution.levels, levels)

        def of(rows: Groups) -> Array:
            found = distribution.quantiles(
                mean[rows].ravel(), group[rows].ravel(), np.repeat(kind[rows], len(windows))
            )
            return found[:, wanted].reshape(len(rows), len(windows), len(levels))

        return of

    def forecast(self, panel: Panel, cutoff: int, windows: Sequence[Window]) -> Forecast:
        """Expected demand, past bias removed, and quantiles of several windows from one cutoff."""
        setting, known = self._setting(panel), known_at(panel, cutoff)
        mean = self._mean(panel, windows, known)
        return count_forecast(self.distribution, setting, mean, windows=windows, known=known)

    def mean(self, panel: Panel, cutoff: int, windows: Sequence[Window]) -> Array:
        mean, groups = self.expected(panel, cutoff, windows)
        drift = self.distribution.drift[segment(panel, cutoff)]
        return np.asarray(mean * self.distribution.scale[groups] * drift[:, None])

    def point(self, panel: Panel, cutoff: int, windows: Sequence[Window]) -> Array:
        return self._mean(panel, windows, known_at(panel, cutoff))

    def expected(
        self, panel: Panel, cutoff: int, windows: Sequence[Window]
    ) -> tuple[Array, Groups]:
        """What the model expects, bias and all, and calibration groups, (series, windows) each."""
        known = known_at(panel, cutoff)
        mean = self._mean(panel, windows, known)
        return mean, groups_of(self._setting(panel), mean, windows, known)

    def _mean(self, panel: Panel, windows: Sequence[Window], known: Known) -> Array:
        each = [self.model.mean(panel, known.cutoff, window, known) for window in windows]
        return np.stack(each, axis=1)

    def _setting(self, panel: Panel) -> Setting:
        return Setting(panel, self.windows, self.distribution.levels, seed=0)


@dataclass(frozen=True)
class FamilyForecaster:
    """A fitted family of the protocol.

    Attributes:
        name: Of the family.
        fitted: What was learned by a cutoff.
        task: What it was fitted for.
    """

    name: str
    fitted: Fitted
    task: Task
    _made: dict[tuple[int, tuple[Window, ...]], tuple[Panel, Forecast]] = field(
        default_factory=dict, repr=False, compare=False
    )

    file_type = "zip"

    @property
    def windows(self) -> tuple[Window, ...]:
        return self.task.windows

    @property
    def serialised(self) -> bytes:
        return stored.archive(self.fitted)

    def mean(self, panel: Panel, cutoff: int, windows: Sequence[Window]) -> Array:
        return self._forecast(panel, cutoff, windows).mean

    def point(self, panel: Panel, cutoff: int, windows: Sequence[Window]) -> Array:
        """The mean: a family says no more."""
        return self.mean(panel, cutoff, windows)

    def quantiles_at(
        self, panel: Panel, cutoff: int, windows: Sequence[Window], levels: Array
    ) -> Array:
        """As `Forecaster` says; flat beyond the levels that the family gives."""
        found = self._forecast(panel, cutoff, windows).quantiles
        return np.rint(samples_between(found, self.task.levels, levels))

    def quantiles_by_rows(
        self, panel: Panel, cutoff: int, windows: Sequence[Window], levels: Array
    ) -> QuantilesOf:
        found = self._forecast(panel, cutoff, windows).quantiles
        return lambda rows: samples_between(found[rows], self.task.levels, levels)

    def _forecast(self, panel: Panel, cutoff: int, windows: Sequence[Window]) -> Forecast:
        """Of these windows in their order; kept, because one cutoff is asked for several times."""
        every = self._with_all_lengths(windows)
        known, made = self._made.get((cutoff, every), (None, None))
        if made is None or known is not panel:
            history = known_by(panel, cutoff)
            made = ask(asked_for(self.fitted, every), "forecast", history)
            checked(made, history, replace(self.task, windows=every), family=self.name)
            self._made[cutoff, every] = panel, made
        places = [every.index(window) for window in windows]
        return Forecast(made.mean[:, places], made.quantiles[:, places])

    def _with_all_lengths(self, windows: Sequence[Window]) -> tuple[Window, ...]:
        """These and a window of each other length that was fitted: calibrations go by length.

        Raises:
            ContractError: A length was not fitted.
        """
        lengths = sorted({window.length for window in self.task.windows})
        for window in windows:
            if window.length not in lengths:
                raise ContractError(
                    f"family {self.name!r}: a window of {window.length} days was not fitted;"
                    f" expected one of {', '.join(map(str, lengths))} days: add it to the windows."
                )
        asked = {window.length for window in windows}
        if asked == set(lengths):
            return tuple(windows)
        if set(windows) <= set(self.task.windows):
            return self.task.windows
        return (*windows, *(w for w in self.task.windows if w.length not in asked))


def asked_for(fitted: T, windows: Sequence[Window]) -> T:
    """The same fitted family, asked for other windows; their lengths must be those of its task."""
    if isinstance(fitted, Task):
        return replace(fitted, windows=tuple(windows))
    if isinstance(fitted, tuple):
        return type(fitted)(asked_for(part, windows) for part in fitted)
    if not is_dataclass(fitted) or isinstance(fitted, type):
        return fitted
    parts: dict[str, Any] = {part.name: getattr(fitted, part.name) for part in fields(fitted)}
    if not any(isinstance(part, Task) for part in parts.values()):
        return fitted
    return replace(fitted, **{name: asked_for(part, windows) for name, part in parts.items()})
