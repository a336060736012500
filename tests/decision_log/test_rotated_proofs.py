"""Proofs, pages, bundles and prunings of a log whose key was rotated."""

import os
import subprocess
import sys
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workbench.cli import app
from workbench.decision_log.append import DecisionLog, open_log
from workbench.decision_log.index import LogIndex
from workbench.decision_log.index_file import open_index
from workbench.decision_log.keys import verifier_key
from workbench.decision_log.note import generate_signer, parse_verifier
from workbench.decision_log.privacy.vault import open_vault
from workbench.decision_log.prove import ProvingReader, verify_bundle
from workbench.decision_log.pruning import Pruner, Retention
from workbench.decision_log.rotating import rotate_key
from workbench.decision_log.rotation import rotation_record
from workbench.decision_log.storage import FolderStorage, MemoryStorage
from workbench.decision_log.trace import DecisionHistory
from workbench.decision_log.verify import verify_log
from workbench.decision_log.writer import LogWriter
from workbench.errors import VerificationError

NOW = datetime(2026, 2, 3, tzinfo=UTC)


def rotate(workspace):
    storage = FolderStorage(workspace.log)
    return rotate_key(workspace.log_origin(), storage, now=NOW, actor="test")


def history(workspace):
    key = verifier_key(workspace.log_origin())
    return DecisionHistory(FolderStorage(workspace.log), open_index(workspace), key)


def call(*arguments):
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exception is None, result.output
    return result.output


@pytest.fixture
def twice(workspace, logs):
    """A log with three keys, entries before, between and after; keys, a proof, two rotations."""
    open_log(workspace).append(logs.records(0, 5))
    first, middle = rotate(workspace)
    open_log(workspace).append(logs.records(5, 9))
    _, last = rotate(workspace)
    open_log(workspace).append(logs.records(9, 12))
    seen = history(workspace)
    return (first, middle, last), seen.bundle("d2"), [proof for _, proof in seen.rotations()]


def test_each_key_verifies_a_proof_with_the_rotations_since(twice):
    (first, middle, last), proof, rotations = twice
    for key, given in (
        (last, []), (last, rotations), (middle, rotations[1:]), (middle, rotations),
        (first, rotations), (first, rotations[::-1]),
    ):  # fmt: skip
        assert verify_bundle(proof, key, rotations=given).index == 2


def test_without_every_rotation_an_earlier_key_verifies_nothing(twice):
    (first, middle, _), proof, rotations = twice
    for key, given in (
        (first, []), (first, rotations[:1]), (first, rotations[1:]), (middle, rotations[:1]),
        (middle, []),
    ):  # fmt: skip
        with pytest.raises(VerificationError, match="not signed by any trusted key"):
            verify_bundle(proof, key, rotations=given)


def test_a_proof_of_something_else_is_no_rotation(twice):
    (first, *_), proof, rotations = twice
    with pytest.raises(VerificationError, match="entry 2: is a 'proposal', no change of the key"):
        verify_bundle(proof, first, rotations=[*rotations, proof])


def test_a_strangers_rotation_leads_nowhere(twice, logs):
    """Another log's rotation, and one to a key of this name that the log's own key never named."""
    (first, *_), proof, _ = twice
    origin = parse_verifier(first).name
    for name in ("example.com/other", origin):
        old, new = generate_signer(name), generate_signer(name)
        storage = MemoryStorage()
        DecisionLog(storage, old, LogIndex(Path(":memory:"))).append(logs.records(0, 5))
        writer = LogWriter(storage, old)
        with writer.held():
            record = rotation_record(writer.recover(), old, new, now=NOW, actor="thief")
            writer.extend([record.canonical()], successor=new)
        forged = ProvingReader(storage, new.verifier).bundle(5)
        with pytest.raises(VerificationError):
            verify_bundle(proof, first, rotations=[forged])
        with pytest.raises(VerificationError):
            verify_bundle(forged, first, rotations=[forged])


def test_a_rotation_that_was_moved_or_altered_is_refused(twice):
    (first, *_), proof, (one, other) = twice
    for altered in (
        one.replace("index 5", "index 6"),
        one.replace("index 5", "index 4"),
        "\n".join(one.split("\n")[:1] + proof.split("\n")[1:2] + one.split("\n")[2:]),
    ):
        with pytest.raises(VerificationError):
            verify_bundle(proof, first, rotations=[altered, other])


def test_a_packed_trace_verifies_elsewhere_with_the_key_from_before_a_rotation(
    filled, trace, tmp_path
):
    old, new = rotate(filled)
    trace("--decision", "d1", "--bundle", tmp_path / "d1.zip")
    home = tmp_path / "elsewhere"
    with zipfile.ZipFile(tmp_path / "d1.zip") as archive:
        archive.extractall(home)
    (rotation,) = (home / "keys").iterdir()
    proofs = sorted((home / "proofs").iterdir())
    assert len(proofs) == 2
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WORKBENCH_")}
    for key, more in ((new, []), (old, ["--rotation", rotation])):
        for proof in proofs:
            done = subprocess.run(
                [sys.executable, "-m", "workbench", "log", "verify", proof, "--key", key, *more],
                cwd=home, env={**kept, "HOME": str(home)}, capture_output=True, text=True,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
    page = (home / "page.html").read_text()
    assert "where the log changed its key" in page
    assert rotation.read_text().splitlines()[2] in page
    assert "keys/rotation-000000003.proof" in (home / "SHA256SUMS").read_text()


def test_the_command_writes_the_proofs_of_all_changes(twice, workspace, tmp_path):
    (first, _, last), proof, _ = twice
    assert last in call("log", "key", "--proofs", tmp_path / "changes")
    files = sorted((tmp_path / "changes").iterdir())
    assert [path.name for path in files] == ["rotation-000000005.proof", "rotation-000000010.proof"]
    (tmp_path / "d2.proof").write_text(proof)
    given = [text for path in files for text in ("--rotation", path)]
    told = call("log", "verify", tmp_path / "d2.proof", "--key", first, *given)
    assert "entry 2 is included" in told


def test_a_pruning_keeps_the_bundle_that_holds_a_rotation(workspace, logs):
    settings = '[workspace]\nname="shop"\n[log]\nkeep_days=0\n'
    (workspace.root / "workbench.toml").write_text(settings)
    open_log(workspace).append(logs.records(0, 300))
    old, new = rotate(workspace)  # entry 300, in the second bundle
    open_log(workspace).append(logs.records(300, 800))
    retention = Retention(date(2026, 6, 1), "ada", "operator", datetime(2026, 6, 2, tzinfo=UTC))
    pruner = Pruner(
        FolderStorage(workspace.log), open_index(workspace), parse_verifier(new),
        open_vault(workspace).folder,
    )  # fmt: skip
    plan = pruner.plan(retention)
    assert plan.bundles == (0, 2)
    pruner.prune(plan, retention, open_log(workspace))
    _, last = rotate(workspace)
    for key, rotations in ((old, 2), (new, 1), (last, 0)):
        report = verify_log(workspace.log, key)
        assert len(report.rotations) == rotations
        assert [(run.first, run.last) for run in report.pruned] == [(0, 255), (512, 767)]
    assert call("log", "prune", "--before", "2026-06-01", "--yes").startswith("0 of 1 full")
    proof = history(workspace).bundle("d400")
    changes = [each for _, each in history(workspace).rotations()]
    assert verify_bundle(proof, old, rotations=changes).index == 401
