"""Keyed pseudonyms: the same person gets the same code, and nobody without the key gets back.

A plain or merely salted hash of a small number space (household 1 to 2,500) is reversed by trying
all numbers; a keyed hash (HMAC-SHA256, RFC 2104) is not. The key is made at first use and kept
outside the workspace, with the signing keys. Whoever destroys it makes the codes unlinkable.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from workbench.errors import KeyFileError

KEY_BYTES = 32
CODE_BYTES = 16


def ensure_pseudonym_key(folder: Path, workspace_id: str) -> bytes:
    """The workspace's pseudonym key, made with mode 0600 if it does not exist.

    Raises:
        KeyFileError: The key cannot be made, is readable by others or has the wrong length.
    """
    path = folder / f"{workspace_id}.pseudonyms.key"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _create_once(path)
        mode, key = path.stat().st_mode & 0o077, path.read_bytes()
    except OSError as error:
        raise KeyFileError(
            f"{path}: pseudonym key cannot be made or read ({error.strerror}); check the folder's"
            " owner and permissions."
        ) from error
    if mode:
        raise KeyFileError(f"{path}: readable by others; run 'chmod 600 {path}'.")
    if len(key) != KEY_BYTES:
        raise KeyFileError(
            f"{path}: {len(key)} bytes; expected {KEY_BYTES}. Restore the key from a backup."
        )
    return key


def _create_once(path: Path) -> None:
    """Write a fresh key under its final name in one step; whoever links first wins."""
    if path.exists():
        return
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, secrets.token_bytes(KEY_BYTES))
        os.fsync(descriptor)
        os.link(staged, path)
    except FileExistsError:
        pass
    finally:
        os.close(descriptor)
        staged.unlink()


def pseudonym(value: str, key: bytes) -> str:
    """Code of one value: the first 128 bits of HMAC-SHA256, in hexadecimal."""
    return hmac.new(key, value.encode(), hashlib.sha256).digest()[:CODE_BYTES].hex()


def pseudonym_table(values: Iterable[str], key: bytes) -> pa.Table:
    """Columns `value` and `code` for joining in SQL."""
    ordered = list(values)
    return pa.table({"value": ordered, "code": [pseudonym(value, key) for value in ordered]})
