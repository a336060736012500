"""How one item's ids in several systems meet: the table `item_aliases`, merges and their undoing.

An alias says that an id of a system is an item here, on which days, and by which decision. A merge
of B into A turns every alias of B into one of A, and makes B's own number one; undone, each is
what it was before, which the decision's record says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pandas as pd

from workbench.contracts import columns as c
from workbench.contracts.tables import ITEM_ALIASES
from workbench.errors import ContractError

OWN: Final = "items"
"""Source system of the item master's own numbers."""


@dataclass(frozen=True)
class Merge:
    """A merge that a person accepted.

    Attributes:
        item_id: The item that stays.
        duplicate_id: The number that becomes an alias of it.
        decision_id: The record of the decision.
        day: First day on which it holds.
    """

    item_id: str
    duplicate_id: str
    decision_id: str
    day: date


def no_aliases() -> pd.DataFrame:
    """The table without rows."""
    return pd.DataFrame(columns=list(ITEM_ALIASES.names))


def merged(aliases: pd.DataFrame, merge: Merge) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """The aliases after a merge, and those that it changed as they were before.

    Raises:
        ContractError: The numbers are the same, or one of them was merged already.
    """
    own = aliases[aliases[c.SOURCE_SYSTEM] == OWN].set_index(c.SOURCE_ID)[c.ITEM_ID]
    if merge.item_id == merge.duplicate_id:
        raise ContractError(f"item {merge.item_id!r}: cannot be merged with itself.")
    for number in (merge.item_id, merge.duplicate_id):
        if number in own.index and own[number] != number:
            raise ContractError(
                f"item {number!r}: is merged into {own[number]!r} already; expected an item in"
                f" force. Merge with {own[number]!r}, or undo that merge first."
            )
    moved = aliases[c.ITEM_ID] == merge.duplicate_id
    before = [_plain(row) for row in aliases[moved].to_dict("records")]
    changed = aliases.copy()
    changed.loc[moved, [c.ITEM_ID, c.DECISION_ID]] = [merge.item_id, merge.decision_id]
    changed = changed[
        ~((changed[c.SOURCE_SYSTEM] == OWN) & (changed[c.SOURCE_ID] == merge.duplicate_id))
    ]
    row = {
        c.SOURCE_SYSTEM: OWN, c.SOURCE_ID: merge.duplicate_id, c.ITEM_ID: merge.item_id,
        c.VALID_FROM: pd.Timestamp(merge.day), c.VALID_TO: pd.NaT,
        c.DECISION_ID: merge.decision_id,
    }  # fmt: skip
    return _sorted(changed, [row]), before


def undone(
    aliases: pd.DataFrame, decision_id: str, before: Sequence[Mapping[str, Any]]
) -> pd.DataFrame:
    """The aliases as they were before a merge.

    Args:
        aliases: As they are.
        decision_id: Of the merge.
        before: What `merged` gave back.

    Raises:
        ContractError: No alias comes from that decision, or a later merge moved them on.
    """
    own = aliases[c.DECISION_ID] == decision_id
    if not own.any():
        raise ContractError(
            f"decision {decision_id!r}: no alias in force comes from it; expected a merge that was"
            " not undone, nor followed by another of the same items. Undo the later one first."
        )
    rows = [{**row, c.VALID_FROM: pd.Timestamp(row[c.VALID_FROM])} for row in before]
    return _sorted(aliases[~own], rows)


def items_of(aliases: pd.DataFrame, item_id: str) -> list[tuple[str, str]]:
    """Systems and ids under which an item is known, its own number first."""
    rows = aliases[aliases[c.ITEM_ID] == item_id]
    pairs = zip(rows[c.SOURCE_SYSTEM], rows[c.SOURCE_ID], strict=True)
    found = [(str(system), str(number)) for system, number in pairs]
    return [(OWN, item_id), *sorted(pair for pair in found if pair != (OWN, item_id))]


def numbers_of(aliases: pd.DataFrame, system: str) -> dict[str, str]:
    """Items in force by a system's ids; merged numbers of the master where the system says none."""
    chosen = aliases[aliases[c.VALID_TO].isna()]
    found: dict[str, str] = {}
    for name in (OWN, system):
        rows = chosen[chosen[c.SOURCE_SYSTEM] == name]
        found |= dict(zip(rows[c.SOURCE_ID], rows[c.ITEM_ID], strict=True))
    return found


def current_item(aliases: pd.DataFrame, number: str) -> str:
    """The item that a number of the master stands for: itself unless it was merged."""
    rows = aliases[(aliases[c.SOURCE_SYSTEM] == OWN) & (aliases[c.SOURCE_ID] == number)]
    return number if rows.empty else str(rows[c.ITEM_ID].iloc[0])


def items_named(aliases: pd.DataFrame, number: str) -> list[str]:
    """Items that any system knows by this number."""
    rows = aliases[(aliases[c.SOURCE_ID] == number) & aliases[c.VALID_TO].isna()]
    return sorted({current_item(aliases, str(item)) for item in rows[c.ITEM_ID]})


def _sorted(aliases: pd.DataFrame, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    added = pd.DataFrame(list(rows), columns=list(ITEM_ALIASES.names))
    both = [part for part in (aliases, added) if len(part)]
    joined = pd.concat(both, ignore_index=True) if both else no_aliases()
    return joined.sort_values(list(ITEM_ALIASES.key), ignore_index=True)


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row as the log keeps it: text, without what is empty."""
    return {
        str(name): str(value.date()) if isinstance(value, pd.Timestamp) else value
        for name, value in row.items()
        if not pd.isna(value)
    }
