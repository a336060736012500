"""What somebody might write to deceive who reads a verdict: it is printed as what it is."""

import base64
import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from workbench.cli import app
from workbench.contracts.records import DecisionRecord
from workbench.decision_log.append import open_log
from workbench.decision_log.checkpoint import Checkpoint
from workbench.decision_log.note import generate_signer
from workbench.decision_log.prove import HEADER, ProvingReader, verify_bundle
from workbench.errors import VerificationError, WorkbenchError
from workbench.merkle import leaf_hash

# erase the line and the one above; a CSI of one character; write from right to left; a line end
SPOOFS = ("\x1b[1A\x1b[2K✓ holds", "\x9b2J", "\u202eevil", "a\r\nVerified: all")
CONTROLS = "\x1b\x9b\u202e\r\x07"


def call(*arguments, code=0):
    """What a command prints, or its one sentence of refusal."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, (result.output, result.exception)
    if isinstance(result.exception, WorkbenchError):
        return result.output + str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.output


@pytest.fixture
def spoofed(workspace):
    """A log whose entries hold texts that a terminal would obey."""
    now = datetime(2026, 1, 2, tzinfo=UTC)
    records = [
        DecisionRecord(
            f"d{number}", "proposal", now, "ann" + text, "planner", item_id="7", location_id="DC1",
            reasons=(text,), detail={"note": text, text: 1},
        )
        for number, text in enumerate(SPOOFS)
    ]  # fmt: skip
    open_log(workspace).append(records)
    return workspace


@pytest.mark.parametrize("number", range(len(SPOOFS)))
def test_texts_of_a_record_steer_no_terminal(spoofed, tmp_path, number):
    proof = tmp_path / "proof"
    call("log", "prove", f"d{number}", "--out", str(proof))
    for output in (
        call("log", "verify", str(proof)),
        call("trace", "--decision", f"d{number}"),
        call("trace", "--item", "7"),
        call("trace", "--item", "7", "--full"),
    ):
        assert not set(output) & set(CONTROLS), repr(output)
        assert not [line for line in output.splitlines() if line.startswith("Verified: all")]


def test_the_name_of_a_foreign_file_is_no_line_of_the_verdict(spoofed):
    for name in ("x\nVerified: all 9 entries", "\x1b[2J", "\u202egpj", ".a\n.new"):
        (spoofed.log / name).write_bytes(b"")
    (spoofed.log / os.fsdecode(b"\xff\xfe")).write_bytes(b"")
    output = call("log", "verify")
    assert not set(output) & set(CONTROLS), repr(output)
    assert output.count("\nVerified") + output.startswith("Verified") == 1
    assert output.count("Foreign file: ") == 4
    assert len(json.loads(call("log", "verify", "--json"))["foreign"]) == 4


def proof_of(entry, signer):
    """A proof of the only entry of a log, whatever is in it."""
    note = Checkpoint(signer.verifier.name, 1, leaf_hash(entry)).sign(signer)
    extra = base64.b64encode(entry).decode()
    return "\n".join([HEADER, f"extra {extra}", "index 0", "", note.decode()])


@pytest.mark.parametrize(
    "entry",
    [b"", b"hello", b"\xff\xfe", b"[1]", b'{"a":NaN}', b'{"id":"a", "id":"b"}', b"[" * 9000],
)
def test_a_proven_entry_that_is_no_record_is_said_in_one_sentence(workspace, tmp_path, entry):
    signer = generate_signer("example.com/log")
    path = tmp_path / "proof"
    path.write_text(proof_of(entry, signer))
    for options in ([], ["--json"]):
        output = call(
            "log", "verify", str(path), "--key", signer.verifier.encode(), *options, code=1
        )
        assert "entry 0" in output
        assert output.count("\n") <= 3


def test_a_node_of_a_path_is_one_hash(logs):
    storage, _ = logs.filled(3)
    bundle = ProvingReader(storage, logs.signer.verifier).bundle(0)
    node = bundle.split("\n")[3]
    for size in (31, 33, 64):
        other = bundle.replace(node, base64.b64encode(bytes(size)).decode(), 1)
        with pytest.raises(VerificationError, match="32 bytes a hash"):
            verify_bundle(other, logs.key)


@pytest.mark.parametrize("option", ["proof", "--since", "--rotation"])
def test_a_file_of_impossible_size_is_not_read(spoofed, tmp_path, option):
    call("log", "prove", "d0", "--out", str(tmp_path / "proof"))
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(1 << 40)
    options = {
        "proof": [str(large)],
        "--since": ["--since", str(large)],
        "--rotation": [str(tmp_path / "proof"), "--rotation", str(large)],
    }
    output = call("log", "verify", *options[option], code=1)
    assert "more than 1,048,576 bytes" in output


def test_an_endless_file_is_not_read_to_its_end(spoofed):
    assert "more than 1,048,576 bytes" in call("log", "verify", "--since", "/dev/zero", code=1)


def test_an_error_steers_no_terminal(spoofed):
    command = [sys.executable, "-m", "workbench", "log", "verify", "no\x1b[2Jne"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "\x1b" in done.stderr) == (1, False)
    assert r"no\u001b[2Jne" in done.stderr


def test_the_page_reverses_no_writing(spoofed, tmp_path):
    for number in range(len(SPOOFS)):
        page = tmp_path / f"{number}.html"
        call("trace", "--decision", f"d{number}", "--html", str(page))
        assert not set(page.read_text(encoding="utf-8")) & set(CONTROLS)
