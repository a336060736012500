"""`workbench run --cluster`, as a user types it, on a real scheduler with two worker processes."""

import json
import socket

from small_notebooks import OPEN

from workbench.lineage.validate import event_findings
from workbench.runs.ledger import Ledger
from workbench.runs.manifest import read_manifest

SPREAD = """from workbench.forecasting import partitions, protocol
import numpy as np
panel = protocol.plain_panel(np.arange(40.0).reshape(4, 10))
parts = partitions.spread(panel, run.workers()).parts
run.headline("here" if parts is None else str(sum(parts.map(lambda part: len(part.series)))))"""


def _complete(events, job):
    return [event for kind, name, event in events() if (kind, name) == ("COMPLETE", job)]


def test_a_run_by_a_cluster_says_so(workbench, notebook, workspace, events, scheduler):
    notebook("10-a", OPEN, SPREAD, cluster=True)
    done = workbench("run", "10-a", "--cluster", scheduler, "--json")
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)[0]
    assert run["headline"] == "4"
    manifest = read_manifest(workspace.root / Ledger(workspace.ledger).get(run["run_id"]).report)
    assert manifest["cluster"] == {
        "scheduler": scheduler, "workers": 2, "threads": 2, "memory_bytes": 768 << 20,
    }  # fmt: skip
    (event,) = _complete(events, "10-a")
    facet = event["run"]["facets"]["workbench_cluster"]
    assert (facet["scheduler"], facet["workers"]) == (scheduler, 2)
    assert event_findings(event) == []
    shown = workbench("runs", "show", run["run_id"]).stdout
    assert f"scheduler: {scheduler}" in shown


def test_what_was_computed_here_is_not_taken_for_a_cluster_s(
    workbench, notebook, events, scheduler
):
    notebook("10-a", OPEN, SPREAD, cluster=True)
    here = json.loads(workbench("run", "10-a", "--json").stdout)[0]
    assert here["headline"] == "here"
    assert "workbench_cluster" not in _complete(events, "10-a")[-1]["run"]["facets"]
    there = json.loads(workbench("run", "10-a", "--cluster", scheduler, "--json").stdout)[0]
    assert (there["status"], there["headline"]) == ("complete", "4")


def test_nobody_at_the_address_is_one_sentence(workbench, notebook, workspace):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    notebook("10-a", OPEN, cluster=True)
    done = workbench("run", "10-a", "--cluster", address)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert f"--cluster {address}: no scheduler answers" in done.stderr
    assert Ledger(workspace.ledger).latest(5) == []


def test_a_malformed_address_is_one_sentence(workbench, notebook):
    notebook("10-a", OPEN, cluster=True)
    done = workbench("run", "10-a", "--cluster", "carrier-pigeon://roof")
    assert done.returncode == 1
    assert "expected the address that 'dask scheduler' prints" in done.stderr


def test_a_notebook_that_uses_no_cluster_refuses_one(workbench, notebook):
    notebook("10-a", OPEN)
    done = workbench("run", "10-a", "--cluster", "tcp://127.0.0.1:1")
    assert done.returncode == 1
    assert "10-a can do nothing with it" in done.stderr


def test_without_the_extra_it_says_what_to_install(workbench, notebook, monkeypatch):
    notebook("10-a", OPEN, cluster=True)
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    done = workbench("run", "10-a", "--cluster", "tcp://127.0.0.1:1")
    assert done.returncode == 1
    assert "pip install 'inventory-workbench[cluster]'" in done.stderr


def test_workers_with_other_code_are_refused(workbench, notebook, scheduler, monkeypatch):
    notebook("10-a", OPEN, cluster=True)
    monkeypatch.setattr("workbench.runs.cluster.code_digest", lambda: "0" * 64)
    done = workbench("run", "10-a", "--cluster", scheduler)
    assert done.returncode == 1
    assert "expected 0000000000000000 as here" in done.stderr
