"""A small simulated workspace for the dashboards suite."""

import importlib.util
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


@pytest.fixture
def empty(simulated, tmp_path):
    return simulated.make_workspace(tmp_path / "workspace")


@pytest.fixture
def workspace(simulated, empty):
    return simulated.fill(empty)
