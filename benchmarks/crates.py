"""Every notebook's newest run as a crate, each executed again in a fresh workspace.

Run: python -m benchmarks.crates [WORKSPACE] [--out FILE]

WORKSPACE (default: the current folder) is one in which the demo has run; it is only read. Times
are wall-clock.
"""

import argparse
import os
import platform
import tempfile
import time
from pathlib import Path

from workbench.runs.crate import write_crate
from workbench.runs.ledger import Ledger, RunRow
from workbench.runs.rerun import Rerun, rerun
from workbench.workspace import CONFIG_FILE, Workspace, open_workspace

OUT = Path(__file__).with_name("results") / "crates.md"
HEAD = """# Runs executed again from their crates

`python -m benchmarks.crates WORKSPACE` on {cores} cores, {system}, Python {python}; load average
{load:.1f} at the end.

Each complete run of the demo's notebooks, written with `workbench runs show RUN --crate`, executed
with `workbench runs rerun` in a workspace that holds nothing else. A table agrees if every value
does (content digest, without run ids). Files that name their run, as captions of figures do, have
other bytes.

| run | crate, MiB | written, s | executed, s | tables that agree | files with the same bytes |
|---|---|---|---|---|---|
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path, nargs="?", default=Path())
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    space = open_workspace(options.workspace)
    lines, differs = [], set[str]()
    for row in newest(space):
        line, done = measured(space, row)
        print(line, *done.differs, flush=True)
        lines.append(line)
        differs.update(done.differs)
    text = HEAD.format(
        cores=os.cpu_count(), system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(), load=os.getloadavg()[0],
    )  # fmt: skip
    text += "\n".join(lines) + "\n"
    if differs:
        text += f"\nNot as at the time of the runs: {'; '.join(sorted(differs))}.\n"
    options.out.write_text(text, encoding="utf-8")


def newest(space: Workspace) -> list[RunRow]:
    """The newest complete run of each notebook, by name."""
    rows = {
        row.job: row
        for row in reversed(Ledger(space.ledger).latest(1000))
        if row.kind == "notebook" and row.status == "complete"
    }
    return [rows[job] for job in sorted(rows)]


def measured(space: Workspace, row: RunRow) -> tuple[str, Rerun]:
    with tempfile.TemporaryDirectory() as place:
        crate, other = Path(place) / "run.zip", Path(place) / "other"
        other.mkdir()
        (other / CONFIG_FILE).write_text('[workspace]\nname = "other"\n', encoding="utf-8")
        began = time.monotonic()
        write_crate(space, row, crate)
        written = time.monotonic()
        done = rerun(open_workspace(other), crate)
        executed = time.monotonic()
        size = crate.stat().st_size / 2**20
    tables = [one for one in done.outputs if one.kind == "table"]
    files = [one for one in done.outputs if one.kind == "file"]
    agree = f"{sum(one.agrees for one in tables)} of {len(tables)}"
    same = f"{sum(one.agrees for one in files)} of {len(files)}"
    line = (
        f"| {row.job} | {size:.1f} | {written - began:.1f} | {executed - written:.0f} | {agree} |"
        f" {same} |"
    )
    return line, done


if __name__ == "__main__":
    main()
