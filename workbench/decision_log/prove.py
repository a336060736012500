"""Offline proofs of single entries (c2sp.org/tlog-proof).

A bundle is text: the header, the entry itself as the `extra` line, its index, the audit path and
the signed checkpoint. Verifying it needs the bundle and the verifier key, nothing else. The
`extra` line is trusted only because the entry in it hashes to the proven leaf.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from workbench.contracts.canonical import parse_canonical
from workbench.decision_log.checkpoint import Checkpoint, open_checkpoint
from workbench.decision_log.cosignature import Cosignature, Quorum
from workbench.decision_log.note import Verifier, parse_verifier
from workbench.decision_log.rotation import KIND as ROTATION
from workbench.decision_log.rotation import KeyChain, claimed
from workbench.decision_log.storage import Storage
from workbench.decision_log.tiles import CHECKPOINT, TILE_WIDTH
from workbench.decision_log.tree import TreeReader
from workbench.errors import LogError, VerificationError
from workbench.merkle import HASH_BYTES, leaf_hash, root_before, verify_inclusion

HEADER: Final = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True)
class ProvenEntry:
    """An entry whose inclusion under a signed checkpoint was verified."""

    index: int
    entry: bytes
    checkpoint: Checkpoint
    cosignatures: tuple[Cosignature, ...] = ()

    def record(self) -> dict[str, Any]:
        """The decision record that it is.

        Raises:
            VerificationError: It is signed, and no record in canonical form: other programs could
                read another one in it.
        """
        where = f"bundle: entry {self.index}"
        record = _record(self.entry, where)
        if not isinstance(record.get("id"), str):
            raise VerificationError(f"{where}: not a decision record; expected an id.")
        return record


class ProvingReader:
    """Reads entries of a log and believes none without its inclusion proof.

    Args:
        storage: Of the log.
        verifier: Key of the log, from outside it.

    Raises:
        LogError: There is no log.
        VerificationError: The checkpoint is not signed by that key.
    """

    def __init__(self, storage: Storage, verifier: Verifier) -> None:
        note = storage.read(CHECKPOINT)
        if note is None:
            raise LogError(
                f"{CHECKPOINT}: not found; expected a decision log, one begins with the first run."
            )
        self.note = note
        self.checkpoint = open_checkpoint(note, verifier)
        self._tree = TreeReader(storage, self.checkpoint.size)

    def entry(self, index: int) -> ProvenEntry:
        """One entry.

        Raises:
            LogError: There is no such entry, or a tile is missing.
            VerificationError: Entry or tiles are not those that the checkpoint signs.
        """
        return self._prove(index)[0]

    def whole_bundle(self, number: int) -> list[bytes]:
        """All entries of a full bundle; raises as `entry`."""
        first = number * TILE_WIDTH
        self._prove(first)  # the path is made of all other hashes of the tile
        entries = [self._tree.entry(first + offset) for offset in range(TILE_WIDTH)]
        for index, entry in enumerate(entries, first):
            if leaf_hash(entry) != self._tree.root(index, index + 1):
                raise _altered(index, self.checkpoint.size)
        return entries

    def bundle(self, index: int) -> str:
        """Proof bundle of one entry under the current checkpoint; raises as `entry`."""
        proven, proof = self._prove(index)
        path = [base64.b64encode(node).decode() for node in proof]
        extra = f"extra {base64.b64encode(proven.entry).decode()}"
        return "\n".join([HEADER, extra, f"index {index}", *path, "", self.note.decode()])

    def _prove(self, index: int) -> tuple[ProvenEntry, list[bytes]]:
        entry = self._tree.entry(index)
        proof = self._tree.inclusion_proof(index)
        size, root = self.checkpoint.size, self.checkpoint.root
        if not verify_inclusion(leaf_hash(entry), index, size, proof, root):
            raise _altered(index, size)
        return ProvenEntry(index, entry, self.checkpoint), proof


def _altered(index: int, size: int) -> VerificationError:
    return VerificationError(
        f"entry {index}: is not the one that the checkpoint of size {size} signs; the log was"
        " altered. Run 'workbench log verify' to see where."
    )


@dataclass(frozen=True)
class _Bundle:
    """A bundle as it was written; nothing of it is checked yet but its form."""

    index: int
    entry: bytes
    proof: list[bytes]
    note: bytes

    def checked(self, checkpoint: Checkpoint) -> "_Bundle":
        """Itself, where the entry is in the tree of a checkpoint.

        Raises:
            VerificationError: It is not.
        """
        size, root = checkpoint.size, checkpoint.root
        if not verify_inclusion(leaf_hash(self.entry), self.index, size, self.proof, root):
            raise VerificationError(f"bundle: entry {self.index} is not in the signed tree.")
        return self


def verify_bundle(
    bundle: str, key: str, quorum: Quorum | None = None, *, rotations: Sequence[str] = ()
) -> ProvenEntry:
    """Verify a proof bundle with a trusted key, and the cosignatures it carries.

    Args:
        bundle: The proof.
        key: Verifier key, name+id+base64, from outside the bundle.
        quorum: Witnesses known from outside, and how many must have cosigned.
        rotations: Proofs of the entries by which the log changed its key since `key`.

    Raises:
        VerificationError: It is malformed, or the proof or the signature does not hold.
        KeyFileError: The key is malformed.
    """
    verifier = parse_verifier(key)
    keys, given = _followed(verifier, rotations), _parsed(bundle)
    checkpoint = keys.check(given.note, "bundle")
    cosigned = (quorum or Quorum()).check(given.note, verifier)
    given.checked(checkpoint)
    return ProvenEntry(given.index, given.entry, checkpoint, cosigned)


def _followed(trusted: Verifier, rotations: Sequence[str]) -> KeyChain:
    """The keys of a log from the trusted one on, each by the word of the one before."""
    keys = KeyChain(trusted)
    bundles = sorted(map(_parsed, rotations), key=lambda bundle: bundle.index)
    for one in bundles:
        where = f"rotation at entry {one.index}"
        tree = claimed(one.note, where)
        record = _record(one.checked(tree).entry, where)
        if record.get("kind") != ROTATION:
            raise VerificationError(f"{where}: is a {record.get('kind')!r}, no change of the key.")
        root = partial(root_before, one.index, tree.size, one.proof)
        keys.see(record, one.index, root, where)
    for one in bundles:
        keys.check_kept(one.note, f"rotation at entry {one.index}")
    return keys


def _record(entry: bytes, where: str) -> dict[str, Any]:
    try:
        record = parse_canonical(entry)
    except ValueError as error:
        raise VerificationError(f"{where}: {error}; expected canonical JSON.") from error
    return record if isinstance(record, dict) else {}


def _parsed(bundle: str) -> _Bundle:
    head, gap, note = bundle.partition("\n\n")
    lines = head.split("\n")
    if not gap or len(lines) < 3 or lines[0] != HEADER:
        raise VerificationError(f"bundle: expected {HEADER!r}, extra, index, proof and checkpoint.")
    if not lines[1].startswith("extra ") or not lines[2].startswith("index "):
        raise VerificationError("bundle: expected an extra line with the entry and an index line.")
    index = lines[2].removeprefix("index ")
    if not (index.isascii() and index.isdigit() and len(index) < 19 and str(int(index)) == index):
        raise VerificationError(f"bundle: index {index[:20]!r} is not a number.")
    entry = _canonical_base64(lines[1].removeprefix("extra "))
    proof = [_canonical_base64(line) for line in lines[3:]]
    if any(len(node) != HASH_BYTES for node in proof):
        raise VerificationError(f"bundle: its path holds other than {HASH_BYTES} bytes a hash.")
    return _Bundle(int(index), entry, proof, note.encode())


def _canonical_base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise VerificationError(f"bundle: malformed base64 {text[:20]!r}.") from error
    if base64.b64encode(data).decode() != text:
        raise VerificationError(f"bundle: base64 {text[:20]!r} is not canonical.")
    return data
