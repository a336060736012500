"""A small simulated workspace for the browser suite."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parent.parent / "dashboards" / "simulated_workspace.py"


@pytest.fixture(scope="session")
def simulated():
    """The module that invents what the executive page reads."""
    spec = importlib.util.spec_from_file_location("simulated_workspace", DATA)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def workspace(simulated, tmp_path_factory):
    return simulated.fill(simulated.make_workspace(tmp_path_factory.mktemp("browser") / "w"))


@pytest.fixture(scope="session")
def offline():
    """The module with `offline_problems`."""
    path = Path(__file__).with_name("offline.py")
    spec = importlib.util.spec_from_file_location("offline", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def browser(offline, tmp_path_factory):
    if not offline.CHROMIUM.exists():
        pytest.skip(f"no Chromium at {offline.CHROMIUM}; install it or set WORKBENCH_CHROMIUM")
    with offline.open_browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """Opens the dashboards of a folder and gives the address, with its token, of one of them."""

    @contextmanager
    def serve(root, page=""):
        log = tmp_path_factory.mktemp("serve") / "out.txt"
        command = [sys.executable, "-m", "workbench", "dashboards", "serve", "--port", "0"]
        with log.open("w") as out:
            process = subprocess.Popen(
                command, cwd=root, env={**os.environ, "PYTHONUNBUFFERED": "1"},
                stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        address = rf"http://127\.0\.0\.1:\d+/{page}\?token=\S+"
        try:
            deadline = time.monotonic() + 30
            while not (found := re.search(address, log.read_text())):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            yield found.group()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)

    return serve


@pytest.fixture(scope="session")
def live_page(workspace, served):
    """Address of the executive page on a running server."""
    with served(workspace.root) as address:
        yield address
