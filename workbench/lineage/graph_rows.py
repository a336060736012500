"""Writes what an event says into the tables of the graph.

Which version a run read: the newest with the digest that its event names, written before its START;
else the newest then of which no digest is known; else one with that digest by a run that was under
way at its START; else one that no run on record had written. The order is that of the journal.

Events of other producers are brought in later than they happened and name no digests: among their
versions the times of events decide, and what was read before they were known is settled again.
"""

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

from workbench.lineage.graph_events import MODEL, WHOLE, Dataset, Key, Output, RunFacts, run_facts
from workbench.lineage.names import SCHEME
from workbench.lineage.open_runs import TERMINAL

_COMPLETE: Final = "COMPLETE"
# Where a row names a dataset.
_DATASET_COLUMNS: Final = (
    ("node", "dataset"),
    ("alias", "dataset"),
    ("dataset_column", "dataset"),
    ("link", "src"),
    ("link", "dst"),
)


class GraphRows:
    """Adds events in the order of the journal; remembers ids between them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._do = connection.execute
        self._datasets: dict[tuple[str, str, bool], int] = {}
        self._known_columns = set[tuple[int, str]]()

    def add(self, facts: RunFacts, seq: int, line: bytes) -> None:
        """Add an event; what follows the ending of its run is left out.

        Args:
            facts: Of the event.
            seq: Number of its line, from 1.
            line: The event itself, kept while its run lasts where later ones do not repeat it.
        """
        self._do(
            "INSERT OR IGNORE INTO run (run_id, job, started, started_at) VALUES (?, ?, ?, ?)",
            (facts.run_id, facts.job, seq, facts.moment),
        )
        run, started, since, ended = self._do(
            "SELECT id, started, started_at, ended FROM run WHERE run_id = ?", (facts.run_id,)
        ).fetchone()
        if ended is not None:
            return
        if facts.kind not in TERMINAL:
            if not facts.is_ours and (facts.inputs or facts.outputs):
                self._do("INSERT INTO pending VALUES (?, ?)", (run, line))
            return
        self._do("UPDATE run SET ended = ?, at = ? WHERE id = ?", (facts.kind, facts.moment, run))
        # What a session wrote before its kernel died is written all the same.
        if facts.kind == _COMPLETE or (facts.is_ours and facts.stands):
            inputs, outputs = self._whole(run, facts)
            self._complete(facts, run, (seq, started, since), inputs, outputs)
        self._do("DELETE FROM pending WHERE run = ?", (run,))

    def _whole(self, run: int, facts: RunFacts) -> tuple[list[Dataset], list[Output]]:
        """Inputs and outputs of all events of a run; what a later one says of a dataset counts."""
        earlier = [
            run_facts(json.loads(line))
            for (line,) in self._do("SELECT facts FROM pending WHERE run = ?", (run,))
        ]
        events = [event for event in (*earlier, facts) if event is not None]
        inputs = {one.key: one for event in events for one in event.inputs}
        outputs: dict[Key, Output] = {}
        for event in events:
            outputs.update({one.dataset.key: one for one in event.outputs})
        return list(inputs.values()), list(outputs.values())

    def _complete(
        self,
        facts: RunFacts,
        run: int,
        order: tuple[int, int, int],
        inputs: Sequence[Dataset],
        outputs: Sequence[Output],
    ) -> None:
        seq, started, since = order
        read: dict[tuple[str, str], tuple[int, int, str]] = {}
        for one in inputs:
            dataset = self._dataset(one)
            undated = not facts.is_ours and not one.digest
            node = (
                self._newest(dataset, since)
                if undated
                else self._version(dataset, one.digest, started)
            )
            if node is None:
                node = self._outside(dataset, one.digest, since, facts.moment)
            self._do("INSERT OR IGNORE INTO read VALUES (?, ?)", (run, node))
            read[one.key.namespace, one.key.name] = (node, dataset, one.key.kind)
        for output in outputs:
            dataset = self._dataset(output.dataset)
            node = self._node(
                dataset, output.dataset.digest, run, (seq, facts.moment, facts.moment)
            )
            self._edges(node, dataset, output, read, facts.moment)
            self._adopt(dataset, output.dataset.digest, node, started)
            if not facts.is_ours and not output.dataset.digest:
                self._settle(dataset)
        if facts.logged is not None:
            found = facts.logged
            self._do(
                "INSERT INTO logged VALUES (?, ?, ?, ?)",
                (found.origin, found.first, found.end, run),
            )

    def _edges(
        self,
        node: int,
        dataset: int,
        output: Output,
        read: dict[tuple[str, str], tuple[int, int, str]],
        moment: int,
    ) -> None:
        for name, (source, its_dataset, kind) in read.items():
            # Explicit lineage names datasets; a model that was used is none and is never left out.
            if output.sources is None or name in output.sources or kind == MODEL:
                self._do("INSERT OR IGNORE INTO edge VALUES (?, ?)", (node, source))
                self._do(
                    "INSERT OR IGNORE INTO link VALUES (?, ?, ?)", (its_dataset, dataset, moment)
                )
        self._fields(node, output, read)

    def _fields(
        self, node: int, output: Output, read: dict[tuple[str, str], tuple[int, int, str]]
    ) -> None:
        """What is said of columns; one of which nothing is said may be made from every input."""
        if not output.columns:
            return
        rows = set[tuple[str, int | None, str]]()
        silent = {*output.dataset.columns, *(edge.column for edge in output.columns)} - {WHOLE}
        for edge in output.columns:
            found = read.get(edge.source) if edge.source else None
            if found is not None:
                rows.add((edge.column, found[0], edge.source_column))
            elif edge.source is None:
                rows.add((edge.column, None, WHOLE))
            else:
                continue  # it names what is no input: any of them may be meant
            silent.discard(edge.column)
        rows |= {(name, source, WHOLE) for name in silent for source, _, _ in read.values()}
        for row in sorted(rows, key=str):
            self._do("INSERT INTO field VALUES (?, ?, ?, ?)", (node, *row))

    def _columns(self, dataset: int, names: Sequence[str]) -> None:
        fresh = {(dataset, name) for name in names if name} - self._known_columns
        self._known_columns |= fresh
        for pair in fresh:
            self._do("INSERT OR IGNORE INTO dataset_column VALUES (?, ?)", pair)

    def _version(self, dataset: int, digest: str, started: int) -> int | None:
        """The node that a run read that started at a line of the journal."""
        query = (
            "SELECT id FROM node WHERE dataset = ? {} AND run IS NOT NULL AND seq < ?"
            " ORDER BY seq DESC LIMIT 1"
        )
        if not digest:
            row = self._do(query.format(""), (dataset, started)).fetchone()
            return row[0] if row else None
        for known in (digest, ""):
            row = self._do(query.format("AND digest = ?"), (dataset, known, started)).fetchone()
            if row:
                return int(row[0])
        return self._under_way(dataset, digest, started)

    def _under_way(self, dataset: int, digest: str, started: int) -> int | None:
        """A version that a run wrote that had started by then and completed since."""
        row = self._do(
            "SELECT node.id FROM node JOIN run ON run.id = node.run"
            " WHERE dataset = ? AND digest = ? AND started < ? ORDER BY seq LIMIT 1",
            (dataset, digest, started),
        ).fetchone()
        return row[0] if row else None

    def _outside(self, dataset: int, digest: str, since: int, moment: int) -> int:
        row = self._do(
            "SELECT id FROM node WHERE dataset = ? AND digest = ? AND run IS NULL",
            (dataset, digest),
        ).fetchone()
        return row[0] if row else self._node(dataset, digest, None, (0, since, moment))

    def _node(self, dataset: int, digest: str, run: int | None, order: tuple[int, int, int]) -> int:
        made = self._do(
            "INSERT INTO node (dataset, digest, run, seq, since, at) VALUES (?, ?, ?, ?, ?, ?)",
            (dataset, digest, run, *order),
        )
        return int(made.lastrowid or 0)

    def _newest(self, dataset: int, moment: int, digest: str = "") -> int | None:
        """The version that was the newest at a time; beside a digest, only one that has none."""
        row = self._do(
            "SELECT id FROM node WHERE dataset = ? AND run IS NOT NULL AND at <= ?"
            " AND (digest = '' OR ? = '') ORDER BY at DESC, seq DESC LIMIT 1",
            (dataset, moment, digest),
        ).fetchone()
        return int(row[0]) if row else None

    def _settle(self, dataset: int) -> None:
        """Find again, by time, which versions were read that nobody or no digest was known of."""
        unsure = self._do(
            "SELECT read.run, node.id, node.digest, run.started_at FROM node"
            " JOIN read ON read.node = node.id JOIN run ON run.id = read.run"
            " WHERE node.dataset = ? AND (node.run IS NULL OR node.digest = '')",
            (dataset,),
        ).fetchall()
        for reader, old, digest, since in unsure:
            node = self._newest(dataset, since, digest)
            if node is not None and node != old:
                self._repoint(reader, old, node)

    def _adopt(self, dataset: int, digest: str, node: int, started: int) -> None:
        """Runs that read a version as from outside, while the run that wrote it was under way."""
        if not digest:
            return
        outside = self._do(
            "SELECT id FROM node WHERE dataset = ? AND digest = ? AND run IS NULL",
            (dataset, digest),
        ).fetchone()
        if outside is None:
            return
        readers = self._do(
            "SELECT run FROM read JOIN run ON run.id = read.run WHERE node = ? AND started > ?",
            (outside[0], started),
        ).fetchall()
        for (reader,) in readers:
            self._repoint(reader, outside[0], node)

    def _repoint(self, reader: int, old: int, node: int) -> None:
        """What a run read was another version."""
        change = (node, old, reader)
        made_by = "(SELECT id FROM node WHERE run = ?)"
        self._do(f"UPDATE OR REPLACE edge SET src = ? WHERE src = ? AND dst IN {made_by}", change)
        self._do(f"UPDATE field SET src = ? WHERE src = ? AND dst IN {made_by}", change)
        self._do("UPDATE OR REPLACE read SET node = ? WHERE node = ? AND run = ?", change)

    def _dataset(self, one: Dataset) -> int:
        """Id of a dataset, by its name or by another that an event says is the same."""
        kind, space, name = one.key
        known = self._datasets.get((name, space, kind == MODEL))
        if known is not None and not one.names:
            self._columns(known, one.columns)
            return known
        names = [(name, space), *((other, place) for place, other in one.names)]
        found = [self._alias(*pair, kind == MODEL) for pair in names]
        known_ids = list(dict.fromkeys(place for place in found if place is not None))
        dataset = known_ids[0] if known_ids else None
        if dataset is None:
            made = self._do("INSERT INTO dataset (kind, namespace, name) VALUES (?, ?, ?)", one.key)
            dataset = int(made.lastrowid or 0)
        for other in known_ids[1:]:
            self._merge(dataset, other)
        for pair in names:
            self._do(
                "INSERT OR IGNORE INTO alias VALUES (?, ?, ?, ?)", (*pair, kind == MODEL, dataset)
            )
        if space.startswith(SCHEME) and found[0] is None:  # ours is the name that is shown
            self._do(
                "UPDATE dataset SET kind = ?, namespace = ?, name = ? WHERE id = ?",
                (*one.key, dataset),
            )
        self._columns(dataset, one.columns)
        self._datasets[name, space, kind == MODEL] = dataset
        return dataset

    def _merge(self, dataset: int, other: int) -> None:
        """Two datasets are one, as an event says by now: the first takes over what the other has.

        Versions of both stay, and what was read of either is settled again by time.
        """
        change = (dataset, other)
        for table, column in _DATASET_COLUMNS:
            self._do(f"UPDATE OR REPLACE {table} SET {column} = ? WHERE {column} = ?", change)
        self._do("DELETE FROM dataset WHERE id = ?", (other,))
        self._datasets.clear()
        self._known_columns.clear()
        self._settle(dataset)

    def _alias(self, name: str, space: str, model: bool) -> int | None:
        row = self._do(
            "SELECT dataset FROM alias WHERE name = ? AND namespace = ? AND model = ?",
            (name, space, model),
        ).fetchone()
        return int(row[0]) if row else None
