"""Which columns were made from which, as events state it, as of one time."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from workbench.lineage.graph_events import WHOLE
from workbench.lineage.graph_walk import Found, Walk

Column = tuple[int, str]
"""A version and one of its columns, or `WHOLE`."""


def sources_of_column(walk: Walk, nodes: Iterable[int], column: str) -> list[Found]:
    """What a column of some versions was made from."""
    levels: dict[Column, int] = {(node, column): 0 for node in nodes}
    frontier = list(levels)
    while frontier:
        fresh: dict[Column, None] = {}
        for one, sources in _sources(walk, frontier).items():
            for source in sources:
                if source not in levels:
                    levels[source] = levels[one] + 1
                    fresh[source] = None
        frontier = list(fresh)
    return _found(walk, {one: depth for one, depth in levels.items() if depth})


def results_of_column(walk: Walk, dataset: int, column: str) -> list[Found]:
    """Columns of newest versions that were made from a column of some version of a dataset."""
    newest, edges = walk.live(dataset, beyond=True)
    nodes = {node for edge in edges for node in edge}
    stated, inputs = _stated(walk, nodes), defaultdict(list)
    for dst, src in edges:
        inputs[dst].append(src)
    results: dict[int, list[tuple[str, Column]]] = defaultdict(list)
    for node in nodes:
        for name in _columns_of(stated.get(node, {})):
            for src, source in _ways(name, stated.get(node, {}), inputs[node]):
                results[src].append((source, (node, name)))
    levels = _levels([(root, column) for root in walk.of(dataset, nodes)], results)
    alive = set(newest.values())
    return _found(walk, {one: d for one, d in levels.items() if d and one[0] in alive})


def _sources(walk: Walk, columns: Collection[Column]) -> dict[Column, list[Column]]:
    """What each column was made from; where nothing is said of it, all that its table was."""
    nodes = walk.known({node for node, _ in columns})
    stated, inputs = _stated(walk, nodes), defaultdict(list)
    for dst, src in walk.edges_into(nodes):
        inputs[dst].append(src)
    return {
        (node, name): _ways(name, stated.get(node, {}), inputs[node])
        for node, name in columns
        if node in nodes
    }


def _stated(walk: Walk, nodes: Collection[int]) -> dict[int, dict[str, list[Column]]]:
    """What events say of the columns of versions."""
    rows = walk.ask(
        "SELECT field.dst, field.name, field.src, field.source FROM json_each(?) AS given"
        " JOIN field ON field.dst = given.value",
        (json.dumps(list(nodes)),),
    ).fetchall()
    stated: dict[int, dict[str, list[Column]]] = defaultdict(dict)
    for dst, name, src, source in rows:
        of = stated[dst].setdefault(name, [])
        if src is not None:
            of.append((src, source))
    return stated


def _found(walk: Walk, levels: Mapping[Column, int]) -> list[Found]:
    depths: dict[int, int] = {}
    names: dict[int, set[str]] = defaultdict(set)
    for (node, name), depth in levels.items():
        depths[node] = min(depth, depths.get(node, depth))
        names[node].add(name)
    return walk.found(depths, names)


def _columns_of(stated: Mapping[str, Collection[Column]]) -> list[str]:
    return [name for name in stated if name != WHOLE] or [WHOLE]


def _ways(
    name: str, stated: Mapping[str, Collection[Column]], inputs: Iterable[int]
) -> list[Column]:
    """What a column was made from: as stated, else all columns of all that its table was."""
    if set(stated) <= {WHOLE} or (name != WHOLE and name not in stated):
        return [(src, WHOLE) for src in inputs]
    if name == WHOLE:
        return [source for sources in stated.values() for source in sources]
    return [*stated[name], *stated.get(WHOLE, ())]


def _levels(
    roots: Iterable[Column], results: Mapping[int, Collection[tuple[str, Column]]]
) -> dict[Column, int]:
    """Columns made from some columns, with distances; `WHOLE` meets every column of its version.

    A root that is reached from another has that distance, others have 0.
    """
    frontier = list(roots)
    levels = dict.fromkeys(frontier, 0)
    reached = dict.fromkeys(frontier, 0)
    while frontier:
        found: dict[Column, None] = {}
        for node, name in frontier:
            for source, other in results.get(node, ()):
                if source not in (name, WHOLE) and name != WHOLE:
                    continue
                if other not in levels:
                    levels[other] = levels[node, name] + 1
                    found[other] = None
                elif reached.get(other) == 0:
                    reached[other] = levels[node, name] + 1
        frontier = list(found)
    return {**levels, **reached}
