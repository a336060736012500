"""Hierarchies of series: every level is a grouping of the same bottom series.

Grouped hierarchies (state by category as well as store by department) need no tree: a level is one
code per bottom series, and summing is one pass per level, whatever the number of series.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Hierarchy:
    """Levels from the top to the bottom; nodes are stacked in this order.

    Attributes:
        names: Name of each level.
        codes: Per level the node of each bottom series, counted from 0 within the level.
        labels: Per level the labels of its nodes.
    """

    names: tuple[str, ...]
    codes: tuple[Codes, ...]
    labels: tuple[tuple[str, ...], ...]

    @cached_property
    def level(self) -> Codes:
        """Place of each node's level, shape (nodes,)."""
        return np.repeat(np.arange(len(self.names)), [len(labels) for labels in self.labels])

    @cached_property
    def matrix(self) -> Any:
        """Summing matrix S, sparse, shape (nodes, bottom series)."""
        count = len(self.codes[0])
        blocks = [
            sparse.csr_matrix(
                (np.ones(count), (codes, np.arange(count))), shape=(len(labels), count)
            )
            for codes, labels in zip(self.codes, self.labels, strict=True)
        ]
        return sparse.vstack(blocks, format="csr")

    def nodes(self, name: str) -> slice:
        """Rows of a level.

        Raises:
            KeyError: There is no such level.
        """
        if name not in self.names:
            raise KeyError(f"level {name!r}; expected one of {', '.join(self.names)}")
        place = self.names.index(name)
        start = sum(len(labels) for labels in self.labels[:place])
        return slice(start, start + len(self.labels[place]))

    def sums(self, bottom: npt.NDArray[Any]) -> Array:
        """Values of all nodes from those of the bottom series, shape (nodes, ...).

        Args:
            bottom: Shape (bottom series, columns), in the order of the frame it was built from.
        """
        return np.asarray(self.matrix @ bottom, dtype=np.float64)

    def until(self, name: str) -> "Hierarchy":
        """The part down to a level, whose nodes become the bottom series.

        Raises:
            ValueError: A level above is not a grouping of that level's nodes.
        """
        last = self.names.index(name)
        below = self.codes[last]
        _, first = np.unique(below, return_index=True)
        codes = tuple(codes[first] for codes in self.codes[: last + 1])
        for own, short, level in zip(self.codes, codes, self.names, strict=False):
            if not np.array_equal(short[below], own):
                raise ValueError(f"level {level!r} splits nodes of level {name!r}")
        return Hierarchy(self.names[: last + 1], codes, self.labels[: last + 1])


def hierarchy(keys: pd.DataFrame, levels: Mapping[str, Sequence[str]]) -> Hierarchy:
    """A hierarchy from the group codes of its bottom series.

    Args:
        keys: One row per bottom series.
        levels: Per level the columns that group it, top first; no column is the total. The last
            must tell all rows apart.

    Raises:
        ValueError: The last level puts two rows into one node.
    """
    codes, labels = [], []
    for columns in levels.values():
        text = keys[list(columns)].astype(str).agg("_".join, axis=1) if columns else None
        places, found = pd.factorize(text) if text is not None else (np.zeros(len(keys)), ["Total"])
        codes.append(np.asarray(places, dtype=np.int64))
        labels.append(tuple(map(str, found)))
    if len(labels[-1]) != len(keys):
        raise ValueError(
            f"level {list(levels)[-1]!r} has {len(labels[-1])} nodes for {len(keys)} series;"
            " expected columns that tell every series apart."
        )
    return Hierarchy(tuple(levels), tuple(codes), tuple(labels))
