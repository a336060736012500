"""The store beside the journal: derived, never trusted further than the journal, safe to lose."""

import json
import multiprocessing
import os
import sqlite3

import pytest
from journals import dataset, lived, random_events, write

from workbench.errors import LineageError
from workbench.lineage import graph_store
from workbench.lineage.graph import lineage_graph
from workbench.lineage.graph_store import STORE_FILE
from workbench.lineage.journal import Journal

NAME = "events-20260101-0001.ndjson"


def names(folder, at=None, **options):
    with lineage_graph(Journal(folder), at, **options) as graph:
        return {one.name for one in graph.newest()}


def run(minute, *made):
    return lived(minute, f"job{minute}", f"run-{minute}", [], [dataset(name, "d") for name in made])


def test_an_empty_place_has_an_empty_graph(tmp_path):
    assert names(tmp_path / "none") == set()
    assert not (tmp_path / "none").exists()


def test_only_new_lines_are_read(tmp_path, monkeypatch):
    write(tmp_path, run(0, "a"))
    names(tmp_path)
    write(tmp_path, run(2, "b"))
    read = []
    whole = graph_store.run_facts
    monkeypatch.setattr(graph_store, "run_facts", lambda event: read.append(1) or whole(event))
    assert names(tmp_path) == {"a", "b"}
    assert len(read) == 2
    assert names(tmp_path) == {"a", "b"}
    assert len(read) == 2


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(
            b"no database at all, but long enough to be read as one" * 50
        ),
        lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        lambda path: sqlite3.connect(path).execute("PRAGMA user_version = 99").connection.close(),
    ],
    ids=["deleted", "empty", "no database", "cut in half", "another form"],
)
def test_a_store_that_is_lost_or_damaged_is_made_again(tmp_path, harm):
    write(tmp_path, [*run(0, "a"), *run(2, "b")])
    names(tmp_path)
    harm(tmp_path / STORE_FILE)
    write(tmp_path, run(4, "c"))
    assert names(tmp_path) == {"a", "b", "c"}


def test_a_journal_that_was_put_back_is_read_anew(tmp_path):
    write(tmp_path, [*run(0, "a"), *run(2, "b")])
    names(tmp_path)
    (tmp_path / NAME).unlink()
    write(tmp_path, run(0, "other"))
    assert names(tmp_path) == {"other"}


def test_files_of_past_days_may_be_moved_away(tmp_path):
    write(tmp_path, run(0, "a"))
    write(tmp_path, run(1500, "b"), "events-20260102-0001.ndjson")
    assert names(tmp_path) == {"a", "b"}
    (tmp_path / NAME).unlink()
    write(tmp_path, run(3000, "c"), "events-20260103-0001.ndjson")
    assert names(tmp_path) == {"a", "b", "c"}
    assert names(tmp_path, rebuild=True) == {"b", "c"}


def test_an_unfinished_last_line_waits(tmp_path):
    write(tmp_path, run(0, "a"))
    line = json.dumps(run(2, "b")[1])
    with (tmp_path / NAME).open("a") as file:
        file.write(line[:80])
    assert names(tmp_path) == {"a"}
    with (tmp_path / NAME).open("a") as file:
        file.write(line[80:] + "\n")
    assert names(tmp_path) == {"a", "b"}


def test_what_a_line_spoils_names_its_place_and_is_left_out_whole(tmp_path):
    write(tmp_path, [*run(0, "a"), {"eventType": "COMPLETE"}])
    for _ in range(2):
        with pytest.raises(LineageError, match=f"{NAME}, byte .*'workbench lineage validate'"):
            names(tmp_path)


def test_a_second_ending_of_a_run_changes_nothing(tmp_path):
    write(tmp_path, [*run(0, "a"), run(0, "b")[1]])
    assert names(tmp_path) == {"a"}


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_only_be_read_is_read(tmp_path):
    write(tmp_path, run(0, "a"))
    tmp_path.chmod(0o500)
    assert names(tmp_path) == {"a"}


def _ask(folder, told):
    told.put(sorted(names(folder)))


def test_readers_may_come_while_others_build_and_the_journal_grows(tmp_path):
    events = random_events(1, runs=400)
    write(tmp_path, events[:300])
    told = multiprocessing.get_context("fork").Queue()
    for round_ in range(3):
        readers = [
            multiprocessing.get_context("fork").Process(target=_ask, args=(tmp_path, told))
            for _ in range(4)
        ]
        for reader in readers:
            reader.start()
        answers = [told.get(timeout=30) for _ in readers]
        for reader in readers:
            reader.join(timeout=30)
        assert all(answer == sorted(names(tmp_path)) for answer in answers)
        write(tmp_path, events[300 + 100 * round_ : 400 + 100 * round_])
    whole = names(tmp_path)
    assert whole == names(tmp_path, rebuild=True)
