"""Kills writers of the decision log at random moments, under load, and counts what is lost.

Run: python -m benchmarks.log_crashes [--kills 1000 10000] [--logs 1] [--out FILE]

A writer appends as fast as it can and tells through a pipe what was acknowledged and where it
stands; after some milliseconds it is killed (SIGKILL). Then the log is reopened, by this process or
at once by the next writer, and every acknowledged entry is looked up in the log itself. With
`--logs N` the kills are spread over N logs, killed at the same time.
"""

import argparse
import os
import platform
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.log_faults import entry, opened
from workbench.decision_log.append import DecisionLog
from workbench.decision_log.note import Signer, generate_signer
from workbench.decision_log.service.group import GroupCommit
from workbench.decision_log.storage import FolderStorage
from workbench.decision_log.tree import TreeReader
from workbench.decision_log.verify import verify_log
from workbench.errors import WorkbenchError

LONGEST = 0.025  # seconds of a writer's life after its first acknowledgement
RESERVE = 1 << 16
THREADS = 3

Tell = Callable[[int, int], None]


def one_by_one(log: DecisionLog, number: int, tell: Tell) -> None:
    while True:
        tell(number, log.append_entries([entry(number)]).indexes[0])
        number += 1


def held(log: DecisionLog, number: int, tell: Tell, batch: int = 1) -> None:
    with log.held():
        while True:
            numbers = range(number, number + batch)
            done = log.append_entries([entry(n) for n in numbers])
            for n, position in zip(numbers, done.indexes, strict=True):
                tell(n, position)
            number += batch


def held_batches(log: DecisionLog, number: int, tell: Tell) -> None:
    held(log, number, tell, batch=90)


def held_large(log: DecisionLog, number: int, tell: Tell) -> None:
    """A megabyte each: published every time, the journal emptied every eighth."""
    with log.held():
        while True:
            numbers = range(number, number + 20)
            done = log.append_entries([entry(n, 60_000) for n in numbers])
            for n, position in zip(numbers, done.indexes, strict=True):
                tell(n, position)
            number += 20


def grouped(log: DecisionLog, number: int, tell: Tell) -> None:
    """Clients of a service: what they ask at the same time shares a flush."""
    group = GroupCommit(lambda: log)
    group.start()

    def ask(first: int) -> None:
        while True:
            tell(first, group.append([entry(first)]).indexes[0])
            first += THREADS

    for client in range(THREADS):
        threading.Thread(target=ask, args=(number + client,), daemon=True).start()
    threading.Event().wait()


WRITERS = {
    "one by one": (one_by_one, 30),
    "held, one by one": (held, 25),
    "held, batches of 90": (held_batches, 20),
    "held, a megabyte each": (held_large, 2),
    "group commit, 3 clients": (grouped, 23),
}  # and out of 100, how many of them


@dataclass
class Tally:
    """What was seen."""

    kills: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    lost: int = 0
    failures: list[str] = field(default_factory=list)
    slowest: float = 0.0
    entries: int = 0
    verified: int = 0


class Killing:
    """A log, and writers of it that are killed.

    Args:
        folder: Of the log.
        seed: Of the moments.
    """

    def __init__(self, folder: Path, seed: int = 3) -> None:
        self.tally = Tally()
        self._folder = folder
        self._signer = generate_signer("example.com/log")
        self._rng = random.Random(seed)
        self._number = 0
        self._unchecked: list[tuple[int, int]] = []
        opened(folder, self._signer).checkpoint()

    def kill(self) -> None:
        """Let a writer live for a moment, kill it, and mostly look what it left."""
        names, weights = list(WRITERS), [weight for _, weight in WRITERS.values()]
        name = self._rng.choices(names, weights)[0]
        self._number += 1_000_000
        self._unchecked += self._life(WRITERS[name][0], self._number)
        self.tally.kills[name] += 1
        if self._rng.random() < 0.8:  # else the next writer finds the crash, and may die of it
            self.reopen()

    def _life(self, write: Callable[[DecisionLog, int, Tell], None], number: int) -> list[tuple]:
        ears, mouth = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(ears)
            _write(write, self._folder, self._signer, number, mouth)
        os.close(mouth)
        with os.fdopen(ears, "rb") as told:
            early = self._rng.random() < 0.2
            first = b"" if early else told.readline()
            time.sleep(self._rng.uniform(0, LONGEST))
            os.kill(pid, signal.SIGKILL)
            lines = (first + told.read()).decode().split("\n")
        os.waitpid(pid, 0)
        complete = lines[:-1]  # the last is empty or torn
        self.tally.failures += [line for line in complete if not line.split(" ")[0].isdigit()]
        told_of = [line.split(" ") for line in complete if line.split(" ")[0].isdigit()]
        return [(int(n), int(position)) for n, position in told_of]

    def reopen(self) -> None:
        """As the next writer does; then every acknowledged entry must stand where it was said."""
        try:
            begun = time.perf_counter()
            log = opened(self._folder, self._signer)
            size = log.checkpoint().size
            self.tally.slowest = max(self.tally.slowest, time.perf_counter() - begun)
        except WorkbenchError as error:
            self.tally.failures.append(f"reopening: {error}")
            return
        tree = TreeReader(FolderStorage(self._folder / "log"), size)
        for number, position in self._unchecked:
            known = f'"id":"d{number}",'.encode()
            self.tally.lost += not (position < size and known in tree.entry(position))
        self.tally.acknowledged += len(self._unchecked)
        self._unchecked.clear()

    def verify(self) -> None:
        """The whole log, as it is left and from its key alone."""
        try:
            report = verify_log(self._folder / "log", self._signer.verifier.encode())
        except WorkbenchError as error:
            self.tally.failures.append(f"verifying: {error}")
            return
        if report.files.foreign:
            self.tally.failures.append(f"foreign files: {report.files.foreign}")
        self.tally.verified += 1
        self.tally.entries = report.entries


def _write(
    write: Callable[[DecisionLog, int, Tell], None],
    folder: Path, signer: Signer, number: int, mouth: int,
) -> None:  # fmt: skip
    """The life of a writer's process."""
    try:
        write(
            opened(folder, signer, RESERVE),
            number,
            lambda n, position: os.write(mouth, f"{n} {position}\n".encode()) and None,
        )
    except BaseException as error:
        os.write(mouth, f"raised {error!r}\n".encode())
    os._exit(1)


def killed(
    folder: Path, kills: int, *, verify_every: int, seconds: float = 1e9, seed: int = 3
) -> Tally:
    """Kill that many writers of one log, or as many as the time allows."""
    killing = Killing(folder, seed)
    until = time.monotonic() + seconds
    for count in range(1, kills + 1):
        killing.kill()
        if count % verify_every == 0:
            killing.verify()  # at times while a crash is left
        if time.monotonic() > until:
            break
    killing.reopen()
    killing.verify()
    return killing.tally


def one_of_several(folder: Path, kills: int, seconds: float, seed: int) -> Tally:
    """In a process of its own."""
    every = max(50, kills // 20)
    return killed(folder / str(seed), kills, verify_every=every, seconds=seconds, seed=seed)


def spread(kills: int, logs: int, seconds: float) -> Tally:
    """Kill that many writers of several logs at the same time."""
    whole = Tally()
    with tempfile.TemporaryDirectory() as name, ProcessPoolExecutor(logs) as pool:
        each = -(-kills // logs)
        begun = [
            pool.submit(one_of_several, Path(name), each, seconds, 3 + number)
            for number in range(logs)
        ]
        for tally in (one.result() for one in begun):
            whole.kills += tally.kills
            whole.acknowledged += tally.acknowledged
            whole.lost += tally.lost
            whole.failures += tally.failures
            whole.slowest = max(whole.slowest, tally.slowest)
            whole.entries += tally.entries
            whole.verified += tally.verified
    return whole


def main() -> None:
    parser = argparse.ArgumentParser()
    page = Path(__file__).parent / "results" / "log_crashes.md"
    parser.add_argument("--kills", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--logs", type=int, default=1)
    parser.add_argument("--hours", type=float, default=24.0, help="at most, for each number")
    parser.add_argument("--out", type=Path, default=page)
    options = parser.parse_args()
    lines = [
        "# Writers of the log killed at random moments",
        "",
        f"`python -m benchmarks.log_crashes --kills {' '.join(map(str, options.kills))}"
        f" --logs {options.logs}`, load average {os.getloadavg()[0]:.0f} at the start,"
        f" which says how; {os.cpu_count()} cores, Linux {platform.release()},"
        f" Python {platform.python_version()}.",
        "",
        "| kills | entries acknowledged | lost | reopening or verification failed | longest"
        " recovery, ms | entries in the logs | whole verifications | s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    kinds, failures = [], []
    for kills in options.kills:
        begun = time.monotonic()
        tally = spread(kills, options.logs, 3600 * options.hours)
        lines.append(
            f"| {tally.kills.total():,} | {tally.acknowledged:,} | {tally.lost} |"
            f" {len(tally.failures)} |"
            f" {tally.slowest * 1000:.0f} | {tally.entries:,} | {tally.verified} |"
            f" {time.monotonic() - begun:.0f} |"
        )
        kinds.append(", ".join(f"{count:,} {kind}" for kind, count in tally.kills.items()))
        failures += tally.failures
        print(lines[-1], *tally.failures[:5], sep="\n", flush=True)
    lines += ["", *(f"Writers: {kind}." for kind in kinds), *failures]
    options.out.write_text("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
