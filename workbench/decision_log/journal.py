"""The write-ahead journal: what an append makes durable first, with one flush.

A frame holds one batch: the state that it continues, its entries and the root of the tree that has
them, sealed with the log's key. Tiles and bundles follow from these bytes, and so does the signed
checkpoint, bit for bit: Ed25519 signatures are deterministic (RFC 8032, section 5.1.6). So an
append is durable once its frame is; the files of the log are flushed later, together, and what a
crash took from them is rebuilt. Only the batch that rotates the key holds its checkpoint, which two
keys sign; batches of earlier versions hold theirs too.

An entry alone may be written before it was read: what is asked. One that is then refused is written
over by the next record, so that only the last of a journal can be such a one. Whether its entry is
in the log follows from its bytes (`requests.is_admitted`): who opens the log after a crash comes to
the same answer.

A frame is whole or absent: its digest covers the journal's epoch and the frame's place, so neither
half a frame nor one of an earlier epoch is ever taken for one. Frames begin at whole blocks of the
disk: to write one touches no block of another that was acknowledged.
"""

import base64
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from workbench.decision_log.checkpoint import Checkpoint, open_checkpoint
from workbench.decision_log.note import Signer
from workbench.decision_log.tiles import decode_bundle, encode_bundle
from workbench.errors import LogError, VerificationError
from workbench.merkle import Frontier

JOURNAL: Final = ".journal"
EPOCH_BYTES: Final = 16
BLOCK_BYTES: Final = 4096
_MAGIC: Final = b"workbench journal 2\n"
_UNALIGNED: Final = b"workbench journal 1\n"  # of earlier versions: frames without gaps
_HEADER_BYTES: Final = len(_MAGIC) + EPOCH_BYTES
_LENGTH_BYTES: Final = 4
_DIGEST_BYTES: Final = 32
_SEALED: Final = "sealed"
_ASKED: Final = "asked"
_LARGEST: Final = 2**63 - 1  # entries
_RESTORE: Final = "run 'workbench log verify', and restore the log from a backup"


def header(epoch: bytes) -> bytes:
    """What a journal begins with: a block."""
    return (_MAGIC + epoch).ljust(BLOCK_BYTES, b"\0")


def frame(epoch: bytes, place: int, data: bytes) -> bytes:
    """A record as it stands at byte `place` of the journal: whole blocks."""
    head = len(data).to_bytes(_LENGTH_BYTES, "big") + _digest(epoch, place, data)
    return b"".join((head, data, bytes(-(len(head) + len(data)) % BLOCK_BYTES)))


def frames(journal: bytes, *, alone: bool = False) -> Iterator[bytes]:
    """The records of a journal in order, up to the first that is not whole.

    Args:
        journal: Its bytes.
        alone: Nobody writes it. Then a whole record after one that is not shows damage: it was
            written when that one was durable.

    Raises:
        LogError: It is no journal, or damaged.
    """
    if len(journal) < _HEADER_BYTES or not journal[:_HEADER_BYTES].strip(b"\0"):
        return  # its first write did not come to an end
    if not journal.startswith((_MAGIC, _UNALIGNED)):
        raise LogError(f"{JOURNAL}: damaged; expected a journal of the log: {_RESTORE}.")
    epoch = journal[len(_MAGIC) : _HEADER_BYTES]
    block = BLOCK_BYTES if journal.startswith(_MAGIC) else 1
    place = _HEADER_BYTES
    while True:
        place += -place % block
        data = _record(journal, epoch, place)
        if data is None:
            break
        yield data
        place += _LENGTH_BYTES + _DIGEST_BYTES + len(data)
    later = range(place + block, len(journal), block) if alone and block > 1 else ()
    if any(_record(journal, epoch, begin) is not None for begin in later):
        raise LogError(
            f"{JOURNAL}: damaged at byte {place}, before entries that were acknowledged; nothing"
            f" was appended. {_RESTORE[0].upper()}{_RESTORE[1:]}; to go on knowingly without what"
            f" follows, cut it there with 'truncate -s {place} {JOURNAL}'."
        )


def _record(journal: bytes, epoch: bytes, place: int) -> bytes | None:
    """The whole record at a place, if there is one."""
    start = place + _LENGTH_BYTES + _DIGEST_BYTES
    length = int.from_bytes(journal[place : place + _LENGTH_BYTES], "big")
    if not length or start + length > len(journal):
        return None
    data = journal[start : start + length]
    whole = journal[place + _LENGTH_BYTES : start] == _digest(epoch, place, data)
    return data if whole else None


def _digest(epoch: bytes, place: int, data: bytes) -> bytes:
    return sha256(epoch + place.to_bytes(8, "big") + data).digest()


@dataclass(frozen=True)
class Batch:
    """One extension of a log.

    Attributes:
        start: Size of the tree that it continues.
        root: Root of that tree; `Frontier.digest` of it where `asked`.
        entries: The entries, in order.
        note: Signed checkpoint of the tree with these entries; empty where the batch is sealed.
        after: Root of that tree, of a sealed batch.
        seal: `Signer.seal` of both sizes and roots; of an entry that was asked for, of the state
            that it continues and the entry.
        asked: It is one entry that was written before it was read.
    """

    start: int
    root: bytes
    entries: tuple[bytes, ...]
    note: bytes = b""
    after: bytes = b""
    seal: bytes = b""
    asked: bool = False

    @property
    def end(self) -> int:
        """Size of the tree with these entries."""
        return self.start + len(self.entries)

    def encode(self) -> bytes:
        """As a record of the journal."""
        if self.asked:
            return _sealed_record(_asked_claim(self.start, self.root), self.seal, self.entries)
        if not self.note:
            return _sealed_record(self._claim(), self.seal, self.entries)
        root = base64.b64encode(self.root).decode()
        head = f"{self.start} {root} {len(self.note)}\n".encode()
        return b"".join((head, self.note, encode_bundle(self.entries)))

    def _claim(self) -> bytes:
        if self.asked:
            return _asked_claim(self.start, self.root) + self.entries[0]
        return _claim(self.start, self.root, self.end, self.after)

    def checkpoint(self, signer: Signer, root: bytes) -> Checkpoint:
        """What it leads to, by the word of the log's key.

        Args:
            signer: Of the log.
            root: Of the tree with these entries; only what was asked for takes it from here.

        Raises:
            VerificationError: That key neither signed nor sealed it.
        """
        if self.note:
            return open_checkpoint(self.note, signer.verifier)
        if not hmac.compare_digest(signer.seal(self._claim()), self.seal):
            raise VerificationError("batch: not sealed by the log's key.")
        return Checkpoint(signer.verifier.name, self.end, root if self.asked else self.after)


def asked_batch(before: Frontier, entry: bytes, signer: Signer) -> bytes:
    """The record of an entry that is asked for, with its seal."""
    claim = _asked_claim(before.size, before.digest())
    return _sealed_record(claim, signer.seal(claim + entry), (entry,))


def _asked_claim(start: int, digest: bytes) -> bytes:
    return f"{_ASKED} {start} {digest.hex()}".encode()


def sealed_batch(
    before: Checkpoint, after: Checkpoint, entries: Sequence[bytes], signer: Signer
) -> bytes:
    """The record of the batch that leads from one checkpoint to another, with its seal."""
    claim = _claim(before.size, before.root, after.size, after.root)
    return _sealed_record(claim, signer.seal(claim), entries)


def _claim(start: int, root: bytes, end: int, after: bytes) -> bytes:
    """What is sealed: the roots commit to the entries."""
    return f"{_SEALED} {start} {root.hex()} {end} {after.hex()}".encode()


def _sealed_record(claim: bytes, seal: bytes, entries: Sequence[bytes]) -> bytes:
    return b"%b %b\n%b" % (claim, seal.hex().encode(), encode_bundle(entries))


def parse_batch(record: bytes) -> Batch:
    """Read a record of the journal.

    Raises:
        LogError: It is malformed.
    """
    head, _, rest = record.partition(b"\n")
    try:
        words = head.decode("ascii").split(" ")
        batch = _KINDS.get(words[0], _signed)(words, rest)
        if batch.encode() != record or not 0 <= batch.start <= _LARGEST:
            raise ValueError("another spelling, or a size that no log has")
    except (ValueError, VerificationError) as error:
        raise LogError(f"{JOURNAL}: malformed; nothing was appended: {_RESTORE}.") from error
    return batch


def _sealed(words: list[str], rest: bytes) -> Batch:
    _, start, root, _, after, seal = words
    entries = tuple(decode_bundle(rest, JOURNAL))
    roots = bytes.fromhex(root), bytes.fromhex(after)
    return Batch(int(start), roots[0], entries, after=roots[1], seal=bytes.fromhex(seal))


def _asked(words: list[str], rest: bytes) -> Batch:
    _, start, root, seal = words
    (entry,) = decode_bundle(rest, JOURNAL)
    return Batch(int(start), bytes.fromhex(root), (entry,), seal=bytes.fromhex(seal), asked=True)


def _signed(words: list[str], rest: bytes) -> Batch:
    start, root, length = words
    split = int(length)
    entries = tuple(decode_bundle(rest[split:], JOURNAL))
    return Batch(int(start), base64.b64decode(root, validate=True), entries, note=rest[:split])


_KINDS: Final = {_SEALED: _sealed, _ASKED: _asked}
