"""`workbench run` and `workbench runs`, as a user types them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from small_notebooks import OPEN, PROPOSE

from workbench.decision_log.keys import ensure_key
from workbench.workspace import keys_folder

HERE = Path(__file__).resolve().parent
COUNT = 'run.headline(f"{periods} periods")'


def test_run_list_show_and_diff(workbench, notebook, workspace):
    notebook("10-a", OPEN, COUNT)
    first = json.loads(workbench("run", "10-a", "--json").stdout)[0]
    assert (first["status"], first["headline"]) == ("complete", "3 periods")
    second = workbench("run", "10-a", "-p", "periods=5", "-p", "label=two words")
    assert second.returncode == 0
    assert second.stdout.splitlines()[0].endswith("5 periods")
    assert "current from now on, with label=two words periods=5" in second.stdout
    assert "to go back: workbench run 10-a" in second.stdout
    newest, oldest = workbench("runs", "list").stdout.splitlines()
    assert ("  current  " in newest, "  current  " in oldest) == (True, False)
    assert newest.endswith("label=two words periods=5")
    assert "=" not in oldest
    listed = json.loads(workbench("runs", "list", "--json").stdout)
    assert [row["status"] for row in listed] == ["complete", "complete"]
    assert [row["current"] for row in listed] == [True, False]
    assert listed[0]["run_id"] in (workspace.reports / "10-a/latest.html").read_text()
    back = workbench("run", "10-a").stdout
    assert "cached" in back
    assert "current from now on" not in back
    assert workbench("runs", "list").stdout.splitlines()[1].split()[2] == "current"
    ids = [row["run_id"] for row in listed]
    shown = json.loads(workbench("runs", "show", ids[0], "--json").stdout)
    assert shown["parameters"]["label"] == "two words"
    assert "headline     5 periods" in workbench("runs", "show", ids[0]).stdout
    different = workbench("runs", "diff", ids[1], ids[0]).stdout
    assert "parameters.periods: 3 → 5" in different
    same = workbench("runs", "diff", ids[0], ids[0]).stdout
    assert same == "The two runs do not differ.\n"


def test_a_rerun_says_what_its_proposals_meet_in_the_log(workbench, notebook):
    notebook("30-propose", OPEN, PROPOSE, reads=("sales",), writes=("proposals",))
    run = json.loads(workbench("run", "30-propose", "--json").stdout)[0]
    table = Path(run["report"]) / "tables/proposals.parquet"
    ids = pd.read_parquet(table).set_index("item_id")["proposal_id"]
    workbench("decide", "accept", ids["I1"])
    workbench("decide", "accept", ids["I2"])
    workbench("orders", "execute", ids["I2"], "--order", "PO-1")
    again = workbench("run", "30-propose", "-p", "periods=4").stdout
    assert "1 proposal for what is answered already: those answers hold" in again
    assert "1 proposal for what is ordered already" in again
    assert "already" not in workbench("run", "30-propose", "-p", "periods=4").stdout  # cached


def test_refusals_exit_with_one_and_a_sentence(workbench, notebook):
    notebook("10-a", "pass")
    for arguments in (
        ["run", "10-a", "-p", "period=5"],
        ["run", "10-a", "-p", "periods=five"],
        ["run", "10-a", "--as-of", "31.12.2017"],
        ["run", "99-x"],
        ["runs", "show", "unknown"],
    ):
        done = workbench(*arguments)
        assert (done.returncode, done.stdout) == (1, ""), arguments
        assert done.stderr.startswith("workbench: ")
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("content", [b"[]", b"\xff\xfe", b"{}", b"[" * 200_000, b'{"inputs": []}'])
def test_spoilt_manifest_is_one_sentence(workbench, notebook, workspace, content):
    notebook("10-a", OPEN, COUNT)
    run = json.loads(workbench("run", "10-a", "--json").stdout)[0]
    (Path(run["report"]) / "run.json").write_bytes(content)
    assert workbench("runs", "list").returncode == 0
    done = workbench("runs", "show", run["run_id"])
    assert (done.returncode, done.stdout) == (1, "")
    assert "run.json: " in done.stderr
    assert len(done.stderr.splitlines()) == 1
    doctor = workbench("doctor")
    assert doctor.returncode == 1
    assert f"FAIL  reports: {run['report']}/run.json: " in doctor.stdout


@pytest.mark.parametrize("content", [b"[]", b"\xff\xfe"])
def test_spoilt_workspace_id_is_one_sentence(workbench, workspace, content):
    (workspace.data / "workspace.json").write_bytes(content)
    doctor = workbench("doctor")
    assert doctor.returncode == 1
    assert "workspace.json: not a JSON object with 'workspace_id'" in doctor.stdout


def test_doctor_names_a_signing_key_that_others_can_read(workbench, workspace):
    origin = workspace.log_origin()
    ensure_key(origin)
    assert "ok    decision log key: " in workbench("doctor").stdout
    key = keys_folder() / f"{origin.replace('/', '_')}.key"
    key.chmod(0o644)
    doctor = workbench("doctor")
    assert doctor.returncode == 1
    assert f"FAIL  decision log key: {key}: mode 644 lets others read" in doctor.stdout


def test_spoilt_verifier_key_has_a_remedy(workbench, workspace):
    origin = workspace.log_origin()
    ensure_key(origin)
    (keys_folder() / f"{origin.replace('/', '_')}.pub").write_text("rubbish\n")
    done = workbench("log", "key")
    assert done.returncode == 1
    assert "holds no verifier key" in done.stderr
    assert "Restore it" in done.stderr
    assert "log key'" not in done.stderr


def test_wrong_usage_exits_with_two(workbench, notebook):
    notebook("10-a", "pass")
    assert workbench("run").returncode == 1
    assert workbench("run", "10-a", "--all").returncode == 1


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interruption_exits_with_one_and_a_sentence(workspace, notebook, sent):
    notebook("10-a", "import time\nopen('here', 'w').close()\ntime.sleep(60)")
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench", "run", "10-a"], cwd=workspace.root, text=True,
        env={**os.environ, "PYTHONPATH": str(HERE)}, stderr=subprocess.PIPE,
    )  # fmt: skip
    while not list(workspace.runtime.glob("*/report/here")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)
    process.send_signal(sent)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert errors == "workbench: interrupted; nothing half-written, run again to go on.\n"
