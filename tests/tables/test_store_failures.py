"""Two writers at once, a killed writer, a full disk: earlier versions stay, no half one appears."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from workbench.errors import TableError
from workbench.tables import TableStore

WRITER = """
import sys, duckdb
from pathlib import Path
from workbench.errors import WorkbenchError
from workbench.tables import TableStore
root, rows, times, first = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
store = TableStore(root)
for number in range(first, first + times):
    relation = duckdb.connect().sql(
        f"SELECT 'i' || ((range * 7919) % {rows}) AS item_id, 'l' AS location_id,"
        f" DATE '2017-01-01' AS valid_from, {number}::DOUBLE + hash(range) % 97 AS price,"
        f" 'USD' AS currency FROM range({rows})")
    try:
        store.write("prices", relation, provenance="source", source="a writer")
    except WorkbenchError as error:
        sys.exit(f"{type(error).__name__}: {error}")
"""


def writer(root: Path, rows: int, *, times: int = 1, first: int = 0, **options: object):
    arguments = [sys.executable, "-c", WRITER, str(root), str(rows), str(times), str(first)]
    return subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, **options)


def small(store: TableStore):
    frame = pd.DataFrame({"item_id": ["a"], "location_id": "l", "valid_from": pd.Timestamp(0),
                          "price": 1.0, "currency": "USD"})  # fmt: skip
    return store.write("prices", frame, provenance="source", source="earlier")


def assert_only_whole_versions(store: TableStore, expected: int) -> None:
    versions = store.versions("prices")
    assert len(versions) == expected
    for version in versions:
        store.verify_version(version)
    visible = {path.name for path in (store.root / "prices").iterdir()}
    names = {version.version for version in versions}
    assert {name for name in visible if not name.startswith(".")} == {"current", *names}


def test_two_processes_write_one_table_at_the_same_time(tmp_path):
    # writers 0-3 and 2-5: versions 2 and 3 are written by both
    writers = [writer(tmp_path, 500, times=4, first=first) for first in (0, 2)]
    for process in writers:
        assert process.communicate(timeout=50)[1] == ""
    store = TableStore(tmp_path)
    assert_only_whole_versions(store, 6)
    assert store.current("prices") in store.versions("prices")
    assert not list((tmp_path / "prices").glob(".writing-*"))


def test_killed_writer_leaves_the_earlier_version_and_is_cleaned_up(tmp_path):
    store = TableStore(tmp_path)
    earlier = small(store)
    process = writer(tmp_path, 3_000_000)
    work = wait_for(lambda: list((tmp_path / "prices").glob(".writing-*/staged.parquet")))
    assert work
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert store.current("prices") == earlier
    assert_only_whole_versions(store, 1)
    assert list((tmp_path / "prices").glob(".writing-*"))
    small(store)
    assert not list((tmp_path / "prices").glob(".writing-*"))


def wait_for(found, seconds: float = 30) -> object:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found():
            return found()
        time.sleep(0.01)
    return None


def test_work_of_a_living_writer_is_not_removed(tmp_path):
    process = writer(tmp_path, 400_000)
    assert wait_for(lambda: list((tmp_path / "prices").glob(".writing-*/staged.parquet")))
    small(TableStore(tmp_path))
    assert process.communicate(timeout=50)[1] == ""
    assert_only_whole_versions(TableStore(tmp_path), 2)


@pytest.mark.parametrize("limit", [0, 100, 5_000, 60_000, 400_000])
def test_file_size_limit_ends_in_one_sentence_and_changes_nothing(tmp_path, limit):
    store = TableStore(tmp_path)
    earlier = small(store)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    process = writer(tmp_path, 300_000, preexec_fn=limited)
    message = process.communicate(timeout=50)[1].strip()
    assert process.returncode == 1
    assert message.startswith("TableError: ")
    assert "cannot be written" in message
    assert len(message.splitlines()) == 1
    assert store.current("prices") == earlier
    assert_only_whole_versions(store, 1)
    assert not list((tmp_path / "prices").glob(".writing-*"))


@pytest.fixture
def tiny_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if mount is None or os.geteuid() != 0 or subprocess.run(command, check=False).returncode:
        pytest.skip("a small disk can be mounted by root only")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_ends_in_one_sentence_and_changes_nothing(tiny_disk):
    store = TableStore(tiny_disk)
    earlier = small(store)
    process = writer(tiny_disk, 1_000_000)
    message = process.communicate(timeout=50)[1]
    assert "TableError: table 'prices' from a writer: cannot be written" in message
    assert store.current("prices") == earlier
    assert_only_whole_versions(store, 1)


def test_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "tables").write_text("a file, not a folder")
    with pytest.raises(TableError, match="tables/prices: cannot be written"):
        small(TableStore(tmp_path / "tables"))
