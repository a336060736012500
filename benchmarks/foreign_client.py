"""Proves a log of ours with a foreign client: Go's sumdb packages, which nobody here wrote.

Run: python -m benchmarks.foreign_client [--entries 100000] [--checkpoints 100] [--mutations 1000]

The client under `tests/foreign/verify_log` verifies the inclusion of every entry and the
consistency between all kept checkpoints. Then files that the log needs are altered at random, one
at a time, and the client must refuse each; leftover partial tiles are no part of the log.
"""

import argparse
import os
import platform
import random
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.decision_log.append import DecisionLog
from workbench.decision_log.index import LogIndex
from workbench.decision_log.note import Signer, generate_signer
from workbench.decision_log.storage import FolderStorage
from workbench.decision_log.tiles import decode_bundle, encode_bundle

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "foreign_client.md"
SOURCE = ROOT / "tests" / "foreign" / "verify_log"
GO_PATH = Path("/usr/share/gocode")
PACKAGE = GO_PATH / "src" / "golang.org" / "x" / "mod" / "sumdb" / "tlog"
SAID_BY_THE_CLIENT = "verify_log: "


class MissingClientError(Exception):
    """Go or its package is not installed."""


@dataclass(frozen=True)
class Mutation:
    """A file of the log or a kept checkpoint with other content; `data` None removes it."""

    kind: str
    path: Path
    data: bytes | None


def build_client(folder: Path) -> Path:
    """Compile the client from Debian's packages, without any network.

    Raises:
        MissingClientError: Saying what is not installed.
    """
    if shutil.which("go") is None or not PACKAGE.is_dir():
        raise MissingClientError("needs Debian's golang-go and golang-golang-x-mod-dev")
    program = folder / "verify_log"
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": str(GO_PATH), "GOFLAGS": ""}
    environment |= {"GOCACHE": str(folder / "cache"), "GOPROXY": "off"}
    command = ["go", "build", "-o", str(program), "."]
    subprocess.run(command, cwd=SOURCE, env=environment, check=True)
    return program


def refusal(
    program: Path, key: str, log: Path | str, kept: Path, *, witness: str = "", earlier: str = ""
) -> str | None:
    """What the client says against a log in a folder or at a URL; None where it verifies.

    A client that crashes has not refused: that raises.
    """
    command = [str(program), "-key", key, "-kept", str(kept), "-witness", witness]
    command += ["-earlier", earlier, str(log)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0 and done.stdout.startswith("verified: "):
        return None
    if done.returncode != 1 or not done.stderr.startswith(SAID_BY_THE_CLIENT):
        raise RuntimeError(f"exit {done.returncode}: {done.stderr}{done.stdout}")
    return done.stderr.removeprefix(SAID_BY_THE_CLIENT).strip()


def write_log(folder: Path, entries: int, checkpoints: int, signer: Signer) -> tuple[Path, Path]:
    """A log of ours and a folder with the checkpoints of its growth, the last one its own."""
    log, kept = folder / "log", folder / "kept"
    kept.mkdir(parents=True)
    writer = DecisionLog(FolderStorage(log), signer, LogIndex(folder / "index.sqlite"))
    current = writer.checkpoint().size
    for number in range(1, checkpoints + 1):
        size = entries * number // checkpoints
        writer.append_entries([_entry(index) for index in range(current, size)])
        (kept / f"{size:09d}").write_bytes((log / "checkpoint").read_bytes())
        current = size
    return log, kept


def _entry(index: int) -> bytes:
    return b'{"id":"d%d","kind":"proposal","quantity":%d}' % (index, index % 97)


def needed_files(log: Path, size: int) -> list[Path]:
    """Checkpoint, tiles and bundles of a tree, by the arithmetic of c2sp.org/tlog-tiles."""
    paths = [log / "checkpoint"]
    for level in ("entries", 0, 1, 2, 3):
        nodes = size >> 8 * (level if isinstance(level, int) else 0)
        for number in range(-(-nodes // 256)):
            width = min(256, nodes - number * 256)
            suffix = "" if width == 256 else f".p/{width}"
            group = f"x{number // 1000:03d}/" if number >= 1000 else ""
            paths.append(log / f"tile/{level}/{group}{number % 1000:03d}{suffix}")
    return paths


def mutations(
    log: Path, kept: Path, size: int, *, count: int, rng: random.Random
) -> Iterator[Mutation]:
    """Random alterations of the log's own files; three of four flip a byte."""
    groups = [
        [path for path in needed_files(log, size) if "entries" in path.parts],
        [path for path in needed_files(log, size) if "entries" not in path.parts],
        [log / "checkpoint", *sorted(kept.iterdir())],
    ]
    for _ in range(count):
        path = rng.choice(rng.choice(groups))
        kinds = ["byte flipped"] * 9 + ["file cut", "bytes added", "file removed"]
        if path.parent == kept:  # a checkpoint that nobody kept is no change of the log
            kinds.remove("file removed")
        if "entries" in path.parts and path.name != "1":  # a bundle of one has no order
            kinds += ["entry removed", "entries swapped", "entry repeated"]
        kind = rng.choice(kinds)
        yield Mutation(kind, path, _altered(kind, path.read_bytes(), rng))


def _altered(kind: str, data: bytes, rng: random.Random) -> bytes | None:
    position = rng.randrange(len(data))
    match kind:
        case "byte flipped":
            byte = bytes([data[position] ^ rng.randrange(1, 256)])
            return data[:position] + byte + data[position + 1 :]
        case "file cut":
            return data[:position]
        case "bytes added":
            return data + rng.randbytes(rng.randrange(1, 40))
        case "file removed":
            return None
    entries = decode_bundle(data, "bundle")
    first, second = sorted(rng.sample(range(len(entries)), 2))
    if kind == "entry removed":
        del entries[first]
    elif kind == "entries swapped":
        entries[first], entries[second] = entries[second], entries[first]
    else:
        entries.insert(first, entries[first])
    return encode_bundle(entries)


def refusal_of(program: Path, key: str, log: Path, kept: Path, mutation: Mutation) -> str | None:
    """Put a mutation in place, ask the client, and put the file back."""
    original = mutation.path.read_bytes()
    try:
        if mutation.data is None:
            mutation.path.unlink()
        else:
            mutation.path.write_bytes(mutation.data)
        return refusal(program, key, log, kept)
    finally:
        mutation.path.write_bytes(original)


def main() -> None:
    """Write a log, verify it, alter it, and write the page."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--entries", type=int, default=100_000)
    arguments.add_argument("--checkpoints", type=int, default=100)
    arguments.add_argument("--mutations", type=int, default=1_000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--out", type=Path, default=RESULTS)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        try:
            program = build_client(Path(name))
        except MissingClientError as missing:
            print(f"skipped: {missing}")
            return
        text = _proof(program, Path(name), given)
    given.out.write_text(text, encoding="utf-8")
    print(text)


def _proof(program: Path, folder: Path, given: argparse.Namespace) -> str:
    signer = generate_signer("example.com/decisions")
    key = signer.verifier.encode()
    log, kept = write_log(folder, given.entries, given.checkpoints, signer)
    began = time.perf_counter()
    said = refusal(program, key, log, kept)
    took = time.perf_counter() - began
    if said is not None:
        raise SystemExit(f"the client refuses a log of ours: {said}")
    tried: Counter[tuple[str, bool]] = Counter()
    rng = random.Random(given.seed)
    for mutation in mutations(log, kept, given.entries, count=given.mutations, rng=rng):
        said = refusal_of(program, key, log, kept, mutation)
        if said is None:
            print(f"ACCEPTED: {mutation.kind} in {mutation.path.relative_to(folder)}")
        tried[mutation.kind, said is not None] += 1
    if refusal(program, key, log, kept) is not None:
        raise SystemExit("the log no longer verifies after its files were put back")
    return _report(given, took, tried)


def _report(given: argparse.Namespace, took: float, tried: Counter[tuple[str, bool]]) -> str:
    go = subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout
    refused = sum(count for (_, said), count in tried.items() if said)
    lines = [
        "# A foreign client verifies our log",
        "",
        f"`python -m benchmarks.foreign_client --entries {given.entries} --checkpoints"
        f" {given.checkpoints} --mutations {given.mutations} --seed {given.seed}` on"
        f" {os.cpu_count()} cores, Linux {platform.release()}, {' '.join(go.split()[2:])}; load"
        f" average {os.getloadavg()[0]:.1f} at the end.",
        "",
        "The client is a small Go program, `tests/foreign/verify_log`, on Debian's"
        " `golang.org/x/mod/sumdb/tlog` and `sumdb/note`: hashing, proofs, signatures are theirs.",
        "",
        f"It verified the inclusion of all {given.entries:,} entries and the consistency between"
        f" {given.checkpoints} kept checkpoints in {took:.1f} s, and refused"
        f" **{refused:,} of {sum(tried.values()):,}** random mutations.",
        "",
        "| mutation of one file | tried | refused |",
        "|---|---|---|",
    ]
    for kind in sorted({kind for kind, _ in tried}):
        lines.append(f"| {kind} | {tried[kind, True] + tried[kind, False]} | {tried[kind, True]} |")
    lines += [
        "",
        "A third of the mutations each hits entries, tiles and checkpoints (the log's own or kept"
        " ones). Leftover partial tiles of earlier sizes, no part of the log, were left alone.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
