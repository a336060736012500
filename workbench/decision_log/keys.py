"""Signing keys outside the workspace, one per log, and the verifier keys pinned beside them."""

import os
import stat
from pathlib import Path

from workbench.decision_log.note import Signer, generate_signer, parse_signer, parse_verifier
from workbench.errors import KeyFileError
from workbench.workspace import keys_folder


def _path(origin: str, suffix: str) -> Path:
    return keys_folder() / f"{origin.replace('/', '_')}{suffix}"


def ensure_key(origin: str) -> Signer:
    """The log's signing key, made at first use with mode 0600.

    Raises:
        KeyFileError: Others can read it, or it is malformed or unwritable.
    """
    path = _path(origin, ".key")
    if not path.exists():
        _create(path, origin)
    signer = load_signer(path)
    if not _path(origin, ".pub").exists():
        _path(origin, ".pub").write_text(signer.verifier.encode() + "\n", encoding="utf-8")
    return signer


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


def _create(path: Path, origin: str) -> None:
    """Write key and verifier key; when two processes race, the first key stands."""
    signer = generate_signer(origin)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        staged = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(signer.encode() + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(staged, path)
        except FileExistsError:
            return
        finally:
            staged.unlink()
    except OSError as error:
        raise KeyFileError(
            f"{path}: cannot be written ({error.strerror}); set WORKBENCH_KEYS to your folder."
        ) from error
