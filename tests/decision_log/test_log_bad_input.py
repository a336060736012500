"""What is wrong with what the log is given, or with where it lies: one sentence, nothing lost."""

import os
import tempfile
from pathlib import Path

import pytest

from workbench.contracts.record_checks import check_entry
from workbench.decision_log.append import DecisionLog
from workbench.decision_log.index import LogIndex
from workbench.decision_log.storage import FolderStorage
from workbench.decision_log.verify import verify_log
from workbench.errors import ContractError, LogError

NOBODY = 65_534


@pytest.mark.parametrize("version", [b"0", b"3", b'"1"', b"1.5", b"null"])
def test_a_record_of_another_schema_version_is_refused(logs, version):
    entry = logs.record(1).canonical()
    check_entry(entry)
    own = b'"schema_version":%d' % logs.record(1).schema_version
    assert own in entry
    with pytest.raises(ContractError, match="schema_version"):
        check_entry(entry.replace(own, b'"schema_version":' + version))


def refusal(act):
    """What an act of a user without rights is told; in a process of its own where this is root."""
    ears, mouth = os.pipe()
    pid = os.fork()
    if not pid:
        said = "nothing was refused"
        try:
            if os.getuid() == 0:
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            act()
        except LogError as error:
            said = str(error)
        except BaseException as error:
            said = repr(error)
        os.write(mouth, said.encode())
        os._exit(0)
    os.close(mouth)
    with os.fdopen(ears) as told:
        said = told.read()
    os.waitpid(pid, 0)
    return said


@pytest.fixture
def folder():
    """A folder that every user reaches."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def tree(folder):
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name[0] != "."
    }


@pytest.mark.parametrize("how", ["folder", "lock", "tiles", "bundles"])
def test_a_folder_that_cannot_be_written_is_said_and_nothing_changes(logs, folder, how):
    place = folder / "log"
    DecisionLog(FolderStorage(place), logs.signer, LogIndex(Path(":memory:"))).append(
        logs.records(0, 3)
    )
    before = tree(place)
    for path in [place, *place.rglob("*")]:
        os.chown(path, NOBODY, NOBODY) if os.getuid() == 0 else None
    closed = {
        "folder": place, "lock": place / ".lock", "tiles": place / "tile" / "0",
        "bundles": place / "tile" / "entries",
    }[how]  # fmt: skip
    partial = {"tiles": place / "tile/0/000.p", "bundles": place / "tile/entries/000.p"}
    for path in (closed, partial.get(how, closed)):
        path.chmod(0o400 if path.is_file() else 0o555)

    def append():
        storage = FolderStorage(place)
        DecisionLog(storage, logs.signer, LogIndex(Path(":memory:"))).append([logs.record(9)])

    said = refusal(append)
    for path in [place, *place.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert "cannot be written (Permission denied); nothing was acknowledged" in said
    assert "make the folder writable for this user" in said
    assert {path: data for path, data in tree(place).items() if path in before} == before
    log = DecisionLog(FolderStorage(place), logs.signer, LogIndex(Path(":memory:")))
    assert log.append([logs.record(9)]).size == 4  # whether it was completed or begins anew
    assert verify_log(place, logs.key).files.unfinished == ()
