"""A witness (c2sp.org/tlog-witness): cosigns what extends all it has seen of a log.

Pure of any transport: the body of an add-checkpoint request goes in, an answer comes out. One lock
spans check, durable record and cosignature, so that of two racing requests the later one meets the
record of the earlier.
"""

import threading
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from workbench.decision_log.checkpoint import Checkpoint, parse_checkpoint
from workbench.decision_log.cosignature import cosign
from workbench.decision_log.keys import ensure_key, has_key
from workbench.decision_log.note import Signer, Verifier, decode_base64, open_note, split_note
from workbench.decision_log.witness_state import StateStore, WitnessState, create_state
from workbench.errors import LogError, VerificationError
from workbench.merkle import EMPTY_ROOT, HASH_BYTES, verify_consistency

SUBMIT: Final = "/add-checkpoint"
SIZE_TYPE: Final = "text/x.tlog.size"
TEXT_TYPE: Final = "text/plain; charset=utf-8"
_MOST_PROOF_LINES: Final = 63
_MOST_DIGITS: Final = 19


@dataclass(frozen=True)
class Answer:
    """HTTP status and body."""

    status: int
    body: bytes
    content_type: str = TEXT_TYPE


@dataclass(frozen=True)
class AddCheckpoint:
    """A parsed request."""

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes

    def encode(self) -> bytes:
        """The request's body."""
        lines = [f"old {self.old_size}", *(b64encode(node).decode() for node in self.proof), "", ""]
        return "\n".join(lines).encode() + self.note


def parse_request(body: bytes) -> AddCheckpoint:
    """Read the body of an add-checkpoint request.

    Raises:
        VerificationError: It is malformed.
    """
    head, gap, note = body.partition(b"\n\n")
    first, *lines = head.decode("ascii", errors="replace").split("\n")
    digits = first.removeprefix("old ")
    if not gap or not first.startswith("old ") or len(digits) > _MOST_DIGITS:
        raise VerificationError("request: expected an old size, proof lines and a checkpoint.")
    if not (digits.isascii() and digits.isdigit()) or str(int(digits)) != digits:
        raise VerificationError("request: old size is not a number.")
    if len(lines) > _MOST_PROOF_LINES:
        raise VerificationError(f"request: more than {_MOST_PROOF_LINES} proof lines.")
    proof = tuple(_hash(line) for line in lines)
    return AddCheckpoint(int(digits), proof, note)


def _hash(line: str) -> bytes:
    data = decode_base64(line)
    if data is None or len(data) != HASH_BYTES:
        raise VerificationError("request: a proof line is not a hash in base64.")
    return data


def ensure_witness(name: str, store: StateStore) -> Signer:
    """Key of a witness, made at first use together with its state.

    A key without a state has forgotten what it cosigned: the state comes first, and is never made
    for a key that exists. The caller holds the state where another process may make it too.

    Raises:
        KeyFileError: The key is unusable.
        LogError: The state cannot be written.
    """
    if not has_key(name):
        create_state(store)
    return ensure_key(name)


class Witness:
    """Answers add-checkpoint requests; safe to call from many threads.

    Args:
        signer: Key of the witness.
        logs: Keys of the logs that it knows, each named by its origin.
        store: Of its state, held by this process alone.
        clock: Seconds of the epoch.
    """

    def __init__(
        self, signer: Signer, logs: Sequence[Verifier], store: StateStore, clock: Callable[[], int]
    ) -> None:
        self._signer = signer
        self._logs: dict[str, list[Verifier]] = {}
        for log in logs:
            self._logs.setdefault(log.name, []).append(log)
        self._state = WitnessState(store, self._logs)
        self._clock = clock
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Cosign nothing more; what is under way is finished. Goes before the state is let go."""
        with self._lock:
            self._closed = True

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer one request, in the order of checks of the specification."""
        try:
            request = parse_request(body)
            text, _ = split_note(request.note)
            keys = self._logs.get(text.decode().partition("\n")[0])
            if keys is None:
                return _refused(404, "witness: this log is not known here.")
            checkpoint = parse_checkpoint(text)
        except VerificationError as error:
            return _refused(400, str(error))
        try:
            open_note(request.note, keys)
        except VerificationError as error:
            return _refused(403, str(error))
        if request.old_size > checkpoint.size:
            return _refused(400, "request: old size is larger than the checkpoint.")
        with self._lock:
            if self._closed:
                return _refused(503, "witness: is stopping.")
            return self._advance(request, checkpoint, text)

    def _advance(self, request: AddCheckpoint, new: Checkpoint, text: bytes) -> Answer:
        old = self._state.latest(new.origin)
        if request.old_size != old.size or (new.size == old.size and new.root != old.root):
            return Answer(409, f"{old.size}\n".encode(), SIZE_TYPE)
        if not _extends(old, new, request.proof):
            return _refused(422, "witness: the consistency proof does not hold.")
        try:
            self._state.record(new, request.note)
        except LogError:  # the sentence names a place of the witness: not for strangers
            return _refused(500, "witness: cannot record the checkpoint, nothing was cosigned.")
        return Answer(200, cosign(self._signer, text, self._clock()))


def _extends(old: Checkpoint, new: Checkpoint, proof: Sequence[bytes]) -> bool:
    if old.size == 0:  # the empty tree is a prefix of any
        return not proof and (new.size > 0 or new.root == EMPTY_ROOT)
    return verify_consistency(old.size, new.size, proof, old.root, new.root)


def _refused(status: int, sentence: str) -> Answer:
    return Answer(status, f"{sentence}\n".encode())
