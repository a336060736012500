"""The order file for the ERP: one line for each decision that is to be ordered.

No order may leave without its entry, and no entry may name a file that is not there. So the file is
written and flushed under a hidden name, its digest goes into the execution entries, and only then
it gets its name. An export that was cut off is finished, or begun anew, by the next one.
"""

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workbench.contracts.units import unit_name
from workbench.errors import LogError

if TYPE_CHECKING:
    from workbench.decision_log.executions import Order
    from workbench.decision_log.trace import DecisionHistory, Entry

COLUMNS: Final = (
    "order_id", "line", "supplier_id", "item_id", "location_id", "order_date", "due_date",
    "quantity", "unit", "unit_cost", "currency", "decision_id", "unit_name",
)  # fmt: skip
_GROUP: Final = ("order_date", "location_id", "supplier_id")


@dataclass(frozen=True)
class OrderFile:
    """An order file as bytes, and which decision each of its lines executes.

    Attributes:
        lines: Decision id, order id and line.
        nothing: Decisions with quantity 0, which need no order.
        ordered_before: Sentences on decisions that are left out because the same was ordered.
    """

    data: bytes
    lines: tuple[tuple[str, str, int], ...]
    nothing: int = 0
    ordered_before: tuple[str, ...] = ()

    def orders(self, name: str) -> "list[tuple[str, Order]]":
        """Decisions with the order lines that execute them, by this file."""
        from workbench.decision_log.executions import Order

        detail = {"order_file": name, "order_file_sha256": hashlib.sha256(self.data).hexdigest()}
        return [(decision, Order(order, line, detail=detail))
                for decision, order, line in self.lines]  # fmt: skip


def order_file(history: "DecisionHistory", decisions: "Sequence[Entry]") -> OrderFile:
    """Lines for the decisions, one order for each supplier, location and day of ordering."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    nothing = 0
    for entry in decisions:
        row = _row(history, entry)
        if row["quantity"]:
            groups[tuple(row[name] for name in _GROUP)].append(row)
        else:
            nothing += 1
    rows = [row for key in sorted(groups) for row in _numbered(key, groups[key])]
    lines = tuple((row["decision_id"], row["order_id"], row["line"]) for row in rows)
    return OrderFile(_csv(rows), lines, nothing)


def read_order_file(path: Path) -> OrderFile:
    """An order file as it was written.

    Raises:
        LogError: It is none, or cannot be read.
    """
    try:
        data = path.read_bytes()
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline="")))
        lines = tuple((row["decision_id"], row["order_id"], int(row["line"])) for row in rows)
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise LogError(f"{path}: not an order file ({error}); move it away.") from error
    return OrderFile(data, lines)


def _row(history: "DecisionHistory", entry: "Entry") -> dict[str, Any]:
    from workbench.decision_log.answers import decided_quantity

    chain = [entry, *history.answered(entry)]
    details = [e.record["detail"] for e in chain if isinstance(e.record.get("detail"), dict)]

    def of_detail(name: str) -> Any:
        return next((detail[name] for detail in details if name in detail), "")

    texts = ("supplier_id", "item_id", "location_id", "unit", "currency")
    first_day = of_detail("order_date") or history.about(entry, "valid_from") or ""
    return {
        **{name: history.about(entry, name) or "" for name in texts},
        "order_date": str(first_day), "due_date": of_detail("due_date"),
        "unit_cost": of_detail("unit_cost"), "quantity": decided_quantity(history, entry) or 0.0,
        "decision_id": entry.id,
    }  # fmt: skip


def _numbered(key: tuple[str, ...], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A group's rows as lines of one order, whose id follows from the decisions in it."""
    rows = sorted(rows, key=lambda row: (row["item_id"], row["decision_id"]))
    mark = hashlib.sha256("\n".join(row["decision_id"] for row in rows).encode()).hexdigest()[:8]
    day, *place = key
    order = "-".join(["PO", day.replace("-", ""), *filter(None, place), mark])
    return [{**row, "order_id": order, "line": number} for number, row in enumerate(rows, 1)]


def _csv(rows: Sequence[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\r\n")  # RFC 4180
    writer.writeheader()
    for row in rows:
        unit = unit_name(str(row["unit"]), row["quantity"]) if row["unit"] else ""
        writer.writerow({**row, "quantity": f"{row['quantity']:.10g}", "unit_name": unit})
    return text.getvalue().encode("utf-8")
