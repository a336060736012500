"""The bundle of a trace: whole, the same each time, verifiable anywhere, without secrets."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile

import pytest

from workbench.decision_log.keys import verifier_key
from workbench.errors import LogError
from workbench.merkle import leaf_hash, verify_inclusion
from workbench.workspace import keys_folder


@pytest.fixture
def pack(filled, trace, tmp_path):
    """Packs a decision; gives the path of the zip."""

    def run(name="d1.zip", *arguments):
        result = trace("--decision", "d1", "--bundle", str(tmp_path / name), *arguments)
        assert result.exit_code == 0, result.output
        return tmp_path / name

    return run


def test_what_it_holds_is_complete_and_summed(pack):
    with zipfile.ZipFile(pack()) as archive:
        names = archive.namelist()
        sums = archive.read("SHA256SUMS").decode().splitlines()
        listed = {line.split("  ")[1]: line.split("  ")[0] for line in sums}
        for name in set(names) - {"SHA256SUMS"}:
            assert listed[name] == hashlib.sha256(archive.read(name)).hexdigest()
    assert names == sorted(names)
    run = "01920000-0000-7000-8000-000000000001"
    assert set(names) == {
        "README.txt", "SHA256SUMS", "checkpoint", "page.html", "trace.json",
        "proofs/entry-000000000-proposal.proof", "proofs/entry-000000001-override.proof",
        "records/entry-000000000-proposal.json", "records/entry-000000001-override.json",
        f"runs/{run}/run.json", f"lineage/{run}.ndjson", "models/lgbm-1/model.json",
        "rows/stock-0-1.json",
    }  # fmt: skip


def test_the_same_trace_gives_the_same_bytes(pack):
    assert pack("a.zip").read_bytes() == pack("b.zip").read_bytes()


def test_it_verifies_in_an_empty_folder_with_the_key_alone(pack, filled, tmp_path):
    key, home = verifier_key(filled.log_origin()), tmp_path / "elsewhere"
    with zipfile.ZipFile(pack()) as archive:
        archive.extractall(home)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WORKBENCH_")}
    for number, proof in enumerate(sorted((home / "proofs").iterdir())):
        done = subprocess.run(
            [sys.executable, "-m", "workbench", "log", "verify", str(proof), "--key", key],
            cwd=home, env={**kept, "HOME": str(home)}, capture_output=True, text=True,
        )  # fmt: skip
        assert f"Verified: entry {number}" in done.stdout, done.stderr
    record = sorted((home / "records").iterdir())[0].read_bytes()
    assert json.loads(record)["id"] == "d1"


def test_its_row_proofs_lead_to_the_digest_in_the_record(pack):
    with zipfile.ZipFile(pack("rows.zip", "--with-rows")) as archive:
        rows = json.loads(archive.read("rows/stock-0-1.json"))
        record = json.loads(archive.read("records/entry-000000000-proposal.json"))
        block = archive.read("rows/stock-0-1-block-0.bin")
    (one,) = rows["blocks"]
    assert rows["digest"] == record["evidence"][0]["digest"]
    assert leaf_hash(block).hex() == one["leaf"]
    path = [bytes.fromhex(node) for node in one["path"]]
    assert verify_inclusion(
        bytes.fromhex(one["leaf"]), one["block"], one["of"], path, bytes.fromhex(rows["digest"])
    )


def test_rows_stay_here_unless_they_are_asked_for(pack):
    with zipfile.ZipFile(pack()) as archive:
        assert not [name for name in archive.namelist() if name.endswith(".bin")]
        assert b"The rows themselves are not in here." in archive.read("README.txt")


def test_no_key_and_no_path_of_this_machine_is_in_it(pack, tmp_path):
    secrets = [p.read_text().strip().split("+", 4)[-1] for p in keys_folder().glob("*.key")]
    assert secrets
    with zipfile.ZipFile(pack()) as archive:
        for name in archive.namelist():
            if name.startswith("lineage/"):
                continue  # OpenLineage names files by address
            data = archive.read(name)
            assert str(tmp_path).encode() not in data, name
            assert not any(secret.encode() in data for secret in secrets), name


def test_a_file_that_exists_is_not_overwritten(pack, trace, tmp_path):
    path = pack()
    before = path.read_bytes()
    with pytest.raises(LogError, match="exists; expected a new file"):
        trace("--decision", "d1", "--bundle", str(path))
    assert path.read_bytes() == before
    assert trace("--decision", "d1", "--with-rows").exit_code == 2


def test_private_values_are_not_opened_into_what_leaves_this_place(filled, trace, tmp_path):
    for option in ("--bundle", "--html"):
        result = trace("--decision", "d1", option, str(tmp_path / "x"), "--open")
        assert result.exit_code == 2
    assert not (tmp_path / "x").exists()
