"""Measures the lineage graph: how long questions take as the journal grows to 1,000,000 edges.

Run: python -m benchmarks.lineage_graph [--edges 10000 100000 1000000] [--questions 200]
     [--out FILE]

Two shapes: a workspace of 40 jobs that run every day for years (few tables, many versions), and a
wide one of many areas whose jobs ran once (many tables, one version). Every question opens the
store,
looks whether the journal has news, and asks as of a random time or now. Times are wall-clock.
"""

import argparse
import json
import os
import platform
import random
import sqlite3
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from workbench.lineage.graph import Graph, Start, lineage_graph
from workbench.lineage.graph_store import STORE_FILE, open_graph
from workbench.lineage.journal import Journal

FIRST = datetime(2023, 1, 1, tzinfo=UTC)
SPACE = "workbench://bench"
READS, WRITES, COLUMNS = 8, 3, 6
EDGES_PER_RUN = READS * WRITES
JOBS = 40
OUT = Path(__file__).with_name("results") / "lineage_graph.md"


def dataset(name: str, digest: str, columns: list[tuple[str, str]] | None = None) -> dict[str, Any]:
    facets: dict[str, Any] = {"version": {"datasetVersion": digest}}
    if columns:
        facets["columnLineage"] = {
            "fields": {
                f"c{place}": {"inputFields": [{"namespace": SPACE, "name": of, "field": field}]}
                for place, (of, field) in enumerate(columns)
            }
        }
    return {"namespace": SPACE, "name": name, "facets": facets}


def layers(prefix: str, jobs: int) -> list[tuple[str, list[str], list[str]]]:
    """Jobs with what they read and write: each reads tables of the twelve jobs before it."""
    chance = random.Random(prefix)
    made = [[f"{prefix}_raw{number}" for number in range(READS)]]
    plan = []
    for number in range(jobs):
        pool = [table for tables in made[-12:] for table in tables]
        wrote = [f"{prefix}_t{number}_{place}" for place in range(WRITES)]
        plan.append((f"{prefix}-job{number}", chance.sample(pool, READS), wrote))
        made.append(wrote)
    return plan


def history(edges: int) -> Iterator[tuple[str, list[str], list[str]]]:
    plan = layers("daily", JOBS)
    for number in range(edges // EDGES_PER_RUN):
        yield plan[number % JOBS]


def wide(edges: int) -> Iterator[tuple[str, list[str], list[str]]]:
    for number in range(0, edges // EDGES_PER_RUN, JOBS):
        yield from layers(f"area{number}", min(JOBS, edges // EDGES_PER_RUN - number))


def fill(folder: Path, runs: Iterator[tuple[str, list[str], list[str]]]) -> list[tuple[Any, ...]]:
    """Write START and COMPLETE of every run; returns run ids, tables and times."""
    chance, current, known = random.Random(7), dict[str, str](), list[tuple[Any, ...]]()
    folder.mkdir()
    with (folder / "events-20230101-0001.ndjson").open("w") as file:
        for number, (job, read, wrote) in enumerate(runs):
            run_id = str(uuid.UUID(int=number + 1))
            begun = FIRST + timedelta(minutes=number)
            inputs = [dataset(name, current.get(name, "outside")) for name in read]
            outputs = []
            for name in wrote:
                current[name] = f"{number:x}"
                stated = [(chance.choice(read), f"c{chance.randrange(COLUMNS)}")] * COLUMNS
                outputs.append(dataset(name, current[name], stated if number % 4 == 0 else None))
            log = {"origin": "bench", "firstIndex": 10 * number, "entries": 10}
            for kind, moment in (("START", begun), ("COMPLETE", begun + timedelta(seconds=30))):
                event = {
                    "eventType": kind, "eventTime": moment.isoformat(),
                    "producer": "urn:inventory-workbench:0",
                    "job": {"namespace": SPACE, "name": job},
                    "run": {"runId": run_id, "facets": {"workbench_decisionLog": log}},
                    "inputs": inputs, "outputs": outputs if kind == "COMPLETE" else [],
                }  # fmt: skip
                file.write(json.dumps(event, separators=(",", ":")) + "\n")
            known.append((run_id, wrote, begun + timedelta(minutes=1), number))
    return known


Ask = Callable[[Graph, Start], list[Any]]
QUESTIONS: dict[str, tuple[str, Ask]] = {
    "upstream of a table": ("table", Graph.upstream),
    "downstream of a table": ("table", Graph.downstream),
    "upstream of a column": ("column", Graph.upstream),
    "downstream of a column": ("column", Graph.downstream),
    "upstream of a run": ("run", Graph.upstream),
    "downstream of a run": ("run", Graph.downstream),
    "upstream of a decision": ("entry", Graph.upstream),
}


def asked(journal: Journal, known: list[tuple[Any, ...]], count: int) -> dict[str, list[float]]:
    """Milliseconds per question, by kind; half as of a past time."""
    chance = random.Random(11)
    times: dict[str, list[float]] = {kind: [] for kind in QUESTIONS}
    for number in range(count):
        for kind, (about, ask) in QUESTIONS.items():
            run_id, wrote, when, entry = chance.choice(known)
            at = when if number % 2 else None
            name = {"table": wrote[0], "column": f"{wrote[0]}.c1", "run": run_id}.get(about, "")
            begun = time.perf_counter()
            with lineage_graph(journal, at) as graph:
                start = graph.start(name) if name else graph.entry("bench", 10 * entry + 3)
                ask(graph, start)
            times[kind].append(1000 * (time.perf_counter() - begun))
    return times


def measure(shape: str, edges: int, count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name) / "lineage"
        known = fill(folder, {"history": history, "wide": wide}[shape](edges))
        journal = Journal(folder)
        begun = time.perf_counter()
        with open_graph(journal) as connection:
            held = stored(connection)
        built = time.perf_counter() - begun
        begun = time.perf_counter()
        journal.append({"eventType": "OTHER", "eventTime": FIRST.isoformat(),
                        "run": {"runId": "x"},
                        "job": {"namespace": SPACE, "name": "x"}})  # fmt: skip
        with open_graph(journal):
            added = 1000 * (time.perf_counter() - begun)
        times = asked(journal, known, count)
        size = (folder / STORE_FILE).stat().st_size / 1e6
        text = sum(path.stat().st_size for path in journal.files()) / 1e6
    return {"shape": shape, "edges": held, "runs": len(known), "built": built, "added": added,
            "size": size, "journal": text, "times": times}  # fmt: skip


def stored(connection: sqlite3.Connection) -> int:
    (count,) = connection.execute("SELECT count(*) FROM edge").fetchone()
    return int(count)


def report(arguments: argparse.Namespace) -> str:
    found = [
        measure(shape, edges, arguments.questions)
        for shape in ("history", "wide")
        for edges in arguments.edges
    ]
    p95 = {
        kind: [statistics.quantiles(one["times"][kind], n=20)[-1] for one in found]
        for kind in QUESTIONS
    }
    middle = {kind: [statistics.median(one["times"][kind]) for one in found] for kind in QUESTIONS}
    heads = [f"{one['shape']}, {one['edges']:,}" for one in found]
    lines = [
        "# Lineage graph",
        "",
        f"`python -m benchmarks.lineage_graph --questions {arguments.questions}` on"
        f" {os.cpu_count()} cores, {platform.system()} {platform.release()}, Python"
        f" {platform.python_version()}, SQLite {sqlite3.sqlite_version}; load average"
        f" {os.getloadavg()[0]:.1f} at the end.",
        "",
        "History: 40 jobs and 120 tables, run every day. Wide: areas of 40 jobs, each run once. A"
        f" run reads {READS} tables and writes {WRITES}; every fourth names {COLUMNS} columns"
        " of each. Each time is of a whole question: open the store, look for new events, ask, half"
        " as of the past.",
        "",
        "## Milliseconds per question: median, 95th percentile",
        "",
        "| question | " + " | ".join(heads) + " |",
        "|---|" + "---|" * len(found),
        *(
            f"| {kind} | "
            + " | ".join(f"{m:.1f}, {p:.1f}" for m, p in zip(middle[kind], p95[kind], strict=True))
            + " |"
            for kind in QUESTIONS
        ),
        "",
        f"Worst 95th percentile: {max(max(row) for row in p95.values()):.1f} ms.",
        "",
        "## The store",
        "",
        "| shape | edges | runs | journal MB | store MB | built from nothing, s | edges per s |"
        " one more event, ms |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {one['shape']} | {one['edges']:,} | {one['runs']:,} | {one['journal']:.0f} |"
            f" {one['size']:.0f} | {one['built']:.1f} | {one['edges'] / one['built']:,.0f} |"
            f" {one['added']:.1f} |"
            for one in found
        ),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edges", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--out", type=Path, default=OUT)
    chosen = parser.parse_args()
    text = report(chosen)
    chosen.out.write_text(text, encoding="utf-8")
    print(text)
