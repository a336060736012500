"""The vault: private values encrypted beside the log, one key per subject among the log's keys.

Two folders. `governance/vault/PSEUDONYM/COMMITMENT` holds ciphertexts and goes with the workspace.
`<keys>/<origin>.vault/` holds what opens them, mode 0600:

- `vault.key`: 32 random bytes; with it a subject's name becomes the name of a file
- `NAME.subject`: the pseudonym of a subject; NAME is HMAC-SHA256(vault.key, name)
- `PSEUDONYM.key`: the subject's 32 random bytes
- `PSEUDONYM.shred`: a shredding under way; `NAME.shredded`: one that is done

The pseudonym is random: once `NAME.subject` is gone, not even the vault's key leads to it.
"""

import fcntl
import hmac
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from workbench.contracts.private import subject_name
from workbench.decision_log.durable import flush, replace_durably
from workbench.decision_log.privacy.commitments import SALT_BYTES, Opening, commitment, framed
from workbench.decision_log.privacy.values import padded, parse_value
from workbench.errors import KeyFileError, LockedError, VerificationError
from workbench.workspace import Workspace, keys_folder

KEY_BYTES: Final = 32
VAULT_KEY: Final = "vault.key"
_NONCE_BYTES: Final = 12
_NAME: Final = b"workbench subject v1\n"
_SALT: Final = b"workbench salt v1\n"
_VALUE_KEY: Final = b"workbench value key v1\n"
_BOUND: Final = b"workbench sealed value v1\n"
_PATIENCE_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.02


class Subject:
    """One subject: pseudonym and key."""

    def __init__(self, pseudonym: str, key: bytes) -> None:
        self.pseudonym = pseudonym
        self._key = key

    def salt(self, decision_id: str, field: str, value: bytes) -> bytes:
        """Salt of one value in one place: unguessable without the key, the same when asked again.

        A pseudorandom function of the key (HMAC) stands for a stored random salt, so that a record
        that is appended twice has one commitment, and a lost ciphertext can be made again.
        """
        return self._derived(_SALT + framed(decision_id.encode(), field.encode(), value))

    def encrypt(self, salt: bytes, opened: Opening, value: bytes) -> bytes:
        """Nonce, ciphertext and tag (AES-256-GCM), of salt and padded value.

        Each value has its own key, derived from the subject's, so that no nonce meets one twice.
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        box, bound = self._box(opened.commitment()), _bound(self, opened.decision, opened.field)
        return nonce + box.encrypt(nonce, salt + padded(value), bound)

    def decrypt(self, data: bytes, decision_id: str, field: str, committed: str) -> Opening:
        """The opening of a sealed value.

        Raises:
            VerificationError: The ciphertext was altered or belongs elsewhere, or what it holds is
                not what the entry committed to.
        """
        where = f"decision {decision_id!r}, field {field!r}"
        nonce, sealed = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
        try:
            box, bound = self._box(committed), _bound(self, decision_id, field)
            plain = box.decrypt(nonce, sealed, bound)
        except (InvalidTag, ValueError) as error:
            raise VerificationError(
                f"{where}: its ciphertext in the vault was altered or belongs elsewhere; restore"
                " the vault from a backup."
            ) from error
        salt, value = plain[:SALT_BYTES], plain[SALT_BYTES:].rstrip(b" ")
        if commitment(salt, decision_id, field, value).hex() != committed:
            raise VerificationError(f"{where}: the vault's value is not the one committed to.")
        return Opening(decision_id, field, salt, parse_value(value, where))

    def _box(self, committed: str) -> AESGCM:
        return AESGCM(self._derived(_VALUE_KEY + bytes.fromhex(committed)))

    def _derived(self, message: bytes) -> bytes:
        return hmac.digest(self._key, message, "sha256")


def _bound(subject: Subject, decision_id: str, field: str) -> bytes:
    """What a ciphertext belongs to: its associated data."""
    return _BOUND + framed(subject.pseudonym.encode(), decision_id.encode(), field.encode())


class Vault:
    """Subjects and sealed values of one log; makes nothing before the first value is sealed.

    Args:
        folder: Of the ciphertexts.
        keys: Folder of the vault's and the subjects' keys.
    """

    def __init__(self, folder: Path, keys: Path) -> None:
        self.folder = folder
        self.keys = keys

    @property
    def lock_file(self) -> Path:
        """Held while values are sealed or shredded."""
        return self.keys / ".lock"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Exclusive among processes.

        Raises:
            LockedError: Another process seals or shreds, and does not end.
            KeyFileError: The folder of the keys cannot be written or is open to others.
        """
        self._make_keys_folder()
        descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + _PATIENCE_SECONDS
            while not _taken(descriptor):
                if time.monotonic() >= deadline:
                    raise LockedError(
                        f"{self.keys}: another process seals or shreds; expected to be alone, wait"
                        " until it ends and run again."
                    )
                time.sleep(_POLL_SECONDS)
            yield
        finally:
            os.close(descriptor)

    def subject(self, name: str) -> Subject | None:
        """The subject of that name; None where none is known, or it was shredded."""
        path = self.path_of(name, ".subject")
        if path is None or not path.exists():
            return None
        return self.by_pseudonym(read_secret(path).decode("ascii", errors="replace").strip())

    def ensure_subject(self, name: str) -> Subject:
        """The subject of that name, with pseudonym and key made at its first value; under `lock`.

        Raises:
            KeyFileError: The keys cannot be read or written.
        """
        known = self.subject(name)
        if known is not None:
            return known
        self._ensure_key()
        pseudonym, key = secrets.token_hex(16), secrets.token_bytes(KEY_BYTES)
        self._write(self.keys / f"{pseudonym}.key", key)  # first: a name must lead to a key
        path = self.path_of(name, ".subject")
        if path is None:
            raise RuntimeError("the vault's key was just made")
        self._write(path, pseudonym.encode())
        return Subject(pseudonym, key)

    def by_pseudonym(self, pseudonym: str) -> Subject | None:
        """The subject whose pseudonym an entry names; None where its key is not here.

        Raises:
            KeyFileError: The key is readable by others or damaged.
        """
        path = self.keys / f"{pseudonym}.key"
        if not path.exists() or path.with_suffix(".shred").exists():  # being shredded: gone
            return None
        key = read_secret(path)
        if len(key) != KEY_BYTES:
            raise KeyFileError(
                f"{path}: {len(key)} bytes; expected {KEY_BYTES}, restore it from a backup."
            )
        return Subject(pseudonym, key)

    def path_of(self, name: str, suffix: str) -> Path | None:
        """A file of a subject among the keys; None while the vault has no key."""
        path = self.keys / VAULT_KEY
        if not path.exists():
            return None
        message = _NAME + subject_name(name).encode()
        return self.keys / f"{hmac.digest(read_secret(path), message, 'sha256').hex()}{suffix}"

    def seal(self, subject: Subject, decision_id: str, field: str, value: bytes) -> str:
        """Encrypt a value, durably, and return the commitment to it in hex; under `lock`.

        What is sealed already stays as it is.

        Raises:
            KeyFileError: The vault cannot be written.
            VerificationError: It holds a damaged ciphertext of that value.
        """
        salt = subject.salt(decision_id, field, value)
        opened = Opening(decision_id, field, salt, parse_value(value, f"decision {decision_id!r}"))
        committed = opened.commitment()
        path = self.folder / subject.pseudonym / committed
        if path.exists():
            subject.decrypt(path.read_bytes(), decision_id, field, committed)
        else:
            self._write(path, subject.encrypt(salt, opened, value))
        return committed

    def sealed_value(self, subject: Subject, committed: str) -> bytes | None:
        """The ciphertext behind a commitment; None where there is none."""
        try:
            return (self.folder / subject.pseudonym / committed).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise KeyFileError(
                f"{self.folder}: cannot be read ({error.strerror}); restore it from a backup."
            ) from error

    def _ensure_key(self) -> None:
        path = self.keys / VAULT_KEY
        if path.exists():
            return
        if next(self.keys.glob("*.key"), None) is not None:
            raise KeyFileError(
                f"{path}: missing, though subjects have keys beside it; restore it from a backup,"
                " without it no subject is found by name."
            )
        self._write(path, secrets.token_bytes(KEY_BYTES))

    def _write(self, path: Path, data: bytes) -> None:
        try:
            if not path.parent.is_dir():
                path.parent.mkdir(parents=True, mode=0o700)
                flush(path.parent.parent)
                flush(path.parent.parent.parent)
            replace_durably(path, data, mode=0o600)
        except OSError as error:
            raise KeyFileError(
                f"{path}: cannot be written ({error.strerror}); nothing was acknowledged, make the"
                " folder writable or free space, and run again."
            ) from error

    def _make_keys_folder(self) -> None:
        try:
            self.keys.mkdir(parents=True, exist_ok=True, mode=0o700)
            mode = stat.S_IMODE(self.keys.stat().st_mode)
        except OSError as error:
            raise KeyFileError(
                f"{self.keys}: cannot be made ({error.strerror}); set WORKBENCH_KEYS to a folder of"
                " your own."
            ) from error
        if mode & 0o077:
            raise KeyFileError(
                f"{self.keys}: mode {mode:o} lets others in; expected 700, run 'chmod 700"
                f" {self.keys}' and consider its keys exposed."
            )


def open_vault(workspace: Workspace) -> Vault:
    """The vault of a workspace's log."""
    name = f"{workspace.log_origin().replace('/', '_')}.vault"
    return Vault(workspace.log.parent / "vault", keys_folder() / name)


def read_secret(path: Path) -> bytes:
    """A file that nobody else may read.

    Raises:
        KeyFileError: Others can, or nobody can.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise KeyFileError(
                f"{path}: mode {mode:o} lets others read it; expected 600, run 'chmod 600 {path}'"
                " and consider the key exposed."
            )
        return path.read_bytes()
    except OSError as error:
        raise KeyFileError(
            f"{path}: cannot be read ({error.strerror}); restore it from a backup."
        ) from error


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
