"""The journal loses and tears nothing, whatever happens to its writers."""

import errno
import itertools
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from workbench.errors import LineageError
from workbench.lineage.journal import Journal

DAY = datetime(2026, 3, 1, 12, tzinfo=UTC)
WRITER = Path(__file__).with_name("journal_writer.py")


def names(journal):
    return [path.name for path in journal.files()]


def numbers(journal):
    return [event["n"] for event in journal.events()]


def write_many(folder, writer, count, file_bytes):
    journal = Journal(folder, file_bytes=file_bytes)
    for number in range(count):
        journal.append({"writer": writer, "number": number, "fill": "x" * (number % 3000)})


def test_eight_processes_lose_and_tear_nothing(tmp_path):
    context = multiprocessing.get_context("fork")
    writers = [
        context.Process(target=write_many, args=(tmp_path, writer, 200, 40_000))
        for writer in range(8)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    written = [(event["writer"], event["number"]) for event in Journal(tmp_path).events()]
    assert sorted(written) == [(writer, number) for writer in range(8) for number in range(200)]
    for writer in range(8):  # and each writer's own order is kept
        assert [n for w, n in written if w == writer] == list(range(200))
    assert len(Journal(tmp_path).files()) > 3


def write_until_killed(folder, life, told):
    journal = Journal(folder)
    for number in itertools.count():
        journal.append({"life": life, "n": number, "fill": "x" * 20_000})
        os.write(told, f"{number}\n".encode())  # told to be kept


def test_killed_writers_lose_nothing_that_they_were_told_is_kept(tmp_path):
    moments, context = random.Random(20), multiprocessing.get_context("fork")
    journal, acknowledged = Journal(tmp_path), set()
    for life in range(20):
        reader, told = os.pipe()
        writer = context.Process(target=write_until_killed, args=(tmp_path, life, told))
        writer.start()
        os.close(told)
        time.sleep(moments.uniform(0.005, 0.06))
        writer.kill()
        writer.join()
        with os.fdopen(reader) as numbers_told:
            acknowledged |= {(life, int(number)) for number in numbers_told}
        journal.append({"life": life, "n": "after"})
        assert all(path.read_bytes().endswith(b"}\n") for path in journal.files())
    kept = [(event["life"], event["n"]) for event in journal.events()]
    assert len(acknowledged) > 20
    assert acknowledged <= set(kept)
    assert [life for life, n in kept if n == "after"] == list(range(20))
    assert len(kept) - 20 - len(acknowledged) <= 20  # at most the one in flight, from each life


@pytest.mark.parametrize("cut", [1, 7, 2000])
def test_an_unfinished_last_line_is_moved_aside(tmp_path, cut):
    journal = Journal(tmp_path, now=lambda: DAY)
    journal.append({"n": 1})
    (path,) = journal.files()
    whole = path.read_bytes()
    torn = (b'{"n": 2, "fill": "' + b"x" * 3000)[:cut]
    path.write_bytes(whole + torn)
    assert numbers(journal) == [1]
    assert journal.unfinished().offset == len(whole)
    journal.append({"n": 3})
    assert numbers(journal) == [1, 3]
    assert journal.unfinished() is None
    assert (tmp_path / "torn" / f"{path.name}.{len(whole)}").read_bytes() == torn


def test_a_torn_line_is_repaired_before_a_new_day_begins(tmp_path):
    clock = [DAY]
    journal = Journal(tmp_path, now=lambda: clock[0])
    journal.append({"n": 1})
    with journal.files()[0].open("ab") as file:
        file.write(b'{"n"')
    clock[0] += timedelta(days=1)
    journal.append({"n": 2})
    assert journal.files()[0].read_bytes() == b'{"n":1}\n'
    assert names(journal) == ["events-20260301-0001.ndjson", "events-20260302-0001.ndjson"]


def test_files_are_rotated_by_size(tmp_path):
    journal = Journal(tmp_path, file_bytes=100, now=lambda: DAY)
    for number in range(12):
        journal.append({"n": number, "fill": "x" * 30})
    assert numbers(journal) == list(range(12))
    assert all(path.stat().st_size <= 100 for path in journal.files())
    assert names(journal)[-1] == "events-20260301-0006.ndjson"


def test_an_event_larger_than_a_file_has_one_of_its_own(tmp_path):
    journal = Journal(tmp_path, file_bytes=100, now=lambda: DAY)
    for number in range(3):
        journal.append({"n": number, "fill": "x" * 500})
    assert numbers(journal) == [0, 1, 2]
    assert len(journal.files()) == 3


def test_more_files_than_four_digits_stay_in_order(tmp_path):
    (tmp_path / "events-20260301-9999.ndjson").write_bytes(b'{"n":1}\n' * 20)
    journal = Journal(tmp_path, file_bytes=100, now=lambda: DAY)
    journal.append({"n": 2})
    assert names(journal)[-1] == "events-20260301-10000.ndjson"
    assert numbers(journal)[-1] == 2


def test_a_clock_that_steps_back_never_reopens_an_older_file(tmp_path):
    clock = [DAY]
    journal = Journal(tmp_path, now=lambda: clock[0])
    journal.append({"n": 1})
    clock[0] -= timedelta(days=3)
    journal.append({"n": 2})
    assert names(journal) == ["events-20260301-0001.ndjson"]
    assert numbers(journal) == [1, 2]


def test_reading_goes_on_from_a_position(tmp_path):
    journal = Journal(tmp_path, file_bytes=60, now=lambda: DAY)
    positions = [journal.append({"n": number, "fill": "x" * 10}) for number in range(9)]
    for number, position in enumerate(positions):
        assert [line.event()["n"] for line in journal.lines(position)] == list(range(number, 9))


def test_a_line_that_is_not_json_is_named(tmp_path):
    (tmp_path / "events-20260301-0001.ndjson").write_bytes(b'{"n":1}\n{"n":\n')
    with pytest.raises(LineageError, match=r"events-20260301-0001\.ndjson:2: not JSON"):
        list(Journal(tmp_path).events())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_what_has_no_json_form_is_refused_before_anything_is_written(tmp_path, value):
    with pytest.raises(LineageError, match="no JSON form"):
        Journal(tmp_path / "lineage").append({"x": value})
    assert not (tmp_path / "lineage").exists()


def test_text_that_utf8_cannot_hold_does_not_break_the_line(tmp_path):
    journal = Journal(tmp_path)
    journal.append({"n": "a\udc80b\u2028c\nd"})
    assert numbers(journal) == ["a?b\u2028c\nd"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "lineage").write_text("in the way")
    with pytest.raises(LineageError, match="event not written"):
        Journal(tmp_path / "lineage").append({"n": 1})


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace not installed")
@pytest.mark.parametrize(
    ("call", "when", "failure"),
    [("write", 1, errno.ENOSPC), ("fsync", 1, errno.EIO)],
)
def test_a_refusal_of_the_disk_leaves_the_journal_as_it_was(tmp_path, call, when, failure):
    journal = Journal(tmp_path)
    journal.append({"n": 1})
    before = journal.files()[0].read_bytes()
    name = errno.errorcode[failure]
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
         "-P", str(journal.files()[0]), "-e", f"inject={call}:error={name}:when={when}",
         sys.executable, WRITER, tmp_path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "event not written" in done.stderr
    assert done.stdout == ""
    assert journal.files()[0].read_bytes() == before
    journal.append({"n": 2})
    assert numbers(journal) == [1, 2]
