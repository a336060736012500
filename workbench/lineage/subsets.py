"""Which part of a table a run read: its days, and the conditions that its queries state.

The standard's conditions are comparisons joined by AND and OR (OpenLineage
BaseSubsetDatasetFacet 1-0-0). SQL is read by DuckDB's own parser; what is no such comparison is
left out, so that a stated subset always holds what was read and never less.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache, reduce
from typing import Any, Final

from openlineage.client.generated import base_subset_dataset as subset

from workbench.contracts.tables import CONTRACTS
from workbench.lineage.names import PRODUCER
from workbench.tables.versions import TableVersion

Condition = Any
_SIGNS: Final = {
    "COMPARE_EQUAL": "EQUAL",
    "COMPARE_GREATERTHAN": "GREATER_THAN",
    "COMPARE_GREATERTHANOREQUALTO": "GREATER_EQUAL_THAN",
    "COMPARE_LESSTHAN": "LESS_THAN",
    "COMPARE_LESSTHANOREQUALTO": "LESS_EQUAL_THAN",
}
_MOST_VALUES: Final = 200  # of an IN list


def days_read(table: TableVersion, as_of: date | None) -> Condition | None:
    """First and last day that a run as of a day can see; None for tables without days."""
    contract = CONTRACTS.get(table.table)
    column = contract.observed if contract else None
    if column is None or table.last_observed is None:
        return None
    last = min(as_of, table.last_observed) if as_of else table.last_observed
    first = _first(table, column)
    upper = _compare(column, "LESS_EQUAL_THAN", last.isoformat())
    if first is None or first > last:
        return upper
    return _both("AND", _compare(column, "GREATER_EQUAL_THAN", first.isoformat()), upper)


def rows_read(conditions: Sequence[str]) -> Condition | None:
    """What several reads of one table saw together; None for all rows, or where nobody can say."""
    if not conditions or "" in conditions:
        return None
    parsed = [_parsed(sql) for sql in conditions]
    return None if any(one is None for one in parsed) else _joined("OR", parsed)


def subset_facet(condition: Condition) -> subset.InputSubsetInputDatasetFacet:
    """The facet of an input."""
    return subset.InputSubsetInputDatasetFacet(inputCondition=condition, producer=PRODUCER)


def _first(table: TableVersion, column: str) -> date | None:
    """Earliest day as the Parquet files' footers have it."""
    import pyarrow.parquet as pq

    found = []
    for path in table.data_paths:
        footer = pq.read_metadata(path)
        place = footer.schema.names.index(column)
        for group in range(footer.num_row_groups):
            statistics = footer.row_group(group).column(place).statistics
            if statistics is None or not statistics.has_min_max:
                return None
            low = statistics.min
            found.append(low.date() if hasattr(low, "date") else low)
    return min(found, default=None)


def _compare(column: str, sign: str, value: str) -> Condition:
    return subset.CompareSubsetCondition(
        left=subset.FieldBaseCompareExpression(field=column),
        right=subset.LiteralCompareExpression(value=value),
        comparison=sign,
    )


def _both(operator: str, left: Condition, right: Condition) -> Condition:
    return subset.BinarySubsetCondition(left=left, right=right, operator=operator)


def _joined(operator: str, parts: Iterable[Condition]) -> Condition:
    return reduce(lambda left, right: _both(operator, left, right), parts)


# --- SQL --------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _parser() -> Any:
    """A DuckDB that parses only; opening one takes most of the time."""
    import duckdb

    return duckdb.connect(config={"threads": "1"})


def _parsed(sql: str) -> Condition | None:
    text = _parser().execute("SELECT json_serialize_sql(?)", [f"SELECT 1 WHERE {sql}"])
    tree = json.loads(text.fetchall()[0][0])
    try:
        return _condition(tree["statements"][0]["node"]["where_clause"])
    except (KeyError, IndexError, TypeError):
        return None


def _condition(node: Mapping[str, Any]) -> Condition | None:
    kind = node["type"]
    if kind in ("CONJUNCTION_AND", "CONJUNCTION_OR"):
        parts = [_condition(child) for child in node["children"]]
        known = [part for part in parts if part is not None]
        if not known or (kind == "CONJUNCTION_OR" and len(known) < len(parts)):
            return None
        return _joined("AND" if kind == "CONJUNCTION_AND" else "OR", known)
    if kind in _SIGNS:
        left, right = _expression(node["left"]), _expression(node["right"])
        if left is None or right is None:
            return None
        return subset.CompareSubsetCondition(left=left, right=right, comparison=_SIGNS[kind])
    if kind == "COMPARE_IN":
        return _in_list(node["children"])
    if kind == "COMPARE_BETWEEN":
        column, low, high = (_expression(node[name]) for name in ("input", "lower", "upper"))
        if column is None or low is None or high is None:
            return None
        return _both(
            "AND",
            subset.CompareSubsetCondition(left=column, right=low, comparison="GREATER_EQUAL_THAN"),
            subset.CompareSubsetCondition(left=column, right=high, comparison="LESS_EQUAL_THAN"),
        )
    return None


def _in_list(children: Sequence[Mapping[str, Any]]) -> Condition | None:
    column, *values = (_expression(child) for child in children)
    if column is None or None in values or not 0 < len(values) <= _MOST_VALUES:
        return None
    return _joined("OR", [
        subset.CompareSubsetCondition(left=column, right=value, comparison="EQUAL")
        for value in values
    ])  # fmt: skip


def _expression(node: Mapping[str, Any]) -> Any:
    """A column or a literal, with its type's name taken off; None for anything else."""
    if node["class"] == "CAST":
        return _expression(node["child"])
    if node["class"] == "COLUMN_REF":
        return subset.FieldBaseCompareExpression(field=node["column_names"][-1])
    if node["class"] == "CONSTANT" and "text" in node.get("literal", {}):
        return subset.LiteralCompareExpression(value=str(node["literal"]["text"]))
    return None
