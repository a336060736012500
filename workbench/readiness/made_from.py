"""Which columns the `findings` table is made from: those that the checks' queries look at."""

from collections.abc import Collection, Iterable

from workbench.contracts.made_from import MadeFrom, aggregated, filtered
from workbench.readiness.check_columns import CHECK_COLUMNS
from workbench.readiness.checks import all_checks


def findings(read: Collection[str]) -> MadeFrom:
    """Of the checks whose tables are all there.

    Args:
        read: Tables at hand.
    """
    made = [CHECK_COLUMNS[check.id] for check in all_checks() if set(check.reads) <= set(read)]
    affected = _names(one["affected"] for one in made)
    checked = _names(one["checked"] for one in made)
    money = _names(one.get("money", "") for one in made)
    priced = _names(one["affected"] for one in made if "money" in one)  # none without a finding
    columns = dict.fromkeys(("check_id", "scope", "area", "severity", "remedy"), ())
    return MadeFrom(
        {
            **columns,
            "finding": aggregated(f"{affected} {checked}"),
            "rows_affected": aggregated(affected),
            "rows_checked": aggregated(checked),
            "money_at_stake": aggregated(_names((money, priced))),
        },
        rows=filtered(_names((affected, checked))),
    )


def _names(texts: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(name for text in texts for name in text.split()))
