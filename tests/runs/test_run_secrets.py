"""Secrets planted in parameters, cells and outputs are in no byte that a run leaves."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from urllib.parse import quote

import pytest
from small_notebooks import OPEN, PROPOSE

from workbench.errors import ParameterError
from workbench.runs.ledger import Ledger
from workbench.runs.recover import recover
from workbench.runs.run import run_notebook

# Made up; assembled so that no scanner takes this file for a leak.
KEY = "can" + "ary-4711/with 'quotes' & \\ é"
ADDRESS = "hun" + "ter2pw"
ASSIGNED = "cor" + "recthorse"
PLANTED = [KEY[:11].encode(), ADDRESS.encode(), ASSIGNED.encode()]
SECRETS = [*PLANTED, quote(KEY).encode()]
TELL = """import json, sys
from urllib.parse import quote
print(api_token, repr(api_token), json.dumps(api_token), quote(api_token))
print("\\x1b[31mpass\\x1b[0mword=" + label.split("password=")[1])
print(label, file=sys.stderr)
pieces = "sql://" + "bob:hun" "ter2pw@host"
print(pieces, pieces[10:19])
display({"key": api_token, "label": label})
api_token, label"""
SAVE = """run.headline(f"used {api_token}")
run.record("fact", detail={"said": f"{api_token} {label}"})
run.save_file("notes/used.txt", f"{api_token} {label}")
run.save_file("used.json", __import__("json").dumps({"password": label, "by": api_token}))"""
WAIT = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)"


@pytest.fixture
def command(workspace, tmp_path):
    """Start `workbench run 10-a` with planted secrets, in a home of its own."""
    label = f"sql://bob:{ADDRESS}@host/db;password={ASSIGNED}"
    arguments = ["run", "10-a", "-p", f"api_token={KEY}", "-p", f"label={label}"]
    home = {
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "WORKBENCH_WORKSPACE": str(workspace.root),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }

    def start():
        return subprocess.Popen(
            [sys.executable, "-m", "workbench", *arguments], env={**os.environ, **home},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    return start


def _leaks(folder, *streams):
    files = [path for path in folder.rglob("*") if path.is_file() and "notebooks" not in path.parts]
    texts = [(path, path.read_bytes()) for path in files] + [("stream", text) for text in streams]
    return [(str(place), s) for place, text in texts for s in SECRETS if s in text]


def _modes(folder):
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}


def test_completed_run_leaves_no_secret(workspace, notebook, command, tmp_path):
    notebook("10-a", OPEN, TELL, SAVE)
    process = command()
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert b"used [redacted]" in out
    assert _leaks(tmp_path, out, err) == []
    report = workspace.root / Ledger(workspace.ledger).latest()[0].report
    assert "[redacted]" in (report / "notebook.ipynb").read_text()
    assert json.loads((report / "used.json").read_text())["password"] == "[redacted]"


def test_failed_run_leaves_and_tells_no_secret(workspace, notebook, command, tmp_path):
    notebook("10-a", OPEN, TELL, SAVE, "raise ValueError(f'no {api_token} at {label}')")
    process = command()
    out, err = process.communicate()
    assert process.returncode == 1
    assert b"ValueError: no [redacted] at sql://[redacted]@host/db;password=[redacted]" in err
    assert _leaks(tmp_path, out, err) == []
    kept = workspace.runtime / "failed" / Ledger(workspace.ledger).latest()[0].run_id
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    assert _modes(kept) == {0o600}


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_stopped_run_leaves_no_secret(workspace, notebook, command, tmp_path, end):
    notebook("10-a", OPEN, TELL, WAIT)
    process = command()
    kernel = _kernel_of(workspace, process)
    time.sleep(6)  # until what was executed has been saved
    work = next(workspace.runtime.glob("0*"))
    assert stat.S_IMODE(work.stat().st_mode) == 0o700
    assert _leaks(tmp_path) == []
    process.send_signal(end)
    out, err = process.communicate()
    if end == signal.SIGKILL:
        os.kill(kernel, signal.SIGKILL)
        recover(workspace)
    assert _leaks(tmp_path, out, err) == []
    kept = workspace.runtime / "failed" / Ledger(workspace.ledger).latest()[0].run_id
    assert _modes(kept) == {0o600}
    assert "[redacted]" in (kept / "notebook.ipynb").read_text()


def _kernel_of(workspace, process):
    for _ in range(600):
        found = list(workspace.runtime.glob("*/report/pid"))
        if found and found[0].read_text():
            return int(found[0].read_text())
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    raise AssertionError("the notebook did not start to wait")


def test_kernel_that_dies_in_a_cell_leaves_no_secret(workspace, notebook, command, tmp_path):
    notebook("10-a", OPEN, TELL, "import os, signal", "os.kill(os.getpid(), signal.SIGKILL)")
    process = command()
    out, err = process.communicate()
    assert process.returncode == 1
    assert b"the kernel died" in err
    assert _leaks(tmp_path, out, err) == []


def test_table_that_holds_a_secret_is_refused(workspace, notebook, command, tmp_path):
    notebook("10-a", OPEN, "run.save_bytes('data.bin', b'x' + api_token.encode())")
    process = command()
    out, err = process.communicate()
    assert process.returncode == 1
    assert b"data.bin: holds the value of a secret parameter" in err
    assert _leaks(tmp_path, out, err) == []


def test_proposal_that_holds_a_secret_is_refused(workspace, notebook, command, tmp_path):
    code = PROPOSE.replace('"Stock is low."', "api_token")
    notebook("10-a", OPEN, code, reads=["stock"], writes=["proposals"])
    process = command()
    out, err = process.communicate()
    assert process.returncode == 1
    assert b"holds the value of a secret parameter" in err
    assert _leaks(tmp_path, out, err) == []


def test_refused_parameter_is_not_repeated(workspace, notebook):
    notebook("10-a", OPEN)
    with pytest.raises(ParameterError, match=r"'api_token': \[redacted\] is refused"):
        run_notebook(workspace, "10-a", parameters={"api_token": 47114711})
