"""A panel in parts on workers elsewhere: what is done per series is done where the series lie.

A part is some rows of the panel, with the demand of whole categories beside them, so that features
of a part are those of the panel. Parts are as small as the workers' memory asks for. What comes
back is joined in the order in which one machine would have computed it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import pandas as pd

from workbench.forecasting.panel import Panel

_LARGEST = 20_000  # series in a part, however much memory there is
_BYTES = 100  # of a series and day at work: demand, price, promotions, copies in double precision
_SHARE = 0.25  # of a thread's memory that one part at work may take
_SOME = 1 << 30  # bytes that a thread is taken to have where nobody limits it


@dataclass(frozen=True)
class Boosting:
    """One LightGBM model to train on rows of all parts.

    Attributes:
        parameters: Of LightGBM.
        trees: Boosting rounds.
        names: Of the features.
        offset: Whether rows carry an initial score.
        weighted: Whether rows carry a weight.
    """

    parameters: Mapping[str, Any]
    trees: int
    names: Sequence[str]
    offset: bool = False
    weighted: bool = False


class Workers(Protocol):
    """Processes that hold parts and work on them; an adapter has them."""

    @property
    def count(self) -> int:
        """How many processes there are."""
        ...

    @property
    def thread_memory_bytes(self) -> int:
        """The least memory that a thread has to itself; 0 where nobody limits it."""
        ...

    def place(self, parts: Sequence[Any]) -> Sequence[Any]:
        """Send each part to a worker; what stands for them there."""
        ...

    def map(
        self, work: Callable[..., Any], places: Sequence[Any], given: Sequence[tuple[Any, ...]]
    ) -> list[Any]:
        """`work(part, *given)` of every part, in their order, each with what is given for it."""
        ...

    def boost(
        self,
        rows: Callable[..., Any],
        places: Sequence[Any],
        given: Sequence[tuple[Any, ...]],
        *,
        wanted: Sequence[Boosting],
    ) -> list[str]:
        """Models of the rows of all parts, trained where they lie; as text.

        `rows(part, *given)` gives features, target, initial score and weight.
        """
        ...


@dataclass(frozen=True)
class Parts:
    """A panel that lies in parts on workers.

    Attributes:
        workers: Who holds them.
        places: What stands for each part.
        spans: Rows of the panel in each part.
        days: Columns that may be known: workers cut off what is later.
    """

    workers: Workers
    places: Sequence[Any]
    spans: Sequence[slice]
    days: int

    def until(self, days: int) -> "Parts":
        """The same parts, of which fewer days may be known."""
        return replace(self, days=min(days, self.days))

    def map(self, work: Callable[..., Any], *given: Any) -> list[Any]:
        """`work(panel, *given)` of every part, in the order of the series."""
        return self.each(work, [given] * len(self.places))

    def each(self, work: Callable[..., Any], given: Sequence[tuple[Any, ...]]) -> list[Any]:
        """`work(panel, *given)` of every part, each with what is given for it."""
        return self.workers.map(_on_panel, self.places, [(self.days, work, *g) for g in given])

    def boost(self, rows: Callable[..., Any], *given: Any, wanted: Sequence[Boosting]) -> list[str]:
        """Models of the rows of all parts; `rows(panel, number, *given)`."""
        numbered = [(self.days, rows, number, *given) for number in range(len(self.places))]
        return self.workers.boost(_on_panel, self.places, numbered, wanted=wanted)


def spread(panel: Panel, workers: Workers | None) -> Panel:
    """The panel, with its series in parts on workers; as it is where there are none."""
    if workers is None:
        return panel
    days = panel.units.shape[1]
    most = series_in_part(days, workers.thread_memory_bytes)
    series = len(panel.series)
    count = min(series, max(workers.count, -(-series // most)))
    edges = np.linspace(0, series, count + 1).astype(int).tolist()
    spans = [slice(first, last) for first, last in pairwise(edges)]
    places = workers.place([_packed(part_of(panel, span)) for span in spans])
    return replace(panel, parts=Parts(workers, places, spans, days))


def ask(fitted: Any, method: str, history: Panel) -> Any:
    """`fitted.method(history)`, computed where the series lie.

    On workers if the history is with them and the family is separable, else here.

    Args:
        fitted: What was fitted.
        method: Name of a method that takes a history and gives arrays over its series: one, a
            tuple of them, or a dataclass of them.
        history: Ends with the last day that may be known.
    """
    if history.parts is not None:
        shares = [share_of(fitted, span) for span in history.parts.spans]
        if all(share is not None for share in shares):
            return _joined(history.parts.each(_asked, [(share, method) for share in shares]))
    return getattr(fitted, method)(history)


def share_of(fitted: Any, rows: slice) -> Any:
    """What it takes to forecast some of the series; None where that takes the other series too.

    A fitted family whose forecast of a series needs no other series, but for the demand of whole
    categories, says so by a method `part(rows)`.
    """
    part = getattr(fitted, "part", None)
    return None if part is None else part(rows)


def series_in_part(days: int, thread_memory_bytes: int) -> int:
    """How many series of so many days a worker's thread can work on within its memory."""
    allowed = _SHARE * (thread_memory_bytes or _SOME)
    return int(np.clip(allowed // (_BYTES * days), 1, _LARGEST))


def part_of(panel: Panel, rows: slice) -> Panel:
    """Some series, with the demand of their whole categories."""
    whole = panel.by_category
    return replace(
        panel,
        series=panel.series.iloc[rows].reset_index(drop=True),
        units=panel.units[rows],
        price=panel.price[rows],
        promoted=panel.promoted[:, rows],
        is_dc=panel.is_dc[rows],
        categories=replace(whole, codes=whole.codes[rows]),
        parts=None,
        left_out=panel.left_out.iloc[:0],
        recovered=panel.recovered.iloc[:0],
    )


def _packed(panel: Panel) -> dict[str, Any]:
    """Fields of a panel: of a dictionary of arrays, a worker knows how much memory it takes."""
    return {f.name: getattr(panel, f.name) for f in fields(panel) if f.name != "parts"}


def _unpacked(part: Mapping[str, Any]) -> Panel:
    """The panel, its arrays where the processor expects them.

    Arrays arrive at any address; numpy adds up misaligned ones in another order, which changes the
    last bit.
    """
    aligned: dict[str, Any] = {
        name: np.require(value, requirements="A") if isinstance(value, np.ndarray) else value
        for name, value in part.items()
    }
    return Panel(**aligned)


def _on_panel(part: Mapping[str, Any], days: int, work: Callable[..., Any], *given: Any) -> Any:
    panel = _unpacked(part)
    return work(panel.until(panel.first_day + pd.Timedelta(days=days - 1)), *given)


def _asked(panel: Panel, fitted: Any, method: str) -> Any:
    return getattr(fitted, method)(panel)


def _joined(found: Sequence[Any]) -> Any:
    """Arrays of all parts, one after the other."""
    first = found[0]
    if isinstance(first, np.ndarray):
        return np.concatenate(found)
    if isinstance(first, tuple):
        return tuple(_joined(column) for column in zip(*found, strict=True))
    names = [field.name for field in fields(first)]
    return type(first)(*(_joined([getattr(one, name) for one in found]) for name in names))
