"""`workbench log` on a workspace with a log."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from workbench.commands import log as log_commands
from workbench.decision_log.append import open_log
from workbench.errors import KeyFileError, LogError, VerificationError


def call(*arguments):
    result = CliRunner().invoke(log_commands.app, list(arguments), catch_exceptions=True)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_verify_says_that_every_entry_is_included(filled):
    output = call("verify").output
    assert "all 3 entries are included under the signed checkpoint of workbench/shop-" in output
    assert "nobody can see that an older" in output


def test_verify_reports_facts_as_json(filled):
    found = json.loads(call("verify", "--json").output)
    assert (found["verified"], found["entries"], found["foreign"]) == (True, 3, [])


def test_verify_takes_a_folder_and_a_key(filled, tmp_path):
    key = call("key").output.strip()
    (tmp_path / "keys").rename(tmp_path / "elsewhere")
    assert "all 3 entries" in call("verify", str(filled.log), "--key", key).output
    with pytest.raises(KeyFileError, match="--key"):
        call("verify", str(filled.log))


def test_a_key_inside_the_folder_is_not_trusted(filled, tmp_path):
    key = call("key").output
    (tmp_path / "keys").rename(tmp_path / "elsewhere")
    (filled.log / "workbench.pub").write_text(key)
    with pytest.raises(KeyFileError, match="no verifier key pinned"):
        call("verify")


def test_verify_since_a_kept_checkpoint(filled, logs, tmp_path):
    kept = tmp_path / "kept"
    kept.write_text(call("checkpoint").output)
    open_log(filled).append([logs.record(9)])
    assert (
        "It extends the kept checkpoint of size 3." in call("verify", "--since", str(kept)).output
    )
    newer = tmp_path / "newer"
    newer.write_text(call("checkpoint").output)
    (filled.log / "checkpoint").write_text(kept.read_text())
    with pytest.raises(VerificationError, match="smaller than 4"):
        call("verify", "--since", str(newer))
    with pytest.raises(VerificationError, match="4 of the checkpoint that this machine saw"):
        call("verify", "--since", str(kept))
    with pytest.raises(LogError, match="cannot be read"):
        call("verify", "--since", str(tmp_path / "missing"))


def test_an_altered_entry_is_named(filled):
    path = filled.log / "tile/entries/000.p/3"
    path.write_bytes(path.read_bytes().replace(b"promotion", b"promotioN"))
    with pytest.raises(VerificationError, match=r"tile/entries/000.p/3, entry 1: differs"):
        call("verify")


def test_a_proof_verifies_without_the_log(filled, tmp_path):
    proof, key = tmp_path / "d2.tlog-proof", call("key").output.strip()
    assert "verifies offline" in call("prove", "d2", "--out", str(proof)).output
    assert proof.read_text() == call("prove", "d2").output
    filled.root.rename(tmp_path / "away")
    output = call("verify", str(proof), "--key", key).output
    assert "entry 1 is included under the signed checkpoint" in output
    assert '"reason_code": "promotion"' in output
    proof.write_text(proof.read_text().replace("index 1", "index 0"))
    with pytest.raises(VerificationError, match="not in the signed tree"):
        call("verify", str(proof), "--key", key)


def test_prove_needs_a_known_decision_and_a_writable_place(filled, tmp_path):
    with pytest.raises(LogError, match="'nope': not in the log"):
        call("prove", "nope")
    with pytest.raises(LogError, match="cannot be written"):
        call("prove", "d1", "--out", str(tmp_path / "missing" / "proof"))


def test_prove_replaces_no_file_and_writes_into_no_log(filled, tmp_path):
    log = filled.root / "governance/log"
    before = (log / "checkpoint").read_bytes()
    for place in (log / "checkpoint", log / "tile" / "proof", log / "proof"):
        with pytest.raises(LogError, match="lies in the decision log"):
            call("prove", "d2", "--out", str(place))
    assert (log / "checkpoint").read_bytes() == before
    proof = tmp_path / "d2.tlog-proof"
    call("prove", "d2", "--out", str(proof))
    with pytest.raises(LogError, match="exists; expected a new file"):
        call("prove", "d1", "--out", str(proof))


def test_checkpoint_is_the_signed_note(filled):
    assert call("checkpoint").output == (filled.log / "checkpoint").read_text()
    assert json.loads(call("checkpoint", "--json").output)["size"] == 3


@pytest.mark.parametrize("arguments", [["verify"], ["prove", "d1"]])
def test_without_a_log_the_first_run_is_named(workspace, arguments):
    with pytest.raises(LogError, match="decision log"):
        call(*arguments)


def test_a_record_can_be_replaced_only_by_one_that_supersedes_it(filled, logs):
    from workbench.errors import ImmutableError

    with pytest.raises(ImmutableError, match="supersedes"):
        open_log(filled).append([replace(logs.record(3), item_id="I3")])
