"""Runs that are stopped or whose process dies: aborted, or finished by the next start."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_notebooks import OPEN, PROPOSE, write_notebook

from workbench.decision_log.keys import verifier_key
from workbench.decision_log.verify import verify_log
from workbench.lineage.facts import JobDescription
from workbench.lineage.lifecycle import Journal, RunLineage, open_runs
from workbench.lineage.validate import validate_journal
from workbench.runs.claims import claim, is_claimed
from workbench.runs.context import Context
from workbench.runs.governed import run_lineage
from workbench.runs.heartbeat import heartbeat
from workbench.runs.ledger import Ledger
from workbench.runs.publish import finish
from workbench.runs.recover import recover
from workbench.runs.run import run_notebook
from workbench.runs.steps import step_row
from workbench.tables.store import TableStore
from workbench.workspace import Workspace

ALONE = Path(__file__).resolve().parent / "run_alone.py"
RUN = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
STEPS = ["tables", "models", "log", "lineage", "latest", "ledger"]
WAIT = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)"


class Crash(BaseException):
    """Stands for the death of the process at a step of publishing."""


def _kinds(space):
    paths = sorted(space.lineage.glob("events-*.ndjson"))
    lines = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    return [event["eventType"] for event in lines]


def test_a_run_that_died_before_its_first_event_has_events_after_the_next_start(workspace):
    row = step_row("ingest-shop", "", {}, {})
    Ledger(workspace.ledger).start(row)
    assert recover(workspace) == [
        f"ingest-shop: run {row.run_id} was cut off; it is marked aborted."
    ]
    assert _kinds(workspace) == ["START", "ABORT"]
    assert recover(workspace) == []


def test_a_run_that_died_between_its_last_event_and_the_ledger_is_not_ended_twice(workspace):
    row = step_row("ingest-shop", "", {}, {})
    Ledger(workspace.ledger).start(row)
    lineage = run_lineage(workspace, row.run_id, JobDescription("ingest-shop", kind="step"))
    lineage.start()
    lineage.fail("no such file")
    recover(workspace)
    assert _kinds(workspace) == ["START", "FAIL"]


def test_a_long_run_says_that_it_still_runs(workspace):
    lineage = run_lineage(workspace, RUN, JobDescription("10-a"))
    lineage.start()
    with heartbeat(lineage, every_seconds=0.02):
        _wait_until(lambda: _kinds(workspace).count("RUNNING") >= 3)
        lineage.complete()
        time.sleep(0.1)
    kinds = _kinds(workspace)
    assert (kinds[0], kinds[-1], set(kinds[1:-1])) == ("START", "COMPLETE", {"RUNNING"})
    assert validate_journal(workspace.lineage).problems == ()


def _wait_until(condition):
    for _ in range(500):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen within ten seconds")


# --- killed while a cell runs -----------------------------------------------------------------


@pytest.fixture
def waiting(workspace, notebook):
    """A process whose notebook waits in a cell, and the id of its kernel."""
    notebook("10-a", "print('before')", WAIT)
    options = {"start_new_session": True, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, ALONE, workspace.root, "10-a"], **options)
    for _ in range(300):
        found = list(workspace.runtime.glob("*/report/pid"))
        if found and found[0].read_text():
            break
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)
    yield process, int(found[0].read_text())
    process.kill()
    process.wait()
    process.stderr.close()


def _gone(pid):
    for _ in range(100):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rsplit(") ", 1)[1][0] == "Z":
            return True
        time.sleep(0.1)
    return False


def test_ctrl_c_aborts_and_ends_the_kernel(workspace, waiting):
    process, kernel = waiting
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) != 0
    assert _gone(kernel)
    assert _kinds(workspace) == ["START", "ABORT"]
    row = Ledger(workspace.ledger).latest()[0]
    assert (row.status, row.error) == ("aborted", "interrupted")
    assert not workspace.reports.exists()
    kept = (workspace.runtime / "failed" / row.run_id / "notebook.ipynb").read_text()
    assert "before" in kept


def test_killed_runner_is_aborted_by_the_next_start(workspace, waiting):
    process, kernel = waiting
    row = Ledger(workspace.ledger).latest()[0]
    assert recover(workspace) == []  # it is alive
    process.kill()
    process.wait()
    assert _gone(kernel)
    assert recover(workspace) == [f"10-a: run {row.run_id} was cut off; it is marked aborted."]
    assert _kinds(workspace) == ["START", "ABORT"]
    assert Ledger(workspace.ledger).latest()[0].status == "aborted"
    assert not workspace.reports.exists()
    assert list(workspace.runtime.glob("0*")) == []
    assert recover(workspace) == []


def test_same_work_is_refused_while_it_is_under_way(workspace, waiting):
    row = Ledger(workspace.ledger).latest()[0]
    command = [sys.executable, ALONE, workspace.root, "10-a"]
    second = subprocess.run(command, capture_output=True, text=True)
    assert f"the same run is under way as {row.run_id}" in second.stderr
    assert len(Ledger(workspace.ledger).latest()) == 1
    assert _kinds(workspace) == ["START"]


# --- dying between rename and COMPLETE --------------------------------------------------------


@pytest.fixture(scope="module")
def renamed(template, tmp_path_factory):
    """A workspace whose only run was cut off right after the rename."""
    space = Workspace(tmp_path_factory.mktemp("renamed") / "space", "small", "EUR")
    shutil.copytree(template, space.root)
    model = "run.save_model('weights.bin', b'weights')"
    write_notebook(
        space, "30-propose", OPEN, PROPOSE, model, reads=["stock"], writes=["proposals"]
    )  # fmt: skip

    def crash(step):
        if step == "tables":
            raise Crash

    with pytest.raises(Crash):
        run_notebook(space, "30-propose", step=crash)
    return space


@pytest.fixture
def cut_off(renamed, tmp_path):
    shutil.copytree(renamed.root, tmp_path / "space")
    return Workspace(tmp_path / "space", "small", "EUR")


def _finish_until(space, stop):
    """Publish as the runner does, dying where `stop` begins."""
    row = Ledger(space.ledger).running()[0]
    report = space.reports / row.job / str(row.as_of) / row.run_id
    context = Context(
        row.run_id, row.job, str(row.as_of), str(report), str(space.root), row.inputs,
        ("proposals",), row.skip_key, row.attempt,
    )  # fmt: skip
    store = TableStore(space.tables)
    inputs = {table: store.version(table, name) for table, name in row.inputs.items()}
    journal = Journal(space.lineage)

    def crash(step):
        if step == stop:
            raise Crash

    lineage = RunLineage.resume(journal, open_runs(journal)[0])
    with pytest.raises(Crash):
        finish(space, report, context, lineage=lineage, inputs=inputs, step=crash)


@pytest.mark.parametrize("stop", STEPS)
def test_publication_cut_off_anywhere_is_finished_once(cut_off, stop):
    _finish_until(cut_off, stop)
    assert recover(cut_off)[0].endswith("it is finished now.")
    _assert_published(cut_off)
    assert recover(cut_off) == []


def test_publication_cut_off_twice_is_finished_once(cut_off):
    _finish_until(cut_off, "lineage")
    _finish_until(cut_off, "lineage")
    recover(cut_off)
    _assert_published(cut_off)


def test_recovery_by_two_processes_finishes_once(cut_off):
    code = (
        "import sys; from pathlib import Path\n"
        "from workbench.runs.recover import recover\n"
        "from workbench.workspace import open_workspace\n"
        "print(len(recover(open_workspace(Path(sys.argv[1])))))"
    )
    command = [sys.executable, "-c", code, cut_off.root]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(racer.communicate()[0].strip() for racer in racers) == ["0", "1"]
    _assert_published(cut_off)


def _assert_published(space):
    row = Ledger(space.ledger).latest()[0]
    report = space.root / row.report
    assert row.status == "complete"
    assert _kinds(space) == ["START", "COMPLETE"]
    assert validate_journal(space.lineage, None).problems == ()
    assert verify_log(space.log, verifier_key(space.log_origin())).entries == 2
    assert TableStore(space.tables).read("proposals")["run_id"].unique() == [row.run_id]
    assert (space.reports / row.job / "latest").read_text().strip().endswith(row.run_id)
    assert sorted(space.models.glob("weights.bin/*"))
    assert not (report / "staged").exists()
    assert run_notebook(space, row.job).status == "cached"


def test_process_that_dies_before_the_rename_leaves_no_report(workspace, notebook):
    notebook("10-a", OPEN, "run.headline('done')")
    died = subprocess.run([sys.executable, ALONE, workspace.root, "10-a", "rename"])
    assert died.returncode == 9
    assert "marked aborted" in recover(workspace)[0]
    assert not workspace.reports.exists()
    assert _kinds(workspace) == ["START", "ABORT"]


# --- claims -----------------------------------------------------------------------------------


def test_claim_ends_with_its_process_even_if_its_number_lives_on(workspace):
    child = os.fork()
    if child == 0:
        with claim(workspace, "some-run"):
            os._exit(0)  # as a crash: nothing is cleaned up
    os.waitpid(child, 0)
    assert (workspace.runtime / "some-run").is_dir()
    assert not is_claimed(workspace, "some-run")


def test_claim_holds_while_it_is_open_and_is_removed_after(workspace):
    with claim(workspace, "some-run") as folder:
        assert is_claimed(workspace, "some-run")
        assert recover(workspace) == []
        assert folder.is_dir()
    assert not folder.exists()


def test_folder_of_a_run_that_never_reached_the_ledger_is_removed(workspace):
    child = os.fork()
    if child == 0:
        with claim(workspace, "some-run"):
            os._exit(0)
    os.waitpid(child, 0)
    assert recover(workspace) == []
    assert not (workspace.runtime / "some-run").exists()
