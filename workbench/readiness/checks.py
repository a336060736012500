'''What a check is, the list of all checks, and how a workspace adds its own.

A check is one function. Its SQL answers one row for each thing that was looked at, with a truth
value `affected`; its docstring is the finding. Counts, shares, the worst rows and the assertion in
the run's lineage follow from that:

    from workbench.readiness.checks import STOCK, check

    @check("stock-negative", area=STOCK, severity="error", reads="stock", unit="stock records",
           remedy="Count the item and correct the record.")
    def negative_stock(config):
        """{affected} of {checked} stock records are below zero."""
        return "SELECT item_id, location_id, date, on_hand, on_hand < 0 AS affected FROM stock"

A further column `money`, explained by `money_means`, is the money at stake in that row, in the
workspace's currency; all other columns are shown for the worst rows. Where a row stands for several
things, `totals` is a function like it whose SQL answers one row of counts: `affected`, `checked`
and, where it is stated, `money`. Beside the tables, SQL may read `audit_day` (one row: `today`, the
day of the newest load) and `deliveries` (`table_name`, `version`, `loaded`, `last_observed`: one
row for each version of each table), and `item_pairs` (`item_id`, `duplicate_id`, `score`: pairs of
the item master that are probably one article).
'''

import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final, Literal

from workbench.contracts import tables
from workbench.errors import ConfigError, ContractError
from workbench.readiness.config import ReadinessConfig

Severity = Literal["info", "warning", "error"]
Query = Callable[[ReadinessConfig], str]

ITEMS: Final = "item master"
SALES: Final = "sales and orders"
HISTORY: Final = "history"
PRICES: Final = "prices and promotions"
STOCK: Final = "stock and receipts"
KEYS: Final = "keys and values"
LOADS: Final = "loads"
AREAS: Final = (KEYS, ITEMS, SALES, HISTORY, PRICES, STOCK, LOADS)
# No tables of the store: what the audit knows of versions, and pairs that the matcher found.
DELIVERIES: Final = "deliveries"
ITEM_PAIRS: Final = "item_pairs"
BESIDE: Final = (DELIVERIES, ITEM_PAIRS)
CHECKS_FOLDER: Final = "governance/readiness"  # in a workspace: its own checks and its answers
_MODULES: Final = (
    "checks_keys",
    "checks_items",
    "checks_sales",
    "checks_documents",
    "checks_history",
    "checks_prices",
    "checks_stock",
    "checks_supply",
    "checks_loads",
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
        reads: Tables that the query needs; `deliveries` where it reads them or `audit_day`, and
            `item_pairs`.
        unit: What is counted, plural.
        remedy: What to do about it.
        money_means: What the money at stake is, empty if the check states none.
        totals: SQL of one row, the counts, where the query's rows only stand for groups of what is
            looked at; None: a row stands for one thing.
        zero_at: Share of affected rows at which the check has lost all its points.
        query: SQL with one row for each thing looked at; see the module's text.
        finding: Sentence with the places {affected}, {checked} and {share}.
        kept_at_load: What it asks is refused when a table is written, so that a version of the
            table store need not be asked again.
        origin: Module or file that defines it.
    """

    id: str
    area: str
    severity: Severity
    reads: tuple[str, ...]
    unit: str
    remedy: str
    money_means: str
    totals: Query | None
    zero_at: float
    query: Query
    finding: str
    kept_at_load: bool
    origin: str

    def counted(self, config: ReadinessConfig) -> str:
        """SQL whose rows `counts` is asked of."""
        return (self.totals or self.query)(config)

    def counts(self) -> dict[str, str]:
        """SQL over what is counted, by name: `affected`, `checked` and, where stated, `money`."""
        counts = {"affected": "count(*) FILTER (affected)", "checked": "count(*)"}
        counts |= {"money": "sum(money) FILTER (affected)"} if self.money_means else {}
        return {name: name for name in counts} if self.totals else counts


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
    totals: Query | None = None,
    zero_at: float | None = None,
    kept_at_load: bool = False,
) -> Callable[[Query], Query]:
    """Enter a function into the list of checks; `reads` is space-separated.

    Raises:
        ConfigError: The name is taken, the docstring is missing, or an argument is not known.
    """

    def enter(query: Query) -> Query:
        finding = " ".join((inspect.getdoc(query) or "").split())
        origin = query.__code__.co_filename
        known = _REGISTRY.get(id)
        if known is not None and (known.origin, known.finding) != (origin, finding):
            raise ConfigError(
                f"{origin}: check {id!r} is defined in {known.origin} already; expected a name"
                " used once. Give it another name."
            )
        _refuse_unknown(origin, id, finding=finding, area=area, severity=severity, reads=reads)
        _REGISTRY[id] = Check(
            id, area, severity, tuple(reads.split()), unit, remedy, money_means, totals,
            _ZERO_AT[severity] if zero_at is None else zero_at, query, finding, kept_at_load,
            origin,
        )  # fmt: skip
        return query

    return enter


def _refuse_unknown(
    origin: str, id: str, *, finding: str, area: str, severity: str, reads: str
) -> None:
    where = f"{origin}: check {id!r}"
    if not finding:
        raise ConfigError(
            f"{where} has no docstring; expected the finding as one sentence, for example"
            ' "{affected} of {checked} stock records are below zero.". Add it.'
        )
    try:
        finding.format(affected=0, checked=0, share=0)
    except (KeyError, IndexError, ValueError) as error:
        raise ConfigError(
            f"{where}: its docstring has the place {error}; expected only {{affected}},"
            " {checked} and {share}. Double other braces."
        ) from error
    if area not in AREAS:
        raise ConfigError(f"{where}: area {area!r}; expected one of {', '.join(AREAS)}.")
    if severity not in _ZERO_AT:
        raise ConfigError(f"{where}: severity {severity!r}; expected one of {', '.join(_ZERO_AT)}.")
    for table in reads.split():
        if table in BESIDE:
            continue
        try:
            tables.contract(table)
        except ContractError as error:
            raise ConfigError(f"{where}: {error}") from error


def all_checks(folder: Path | None = None) -> list[Check]:
    """Every check, in order of area and name.

    Args:
        folder: Python files with checks of the workspace's own; read afresh at each call.

    Raises:
        ConfigError: A file cannot be run, or a check in it is described wrongly.
    """
    for name in _MODULES:
        import_module(f"workbench.readiness.{name}")
    own = set(_own_files(folder))
    for known in list(_REGISTRY.values()):
        if not known.origin.startswith(str(Path(__file__).parent)) or known.origin in own:
            del _REGISTRY[known.id]
    for file in sorted(own):
        _load(Path(file))
    return sorted(_REGISTRY.values(), key=lambda item: (AREAS.index(item.area), item.id))


def _own_files(folder: Path | None) -> list[str]:
    return [str(file.resolve()) for file in folder.glob("*.py")] if folder else []


def _load(file: Path) -> None:
    name = f"workbench_own_checks_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{file}: not a Python file; expected functions marked by @check.")
    module = importlib.util.module_from_spec(spec)
    bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(
            f"{file}: cannot be run ({type(error).__name__}: {error}); expected functions marked"
            " by @check. Correct the file, or move it out of the folder."
        ) from error
    finally:
        sys.dont_write_bytecode = bytecode
