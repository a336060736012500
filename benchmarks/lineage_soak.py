"""Lineage over many runs, well and badly ended: is every event valid, every life whole?

Run: python -m benchmarks.lineage_soak [--schemas FOLDER] [--runs 200] [--seed 1] [--out FILE]

Small notebooks are run one after another in one workspace, each by a process of its own: some
complete, some raise, in some the kernel kills itself, in some the runner is killed (SIGKILL) or
interrupted (SIGINT) at a random moment, some are refused for what they write. Between them files
are ingested, and kernels that somebody works in (`%load_ext workbench`) are stopped or killed. What
a process left open is ended by the next start. Then the whole journal goes through the strict
validator with the official schemas, and every run of the ledger must have exactly one START and
one ending.
"""

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import nbformat
import pandas as pd
from jupyter_client.manager import KernelManager
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from workbench.lineage.journal import Journal
from workbench.lineage.validate import validate_journal
from workbench.runs.check_lineage import check_workspace
from workbench.runs.ledger import Ledger
from workbench.runs.recover import recover
from workbench.tables.store import TableStore
from workbench.workspace import Workspace, open_workspace

RESULTS: Final = Path(__file__).resolve().parent / "results" / "lineage_soak.md"
PATIENCE_S: Final = 600  # of a machine that does other work too
KINDS: Final = {
    "completes": 30, "raises": 15, "kernel dies": 10, "runner killed": 15, "interrupted": 10,
    "refused": 5, "ingest": 5, "session": 5, "session killed": 5,
}  # fmt: skip
CELLS: Final = {
    "completes": "run.write('segments', frame)",
    "raises": "raise ValueError('no password=hunter2 here')",
    "kernel dies": "import os\nos.kill(os.getpid(), 9)",
    "runner killed": "import time\ntime.sleep(20)\nrun.write('segments', frame)",
    "interrupted": "import time\ntime.sleep(20)\nrun.write('segments', frame)",
    "refused": "run.write('kpis', frame)",
}
SOURCES: Final = """[[source]]
name = "supplier list"
kind = "csv"
path = "suppliers.csv"
table = "suppliers"
[source.columns]
supplier_id = "supplier_id"
country = "country"
"""
SESSION: Final = (
    "%load_ext workbench",
    "import pandas as pd\nfrom workbench.runs import artefacts\nrun = artefacts.open()",
    "run.read('sales')\nrun.query('SELECT count(*) FROM sales')",
    "from workbench.tables.store import TableStore\nstore = TableStore(run.workspace.tables)\n"
    "rows = pd.DataFrame({'location_id': ['S1'], 'kind': ['store']})\n"
    "store.write('locations', rows, provenance='source', source='by hand')",
)


@dataclass(frozen=True)
class Outcome:
    """How one process was meant to end, and with which code it did; None: it never did."""

    kind: str
    code: int | None


def make_workspace(root: Path) -> Workspace:
    """A workspace with two small tables and a notebook for each kind of ending."""
    command = [sys.executable, "-m", "workbench", "init", str(root)]
    subprocess.run(command, check=True, capture_output=True)
    workspace = open_workspace(root)
    for path in workspace.notebooks.glob("[0-9]*.ipynb"):
        path.unlink()
    store, days = TableStore(workspace.tables), pd.date_range("2026-01-01", periods=60)
    sales = {"item_id": "A", "location_id": "S1", "date": days, "channel": "store",
             "quantity": 1.0, "revenue": 2.0, "in_stock": None}  # fmt: skip
    store.write("sales", pd.DataFrame(sales), provenance="source", source="soak")
    for number, (kind, last) in enumerate(CELLS.items(), 10):
        _write_notebook(workspace.notebooks / f"{number}-{kind.replace(' ', '-')}.ipynb", last)
    return workspace


def _write_notebook(path: Path, last: str) -> None:
    cells = [
        new_markdown_cell("# Soak\n\n**Owner:** benchmarks."),  # type: ignore[no-untyped-call]
        new_code_cell("seed: int = 1  # of nothing"),  # type: ignore[no-untyped-call]
        *(
            new_code_cell(source)  # type: ignore[no-untyped-call]
            for source in (
                "import pandas as pd\nfrom workbench.runs import artefacts",
                "run = artefacts.open()\n"
                "sales = run.read('sales', where=\"item_id IN ('A', 'B') AND quantity > 0\")",
                "total = run.query('SELECT sum(quantity) AS units FROM sales')",
                "frame = pd.DataFrame([{'item_id': 'A', 'location_id': 'S1', 'segment': 'AX',"
                " 'abc': 'A', 'xyz': 'X', 'pattern': 'smooth',"
                " 'revenue': float(total['units'][0]) + seed, 'demand_mean': 1.0, 'policy': 'p'}])",
                last,
            )
        ),
    ]
    cells[1].metadata["tags"] = ["parameters"]
    book = new_notebook(cells=cells)  # type: ignore[no-untyped-call]
    book.metadata["workbench"] = {
        "config": "benchmarks.lineage_soak_config:SoakConfig", "reads": ["sales"],
        "writes": ["segments"], "made_from": {
            "segments": "workbench.segmentation.made_from:SEGMENTS"},
    }  # fmt: skip
    nbformat.write(book, path)  # type: ignore[no-untyped-call]


def one_run(workspace: Workspace, kind: str, seed: int, chance: random.Random) -> Outcome:
    """A process that runs the notebook of a kind, stopped at a random moment where it is meant."""
    if kind.startswith("session"):
        return Outcome(kind, session(workspace, killed=kind == "session killed"))
    if kind == "ingest":
        return Outcome(kind, ingest(workspace, seed))
    numbers = {kind: number for number, kind in enumerate(CELLS, 10)}
    name = f"{numbers[kind]}-{kind.replace(' ', '-')}"
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench", "run", name, "-p", f"seed={seed}"],
        cwd=workspace.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)},
    )  # fmt: skip
    if kind in ("runner killed", "interrupted"):
        _wait_for_start(workspace, process)
        time.sleep(chance.uniform(0, 3))
        process.send_signal(signal.SIGKILL if kind == "runner killed" else signal.SIGINT)
    try:
        return Outcome(kind, process.wait(timeout=PATIENCE_S))
    except subprocess.TimeoutExpired:
        process.kill()
        return Outcome(kind, None)


def ingest(workspace: Workspace, seed: int) -> int:
    """A new file of suppliers; every third has an id twice and is refused."""
    ids = [f"V{seed}", f"V{seed if seed % 3 == 0 else seed + 1}"]
    folder = workspace.root / "sources"
    folder.mkdir(exist_ok=True)
    (folder / "suppliers.toml").write_text(SOURCES, encoding="utf-8")
    rows = "".join(f"{one},NL\n" for one in ids)
    (folder / "suppliers.csv").write_text(f"supplier_id,country\n{rows}", encoding="utf-8")
    command = [sys.executable, "-m", "workbench", "ingest", "sources/suppliers.toml"]
    return subprocess.run(command, cwd=workspace.root, check=False, capture_output=True).returncode


def session(workspace: Workspace, *, killed: bool) -> int:
    """A kernel, as JupyterLab starts one, that reads and writes, and is stopped or killed."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(
        cwd=str(workspace.notebooks),
        env={**os.environ, "JPY_SESSION_NAME": str(workspace.notebooks / "look.ipynb")},
    )
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE_S)
        replies = [client.execute(cell, reply=True, timeout=PATIENCE_S) for cell in SESSION]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=killed)
    return sum(reply["content"]["status"] != "ok" for reply in replies)


def _wait_for_start(workspace: Workspace, process: subprocess.Popen[bytes]) -> None:
    """Until the process has begun to run: before that there is nothing to break off."""
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline:
        if any(row.pid == process.pid for row in Ledger(workspace.ledger).running()):
            return
        time.sleep(0.02)


@dataclass(frozen=True)
class Verdict:
    """What the validator and the ledger say after all runs."""

    events: int
    kinds: Counter[str]
    problems: list[str]


def verdict(workspace: Workspace, schemas: Path) -> Verdict:
    """Validate the whole journal and compare it with the ledger."""
    recover(workspace)
    journal = Journal(workspace.lineage)
    report = validate_journal(workspace.lineage, schemas)
    problems = [str(one) for one in report.problems]
    problems += [str(one) for one in check_workspace(workspace) if one.is_problem]
    problems += [f"run {run_id} is still open" for run_id in report.open_runs]
    kinds = Counter(str(event["eventType"]) for event in journal.events())
    if kinds["START"] != kinds["COMPLETE"] + kinds["FAIL"] + kinds["ABORT"]:
        problems.append(f"starts and endings differ: {dict(kinds)}")
    if any(b"hunter2" in line.data for line in journal.lines()):
        problems.append("a secret is in the journal")
    return Verdict(sum(kinds.values()), kinds, problems)


def soak(folder: Path, schemas: Path, *, runs: int, seed: int) -> tuple[list[Outcome], Verdict]:
    """All runs, then the verdict."""
    chance = random.Random(seed)
    workspace = make_workspace(folder / "soak")
    kinds = chance.choices(list(KINDS), weights=list(KINDS.values()), k=runs)
    outcomes = [one_run(workspace, kind, number, chance) for number, kind in enumerate(kinds)]
    found = verdict(workspace, schemas)
    hung = [f"a run meant to be {one.kind} did not end" for one in outcomes if one.code is None]
    return outcomes, replace(found, problems=[*hung, *found.problems])


def page(outcomes: Sequence[Outcome], found: Verdict, seed: int) -> str:
    """The results as Markdown."""
    codes: dict[str, Counter[str]] = {}
    for one in outcomes:
        codes.setdefault(one.kind, Counter())[str(one.code)] += 1
    rows = "\n".join(
        f"| {kind} | {sum(of.values())} | {', '.join(f'{c}: {n}' for c, n in sorted(of.items()))} |"
        for kind, of in sorted(codes.items())
    )
    endings = ", ".join(f"{kind} {found.kinds[kind]}" for kind in sorted(found.kinds))
    problems = "\n".join(f"- {text}" for text in found.problems) or "None."
    return f"""# Lineage soak

`python -m benchmarks.lineage_soak --schemas FOLDER --runs {len(outcomes)} --seed {seed}` on
Python {platform.python_version()}.

| meant to | runs | exit codes |
|---|---|---|
{rows}

{found.events} events: {endings}. Every event against the client's classes, names, life of its run,
our schemas and the official ones with formats; every run of the ledger against its events.

Problems: {problems}
"""


def main() -> None:
    """Run, judge, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    shared = Path(os.environ.get("WORKBENCH_SHARED", "../shared"))
    parser.add_argument("--schemas", type=Path, default=shared / "vectors/openlineage/spec")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    # A shell's background job ignores SIGINT, and so would every process that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["WORKBENCH_KEYS"] = f"{temporary}/keys"
        outcomes, found = soak(
            Path(temporary), options.schemas, runs=options.runs, seed=options.seed
        )
    options.out.write_text(page(outcomes, found, options.seed), encoding="utf-8")
    print(options.out.read_text(encoding="utf-8"))
    sys.exit(json.dumps(found.problems) if found.problems else 0)


if __name__ == "__main__":
    main()
