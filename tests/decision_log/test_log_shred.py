"""Shredding: what opened a subject's values is gone, the log says so, and still verifies."""

import base64
import gc
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import CliRunner

from workbench import cli
from workbench.contracts.private import Private
from workbench.decision_log.append import open_log
from workbench.decision_log.index_file import INDEX_FILE
from workbench.decision_log.privacy.shredding import Shredder, shred
from workbench.decision_log.privacy.vault import open_vault
from workbench.decision_log.service.checks import standing_checks
from workbench.decision_log.service.client import ServiceClient
from workbench.decision_log.service.server import LogServer
from workbench.decision_log.verify import verify_log
from workbench.errors import KeyFileError, LogError

NAME, VALUE = "Jane Doe-Müller", "Ärztin rät von Hebearbeit ab"
OTHER = "John Roe"
SHREDDER = Shredder("ada", "operator", datetime(2026, 5, 6, tzinfo=UTC))
STEPS = ("intent", "key", "name", "ciphertexts", "log", "tombstone", "done")


def spellings(text: str) -> dict[str, bytes]:
    """A text as it might stand in a file; base64 at each of its three alignments."""
    found = {"json": json.dumps(text)[1:-1].encode()}
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        data = text.encode(encoding)
        found[encoding] = data
        found[f"{encoding} hex"] = data.hex().encode()
        found[f"{encoding} HEX"] = data.hex().upper().encode()
        for shift in range(3):
            whole = base64.b64encode(bytes(shift) + data)
            inner = whole[-(-8 * shift // 6) : (8 * (shift + len(data))) // 6]
            found[f"{encoding} base64 {shift}"] = inner
            found[f"{encoding} base64url {shift}"] = inner.translate(bytes.maketrans(b"+/", b"-_"))
    return found


def places(text: str, *folders: Path) -> Iterator[str]:
    """Where a text stands: in the content or the name of any file."""
    for folder in folders:
        for path in folder.rglob("*"):
            data = str(path.relative_to(folder)).encode() + b"\n"
            data += path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            for name, spelling in spellings(text).items():
                if spelling in data:
                    yield f"{path}: {name}"


def call(*arguments, **more):
    result = CliRunner().invoke(cli.app, list(arguments), catch_exceptions=True, **more)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def noted(logs, number=1, name=NAME, **more):
    fields = {"item_id": "I1", "location_id": "DC1", "valid_from": date(2018, 1, 1), **more}
    return logs.record(number, kind="override", detail={"note": Private(name, VALUE)}, **fields)


@pytest.fixture
def sealed(workspace, logs):
    """Two subjects with one note each, in entries 0 and 1."""
    open_log(workspace).append([noted(logs), noted(logs, 2, OTHER)])
    return workspace


def entries(workspace):
    storage = [path.read_bytes() for path in sorted((workspace.log / "tile/entries").rglob("*"))
               if path.is_file()]  # fmt: skip
    return storage[-1]


def shred_again(workspace, step=lambda part: None):
    return shred(open_vault(workspace), open_log(workspace), NAME, SHREDDER, step)


def test_after_shredding_nothing_opens_and_all_verifies(sealed, tmp_path):
    kept, proof = tmp_path / "kept", tmp_path / "proof"
    kept.write_text(call("log", "checkpoint").output)
    call("log", "prove", "d1", "--out", str(proof))
    assert "entry 2 of the log says so" in call("log", "shred", NAME).output
    assert "personal, shredded at 20" in call("log", "open", "d1").output
    assert VALUE in call("log", "open", "d2").output  # another subject's
    assert "all 3 entries" in call("log", "verify", "--since", str(kept)).output
    assert "entry 0 is included" in call("log", "verify", str(proof)).output
    assert "entry 0 is included" in call("log", "verify", str(_again(tmp_path))).output


def _again(tmp_path):
    call("log", "prove", "d1", "--out", str(tmp_path / "later.proof"))
    return tmp_path / "later.proof"


def test_the_entry_names_pseudonym_actor_and_time_never_the_subject(sealed):
    call("log", "shred", NAME, "--actor", "ada")
    bundle = call("log", "prove", f"shred-{_pseudonym(sealed)}").output
    record = json.loads(base64.b64decode(bundle.splitlines()[1].removeprefix("extra ")))
    assert (record["kind"], record["actor"], record["role"]) == ("shred", "ada", "operator")
    assert record["detail"] == {"subject": _pseudonym(sealed)}


def _pseudonym(workspace, decision_id="d1"):
    entry = open_log(workspace).entries_of([decision_id])[decision_id]
    return json.loads(entry)["detail"]["note"]["sealed"]["subject"]


def test_before_shredding_no_file_holds_value_or_name(sealed, tmp_path):
    call("trace", "--item", "I1", "--json")
    for text in (VALUE, NAME, OTHER):
        assert list(places(text, sealed.root, tmp_path / "keys")) == []


def test_after_shredding_no_file_holds_value_name_or_key(sealed, tmp_path):
    (key,) = (tmp_path / "keys").glob(f"*.vault/{_pseudonym(sealed)}.key")
    secret = key.read_bytes()
    call("log", "shred", NAME)
    call("log", "verify")
    call("trace", "--item", "I1", "--json")
    for text in (VALUE, NAME, secret.hex()):
        assert list(places(text, sealed.root, tmp_path / "keys")) == []
    gc.collect()  # an index that nobody uses any more takes its side files along
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert (sealed.data / INDEX_FILE) in files
    assert not [path for path in files if secret in path.read_bytes()]
    assert not list(sealed.log.parent.glob(f"vault/{_pseudonym(sealed)}"))


def test_the_scan_finds_a_planted_text_in_every_spelling(tmp_path):
    planted = {
        "plain": VALUE.encode(), "utf16": VALUE.encode("utf-16"), "hex": VALUE.encode().hex(),
        "b64": base64.b64encode(b"x" + VALUE.encode()), "url": base64.urlsafe_b64encode(
            b"xy" + VALUE.encode("utf-16-le") + b"z"), "json": json.dumps(VALUE),
    }  # fmt: skip
    for name, data in planted.items():
        (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    found = {Path(place.partition(": ")[0]).name for place in places(VALUE, tmp_path)}
    assert found == set(planted)
    (tmp_path / VALUE).touch()
    assert any(VALUE in place for place in places(VALUE, tmp_path))


def test_shredding_again_changes_nothing(sealed):
    call("log", "shred", NAME)
    before = call("log", "checkpoint").output
    assert "shredded before" in call("log", "shred", NAME).output
    assert call("log", "checkpoint").output == before


def test_a_name_under_which_nothing_was_sealed_is_refused(sealed, workspace):
    with pytest.raises(LogError, match="nothing is sealed under that name"):
        call("log", "shred", "Jane Do")


def test_the_name_may_come_from_standard_input(sealed):
    assert "Shredded: subject" in call("log", "shred", "-", input=f"{NAME}\n").output


def test_a_record_appended_again_after_shredding_stays_one_entry(sealed, logs):
    call("log", "shred", NAME)
    again = open_log(sealed).append([noted(logs)])
    assert (again.indexes, again.new) == ((0,), 0)
    assert open_vault(sealed).subject(NAME) is None


def test_a_subject_named_anew_gets_another_pseudonym_and_key(sealed, logs):
    before = _pseudonym(sealed)
    call("log", "shred", NAME)
    open_log(sealed).append([noted(logs, 7)])
    assert _pseudonym(sealed, "d7") != before
    assert VALUE in call("log", "open", "d7").output
    assert "entry 4" in call("log", "shred", NAME).output
    assert "shredded at" in call("log", "open", "d7").output


def test_keys_that_come_back_with_a_backup_are_told_and_shredded_again(sealed, tmp_path):
    (folder,) = (tmp_path / "keys").glob("*.vault")
    shutil.copytree(folder, tmp_path / "backup")
    call("log", "shred", NAME, "--actor", "ada")
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "backup", folder)
    with pytest.raises(KeyFileError, match="its key lies in this machine's"):
        call("log", "open", "d1")
    assert "entry 2" in call("log", "shred", NAME, "--actor", "bob").output
    assert "shredded at" in call("log", "open", "d1").output


def test_trace_shows_a_private_value_sealed_then_opened_then_shredded(sealed):
    output = call("trace", "--decision", "d1").output
    assert "note  personal, sealed" in output
    assert VALUE not in output + call("trace", "--decision", "d1", "--json").output
    assert f'personal, opened: "{VALUE}"' in call("trace", "--decision", "d1", "--open").output
    call("log", "shred", NAME)
    for more in ((), ("--open",)):
        assert "note  personal, shredded at 20" in call("trace", "--decision", "d1", *more).output


@pytest.mark.parametrize(
    "odd",
    [
        {"sealed": 1},
        {"sealed": {"subject": "../../x", "commitment": "0" * 64, "label": "personal"}},
        {"sealed": {"subject": ["a"], "commitment": 7, "label": {}}},
    ],
)
def test_what_only_looks_sealed_is_traced_as_it_stands(workspace, logs, odd):
    open_log(workspace).append([logs.record(1, detail={"note": odd})])
    facts = json.loads(call("trace", "--decision", "d1", "--open", "--json").output)
    assert facts["decisions"][0]["private"] == []
    assert facts["decisions"][0]["record"]["detail"]["note"] == odd


@pytest.mark.parametrize("stop", STEPS)
def test_a_shredding_cut_off_anywhere_is_completed_by_the_next(sealed, stop):
    def cut(part):
        if part == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shred_again(sealed, cut)
    if stop != "intent":
        assert open_vault(sealed).subject(NAME) is None
    assert len(shred_again(sealed).pseudonyms) == 1
    _is_shredded(sealed)


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from workbench.decision_log.append import open_log
from workbench.decision_log.privacy.shredding import Shredder, shred
from workbench.decision_log.privacy.vault import open_vault
from workbench.workspace import find_workspace
workspace = find_workspace()
def step(part):
    if part == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)
shredder = Shredder("ada", "operator", datetime(2026, 5, 6, tzinfo=UTC))
shred(open_vault(workspace), open_log(workspace), sys.stdin.readline(), shredder, step)
"""


@pytest.mark.parametrize("stop", STEPS)
def test_a_killed_shredding_is_completed_by_the_next(sealed, tmp_path, stop):
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, stop], input=NAME, text=True, check=False
    )
    assert killed.returncode == -9
    if stop in ("log", "tombstone", "done"):  # an append of anybody else does not disturb it
        open_log(sealed).checkpoint()
    assert len(shred_again(sealed).pseudonyms) == 1
    _is_shredded(sealed)
    assert list(places(NAME, sealed.root, tmp_path / "keys")) == []


def _is_shredded(workspace):
    assert shred_again(workspace).pseudonyms == ()
    assert "shredded at" in call("log", "open", "d1").output
    assert VALUE in call("log", "open", "d2").output
    assert "all 3 entries" in call("log", "verify").output


def test_when_the_log_cannot_be_written_the_next_shredding_says_so_in_it(sealed):
    blocked = sealed.log / "tile" / "entries" / "000.p" / "3"
    blocked.mkdir()
    with pytest.raises(LogError):
        call("log", "shred", NAME)
    blocked.rmdir()
    assert open_vault(sealed).subject(NAME) is None
    assert "finished too" in call("log", "shred", OTHER).output
    assert "shredded at" in call("log", "open", "d1").output


def test_sealing_and_shredding_at_once_leave_each_value_open_or_shredded(workspace, logs):
    open_log(workspace).append([noted(logs, 1)])

    def write():
        log = open_log(workspace)
        for number in range(2, 12):
            log.append([noted(logs, number)])

    writer = Thread(target=write)
    writer.start()
    for _ in range(4):
        shred(open_vault(workspace), open_log(workspace), NAME, SHREDDER)
    writer.join()
    for number in range(1, 12):
        assert any(word in call("log", "open", f"d{number}").output for word in (VALUE, "shredded"))


def answering(path: Path) -> ServiceClient:
    """A client of a server that is about to listen."""
    for _ in range(500):
        try:
            return ServiceClient(path)
        except LogError:
            time.sleep(0.02)
    return ServiceClient(path)


def test_the_service_seals_for_its_clients_and_shreds(workspace, logs, tmp_path):
    path = Path(os.environ.get("XDG_RUNTIME_DIR", "/tmp")) / f"{tmp_path.name[-12:]}{os.getpid()}"
    server = LogServer(lambda: open_log(workspace), path, checks=standing_checks(workspace))
    started = Thread(target=server.run)
    started.start()
    try:
        with answering(path) as client:
            client.append([noted(logs)])
            assert VALUE.encode() not in client.entries_of(["d1"])["d1"]
            done = shred(open_vault(workspace), client, NAME, SHREDDER)
    finally:
        server.stop()
        started.join()
    assert done.entries == (1,)
    assert list(places(VALUE, workspace.root, tmp_path / "keys")) == []
    assert verify_log(workspace.log, call("log", "key").output.strip()).entries == 2
