"""Fixtures that several suites share."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).resolve().parent))
from benchmarks.dask_processes import started

settings.register_profile("workbench", deadline=None)  # a busy machine is no failure
settings.load_profile("workbench")

# A suite that was started in the background ignores Ctrl-C, and so would all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Suites about other things write the log in their own process: no service outlives them.
os.environ.setdefault("WORKBENCH_LOG_SERVICE", "off")

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """Path of real data or vectors beside the project; skips, saying so, where they are missing."""
    root = Path(os.environ.get("WORKBENCH_SHARED", CHECKOUT.parent / "shared"))

    def find(name: str) -> Path:
        path = root / name
        if not path.exists():
            pytest.skip(f"{name} not found under WORKBENCH_SHARED ({root})")
        return path

    return find


@pytest.fixture(scope="session")
def scheduler(tmp_path_factory):
    """Address of a real dask scheduler with two worker processes."""
    with started(tmp_path_factory.mktemp("dask"), memory="768MiB") as address:
        yield address
