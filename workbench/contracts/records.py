"""The decision record: one entry of the decision log.

Its canonical form is JSON by RFC 8785 with absent (None) fields left out, at most 65,535 bytes
(C2SP tlog-tiles, entry bundles).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, datetime
from typing import Any, Final, Literal, get_args

import rfc8785

from workbench.contracts.canonical import canonical_json
from workbench.contracts.private import Private, has_private
from workbench.errors import ContractError

SCHEMA_VERSION: Final = 1
MAXIMUM_ENTRY_BYTES: Final = 65_535

Kind = Literal[
    "proposal", "acceptance", "override", "approval", "rejection", "execution", "outcome",
    "merge", "rollout", "model_promotion", "policy_change", "shred", "fact",
    "key_rotation",
]  # fmt: skip
KINDS: Final[tuple[str, ...]] = get_args(Kind)


@dataclass(frozen=True)
class ModelReference:
    """The exact model that a decision rests on; `digest` is SHA-256 of its bytes, in hex."""

    name: str
    version: str
    digest: str


@dataclass(frozen=True)
class RowEvidence:
    """Rows of a table version behind a decision.

    Rows `first_row` to `last_row` (zero-based, inclusive) of the version, in key order, lie in
    blocks of 4,096 rows, each a leaf of the Merkle tree whose root is `digest`.
    """

    table: str
    digest: str
    first_row: int
    last_row: int


@dataclass(frozen=True)
class DecisionRecord:
    """Who decided what, when, about which item and location, and on which evidence.

    Attributes:
        id: Unique for ever; appending the same record twice keeps one entry.
        recorded_at: UTC. The order of decisions is the entry index, never this clock.
        as_of: Business date of the inputs.
        valid_from: First day on which the decision is in force.
        valid_to: First day after that.
        inputs: Table name to content digest of the version that the run read.
        quantity: What is proposed or decided, in `unit`.
        interval_low: With `interval_high`, central interval of the demand that the quantity has to
            meet until the next delivery, in `unit` (`detail.interval_of` is then `demand`); it is
            not an interval of the quantity.
        interval_level: Share of outcomes within it.
        before: Of a proposal, what the policy before would have decided; of an answer, an order
            or an outcome, the quantity that was decided until then, where that differs.
        after: For an override, what replaces that; its `quantity` says the same.
        tier: SOP tier; `manual` until SOP rules say otherwise.
        supersedes: Id of the record that this one answers or replaces.
        detail: What else there is to say; a value wrapped in `Private` is sealed by the log.
    """

    id: str
    kind: Kind
    recorded_at: datetime
    actor: str
    role: str
    as_of: date | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    item_id: str | None = None
    location_id: str | None = None
    supplier_id: str | None = None
    order_id: str | None = None
    order_line: int | None = None
    policy_digest: str | None = None
    rule: str | None = None
    tier: str | None = None
    models: tuple[ModelReference, ...] = ()
    run_ids: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    evidence: tuple[RowEvidence, ...] = ()
    quantity: float | None = None
    unit: str | None = None
    interval_low: float | None = None
    interval_high: float | None = None
    interval_level: float | None = None
    money_at_stake: float | None = None
    currency: str | None = None
    simulated: bool = False
    reasons: tuple[str, ...] = ()
    before: float | None = None
    after: float | None = None
    reason_code: str | None = None
    expires: date | None = None
    supersedes: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def canonical(self) -> bytes:
        """Canonical JSON, the bytes that the log hashes.

        Raises:
            ContractError: The kind is unknown, a value has no JSON form or is private, or the entry
                is too large.
        """
        if self.detail and has_private(self.detail):
            raise ContractError(
                f"decision {self.id!r}: holds a private value, which only the log seals; append the"
                " record itself, with the log's client."
            )
        return self.unsealed()

    def unsealed(self) -> bytes:
        """Canonical JSON in which private values stand open: for the way to the log's holder only.

        Raises:
            ContractError: As `canonical`.
        """
        if self.kind not in KINDS:
            raise ContractError(
                f"decision {self.id!r}: kind is {self.kind!r}; expected one of {', '.join(KINDS)}."
            )
        try:
            entry = canonical_json(_plain({k: v for k, v in vars(self).items() if _present(v)}))
        except rfc8785.CanonicalizationError as error:
            raise ContractError(
                f"decision {self.id!r}: has no canonical JSON form ({error}); use strings, finite"
                " numbers, lists and objects."
            ) from error
        if len(entry) > MAXIMUM_ENTRY_BYTES:
            raise ContractError(
                f"decision {self.id!r}: {len(entry)} bytes; expected at most {MAXIMUM_ENTRY_BYTES}."
                " Put large inputs in by digest."
            )
        return entry


def _present(value: Any) -> bool:
    return value is not None and value != () and value != {}


def _plain(value: Any) -> Any:
    if value is None or type(value) in (str, float, int, bool):
        return value
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Private):
        return _plain(value.open_form())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(vars(value))
    return value


FIELD_NAMES: Final = tuple(item.name for item in fields(DecisionRecord))
