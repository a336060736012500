'''What a check is, and the list of all checks.

A check is one function: its SQL answers how many rows are affected and how many were looked at,
and its docstring is the finding. To add one, write it in a `checks_*.py` module:

    @check("stock-negative", area=STOCK, severity="error", reads="stock", unit="stock records",
           remedy="Count the item and correct the record.")
    def negative_stock(config: ReadinessConfig) -> str:
        """{affected} of {checked} stock records are below zero."""
        return "SELECT count(*) FILTER (on_hand < 0) AS affected, count(*) AS checked FROM stock"

A third column `money`, where it has a meaning, is the money at stake in the workspace's currency.
'''

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Final, Literal

from workbench.readiness.config import ReadinessConfig

Severity = Literal["info", "warning", "error"]
Query = Callable[[ReadinessConfig], str]

ITEMS: Final = "item master"
SALES: Final = "sales and orders"
HISTORY: Final = "history"
PRICES: Final = "prices and promotions"
STOCK: Final = "stock and receipts"
AREAS: Final = (ITEMS, SALES, HISTORY, PRICES, STOCK)
_MODULES: Final = (
    "checks_items",
    "checks_sales",
    "checks_history",
    "checks_prices",
    "checks_stock",
)

# Share of affected rows at which a check has lost all its points.
_ZERO_AT: Final[dict[Severity, float]] = {"error": 0.01, "warning": 0.10, "info": 0.50}


@dataclass(frozen=True)
class Check:
    """One question put to the tables.

    Attributes:
        id: Stable name, used in findings and in other people's scripts.
        area: Part of the score that it counts for.
        severity: How bad an affected row is.
        reads: Tables that the query needs.
        unit: What is counted, plural.
        remedy: What to do about it.
        money_means: What the money at stake is, empty if the check states none.
        zero_at: Share of affected rows at which the check has lost all its points.
        query: SQL with the columns `affected`, `checked` and perhaps `money`.
        finding: Sentence with the places {affected}, {checked} and {share}.
    """

    id: str
    area: str
    severity: Severity
    reads: tuple[str, ...]
    unit: str
    remedy: str
    money_means: str
    zero_at: float
    query: Query
    finding: str


_REGISTRY: dict[str, Check] = {}


def check(
    id: str,
    *,
    area: str,
    severity: Severity,
    reads: str,
    unit: str,
    remedy: str,
    money_means: str = "",
    zero_at: float | None = None,
) -> Callable[[Query], Query]:
    """Enter a function into the list of checks; `reads` is space-separated."""

    def enter(query: Query) -> Query:
        finding = " ".join((inspect.getdoc(query) or "").split())
        known = _REGISTRY.get(id)
        if not finding or (known is not None and known.query.__qualname__ != query.__qualname__):
            raise ValueError(f"check {id!r}: needs a docstring of its own and a name used once")
        _REGISTRY[id] = Check(
            id, area, severity, tuple(reads.split()), unit, remedy, money_means,
            _ZERO_AT[severity] if zero_at is None else zero_at, query, finding,
        )  # fmt: skip
        return query

    return enter


def all_checks() -> list[Check]:
    """Every check, in order of area and name."""
    for name in _MODULES:
        import_module(f"workbench.readiness.{name}")
    return sorted(_REGISTRY.values(), key=lambda item: (AREAS.index(item.area), item.id))
