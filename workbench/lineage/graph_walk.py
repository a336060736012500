"""Walks over the versions in the graph, as of one time."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from workbench.lineage.graph_events import MODEL, WHOLE
from workbench.lineage.names import FILE_NAMESPACE, SCHEME

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Version:
    """A dataset as a run wrote it, or as it was read where no run on record wrote it.

    Attributes:
        node: Its number in the graph.
        dataset: Number of its dataset.
        digest: As events have it; empty where they have none.
        run_id: Run that wrote it; empty where none on record did, or had not yet.
        job: Of that run.
        at: When that run completed, or when it was first read, in microseconds since 1970.
    """

    node: int
    dataset: int
    kind: str
    name: str
    digest: str
    run_id: str
    job: str
    at: int

    @property
    def moment(self) -> datetime:
        """`at` as a time."""
        return EPOCH + timedelta(microseconds=self.at)


@dataclass(frozen=True)
class Found:
    """What a question reached.

    Attributes:
        version: The newest version of the dataset among those that were reached.
        columns: Columns of it where columns were asked for; `WHOLE` stands for all.
        steps: Runs between it and what was asked about, at least.
    """

    version: Version
    columns: tuple[str, ...]
    steps: int


class Walk:
    """Follows edges in the store; what completed after its time is not there."""

    def __init__(self, connection: sqlite3.Connection, at: int) -> None:
        self.ask = connection.execute
        self.at = at

    def back(
        self, nodes: Iterable[int], within: Collection[int] | None = None, stop: int | None = None
    ) -> tuple[dict[int, int], list[tuple[int, int]]]:
        """Versions by their distance to the first ones, and the edges in between.

        Args:
            nodes: To begin with.
            within: Datasets that may be walked through; None: all.
            stop: Dataset that is not walked beyond, but for the first versions.
        """
        frontier = list(dict.fromkeys(nodes))
        levels = dict.fromkeys(frontier, 0)
        edges: list[tuple[int, int]] = []
        while frontier:
            found: dict[int, None] = {}
            for dst, src, dataset, at in self._edges_with_sources(frontier):
                if within is not None and dataset not in within:
                    continue
                edges.append((dst, src))
                if src not in levels:
                    levels[src] = levels[dst] + 1
                    if at <= self.at and dataset != stop:  # written later, it was not known yet
                        found[src] = None
            frontier = list(found)
        return levels, edges

    def forth(self, nodes: Iterable[int]) -> dict[int, int]:
        """Everything made from exact versions by then, with distances."""
        frontier = list(dict.fromkeys(nodes))
        levels = dict.fromkeys(frontier, 0)
        while frontier:
            rows = self.ask(
                "SELECT edge.src, edge.dst FROM json_each(?) AS given"
                " JOIN edge ON edge.src = given.value JOIN node ON node.id = edge.dst"
                " WHERE node.at <= ?",
                (json.dumps(frontier), self.at),
            ).fetchall()
            frontier = list(dict.fromkeys(dst for _, dst in rows if dst not in levels))
            for src, dst in rows:
                levels.setdefault(dst, levels[src] + 1)
        return levels

    def live(
        self, dataset: int, *, beyond: bool = False
    ) -> tuple[dict[int, int], list[tuple[int, int]]]:
        """Newest versions of all that was ever made from a dataset, and how they came to be.

        Every way from a version of the dataset to one of these passes only through datasets that
        were ever made from it, so that the walk back need not leave them; nor go beyond a version
        of the dataset itself, unless one of its columns was made from another.
        """
        ever = self._ever(dataset)
        newest = self.newest(ever)
        _, edges = self.back(newest.values(), {*ever, dataset}, None if beyond else dataset)
        return newest, edges

    def _ever(self, dataset: int) -> set[int]:
        frontier, ever = [dataset], set[int]()
        while frontier:
            rows = self.ask(
                "SELECT link.dst FROM json_each(?) AS given JOIN link ON link.src = given.value"
                " WHERE link.at <= ?",
                (json.dumps(frontier), self.at),
            ).fetchall()
            frontier = list({dst for (dst,) in rows} - ever)
            ever.update(frontier)
        return ever

    def newest(self, datasets: Collection[int]) -> dict[int, int]:
        rows = self.ask(
            "SELECT given.value, (SELECT id FROM node WHERE dataset = given.value AND at <= ?"
            " ORDER BY since DESC, seq DESC LIMIT 1) FROM json_each(?) AS given",
            (self.at, json.dumps(list(datasets))),
        ).fetchall()
        return {dataset: node for dataset, node in rows if node is not None}

    def _edges_with_sources(self, nodes: Collection[int]) -> list[tuple[int, int, int, int]]:
        return self.ask(
            "SELECT edge.dst, edge.src, node.dataset, node.at FROM json_each(?) AS given"
            " JOIN edge ON edge.dst = given.value JOIN node ON node.id = edge.src",
            (json.dumps(list(nodes)),),
        ).fetchall()

    def known(self, nodes: Collection[int]) -> set[int]:
        """Those that were there by then."""
        rows = self.ask(
            "SELECT node.id FROM json_each(?) AS given JOIN node ON node.id = given.value"
            " WHERE node.at <= ?",
            (json.dumps(list(nodes)), self.at),
        ).fetchall()
        return {node for (node,) in rows}

    def edges_into(self, nodes: Collection[int]) -> list[tuple[int, int]]:
        return [(dst, src) for dst, src, _, _ in self._edges_with_sources(nodes)]

    def of(self, dataset: int, nodes: Collection[int]) -> list[int]:
        rows = self.ask(
            "SELECT node.id FROM json_each(?) AS given JOIN node ON node.id = given.value"
            " WHERE node.dataset = ?",
            (json.dumps(list(nodes)), dataset),
        ).fetchall()
        return [node for (node,) in rows]

    def versions(self, nodes: Collection[int] | Iterable[int]) -> list[Version]:
        rows = self.ask(
            "SELECT node.id, dataset.id, dataset.kind, dataset.namespace, dataset.name,"
            " node.digest, run.run_id, run.job, node.at FROM json_each(?) AS given"
            " JOIN node ON node.id = given.value JOIN dataset ON dataset.id = node.dataset"
            " LEFT JOIN run ON run.id = node.run",
            (json.dumps(list(nodes)),),
        ).fetchall()
        return [self._version(*row) for row in rows]

    def _version(
        self, node: int, dataset: int, kind: str, space: str, name: str, digest: str,
        run_id: str | None, job: str | None, at: int,
    ) -> Version:  # fmt: skip
        known = at <= self.at
        return Version(
            node, dataset, kind, label(kind, space, name), digest,
            (run_id or "") if known else "", (job or "") if known else "", at,
        )  # fmt: skip

    def found(
        self, levels: Mapping[int, int], columns: Mapping[int, set[str]] | None = None
    ) -> list[Found]:
        """One answer per dataset, of all its versions that were reached: nearest first."""
        steps: dict[int, int] = {}
        best: dict[int, Version] = {}
        held: dict[int, set[str]] = {}
        for version in self.versions(levels):
            known = best.get(version.dataset)
            if known is None or (version.at, version.node) > (known.at, known.node):
                best[version.dataset] = version
            depth = levels[version.node]
            steps[version.dataset] = min(depth, steps.get(version.dataset, depth))
            held.setdefault(version.dataset, set()).update((columns or {}).get(version.node, ()))
        found = [
            Found(one, (WHOLE,) if WHOLE in held[of] else tuple(sorted(held[of])), steps[of])
            for of, one in best.items()
        ]
        return sorted(found, key=lambda one: (one.steps, one.version.name, one.version.kind))


def label(kind: str, space: str, name: str) -> str:
    """Short name of a dataset: a table's name, a file's path, both parts of any other."""
    if space.startswith(SCHEME) or space == FILE_NAMESPACE or kind == MODEL:
        return name
    return f"{space}/{name}"


def levels_from(roots: Iterable[int], results: Mapping[int, Collection[int]]) -> dict[int, int]:
    """Distances from the roots along edges that are given as a whole.

    A root that is reached from another has that distance, others have 0.
    """
    frontier = list(roots)
    levels = dict.fromkeys(frontier, 0)
    reached = dict.fromkeys(frontier, 0)
    while frontier:
        found: dict[int, None] = {}
        for node in frontier:
            for other in results.get(node, ()):
                if other not in levels:
                    levels[other] = levels[node] + 1
                    found[other] = None
                elif reached.get(other) == 0:
                    reached[other] = levels[node] + 1
        frontier = list(found)
    return {**levels, **reached}
