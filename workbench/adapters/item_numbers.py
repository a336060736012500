"""Item numbers of a system as the items that they are, by the table `item_aliases`."""

from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa

from workbench.adapters.loads import single
from workbench.item_master.identifiers import normalised_id

_NUMBERS = "item_numbers"


def register_numbers(
    connection: duckdb.DuckDBPyConnection, values: Sequence[str], known: Mapping[str, str]
) -> None:
    """Make the table of a source's numbers, each with how it is written here and its item."""
    written = [normalised_id(value) for value in values]
    items = [
        known.get(value, known.get(plain, plain))
        for value, plain in zip(values, written, strict=True)
    ]
    connection.register(
        _NUMBERS,
        pa.table(
            {
                "_given": pa.array(values, pa.string()),
                "_written": pa.array(written, pa.string()),
                "_item": pa.array(items, pa.string()),
            }
        ),
    )


def item_term(value: str) -> str:
    """SQL of the item that a number stands for."""
    return f'(SELECT "_item" FROM {_NUMBERS} WHERE "_given" = {value})'


def drop_merged(connection: duckdb.DuckDBPyConnection, value: str, relation: str) -> int:
    """Take items out of a master that were merged into another; returns how many."""
    gone = f'SELECT "_given" FROM {_NUMBERS} WHERE "_item" <> "_written"'
    count = single(connection, f"SELECT count(*) FROM {relation} WHERE {value} IN ({gone})")
    if count:
        connection.execute(f"DELETE FROM {relation} WHERE {value} IN ({gone})")
    return count
