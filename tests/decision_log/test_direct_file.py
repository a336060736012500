"""Writing past the page cache: what was waited for is in the file, interrupted, refused or not."""

import resource
from pathlib import Path

import pytest

from workbench.decision_log.direct_file import BLOCK_BYTES, direct_file


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


def test_no_file_stays_open(path):
    before = len([*Path("/proc/self/fd").iterdir()])
    for _ in range(3):
        direct = direct_file(path)
        if direct is not None:
            direct.close()
    assert len([*Path("/proc/self/fd").iterdir()]) == before


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
