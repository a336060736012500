"""Measures the lineage journal: what 8 writers, killed writers and growing journals do to it.

Run: python benchmarks/lineage_journal.py [--events 4000] [--kills 200] [--out FILE]

Compared with the file transport of openlineage-python, in append mode, on the same events.
Times are wall-clock on a machine that may be busy; losses are counted exactly.
"""

import argparse
import json
import multiprocessing
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from workbench.errors import LineageError
from workbench.lineage.facts import JobDescription
from workbench.lineage.journal import Journal
from workbench.lineage.lifecycle import RunLineage, open_runs
from workbench.lineage.validate import validate_journal
from workbench.tables import TableStore

WRITERS = 8
FORK = multiprocessing.get_context("fork")


def event(writer: int, number: int) -> dict[str, object]:
    """An event of about 3 kB, as a run with five inputs makes it."""
    run = {"runId": str(uuid.UUID(int=writer << 64 | number)), "facets": {"fill": "x" * 2800}}
    return {"eventType": "OTHER", "run": run, "writer": writer, "number": number}


def ours(folder: Path, writer: int, count: int) -> None:
    journal = Journal(folder)
    for number in range(count):
        journal.append(event(writer, number))


def theirs(folder: Path, writer: int, count: int) -> None:
    from openlineage.client.transport.file import FileConfig, FileTransport

    config = FileConfig(log_file_path=str(folder / "events-20260101-0001.ndjson"), append=True)
    transport = FileTransport(config)
    for number in range(count):
        transport.emit(event(writer, number))


def concurrent(write: Callable[[Path, int, int], None], count: int) -> dict[str, float]:
    """Events lost, lines torn and events per second of 8 writers at once."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        writers = [FORK.Process(target=write, args=(Path(name), w, count)) for w in range(WRITERS)]
        begun = time.perf_counter()
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        seconds = time.perf_counter() - begun
        kept, torn = set(), 0
        for path in Path(name).glob("events-*.ndjson"):
            for line in path.read_bytes().splitlines():
                try:
                    found = json.loads(line)
                    kept.add((found["writer"], found["number"]))
                except (ValueError, KeyError, TypeError):
                    torn += 1
    total = WRITERS * count
    return {"events": total, "lost": total - len(kept), "torn": torn, "rate": total / seconds}


def killed(moments: int) -> dict[str, int]:
    """Kill -9 at random moments; what was acknowledged must be there, whole."""
    chance = random.Random(4)
    told_total, lost, unread = 0, 0, 0
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        journal = Journal(Path(name))
        for life in range(moments):
            reader, told = os.pipe()
            writer = FORK.Process(target=_write_until_killed, args=(Path(name), life, told))
            writer.start()
            os.close(told)
            time.sleep(chance.uniform(0.002, 0.05))
            writer.kill()
            writer.join()
            start = journal.append({"life": life, "n": "after"})
            with os.fdopen(reader) as pipe:
                acknowledged = {int(number) for number in pipe}
            told_total += len(acknowledged)
            kept = set()
            for line in journal.lines():
                try:
                    found = line.event()
                    kept |= {found["n"]} if found["life"] == life else set()
                except LineageError:
                    unread += 1
            lost += len(acknowledged - kept)
            for path in journal.files():
                if path.name != start.file:
                    path.unlink()  # read; keeps the next reading short
        torn = len(list(Path(name).glob("torn/*")))
    return {"kills": moments, "acknowledged": told_total, "lost": lost, "unreadable": unread,
            "set aside": torn}  # fmt: skip


def _write_until_killed(folder: Path, life: int, told: int) -> None:
    journal = Journal(folder, file_bytes=2_000_000)
    number = 0
    while True:
        journal.append({"life": life, "n": number, "fill": "x" * 60_000})
        os.write(told, f"{number}\n".encode())
        number += 1


def overhead() -> dict[str, float]:
    """Milliseconds that lineage adds to a run, and per dataset; the client's import apart."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import workbench.lineage.events"], check=True)
    with_client = time.perf_counter() - begun
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import workbench.lineage.lifecycle"], check=True)
    without = time.perf_counter() - begun
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        rows = pd.DataFrame({"supplier_id": ["S1"], "country": ["NL"]})
        table = TableStore(Path(name) / "t").write(
            "suppliers", rows, provenance="source", source="benchmark"
        )
        journal = Journal(Path(name) / "lineage")
        _one_run(journal, [table], None)  # imports and caches
        few = [_one_run(journal, [table], None) for _ in range(60)]
        many = [_one_run(journal, [table] * 21, None) for _ in range(60)]
        here = Path(__file__).resolve()
        located = [_one_run(journal, [table], here) for _ in range(30)]
        bare = [_timed(lambda: journal.append(event(0, 0))) for _ in range(300)]
    return {
        "import of the client": 1000 * (with_client - without),
        "run, 1 input, 1 output": statistics.median(few),
        "run, code located in git": statistics.median(located),
        "each further dataset": (statistics.median(many) - statistics.median(few)) / 40,
        "append alone": statistics.median(bare),
        "append alone, p95": statistics.quantiles(bare, n=20)[-1],
    }


def _one_run(journal: Journal, tables: list, source: Path | None) -> float:  # type: ignore[type-arg]
    job = JobDescription("10-bench", source=source)
    run = RunLineage(journal, workspace_id="bench", job=job, run_id=str(uuid.uuid4()))

    def life() -> None:
        run.start(tables, {"horizon": 28})
        run.complete(tables)

    return _timed(life)


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begun)


def growth(size: int) -> dict[str, float]:
    """What grows with the journal, reading it whole, and what must not: append, open runs."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        journal = Journal(Path(name))
        _fill(Path(name), size)
        first, again = (_timed(lambda: open_runs(journal)) for _ in range(2))
        append = statistics.median(_timed(lambda: journal.append(event(0, 0))) for _ in range(50))
        seconds = _timed(lambda: validate_journal(Path(name))) / 1000
    return {"events": size, "first": first, "again": again, "append": append,
            "validated": size / seconds}  # fmt: skip


def _fill(folder: Path, size: int) -> None:
    """Runs of two events each, written at once."""
    sample = Journal(folder / "sample")
    _one_run(sample, [], None)
    lines = list(sample.lines())
    old = lines[0].event()["run"]["runId"].encode()
    with (folder / "events-20260101-0001.ndjson").open("wb") as file:
        for _ in range(size // 2):
            fresh = str(uuid.uuid4()).encode()
            file.writelines(line.data.replace(old, fresh) for line in lines)


def report(arguments: argparse.Namespace) -> str:
    mine, other = concurrent(ours, arguments.events), concurrent(theirs, arguments.events)
    kills, cost = killed(arguments.kills), overhead()
    sizes = [growth(size) for size in (1_000, 10_000, 100_000)]
    lines = [
        "# Lineage journal",
        "",
        f"`python benchmarks/lineage_journal.py --events {arguments.events} --kills"
        f" {arguments.kills}` on {os.cpu_count()} cores, {platform.system()}"
        f" {platform.release()}, Python {platform.python_version()}, openlineage-python"
        f" {version('openlineage-python')}; load average {os.getloadavg()[0]:.1f} at the end.",
        "",
        f"## {WRITERS} processes, {arguments.events:,} events each",
        "",
        "| transport | events | lost | torn lines | events per s | synced before it returns |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | {r['events']:,} | {r['lost']:,} | {r['torn']:,} | {r['rate']:,.0f} | {s} |"
            for name, r, s in (
                ("workbench journal", mine, "yes"),
                ("openlineage file transport, append", other, "no"),
            )
        ),
        "",
        f"## Writers killed with SIGKILL at {arguments.kills} random moments",
        "",
        "| " + " | ".join(kills) + " |",
        "|" + "---|" * len(kills),
        "| " + " | ".join(f"{value:,}" for value in kills.values()) + " |",
        "",
        "Lost counts events that the writer was told are kept; set aside, unfinished last lines.",
        "",
        "## Cost of lineage, ms (median)",
        "",
        *(f"- {name}: {value:.2f}" for name, value in cost.items()),
        "",
        "## Growth with the journal, ms",
        "",
        "| events | open runs, first time | again | append | validated per s |",
        "|---|---|---|---|---|",
        *(
            f"| {r['events']:,} | {r['first']:.1f} | {r['again']:.1f} |"
            f" {r['append']:.2f} | {r['validated']:,.0f} |"
            for r in sizes
        ),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=4_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    text = report(chosen)
    if chosen.out:
        chosen.out.write_text(text, encoding="utf-8")
    print(text)
