"""Which columns of the canonical tables a query looks at, by DuckDB's own plan."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import duckdb

from workbench.contracts.relation_checks import quoted
from workbench.contracts.schema import Type
from workbench.contracts.tables import CONTRACTS

_TYPES: Final[dict[Type, str]] = {
    "text": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN",
    "date": "DATE", "time": "TIMESTAMP",
}  # fmt: skip
# Of empty tables the optimizer would conclude that nothing need be read; pushed into a scan,
# conditions are text instead of columns.
_DISABLED: Final = "statistics_propagation,empty_result_pullup,filter_pushdown,filter_pullup"


def columns_read(sql: str, *, beside: str = "") -> set[tuple[str, str]]:
    """Table and column of everything that a query needs to answer, no more: unused ones are pruned.

    Args:
        sql: One query over the canonical tables.
        beside: Statements that create what it may read beside these.

    Raises:
        duckdb.Error: It cannot be planned.
    """
    plan = _tables(beside).execute(f"EXPLAIN (FORMAT json) {sql}").fetchall()[0][1]
    return {column for root in json.loads(plan) for column in _scanned(root)}


def _scanned(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    facts = node["extra_info"]
    if "SCAN" in node["name"] and "Table" in facts:
        table = str(facts["Table"]).rpartition(".")[2].strip('"')
        names = facts.get("Projections", [])
        for name in [names] if isinstance(names, str) else names:
            if name:  # a mere count of rows projects nothing
                yield table, str(name).strip('"')
    for child in node["children"]:
        yield from _scanned(child)


@lru_cache(maxsize=2)
def _tables(beside: str) -> duckdb.DuckDBPyConnection:
    """The canonical tables without rows, and what is created beside them."""
    connection = duckdb.connect()
    for contract in CONTRACTS.values():
        columns = ", ".join(f"{quoted(c.name)} {_TYPES[c.type]}" for c in contract.columns)
        connection.execute(f"CREATE TABLE {quoted(contract.name)} ({columns})")
    if beside:
        connection.execute(beside)
    connection.execute(f"SET disabled_optimizers = '{_DISABLED}'")
    return connection
