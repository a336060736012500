"""Signing keys outside the workspace, verifier keys pinned beside them."""

import pytest

from workbench.decision_log.keys import ensure_key, verifier_key
from workbench.decision_log.note import generate_signer
from workbench.errors import KeyFileError

ORIGIN = "workbench/shop-1a2b"


@pytest.fixture
def keys(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_KEYS", str(tmp_path / "keys"))
    return tmp_path / "keys"


def test_a_key_is_made_once_for_its_owner_alone(keys):
    signer = ensure_key(ORIGIN)
    assert ensure_key(ORIGIN).verifier == signer.verifier
    path = keys / "workbench_shop-1a2b.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert keys.stat().st_mode & 0o777 == 0o700
    assert sorted(p.suffix for p in keys.iterdir()) == [".key", ".pub"]
    assert verifier_key(ORIGIN) == signer.verifier.encode()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o620])
def test_a_key_that_others_can_reach_is_refused(keys, mode):
    ensure_key(ORIGIN)
    (keys / "workbench_shop-1a2b.key").chmod(mode)
    with pytest.raises(KeyFileError, match=f"mode {mode:o} .*chmod 600"):
        ensure_key(ORIGIN)


def test_a_lost_key_is_not_replaced_by_a_new_one(keys):
    ensure_key(ORIGIN)
    (keys / "workbench_shop-1a2b.key").unlink()
    with pytest.raises(KeyFileError, match=r"missing, though .*\.pub is pinned"):
        ensure_key(ORIGIN)


def test_a_key_other_than_the_pinned_one_is_refused(keys):
    ensure_key(ORIGIN)
    (keys / "workbench_shop-1a2b.pub").write_text(generate_signer(ORIGIN).verifier.encode())
    with pytest.raises(KeyFileError, match="is not the key whose verifier is pinned"):
        ensure_key(ORIGIN)


def test_without_a_pinned_key_one_must_be_given(keys):
    with pytest.raises(KeyFileError, match=r"no verifier key pinned .*--key"):
        verifier_key("workbench/other-0000")


@pytest.mark.parametrize("text", ["", "secret", "PRIVATE+KEY+a+b+c", "PRIVATE+KEY+a+00000000+AQ=="])
def test_a_malformed_key_is_refused_without_repeating_it(keys, text):
    ensure_key(ORIGIN)
    (keys / "workbench_shop-1a2b.key").write_text(text)
    with pytest.raises(KeyFileError, match="signing key") as caught:
        ensure_key(ORIGIN)
    assert not text or text not in str(caught.value)


def test_an_unwritable_folder_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WORKBENCH_KEYS", str(tmp_path / "file" / "keys"))
    with pytest.raises(KeyFileError, match=r"cannot be written .*WORKBENCH_KEYS"):
        ensure_key(ORIGIN)
