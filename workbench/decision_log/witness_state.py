"""What a witness remembers: the latest checkpoint that it cosigned of every log.

The memory is all that a witness is for, so it has a form and a way to the disk of its own: one file
with a digest over the rest, flushed before a cosignature leaves.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from workbench.decision_log.checkpoint import Checkpoint, open_checkpoint
from workbench.decision_log.durable import flush, replace_durably
from workbench.decision_log.note import Verifier
from workbench.errors import LockedError, LogError, VerificationError
from workbench.merkle import EMPTY_ROOT

_HEADER: Final = "workbench witness state v1"


class StateStore(Protocol):
    """Keeps one sequence of bytes; `write` returns when they would survive a power loss."""

    def read(self) -> bytes | None: ...
    def write(self, data: bytes) -> None: ...


class StateFile:
    """The file `state` in a folder of its own.

    Args:
        folder: Made at the first write.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state"

    def read(self) -> bytes | None:
        try:
            return self.path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise LogError(f"{self.path}: cannot be read ({error.strerror}).") from error

    def write(self, data: bytes) -> None:
        try:
            self._make_folder()
            replace_durably(self.path, data, mode=0o600)
        except OSError as error:
            raise LogError(
                f"{self.path}: cannot be written ({error.strerror}); nothing was cosigned."
            ) from error

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the state against other processes.

        Raises:
            LockedError: Another process serves this witness.
        """
        try:
            self._make_folder()
            lock = self.path.with_name(".lock")
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LogError(f"{self.path}: cannot be locked ({error.strerror}).") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise LockedError(
                f"{self.path}: another process holds the witness's state; expected to be alone,"
                " stop that one first."
            ) from error
        finally:
            os.close(descriptor)

    def _make_folder(self) -> None:
        folder = self.path.parent
        missing = [place for place in (folder, *folder.parents) if not place.exists()]
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for made in missing:
            flush(made.parent)


class WitnessState:
    """The latest cosigned checkpoint of every log, durable before `record` returns.

    Args:
        store: Of the state; no other process writes to it.
        logs: Keys of the logs by origin; what is recorded of them must be theirs.

    Raises:
        LogError: The state is missing or damaged.
    """

    def __init__(self, store: StateStore, logs: Mapping[str, Sequence[Verifier]]) -> None:
        self._store = store
        self._notes = _decode(store.read())
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
        self._store.write(_encode(notes))
        self._notes = notes
        self._latest[checkpoint.origin] = checkpoint


def create_state(store: StateStore) -> None:
    """The memory of a witness that has seen nothing, unless there is one."""
    if store.read() is None:
        store.write(_encode({}))


def _encode(notes: Mapping[str, str]) -> bytes:
    body = json.dumps(notes, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"
    return f"{_HEADER} {sha256(body).hexdigest()}\n".encode() + body


def _decode(data: bytes | None) -> dict[str, str]:
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
