"""Checks of keys and of values' ranges, one pair per table, from the tables' own contracts.

The table store refuses what they look for, so its versions need not be asked again. They are for
tables that come from elsewhere, and for the count of what a contract keeps out.
"""

from typing import Final

from workbench.contracts import tables
from workbench.contracts.relation_checks import breaks, quoted
from workbench.contracts.schema import TableContract
from workbench.contracts.violations import limits
from workbench.readiness.checks import KEYS, Query, check

CHECKED_TABLES: Final = (
    "items", "locations", "suppliers", "supplier_items", "sales", "prices", "promotions", "orders",
    "order_lines", "returns", "stock", "stock_movements", "purchase_orders", "receipts",
    "shipments",
)  # fmt: skip


def _register(contract: TableContract) -> None:
    table = contract.name
    rows = f"{table.replace('_', ' ')} rows"
    check(
        f"{table.replace('_', '-')}-key-repeated",
        area=KEYS,
        severity="error",
        reads=table,
        unit=rows,
        kept_at_load=True,
        remedy="Add rows of one key up, or drop the repeats: joins count them twice.",
    )(_documented(_repeated_keys(contract), f"{{affected}} of {{checked}} {rows} repeat a key."))
    check(
        f"{table.replace('_', '-')}-value-invalid",
        area=KEYS,
        severity="error",
        reads=table,
        unit=rows,
        kept_at_load=True,
        remedy="Correct these rows in the source; the table's contract says what is allowed.",
    )(
        _documented(
            _invalid_values(contract),
            f"{{affected}} of {{checked}} {rows} lack a value or hold one out of range.",
        )
    )


def _documented(sql: str, finding: str) -> Query:
    def query(config: object) -> str:
        return sql

    query.__doc__ = finding
    return query


def _repeated_keys(contract: TableContract) -> str:
    key = ", ".join(map(quoted, contract.key))
    return (
        f"SELECT {key}, row_number() OVER (PARTITION BY {key}) > 1 AS affected FROM {contract.name}"
    )


def _invalid_values(contract: TableContract) -> str:
    key = ", ".join(map(quoted, contract.key))
    broken = [
        f"coalesce({breaks(column, limit)}, false)"
        for column in contract.columns
        for limit in limits(column)
    ]
    return f"SELECT {key}, {' OR '.join(broken)} AS affected FROM {contract.name}"


for _name in CHECKED_TABLES:
    _register(tables.contract(_name))
