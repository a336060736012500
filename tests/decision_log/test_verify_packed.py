"""A packed trace is verified with the key alone; what was forged in it is named."""

import hashlib
import io
import json
import random
import stat
import zipfile
from contextlib import suppress

import pytest
from typer.testing import CliRunner

from workbench.cli import app
from workbench.decision_log.append import open_log
from workbench.decision_log.keys import verifier_key
from workbench.decision_log.note import generate_signer
from workbench.decision_log.verify_packed import verify_packed
from workbench.errors import VerificationError, WorkbenchError
from workbench.runs.policies import built_in_digest, policy_file


@pytest.fixture
def key(filled):
    return verifier_key(filled.log_origin())


@pytest.fixture
def packed(filled, trace, tmp_path):
    """A zip of proposal and override, with policy and rows."""
    path = tmp_path / "d1.zip"
    assert trace("--decision", "d1", "--bundle", str(path), "--with-rows").exit_code == 0
    return path


def files_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def forged(packed, tmp_path):
    """Writes a packet with changed files, its sums made to fit."""

    def write(changes):
        files = files_of(packed) | changes
        files = {name: data for name, data in files.items() if data is not None}
        files.pop("SHA256SUMS")
        sums = [f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)]
        files["SHA256SUMS"] = "".join(sums).encode()
        path = tmp_path / "forged.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return path

    return write


UNKNOWN = "— x AAAAAAA=\n".encode()
PROPOSAL = "entry-000000000-proposal"
OVERRIDE = "entry-000000001-override"


def test_the_chain_is_told_from_proven_records_and_the_rest_named_unsigned(packed, key):
    report = verify_packed(packed, key)
    assert [entry.index for entry in report.entries] == [0, 1]
    assert (report.blocks, report.with_rows) == (1, 1)
    told = report.summary()
    assert "entry 1: override d2 answers d1, by test" in told
    unsigned = "README.txt, lineage, models, page.html, names of columns in rows, runs, trace.json"
    assert told.endswith(f"the word of whoever packed this: {unsigned}.")


def test_the_command_needs_the_zip_and_the_key_alone(packed, key, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORKBENCH_WORKSPACE")
    monkeypatch.setenv("WORKBENCH_KEYS", str(tmp_path / "none"))
    done = CliRunner().invoke(app, ["log", "verify", str(packed), "--key", key])
    assert (done.exit_code, "2 entries are included" in done.output) == (0, True)
    done = CliRunner().invoke(app, ["log", "verify", str(packed), "--key", key, "--json"])
    assert [one["record"]["id"] for one in json.loads(done.output)["records"]] == ["d1", "d2"]
    done = CliRunner().invoke(app, ["log", "verify", str(packed)])
    assert "--key" in str(done.exception)


def test_a_policy_hangs_on_the_digest_in_a_record(filled, trace, tmp_path, logs, key, forged):
    digest = built_in_digest()
    text = policy_file(filled.root, digest).read_bytes()
    open_log(filled).append([logs.record(9, policy_digest=digest)])
    path = tmp_path / "d9.zip"
    trace("--decision", "d9", "--bundle", str(path))
    assert verify_packed(path, key).policies == 1
    with pytest.raises(VerificationError, match=r"policies/.* in no proven record"):
        verify_packed(forged({f"policies/{digest}.txt": text}), key)


def swapped(files):
    return {f"proofs/{PROPOSAL}.proof": files[f"proofs/{OVERRIDE}.proof"]}


def other_rows(files):
    rows = json.loads(files["rows/stock-0-1.json"])
    return {"rows/stock-0-1.json": json.dumps({**rows, "last_row": 2}).encode()}


def other_block(files):
    rows = json.loads(files["rows/stock-0-1.json"])
    rows["blocks"][0]["block"] = 1
    return {"rows/stock-0-1.json": json.dumps(rows).encode()}


def record_changed(files):
    name = f"records/{OVERRIDE}.json"
    return {name: files[name].replace(b'"after":7', b'"after":70')}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (record_changed, f"records/{OVERRIDE}.json"),
        (swapped, f"records/{PROPOSAL}.json"),
        (lambda _: {f"records/{OVERRIDE}.json": None}, f"records/{OVERRIDE}.json"),
        (lambda _: {"records/more.json": b"{}"}, "1 records without a proof"),
        (lambda _: {f"proofs/{OVERRIDE}.proof": b"\xff"}, f"proofs/{OVERRIDE}.proof"),
        (lambda f: {"checkpoint": f["checkpoint"] + UNKNOWN}, "another checkpoint"),
        (lambda _: {"checkpoint": None}, "checkpoint: missing"),
        (other_rows, "rows/stock-0-1.json: no proven record"),
        (other_block, "not those of rows 0 to 1"),
        (lambda _: {"rows/stock-0-1.json": b"[]"}, "rows/stock-0-1.json: malformed"),
        (lambda _: {"rows/stock-0-1-block-0.bin": b"rows"}, "block-0.bin: block 0"),
        (lambda _: {"policies/x.txt": b"all is allowed"}, "policies/x.txt"),
        (lambda f: dict.fromkeys([n for n in f if n.startswith("proofs/")]), "no proof in"),
    ],
)  # fmt: skip
def test_what_was_forged_is_named(packed, forged, key, change, place):
    with pytest.raises(VerificationError) as refused:
        verify_packed(forged(change(files_of(packed))), key)
    assert place in str(refused.value)


def test_a_forged_page_is_the_word_of_who_packed_it(forged, key):
    assert "page.html" in verify_packed(forged({"page.html": b"<p>All is well"}), key).unsigned


def test_a_packet_of_another_log_is_refused(packed):
    other = generate_signer("workbench/other").verifier.encode()
    with pytest.raises(VerificationError, match="proofs/"):
        verify_packed(packed, other)


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/x", "a/../../x", "a\\b", "C:x", ".hidden", "a/", "a b", "a\nb", "\u202ea"],
)
def test_names_that_lead_elsewhere_are_refused(forged, key, name):
    with pytest.raises(VerificationError, match="plain files within one folder"):
        verify_packed(forged({name: b""}), key)


def appended(packed, name, data=b"", kind=stat.S_IFREG):
    info = zipfile.ZipInfo(name)
    info.external_attr = (kind | 0o644) << 16
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(info, data)
    return packed


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_links_twins_and_bombs_are_refused(packed, key):
    whole = packed.read_bytes()
    with pytest.raises(VerificationError, match="plain files"):
        verify_packed(appended(packed, "link", b"/etc/passwd", stat.S_IFLNK), key)
    packed.write_bytes(whole)
    with pytest.raises(VerificationError, match="checkpoint' twice"):
        verify_packed(appended(packed, "checkpoint", b"other"), key)
    packed.write_bytes(whole)
    with pytest.raises(VerificationError, match="too large unpacked"):
        verify_packed(appended(packed, "zeros", bytes(300_000_000)), key)
    packed.write_bytes(whole)
    with pytest.raises(VerificationError, match="more: is in SHA256SUMS or in the packet only"):
        verify_packed(appended(packed, "more"), key)


def test_no_flipped_bit_changes_what_is_verified(packed, key):
    whole, chance = packed.read_bytes(), random.Random(5)
    said = verify_packed(packed, key).summary()
    for _ in range(150):
        place = chance.randrange(len(whole))
        flipped = bytearray(whole)
        flipped[place] ^= 1 << chance.randrange(8)
        packed.write_bytes(flipped)
        with suppress(WorkbenchError):
            assert verify_packed(packed, key).summary() == said


def test_what_is_no_zip_is_refused(tmp_path, key):
    target = io.BytesIO()
    zipfile.ZipFile(target, "w").close()
    for data in (target.getvalue(), b"PK\x03\x04", b"hello"):
        (tmp_path / "x").write_bytes(data)
        with pytest.raises(VerificationError, match=r"SHA256SUMS: missing|no zip"):
            verify_packed(tmp_path / "x", key)
