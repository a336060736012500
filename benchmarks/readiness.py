"""Measures the readiness audit: time, memory, growth; and ten checks against two peers.

Run: python -m benchmarks.readiness --workspace DIR [--peers PYTHON] [--repeats 3] [--out FILE]

DIR is a workspace that ingested notebooks/sources/completejourney.toml. PYTHON has
great_expectations and pandera installed, in an environment of their own. Growth audits a third, two
thirds and all of the year. The ten checks are the same for all three: three columns
without gaps, two with a smallest value, one from a list, ids of a fixed form, one unique key, one
column between bounds, rows counted. Each peer gets the table as it likes it best: pandas frames,
read before its clock starts; ours reads Parquet within its time.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.item_master.duplicates import pair_table
from workbench.readiness.audit import Surroundings, audit
from workbench.readiness.checks import ITEM_PAIRS
from workbench.readiness.config import ReadinessConfig
from workbench.tables.store import TableStore

OUT = Path(__file__).with_name("results") / "readiness.md"
SIZES = (date(2017, 4, 30), date(2017, 8, 31), None)
TEN = {
    "order_id is there": "order_id IS NULL",
    "item_id is there": "item_id IS NULL",
    "date is there": "date IS NULL",
    "quantity >= 0": "quantity < 0",
    "price >= 0": "price < 0",
    "price <= 10,000": "price > 10000",
    "line between 1 and 1,000": "line NOT BETWEEN 1 AND 1000",
    "item_id is digits": "NOT regexp_full_match(item_id, '[0-9]+')",
    "location_id is digits": "NOT regexp_full_match(location_id, '[0-9]+')",
}
PEER = """
import sys, time, json
import pandas as pd
name, path = sys.argv[1:3]
frame = pd.concat([pd.read_parquet(one) for one in sorted(__import__("glob").glob(path))])
began = time.perf_counter()
if name == "pandera":
    import pandera.pandas as pa
    C, K = pa.Column, pa.Check
    schema = pa.DataFrameSchema({
        "order_id": C(nullable=False), "item_id": C(checks=K.str_matches("^[0-9]+$")),
        "date": C(nullable=False), "quantity": C(checks=K.ge(0)),
        "price": C(checks=[K.ge(0), K.le(10000)], nullable=True),
        "line": C(checks=K.in_range(1, 1000)),
        "location_id": C(checks=K.str_matches("^[0-9]+$")),
    }, unique=["order_id", "line"])
    schema.validate(frame, lazy=True)
    good = True
else:
    import great_expectations as gx
    import great_expectations.expectations as e
    context = gx.get_context(mode="ephemeral")
    batch = context.data_sources.add_pandas("p").add_dataframe_asset("a")
    definition = batch.add_batch_definition_whole_dataframe("b")
    suite = context.suites.add(gx.ExpectationSuite(name="s"))
    for one in [
        e.ExpectColumnValuesToNotBeNull(column="order_id"),
        e.ExpectColumnValuesToNotBeNull(column="item_id"),
        e.ExpectColumnValuesToNotBeNull(column="date"),
        e.ExpectColumnValuesToBeBetween(column="quantity", min_value=0),
        e.ExpectColumnValuesToBeBetween(column="price", min_value=0),
        e.ExpectColumnValuesToBeBetween(column="price", max_value=10000),
        e.ExpectColumnValuesToBeBetween(column="line", min_value=1, max_value=1000),
        e.ExpectColumnValuesToMatchRegex(column="item_id", regex="^[0-9]+$"),
        e.ExpectColumnValuesToMatchRegex(column="location_id", regex="^[0-9]+$"),
        e.ExpectCompoundColumnsToBeUnique(column_list=["order_id", "line"]),
    ]:
        suite.add_expectation(one)
    check = gx.ValidationDefinition(name="v", data=definition, suite=suite)
    context.validation_definitions.add(check)
    good = bool(check.run(batch_parameters={"dataframe": frame}).success)
print(json.dumps({"seconds": time.perf_counter() - began, "good": good, "rows": len(frame)}))
"""


def ten_checks(store: TableStore) -> tuple[float, int]:
    """Seconds and breaches of the ten checks as one query over the store."""
    began = time.perf_counter()
    counts = ", ".join(f"count(*) FILTER ({condition})" for condition in TEN.values())
    found = store.query(
        f"SELECT {counts}, count(*) - count(DISTINCT (order_id, line)) FROM order_lines"
    )
    return time.perf_counter() - began, int(found.sum(axis=1)[0])


def peer(python: str, name: str, parquet: str) -> dict[str, Any]:
    environment = {**os.environ, "GX_ANALYTICS_ENABLED": "false", "TQDM_DISABLE": "1"}
    done = subprocess.run(
        [python, "-c", PEER, name, parquet], capture_output=True, text=True, check=True,
        env=environment,
    )  # fmt: skip
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def one_audit(workspace: Path, until: str) -> None:
    """In a process of its own, so that the memory is its own: prints seconds, rows and peak."""
    store = TableStore(workspace / "data" / "tables")
    day = date.fromisoformat(until) if until else None
    versions = {name: store.current(name) for name in store.tables() if name != "findings"}
    deliveries = pd.DataFrame(
        [
            (v.table, v.version, v.created_at.replace(tzinfo=None), v.last_observed)
            for v in versions.values()
        ],
        columns=["table_name", "version", "loaded", "last_observed"],
    )
    began = time.perf_counter()
    beside = {ITEM_PAIRS: pair_table(store.read(versions["items"]))}
    result = audit(
        lambda sql: store.query(sql, versions=versions, as_of=day, beside=beside),
        [*versions, ITEM_PAIRS],
        config=ReadinessConfig(),
        surroundings=Surroundings(deliveries=deliveries, contracts_kept=True),
    )  # fmt: skip
    seconds = time.perf_counter() - began
    rows = store.query("SELECT count(*) AS n FROM order_lines", as_of=day)["n"][0]
    print(json.dumps({
        "seconds": seconds, "cpu": time.process_time(), "lines": int(rows),
        "measured": int((result.checks["status"] == "measured").sum()),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }))  # fmt: skip


def growth(workspace: Path) -> list[dict[str, Any]]:
    found = []
    for day in SIZES:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.readiness", "--workspace", str(workspace),
             "--one", day.isoformat() if day else "all"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        found.append(json.loads(done.stdout.strip().splitlines()[-1]))
    return found


def page(sizes: list[dict[str, Any]], ours: list[float], peers: dict[str, list[float]]) -> str:
    best = min(ours)
    lines = [
        "# The readiness audit", "",
        f"`python -m benchmarks.readiness` on {os.cpu_count()} cores, {platform.system()},"
        f" Python {platform.python_version()}; load average {os.getloadavg()[0]:.1f} at the end.",
        "", "## All checks over Complete Journey, growth over the year", "",
        "| order lines | checks measured | s | CPU s | peak GiB |", "|--:|--:|--:|--:|--:|",
        *(
            f"| {one['lines']:,} | {one['measured']} | {one['seconds']:.1f} | {one['cpu']:.1f} |"
            f" {one['peak']:.2f} |"
            for one in sizes
        ),
        "", "Promotions (23.3 million rows) are planned ahead and read whole at every size.", "",
        "## Ten checks of 1,469,307 order lines", "",
        "| | fastest s | slowest s | times ours |", "|---|--:|--:|--:|",
        f"| workbench, Parquet to answer | {best:.2f} | {max(ours):.2f} | 1 |",
        *(
            f"| {name}, frame in memory | {min(times):.2f} | {max(times):.2f} |"
            f" {min(times) / best:.1f} |"
            for name, times in peers.items()
        ),
        "", f"The checks: {'; '.join(TEN)}; the key order_id, line occurs once.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, default=Path())
    parser.add_argument("--peers", default="")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", default="")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    if given.one:
        one_audit(given.workspace, "" if given.one == "all" else given.one)
        return
    store = TableStore(given.workspace / "data" / "tables")
    parquet = str(store.current("order_lines").path / "*.parquet")
    ours, peers = [], dict[str, list[float]]()
    for _ in range(given.repeats):
        seconds, breaches = ten_checks(store)
        if breaches:
            raise SystemExit(f"{breaches} breaches; expected none")
        ours.append(seconds)
        for name in ("Great Expectations", "pandera") if given.peers else ():
            peers.setdefault(name, []).append(peer(given.peers, name, parquet)["seconds"])
    given.out.write_text(page(growth(given.workspace), ours, peers))
    print(given.out.read_text())


if __name__ == "__main__":
    main()
