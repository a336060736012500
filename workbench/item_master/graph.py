"""What every table knows of one item, in a line each."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from workbench.contracts import columns as c
from workbench.contracts import tables
from workbench.contracts.relation_checks import literal, quoted

_AMOUNT: Final = (c.QUANTITY, c.ON_HAND)
_DAY: Final = (c.DATE, c.ORDERED, c.TIME, c.VALID_FROM)
_SKIPPED: Final = ("item_aliases", "loads", "quarantine")

Fetch = Callable[[str], Sequence[tuple[Any, ...]]]


def known_of(item_id: str, fetch: Fetch) -> dict[str, str]:
    """By table, how many rows an item has there, over which days and locations, how much in all.

    Args:
        item_id: The item.
        fetch: Runs SQL over views named as tables.
    """
    present = {row[0] for row in fetch("SELECT table_name FROM information_schema.tables")}
    found = {}
    for contract in tables.CONTRACTS.values():
        names = contract.names
        if contract.name in present - set(_SKIPPED) and c.ITEM_ID in names:
            if contract.run_columns:
                continue
            fact = _fact(item_id, contract.name, names, fetch)
            if fact:
                found[contract.name] = fact
    return found


def _fact(item_id: str, table: str, names: Sequence[str], fetch: Fetch) -> str:
    day = next((name for name in _DAY if name in names), None)
    amount = next((name for name in _AMOUNT if name in names), None)
    place = f"count(DISTINCT {c.LOCATION_ID})" if c.LOCATION_ID in names else "NULL"
    days = f"CAST(min({day}) AS DATE), CAST(max({day}) AS DATE)" if day else "NULL, NULL"
    total = f"sum({amount})" if amount == c.QUANTITY else "NULL"
    ((rows, places, first, last, sum_),) = fetch(
        f"SELECT count(*), {place}, {days}, {total} FROM {quoted(table)}"
        f" WHERE {c.ITEM_ID} = {literal(item_id)}"
    )
    if not rows:
        return ""
    parts = [f"{rows:,} row{'s' * (rows != 1)}"]
    parts += [f"{places:,} location{'s' * (places != 1)}"] if places else []
    parts += [f"{first} to {last}"] if first else []
    parts += [f"{amount} {sum_:,.10g} in all"] if sum_ is not None else []
    return ", ".join(parts)
