"""Rotation of the log's key, recorded in the log itself.

The entry of a rotation holds the old key's last checkpoint, of the tree before that entry, with an
extension line that names the new key (c2sp.org/tlog-checkpoint), signed by both keys. So who trusts
the old key follows it to the new one, and nobody's word is needed but the old key's. The checkpoint
that covers the entry is signed by both keys, all later ones by the new key alone.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from workbench.contracts.records import DecisionRecord
from workbench.decision_log.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from workbench.decision_log.note import (
    Signer,
    Verifier,
    open_note,
    parse_verifier,
    signature_line,
    split_note,
)
from workbench.errors import KeyFileError, LogError, VerificationError

KIND: Final = "key_rotation"
_EXTENSION: Final = "key-rotation "


@dataclass(frozen=True)
class Rotation:
    """One change of keys: `index` is that of its entry."""

    index: int
    old: Verifier
    new: Verifier

    def sentence(self) -> str:
        """For people."""
        return (
            f"Key rotated at entry {self.index:,}: from {self.old.encode()} to {self.new.encode()},"
            " by the word of the old key."
        )


def countersigned(note: bytes, text: bytes, signer: Signer) -> bytes:
    """A note with the signature line of one more key."""
    verifier = signer.verifier
    return note + signature_line(verifier.name, verifier.key_id + signer.signature(text))


def rotation_record(
    before: Checkpoint, old: Signer, new: Signer, *, now: datetime, actor: str
) -> DecisionRecord:
    """The record that hands a log over.

    Args:
        before: Of the tree that the record will extend.
        old: Key in force.
        new: Key from then on.
        now: UTC.
        actor: Who asked for it.
    """
    text = _text(before, new.verifier)
    detail = {
        "old": old.verifier.encode(),
        "new": new.verifier.encode(),
        "statement": countersigned(old.sign(text), text, new).decode(),
    }
    name = f"key-rotation/{before.size}/{new.verifier.key_id.hex()}"
    return DecisionRecord(name, "key_rotation", now, actor, "admin", detail=detail)


def _text(before: Checkpoint, new: Verifier) -> bytes:
    return before.text() + f"{_EXTENSION}{new.encode()}\n".encode()


def parse_rotation(
    record: Mapping[str, Any], index: int, root: bytes, *, origin: str, where: str
) -> Rotation:
    """Read and check the record of a rotation.

    Args:
        record: Of kind `key_rotation`.
        index: Of its entry.
        root: Of the tree before it.
        origin: Of the log.
        where: Its place, for messages.

    Raises:
        VerificationError: It is not what both keys signed for this place of this log.
    """
    detail = record.get("detail")
    try:
        if not isinstance(detail, dict):
            raise VerificationError("no detail")
        old, new = parse_verifier(str(detail.get("old"))), parse_verifier(str(detail.get("new")))
        text, signed = open_note(str(detail.get("statement")).encode(), [old, new])
        if {old.name, new.name} != {origin} or old == new or signed != [old, new]:
            raise VerificationError("not signed by two keys of this log")
        if text != _text(Checkpoint(origin, index, root), new):
            raise VerificationError("signed for another place or log")
    except (KeyFileError, VerificationError) as error:
        raise VerificationError(
            f"{where}: no valid rotation of the log's key ({error})."
        ) from error
    return Rotation(index, old, new)


def rotated_to(entry: bytes) -> str | None:
    """The new verifier key where an entry of a log rotates its key."""
    if f'"kind":"{KIND}"'.encode() not in entry:
        return None
    record = json.loads(entry)
    return str(record["detail"]["new"]) if record.get("kind") == KIND else None


class RotatedError(LogError):
    """The log's key was rotated since this key was read."""


class KeyChain:
    """The keys of a log in order, followed from the one that the reader trusts.

    Args:
        trusted: Given from outside the log.
    """

    def __init__(self, trusted: Verifier) -> None:
        self.rotations: list[Rotation] = []
        self._trusted = trusted

    @property
    def current(self) -> Verifier:
        """The key in force after the entries seen."""
        return self.rotations[-1].new if self.rotations else self._trusted

    def see(
        self, record: Mapping[str, Any], index: int, root: Callable[[], bytes], where: str
    ) -> None:
        """Take notice of the entry at `index`; `root` computes that of the tree before it.

        Raises:
            VerificationError: It is a rotation that does not hold.
        """
        if record.get("kind") != KIND:
            return
        rotation = parse_rotation(record, index, root(), origin=self._trusted.name, where=where)
        if self.rotations and rotation.old != self.current:
            raise VerificationError(f"{where}: rotates a key that was not in force.")
        self.rotations.append(rotation)

    def followed(self) -> tuple[Rotation, ...]:
        """Rotations that lead from the trusted key to the one in force."""
        keys = [rotation.old for rotation in self.rotations]
        if self._trusted not in keys:
            return ()
        return tuple(self.rotations[keys.index(self._trusted) :])

    def check(self, note: bytes, where: str) -> Checkpoint:
        """Open the checkpoint of the tree whose entries were all seen.

        Raises:
            VerificationError: The trusted key is none of this log's, or the key in force did not
                sign.
        """
        keys = [self.current, *(rotation.old for rotation in self.rotations)]
        if self._trusted not in keys:
            raise VerificationError(
                f"{where}: not signed by any trusted key; expected {self._trusted.encode()}, which"
                " is none of the keys of this log."
            )
        try:
            return open_checkpoint(note, self.current)
        except VerificationError as error:
            raise VerificationError(f"{where}: {error}") from error

    def check_kept(self, note: bytes, where: str) -> None:
        """A checkpoint kept earlier must be signed by a key that was in force at its size.

        Raises:
            VerificationError: It is not.
        """
        checkpoint = claimed(note, where)
        keys = [self.rotations[0].old if self.rotations else self._trusted]
        for rotation in self.rotations:
            if checkpoint.size == rotation.index + 1:
                keys = [rotation.old, rotation.new]
            elif checkpoint.size > rotation.index:
                keys = [rotation.new]
        try:
            open_note(note, keys)
        except VerificationError as error:
            raise VerificationError(
                f"{where}: {error} A key signs nothing beyond the entry that rotates it."
            ) from error


def claimed(note: bytes, where: str) -> Checkpoint:
    """What a checkpoint says, signatures not yet checked.

    Raises:
        VerificationError: It is malformed.
    """
    try:
        return parse_checkpoint(split_note(note)[0])
    except VerificationError as error:
        raise VerificationError(f"{where}: {error}") from error


def open_or_claimed(note: bytes, verifier: Verifier, where: str) -> Checkpoint:
    """A checkpoint that `verifier` signed, or that another key of its name claims to.

    The latter must be checked once the log's rotations are known.

    Raises:
        VerificationError: It is malformed, of another log, or the verifier's signature is wrong.
    """
    try:
        return open_checkpoint(note, verifier)
    except VerificationError as error:
        checkpoint = claimed(note, where)
        signers = [(name, key_id) for name, key_id, _ in split_note(note)[1]]
        own = [key_id for name, key_id in signers if name == verifier.name]
        if checkpoint.origin == verifier.name and own and verifier.key_id not in own:
            return checkpoint
        raise VerificationError(f"{where}: {error}") from error
