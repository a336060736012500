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
import numpy.typing as npt

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

    def map(self, work: Callable[..., Any], places: Sequence[Any], *given: Any) -> list[Any]:
        """`work(part, *given)` of every part, in their order."""
        ...

    def boost(
        self,
        rows: Callable[..., Any],
        places: Sequence[Any],
        *given: Any,
        wanted: Sequence[Boosting],
    ) -> list[str]:
        """Models of the rows of all parts, trained where they lie; as text.

        `rows(part, number, *given)` gives features, target, initial score and weight.
        """
        ...


@dataclass(frozen=True)
class Parts:
    """A panel that lies in parts on workers.

    Attributes:
        workers: Who holds them.
        places: What stands for each part.
        series: Rows of the whole panel.
    """

    workers: Workers
    places: Sequence[Any]
    series: int

    def map(self, work: Callable[..., Any], *given: Any) -> list[Any]:
        """`work(panel, *given)` of the panel of every part, in the order of the series."""
        return self.workers.map(_on_panel, self.places, work, *given)

    def turns(self, work: Callable[..., Any], *given: Any) -> tuple[npt.NDArray[Any], ...]:
        """Arrays of several turns over all series, as one machine would have them.

        `work(panel, *given)` gives arrays whose first axis runs over the series, once per turn.
        """
        found = self.map(_with_count, work, *given)
        counts = [count for count, _ in found]
        columns = zip(*(arrays for _, arrays in found), strict=True)
        return tuple(_interleaved(list(column), counts) for column in columns)

    def boost(self, rows: Callable[..., Any], *given: Any, wanted: Sequence[Boosting]) -> list[str]:
        """Models of the rows of all parts; `rows(panel, number, *given)`."""
        return self.workers.boost(_rows_of_panel, self.places, rows, *given, wanted=wanted)


def spread(panel: Panel, workers: Workers | None) -> Parts | None:
    """Send a panel to workers in parts; None without workers: then this machine computes."""
    if workers is None:
        return None
    most = series_in_part(panel.units.shape[1], workers.thread_memory_bytes)
    series = len(panel.series)
    count = min(series, max(workers.count, -(-series // most)))
    edges = np.linspace(0, series, count + 1).astype(int)
    spans = [slice(first, last) for first, last in pairwise(edges)]
    places = workers.place([_packed(part_of(panel, span)) for span in spans])
    return Parts(workers, places, series)


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
        left_out=panel.left_out.iloc[:0],
        recovered=panel.recovered.iloc[:0],
    )


def _packed(panel: Panel) -> dict[str, Any]:
    """Fields of a panel: of a dictionary of arrays, a worker knows how much memory it takes."""
    return {field.name: getattr(panel, field.name) for field in fields(panel)}


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


def _on_panel(part: Mapping[str, Any], work: Callable[..., Any], *given: Any) -> Any:
    return work(_unpacked(part), *given)


def _with_count(panel: Panel, work: Callable[..., Any], *given: Any) -> tuple[int, Any]:
    return len(panel.series), work(panel, *given)


def _rows_of_panel(
    part: Mapping[str, Any], number: int, rows: Callable[..., Any], *given: Any
) -> Any:
    return rows(_unpacked(part), number, *given)


def _interleaved(arrays: Sequence[npt.NDArray[Any]], counts: Sequence[int]) -> npt.NDArray[Any]:
    """Turn by turn the series of all parts."""
    turns = [a.reshape(-1, n, *a.shape[1:]) for a, n in zip(arrays, counts, strict=True)]
    joined = np.concatenate(turns, axis=1)
    return joined.reshape(-1, *joined.shape[2:])
