"""Several rows of one key: added up, dropped where equal, or the last one kept."""

from workbench.adapters.addable import ADDABLE
from workbench.adapters.files import FILE, ROW
from workbench.contracts.relation_checks import quoted
from workbench.contracts.schema import TableContract


def without_repeats(contract: TableContract, how: str, relation: str) -> str:
    """SQL of the rows of a relation, which has places too, with each key once.

    Args:
        contract: Of the table.
        how: `add_up`, `drop_equal`, `last`, or `bad`, where repeats are gone already.
        relation: SQL name.
    """
    names = ", ".join(map(quoted, contract.names))
    key = ", ".join(map(quoted, contract.key))
    if how == "add_up":
        added = ", ".join(
            quoted(column.name)
            if column.name in contract.key
            else f"{'sum' if column.name in ADDABLE else 'min'}({quoted(column.name)})"
            f" AS {quoted(column.name)}"
            for column in contract.columns
        )
        return f"SELECT {added} FROM {relation} GROUP BY {key}"
    if how == "drop_equal":
        return f"SELECT DISTINCT {names} FROM {relation}"
    if how == "last":
        last = f"row_number() OVER (PARTITION BY {key} ORDER BY {FILE} DESC, {ROW} DESC) = 1"
        return f"SELECT {names} FROM {relation} QUALIFY {last}"
    return f"SELECT {names} FROM {relation}"
