"""One protocol for every family of models: fit on a panel, give quantiles, say what it cost.

    task = Task(windows=(Window(1, 7), Window(1, 14)), levels=np.array([0.5, 0.95]))
    fitted, cost = measured(lambda: family.fit(history, task))
    fitted.forecast(history).quantiles

A history is a panel that ends with the last day that may be known: whoever calls cuts it off
(`known_by`), so that no family can look ahead, whatever it does. Plans (promotions, events) go on
after it. The same fitted family forecasts from later days too, when it is given a longer history.

A family of one's own is any object with `name`, `good_for` and `fit`. One that only knows what to
expect becomes a full distribution by `calibrated.Counts`; `catalogue.py` lists those that ship.
"""

import ctypes
import gc
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.contracts import columns as c
from workbench.errors import ContractError
from workbench.forecasting.global_model import Window
from workbench.forecasting.panel import SERIES, Panel

Array = npt.NDArray[np.float64]
T = TypeVar("T")
_MIB = 2**20


@dataclass(frozen=True)
class Task:
    """What is asked of a family.

    Attributes:
        windows: What is forecast from the end of a history.
        levels: Quantile levels, ascending.
        seed: Of all that is random.
        season: Periods after which demand resembles itself: 7 with days, 12 with months.
        spacing: Periods between the past cutoffs on which a family calibrates: 7 with days, so that
            each is the weekday of the last.
        cutoffs: How many of them, as many as history allows.
        start: Fewest periods before the first of them.
    """

    windows: tuple[Window, ...]
    levels: Array
    seed: int = 1
    season: int = 7
    spacing: int = 7
    cutoffs: int = 8
    start: int = 91

    @property
    def reach(self) -> int:
        """Periods that the longest window ends after its cutoff."""
        return max(window.start + window.length - 1 for window in self.windows)


@dataclass(frozen=True)
class Forecast:
    """What a family expects from the end of a history.

    Attributes:
        mean: Expected demand, shape (series, windows).
        quantiles: Never crossing, never negative, shape (series, windows, levels).
    """

    mean: Array
    quantiles: Array


class Fitted(Protocol):
    """A family that has learned."""

    def forecast(self, history: Panel) -> Forecast:
        """Forecast the task's windows from the last day of a history."""
        ...


class Family(Protocol):
    """A kind of model."""

    @property
    def name(self) -> str:
        """In the field's words, as in tables."""
        ...

    @property
    def good_for(self) -> str:
        """When to choose it, in one sentence."""
        ...

    def fit(self, history: Panel, task: Task) -> Fitted:
        """Learn from a history, all of which may be known."""
        ...


@runtime_checkable
class Stored(Protocol):
    """A fitted family whose bytes can be kept; their digest goes on record."""

    @property
    def serialised(self) -> bytes: ...


@runtime_checkable
class Distributed(Protocol):
    """A fitted family that knows the whole distribution and not only quantiles."""

    def pit(self, history: Panel, actual: Array, *, seed: int) -> Array:
        """Randomised PIT of what the task's windows brought, shape (series, windows)."""
        ...


@dataclass(frozen=True)
class Cost:
    """What a piece of work took.

    Attributes:
        cpu_seconds: Of this process, all threads.
        seconds: On the clock.
        peak_mib: Most memory held above what was held at its start; NaN where the system does not
            say (it does on Linux).
    """

    cpu_seconds: float = 0.0
    seconds: float = 0.0
    peak_mib: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.cpu_seconds + other.cpu_seconds, self.seconds + other.seconds,
            max(self.peak_mib, other.peak_mib),
        )  # fmt: skip


def measured(work: Callable[[], T]) -> tuple[T, Cost]:
    """Do some work and say what it cost."""
    held = _peak_from_now()
    cpu, clock = time.process_time(), time.perf_counter()
    result = work()
    above = float(np.maximum(_memory("VmHWM") - held, 0))
    return result, Cost(time.process_time() - cpu, time.perf_counter() - clock, above)


def known_by(panel: Panel, cutoff: int) -> Panel:
    """The history that ends with column `cutoff`."""
    return panel.until(panel.first_day + pd.Timedelta(days=cutoff))


def plain_panel(
    units: npt.NDArray[np.floating], *, ahead: int = 56, first_day: str = "2000-01-03"
) -> Panel:
    """A panel of demand alone: no prices, promotions or events, one site.

    Args:
        units: Demand of any regular period, NaN where it was not observed, shape (series, periods).
        ahead: Periods after the last that may be forecast.
        first_day: Day of the first column; a Monday unless given.
    """
    series, periods = units.shape
    keys = {c.ITEM_ID: [f"{i:06d}" for i in range(series)], c.LOCATION_ID: "*"}
    return Panel(
        series=pd.DataFrame({**keys, "category": "*", "price": 1.0}),
        units=np.asarray(units, dtype=np.float32), price=np.ones(units.shape, np.float32),
        promoted=np.zeros((2, series, periods + ahead), np.float32),
        first_day=pd.Timestamp(first_day), is_dc=np.zeros(series, dtype=bool),
        events=np.zeros((2, periods + ahead), np.float32),
    )  # fmt: skip


def checked(forecast: Forecast, history: Panel, task: Task, *, family: str) -> Forecast:
    """The forecast, if it keeps the protocol.

    Raises:
        ContractError: A shape is not the task's; a value is no number, negative or crosses.
    """
    shape = (len(history.series), len(task.windows), len(task.levels))
    if forecast.quantiles.shape != shape or forecast.mean.shape != shape[:2]:
        raise ContractError(
            f"family {family!r}: mean of shape {forecast.mean.shape}, quantiles of"
            f" {forecast.quantiles.shape}; expected {shape[:2]} and {shape} (series, windows,"
            " levels): return one value for each."
        )
    broken = ~np.isfinite(forecast.mean) | ~np.isfinite(forecast.quantiles).all(axis=2)
    broken |= (forecast.quantiles < 0).any(axis=2) | (np.diff(forecast.quantiles) < 0).any(axis=2)
    if broken.any():
        row = int(np.flatnonzero(broken.any(axis=1))[0])
        item, location = history.series[SERIES].to_numpy()[row]
        raise ContractError(
            f"family {family!r}: forecasts of {int(broken.any(axis=1).sum()):,} series are missing,"
            f" negative or cross, the first item {item} at {location}; expected quantiles from 0,"
            " ascending in level: leave these series out or mend the family."
        )
    return forecast


def _peak_from_now() -> float:
    """Let the peak of this process's memory count from now; gives what is held, in MiB."""
    _give_back_free_memory()
    clear = Path("/proc/self/clear_refs")
    try:
        clear.write_text("5")
    except OSError:
        return float("nan")
    return _memory("VmRSS")


def _give_back_free_memory() -> None:
    """Return what malloc keeps of earlier work: drawn from there, memory seems to cost nothing."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # GNU libc alone
    if trim:
        trim(0)


def _memory(name: str) -> float:
    """A figure of /proc/self/status in MiB; elsewhere the largest resident size so far."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / _MIB
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024 / _MIB
