"""A run that cannot go on: one sentence, FAIL or ABORT, no report, earlier data intact."""

import os
import subprocess
from pathlib import Path

import nbformat
import pytest
from small_notebooks import OPEN

from workbench.errors import ContractError, DashboardError, LogError, RunError
from workbench.runs.ledger import Ledger
from workbench.runs.recover import recover
from workbench.runs.run import run_notebook
from workbench.tables.store import TableStore


@pytest.fixture
def failed(workspace, notebook, events):
    """Error of a run that fails; checks what every failure must leave."""

    def run(*code, error=RunError, **declared):
        notebook("10-a", *code, **declared)
        before = {table: TableStore(workspace.tables).current(table).version for table in _TABLES}
        with pytest.raises(error) as caught:
            run_notebook(workspace, "10-a")
        row = Ledger(workspace.ledger).latest()[0]
        assert (row.status, row.report) == ("failed", None)
        assert row.error == str(caught.value)
        assert [kind for kind, _, _ in events()] == ["START", "FAIL"]
        facet = events()[-1][2]["run"]["facets"]["errorMessage"]
        assert facet["message"] == str(caught.value)
        assert list(workspace.reports.rglob("*")) == []
        assert not list(workspace.runtime.glob("0*"))
        after = {table: TableStore(workspace.tables).current(table).version for table in _TABLES}
        assert after == before
        return caught.value, facet

    return run


_TABLES = ("sales", "locations", "stock")


def test_notebook_that_raises_names_cell_and_keeps_what_was_executed(workspace, failed):
    error, facet = failed("print('so far')", "1 / 0")
    text = str(error)
    assert text.startswith("10-a, cell 6 ('Step 2'): ZeroDivisionError: division by zero;")
    partial = workspace.runtime / "failed" / Ledger(workspace.ledger).latest()[0].run_id
    assert text.endswith(f"What was executed is in {partial / 'notebook.ipynb'}.")
    executed = nbformat.read(partial / "notebook.ipynb", as_version=4)
    outputs = [o for cell in executed.cells for o in cell.get("outputs", [])]
    assert outputs[0]["text"] == "so far\n"
    assert "ZeroDivisionError" in facet["stackTrace"]
    assert "\x1b" not in facet["stackTrace"]


def test_killed_kernel_is_named(failed):
    error, _ = failed("import os, signal", "os.kill(os.getpid(), signal.SIGKILL)")
    assert str(error).startswith("10-a, cell 6 ('Step 2'): the kernel died;")


def test_error_of_ours_is_told_as_it_is(failed):
    error, _ = failed(OPEN, "run.read('segments')")
    assert "reads table 'segments' without declaring it; add it to 'reads'" in str(error)
    assert "RunError" not in str(error)


def test_staged_table_that_is_not_declared_is_refused_by_the_runner(failed):
    code = "run._facts.tables['segments'] = 'x'; run._save()"
    error, _ = failed(OPEN, code)
    assert "wrote table 'segments' without declaring it" in str(error)


def test_kernel_cannot_decide_by_writing_the_facts_itself(failed):
    code = "run._facts.records.append({'kind': 'approval'}); run._save()"
    error, _ = failed(OPEN, code, error=ContractError)
    assert "'approval' is not for a notebook" in str(error)


def test_report_that_cannot_be_rendered_fails_the_run(failed):
    data = "{'application/vnd.plotly.v1+json': {'data': []}}"
    code = f"from IPython.display import display\ndisplay({data}, raw=True)"
    failed(code, error=(DashboardError, KeyError, RunError))


def test_earlier_report_and_pointer_survive_a_failure(workspace, notebook):
    notebook("10-a", OPEN, "run.headline('good')")
    good = run_notebook(workspace, "10-a")
    notebook("10-a", "1 / 0")
    with pytest.raises(RunError):
        run_notebook(workspace, "10-a")
    pointer = (workspace.reports / "10-a" / "latest").read_text().strip()
    assert pointer == f"2017-12-31/{good.run_id}"
    assert list((workspace.reports / "10-a" / "2017-12-31").iterdir()) == [good.report]


def test_failed_run_is_run_again_not_cached(workspace, notebook, tmp_path):
    flag = tmp_path / "flag"
    notebook("10-a", f"open({str(flag)!r})")
    with pytest.raises(RunError, match="FileNotFoundError"):
        run_notebook(workspace, "10-a")
    flag.write_text("now it is there")
    assert run_notebook(workspace, "10-a").status == "complete"


# --- a full disk ------------------------------------------------------------------------------


@pytest.fixture
def small_disk(workspace):
    """The workspace's runs and reports on a file system of 3 MB, so that renames stay possible."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system takes root")
    store = workspace.root.with_name("on-disk")
    store.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(store)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.decode()}")
    for name in ("data", "notebooks", "workbench.toml"):
        subprocess.run(["cp", "-r", str(workspace.root / name), str(store)], check=True)
    yield type(workspace)(store, "small", "EUR")
    subprocess.run(["umount", str(store)], check=True)


@pytest.mark.parametrize("when", ["cell", "report"])
def test_full_disk_leaves_no_report_and_says_so(small_disk, notebook, workspace, when):
    in_cell = "run.save_bytes('big.bin', b'x' * 4_000_000)"
    in_report = "print('x' * 1_000_000)\nrun.save_bytes('big.bin', b'x' * 1_100_000)"
    path = notebook("10-a", OPEN, in_cell if when == "cell" else in_report, "run.headline('x')")
    copy = small_disk.notebooks / path.name
    copy.write_bytes(path.read_bytes())
    with pytest.raises(RunError, match="No space left on device"):
        run_notebook(small_disk, "10-a")
    assert not list(small_disk.reports.rglob("run.json"))
    assert not list(small_disk.runtime.glob("0*"))
    assert Ledger(small_disk.ledger).latest()[0].status == "failed"
    journal = "".join(p.read_text() for p in small_disk.lineage.glob("events-*"))
    assert '"FAIL"' in journal
    small = copy.read_text().replace("4_000_000", "4").replace("1_000_000", "4")
    copy.write_text(small.replace("1_100_000", "4"))
    assert run_notebook(small_disk, "10-a").status == "complete"


# --- the log refuses --------------------------------------------------------------------------


def test_refusing_log_leaves_a_whole_report_that_the_next_start_publishes(
    workspace, notebook, events
):
    notebook("10-a", OPEN, "run.record('fact', detail={'a': 1})", "run.headline('done')")

    def spoil(name):
        if name == "log":
            workspace.log.mkdir(parents=True, exist_ok=True)
            (workspace.log / "checkpoint").rename(workspace.log / "away")
            (workspace.log / "checkpoint").write_text("not a checkpoint\n")

    with pytest.raises(RunError, match=r"report is whole in .*, the next run publishes it"):
        run_notebook(workspace, "10-a", step=spoil)
    assert [kind for kind, _, _ in events()] == ["START"]
    with pytest.raises(LogError):  # the log comes first: nothing runs while it is broken
        recover(workspace)
    (workspace.log / "away").replace(workspace.log / "checkpoint")
    assert recover(workspace)[0].endswith("it is finished now.")
    assert [kind for kind, _, _ in events()] == ["START", "COMPLETE"]
    assert Ledger(workspace.ledger).latest()[0].status == "complete"
    assert (Path(workspace.reports) / "10-a" / "latest").is_file()
