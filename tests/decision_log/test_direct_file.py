"""Writing past the page cache: what was waited for is in the file, interrupted, refused or not."""

import gc
import mmap
import os
import platform
import resource
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from workbench.decision_log import direct_file as module
from workbench.decision_log import journal_file
from workbench.decision_log.direct_file import BLOCK_BYTES, DirectFile, direct_file
from workbench.decision_log.journal import frames
from workbench.decision_log.journal_file import JournalFile


def block(letter, count=1):
    return letter * (BLOCK_BYTES * count)


def written(direct, data, place):
    direct.begin(data, place)
    direct.end()


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(BLOCK_BYTES * 600))
    return path


@pytest.fixture
def direct(path):
    direct = direct_file(path)
    if direct is None:
        pytest.skip("this file system has no direct writes: JournalFile writes and flushes")
    yield direct
    direct.close()


def test_what_was_begun_is_there_when_it_ended(direct, path):
    for place, data in enumerate([block(b"a"), block(b"b", 3), block(b"c", 300), block(b"d")]):
        written(direct, data, place * BLOCK_BYTES)
        assert path.read_bytes()[place * BLOCK_BYTES :][: len(data)] == data
    direct.end()  # of nothing


def test_a_write_that_nobody_waited_for_comes_before_the_next(direct, path):
    direct.begin(block(b"a", 2), 0)
    direct.begin(block(b"b"), BLOCK_BYTES)
    direct.end()
    assert path.read_bytes()[: 3 * BLOCK_BYTES] == block(b"a") + block(b"b") + block(b"\0")


def test_closing_waits_for_what_is_in_flight(path):
    for letter in (b"a", b"b", b"c"):
        direct = direct_file(path)
        if direct is None:
            pytest.skip("this file system has no direct writes")
        direct.begin(block(letter, 200), 0)
        direct.close()
        assert path.read_bytes()[: 200 * BLOCK_BYTES] == block(letter, 200)


@pytest.fixture
def not_for_ever():
    """What waits for what never comes is a failure."""

    def late(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_who_was_interrupted_right_after_waiting_may_wait_again(direct, path, not_for_ever):
    if not direct.overlaps:
        pytest.skip("no asynchronous writes here")
    wait = direct._queue._wait

    def interrupted(*arguments):
        direct._queue._wait = wait
        assert wait(*arguments) == 1
        raise KeyboardInterrupt  # as a handler of a signal does, before the result is looked at

    direct._queue._wait = interrupted
    direct.begin(block(b"a"), 0)
    with pytest.raises(KeyboardInterrupt):
        direct.end()
    direct.end()
    written(direct, block(b"b"), BLOCK_BYTES)
    assert path.read_bytes()[: 2 * BLOCK_BYTES] == block(b"a") + block(b"b")


def descriptors():
    gc.collect()  # so that what earlier tests left open is closed now, not in between
    return len([*Path("/proc/self/fd").iterdir()])


def test_no_file_stays_open(path):
    before = descriptors()
    for _ in range(3):
        direct = direct_file(path)
        if direct is not None:
            direct.close()
    assert descriptors() == before


@pytest.mark.parametrize("error", [MemoryError, OSError(12, "no memory"), KeyboardInterrupt])
@pytest.mark.parametrize("where", [(mmap, "mmap"), (DirectFile, "begin")], ids=["map", "write"])
def test_no_file_stays_open_where_opening_failed(where, error, tmp_path, monkeypatch):
    def failing(*_):
        raise error

    before = descriptors()
    with monkeypatch.context() as patched:
        patched.setattr(*where, failing)
        with pytest.raises((OSError, MemoryError, KeyboardInterrupt)):
            JournalFile(tmp_path / "journal", reserve=1 << 20)
    assert descriptors() == before


def test_a_write_that_the_system_refuses_is_told_and_the_next_one_goes_on(direct, path):
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (BLOCK_BYTES * 2, unlimited[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            written(direct, block(b"a"), BLOCK_BYTES * 4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    written(direct, block(b"b"), 0)
    assert path.read_bytes()[:BLOCK_BYTES] == block(b"b")
    assert path.read_bytes()[BLOCK_BYTES * 4 :].strip(b"\0") == b""


@pytest.mark.parametrize("put", [os.symlink, os.link], ids=["symbolic", "hard"])
def test_a_file_put_in_the_journals_place_is_not_written(put, path, tmp_path, monkeypatch):
    """In a folder of others its name may lead to any file by the time it is opened again."""
    path.write_bytes(block(b"a"))

    def replaced(journal, *arguments):
        journal.unlink()
        put(path, journal)
        return direct_file(journal, *arguments)

    monkeypatch.setattr(journal_file, "direct_file", replaced)
    with suppress(OSError):
        JournalFile(tmp_path / "journal", reserve=1 << 20).write(b"record")
    assert path.read_bytes() == block(b"a")


@pytest.mark.parametrize("missing", range(4), ids=["setup", "destroy", "getevents", "submit"])
def test_a_journal_is_written_where_asynchronous_calls_are_missing(missing, tmp_path, monkeypatch):
    calls = list(module._CALLS.get(platform.machine(), ()))
    if not calls:
        pytest.skip("no asynchronous writes on this machine")
    calls[missing] = 100_000  # which no kernel knows
    monkeypatch.setitem(module._CALLS, platform.machine(), tuple(calls))
    journal = JournalFile(tmp_path / "journal", reserve=1 << 20)
    journal.write(b"record")
    journal.close()
    assert [*frames((tmp_path / "journal").read_bytes())] == [b"record"]
