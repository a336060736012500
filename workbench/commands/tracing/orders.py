"""Lines of an order, and the decisions that they belong to."""

from typing import TYPE_CHECKING, Any, Final

from workbench.contracts import columns as c
from workbench.errors import LogError
from workbench.workspace import Workspace

if TYPE_CHECKING:
    from workbench.decision_log.trace import OrderLine, TracedLine

_DC: Final = "dc"


def line_facts(traced: "TracedLine") -> dict[str, Any]:
    """An order line and the decision that it belongs to."""
    line, decision, following = traced.line, traced.decision, traced.following
    return {
        "order_id": line.order_id,
        "line": line.line,
        "item_id": line.item_id,
        "location_id": line.location_id,
        "day": line.day.isoformat(),
        "decision": decision.id if decision else None,
        "decided_for": traced.decided_for,
        "next_valid_from": following.text("valid_from") if following else None,
        "next_decision": following.id if following else None,
    }


def order_lines(workspace: Workspace, order: str, line: int | None) -> "list[OrderLine]":
    """Lines of an order, each with the locations that its own location is supplied from.

    Raises:
        LogError: There is no such order or line.
    """
    from workbench.contracts.relation_checks import literal
    from workbench.decision_log.trace import OrderLine
    from workbench.tables.store import TableStore

    store = TableStore(workspace.tables)
    condition = f"{c.ORDER_ID} = {literal(order)}"
    if line is not None:
        condition += f" AND {c.LINE} = {line}"
    rows = store.read(
        "order_lines",
        columns=[c.LINE, c.ITEM_ID, c.LOCATION_ID, c.DATE],
        where=condition,
    )
    if rows.empty:
        wanted = f"order {order!r}" + (f", line {line}" if line is not None else "")
        raise LogError(
            f"{wanted}: not in the table order_lines; expected an order of the current version."
        )
    supply = _supply(store, sorted(set(rows[c.ITEM_ID])))
    return [
        OrderLine(
            order, int(number), str(item), str(location), day.date(),
            supply.get((str(item), str(location)), ()) or supply.get(("", ""), ()),
        )
        for number, item, location, day in rows.itertuples(index=False)
    ]  # fmt: skip


def _supply(store: Any, items: list[str]) -> dict[tuple[str, str], tuple[str, ...]]:
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
