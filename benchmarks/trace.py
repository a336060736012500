"""Measures how long a trace takes as the log grows, with the index that makes it complete.

Run: python -m benchmarks.trace [--sizes 10000 100000] [--out FILE]

A log of proposals for 3,000 items is written in batches of 1,000, a tenth of them answered and the
answers ordered, through the writer in this process. Then lookups at random: a decision by id with
its chain and rivals, an item on a day with the chain of what is found, an order line with the chain
behind it. Each is timed twice: by a history that is open already, and with opening it anew, which
is what the command line does after starting Python. Every answer is proven against the checkpoint.
"""

import argparse
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

from benchmarks.decision_log import undisturbed
from workbench.contracts.records import DecisionRecord, ModelReference, RowEvidence
from workbench.decision_log.append import DecisionLog
from workbench.decision_log.index import LogIndex
from workbench.decision_log.note import Signer, generate_signer
from workbench.decision_log.standing import standing
from workbench.decision_log.storage import FolderStorage
from workbench.decision_log.trace import DecisionHistory, Entry, OrderLine

BATCH = 1000
ITEMS = 3000
LOOKUPS = 200
SECRET = b"benchmark secret of the index   "
DAY = date(2017, 1, 2)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = ("decision", "item and day", "order line")


def proposal(number: int) -> DecisionRecord:
    """A proposal as the demo logs it; each item has one a week."""
    week = DAY + timedelta(weeks=number // ITEMS)
    return DecisionRecord(
        id=f"{number:032x}", kind="proposal", recorded_at=NOW, actor="workbench", role="runner",
        as_of=week, valid_from=week, valid_to=week + timedelta(days=7), item_id=name(number),
        location_id="DC1", supplier_id="S1", policy_digest="a" * 64, rule="built-in/manual",
        tier="manual", models=(ModelReference("windows", "1", "b" * 64),),
        run_ids=(f"01890000-0000-7000-8000-{number // ITEMS:012x}",),
        inputs=dict.fromkeys(("stock", "forecasts", "policies"), "d" * 64),
        evidence=(RowEvidence("stock", "d" * 64, 1, 20), RowEvidence("sales", "e" * 64, 3, 90)),
        quantity=12.0, unit="EA", money_at_stake=123.456, currency="USD", before=10.0,
        reasons=("Demand rose by 12%", "Stock is low", "Lead time is 7 days"),
        detail={"proposal": "replenishment", "unit_cost": 1.25},
    )  # fmt: skip


def name(number: int) -> str:
    return str(number % ITEMS)


def answers(number: int) -> list[DecisionRecord]:
    """An override of a proposal and the order that executes it."""
    said = {"recorded_at": NOW, "actor": "ann", "role": "planner"}
    override = DecisionRecord(
        id=f"a{number:031x}", kind="override", supersedes=f"{number:032x}", after=9.0, **said
    )
    return [override, DecisionRecord(
        id=f"e{number:031x}", kind="execution", supersedes=override.id, order_id=f"PO-{number}",
        order_line=1, **said,
    )]  # fmt: skip


def fill(folder: Path, size: int, signer: Signer) -> list[int]:
    """Write a log of this size; gives the numbers of the proposals that were answered."""
    storage = FolderStorage(folder / "log", reserve=16 << 20)
    log = DecisionLog(storage, signer, LogIndex(folder / "index.sqlite", SECRET))
    proposals = size * 10 // 12
    answered: list[int] = []
    with log.held():
        for start in range(0, proposals, BATCH):
            numbers = range(start, min(proposals, start + BATCH))
            log.append([proposal(number) for number in numbers])
            chosen = numbers[::10]
            log.append([record for number in chosen for record in answers(number)])
            answered += chosen
    return answered


def opened(folder: Path, signer: Signer) -> DecisionHistory:
    index = LogIndex(folder / "index.sqlite", SECRET)
    return DecisionHistory(FolderStorage(folder / "log"), index, signer.verifier.encode())


def whole(history: DecisionHistory, entry: Entry) -> int:
    """What a trace asks around a decision; gives how many entries it has."""
    others = vars(standing(history, entry)).values()
    return len(history.tree(entry).entries()) + sum(map(len, others))


def look_up(history: DecisionHistory, kind: str, number: int) -> None:
    if kind == "decision":
        whole(history, history.decision(f"{number:032x}"))
        return
    day = DAY + timedelta(weeks=number // ITEMS, days=3)
    if kind == "item and day":
        (entry,) = history.decisions(name(number), location_id="DC1", day=day)
    else:
        (traced,) = history.order_lines([OrderLine(f"PO-{number}", 1, name(number), "DC1", day)])
        if traced.decision is None or traced.decision.kind != "execution":
            raise SystemExit(f"order PO-{number}: not traced to its execution")
        entry = traced.decision
    whole(history, entry)


def same(history: DecisionHistory) -> DecisionHistory:
    return history


def milliseconds(history: Callable[[], DecisionHistory], kind: str, number: int) -> float:
    begun = time.perf_counter()
    look_up(history(), kind, number)
    return (time.perf_counter() - begun) * 1000


def measure(size: int, *, realtime: bool = False) -> list[str]:
    """Rows of the result's table for one size."""
    signer, chance = generate_signer("example.com/log"), random.Random(size)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        begun = time.perf_counter()
        answered = fill(folder, size, signer)
        filling = time.perf_counter() - begun
        rows, megabytes = [], (folder / "index.sqlite").stat().st_size / 1e6
        for kind in KINDS:
            numbers = chance.choices(answered, k=LOOKUPS)
            anew = partial(opened, folder, signer)
            history = anew()
            with undisturbed(realtime):
                warm = [milliseconds(partial(same, history), kind, number) for number in numbers]
                cold = [milliseconds(anew, kind, number) for number in numbers]
            cells = [f"{value:.1f}" for times in (warm, cold) for value in tail(times)]
            rows.append(f"| {size:,} | {kind} | {' | '.join(cells)} |")
        rows[0] += f" {filling:.0f} s, index {megabytes:.0f} MB |"
        return [row if number == 0 else f"{row} |" for number, row in enumerate(rows)]


def tail(times: list[float]) -> tuple[float, float]:
    """Median and 95th percentile."""
    return statistics.median(times), statistics.quantiles(times, n=20)[18]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/trace.md"))
    parser.add_argument("--realtime", action="store_true", help="lookups undisturbed; as root")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    rows = [row for size in options.sizes for row in measure(size, realtime=options.realtime)]
    said = ", lookups with real-time priority" if options.realtime else ""
    text = (
        "# Trace as the log grows\n\n"
        "Milliseconds of one lookup, chain and rivals included, everything proven;"
        f" {LOOKUPS} random lookups a row.\nOpening: a new history for each, as the command line"
        " does. Rerun: `python -m benchmarks.trace`.\n\n"
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()},"
        f" load {load:.1f} when it began{said}.\n\n"
        "| entries | asked for | median | p95 | median, opening | p95, opening | filling |\n"
        "|---|---|---|---|---|---|---|\n" + "\n".join(rows) + "\n"
    )
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
