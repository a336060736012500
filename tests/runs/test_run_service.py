"""A governed run whose decisions go through the log's service."""

import os
import signal

import pytest
from small_notebooks import OPEN, PROPOSE

from workbench.decision_log.keys import verifier_key
from workbench.decision_log.service.client import connect
from workbench.decision_log.verify import verify_log
from workbench.runs.run import run_notebook


@pytest.fixture
def pid(workspace, monkeypatch):
    """Process of the workspace's service; it is ended after the test."""
    monkeypatch.delenv("WORKBENCH_LOG_SERVICE")

    def of_service():
        with connect(workspace) as client:
            return client.pid

    yield of_service
    os.kill(of_service(), signal.SIGTERM)


def test_a_run_starts_the_service_and_the_next_one_finds_it(workspace, notebook, pid):
    notebook("30-propose", OPEN, PROPOSE, "run.finish()", reads=["sales"], writes=["proposals"])
    assert run_notebook(workspace, "30-propose").decisions == 2
    first = pid()
    assert first != os.getpid()
    assert run_notebook(workspace, "30-propose", force=True).decisions == 2
    assert pid() == first
    assert verify_log(workspace.log, verifier_key(workspace.log_origin())).entries == 4
