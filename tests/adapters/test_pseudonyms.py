"""Keyed pseudonyms and their key."""

import pytest

from workbench.adapters.pseudonyms import ensure_pseudonym_key, pseudonym
from workbench.errors import KeyFileError


def test_code_is_hmac_sha256_by_rfc_4231():
    # RFC 4231, test case 2, first 128 bits
    code = pseudonym("what do ya want for nothing?", b"Jefe")
    assert code == "5bdcc146bf60754e6a042426089575c7"


def test_key_is_made_once_and_kept_private(tmp_path):
    first = ensure_pseudonym_key(tmp_path / "keys", "demo-1")
    assert ensure_pseudonym_key(tmp_path / "keys", "demo-1") == first
    assert ensure_pseudonym_key(tmp_path / "keys", "demo-2") != first
    assert (tmp_path / "keys" / "demo-1.pseudonyms.key").stat().st_mode & 0o777 == 0o600


def test_key_that_others_can_read_is_refused(tmp_path):
    ensure_pseudonym_key(tmp_path, "demo")
    (tmp_path / "demo.pseudonyms.key").chmod(0o644)
    with pytest.raises(KeyFileError, match="readable by others; run 'chmod 600"):
        ensure_pseudonym_key(tmp_path, "demo")


def test_truncated_key_is_refused(tmp_path):
    ensure_pseudonym_key(tmp_path, "demo")
    (tmp_path / "demo.pseudonyms.key").write_bytes(b"short")
    with pytest.raises(KeyFileError, match="5 bytes; expected 32"):
        ensure_pseudonym_key(tmp_path, "demo")
