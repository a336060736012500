"""Coverage-guided fuzzing of everything in the decision log that reads bytes from strangers.

Run: python -m benchmarks.log_fuzz [--seconds 660] [--seed 1] [--out FILE]

Inputs are mutated; one that reaches a new pair of lines joins the corpus. What a parser may do with
any bytes: refuse them (a WorkbenchError or ValueError), or accept them, and then writing what was
read gives the same bytes. Another exception, two seconds or 64 MB are findings.
"""

import argparse
import itertools
import json
import multiprocessing
import platform
import random
import resource
import signal
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import rfc8785

from workbench.contracts import canonical
from workbench.contracts.canonical import parse_canonical
from workbench.decision_log import checkpoint, journal, note, prove, tiles, witness
from workbench.decision_log.append import DecisionLog
from workbench.decision_log.index import LogIndex
from workbench.decision_log.prove import ProvingReader
from workbench.decision_log.storage import MemoryStorage
from workbench.errors import WorkbenchError
from workbench.merkle import Frontier

PATIENCE = 2  # seconds for one input
MEMORY = 64 << 20
LONGEST = 3_000  # bytes of an input

# Of a fixed key, so that a run can be repeated.
SIGNER = note.parse_signer(
    "PRIVATE+KEY+example.com/log/testdata+33d7b496+AeymY/SZAX0jZcJ8enZ5FY1Dz+wTML2yWSkK+9DSF3eg"
)
KEY = SIGNER.verifier.encode()
ENTRIES = [b'{"id":"d%d","kind":"fact","text":"caf\xc3\xa9"}' % number for number in range(11)]


class FindingError(Exception):
    """A parser did what it must not."""


@dataclass(frozen=True)
class Target:
    """What is fuzzed.

    Attributes:
        name: For people.
        read: Gets any bytes; raises ValueError or WorkbenchError to refuse them.
        seeds: Inputs to begin with.
        functions: Whose lines are counted.
    """

    name: str
    read: Callable[[bytes], None]
    seeds: Sequence[bytes]
    functions: Sequence[Any]


def same(found: object, expected: object) -> None:
    if found != expected:
        raise FindingError(f"accepted, but reads back as {str(found)[:200]!r}")


def read_note(data: bytes) -> None:
    text, signatures = note.split_note(data)
    lines = [note.signature_line(name, key_id + rest) for name, key_id, rest in signatures]
    same(text + b"\n" + b"".join(lines), data)
    with suppress(WorkbenchError):
        opened, _ = note.open_note(data, [SIGNER.verifier])
        same(opened, SEED_NOTE.split(b"\n\n")[0] + b"\n")


def read_checkpoint(data: bytes) -> None:
    same(data.startswith(checkpoint.parse_checkpoint(data).text()), True)


def read_tile(data: bytes) -> None:
    width = data[0] if data else 1
    hashes = tiles.decode_tile(data[1:], width, "tile")
    same((len(hashes), b"".join(hashes)), (width, data[1:]))


def read_path(data: bytes) -> None:
    path = data.decode("utf-8")
    parsed = tiles.parse_path(path)
    if parsed is None:
        raise ValueError("no path")
    same(parsed.with_width(parsed.width), path)


def read_bundle(data: bytes) -> None:
    same(tiles.encode_bundle(tiles.decode_bundle(data, "bundle")), data)


def read_journal(data: bytes) -> None:
    records = list(journal.frames(data))
    if not data.startswith(MAGIC):
        return  # none, or of an earlier version
    epoch, place = data[len(MAGIC) :][: journal.EPOCH_BYTES], journal.BLOCK_BYTES
    for record in records:
        framed = journal.frame(epoch, place, record)
        held = framed[: 36 + len(record)]  # length, digest, record; what follows is no matter
        same(data[place:][: len(held)], held)
        place += len(framed)
    list(journal.frames(data, alone=True))  # refuses what stands before a whole record


def read_batch(data: bytes) -> None:
    same(journal.parse_batch(data).encode(), data)


def read_proof(data: bytes) -> None:
    proven = prove.verify_bundle(data.decode("utf-8"), KEY)
    same(proven.entry, ENTRIES[proven.index])


def read_request(data: bytes) -> None:
    same(witness.parse_request(data).encode(), data)


def read_key(data: bytes) -> None:
    text = data.decode("utf-8")
    same(note.parse_verifier(text).encode(), text.strip())


def read_json(data: bytes) -> None:
    expected = _reference_accepts(data)
    try:
        parse_canonical(data)
    except ValueError:
        same(expected in (False, None), True)
        raise
    same(expected, True)


def _reference_accepts(data: bytes) -> bool | None:
    """Whether the reference implementation writes the same bytes; None: it cannot say."""
    try:
        value = json.loads(data.decode("utf-8"), parse_int=_integer, parse_constant=_refuse)
        return bool(rfc8785.dumps(value) == data)
    except RecursionError:
        return None
    except (ValueError, rfc8785.CanonicalizationError):
        return False


def _integer(text: str) -> int | float:
    value = float(text)
    return int(value) if abs(value) < 2**53 else value


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _log() -> tuple[bytes, list[bytes]]:
    """A checkpoint and proofs of a small log."""
    storage = MemoryStorage()
    DecisionLog(storage, SIGNER, LogIndex(Path(":memory:"))).append_entries(ENTRIES)
    reader = ProvingReader(storage, SIGNER.verifier)
    return reader.note, [reader.bundle(index).encode() for index in (0, 7, 10)]


SEED_NOTE, SEED_PROOFS = _log()
OTHER_NOTE = SIGNER.sign(checkpoint.Checkpoint("another.example/log", 1, bytes(32)).text())
BATCH = journal.Batch(0, bytes(32), tuple(ENTRIES[:2]), SEED_NOTE).encode()
SEALED = journal.sealed_batch(
    checkpoint.Checkpoint(SIGNER.verifier.name, 0, bytes(32)),
    checkpoint.Checkpoint(SIGNER.verifier.name, 2, bytes(32)), ENTRIES[:2], SIGNER,
)  # fmt: skip
ASKED = journal.asked_batch(Frontier(), ENTRIES[0], SIGNER)
EPOCH = bytes(range(16))
MAGIC = journal.header(EPOCH).split(EPOCH)[0]
JOURNAL = journal.header(EPOCH) + journal.frame(EPOCH, journal.BLOCK_BYTES, BATCH)
DAMAGED = (
    JOURNAL[: journal.BLOCK_BYTES]
    + bytes(journal.BLOCK_BYTES)
    + journal.frame(EPOCH, 2 * journal.BLOCK_BYTES, BATCH)
)
HASH = b64encode(bytes(32))
NUMBERS = b"[0,-1,1e+21,1e-7,0.1,9007199254740993,1e16,333333333.3333333,-0,1E2,0.0001,1.0]"

TARGETS = [
    Target("signed note", read_note, [SEED_NOTE, SEED_NOTE + "— w AAAAAAA=\n".encode()],
           [note.split_note, note._signature, note.decode_base64, note.open_note]),
    Target("checkpoint", read_checkpoint,
           [SEED_NOTE.split(b"\n\n")[0] + b"\n", b"o\n0\n" + HASH + b"\nmore\n"],
           [checkpoint.parse_checkpoint]),
    Target("hash tile", read_tile, [b"\x02" + bytes(64), b"\x01" + bytes(32)], [tiles.decode_tile]),
    Target("tile path", read_path,
           [b"tile/0/x001/x234/067", b"tile/entries/019.p/177", b"tile/63/000.p/1"],
           [tiles.parse_path, tiles._index_path]),
    Target("entry bundle", read_bundle,
           [tiles.encode_bundle(ENTRIES), b"\0\0\0\1x"], [tiles.decode_bundle]),
    Target("journal", read_journal, [JOURNAL, JOURNAL + bytes(50), DAMAGED, bytes(40)],
           [journal.frames]),
    Target("batch of the journal", read_batch, [BATCH, SEALED, ASKED],
           [journal.parse_batch, journal._sealed, journal._asked, journal._signed]),
    Target("tlog-proof", read_proof,
           [*SEED_PROOFS, SEED_PROOFS[0].replace(SEED_NOTE, OTHER_NOTE)],
           [prove.verify_bundle, prove._canonical_base64, checkpoint.open_checkpoint]),
    Target("request to a witness", read_request,
           [b"old 5\n" + HASH + b"\n" + HASH + b"\n\n" + SEED_NOTE, b"old 0\n\n" + SEED_NOTE,
            b"old 5\n" + 64 * (HASH + b"\n") + b"\n"],
           [witness.parse_request, witness._hash]),
    Target("verifier key", read_key, [KEY.encode()], [note.parse_verifier, note.decode_base64]),
    Target("canonical JSON", read_json,
           [ENTRIES[0], NUMBERS, b'{"a":[true,null,{"b":1}],"\xc3\xa9":"\\u0001\\n\\"\\\\"}',
            '{"\U0001f600":1,"\ufb33":2}'.encode(), b"[" * 2500, b'{"a":' * 500],
           [canonical.parse_canonical, canonical._read_plain, canonical._read_any,
            canonical._usual_float, canonical._integer, canonical._with_plain_numbers,
            canonical._plain_float]),
]  # fmt: skip

TOKENS = [
    b"\n", b"\n\n", b" ", b"+", b"-", b"0", b"00", b"1_0", "\u0661".encode(), "— ".encode(), b"=",
    b"\0", b"\xff\xff", b"\xed\xa0\x80", b"\\ud800", b"index ", b"extra ", b"old ", b".p/", b"x",
    b"256", b"18446744073709551616", b"1e400", b"NaN", b"e+", b"E", b".0", b'"', b"{", b"[", b",",
    b"\xc2\x85", b"\x7f", b"\r", b"\t", HASH, b"/", b"9" * 400,
]  # fmt: skip


def mutated(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """One of the corpus with some changes."""
    data = bytearray(rng.choice(corpus))
    for _ in range(rng.choice([1, 1, 1, 2, 3, 6])):
        here = rng.randint(0, len(data))
        there = min(len(data), here + rng.choice([1, 1, 2, 4, 40]))
        match rng.randrange(8):
            case 0 if data:
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            case 1 if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
            case 2:
                del data[here:there]
            case 3:
                data[here:here] = data[here:there] * rng.choice([1, 2, 20])
            case 4:
                data[here:here] = rng.choice(TOKENS)
            case 5:
                data[here:there] = rng.choice(TOKENS)
            case 6:
                other = rng.choice(corpus)
                data[here:] = other[rng.randint(0, len(other)) :]
            case _:
                lines = data.split(b"\n")
                rng.shuffle(lines)
                data = bytearray(b"\n".join(lines)) if rng.random() < 0.3 else data[:here]
    return bytes(data[:LONGEST])


@dataclass
class Result:
    """What came of fuzzing one target."""

    name: str
    runs: int = 0
    accepted: int = 0
    corpus: int = 0
    pairs: int = 0
    lines: int = 0
    all_lines: int = 0
    missing: list[str] = field(default_factory=list)
    findings: dict[str, bytes] = field(default_factory=dict)


class Coverage:
    """Pairs of lines that followed each other in files of the library."""

    def __init__(self) -> None:
        self.pairs: set[tuple[int, int, int]] = set()
        self.lines: set[tuple[str, int]] = set()
        self._ours: dict[CodeType, bool] = {}
        self._last = 0

    def call(self, frame: FrameType, event: str, argument: object) -> Any:
        code = frame.f_code
        if code not in self._ours:
            self._ours[code] = "/workbench/" in code.co_filename
        if not self._ours[code]:
            return None
        self._last = 0
        return self._line

    def _line(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "line":
            self.pairs.add((id(frame.f_code), self._last, frame.f_lineno))
            self.lines.add((frame.f_code.co_filename, frame.f_lineno))
            self._last = frame.f_lineno
        return self._line


def fuzz(target: Target, seconds: float, seed: int) -> Result:
    """Fuzz one target; in a process of its own, whose memory is limited."""
    rng, result, coverage = random.Random(f"{target.name} {seed}"), Result(target.name), Coverage()
    corpus: list[bytes] = []
    signal.signal(signal.SIGALRM, too_long)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
    until = time.monotonic() + seconds
    for data in itertools.chain(target.seeds, iter(lambda: mutated(rng, corpus), None)):
        if time.monotonic() > until:
            break
        known = len(coverage.pairs)
        attempt(target, data, coverage, result)
        if len(coverage.pairs) > known or result.runs <= len(target.seeds):
            corpus.append(data)
    result.corpus, result.pairs = len(corpus), len(coverage.pairs)
    wanted = {
        (f.__code__.co_filename, line)
        for f in target.functions
        for *_, line in list(f.__code__.co_lines())[1:]
        if line and line != f.__code__.co_firstlineno
    }
    result.all_lines, result.lines = len(wanted), len(wanted & coverage.lines)
    result.missing = [f"{Path(file).name}:{line}" for file, line in sorted(wanted - coverage.lines)]
    return result


def attempt(target: Target, data: bytes, coverage: Coverage, result: Result) -> None:
    result.runs += 1
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    sys.settrace(coverage.call)
    try:
        target.read(data)
        result.accepted += 1
    except (WorkbenchError, ValueError):
        pass
    except BaseException as error:
        sys.settrace(None)
        result.findings.setdefault(f"{type(error).__name__}: {str(error)[:30]}", data)
    finally:
        sys.settrace(None)
        signal.setitimer(signal.ITIMER_REAL, 0)


def too_long(*_: object) -> None:
    raise FindingError(f"took more than {PATIENCE} s")


def fuzz_all(seconds: float, seed: int, processes: int = 1) -> list[Result]:
    """Every target for its part of the time."""
    share = seconds / len(TARGETS)
    with multiprocessing.get_context("fork").Pool(processes, maxtasksperchild=1) as pool:
        jobs = [pool.apply_async(_fuzz, (n, share, seed)) for n in range(len(TARGETS))]
        return [job.get() for job in jobs]


def _fuzz(number: int, seconds: float, seed: int) -> Result:
    return fuzz(TARGETS[number], seconds, seed)


def main() -> None:
    parser = argparse.ArgumentParser()
    page = Path(__file__).parent / "results" / "log_fuzz.md"
    parser.add_argument("--seconds", type=float, default=660)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=page)
    options = parser.parse_args()
    results = fuzz_all(options.seconds, options.seed)
    lines = [
        "# Fuzzing what the decision log reads",
        "",
        f"`python -m benchmarks.log_fuzz --seconds {options.seconds:.0f} --seed {options.seed}`,"
        f" which says how; {options.seconds / 60:.1f} minutes in all, Python"
        f" {platform.python_version()}, Linux {platform.release()}.",
        "",
        "Found and mended so far: a batch of the journal was accepted with its head spelt in other"
        " ways (`+0`, `1_0`, a length beyond its end).",
        "",
        "| parser | inputs | accepted | corpus | pairs of lines | lines of the parser reached |"
        " findings |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.name} | {r.runs:,} | {r.accepted:,} | {r.corpus} | {r.pairs} | {r.lines} of"
        f" {r.all_lines} | {len(r.findings)} |"
        for r in results
    ]
    lines += [
        "",
        "Not reached: " + ", ".join(f"{r.name} {r.missing}" for r in results if r.missing),
    ]
    lines += [f"- {r.name}: {k}, {v[:200]!r}" for r in results for k, v in r.findings.items()]
    options.out.write_text("\n".join([*lines, ""]))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
