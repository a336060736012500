"""Asks the graph: what a dataset, column, run, model or decision was made from, and what it feeds.

Every question is put as of a time: runs that completed later do not exist. Upstream follows the
very versions that each run read. Downstream of a dataset is the inverse of that: every dataset
whose newest version then rests on some version of it (`docs/lineage.md`).
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Final

from workbench.errors import LineageError
from workbench.lineage.graph_columns import results_of_column, sources_of_column
from workbench.lineage.graph_events import FILE, REPORT, WHOLE, microseconds, report_name
from workbench.lineage.graph_store import open_graph
from workbench.lineage.graph_walk import EPOCH, Found, Version, Walk, levels_from
from workbench.lineage.journal import Journal

Links = dict[str, dict[str, set[str]]]
"""Dataset to the datasets next to it, each with the jobs between them."""
_SHOWN: Final = 80
_NEAR: Final = 5
_END_OF_TIME: Final = 2**62


@dataclass(frozen=True)
class Start:
    """What a question is about.

    Attributes:
        title: For people.
        sources: Versions whose sources are asked for.
        results: Versions whose results are asked for.
        dataset: Whose results are asked for in all its versions; None for exact versions.
        column: Of the dataset.
        is_run: `sources` and `results` are neighbours of what is asked about, and so answers.
        at: When that run completed.
    """

    title: str
    sources: tuple[int, ...]
    results: tuple[int, ...]
    dataset: int | None = None
    column: str = WHOLE
    is_run: bool = False
    job: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class RunView:
    """A completed run; `steps` are what outputs were made from, and these outputs."""

    run_id: str
    job: str
    at: datetime
    steps: tuple[tuple[tuple[Version, ...], tuple[Version, ...]], ...]


@contextmanager
def lineage_graph(
    journal: Journal, at: datetime | None = None, *, rebuild: bool = False
) -> Iterator["Graph"]:
    """The graph of a journal as it stood at a time, or as it stands.

    Raises:
        LineageError: A line of the journal is no event.
    """
    with open_graph(journal, rebuild=rebuild) as connection:
        yield Graph(connection, at)


class Graph:
    """Answers questions as of one time."""

    def __init__(self, connection: sqlite3.Connection, at: datetime | None = None) -> None:
        self._at = _END_OF_TIME if at is None else microseconds(at)
        self._walk = Walk(connection, self._at)
        self._connection = connection
        self._ask = connection.execute

    def as_of(self, at: datetime) -> "Graph":
        """The same graph as it stood at a time."""
        return Graph(self._connection, at)

    # --- what a question is about ------------------------------------------------------------

    def start(self, name: str) -> Start:
        """By `table`, `table.column`, `table@digest`, `model@version digest`, file or run id.

        Raises:
            LineageError: No run read or wrote it by then.
        """
        found = self._dataset(name)
        if found is not None:
            return self._of_dataset(found, name, "")
        plain, _, digest = name.rpartition("@")
        found = self._dataset(plain) if plain else None
        if found is not None:
            return self._of_dataset(found, name, digest)
        table, _, column = name.rpartition(".")
        found = self._dataset(table) if table else None
        if found is not None:
            self._check_column(found[0], table, column)
            whole = self._of_dataset(found, name, "")
            return Start(name, whole.sources, (), found[0], column)
        row = self._ask(
            "SELECT id FROM run WHERE run_id = ? AND ended = 'COMPLETE' AND at <= ?",
            (name, self._at),
        ).fetchone()
        if row is not None:
            return self._of_run(int(row[0]), name)
        near = self._near(name)
        raise LineageError(
            f"lineage: no run read or wrote {name[:_SHOWN]!r}{self._by_then()}; expected a table,"
            " table.column, file, model or run of the journal"
            f"{f', such as {near}' if near else ', which names none yet'}."
        )

    def entry(self, origin: str, index: int) -> Start:
        """The run that appended an entry of a decision log, by the range that its event states.

        Raises:
            LineageError: No completed run says so.
        """
        row = self._ask(
            "SELECT logged.run FROM logged JOIN run ON run.id = logged.run WHERE origin = ?"
            " AND first <= ? AND end > ? AND at <= ? ORDER BY run.at LIMIT 1",
            (origin, index, index, self._at),
        ).fetchone()
        if row is None:
            raise LineageError(
                f"lineage: no run says that it appended entry {index:,} of log {origin}"
                f"{self._by_then()}; expected a proposal that a run made. Ask for the decision that"
                " it answers."
            )
        return self._of_run(int(row[0]), f"entry {index:,}")

    def _of_dataset(self, found: tuple[int, str], title: str, digest: str) -> Start:
        if not digest:
            newest = self._walk.newest([found[0]])
            return Start(title, tuple(newest.values()), (), found[0])
        rows = self._ask(
            "SELECT id FROM node WHERE dataset = ? AND at <= ? AND substr(digest, 1, ?) = ?",
            (found[0], self._at, len(digest), digest),
        ).fetchall()
        nodes = tuple(node for (node,) in rows)
        if not nodes:
            raise LineageError(
                f"lineage: no version of {found[1][:_SHOWN]!r} begins with {digest[:_SHOWN]!r}"
                f"{self._by_then()}; expected the digest that 'workbench runs show' prints."
            )
        return Start(title, nodes, nodes)

    def _of_run(self, run: int, title: str) -> Start:
        read = self._ask("SELECT node FROM read WHERE run = ?", (run,)).fetchall()
        made = self._ask("SELECT id FROM node WHERE run = ?", (run,)).fetchall()
        run_id, job, at = self._ask(
            "SELECT run_id, job, at FROM run WHERE id = ?", (run,)
        ).fetchone()
        shown = f"{job} · run {run_id}" if title == run_id else f"{title} · {job} · run {run_id}"
        return Start(
            shown, tuple(node for (node,) in read), tuple(node for (node,) in made),
            is_run=True, job=job, at=EPOCH + timedelta(microseconds=at),
        )  # fmt: skip

    def _dataset(self, name: str) -> tuple[int, str] | None:
        """Number and name of a dataset that was known by then; own names before others'."""
        name = report_name(name) or name
        space, _, rest = name.rpartition("/")
        rows = self._ask(
            "SELECT alias.dataset, dataset.name FROM alias JOIN dataset"
            " ON dataset.id = alias.dataset WHERE (alias.name = ? OR (alias.name = ?"
            " AND alias.namespace = ?)) AND EXISTS (SELECT 1 FROM node"
            " WHERE node.dataset = dataset.id AND at <= ?)"
            " ORDER BY alias.namespace NOT LIKE 'workbench://%', model, dataset.id LIMIT 1",
            (name, rest, space, self._at),
        ).fetchone()
        return (int(rows[0]), str(rows[1])) if rows else None

    def _check_column(self, dataset: int, table: str, column: str) -> None:
        rows = self._ask("SELECT name FROM dataset_column WHERE dataset = ?", (dataset,)).fetchall()
        known = [name for (name,) in rows]
        if known and column not in known:
            near = get_close_matches(column[:_SHOWN], known, _NEAR, 0.5) or known[:_NEAR]
            raise LineageError(
                f"lineage: {table} has no column {column[:_SHOWN]!r}; expected one that an event"
                f" names, such as {', '.join(near)}."
            )

    def _near(self, name: str) -> str:
        names = [version.name for version in self.newest() if version.kind not in (FILE, REPORT)]
        near = get_close_matches(name[:_SHOWN], names, _NEAR, 0.5) or sorted(names)[:_NEAR]
        return ", ".join(near)

    def _by_then(self) -> str:
        if self._at == _END_OF_TIME:
            return ""
        return f" by {EPOCH + timedelta(microseconds=self._at):%Y-%m-%d %H:%M:%S} UTC"

    # --- answers ------------------------------------------------------------------------------

    def upstream(self, start: Start) -> list[Found]:
        """What it was made from, near ones first."""
        if start.column:
            return sources_of_column(self._walk, start.sources, start.column)
        levels, _ = self._walk.back(start.sources)
        return self._walk.found(_beyond(levels, start))

    def downstream(self, start: Start) -> list[Found]:
        """What was made from it, near ones first."""
        if start.dataset is None:
            return self._walk.found(_beyond(self._walk.forth(start.results), start))
        if start.column:
            return results_of_column(self._walk, start.dataset, start.column)
        newest, edges = self._walk.live(start.dataset)
        results = defaultdict(list)
        for dst, src in edges:
            results[src].append(dst)
        roots = self._walk.of(start.dataset, {node for edge in edges for node in edge})
        levels, alive = levels_from(roots, results), set(newest.values())
        return self._walk.found({n: depth for n, depth in levels.items() if depth and n in alive})

    def newest(self) -> list[Version]:
        """Newest version of every dataset, by name."""
        rows = self._ask("SELECT id FROM dataset").fetchall()
        nodes = self._walk.newest([dataset for (dataset,) in rows])
        found = self._walk.versions(nodes.values())
        return sorted(found, key=lambda one: (one.name, one.kind))

    def current(self) -> tuple[list[Version], list[tuple[int, int]]]:
        """Newest versions and all that they rest on, and the edges between, source first."""
        rows = self._ask("SELECT id FROM dataset").fetchall()
        nodes = self._walk.newest([dataset for (dataset,) in rows]).values()
        levels, edges = self._walk.back(nodes)
        return self._walk.versions(levels), sorted((src, dst) for dst, src in edges)

    def upstream_links(self, start: Start) -> Links:
        """What each dataset above it was made from, for a tree."""
        levels, edges = self._walk.back(start.sources)
        named = {one.node: one for one in self._walk.versions([*levels, *start.results])}
        links = _links()
        for dst, src in edges:
            links[named[dst].name][named[src].name].add(named[dst].job)
        for node in start.sources if start.is_run else ():
            links[start.title][named[node].name].add(start.job)
        return links

    def downstream_links(self, start: Start) -> Links:
        """What was made from each dataset below it, for a tree."""
        if start.dataset is None:
            levels = self._walk.forth(start.results)
            edges = [pair for pair in self._walk.edges_into(levels) if pair[1] in levels]
        else:
            _, edges = self._walk.live(start.dataset)
        named = {one.node: one for one in self._walk.versions({n for e in edges for n in e})}
        if start.is_run:
            named |= {one.node: one for one in self._walk.versions(start.results)}
        links = _links()
        for dst, src in edges:
            links[named[src].name][named[dst].name].add(named[dst].job)
        for node in start.results if start.is_run else ():
            links[start.title][named[node].name].add(start.job)
        return links

    def runs(self, *, newest: bool = True) -> list[RunView]:
        """Completed runs in their order, of each job only the newest unless all are wanted."""
        chosen = "(SELECT max(id) FROM run WHERE ended = 'COMPLETE' AND at <= ? GROUP BY job)"
        rows = self._ask(
            "SELECT id, run_id, job, at FROM run WHERE ended = 'COMPLETE' AND at <= ?"
            + (f" AND id IN {chosen}" if newest else "")
            + " ORDER BY at, id",
            (self._at, self._at) if newest else (self._at,),
        ).fetchall()
        return [self._view(*row) for row in rows]

    def _view(self, run: int, run_id: str, job: str, at: int) -> RunView:
        made = [n for (n,) in self._ask("SELECT id FROM node WHERE run = ?", (run,)).fetchall()]
        read = [n for (n,) in self._ask("SELECT node FROM read WHERE run = ?", (run,)).fetchall()]
        edges = self._walk.edges_into(made)
        named = {one.node: one for one in self._walk.versions([*made, *read])}
        sources: dict[int, set[int]] = {node: set() for node in made}
        for dst, src in edges:
            sources[dst].add(src)
        groups: dict[frozenset[int], list[Version]] = defaultdict(list)
        for node, of in sources.items():
            groups[frozenset(of)].append(named[node])
        if not made:
            groups[frozenset(read)] = []
        return RunView(
            run_id, job, EPOCH + timedelta(microseconds=at),
            tuple((tuple(named[n] for n in sorted(of)), tuple(to)) for of, to in groups.items()),
        )  # fmt: skip


def _links() -> Links:
    return defaultdict(lambda: defaultdict(set))


def _beyond(levels: Mapping[int, int], start: Start) -> dict[int, int]:
    """Distances from what is asked about; neighbours of a run are one step away."""
    if start.is_run:
        return {node: depth + 1 for node, depth in levels.items()}
    return {node: depth for node, depth in levels.items() if depth}
