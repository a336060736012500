"""Private values: committed to in the log, encrypted beside it."""

import hashlib
import json
import struct
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from workbench import cli
from workbench.contracts.private import Private
from workbench.contracts.record_checks import check_entry
from workbench.decision_log.append import open_log
from workbench.decision_log.privacy.commitments import Opening, commitment
from workbench.decision_log.privacy.vault import Subject
from workbench.decision_log.verify import verify_log
from workbench.errors import (
    ContractError,
    ImmutableError,
    KeyFileError,
    LogError,
    VerificationError,
)

NAME, VALUE = "Jane Doe-Müller", "Ärztin rät von Hebearbeit ab"
LATER = datetime(2027, 1, 2, tzinfo=UTC)


def call(*arguments, **more):
    result = CliRunner().invoke(cli.app, list(arguments), catch_exceptions=True, **more)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def noted(logs, number=1, value=VALUE, name=NAME, **more):
    detail = {"note": Private(name, value), "plain": "kept"}
    return logs.record(number, kind="override", detail=detail, **more)


@pytest.fixture
def sealed(workspace, logs):
    """A workspace with one private note, in entry 1 of 3."""
    open_log(workspace).append([logs.record(0), noted(logs), logs.record(2)])
    return workspace


def entry_of(workspace, decision_id="d1"):
    return json.loads(open_log(workspace).entries_of([decision_id])[decision_id])


def by_hand(salt, decision_id, field, value):
    """The commitment as the documentation states it, written a second time."""
    parts = [decision_id.encode(), field.encode(), value.encode()]
    framed = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    return hashlib.sha256(b"workbench commitment v1\n" + salt + framed).hexdigest()


def test_an_entry_holds_a_commitment_in_place_of_the_value(sealed):
    note = entry_of(sealed)["detail"]["note"]["sealed"]
    assert (set(note), note["label"]) == ({"commitment", "label", "subject"}, "personal")
    assert entry_of(sealed)["detail"]["plain"] == "kept"
    check_entry(open_log(sealed).entries_of(["d1"])["d1"])


def test_the_commitment_is_the_documented_hash(sealed, tmp_path):
    out = tmp_path / "opening.json"
    call("log", "open", "d1", "--field", "note", "--out", str(out))
    opened = json.loads(out.read_text())
    assert (opened["value"], out.stat().st_mode & 0o777) == (VALUE, 0o600)
    salt, text = bytes.fromhex(opened["salt"]), json.dumps(VALUE, ensure_ascii=False)
    assert len(salt) == 32
    note = entry_of(sealed)["detail"]["note"]["sealed"]
    assert by_hand(salt, "d1", "note", text) == note["commitment"]


def test_the_documented_lines_of_python_print_the_commitment(sealed, tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[2] / "docs" / "decision-log.md").read_text()
    start = page.index("import hashlib, json")
    lines = page[start : page.index("```", start)]
    call("log", "open", "d1", "--field", "note", "--out", str(tmp_path / "opening.json"))
    monkeypatch.chdir(tmp_path)
    exec(lines, {})
    note = entry_of(sealed)["detail"]["note"]["sealed"]
    assert capsys.readouterr().out.strip() == note["commitment"]


@given(st.lists(st.binary(max_size=8), min_size=6, max_size=6))
def test_no_two_places_and_values_share_an_encoding(parts):
    one, two = [part.hex() for part in parts[:3]], [part.hex() for part in parts[3:]]
    same = commitment(bytes(32), one[0], one[1], one[2].encode()) == commitment(
        bytes(32), two[0], two[1], two[2].encode()
    )
    assert same == (one == two)


def test_equal_values_have_different_commitments_and_nonces(workspace, logs):
    open_log(workspace).append([noted(logs, number) for number in range(50)])
    entries = open_log(workspace).entries_of([f"d{n}" for n in range(50)]).values()
    notes = [json.loads(entry)["detail"]["note"]["sealed"] for entry in entries]
    assert len({note["commitment"] for note in notes}) == 50
    (subject,) = {note["subject"] for note in notes}
    files = list((workspace.log.parent / "vault" / subject).iterdir())
    assert len({file.read_bytes()[:12] for file in files}) == 50


def test_a_record_appended_twice_is_one_entry(sealed, logs):
    again = open_log(sealed).append([noted(logs, recorded_at=LATER)])
    assert (again.indexes, again.new) == ((1,), 0)
    with pytest.raises(ImmutableError, match="other content"):
        open_log(sealed).append([noted(logs, value="another")])


def test_a_lost_ciphertext_is_made_again_by_the_same_record(sealed, logs):
    (file,) = (sealed.log.parent / "vault").glob("*/*")
    file.unlink()
    with pytest.raises(LogError, match="append the same record again"):
        call("log", "open", "d1")
    open_log(sealed).append([noted(logs)])
    assert VALUE in call("log", "open", "d1").output


def test_opening_says_whether_the_value_is_the_committed_one(sealed):
    assert f'note: "{VALUE}"  (personal, opened' in call("log", "open", "d1").output
    found = json.loads(call("log", "open", "d1", "--json").output)["private"]
    assert [(one["state"], one["value"]) for one in found] == [("opened", VALUE)]
    with pytest.raises(LogError, match="no private value"):
        call("log", "open", "d2")


def test_an_altered_or_swapped_ciphertext_is_refused(sealed, logs):
    open_log(sealed).append([noted(logs, 9, value="other")])
    one, two = (sealed.log.parent / "vault").glob("*/*")
    whole = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    for name in ("d1", "d9"):
        with pytest.raises(VerificationError, match="altered or belongs elsewhere"):
            call("log", "open", name)


def test_a_ciphertext_is_bound_to_decision_and_field():
    subject, salt = Subject("ab" * 16, bytes(32)), bytes(32)
    data = subject.encrypt(salt, Opening("d1", "note", salt, 1), b"1")
    committed = commitment(salt, "d1", "note", b"1").hex()
    assert subject.decrypt(data, "d1", "note", committed).value == 1
    for place in (("d2", "note"), ("d1", "other")):
        with pytest.raises(VerificationError, match="belongs elsewhere"):
            subject.decrypt(data, *place, committed)


def test_an_outsider_checks_an_opened_value_with_proof_and_key_alone(sealed, tmp_path):
    opening, proof = tmp_path / "opening.json", tmp_path / "decision.proof"
    call("log", "open", "d1", "--field", "note", "--out", str(opening))
    call("log", "prove", "d1", "--out", str(proof))
    key = call("log", "key").output.strip()
    (tmp_path / "keys").rename(tmp_path / "gone")
    assert VALUE in call("log", "check-opening", str(opening), str(proof), "--key", key).output
    opening.write_text(opening.read_text().replace("rät", "rat"))
    with pytest.raises(VerificationError, match="one of them was changed"):
        call("log", "check-opening", str(opening), str(proof), "--key", key)
    opening.write_text("[]")
    with pytest.raises(VerificationError, match="is no opening"):
        call("log", "check-opening", str(opening), str(proof), "--key", key)


def test_an_opening_is_not_written_into_the_workspace(sealed):
    with pytest.raises(LogError, match="lies in the workspace"):
        call("log", "open", "d1", "--field", "note", "--out", str(sealed.root / "opening.json"))


def test_a_private_value_never_becomes_canonical_unsealed(logs):
    with pytest.raises(ContractError, match="only the log seals"):
        noted(logs).canonical()
    with pytest.raises(ContractError, match="only the log seals"):
        logs.record(1, detail={"private": {"subject": "x", "value": 1}}).canonical()
    assert not {NAME, VALUE} & set(repr(noted(logs)).split("'"))


@pytest.mark.parametrize(
    "detail",
    [
        {"a": {"b": Private("x", 1)}},
        {"a": [Private("x", 1)]},
        {"private": {"subject": "x", "value": 1, "label": "personal"}},
        {"a": {"private": {"subject": "x", "value": 1, "label": "public"}}},
        {"a": {"private": {"subject": " ", "value": 1, "label": "secret"}}},
        {"a": {"private": {"subject": "x", "value": 1}}},
        {"a": {"private": 1, "more": 2}},
        {"a": Private("x", {"private": 1})},
    ],
)
def test_a_misplaced_private_value_is_refused(workspace, logs, detail):
    with pytest.raises(ContractError):
        open_log(workspace).append([logs.record(1, detail=detail)])
    assert open_log(workspace).checkpoint().size == 0


def test_a_log_without_a_vault_refuses_private_values(logs):
    _, log = logs.filled(2)
    with pytest.raises(LogError, match="has no vault"):
        log.append([noted(logs, 5)])


def test_only_one_request_of_a_group_is_refused(workspace, logs):
    log, bad = open_log(workspace), logs.record(2, detail={"a": [Private("x", 1)]})
    one, two = log.append_group([[noted(logs).unsealed()], [bad.unsealed()]])
    assert one.indexes == (0,)
    assert isinstance(two, ContractError)


def test_keys_that_others_can_read_are_refused(sealed, tmp_path):
    folder = next((tmp_path / "keys").glob("*.vault"))
    key = next(folder.glob("[0-9a-f]*.key"))
    key.chmod(0o644)
    with pytest.raises(KeyFileError, match="lets others read"):
        call("log", "open", "d1")
    key.chmod(0o600)
    folder.chmod(0o755)
    with pytest.raises(KeyFileError, match="lets others in"):
        call("log", "shred", NAME)


def test_without_the_keys_nothing_opens_and_all_verifies(sealed, tmp_path):
    key = call("log", "key").output.strip()
    for folder in (tmp_path / "keys").glob("*.vault"):
        folder.rename(tmp_path / "vault-keys")
    with pytest.raises(KeyFileError, match="no key of subject"):
        call("log", "open", "d1")
    assert verify_log(sealed.log, key).entries == 3


def test_a_lost_vault_key_is_not_replaced_by_another(sealed, logs, tmp_path):
    next((tmp_path / "keys").glob("*.vault/vault.key")).unlink()
    with pytest.raises(KeyFileError, match=r"vault\.key: missing"):
        open_log(sealed).append([noted(logs, 7)])


def test_one_subject_is_found_under_either_unicode_spelling(workspace, logs):
    composed, decomposed = "Müller", " Mu\u0308ller"
    open_log(workspace).append([noted(logs, 1, name=composed), noted(logs, 2, name=decomposed)])
    one, two = (entry_of(workspace, name)["detail"]["note"]["sealed"] for name in ("d1", "d2"))
    assert one["subject"] == two["subject"]


def test_values_of_any_json_type_come_back_as_they_were(workspace, logs):
    values = [0, False, "", "  padded  ", {"a": [1.5, -3, {"b": "ß"}]}, "x" * 5000]
    open_log(workspace).append([noted(logs, n, value=value) for n, value in enumerate(values)])
    for number, value in enumerate(values):
        found = json.loads(call("log", "open", f"d{number}", "--json").output)
        assert found["private"][0]["value"] == value


def test_the_vault_is_written_before_the_entry_is_acknowledged(workspace, logs):
    log = open_log(workspace)
    log.append([logs.record(0)])
    (workspace.log / "tile" / "entries" / "000.p" / "2").mkdir(parents=True)
    with pytest.raises(LogError):
        log.append([noted(logs)])
    assert list((workspace.log.parent / "vault").glob("*/*"))
    (workspace.log / "tile" / "entries" / "000.p" / "2").rmdir()
    assert open_log(workspace).append([noted(logs)]).indexes == (1,)
    assert VALUE in call("log", "open", "d1").output


SEALING = """
import sys
from datetime import UTC, datetime
from workbench.contracts.private import Private
from workbench.contracts.records import DecisionRecord
from workbench.decision_log.append import open_log
from workbench.workspace import find_workspace
log = open_log(find_workspace())
for number in range(int(sys.argv[1]), 10_000):
    detail = {"note": Private(f"subject {number % 3}", f"value {number}")}
    log.append([DecisionRecord(f"d{number}", "fact", datetime.now(UTC), "a", "b", detail=detail)])
    print(number, flush=True)
"""


def test_a_writer_killed_while_sealing_loses_no_value_that_was_acknowledged(workspace):
    done = -1
    for kill in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", SEALING, str(done + 1)], stdout=subprocess.PIPE, text=True
        )
        for line in writer.stdout:
            done = int(line)
            if done % 7 == kill:
                break
        writer.kill()
        done = max([done, *map(int, writer.communicate()[0].split())])
    size = open_log(workspace).checkpoint().size
    assert done < size <= done + 2
    for number in range(size):
        found = json.loads(call("log", "open", f"d{number}", "--json").output)
        assert found["private"][0]["value"] == f"value {number}"
    assert verify_log(workspace.log, call("log", "key").output.strip()).entries == size
