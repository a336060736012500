"""Which columns the `findings` table is made from: those that the checks' queries look at."""

import json
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import duckdb

from workbench.contracts.made_from import MadeFrom, Uses, aggregated, filtered
from workbench.contracts.tables import contract
from workbench.readiness.checks import BESIDE, DELIVERIES, Check, all_checks
from workbench.readiness.config import ReadinessConfig
from workbench.tables.plan import columns_read, in_any_order, rows_alone

# What the audit knows beside the tables (`audit.beside`). Of pairs it counts which columns of
# `items` the matcher compares (`item_master/duplicates.py`).
_BESIDE: Final = (
    "CREATE TABLE deliveries(table_name VARCHAR, version VARCHAR, loaded TIMESTAMP,"
    " last_observed DATE);"
    " CREATE VIEW audit_day AS SELECT CAST(max(loaded) AS DATE) AS today FROM deliveries;"
    " CREATE VIEW item_pairs AS WITH pairs AS MATERIALIZED (SELECT item_id, concat(description,"
    " brand, manufacturer, category, gtin, pack_size, pack_uom, pack_count) AS duplicate_id, 1.0"
    " AS score FROM items) FROM pairs"
)
_LAST_DAY: Final = f"{DELIVERIES}.last_observed"
Answers = Mapping[str, str]
"""By answer of a check, `table.column` of what it looks at, separated by spaces."""


@lru_cache(maxsize=1)
def check_columns() -> Mapping[str, Answers]:
    """By id of each check that ships, what DuckDB's plan of it reads.

    Written by `python scripts/derive_check_columns.py`; a test derives it again.
    """
    text = files("workbench.readiness").joinpath("check_columns.json").read_text("utf-8")
    found: Mapping[str, Answers] = json.loads(text)
    return found


def columns_of(check: Check, config: ReadinessConfig) -> dict[str, str]:
    """What each answer of a check looks at, by a plan of only that.

    Raises:
        duckdb.Error: Its query cannot be planned.
    """
    query = check.counted(config)
    # How many rows there are does not follow from what is written in them, and how many of them
    # are not the first of their kind, not from which one is.
    asked_of = {"affected": in_any_order(query, "affected"), "checked": rows_alone(query)}
    rows = {} if check.totals else asked_of
    return {
        answer: _names(
            f"{table}.{name}"
            for table, name in sorted(
                columns_read(f"SELECT {asked} FROM ({rows.get(answer, query)})", beside=_BESIDE)
            )
        )
        for answer, asked in check.counts().items()
    }


def findings(read: Collection[str]) -> MadeFrom:
    """Of the checks that ship, where their tables are all there.

    Args:
        read: Tables at hand.
    """
    columns = check_columns()
    return _statement((columns[check.id] for check in _asked(all_checks(), read)), read)


def own_findings(folder: Path | None, read: Collection[str], config: ReadinessConfig) -> MadeFrom:
    """Of the checks of a workspace's own.

    Args:
        folder: Where they are; None: it has none.
        read: Tables at hand.
        config: Limits that they use.
    """
    shipped = set(check_columns())
    own = [check for check in _asked(all_checks(folder), read) if check.id not in shipped]
    return _statement((_planned(check, config) for check in own), read)


def _asked(checks: Iterable[Check], read: Collection[str]) -> list[Check]:
    """Checks that the tables at hand allow, less those whose rows the store refuses."""
    known = {*read, *BESIDE}
    return [one for one in checks if set(one.reads) <= known and not one.kept_at_load]


def _planned(check: Check, config: ReadinessConfig) -> Answers:
    try:
        return columns_of(check, config)
    except duckdb.Error:  # it runs on the tables at hand, yet not on empty ones: say too much
        tables = [table for table in check.reads if table not in BESIDE]
        every = " ".join(f"{table}.{name}" for table in tables for name in contract(table).names)
        return dict.fromkeys(check.counts(), every)


def _statement(answers: Iterable[Answers], read: Collection[str]) -> MadeFrom:
    made = [{answer: _of_tables(names, read) for answer, names in one.items()} for one in answers]
    affected = _names(one["affected"] for one in made)
    checked = _names(one["checked"] for one in made)
    money = _names(one.get("money", "") for one in made)
    priced = _names(one["affected"] for one in made if "money" in one)  # none without a finding
    constant: dict[str, Uses] = dict.fromkeys(
        ("check_id", "scope", "area", "severity", "remedy"), ()
    )
    return MadeFrom(
        {
            **constant,
            "finding": aggregated(_names((affected, checked))),
            "rows_affected": aggregated(affected),
            "rows_checked": aggregated(checked),
            "money_at_stake": aggregated(_names((money, priced))),
        },
        rows=filtered(affected),
    )


def _of_tables(names: str, read: Collection[str]) -> str:
    """How far a load reached is the last day that each table observed; when it came, no column."""
    tables = [table for table in read if table not in BESIDE]
    days = [f"{table}.{contract(table).observed}" for table in tables if contract(table).observed]
    found = [name for name in names.split() if not name.startswith(f"{DELIVERIES}.")]
    return " ".join((*found, *days) if _LAST_DAY in names else found)


def _names(texts: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(name for text in texts for name in text.split()))
