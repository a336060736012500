"""Witness cosignatures, version 1, Ed25519 (c2sp.org/tlog-cosignature).

A cosignature states that its witness saw, at a time, no larger tree of this log that is consistent
with all that it saw before. It is a further signature line of the checkpoint's note; its message
does not name the witness, so that one public key must never count as two witnesses.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from workbench.decision_log.note import (
    Signer,
    Verifier,
    decode_base64,
    signature_line,
    split_note,
)
from workbench.errors import KeyFileError, VerificationError

COSIGNATURE_V1: Final = b"\x04"
_TIME_BYTES: Final = 8
_SIGNATURE_BYTES: Final = 64
_LATEST: Final = 2**63 - 1


@dataclass(frozen=True)
class WitnessVerifier:
    """Name and public key of a witness."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """First four bytes of SHA-256(name || 0x0A || 0x04 || public key)."""
        return sha256(self.name.encode() + b"\n" + COSIGNATURE_V1 + self.public).digest()[:4]

    def verify(self, text: bytes, data: bytes) -> int | None:
        """When this witness cosigned `text`, in seconds of the epoch; None if it did not.

        Args:
            text: Text of the checkpoint.
            data: What follows the key id: time and signature.
        """
        if len(data) != _TIME_BYTES + _SIGNATURE_BYTES:
            return None
        time = int.from_bytes(data[:_TIME_BYTES], "big")
        signed = Verifier(self.name, self.public).verify(message(text, time), data[_TIME_BYTES:])
        return time if signed and time <= _LATEST else None

    def encode(self) -> str:
        """Verifier key as text: name+id+base64, of signature type 0x04."""
        data = base64.b64encode(COSIGNATURE_V1 + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{data}"


@dataclass(frozen=True)
class Cosignature:
    """That a witness cosigned, and when, in seconds of the epoch."""

    witness: str
    time: int

    def sentence(self) -> str:
        """For people."""
        when = f"second {self.time:,} of the epoch"
        if self.time < 253_402_300_800:  # year 10000, where datetime ends
            when = datetime.fromtimestamp(self.time, UTC).isoformat()
        return f"Cosigned by {self.witness}, which had seen no larger log at {when}."


def message(text: bytes, time: int) -> bytes:
    """What is signed: a header, the time, the checkpoint's text."""
    return f"cosignature/v1\ntime {time}\n".encode() + text


def witness_verifier(signer: Signer) -> WitnessVerifier:
    """The verifier of a witness's key."""
    return WitnessVerifier(signer.verifier.name, signer.verifier.public)


def cosign(signer: Signer, text: bytes, time: int) -> bytes:
    """A cosignature line over a checkpoint's text at a time in seconds of the epoch."""
    verifier = witness_verifier(signer)
    data = time.to_bytes(_TIME_BYTES, "big") + signer.signature(message(text, time))
    return signature_line(verifier.name, verifier.key_id + data)


def parse_witness(text: str) -> WitnessVerifier:
    """Read a witness's verifier key: name+id+base64.

    Raises:
        KeyFileError: The text is malformed, of another type, or its id does not fit.
    """
    parts = text.strip().split("+", 2)
    data = decode_base64(parts[2]) if len(parts) == 3 else None
    if data is None or len(data) != 33 or data[:1] != COSIGNATURE_V1 or not parts[0]:
        raise KeyFileError(
            f"witness key {text.strip()[:60]!r}: expected name+id+base64 of type 4 (Ed25519"
            " cosignature); the witness prints it with 'workbench log witness key'."
        )
    verifier = WitnessVerifier(parts[0], data[1:])
    if verifier.key_id.hex() != parts[1]:
        raise KeyFileError(f"witness key of {parts[0]!r}: its id does not fit; copy it again.")
    return verifier


def cosignatures(note: bytes, witnesses: Sequence[WitnessVerifier]) -> tuple[Cosignature, ...]:
    """Which of the known witnesses cosigned a checkpoint, one each; other lines are ignored.

    Raises:
        VerificationError: The note is malformed or a known witness's cosignature is wrong.
    """
    text, signatures = split_note(note)
    found: dict[bytes, Cosignature] = {}
    for name, key_id, data in signatures:
        for witness in witnesses:
            if (witness.name, witness.key_id) != (name, key_id) or witness.public in found:
                continue
            time = witness.verify(text, data)
            if time is None:
                raise VerificationError(f"checkpoint: the cosignature of {name!r} is wrong.")
            found[witness.public] = Cosignature(name, time)
    return tuple(found.values())


@dataclass(frozen=True)
class Quorum:
    """Witnesses that are known from outside a log, and how many of them must have cosigned."""

    witnesses: tuple[WitnessVerifier, ...] = ()
    required: int = 0

    def check(self, note: bytes, log: Verifier) -> tuple[Cosignature, ...]:
        """The cosignatures of a checkpoint by known witnesses.

        Args:
            note: The checkpoint.
            log: Key of the log, which is no witness of itself.

        Raises:
            VerificationError: There are fewer than required, or one is wrong.
        """
        witnesses = [witness for witness in self.witnesses if witness.public != log.public]
        found = cosignatures(note, witnesses)
        if len(found) < self.required:
            names = ", ".join(sorted({cosigned.witness for cosigned in found})) or "none"
            raise VerificationError(
                f"checkpoint: cosigned by {len(found)} of {len(witnesses)} known witnesses"
                f" ({names}); expected at least {self.required}. Run 'workbench log witness"
                " collect' where the log is kept."
            )
        return found
