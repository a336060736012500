"""Lines of an order, and the decisions that they belong to."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from workbench.contracts import columns as c
from workbench.errors import LogError
from workbench.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from workbench.decision_log.trace import DecisionHistory, OrderLine, TracedLine
    from workbench.tables.store import TableStore

LOG: Final = "log"  # stands for a table where only the log knows an order
_DC: Final = "dc"
_ORDER_TABLES: Final = (
    ("order_lines", c.ORDER_ID, c.DATE),
    ("purchase_orders", c.PO_ID, c.ORDERED),
)


@dataclass(frozen=True)
class Order:
    """Lines of an order, and the table that has them."""

    table: str
    lines: "list[OrderLine]"


def line_facts(traced: "TracedLine", table: str) -> dict[str, Any]:
    """An order line of a table and the decision that it belongs to."""
    line, decision, following = traced.line, traced.decision, traced.following
    return {
        "table": table,
        "order_id": line.order_id,
        "line": line.line,
        "item_id": line.item_id,
        "location_id": line.location_id,
        "day": line.day.isoformat(),
        "decision": decision.id if decision else None,
        "decided_for": traced.decided_for,
        "next_valid_from": traced.following_from,
        "next_decision": following.id if following else None,
    }


def find_order(
    history: "DecisionHistory", workspace: Workspace, order: str, line: int | None
) -> Order:
    """A customer's or a purchase order; lines with the locations that supply their own.

    One that no table has yet is known by the executions that the log holds.

    Raises:
        LogError: There is no such order or line.
    """
    from workbench.tables.store import TableStore

    store = TableStore(workspace.tables)
    known = store.tables()
    for table, id_column, day_column in _ORDER_TABLES:
        rows = _rows(store, table, id_column, day_column, order, line) if table in known else None
        if rows is not None and not rows.empty:
            return Order(table, _with_supply(store, order, rows))
    logged = _logged_lines(history, order, line)
    if logged:
        return Order(LOG, logged)
    wanted = f"order {order!r}" + (f", line {line}" if line is not None else "")
    tables = " nor ".join(table for table, *_ in _ORDER_TABLES)
    raise LogError(
        f"{wanted}: neither in the table {tables} nor named by an entry of the log; expected an"
        " order of the current version."
    )


def _logged_lines(history: "DecisionHistory", order: str, line: int | None) -> "list[OrderLine]":
    """Lines of an order as executions name them; one without a line stands for the whole order."""
    from workbench.decision_log.trace import OrderLine

    found = []
    for entry in history.naming_order(order, line):
        day = history.about(entry, "valid_from") or str(entry.record.get("recorded_at"))[:10]
        item, place = history.about(entry, "item_id"), history.about(entry, "location_id")
        number = entry.record.get("order_line", 0)
        if entry.kind == "execution" and item and type(number) is int:
            found.append(OrderLine(order, number, item, place or "", date.fromisoformat(day),
                                   executed_by=entry.id))  # fmt: skip
    return sorted(found, key=lambda one: one.line)


def _rows(
    store: "TableStore", table: str, id_column: str, day_column: str, order: str, line: int | None
) -> "pd.DataFrame":
    from workbench.contracts.relation_checks import literal

    condition = f"{id_column} = {literal(order)}"
    if line is not None:
        condition += f" AND {c.LINE} = {line}"
    columns = [c.LINE, c.ITEM_ID, c.LOCATION_ID, day_column]
    return store.read(table, columns=columns, where=condition)


def _with_supply(store: "TableStore", order: str, rows: "pd.DataFrame") -> "list[OrderLine]":
    from workbench.decision_log.trace import OrderLine

    supply = _supply(store, sorted(set(rows[c.ITEM_ID])))
    return [
        OrderLine(
            order, int(number), str(item), str(location), day.date(),
            supply.get((str(item), str(location)), ()) or supply.get(("", ""), ()),
        )
        for number, item, location, day in rows.itertuples(index=False)
    ]  # fmt: skip


def _supply(store: "TableStore", items: list[str]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Supplying locations per item and location; the key of empty texts holds the default.

    A supplier that is itself a location supplies from there; else any distribution centre may.
    """
    from workbench.contracts.relation_checks import literal

    tables = store.tables()
    if "locations" not in tables:
        return {}
    places = store.read("locations", columns=[c.LOCATION_ID, c.KIND])
    known = set(places[c.LOCATION_ID])
    supply = {("", ""): tuple(sorted(places.loc[places[c.KIND] == _DC, c.LOCATION_ID]))}
    if "supplier_items" not in tables:
        return supply
    listed = ", ".join(literal(item) for item in items)
    terms = store.read(
        "supplier_items",
        columns=[c.ITEM_ID, c.LOCATION_ID, c.SUPPLIER_ID],
        where=f"{c.ITEM_ID} IN ({listed})",
    )
    for item, location, supplier in terms.itertuples(index=False):
        if supplier in known:
            key = (str(item), str(location))
            supply[key] = (*supply.get(key, ()), str(supplier))
    return supply
