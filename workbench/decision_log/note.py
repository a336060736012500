"""Signed notes with Ed25519 (c2sp.org/signed-note): signing, verifying, keys as text.

libsodium signs, in three fifths of OpenSSL's time: every answer of the log's service tells a signed
checkpoint. OpenSSL verifies.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nacl.signing import SigningKey

from workbench.contracts.printable import one_line
from workbench.errors import KeyFileError, VerificationError

ED25519: Final = b"\x01"
_DASH: Final = "— "


@dataclass(frozen=True)
class Verifier:
    """A public key with the name under which it signs."""

    name: str
    public: bytes

    @cached_property
    def key_id(self) -> bytes:
        """First four bytes of SHA-256(name || 0x0A || algorithm || public key)."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def verify(self, text: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's over `text`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except InvalidSignature:
            return False
        return True

    def encode(self) -> str:
        """Verifier key as text: name+id+base64."""
        data = base64.b64encode(ED25519 + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{data}"


@dataclass(frozen=True)
class Signer:
    """A private key with its name; never printed."""

    verifier: Verifier
    _private: SigningKey

    def __repr__(self) -> str:
        return f"Signer({self.verifier.name!r})"

    def sign(self, text: bytes) -> bytes:
        """A signed note with one signature line.

        Args:
            text: Note text, ending in a newline, without an empty line at its end.
        """
        line = signature_line(self.verifier.name, self.verifier.key_id + self.signature(text))
        return text + b"\n" + line

    def signature(self, message: bytes) -> bytes:
        """The bare 64 bytes over any message."""
        return self._private.sign(message).signature

    def seal(self, message: bytes) -> bytes:
        """32 bytes that only who holds this key can make or check: HMAC-SHA256 (RFC 2104).

        For what the holder of the key writes for himself; ten times faster than a signature.
        """
        return hmac.digest(self._seal_key, message, "sha256")

    @cached_property
    def _seal_key(self) -> bytes:
        purpose = b"workbench journal seal\n" + self.verifier.name.encode() + b"\n"
        return hmac.digest(bytes(self._private), purpose, "sha256")

    def encode(self) -> str:
        """Private key as text, for the key file only."""
        seed = bytes(self._private)
        data = base64.b64encode(ED25519 + seed).decode()
        return f"PRIVATE+KEY+{self.verifier.name}+{self.verifier.key_id.hex()}+{data}"


def signature_line(name: str, data: bytes) -> bytes:
    """One signature line of a note: `data` is the key id and the signature."""
    return f"{_DASH}{name} {base64.b64encode(data).decode()}\n".encode()


def generate_signer(name: str) -> Signer:
    """A new key under a name.

    Raises:
        KeyFileError: The name has a space or a plus sign, which notes cannot hold.
    """
    if not name or "+" in name or any(c.isspace() for c in name):
        raise KeyFileError(f"key name {name!r}: expected text without spaces and '+'.")
    return _signer(name, SigningKey.generate())


def _signer(name: str, private: SigningKey) -> Signer:
    return Signer(Verifier(name, bytes(private.verify_key)), private)


def parse_signer(text: str) -> Signer:
    """Read a private key in its text form.

    Raises:
        KeyFileError: The text is malformed; it is never repeated in the message.
    """
    parts = text.strip().split("+", 4)
    if len(parts) != 5 or parts[:2] != ["PRIVATE", "KEY"]:
        raise KeyFileError("signing key: malformed; expected PRIVATE+KEY+name+id+base64.")
    data = decode_base64(parts[4])
    if data is None or len(data) != 33 or data[:1] != ED25519:
        raise KeyFileError("signing key: not an Ed25519 key in canonical base64.")
    signer = _signer(parts[2], SigningKey(data[1:]))
    if signer.verifier.key_id.hex() != parts[3]:
        raise KeyFileError("signing key: its id does not fit its name and key; restore the file.")
    return signer


def parse_verifier(text: str) -> Verifier:
    """Read a verifier key: name+id+base64.

    Raises:
        KeyFileError: The text is malformed or its id does not fit.
    """
    parts = text.strip().split("+", 2)
    data = decode_base64(parts[2]) if len(parts) == 3 else None
    if data is None or len(data) != 33 or data[:1] != ED25519:
        raise KeyFileError(
            f"verifier key {text.strip()[:60]!r}: expected name+id+base64 of an Ed25519 key; print"
            " it with 'workbench log key'."
        )
    verifier = Verifier(parts[0], data[1:])
    if verifier.key_id.hex() != parts[1]:
        raise KeyFileError(f"verifier key of {parts[0]!r}: its id does not fit; copy it again.")
    return verifier


def open_note(note: bytes, verifiers: Sequence[Verifier]) -> tuple[bytes, list[Verifier]]:
    """The text of a note and which of the known keys signed it.

    Signatures of unknown keys are ignored, as the format says.

    Raises:
        VerificationError: The note is malformed, a known key's signature is wrong, or none of the
            known keys signed.
    """
    text, signatures = split_note(note)
    signed: list[Verifier] = []
    for name, key_id, signature in signatures:
        for verifier in verifiers:
            if (verifier.name, verifier.key_id) != (name, key_id) or verifier in signed:
                continue
            if not verifier.verify(text, signature):
                raise VerificationError(f"note: the signature of {name!r} is wrong.")
            signed.append(verifier)
    if not signed:
        names = ", ".join(f"{v.name}+{v.key_id.hex()}" for v in verifiers)
        by = ", ".join(one_line(f"{name}+{key_id.hex()}") for name, key_id, _ in signatures)
        raise VerificationError(
            f"note: not signed by any trusted key; expected {names}, found {by}."
        )
    return text, signed


def split_note(note: bytes) -> tuple[bytes, list[tuple[str, bytes, bytes]]]:
    """Text of a note, unverified, and name, key id and signature of every signature line.

    Raises:
        VerificationError: It is malformed.
    """
    try:
        decoded = note.decode("utf-8")
    except UnicodeDecodeError as error:
        raise VerificationError(f"note: not UTF-8 at byte {error.start}.") from error
    body, gap, tail = decoded.rpartition("\n\n")
    if not gap or not tail.endswith("\n"):
        raise VerificationError("note: expected text, an empty line and signature lines.")
    if any(ord(c) < 0x20 and c != "\n" for c in decoded):
        raise VerificationError("note: holds a control character.")
    signatures = [_signature(line) for line in tail[:-1].split("\n")]
    return (body + "\n").encode(), signatures


def _signature(line: str) -> tuple[str, bytes, bytes]:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    data = decode_base64(encoded)
    if not line.startswith(_DASH) or not space or not name or data is None or len(data) < 5:
        raise VerificationError(f"note: malformed signature line {line[:40]!r}.")
    return name, data[:4], data[4:]


def decode_base64(text: str) -> bytes | None:
    """Canonical base64 only: other spellings of the same bytes are refused."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode() == text else None
