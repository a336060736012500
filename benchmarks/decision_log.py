"""Measures the decision log against SQLite on the same entries, and its growth.

Run: python -m benchmarks.decision_log [appends] [growth] [--sizes 10000 100000 1000000]

SQLite runs in WAL mode with synchronous=FULL, one table with a unique id and the entry: it makes
each commit durable with one flush, as the log does. It proves nothing, so this is what the tiles,
the signed checkpoint, the check of every entry and the index cost. Both sides get the same
canonical entries. Times are wall-clock. With `--realtime`, as root, both sides run with real-time
priority while they are timed, for a machine that has other work; waiting for the disk still counts.
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
from contextlib import contextmanager
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from workbench.contracts.canonical import parse_canonical
from workbench.contracts.records import DecisionRecord, ModelReference, RowEvidence
from workbench.decision_log.append import DecisionLog
from workbench.decision_log.checkpoint import Checkpoint
from workbench.decision_log.index import LogIndex
from workbench.decision_log.journal_file import JournalFile
from workbench.decision_log.note import Signer, generate_signer
from workbench.decision_log.prove import ProvingReader
from workbench.decision_log.service.client import ServiceClient
from workbench.decision_log.storage import FolderStorage, MemoryStorage
from workbench.decision_log.trace import DecisionHistory
from workbench.decision_log.verify import verify_log
from workbench.merkle import Frontier, leaf_hash

BATCH = 1000
RESERVE = 16 << 20
ITEMS = 3000
REALTIME = False
_REALTIME = " Timed with real-time priority: the machine had other work."


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


def alternating(folder: Path, size: int, count: int, rounds: int = 9) -> list[list[float]]:
    """Rates on the same entries in turns: SQLite, the log published, the log indexed."""
    signer, found = generate_signer("example.com/log"), ([], [], [])
    peer, log = Sqlite(folder), opened(folder, signer)
    with log.held():
        log.append_entries([entry(0)])
        for number in range(rounds):
            first = 1 + number * count
            batches = split([entry(first + i) for i in range(count)], size)
            with undisturbed(REALTIME):
                found[0].append(rate(peer.append, batches))
                begun = time.perf_counter()
                for batch in batches:
                    log.append_entries(batch)
                log.publish()
                found[1].append(count / (time.perf_counter() - begun))
                log.index()
                found[2].append(count / (time.perf_counter() - begun))
    return list(found)


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
        with undisturbed(REALTIME):
            begun = time.perf_counter()
            verify_log(folder / "log", key)
            verified = time.perf_counter() - begun
            proofs, traces = queries(folder, signer, size)
        yield (
            f"| {size:,} | {added / built:,.0f} | {verified:.1f} | {max(proofs):.1f}"
            f" | {percentile(traces, 0.95):.1f} |"
        )


def heading(title: str, command: str) -> str:
    return (
        f"# {title}\n\n`python -m benchmarks.decision_log {command}` on {os.cpu_count()} cores,"
        f" {platform.system()} {platform.release()}, Python {platform.python_version()}, SQLite"
        f" {sqlite3.sqlite_version}; load average {os.getloadavg()[0]:.1f} at the start."
        f"{_REALTIME if REALTIME else ''}\n"
    )


def appends(single: int) -> Iterator[str]:
    """The page of durable appends, line by line."""
    yield heading("Durable appends to the decision log", "appends" + " --realtime" * REALTIME)
    yield "## Against SQLite (WAL, synchronous=FULL), entries per second\n"
    yield (
        "Rounds in turns, entries of about 1.3 kB. A round ends when every entry is under a"
        " published, signed checkpoint; the index for queries, which is derived, follows when the"
        " log is idle or let go, and is counted in the last column. Medians of rounds, and the"
        " ratio of the times of all rounds together: SQLite moves its WAL now and then.\n"
    )
    yield (
        "| | SQLite | decision log | ratio | ratio of whole times | with index |"
        "\n|---|---|---|---|---|---|"
    )
    for name, size, count in (("singles", 1, single), (f"batches of {BATCH:,}", BATCH, 10_000)):
        with Place() as folder:
            found = alternating(folder, size, count)
        peer, ours, indexed = (statistics.median(rates) for rates in found)
        whole = sum(1 / rate for rate in found[0]) / sum(1 / rate for rate in found[1])
        shares = f"{ours / peer:.0%} | {whole:.0%}"
        yield f"| {name} | {peer:,.0f} | {ours:,.0f} | {shares} | {indexed:,.0f} |"
    yield "\n## What a single append is made of, microseconds\n"
    with Place() as folder:
        parts = list(anatomy(folder))
    yield "| | median |\n|---|---|"
    for name, value in parts:
        yield f"| {name} | {value:.0f} |"
    yield "\n## Through the service, singles per second\n\n| clients | entries |\n|---|---|"
    for clients in (1, 8):
        with Place() as folder:
            yield f"| {clients} | {through_service(folder, clients, 2 * single // clients):,.0f} |"
    yield DESIGNS.rstrip()


DESIGNS = """
## What bounds single appends

The target is 80% of SQLite's rate for single appends, 50% for batches. SQLite adds a row; this log
checks the entry's canonical form, looks its id up, hashes the path to a new root and seals it. What
comes before a write is begun (lookup, seal, frame, the call) and after it (waiting, the lock's
check) takes about 40 microseconds; the rest goes on while the disk writes. So the ratio depends on
the disk: the more a durable write costs, the nearer the two come, and with the cheapest ones SQLite
is ahead by what its own code is faster than Python. Six runs of one evening gave 86, 82, 78, 84,
88 and 92% by medians of rounds, 83, 80, 73, 74, 87 and 87% by whole times; batches 69, 53, 53, 62,
48 and 60%. Tried, with what it gave:

- files of the log published together after a tenth of a second, not at each append: 27% to 62%
- no tile per append; the index out of the path; msgspec for the canonical form: to 62 to 72% on a
  disk whose flushes cost more
- RWF_DSYNC on the journal through the page cache: nothing
- O_DIRECT with O_DSYNC on whole blocks of a reserve (in use): half of a write and a flush
- libsodium in place of OpenSSL for the signature (in use): 24 in place of 37 microseconds
- the batch in the journal sealed (HMAC) in place of signed, the checkpoint signed when it is
  published or asked for (in use): a signature less in each append, 22 microseconds
- the lock's file compared by one lstat, the told checkpoint without a cache of its own (in use): 25
- asynchronous direct I/O, everything checked first and only the answer made meanwhile: 10
- the same, but a single entry is written before it is read (in use): 40 to 60, for the check of its
  form, the hashes and the tiles then cost nothing
- roots computed when somebody asks for them, the state in the journal named by one hash over the
  frontier (in use): 8; one id looked up without the machinery of many (in use): 10
- the lookup after the write is begun, too: 5, but then recovery would need the index; not built
- a longer time between publishings, the collector of garbage off, several threads that flush what
  is published: nothing that shows
"""


def growing(sizes: list[int]) -> Iterator[str]:
    """The page of growth, line by line."""
    sizes_given = " ".join(map(str, sizes))
    command = f"growth --sizes {sizes_given}" + " --realtime" * REALTIME
    yield heading("The decision log as it grows", command)
    yield (
        "| entries | appended per s, batches | verified, s | proof, slowest of 100, ms"
        " | trace of a decision, p95, ms |\n|---|---|---|---|---|"
    )
    with Place() as folder:
        yield from growth(folder, sizes)


def anatomy(folder: Path) -> Iterator[tuple[str, float]]:
    """Parts of a single append, each timed alone."""
    signer = generate_signer("example.com/log")
    log, data = opened(folder, signer), [[entry(i)] for i in range(1, 401)]
    tree = Frontier()
    tree.extend(leaf_hash(one[0]) for one in data)
    checkpoint = Checkpoint("example.com/log", tree.size, tree.root())

    def hashed(one: list[bytes]) -> None:
        tree.extend([leaf_hash(one[0])])
        tree.root()

    with log.held():
        log.append_entries([entry(0)])
        yield "all of it", each(log.append_entries, data)
    memory = DecisionLog(MemoryStorage(), signer, LogIndex(folder / "memory.sqlite"))
    with memory.held():
        memory.append_entries([entry(0)])
        yield "all of it without the disk", each(memory.append_entries, data)
    yield "check that the entry is canonical JSON", each(parse_canonical, [d[0] for d in data])
    index = LogIndex(folder / "index.sqlite")
    yield "look its id up", each(index.positions, [[f"{i:032x}"] for i in range(400)])
    yield "hash it and the new root", each(hashed, data)
    yield "sign the checkpoint", each(lambda _: checkpoint.sign(signer), data)
    journal = JournalFile(folder / "journal", RESERVE)
    yield "write it to the journal, durably", each(journal.write, [d[0] for d in data])
    buffered = JournalFile(folder / "buffered")
    yield "the same by a write and a flush", each(buffered.write, [d[0] for d in data])
    peer = Sqlite(folder)
    yield "SQLite, all of it", each(peer.append, data)


def each(work: Callable[[Any], object], given: list[Any]) -> float:
    """Median microseconds."""
    with undisturbed(REALTIME):
        return statistics.median(timed(lambda one=one: work(one)) for one in given) * 1000


@contextmanager
def undisturbed(realtime: bool) -> Iterator[None]:
    """Within, other work on this machine does not count."""
    if not realtime:
        yield
        return
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


class Place:
    """A folder on the disk of the current folder, removed at the end."""

    def __enter__(self) -> Path:
        self._path = Path(tempfile.mkdtemp(dir=Path.cwd()))
        return self._path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._path)


def main() -> None:
    """Measure and write the pages."""
    global REALTIME
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help="appends, growth; default: both")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--single", type=int, default=500)
    parser.add_argument("--realtime", action="store_true", help="take times undisturbed; as root")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    REALTIME = arguments.realtime
    pages = {
        "appends": ("decision_log.md", appends(arguments.single)),
        "growth": ("log_growth.md", growing(arguments.sizes)),
    }
    for part in arguments.parts or pages:
        name, page = pages[part]
        lines = []
        for line in page:
            print(line, flush=True)
            lines.append(line)
        (arguments.out / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
