"""What came of decisions: the order that executes one, and what was received of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from workbench.contracts.records import DecisionRecord
from workbench.decision_log.answers import (
    ANSWERS,
    Author,
    about_fields,
    answer_id,
    check_quantity,
    decided_quantity,
    same_logged,
    settled_by,
    state_sentence,
)
from workbench.decision_log.standing import known_orders, standing
from workbench.decision_log.trace import DecisionHistory, Entry
from workbench.errors import LogError

EXECUTABLE: Final = ("acceptance", "override", "approval")
_AUTOMATIC: Final = "automatic"  # tier whose proposals need no answer


@dataclass(frozen=True)
class Order:
    """The order line that executes a decision.

    Attributes:
        line: Within the order; None where the order as a whole executes it.
        quantity: What was ordered; None: what was decided.
        detail: Further facts, such as the digest of the order file.
        again: Also where the same goods are ordered already by another decision.
    """

    order_id: str
    line: int | None = None
    quantity: float | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    again: bool = False


@dataclass(frozen=True)
class Outcome:
    """What was received of an order by a day, and the money that it made or lost.

    Attributes:
        money: In the decision's currency; None where it is not known.
    """

    received: float
    day: date
    money: float | None = None


def execution_record(
    history: DecisionHistory, decision_id: str, order: Order, author: Author
) -> DecisionRecord:
    """The record that a decision became an order; where the same is logged, that record again.

    Raises:
        LogError: The decision is unknown, unanswered, rejected, without a quantity or executed by
            another order.
    """
    if not order.order_id.strip():
        raise LogError(f"decision {decision_id!r}: execution without an order's id; give --order.")
    if order.line is not None and order.line < 1:
        raise LogError(f"order {order.order_id!r}: line {order.line}; expected 1 or more.")
    given = history.decision(decision_id)
    path = [given, *settled_by(history, given)]
    for entry in path:
        if _can_be_executed(entry):
            record = _execution(history, entry, order, author)
            if same_logged(history, record):
                return record
    if not _can_be_executed(path[-1]):
        raise LogError(_not_executable(given, path[-1]))
    if decided_quantity(history, path[-1]) is None:
        raise LogError(
            f"decision {given.id!r}: states no quantity; expected one that says how much to order."
        )
    others = [] if order.again else ordered_otherwise(history, path[-1])
    if others:
        raise LogError(
            f"decision {given.id!r}: the same was ordered for days they share as"
            f" {others[0].text('order_id')}, entry {others[0].index:,}; expected goods that are not"
            " ordered yet, or --again where a second order was placed."
        )
    _refuse_taken_line(history, decision_id, order)
    return _execution(history, path[-1], order, author)


def outcome_record(
    history: DecisionHistory, decision_id: str, outcome: Outcome, author: Author
) -> DecisionRecord:
    """The record of what was received; one per order and day. An outcome's id corrects it.

    Raises:
        LogError: The decision is unknown or was not ordered, or a value makes no sense.
    """
    name = f"decision {decision_id!r}"
    if outcome.money is not None and not math.isfinite(outcome.money):
        raise LogError(f"{name}: money {outcome.money:g}; expected a finite amount.")
    given = history.decision(decision_id)
    path = [given, *settled_by(history, given)]
    target = next((e for e in path[::-1] if e.kind in ("execution", "outcome")), None)
    if target is None:
        last = path[-1]
        found = state_sentence(last) if last.kind in ANSWERS else f"is of kind {last.kind}"
        raise LogError(f"{name}: {found} and was not ordered; record the order that executes it.")
    facts = about_fields(history, target)
    check_quantity(name, outcome.received, unit=facts["unit"])
    record = DecisionRecord(
        id=answer_id(target.id, "outcome", outcome.day.isoformat()), kind="outcome",
        supersedes=target.id, recorded_at=author.now, actor=author.actor, role=author.role,
        as_of=outcome.day, quantity=outcome.received, before=decided_quantity(history, target),
        detail={} if outcome.money is None else {"money": outcome.money}, **facts,
    )  # fmt: skip
    logged = history.find(record.id)
    if logged and not same_logged(history, record):
        raise LogError(
            f"{name}: has another outcome of {outcome.day}, entry {logged.index:,}; expected one a"
            f" day, correct it with its id {logged.id!r}."
        )
    return record


def open_decisions(history: DecisionHistory) -> list[Entry]:
    """Answers that say how much to order, that hold and that no order executes, oldest first."""
    return [
        entry
        for entry in history.unanswered(EXECUTABLE)
        if decided_quantity(history, entry) is not None  # as that to merge two items has none
        and not standing(history, entry).superseded_by
    ]


def ordered_otherwise(history: DecisionHistory, entry: Entry) -> list[Entry]:
    """Orders of other decisions for the same goods and days, which nobody knew of who answered."""
    orders = standing(history, entry).orders
    known = known_orders(history, entry) if orders else set()
    return [order for order in orders if order.id not in known]


def _can_be_executed(entry: Entry) -> bool:
    automatic = entry.kind == "proposal" and entry.text("tier") == _AUTOMATIC
    return entry.kind in EXECUTABLE or automatic


def _execution(
    history: DecisionHistory, target: Entry, order: Order, author: Author
) -> DecisionRecord:
    facts, decided = about_fields(history, target), decided_quantity(history, target)
    quantity = decided if order.quantity is None else order.quantity
    if order.quantity is not None:
        check_quantity(f"decision {target.id!r}", order.quantity, unit=facts["unit"])
    return DecisionRecord(
        id=answer_id(target.id), kind="execution", supersedes=target.id, recorded_at=author.now,
        actor=author.actor, role=author.role, order_id=order.order_id, order_line=order.line,
        quantity=quantity, before=None if quantity == decided else decided,
        detail=order.detail, **facts,
    )  # fmt: skip


def _not_executable(given: Entry, last: Entry) -> str:
    if last.kind == "proposal":
        return (
            f"decision {given.id!r}: is a proposal of tier {last.text('tier')} that nobody"
            " answered; accept or override it first."
        )
    if last.kind in ("execution", "rejection"):
        return (
            f"decision {given.id!r}: {state_sentence(last)}; expected one that was accepted,"
            " overridden or approved and not ordered yet."
        )
    return f"decision {given.id!r}: is a record of kind {last.kind}; expected an answered proposal."


def _refuse_taken_line(history: DecisionHistory, decision_id: str, order: Order) -> None:
    for other in history.naming_order(order.order_id, order.line):
        if other.kind == "execution" and order.line is not None:
            raise LogError(
                f"order {order.order_id!r}, line {order.line}: executes decision"
                f" {other.text('supersedes')!r} already, entry {other.index:,}; expected a line of"
                f" its own for {decision_id!r}."
            )
