"""Which columns the `findings` table is made from: those that the checks' queries look at."""

import json
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from importlib.resources import files

from workbench.contracts.made_from import MadeFrom, Uses, aggregated, filtered
from workbench.readiness.checks import BESIDE, all_checks


@lru_cache(maxsize=1)
def check_columns() -> Mapping[str, Mapping[str, str]]:
    """By check and column of its answer, `table.column` of what DuckDB's plan of it reads.

    Written by `python scripts/derive_check_columns.py`; a test derives it again.
    """
    text = files("workbench.readiness").joinpath("check_columns.json").read_text("utf-8")
    found: Mapping[str, Mapping[str, str]] = json.loads(text)
    return found


def findings(read: Collection[str]) -> MadeFrom:
    """Of the checks that ship, where their tables are all there; a workspace may add its own.

    Args:
        read: Tables at hand.
    """
    known, columns = {*read, *BESIDE}, check_columns()
    made = [
        columns[check.id]
        for check in all_checks()
        if set(check.reads) <= known and not check.kept_at_load  # the store refuses those rows
    ]
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
            "finding": aggregated(f"{affected} {checked}"),
            "rows_affected": aggregated(affected),
            "rows_checked": aggregated(checked),
            "money_at_stake": aggregated(_names((money, priced))),
        },
        rows=filtered(_names((affected, checked))),
    )


def _names(texts: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(name for text in texts for name in text.split()))
