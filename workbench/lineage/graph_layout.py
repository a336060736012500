"""Places a layered graph on a plane: sources left, results right, few crossings.

Sugiyama, Tagawa and Toda 1981: layers by longest path, edges over several layers cut by places that
are only passed, order within a layer by barycentres; then heights by least squares with a least gap
(isotonic regression by pooling, Ayer et al. 1955).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

_SWEEPS: Final = 16
_GAP: Final = 10.0
_PASSED_GAP: Final = 6.0
_COLUMN_GAP: Final = 40.0

Edge = tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """Centres of nodes in pixels, the layer of each, and the places that edges pass between.

    Attributes:
        order: Of each node within its layer, from the top.
    """

    centres: Mapping[int, tuple[float, float]]
    layers: Mapping[int, int]
    order: Mapping[int, int]
    bends: Mapping[Edge, tuple[tuple[float, float], ...]]
    width: float
    height: float


def layout(sizes: Mapping[int, tuple[float, float]], edges: Sequence[Edge]) -> Layout:
    """Place nodes.

    Args:
        sizes: Width and height of each node, in pixels.
        edges: Source and target; one that would close a circle does not count for the layers.
    """
    layers = _layers(list(sizes), edges)
    rows, chains, neighbours = _rows(layers, edges)
    _reduce_crossings(rows, neighbours)
    heights = {node: size[1] for node, size in sizes.items()}
    ys = _heights(rows, neighbours, heights)
    xs, width = _columns(rows, sizes)
    low = min(ys.values(), default=0.0)
    tallest = max(heights.values(), default=0.0)
    centres = {n: (xs[layers[n]], ys[n] - low + tallest / 2) for n in sizes}
    bends = {
        edge: tuple((xs[place], ys[passed] - low + tallest / 2) for place, passed in chain)
        for edge, chain in chains.items()
    }
    order = {node: place for row in rows for place, node in enumerate(row) if node in sizes}
    height = max(ys.values(), default=0.0) - low + tallest
    return Layout(centres, layers, order, bends, width, height)


def _layers(nodes: Sequence[int], edges: Sequence[Edge]) -> dict[int, int]:
    """Longest path from a source; sources stand directly before their first target."""
    targets, waiting = defaultdict(list), dict.fromkeys(nodes, 0)
    for source, target in edges:
        targets[source].append(target)
        waiting[target] += 1
    layers = dict.fromkeys(nodes, 0)
    sources = [node for node in nodes if not waiting[node]]
    ready, left = list(sources), dict(waiting)
    while ready:
        node = ready.pop()
        left.pop(node, None)
        for target in targets[node]:
            layers[target] = max(layers[target], layers[node] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
        if not ready and left:  # only circles are left: enter one at its first node
            first = next(iter(left))
            waiting[first] = 0
            ready.append(first)
    for node in sources:
        if targets[node]:
            layers[node] = max(0, min(layers[target] for target in targets[node]) - 1)
    return layers


def _rows(
    layers: Mapping[int, int], edges: Sequence[Edge]
) -> tuple[list[list[int]], dict[Edge, list[tuple[int, int]]], dict[int, list[int]]]:
    """Nodes by layer, with the places that long edges pass, which have negative numbers."""
    rows: list[list[int]] = [[] for _ in range(max(layers.values(), default=-1) + 1)]
    for node, layer in layers.items():
        rows[layer].append(node)
    chains: dict[Edge, list[tuple[int, int]]] = {}
    neighbours: dict[int, list[int]] = defaultdict(list)
    fresh = -1
    for source, target in edges:
        before, chain = source, []
        for layer in range(layers[source] + 1, layers[target]):
            rows[layer].append(fresh)
            chain.append((layer, fresh))
            neighbours[before].append(fresh)
            neighbours[fresh].append(before)
            before, fresh = fresh, fresh - 1
        neighbours[before].append(target)
        neighbours[target].append(before)
        chains[source, target] = chain
    return rows, chains, neighbours


def _reduce_crossings(rows: list[list[int]], neighbours: Mapping[int, Sequence[int]]) -> None:
    """Order every row by the middle of its neighbours in the row before, left to right and back."""
    place = {node: number for row in rows for number, node in enumerate(row)}
    layer = {node: number for number, row in enumerate(rows) for node in row}
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        for number in range(len(rows)) if forward else reversed(range(len(rows))):
            other = number - 1 if forward else number + 1
            row = rows[number]

            def middle(node: int, other: int = other) -> float:
                near = [place[n] for n in neighbours.get(node, ()) if layer[n] == other]
                return sum(near) / len(near) if near else place[node]

            row.sort(key=middle)
            place.update((node, position) for position, node in enumerate(row))


def _heights(
    rows: Sequence[Sequence[int]],
    neighbours: Mapping[int, Sequence[int]],
    heights: Mapping[int, float],
) -> dict[int, float]:
    """Centres that are near those of their neighbours, in order and without overlap."""
    ys: dict[int, float] = {}
    for row in rows:
        total = 0.0
        for node, gap in zip(row, _gaps(row, heights), strict=True):
            total += gap
            ys[node] = total
        for node in row:
            ys[node] -= total / 2
    for _ in range(_SWEEPS):
        for row in rows:
            wanted = []
            for node in row:
                near = [ys[other] for other in neighbours.get(node, ())]
                wanted.append(sum(near) / len(near) if near else ys[node])
            offsets, total = [], 0.0
            for gap in _gaps(row, heights):
                total += gap
                offsets.append(total)
            level = _isotonic([want - off for want, off in zip(wanted, offsets, strict=True)])
            ys.update((node, one + off) for node, one, off in zip(row, level, offsets, strict=True))
    return ys


def _gaps(row: Sequence[int], heights: Mapping[int, float]) -> list[float]:
    """From each centre to the one before; the first has none."""
    gaps = [0.0]
    for above, below in pairwise(row):
        gap = _PASSED_GAP if above < 0 or below < 0 else _GAP
        gaps.append((heights.get(above, 0.0) + heights.get(below, 0.0)) / 2 + gap)
    return gaps[: len(row)]


def _isotonic(values: Sequence[float]) -> list[float]:
    """The nearest values (least squares) that never fall."""
    blocks: list[tuple[float, int]] = []
    for value in values:
        mean, count = value, 1
        while blocks and blocks[-1][0] > mean:
            last, size = blocks.pop()
            mean = (mean * count + last * size) / (count + size)
            count += size
        blocks.append((mean, count))
    return [mean for mean, count in blocks for _ in range(count)]


def _columns(
    rows: Sequence[Sequence[int]], sizes: Mapping[int, tuple[float, float]]
) -> tuple[list[float], float]:
    """Centre of each layer, and the width of all."""
    centres, right = [], 0.0
    for row in rows:
        width = max((sizes[node][0] for node in row if node in sizes), default=0.0)
        centres.append(right + width / 2)
        right += width + _COLUMN_GAP
    return centres, max(0.0, right - _COLUMN_GAP)
