"""The index against somebody who can write it: what is hidden or forged does not stay unseen."""

import shutil
import sqlite3
from datetime import date

import pytest

from workbench.decision_log.append import DecisionLog
from workbench.decision_log.index import LogIndex
from workbench.decision_log.index_seal import IndexAlteredError, index_secret
from workbench.decision_log.storage import MemoryStorage
from workbench.decision_log.trace import DecisionHistory
from workbench.errors import KeyFileError

SECRET = b"s" * 32
ABOUT = {
    "item_id": "I1", "location_id": "S1", "valid_from": date(2018, 1, 1),
    "detail": {"proposal": "replenishment"}, "order_id": "O1", "order_line": 1,
    "run_ids": ("01920000-0000-7000-8000-000000000001",),
}  # fmt: skip


@pytest.fixture
def sealed(logs, tmp_path):
    """A log whose d1 is overridden by d2, its index, and ways to open and alter that."""

    class Sealed:
        path, storage = tmp_path / "i.sqlite", MemoryStorage()

        def index(self):
            return LogIndex(self.path, SECRET)

        def log(self):
            return DecisionLog(self.storage, logs.signer, self.index())

        def history(self):
            return DecisionHistory(self.storage, self.index(), logs.key)

        def alter(self, *statements):
            with sqlite3.connect(self.path) as connection:
                for statement in statements:
                    connection.execute(statement)

    found = Sealed()
    found.log().append([logs.record(1, **ABOUT), logs.record(3, item_id="I2")])
    found.log().append([logs.record(2, kind="override", supersedes="d1", after=9.0)])
    return found


HIDING = [
    "DELETE FROM entries WHERE id = 'd2'",
    "UPDATE entries SET item_id = 'I9' WHERE id = 'd2'",
    "UPDATE entries SET item_bucket = 0 WHERE id = 'd2'",
    "UPDATE entries SET item_bucket = NULL, supersedes_bucket = NULL WHERE id = 'd2'",
    "UPDATE entries SET kind = 'fact' WHERE id = 'd2'",
    "UPDATE entries SET valid_from = '2030-01-01' WHERE id = 'd2'",
    "UPDATE entries SET topic = 'other', location_id = 'S9' WHERE id = 'd2'",
    "DELETE FROM sums",
    "UPDATE sums SET sums = zeroblob(2048)",
    "UPDATE state SET rows = zeroblob(length(rows))",
    "UPDATE state SET seal = zeroblob(32)",
]


@pytest.mark.parametrize("statement", HIDING)
def test_an_override_cannot_be_hidden(sealed, statement):
    sealed.alter(statement)
    past = sealed.history()
    assert [entry.id for entry in past.decisions("I1", day=date(2018, 1, 2))] == ["d2"]
    assert [entry.id for entry in past.followers(past.decision("d1"))] == ["d2"]


@pytest.mark.parametrize("statement", HIDING)
def test_what_was_forged_is_not_sealed_by_the_next_append(sealed, logs, statement):
    sealed.alter(statement)
    sealed.log().append([logs.record(4, kind="approval", supersedes="d2")])
    past = sealed.history()
    assert [entry.id for entry in past.decisions("I1", day=date(2018, 1, 2))] == ["d4"]


def test_rows_and_sums_of_another_time_do_not_fit_a_newer_seal(sealed, logs, tmp_path):
    """An insider keeps an old bucket and its sums, and puts both back into today's index."""
    shutil.copy(sealed.path, tmp_path / "old.sqlite")
    for suffix in ("-wal", "-shm"):
        if sealed.path.with_name(sealed.path.name + suffix).exists():
            shutil.copy(f"{sealed.path}{suffix}", f"{tmp_path / 'old.sqlite'}{suffix}")
    sealed.log().append([logs.record(4, kind="approval", supersedes="d2")])
    sealed.alter(
        f"ATTACH '{tmp_path / 'old.sqlite'}' AS old",
        "DELETE FROM entries WHERE id = 'd4'",
        "INSERT OR REPLACE INTO sums SELECT * FROM old.sums",
    )
    (found,) = sealed.history().decisions("I1", day=date(2018, 1, 2))
    assert found.id == "d4"


def test_an_older_index_put_back_whole_is_brought_up_to_date(sealed, logs, tmp_path):
    shutil.copy(sealed.path, tmp_path / "old.sqlite")
    sealed.log().append([logs.record(4, kind="approval", supersedes="d2")])
    shutil.copy(tmp_path / "old.sqlite", sealed.path)
    (found,) = sealed.history().decisions("I1", day=date(2018, 1, 2))
    assert found.id == "d4"


def test_an_index_of_another_secret_is_built_anew(sealed, logs):
    other = LogIndex(sealed.path, b"o" * 32)
    past = DecisionHistory(sealed.storage, other, logs.key)
    assert past.decision("d2").id == "d2"
    assert other.is_whole()


def test_that_there_is_none_is_said_without_reading_the_log(sealed):
    past = sealed.history()
    past._storage.objects = {}  # nothing to rebuild from
    assert past.decisions("I7") == []
    assert past.find("nope") is None
    assert past.naming_order("O1", 2) == []


def test_runs_are_sealed_too(sealed):
    sealed.alter("DELETE FROM entry_runs")
    index = sealed.index()
    with pytest.raises(IndexAlteredError):
        index.of_run(ABOUT["run_ids"][0])
    assert [e.id for e in sealed.history().of_run(ABOUT["run_ids"][0])] == ["d1"]


def test_a_scan_wants_the_whole_index(sealed):
    sealed.alter("DELETE FROM entries WHERE id = 'd3'")
    index = sealed.index()
    with pytest.raises(IndexAlteredError):
        index.scan("TRUE", [])
    assert [e.id for e in sealed.history().unanswered(["override"])] == ["d2"]


def test_values_of_other_types_are_indexed_as_columns_give_them_back(sealed, logs):
    odd = {"order_id": "O2", "order_line": True, "item_id": 7, "detail": {"proposal": 5}}
    sealed.log().append([logs.record(8, **odd), logs.record(9, order_id="O2", order_line=7)])
    past = sealed.history()
    assert [entry.id for entry in past.naming_order("O2")] == ["d9", "d8"]
    assert sealed.index().is_whole()


def test_the_secret_is_made_once_and_kept_from_others(workspace):
    first = index_secret("example.com/log")
    assert len(first) == 32
    assert index_secret("example.com/log") == first
    from workbench.workspace import keys_folder

    (path,) = keys_folder().glob("*.index-seal")
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match="others can read"):
        index_secret("example.com/log")
    path.chmod(0o600)
    path.write_text("no hex")
    with pytest.raises(KeyFileError, match="delete it"):
        index_secret("example.com/log")


def test_no_lookup_reads_all_rows(sealed):
    """SQLite's own plan of every statement that a lookup runs."""
    index, ran = sealed.index(), []
    index.positions(["d1"])
    index._connection.set_trace_callback(ran.append)
    index.positions(["d1", "nope"])
    for family, key in (("id", "d1"), ("item", "I1"), ("order", "O1"), ("supersedes", "d1")):
        index.of(family, key)
    index.of_run(ABOUT["run_ids"][0])
    index.resting_on("lgbm")
    index._connection.set_trace_callback(None)
    asked = [sql for sql in ran if sql.startswith("SELECT") and "FROM state" not in sql]
    assert len(asked) > 10
    for sql in asked:
        for *_, step in index._connection.execute(f"EXPLAIN QUERY PLAN {sql}"):
            assert not step.startswith(
                ("SCAN entries", "SCAN runs", "SCAN models", "SCAN entry")
            ), sql
