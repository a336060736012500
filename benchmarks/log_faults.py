"""Fails every system call of a writer of the decision log, one at a time, and looks what is left.

Run: python -m benchmarks.log_faults [--workers N] [--minutes M] [--out FILE]

A writer process does what a scenario says and tells through a pipe what was acknowledged. `strace`
makes the n-th call of one kind fail (EIO, ENOSPC) or kills the writer there, for every kind and n.
After an error the writer goes on as a service would. Then the folder is read as it was left,
reopened, appended to and verified. What is not flushed survives this, as it survives `kill -9`:
power loss is tried by tests/decision_log/test_log_power_loss.py.
"""

import argparse
import collections
import json
import os
import platform
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from workbench.decision_log.append import DecisionLog
from workbench.decision_log.index import LogIndex
from workbench.decision_log.note import Signer, generate_signer
from workbench.decision_log.storage import FolderStorage
from workbench.decision_log.tree import TreeReader
from workbench.decision_log.verify import verify_log
from workbench.errors import WorkbenchError

CALLS = (
    "write pwrite64 io_submit io_getevents fsync fdatasync rename renameat renameat2 link linkat"
    " unlink unlinkat openat mkdir mkdirat ftruncate fallocate flock close read pread64 newfstatat"
    " fstat getdents64 io_setup io_destroy"
).split()
# What an append changes on the disk, tried first.
CHANGES = set(CALLS[: CALLS.index("unlink")])
FAULTS = {
    "EIO": "error=EIO",
    "ENOSPC": "error=ENOSPC",
    "SIGKILL": "signal=SIGKILL",
}
BEFORE = 253  # entries in most logs before a scenario begins: the first full tile is near
LARGE = 64_000  # bytes; 132 of them empty the journal of a log that is held

Acknowledge = Callable[[int], None]


def entry(number: int, size: int = 0) -> bytes:
    """A small record, or one of about `size` bytes."""
    record = {"id": f"d{number}", "kind": "fact", "note": "x" * size}
    return json.dumps(record, separators=(",", ":"), sort_keys=True).encode()


def opened(folder: Path, signer: Signer, reserve: int = 0) -> DecisionLog:
    """The log in a folder, with its index beside it."""
    storage = FolderStorage(folder / "log", reserve=reserve)
    return DecisionLog(storage, signer, LogIndex(folder / "index.sqlite"))


@dataclass
class Writer:
    """What a scenario does, in a process of its own."""

    folder: Path
    signer: Signer
    acknowledge: Acknowledge
    number: int = 10_000
    log: DecisionLog = field(init=False)

    def open(self, reserve: int = 0) -> DecisionLog:
        self.log = opened(self.folder, self.signer, reserve)
        return self.log

    def append(self, count: int, size: int = 0) -> None:
        """Append a batch, as somebody who is told of a failure and goes on."""
        numbers = range(self.number, self.number + count)
        self.number += count
        with suppress(WorkbenchError):
            self.log.append_entries([entry(number, size) for number in numbers])
            for number in numbers:
                self.acknowledge(number)

    def publish(self) -> None:
        with suppress(WorkbenchError):
            self.log.publish()


def one_by_one(writer: Writer) -> None:
    writer.open()
    for count in (1, 3, 1):
        writer.append(count)


def held(writer: Writer) -> None:
    with writer.open(reserve=8192).held():
        writer.append(1)
        writer.append(4)
        writer.publish()
        writer.append(1)


def held_and_killed(writer: Writer) -> None:
    with writer.open(reserve=8192).held():
        writer.append(2)
        writer.publish()
        writer.append(2)
        writer.publish()
        writer.append(1)
        os.kill(os.getpid(), signal.SIGKILL)


def emptied(writer: Writer) -> None:
    """The journal is full, emptied and used again; then the process dies."""
    with writer.open(reserve=8192).held():
        writer.append(132, LARGE)
        writer.append(1)
        writer.append(2)
        os.kill(os.getpid(), signal.SIGKILL)


def journal_only(writer: Writer) -> None:
    """Acknowledged, nothing published."""
    with writer.open().held():
        for count in (1, 2, 3):
            writer.append(count)
        os.kill(os.getpid(), signal.SIGKILL)


def recover(writer: Writer) -> None:
    with suppress(WorkbenchError):
        writer.open().checkpoint()
    writer.append(1)


@dataclass(frozen=True)
class Scenario:
    """What is done to which log.

    Attributes:
        act: In the writer's process.
        before: Entries of the log that it finds.
        crashed: What a writer did to it before, and the fault that ended that one.
    """

    act: Callable[[Writer], None]
    before: int = BEFORE
    crashed: tuple[Callable[[Writer], None], str] | None = None


SCENARIOS = {
    "the first append of a log": Scenario(one_by_one, before=0),
    "appends one by one": Scenario(one_by_one),
    "appends to a held log, let go": Scenario(held),
    "appends to a held log, killed": Scenario(held_and_killed),
    "the journal full and emptied": Scenario(emptied, before=3),
    "recovery, nothing was published": Scenario(recover, crashed=(journal_only, "")),
    "recovery, tiles were published": Scenario(
        recover, crashed=(held_and_killed, "rename:signal=SIGKILL:when=1")
    ),
}


@dataclass
class Outcome:
    """What came of one run.

    Attributes:
        acknowledged: Numbers of entries.
        surprises: What must not be, in sentences.
        seconds: To reopen.
    """

    acknowledged: list[int]
    surprises: list[str]
    seconds: float = 0.0


class Laboratory:
    """Runs scenarios under faults.

    Args:
        folder: For logs; emptied after every run.
    """

    def __init__(self, folder: Path) -> None:
        self.signer = generate_signer("example.com/log")
        self._folder = folder
        self._templates: dict[str, tuple[Path, list[int]]] = {}
        self._warm_up()

    def _warm_up(self) -> None:
        """So that a writer imports nothing while its calls are counted."""
        for name in ("appends one by one", "appends to a held log, let go"):
            writer = Writer(self._folder / "warm", self.signer, lambda _: None)
            SCENARIOS[name].act(writer)
        shutil.rmtree(self._folder / "warm")

    def calls(self, name: str) -> dict[str, int]:
        """How often a scenario makes each call."""
        names = re.findall(r"^(?:\d+ )?(\w+)\(", self._trace(name, CALLS), re.MULTILINE)
        return dict(collections.Counter(names))

    def number_of(self, name: str, call: str, given: str) -> int:
        """Which of a scenario's calls of one kind is the first that is given something."""
        lines = self._trace(name, [call]).splitlines()
        return 1 + next(number for number, line in enumerate(lines) if given in line)

    def _trace(self, name: str, calls: Sequence[str]) -> str:
        trace = self._folder / "trace"
        self._run(name, ["-e", f"trace={','.join(calls)}", "-o", str(trace)])
        return trace.read_text()

    def run(self, name: str, call: str, fault: str, number: int) -> Outcome:
        """Run a scenario with one fault, and examine what is left."""
        inject = f"inject={call}:{FAULTS.get(fault, f'error={fault}')}:when={number}"
        folder, told = self._run(name, ["-e", f"trace={call}", "-e", inject, "-o", "/dev/null"])
        return examine(folder, self.signer, told)

    def _template(self, name: str) -> tuple[Path, list[int]]:
        """The log that a scenario finds, and what is acknowledged of it."""
        if name not in self._templates:
            scenario = SCENARIOS[name]
            folder = self._folder / f"template {len(self._templates)}"
            folder.mkdir()
            numbers = list(range(scenario.before))
            if numbers:
                opened(folder, self.signer).append_entries([entry(n) for n in numbers])
            if scenario.crashed:
                act, fault = scenario.crashed
                options = ["-e", f"inject={fault}"] if fault else ["-e", "trace=rename"]
                told = self._traced(act, folder, [*options, "-o", "/dev/null"])
                numbers += list(map(int, told))
            self._templates[name] = folder, numbers
        return self._templates[name]

    def _run(self, name: str, options: list[str]) -> tuple[Path, list[str]]:
        template, numbers = self._template(name)
        folder = self._folder / "run"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(template, folder)
        told = self._traced(SCENARIOS[name].act, folder, options, start=20_000)
        return folder, [*map(str, numbers), *told]

    def _traced(
        self, act: Callable[[Writer], None], folder: Path, options: list[str], start: int = 10_000
    ) -> list[str]:
        """What a writer told before it ended."""
        ears, mouth = os.pipe()
        gate, go = os.pipe()
        pid = os.fork()
        if not pid:
            _write(act, Writer(folder, self.signer, _teller(mouth), start), gate, mouth)
        os.close(mouth)
        os.close(gate)
        with attached(pid, options):
            os.write(go, b"!")
            os.close(go)
            with os.fdopen(ears) as told:
                lines = told.read().splitlines()
            os.waitpid(pid, 0)
        return lines


def _teller(mouth: int) -> Acknowledge:
    def tell(number: int) -> None:
        try:
            os.write(mouth, f"{number}\n".encode())
        except OSError:
            os._exit(3)  # the fault hit the pipe: nobody was told

    return tell


def _write(act: Callable[[Writer], None], writer: Writer, gate: int, mouth: int) -> None:
    """The life of a writer's process."""
    while True:
        with suppress(OSError):
            os.read(gate, 1)
            break
    try:
        act(writer)
    except WorkbenchError:
        pass
    except BaseException as error:
        os.write(mouth, f"raised {error!r}\n".encode())
    os._exit(0)


class UntraceableError(Exception):
    """strace is missing or may not attach here."""


@contextmanager
def attached(pid: int, options: list[str]) -> Iterator[None]:
    """Trace a process, from when it is attached until that ends."""
    try:
        strace = subprocess.Popen(
            ["strace", *options, "-p", str(pid)], stderr=subprocess.PIPE, text=True
        )
    except FileNotFoundError as error:
        os.kill(pid, signal.SIGKILL)
        raise UntraceableError("strace not found") from error
    line = strace.stderr.readline() if strace.stderr else ""
    if "attached" not in line:
        os.kill(pid, signal.SIGKILL)
        raise UntraceableError(line.strip())
    yield
    strace.communicate()


def examine(folder: Path, signer: Signer, told: list[str]) -> Outcome:
    """Read, reopen, append to and verify what a writer left."""
    acknowledged = [int(line) for line in told if line.isdigit()]
    surprises = [line for line in told if not line.isdigit()]
    outcome = Outcome(acknowledged, surprises)
    key = signer.verifier.encode()
    try:
        if (folder / "log" / "checkpoint").exists():
            verify_log(folder / "log", key)  # as an auditor who comes before the next writer
        begun = time.perf_counter()
        log = opened(folder, signer)
        size = log.checkpoint().size
        outcome.seconds = time.perf_counter() - begun
        tree = TreeReader(FolderStorage(folder / "log"), size)
        ids = {json.loads(found)["id"] for _, found in tree.entries()}
        surprises += [f"entry d{n}: lost" for n in acknowledged if f"d{n}" not in ids]
        again = [entry(0), *(entry(number) for number in range(30_000, 30_003))]
        after = log.append_entries(again)
        report = verify_log(folder / "log", key)
        if report.entries != after.size or report.files.pending or report.files.beyond:
            surprises.append(f"{report.files}")
        if report.files.unfinished or report.files.foreign:
            surprises.append(f"left: {report.files.unfinished} {report.files.foreign}")
    except Exception as error:
        surprises.append(f"reopening: {error!r}")
    return outcome


def cases(laboratory: Laboratory, name: str) -> Iterator[tuple[str, str, int]]:
    """Every call, fault and number of a scenario."""
    for call, count in sorted(laboratory.calls(name).items()):
        for number in range(1, count + 1):
            for fault in FAULTS:
                yield call, fault, number


@dataclass
class Tally:
    """What was seen in one scenario."""

    cases: int = 0
    changes: int = 0  # of them, at calls that write, flush, rename or link
    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    slowest: float = 0.0
    found: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.counts += other.counts
        self.slowest = max(self.slowest, other.slowest)
        self.found += other.found


def some(worker: int, workers: int, until: float) -> dict[str, Tally]:
    """Every n-th case of each scenario, changes first, else by chance, until the time is up."""
    with tempfile.TemporaryDirectory() as name:
        laboratory = Laboratory(Path(name))
        tallies, todo = {}, []
        for scenario in SCENARIOS:
            every = [*cases(laboratory, scenario)]
            tallies[scenario] = Tally(len(every), sum(call in CHANGES for call, _, _ in every))
            random.Random(scenario).shuffle(every)
            todo += [(place, scenario, case) for place, case in enumerate(every[worker::workers])]
        todo.sort(key=lambda one: (one[2][0] not in CHANGES, one))
        for _, scenario, (call, fault, number) in todo:
            if time.time() > until:
                break
            outcome = laboratory.run(scenario, call, fault, number)
            tally = tallies[scenario]
            tally.counts[fault] += 1
            tally.counts["changes"] += call in CHANGES
            tally.counts["acknowledged"] += len(outcome.acknowledged)
            tally.counts["lost"] += sum("lost" in line for line in outcome.surprises)
            tally.counts["surprises"] += bool(outcome.surprises)
            tally.slowest = max(tally.slowest, outcome.seconds)
            where = f"{scenario}, {fault} at {call} {number}"
            tally.found += [f"- {where}: {line}" for line in outcome.surprises]
    return tallies


def main() -> None:
    parser = argparse.ArgumentParser()
    page = Path(__file__).parent / "results" / "log_faults.md"
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--minutes", type=float, default=24 * 60.0, help="at most")
    parser.add_argument("--out", type=Path, default=page)
    options = parser.parse_args()
    begun = time.time()
    until = begun + 60 * options.minutes
    with ProcessPoolExecutor(options.workers) as pool:
        runs = [
            pool.submit(some, worker, options.workers, until) for worker in range(options.workers)
        ]
        whole = runs[0].result()
        for run in runs[1:]:
            for scenario, tally in run.result().items():
                whole[scenario].add(tally)
    options.out.write_text(_page(whole, time.time() - begun))
    print(options.out.read_text())


def _page(tallies: dict[str, Tally], seconds: float) -> str:
    strace = subprocess.run(["strace", "--version"], capture_output=True, text=True, check=True)
    tried = sum(tally.counts[fault] for tally in tallies.values() for fault in FAULTS)
    every = sum(tally.cases for tally in tallies.values())
    extent = "each of them" if tried == every else "the rest by chance: the time was limited"
    changed = sum(tally.counts["changes"] for tally in tallies.values())
    changes = sum(tally.changes for tally in tallies.values())
    lines = [
        "# A fault at every system call of the log's writer",
        "",
        "`python -m benchmarks.log_faults`, which says how; Linux"
        f" {platform.release()}, Python {platform.python_version()},"
        f" {strace.stdout.splitlines()[0]}; {seconds:.0f} s, load average"
        f" {os.getloadavg()[0]:.0f}.",
        f"{tried:,} of {every:,} pairs of a call and a fault were tried: {changed:,} of the"
        f" {changes:,} at calls that write, flush, rename or link, {extent}.",
        f"Calls, where a scenario makes them: {', '.join(CALLS)}.",
        "",
        "| scenario | EIO | ENOSPC | SIGKILL | of | acknowledged | lost | not reopened, not"
        " verified or other surprise | slowest reopening, ms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    rows = [(name, tally.cases, tally.counts, tally.slowest) for name, tally in tallies.items()]
    found = [line for tally in tallies.values() for line in tally.found]
    lines += [
        f"| {name} | {c['EIO']} | {c['ENOSPC']} | {c['SIGKILL']} | {cases:,} |"
        f" {c['acknowledged']:,} | {c['lost']} | {c['surprises']} | {slowest * 1000:.0f} |"
        for name, cases, c, slowest in rows
    ]
    return "\n".join([*lines, *([""] if found else []), *found, ""])


if __name__ == "__main__":
    main()
