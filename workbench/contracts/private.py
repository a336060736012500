"""Private values of a decision record: open on the way to the log, sealed within it.

A value of `detail` is made private by wrapping it. In the log stands its commitment; the value
itself lies encrypted beside the log, under a key of the person or thing that it is about.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, get_args

from workbench.errors import ContractError

Label = Literal["personal", "secret"]
LABELS: Final[tuple[str, ...]] = get_args(Label)
PRIVATE: Final = "private"
SEALED: Final = "sealed"
_HEX_32: Final = re.compile(r"[0-9a-f]{32}")
_HEX_64: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Private:
    """A value of `detail` that must not be readable in the log.

    Attributes:
        subject: Whom or what it is about; the name under which it can be shredded. Compared after
            Unicode normalisation (NFC) and without surrounding spaces.
        value: Any JSON value.
        label: `personal` or `secret`.
    """

    subject: str = field(repr=False)
    value: Any = field(repr=False)
    label: Label = "personal"

    def __post_init__(self) -> None:
        if not isinstance(self.subject, str) or not subject_name(self.subject):
            raise ContractError("private value: names no subject; expected whom it is about.")
        if self.value is None:
            raise ContractError("private value: is None; leave the field out instead.")
        if self.label not in LABELS:
            raise ContractError(
                f"private value: label is {str(self.label)[:40]!r}; expected personal or secret."
            )

    def open_form(self) -> dict[str, Any]:
        """As JSON, for the way to the log's holder only."""
        return {PRIVATE: asdict(self)}


@dataclass(frozen=True)
class Sealed:
    """What the log holds of a private value.

    Attributes:
        subject: Pseudonym of the subject, 16 random bytes in hex.
        commitment: SHA-256 in hex; see `docs/decision-log.md`, "Personal data".
        label: `personal` or `secret`.
    """

    subject: str
    commitment: str
    label: str

    def form(self) -> dict[str, Any]:
        """As JSON, as it stands in an entry."""
        return {SEALED: asdict(self)}


def subject_name(name: str) -> str:
    """The spelling under which a subject is known."""
    return unicodedata.normalize("NFC", name).strip()


def private_fields(record: Mapping[str, Any]) -> dict[str, Private]:
    """Open private values of a parsed record, by the field of `detail` that holds them.

    Raises:
        ContractError: The word that marks them stands elsewhere, or one is malformed.
    """
    detail = record.get("detail")
    found: dict[str, Private] = {}
    for name, value in detail.items() if isinstance(detail, Mapping) else ():
        if isinstance(value, Mapping) and set(value) == {PRIVATE}:
            found[str(name)] = _private(str(record.get("id")), str(name), value[PRIVATE])
    rest = {name: value for name, value in (detail or {}).items() if name not in found}
    if _marked([{**record, "detail": rest}, *(private.value for private in found.values())]):
        raise ContractError(
            f"decision {str(record.get('id'))[:80]!r}: the key 'private' marks private values;"
            " expected it only as Private(subject, value) directly in a field of detail."
        )
    return found


def sealed_fields(record: Mapping[str, Any]) -> dict[str, Sealed]:
    """Sealed values of a parsed record, by the field of `detail` that holds them."""
    detail = record.get("detail")
    found: dict[str, Sealed] = {}
    for name, value in detail.items() if isinstance(detail, Mapping) else ():
        if isinstance(value, Mapping) and set(value) == {SEALED}:
            sealed = _sealed(value[SEALED])
            if sealed is not None:
                found[str(name)] = sealed
    return found


def has_private(value: Any) -> bool:
    """Whether a private value, wrapped or in its open form, lies anywhere in a value."""
    return _marked([value])


def _marked(waiting: list[Any]) -> bool:
    while waiting:
        value = waiting.pop()
        if isinstance(value, Private):
            return True
        if isinstance(value, Mapping):
            if PRIVATE in value:
                return True
            waiting += value.values()
        elif isinstance(value, (list, tuple)):
            waiting += value
    return False


def _private(decision_id: str, name: str, form: Any) -> Private:
    known = {"subject", "value", "label"}
    if not isinstance(form, Mapping) or set(form) != known:
        raise ContractError(
            f"decision {decision_id[:80]!r}: detail.{name[:40]} is no private value; expected"
            " subject, value and label."
        )
    return Private(form["subject"], form["value"], form["label"])


def _sealed(form: Any) -> Sealed | None:
    names = ("subject", "commitment", "label")
    if not isinstance(form, Mapping) or set(form) != set(names):
        return None
    subject, commitment, label = (form[name] for name in names)
    fits = (
        isinstance(subject, str) and _HEX_32.fullmatch(subject)
        and isinstance(commitment, str) and _HEX_64.fullmatch(commitment)
        and label in LABELS
    )  # fmt: skip
    return Sealed(subject, commitment, str(label)) if fits else None
