"""Measures the decision log against SQLite on the same entries, and its growth.

Run: python -m benchmarks.decision_log [--sizes 10000 100000 1000000] [--out FILE]

SQLite runs in WAL mode with synchronous=FULL, one table with a unique id and the entry: it makes
each commit durable with one flush, as the log does. It proves nothing, so this is what the tiles,
the signed checkpoint, the check of every entry and the index cost. Both sides get the same
canonical entries. Times are wall-clock.
"""

import argparse
import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

from workbench.contracts.records import DecisionRecord, ModelReference, RowEvidence
from workbench.decision_log.append import DecisionLog
from workbench.decision_log.index import LogIndex
from workbench.decision_log.note import Signer, generate_signer
from workbench.decision_log.prove import ProvingReader
from workbench.decision_log.service.client import ServiceClient
from workbench.decision_log.storage import FolderStorage
from workbench.decision_log.trace import DecisionHistory
from workbench.decision_log.verify import verify_log

BATCH = 1000
RESERVE = 16 << 20
ITEMS = 3000


def entry(number: int) -> bytes:
    """A proposal as the demo logs it, about 1.3 kB."""
    day = date(2017, 1, 1)
    return DecisionRecord(
        id=f"{number:032x}", kind="proposal", recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
        actor="workbench", role="runner", as_of=day, valid_from=day, valid_to=date(2017, 1, 8),
        item_id=str(number % ITEMS), location_id="DC1", supplier_id="S1", policy_digest="a" * 64,
        rule="built-in/manual", tier="manual", models=(ModelReference("windows", "1", "b" * 64),),
        run_ids=("01890000-0000-7000-8000-000000000001",),
        inputs=dict.fromkeys(("stock", "forecasts", "policies"), "d" * 64),
        evidence=(RowEvidence("stock", "d" * 64, 1, 20), RowEvidence("sales", "e" * 64, 3, 90)),
        quantity=12.0, unit="EA", interval_low=3.5, interval_high=20.25, interval_level=0.8,
        money_at_stake=123.456, currency="USD", simulated=True, before=10.0,
        reasons=("Demand rose by 12%", "Stock is low", "Lead time is 7 days"),
        detail={"proposal": "replenishment", "unit_cost": 1.25},
    ).canonical()  # fmt: skip


class Sqlite:
    """The peer: one durable table."""

    def __init__(self, folder: Path) -> None:
        self._connection = sqlite3.connect(folder / "peer.sqlite", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(
            "CREATE TABLE entries (position INTEGER PRIMARY KEY, id TEXT UNIQUE, entry BLOB)"
        )

    def append(self, entries: list[bytes]) -> None:
        rows = [(sha256(data).hexdigest()[:32], data) for data in entries]
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT INTO entries (id, entry) VALUES (?, ?)", rows)
        self._connection.execute("COMMIT")


def opened(folder: Path, signer: Signer) -> DecisionLog:
    """The log in a folder, as its service opens it."""
    storage = FolderStorage(folder / "log", reserve=RESERVE)
    return DecisionLog(storage, signer, LogIndex(folder / "index.sqlite"))


def rate(append: Callable[[list[bytes]], object], batches: list[list[bytes]]) -> float:
    """Entries per second."""
    begun = time.perf_counter()
    for batch in batches:
        append(batch)
    return sum(map(len, batches)) / (time.perf_counter() - begun)


def split(entries: list[bytes], size: int) -> list[list[bytes]]:
    return [entries[start : start + size] for start in range(0, len(entries), size)]


def alternating(folder: Path, size: int, count: int, rounds: int = 5) -> list[float]:
    """Median rates on the same entries in turns: SQLite, the log published, the log indexed."""
    signer, found = generate_signer("example.com/log"), ([], [], [])
    peer, log = Sqlite(folder), opened(folder, signer)
    with log.held():
        log.append_entries([entry(0)])
        for number in range(rounds):
            first = 1 + number * count
            batches = split([entry(first + i) for i in range(count)], size)
            found[0].append(rate(peer.append, batches))
            begun = time.perf_counter()
            for batch in batches:
                log.append_entries(batch)
            log.publish()
            found[1].append(count / (time.perf_counter() - begun))
            log.index()
            found[2].append(count / (time.perf_counter() - begun))
    return [statistics.median(rates) for rates in found]


def through_service(folder: Path, clients: int, count: int) -> float:
    """Single appends per second of several clients of a service process."""
    (folder / "site").mkdir()
    (folder / "site" / "workbench.toml").write_text('name = "site"\n', encoding="utf-8")
    path = folder / "log.sock"
    service = subprocess.Popen(
        [sys.executable, "-m", "workbench", "log", "service", "--socket", str(path)],
        cwd=folder / "site", stdout=subprocess.PIPE, text=True,
        env={**os.environ, "WORKBENCH_KEYS": str(folder / "keys")},
    )  # fmt: skip
    if service.stdout is None or "served" not in service.stdout.readline():
        raise RuntimeError("the service did not start")

    def work(number: int) -> None:
        with ServiceClient(path) as client:
            for data in split([entry(number * count + i) for i in range(count)], 1):
                client.append_entries(data)

    with ThreadPoolExecutor(clients) as pool:
        begun = time.perf_counter()
        list(pool.map(work, range(clients)))
        seconds = time.perf_counter() - begun
    service.terminate()
    service.wait()
    return clients * count / seconds


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def queries(folder: Path, signer: Signer, size: int) -> tuple[list[float], list[float]]:
    """Milliseconds of 100 proofs and 100 traces, spread over the log."""
    storage = FolderStorage(folder / "log")
    history = DecisionHistory(storage, LogIndex(folder / "index.sqlite"), signer.verifier.encode())
    places = [(i * 7_919_993) % size for i in range(100)]
    proofs = [timed(lambda p=p: ProvingReader(storage, signer.verifier).bundle(p)) for p in places]
    traces = [timed(lambda p=p: history.tree(history.decision(f"{p:032x}"))) for p in places]
    return proofs, traces


def growth(folder: Path, sizes: list[int]) -> Iterator[str]:
    """A table row per size: building, verifying, proving, tracing."""
    signer = generate_signer("example.com/log")
    key, have = signer.verifier.encode(), 0
    for size in sizes:
        log, added = opened(folder, signer), size - have
        begun = time.perf_counter()
        with log.held():
            for start in range(have, size, BATCH):
                log.append_entries([entry(i) for i in range(start, min(size, start + BATCH))])
        built = time.perf_counter() - begun
        have = size
        begun = time.perf_counter()
        verify_log(folder / "log", key)
        verified = time.perf_counter() - begun
        proofs, traces = queries(folder, signer, size)
        yield (
            f"| {size:,} | {added / built:,.0f} | {verified:.1f} | {max(proofs):.1f}"
            f" | {percentile(traces, 0.95):.1f} |"
        )


def report(sizes: list[int], single: int) -> Iterator[str]:
    """The results page, line by line."""
    yield "# Decision log\n"
    command = f"python -m benchmarks.decision_log --sizes {' '.join(map(str, sizes))}"
    yield (
        f"`{command}` on {os.cpu_count()} cores, {platform.system()} {platform.release()}, Python"
        f" {platform.python_version()}, SQLite {sqlite3.sqlite_version}; load average"
        f" {os.getloadavg()[0]:.1f} at the start.\n"
    )
    yield "## Durable appends against SQLite (WAL, synchronous=FULL), entries per second\n"
    yield (
        "Medians of 5 rounds in turns, entries of about 1.3 kB. A round ends when every entry is"
        " under a published, signed checkpoint; the index for queries, which is derived, follows"
        " when the log is idle or let go, and is counted in the last column.\n"
    )
    yield "| | SQLite | decision log | ratio | with index |\n|---|---|---|---|---|"
    for name, size, count in (("singles", 1, single), (f"batches of {BATCH:,}", BATCH, 10_000)):
        with Place() as folder:
            peer, ours, indexed = alternating(folder, size, count)
        yield f"| {name} | {peer:,.0f} | {ours:,.0f} | {ours / peer:.0%} | {indexed:,.0f} |"
    for clients in (1, 8):
        with Place() as folder:
            found = through_service(folder, clients, 2 * single // clients)
        yield f"| singles through the service, {clients} clients | – | {found:,.0f} | – | – |"
    yield "\n## Growth\n"
    yield (
        "| entries | appended per s, batches | verified, s | proof, slowest of 100, ms"
        " | trace of a decision, p95, ms |\n|---|---|---|---|---|"
    )
    with Place() as folder:
        yield from growth(folder, sizes)


class Place:
    """A folder on the disk of the current folder, removed at the end."""

    def __enter__(self) -> Path:
        self._path = Path(tempfile.mkdtemp(dir=Path.cwd()))
        return self._path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._path)


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--single", type=int, default=500)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "decision_log.md"
    )
    arguments = parser.parse_args()
    lines = []
    for line in report(arguments.sizes, arguments.single):
        print(line, flush=True)
        lines.append(line)
    arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
