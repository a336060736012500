"""A witness (c2sp.org/tlog-witness): cosigns what extends all it has seen of a log.

Pure of any transport: the body of an add-checkpoint request goes in, an answer comes out. One lock
spans check, durable record and cosignature, so that of two racing requests the later one meets the
record of the earlier.
"""

import json
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from workbench.decision_log.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from workbench.decision_log.cosignature import cosign
from workbench.decision_log.keys import ensure_key, has_key
from workbench.decision_log.note import Signer, Verifier, decode_base64, open_note, split_note
from workbench.decision_log.storage import Storage
from workbench.errors import ImmutableError, LockedError, LogError, VerificationError
from workbench.merkle import EMPTY_ROOT, HASH_BYTES, verify_consistency

STATE: Final = "state"
SUBMIT: Final = "/add-checkpoint"
SIZE_TYPE: Final = "text/x.tlog.size"
TEXT_TYPE: Final = "text/plain; charset=utf-8"
_HEADER: Final = "workbench witness state v1"
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


class WitnessState:
    """The latest cosigned checkpoint of every log, durable before `record` returns.

    Args:
        storage: Of the state; the caller holds its lock, see `exclusive`.
        logs: Keys of the logs by origin; what is recorded of them must be theirs.

    Raises:
        LogError: The state is missing or damaged.
    """

    def __init__(self, storage: Storage, logs: Mapping[str, Sequence[Verifier]]) -> None:
        self._storage = storage
        self._notes = _decode_state(storage.read(STATE))
        self._latest: dict[str, Checkpoint] = {}
        for origin, note in self._notes.items():
            if origin in logs:
                self._latest[origin] = _recorded(note, logs[origin])

    def latest(self, origin: str) -> Checkpoint:
        """The latest cosigned checkpoint; of a log never seen, the empty tree."""
        return self._latest.get(origin, Checkpoint(origin, 0, EMPTY_ROOT))

    def record(self, checkpoint: Checkpoint, note: bytes) -> None:
        """Remember a checkpoint and the note that the log signed."""
        notes = {**self._notes, checkpoint.origin: note.decode()}
        self._storage.replace(STATE, _encode_state(notes))
        self._notes = notes
        self._latest[checkpoint.origin] = checkpoint


def ensure_witness(name: str, storage: Storage) -> Signer:
    """Key of a witness, made at first use together with its state.

    A key without a state has forgotten what it cosigned: the state comes first, and is never made
    for a key that exists.

    Raises:
        KeyFileError: The key is unusable.
        LogError: The state cannot be written.
    """
    if not has_key(name) and storage.read(STATE) is None:
        with suppress(ImmutableError):  # another process was first; its state stands
            storage.create({STATE: _encode_state({})})
    return ensure_key(name)


@contextmanager
def exclusive(storage: Storage) -> Iterator[None]:
    """Hold a witness's state against other processes.

    Raises:
        LockedError: Another process serves this witness.
    """
    try:
        with storage.lock():
            yield
    except LockedError as error:
        raise LockedError(
            "witness: another process holds its state; expected to be alone, stop that one first."
        ) from error


class Witness:
    """Answers add-checkpoint requests; safe to call from many threads.

    Args:
        signer: Key of the witness.
        logs: Keys of the logs that it knows, each named by its origin.
        storage: Of its state, held by this process alone.
        clock: Seconds of the epoch.
    """

    def __init__(
        self, signer: Signer, logs: Sequence[Verifier], storage: Storage, clock: Callable[[], int]
    ) -> None:
        self._signer = signer
        self._logs: dict[str, list[Verifier]] = {}
        for log in logs:
            self._logs.setdefault(log.name, []).append(log)
        self._state = WitnessState(storage, self._logs)
        self._clock = clock
        self._lock = threading.Lock()

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


def _encode_state(notes: Mapping[str, str]) -> bytes:
    body = json.dumps(notes, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"
    return f"{_HEADER} {sha256(body).hexdigest()}\n".encode() + body


def _decode_state(data: bytes | None) -> dict[str, str]:
    head, _, body = (data or b"").partition(b"\n")
    if data is None or head != f"{_HEADER} {sha256(body).hexdigest()}".encode():
        raise LogError(
            f"witness state: {'missing' if data is None else 'damaged'}; restore it from a backup"
            " that is not older than the last cosignature, or make a witness under a new name:"
            " one that forgot what it saw could cosign a fork."
        )
    return {str(origin): str(note) for origin, note in json.loads(body).items()}


def _recorded(note: str, keys: Sequence[Verifier]) -> Checkpoint:
    """A checkpoint of the state, which one of the log's keys must have signed."""
    for key in keys:
        try:
            return open_checkpoint(note.encode(), key)
        except VerificationError as error:
            reason = error
    raise LogError(
        f"witness state of {keys[0].name!r}: not signed by the key given for that log ({reason});"
        " give the key under which it was recorded as well."
    )
