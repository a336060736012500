"""Which numbers may be added up over rows of one key."""

from typing import Final

from workbench.contracts import columns as c
from workbench.contracts.schema import TableContract

ADDABLE: Final = frozenset({c.QUANTITY, c.REVENUE, c.ON_HAND, c.ON_ORDER, c.REJECTED})
"""Numbers of which a sum over rows of one key is one again: amounts, not prices or shares."""


def not_addable(contract: TableContract, filled: set[str]) -> list[str]:
    """Filled number columns of a table whose values cannot be added up."""
    return [
        column.name
        for column in contract.columns
        if column.type in ("number", "integer")
        and column.name in filled - set(contract.key) - ADDABLE
    ]
