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


def rows_alone(sql: str) -> str:
    """A query with the same number of rows, of which nothing is computed where that is plain.

    DuckDB's plan prunes unused columns, but no window function and not every aggregate. A query
    that aggregates without groups, is distinct or chooses by a window stays as it is.
    """
    parsed = _parsed(sql)
    if parsed is None:
        return sql
    node = parsed["statements"][0]["node"]
    if (
        node["type"] != "SELECT_NODE" or node["modifiers"] or node["qualify"]
        or node["aggregate_handling"] != "STANDARD_HANDLING" or not _counts_rows(node)
    ):  # fmt: skip
        return sql
    one = _parsed("SELECT 1")
    node["select_list"] = one["statements"][0]["node"]["select_list"] if one else []
    return _as_sql(parsed)


def in_any_order(sql: str, column: str) -> str:
    """A query with as many rows where a column is true, though perhaps others of them.

    Where the column compares a row's number within its group with a constant, how many are above it
    follows from the groups alone, not from the order in which their rows are numbered.
    """
    parsed = _parsed(sql)
    node = parsed["statements"][0]["node"] if parsed else {}
    if parsed is None or node["type"] != "SELECT_NODE" or node["modifiers"] or node["qualify"]:
        return sql
    for one in node["select_list"]:
        if (
            one["alias"] == column and one["class"] == "COMPARISON"
            and one["left"]["type"] == "WINDOW_ROW_NUMBER" and one["right"]["class"] == "CONSTANT"
        ):  # fmt: skip
            one["left"]["orders"] = []
    return _as_sql(parsed)


def _parsed(sql: str) -> Any:
    """What DuckDB's parser makes of a query; None where it cannot say."""
    text = duckdb.connect().execute("SELECT json_serialize_sql(?)", [sql]).fetchall()[0][0]
    parsed = json.loads(text)
    return None if parsed["error"] else parsed


def _as_sql(parsed: Any) -> str:
    found = duckdb.connect().execute("SELECT json_deserialize_sql(?::JSON)", [json.dumps(parsed)])
    return str(found.fetchall()[0][0])


def _counts_rows(node: Mapping[str, Any]) -> bool:
    """Whether what is selected decides nothing: rows one by one, or groups by named columns."""
    groups = node["group_expressions"]
    if not groups:
        return not _aggregates(node["select_list"])
    given = {one.get("alias") for one in node["select_list"]} - {""}
    return all(
        one["class"] == "COLUMN_REF" and one["column_names"][-1] not in given for one in groups
    )


def _aggregates(expressions: Any) -> bool:
    """Whether an expression is computed from many rows, as far as its function's name tells."""
    if isinstance(expressions, list):
        return any(map(_aggregates, expressions))
    if not isinstance(expressions, dict) or expressions.get("class") in ("WINDOW", "SUBQUERY"):
        return False
    if expressions.get("class") == "FUNCTION" and expressions["function_name"] in _many_to_one():
        return True
    return any(map(_aggregates, expressions.values()))


@lru_cache(maxsize=1)
def _many_to_one() -> frozenset[str]:
    """Names of DuckDB's aggregate functions."""
    query = "SELECT function_name FROM duckdb_functions() WHERE function_type = 'aggregate'"
    return frozenset(name for (name,) in duckdb.connect().execute(query).fetchall())


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
