"""Signing keys outside the workspace, one per log, and the verifier keys pinned beside them."""

import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from workbench.decision_log.durable import flush, replace_durably
from workbench.decision_log.note import Signer, generate_signer, parse_signer, parse_verifier
from workbench.errors import KeyFileError
from workbench.workspace import keys_folder


def _path(origin: str, suffix: str) -> Path:
    return keys_folder() / f"{origin.replace('/', '_')}{suffix}"


@dataclass(frozen=True)
class KeyFiles:
    """Files of one key.

    Attributes:
        key: Signing half.
        pinned: Verifier key that this machine trusts.
        checkpoint: Newest checkpoint that was seen.
        successor: Signing half of the next key, while a rotation is under way.
        retired: Verifier keys before this one, a line each.
    """

    key: Path
    pinned: Path
    checkpoint: Path
    successor: Path
    retired: Path

    @property
    def all(self) -> tuple[Path, ...]:
        return self.key, self.pinned, self.checkpoint, self.successor, self.retired


def key_files(name: str) -> KeyFiles:
    """Where the key of that name lies on this machine."""
    suffixes = (".key", ".pub", ".checkpoint", ".next.key", ".retired")
    return KeyFiles(*(_path(name, suffix) for suffix in suffixes))


def index_beside_key(origin: str) -> Path:
    """Where the log's service keeps its index when others may write the workspace."""
    return _path(origin, ".index.sqlite")


def ensure_key(origin: str) -> Signer:
    """The log's signing key, made at first use with mode 0600, its verifier key pinned beside it.

    Raises:
        KeyFileError: Others can read it, it is malformed or unwritable, or it is not the key that
            is pinned here for this log.
    """
    path, pinned = _path(origin, ".key"), _path(origin, ".pub")
    if not path.exists():
        if pinned.exists():
            raise KeyFileError(
                f"{path}: missing, though {pinned.name} is pinned for {origin!r}; restore the"
                " signing key from a backup, a new one could not continue this log."
            )
        _create(path, generate_signer(origin).encode(), mode=0o600)
    signer = load_signer(path)
    if not pinned.exists():
        _create(pinned, signer.verifier.encode(), mode=0o644)
    if verifier_key(origin) != signer.verifier.encode():
        raise KeyFileError(
            f"{path}: is not the key whose verifier is pinned in {pinned.name}; restore the pair"
            " from a backup."
        )
    return signer


def ensure_successor(origin: str) -> Signer:
    """The next key of a log, made at first use; it replaces the current one by `switch_keys`.

    Raises:
        KeyFileError: It is unusable, or this machine does not hold the log's signing key.
    """
    files = key_files(origin)
    load_signer(files.key)
    if not files.successor.exists():
        _create(files.successor, generate_signer(origin).encode(), mode=0o600)
    return load_signer(files.successor)


def switch_keys(origin: str) -> None:
    """Put the successor in the key's place, and forget the old signing key; may be repeated.

    The pinned verifier key goes first: from then on `finish_switch` completes what a crash left.

    Raises:
        KeyFileError: A file cannot be written.
    """
    files = key_files(origin)
    old, new = load_signer(files.key).verifier, load_signer(files.successor).verifier
    try:
        if old != new and old.encode() not in retired_keys(origin):
            lines = [*retired_keys(origin), old.encode()]
            replace_durably(files.retired, ("\n".join(lines) + "\n").encode())
        replace_durably(files.pinned, f"{new.encode()}\n".encode())
        files.successor.replace(files.key)
        flush(files.key.parent)
    except OSError as error:
        raise KeyFileError(
            f"{error.filename or files.key}: cannot be written ({error.strerror}); run 'workbench"
            " log rotate-key' again, it goes on where it stopped."
        ) from error


def retired_keys(origin: str) -> list[str]:
    """Verifier keys that the log had before, oldest first, as far as this machine knows."""
    path = key_files(origin).retired
    return path.read_text(encoding="utf-8").split() if path.exists() else []


def has_key(name: str) -> bool:
    """Whether a key of that name was made on this machine, be its signing half lost or not."""
    return _path(name, ".key").exists() or _path(name, ".pub").exists()


def load_signer(path: Path) -> Signer:
    """Read a signing key.

    Raises:
        KeyFileError: It is missing, readable by others or malformed.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise KeyFileError(
                f"{path}: mode {mode:o} lets others read the signing key; expected 600, run"
                f" 'chmod 600 {path}' and consider the key exposed."
            )
        return parse_signer(path.read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(
            f"{path}: cannot be read ({error}); restore it from a backup."
        ) from error


def verifier_key(origin: str) -> str:
    """The verifier key pinned on this machine when the log was made.

    Raises:
        KeyFileError: None is pinned here.
    """
    path = _path(origin, ".pub")
    try:
        return parse_verifier(path.read_text(encoding="utf-8")).encode()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(
            f"{path}: no verifier key pinned for {origin!r}; give it with --key."
        ) from error


class KeptCheckpoint:
    """The newest checkpoint that this machine has seen of a log, kept beside the log's key.

    An older log that is put back, or a rewritten one, cannot extend it.
    """

    def __init__(self, origin: str) -> None:
        self.path = _path(origin, ".checkpoint")

    def read(self) -> bytes | None:
        """The signed note, if one is kept.

        Raises:
            KeyFileError: The file cannot be read.
        """
        try:
            note = self.path.read_bytes()
            return note if note.strip(b"\0") else None  # a power loss may take its bytes
        except FileNotFoundError:
            return None
        except OSError as error:
            raise KeyFileError(f"{self.path}: cannot be read ({error.strerror}).") from error

    def keep(self, note: bytes) -> None:
        """Replace it by a newer one.

        Raises:
            KeyFileError: The file cannot be written.
        """
        staged = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            staged.write_bytes(note)
            staged.replace(self.path)
        except OSError as error:
            staged.unlink(missing_ok=True)
            raise KeyFileError(f"{self.path}: cannot be written ({error.strerror}).") from error


def _create(path: Path, text: str, *, mode: int) -> None:
    """Write a file once, durably; when two processes race, the first one's stands."""
    staged = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(staged, path)
        finally:
            staged.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise KeyFileError(
            f"{path}: cannot be written ({error.strerror}); set WORKBENCH_KEYS to a folder of your"
            " own."
        ) from error
