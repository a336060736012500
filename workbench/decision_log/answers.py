"""What people answer to proposals: acceptance, override, rejection, approval, as records.

An answer supersedes the record that it answers. Its id follows from that record's id, so that each
record has one answer: the same answer given twice is one entry, and of two people who answer at the
same time the log itself refuses the second. To change an answer, the answer is answered.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any, Final, Literal, get_args

from workbench.contracts.records import DecisionRecord, Kind
from workbench.decision_log.standing import AGAIN, known_orders, standing
from workbench.decision_log.trace import DecisionHistory, Entry
from workbench.errors import LogError

Verb = Literal["accept", "override", "reject", "approve"]
VERBS: Final[tuple[str, ...]] = get_args(Verb)
KIND_OF: Final[Mapping[str, Kind]] = {
    "accept": "acceptance", "override": "override", "reject": "rejection", "approve": "approval",
}  # fmt: skip
ANSWERS: Final = ("acceptance", "override", "rejection", "approval")
_CLOSING: Final = (*ANSWERS, "execution")  # what may follow a decision and settles it
_ANSWERABLE: Final[Mapping[str, tuple[str, ...]]] = {
    "accept": ("proposal",),
    "override": ("proposal", "acceptance", "override", "approval"),
    "reject": ("proposal", "acceptance", "override", "approval"),
    "approve": ("acceptance", "override"),
}
_LONGEST_REASON: Final = 2_000  # characters
_LONGEST_CODE: Final = 40
_PIECES: Final = "EA"  # UN/CEFACT Recommendation 20: each


@dataclass(frozen=True)
class Answer:
    """What somebody says to a decision.

    Attributes:
        target: Id of the decision that is answered.
        quantity: What an override decides instead, in the proposal's unit.
        reason_code: Why, in one word that can be counted; overrides and rejections need it.
        reason: Why, in a sentence; overrides need it.
        expires: First day on which an override is no longer in force.
        again: Also where the same goods are ordered already; needs a reason.
    """

    target: str
    verb: Verb
    quantity: float | None = None
    reason_code: str | None = None
    reason: str | None = None
    expires: date | None = None
    again: bool = False


@dataclass(frozen=True)
class Author:
    """Who answers, in which role, and when (UTC)."""

    actor: str
    role: str
    now: datetime


def answer_record(history: DecisionHistory, answer: Answer, author: Author) -> DecisionRecord:
    """The record of an answer; where the same was given before, that record again.

    Args:
        history: Of the log that the answer will be appended to.
        answer: What is said.
        author: Who says it.

    Raises:
        LogError: The decision is unknown, or not in a state that can be answered so; a field is
            missing or makes no sense.
    """
    check_answer(answer)
    given = history.decision(answer.target)
    path = [given, *settled_by(history, given)]
    fitting = [entry for entry in path if entry.kind in _ANSWERABLE[answer.verb]]
    for entry in fitting:
        record = _record(history, entry, answer, author)
        if same_logged(history, record):
            return record
    target = _target(history, path, answer)
    if answer.verb == "approve" and target.text("actor") == author.actor:
        raise LogError(
            f"decision {target.id!r}: is {author.actor}'s own {target.kind}; expected somebody else"
            " to approve it."
        )
    return _record(history, target, answer, author)


def superseded_answers(history: DecisionHistory, record: DecisionRecord) -> list[str]:
    """What an answer's record will take the place of, a sentence each: earlier answers, not orders.

    Args:
        history: Of the log before the record is appended.
        record: Of `answer_record`.
    """
    target = history.find(record.supersedes or "")
    if target is None or record.kind == "rejection" or history.find(record.id):
        return []
    stands = standing(history, target)
    return [
        f"supersedes {other.id}, which {state_sentence(other)}"
        for other in (*stands.behind, *stands.supersedes)
        if other.kind != "proposal"
        and not any(after.kind == "execution" for after in history.followers(other))
    ]


def check_answer(answer: Answer) -> None:
    """Refuse an answer that makes no sense whatever it answers.

    Raises:
        LogError: A field is missing, out of range or not for this answer.
    """
    name, changes = f"decision {answer.target!r}", answer.verb == "override"
    if (answer.quantity is not None) != changes:
        found = "no quantity" if changes else f"quantity {answer.quantity:g}"
        wanted = "the quantity to order instead" if changes else "none: only an override has one"
        raise LogError(f"{name}: {answer.verb} with {found}; expected {wanted}.")
    if answer.quantity is not None:
        check_quantity(name, answer.quantity)
    if answer.expires is not None and not changes:
        raise LogError(f"{name}: {answer.verb} with an expiry; only an override expires.")
    if changes and not answer.reason:
        raise LogError(f"{name}: override without a reason; say why in a sentence, --reason.")
    if answer.again and (answer.verb == "reject" or not answer.reason):
        found = "a rejection" if answer.verb == "reject" else "no reason"
        raise LogError(
            f"{name}: --again with {found}; expected an answer that orders, and why once more."
        )
    if answer.verb in ("override", "reject") and not answer.reason_code:
        raise LogError(f"{name}: {answer.verb} without a reason code; give one, --reason-code.")
    code = answer.reason_code
    if code and not (code.replace("-", "").isalnum() and code.islower() and code.isascii()):
        raise LogError(
            f"{name}: reason code {code!r}; expected lower-case letters, digits and hyphens."
        )
    if len(code or "") > _LONGEST_CODE or len(answer.reason or "") > _LONGEST_REASON:
        raise LogError(
            f"{name}: a reason code has at most {_LONGEST_CODE} characters, a reason at most"
            f" {_LONGEST_REASON:,}; shorten it."
        )


def check_quantity(name: str, quantity: float, *, unit: str | None = None) -> None:
    """Refuse a quantity that cannot be ordered or received.

    Raises:
        LogError: It is negative, not finite, or a part of a piece.
    """
    if not math.isfinite(quantity) or quantity < 0:
        raise LogError(f"{name}: quantity {quantity:g}; expected a number from 0 on.")
    if unit == _PIECES and not quantity.is_integer():
        raise LogError(f"{name}: quantity {quantity:g} of unit {unit}; expected whole pieces.")


def settled_by(history: DecisionHistory, entry: Entry) -> list[Entry]:
    """The answers and executions that follow an entry, each answering the one before."""
    path: list[Entry] = []
    known = {entry.id}
    while True:
        after = [e for e in history.followers(entry) if e.kind in _CLOSING and e.id not in known]
        if not after:
            return path
        entry = max(after, key=lambda one: one.index)
        known.add(entry.id)
        path.append(entry)


def state_sentence(entry: Entry) -> str:
    """What an answer or execution did, for people."""
    when = f"by {entry.text('actor')} on {str(entry.record.get('recorded_at'))[:10]}"
    if entry.kind == "execution":
        return f"was ordered as {entry.text('order_id')} {when}, entry {entry.index:,}"
    verb = {"acceptance": "accepted", "override": "overridden", "rejection": "rejected"}
    return f"was {verb.get(entry.kind, 'approved')} {when}, entry {entry.index:,}"


def decided_quantity(history: DecisionHistory, entry: Entry) -> float | None:
    """The quantity that holds after an entry: its own, else that of what it answers."""
    for known in (entry, *history.answered(entry)):
        for name in ("after", "quantity"):
            value = known.record.get(name)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return float(value)
    return None


def answer_id(target: str, *slot: str) -> str:
    """Id of the one record that may stand in this relation to a target."""
    parts = json.dumps(["answer", target, *slot], ensure_ascii=False)
    return sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def same_logged(history: DecisionHistory, record: DecisionRecord) -> bool:
    """Whether the log has this very record, apart from when it was recorded."""
    logged = history.find(record.id)
    if logged is None:
        return False
    fresh = json.loads(record.canonical())
    return {**logged.record, "recorded_at": ""} == {**fresh, "recorded_at": ""}


def about_fields(history: DecisionHistory, target: Entry) -> dict[str, Any]:
    """What an answer repeats of what it is about; evidence it has by reference, `supersedes`."""
    chain = [target, *history.answered(target)]
    names = ("item_id", "location_id", "supplier_id", "unit", "currency", "tier")
    days = ("valid_from", "valid_to")
    facts: dict[str, Any] = {name: _nearest(chain, name) for name in names}
    facts |= {name: date.fromisoformat(day) for name in days if (day := _nearest(chain, name))}
    return {**facts, "simulated": any(entry.record.get("simulated") for entry in chain)}


def _nearest(chain: Sequence[Entry], name: str) -> str | None:
    return next((text for entry in chain if (text := entry.text(name)) is not None), None)


def _target(history: DecisionHistory, path: Sequence[Entry], answer: Answer) -> Entry:
    """The entry that is answered: the one named; approval and rejection take the last."""
    verb = answer.verb
    given, last = path[0], path[-1]
    target = last if verb in ("approve", "reject") else given
    if given.kind not in (*_ANSWERABLE["reject"], "rejection", "execution"):
        raise LogError(
            f"decision {given.id!r}: is a record of kind {given.kind}; answer proposals."
        )
    if target is not last or last.kind in ("rejection", "execution"):
        raise LogError(_settled(given, last, verb))
    if target.kind not in _ANSWERABLE[verb]:
        expected = " or ".join(_ANSWERABLE[verb])
        remedy = {"approve": "accept or override it first"}.get(verb, "see 'workbench trace'")
        raise LogError(
            f"decision {target.id!r}: is of kind {target.kind}; to {verb} expects {expected},"
            f" {remedy}."
        )
    _check_standing(history, given, target, answer)
    return target


def _check_standing(history: DecisionHistory, given: Entry, target: Entry, answer: Answer) -> None:
    """Refuse an answer to what does not hold, and one that would order the same goods again."""
    stands = standing(history, target)
    if stands.superseded_by:
        later = stands.superseded_by[0]
        raise LogError(
            f"decision {given.id!r}: is superseded by the {later.kind} {later.id!r}, entry"
            f" {later.index:,}, for days they share; answer that one."
        )
    if stands.orders and answer.verb != "reject" and not answer.again:
        known = known_orders(history, target)
        others = [order for order in stands.orders if order.id not in known]
        if others:
            raise LogError(
                f"decision {given.id!r}: the same {state_sentence(others[0])}, for days they share;"
                " expected goods that are not ordered yet. To order more of them give --again and"
                " --reason."
            )


def _settled(given: Entry, last: Entry, verb: Verb) -> str:
    about = f"decision {given.id!r}: {state_sentence(last)}"
    if last.kind == "execution":
        return f"{about}; expected one that is not ordered yet, change the order with the supplier."
    if last.kind == "rejection":
        return f"{about}; a rejection stands, run the plan anew for another proposal."
    remedy = f"'workbench decide override {last.id}'" if verb == "override" else "override that"
    return f"{about}, as {last.id!r}; expected one without an answer, to change it {remedy}."


def _record(
    history: DecisionHistory, target: Entry, answer: Answer, author: Author
) -> DecisionRecord:
    facts = about_fields(history, target)
    before = decided_quantity(history, target)
    fields: dict[str, Any] = {"quantity": before, "reason_code": answer.reason_code}
    if answer.verb == "override" and answer.quantity is not None:
        _check_has_quantity(target, before)
        check_quantity(f"decision {target.id!r}", answer.quantity, unit=facts["unit"])
        _check_expiry(target, facts, answer.expires)
        fields |= {"quantity": answer.quantity, "before": before, "after": answer.quantity}
        fields["expires"] = answer.expires
    elif answer.verb == "approve" and (expires := target.text("expires")):
        fields["expires"] = date.fromisoformat(expires)  # approval lasts as long as the override
    if answer.verb == "reject":
        fields["quantity"] = None
    if answer.again:
        orders = standing(history, target).orders
        fields["detail"] = {AGAIN: [order.id for order in orders]} if orders else {}
    return DecisionRecord(
        id=answer_id(target.id), kind=KIND_OF[answer.verb], supersedes=target.id,
        recorded_at=author.now, actor=author.actor, role=author.role,
        reasons=(answer.reason,) if answer.reason else (), **facts, **fields,
    )  # fmt: skip


def _check_has_quantity(target: Entry, before: float | None) -> None:
    if before is None:
        raise LogError(
            f"decision {target.id!r}: states no quantity that could be another one; accept or"
            " reject it."
        )


def _check_expiry(target: Entry, facts: Mapping[str, Any], expires: date | None) -> None:
    first = facts.get("valid_from")
    if expires and first and expires <= first:
        raise LogError(
            f"decision {target.id!r}: an override that expires on {expires} would never be in"
            f" force; expected a day after {first}."
        )
