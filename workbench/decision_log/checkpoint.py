"""Checkpoints (c2sp.org/tlog-checkpoint): origin, tree size and root, as a signed note."""

import base64
import binascii
from dataclasses import dataclass

from workbench.decision_log.note import Signer, Verifier, open_note
from workbench.errors import VerificationError
from workbench.merkle import HASH_BYTES


@dataclass(frozen=True)
class Checkpoint:
    """What a log commits to: its first `size` entries have this `root`."""

    origin: str
    size: int
    root: bytes

    def text(self) -> bytes:
        """The note's text."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n".encode()

    def sign(self, signer: Signer) -> bytes:
        """The signed note."""
        return signer.sign(self.text())


def open_checkpoint(note: bytes, verifier: Verifier) -> Checkpoint:
    """Verify and parse a checkpoint of the log that `verifier` names.

    Raises:
        VerificationError: The signature, the form or the origin is wrong.
    """
    text, _ = open_note(note, [verifier])
    checkpoint = parse_checkpoint(text)
    if checkpoint.origin != verifier.name:
        raise VerificationError(
            f"checkpoint: origin is {checkpoint.origin!r}; expected {verifier.name!r}."
        )
    return checkpoint


def parse_checkpoint(text: bytes) -> Checkpoint:
    """Parse a checkpoint's text, signature already checked.

    Raises:
        VerificationError: It is malformed.
    """
    lines = text.decode("utf-8").split("\n")
    if len(lines) < 4 or lines[-1] or not lines[0]:
        raise VerificationError("checkpoint: expected origin, size and root, a line each.")
    try:
        size, root = int(lines[1]), base64.b64decode(lines[2], validate=True)
    except (ValueError, binascii.Error) as error:
        raise VerificationError("checkpoint: size or root hash is malformed.") from error
    canonical = str(size) == lines[1] and base64.b64encode(root).decode() == lines[2]
    if size < 0 or len(root) != HASH_BYTES or not canonical:
        raise VerificationError("checkpoint: size or root hash is not in canonical form.")
    return Checkpoint(lines[0], size, root)
