"""Salted commitments: what an entry says of a value that it does not show.

The commitment is SHA-256 over these bytes, one after the other:

1. the 24 bytes `workbench commitment v1` and a line end (0x0A)
2. the salt, 32 bytes
3. the decision's id, the field's name and the value, each after its length in bytes as 4 bytes,
   big-endian; id and name in UTF-8, the value as canonical JSON (RFC 8785)

The lengths make the encoding unambiguous; id and field bind the commitment to its place, so that
copied into another entry it opens nothing.
"""

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import rfc8785

from workbench.contracts.canonical import canonical_json
from workbench.errors import VerificationError

DOMAIN: Final = b"workbench commitment v1\n"
FORMAT: Final = "workbench opening v1"
SALT_BYTES: Final = 32
_NAMES: Final = ("format", "decision", "field", "salt", "value")


def framed(*parts: bytes) -> bytes:
    """Parts one after the other, each after its length as 32 bits, big-endian."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def commitment(salt: bytes, decision_id: str, field: str, value: bytes) -> bytes:
    """The commitment to a value, 32 bytes.

    Args:
        salt: 32 bytes that nobody can guess.
        decision_id: Id of the record.
        field: Name within its `detail`.
        value: Canonical JSON.
    """
    if len(salt) != SALT_BYTES:
        raise ValueError(f"salt of {len(salt)} bytes")
    place = framed(decision_id.encode(), field.encode(), value)
    return sha256(DOMAIN + salt + place).digest()


@dataclass(frozen=True)
class Opening:
    """Salt and value of one field: what convinces an outsider that an entry committed to it."""

    decision: str
    field: str
    salt: bytes
    value: Any

    def commitment(self) -> str:
        """In hex, as it stands in the entry."""
        value = canonical_json(self.value)
        return commitment(self.salt, self.decision, self.field, value).hex()

    def encode(self) -> str:
        """As a file to hand out."""
        facts = {"format": FORMAT, "decision": self.decision, "field": self.field}
        facts |= {"salt": self.salt.hex(), "value": self.value}
        return json.dumps(facts, indent=1, ensure_ascii=False) + "\n"


def parse_opening(text: bytes, where: str) -> Opening:
    """Read an opening.

    Raises:
        VerificationError: It is malformed.
    """
    try:
        facts = json.loads(text)
        if not isinstance(facts, dict) or set(facts) != set(_NAMES) or facts["format"] != FORMAT:
            raise ValueError(f"expected {', '.join(_NAMES)}")
        salt = bytes.fromhex(facts["salt"])
        opening = Opening(str(facts["decision"]), str(facts["field"]), salt, facts["value"])
        opening.commitment()
    except (ValueError, TypeError, RecursionError, rfc8785.CanonicalizationError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise VerificationError(f"{where}: is no opening ({reason}).") from error
    return opening
