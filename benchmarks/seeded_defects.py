"""Measures whether the readiness audit finds what is planted: every fault, one at a time.

Run: python -m benchmarks.seeded_defects [--injections 50] [--seed 7] [--out FILE]

Tables of a small chain of shops without an error are audited first: no finding of level error may
appear. Then each fault of `defects/inject.py` damages a copy of them in so many places, and the
check that answers for it has to name every damaged key. The faults are written on frames, without
the checks' SQL.
"""

import argparse
import datetime
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from benchmarks.defects.clean import Tables, clean_tables
from benchmarks.defects.inject import DEFECTS, Defect
from workbench.contracts import tables as contracts
from workbench.contracts.relation_checks import SQL_TYPES
from workbench.item_master.duplicates import pair_table
from workbench.readiness.audit import Audit, Surroundings, audit, beside
from workbench.readiness.checks import BESIDE, ITEM_PAIRS, all_checks
from workbench.readiness.config import ReadinessConfig

CONFIG = ReadinessConfig()
OUT = Path(__file__).with_name("results") / "seeded_defects.md"


@dataclass(frozen=True)
class Outcome:
    """Of one fault: keys planted, planted keys found, and other keys found that were not before."""

    defect: Defect
    planted: int
    found: int
    further: int


def warehouse(tables: Tables, only: Sequence[str] = ()) -> duckdb.DuckDBPyConnection:
    """The tables in DuckDB, with the types of their contracts."""
    connection = duckdb.connect()
    for name in [name for name in only or tables if name not in BESIDE]:
        columns = contracts.contract(name).columns
        described = ", ".join(f'"{column.name}" {SQL_TYPES[column.type]}' for column in columns)
        connection.execute(f"CREATE TABLE {name} ({described})")
        frame = tables[name]
        connection.register("frame", frame)
        names = ", ".join(f'"{column}"' for column in frame.columns)
        connection.execute(f"INSERT INTO {name} BY NAME SELECT {names} FROM frame")
        connection.unregister("frame")
    if "items" in tables and (not only or ITEM_PAIRS in only):
        connection.register(ITEM_PAIRS, pair_table(tables["items"]))
    return connection


def day_after(tables: Tables) -> datetime.datetime:
    last: pd.Timestamp = tables["sales"]["date"].max()
    return (last + pd.Timedelta(hours=30)).to_pydatetime()


def delivered(tables: Tables) -> pd.DataFrame:
    """What an audit knows beside the rows: each version on account came the day after."""
    loads = tables["loads"]
    return pd.DataFrame(
        {
            "table_name": loads["loaded_table"], "version": loads["loaded_version"],
            "loaded": day_after(tables), "last_observed": None,
        }
    )  # fmt: skip


def audit_clean(tables: Tables) -> Audit:
    with warehouse(tables) as connection:
        return audit(
            lambda sql: connection.execute(sql).df(), [*tables, ITEM_PAIRS], config=CONFIG,
            surroundings=Surroundings(deliveries=delivered(tables)),
        )  # fmt: skip


def affected_keys(tables: Tables, check_id: str, key: list[str]) -> set[tuple[str, ...]]:
    check = next(item for item in all_checks() if item.id == check_id)
    prefix, _ = beside(delivered(tables))
    with warehouse(tables, check.reads) as connection:
        columns = ", ".join(f'"{name}"' for name in key)
        rows = connection.execute(
            f"{prefix}SELECT {columns} FROM ({check.query(CONFIG)}) WHERE affected"
        ).df()
    return _keys(rows)


def _keys(rows: pd.DataFrame) -> set[tuple[str, ...]]:
    return {tuple(str(value) for value in row) for row in rows.itertuples(index=False)}


def try_defect(clean: Tables, defect: Defect, *, injections: int, seed: int) -> Outcome:
    damaged = {name: frame.copy() for name, frame in clean.items()}
    planted_rows = defect.damage(damaged, np.random.default_rng(seed), injections)
    key = list(planted_rows.columns)
    planted = _keys(planted_rows)
    before = affected_keys(clean, defect.check_id, key)
    after = affected_keys(damaged, defect.check_id, key)
    return Outcome(defect, len(planted), len(planted & after), len(after - before - planted))


def page(result: Audit, outcomes: Sequence[Outcome], injections: int, seconds: float) -> str:
    errors = result.findings[result.findings["severity"] == "error"]
    notes = ", ".join(f"{row.check_id} ({row.severity})" for row in result.findings.itertuples())
    planted, found = sum(o.planted for o in outcomes), sum(o.found for o in outcomes)
    lines = [
        "# Planted defects",
        "",
        f"`python -m benchmarks.seeded_defects --injections {injections}` on {platform.system()},"
        f" Python {platform.python_version()}, DuckDB {duckdb.__version__}; {seconds:.0f} s.",
        "",
        f"{len(outcomes)} faults, {injections} times each: {found:,} of {planted:,} found"
        f" ({found / planted:.2%}).",
        "",
        f"Before any damage: {len(result.checks)} checks, {len(errors)} findings of level error."
        f" What else they say about the clean tables, truly: {notes or 'nothing'}.",
        "",
        "| fault | check | planted | found | further keys |",
        "|---|---|--:|--:|--:|",
        *(
            f"| {o.defect.story} | `{o.defect.check_id}` | {o.planted} | {o.found} | {o.further} |"
            for o in outcomes
        ),
        "",
        "Further keys are affected by the damage too: the day after a wrong count does not follow"
        " from it either, a copied GTIN is shared by its original, half a case can equal a pack.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--injections", type=int, default=50)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    began = time.monotonic()
    clean = clean_tables(seed=given.seed)
    result = audit_clean(clean)
    outcomes = [
        try_defect(clean, defect, injections=given.injections, seed=given.seed)
        for defect in DEFECTS
    ]
    given.out.write_text(page(result, outcomes, given.injections, time.monotonic() - began))
    missed = [o for o in outcomes if o.found < o.planted]
    print(given.out.read_text())
    if missed or (result.findings["severity"] == "error").any():
        raise SystemExit(f"missed: {[o.defect.check_id for o in missed]}")


if __name__ == "__main__":
    main()
