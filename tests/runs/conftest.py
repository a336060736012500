"""A small workspace, and notebooks that are written for one test and run in real kernels."""

import json
import shutil
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from workbench.cli import main
from workbench.workspace import Workspace

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # the runner imports the notebooks' config by name

from small_notebooks import make_workspace, write_notebook  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def keys(tmp_path_factory):
    """Signing keys of this suite, away from the user's."""
    folder = tmp_path_factory.mktemp("keys")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_KEYS", str(folder))
        patch.delenv("WORKBENCH_WORKSPACE", raising=False)
        yield folder


@pytest.fixture(autouse=True)
def forgotten(keys):
    """Tests start from copies of one workspace: the log that another test had is not remembered."""
    for path in keys.glob("*.checkpoint"):
        path.unlink()


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("template") / "space").root


@pytest.fixture
def workspace(tmp_path, template):
    shutil.copytree(template, tmp_path / "space")
    return Workspace(tmp_path / "space", "small", "EUR")


@pytest.fixture
def notebook(workspace):
    """Write a notebook: `notebook("10-name", "code", "code", reads=["sales"])`."""

    def write(name, *code, **declared):
        return write_notebook(workspace, name, *code, **declared)

    return write


@pytest.fixture
def events(workspace):
    """Events of the workspace's journal, as (type, job, event)."""

    def read():
        lines = [
            json.loads(line)
            for path in sorted(workspace.lineage.glob("events-*.ndjson"))
            for line in path.read_text().splitlines()
        ]
        return [(event["eventType"], event["job"]["name"], event) for event in lines]

    return read


@pytest.fixture
def workbench(workspace, monkeypatch, capsys):
    """Call the command line in this process: exit code, standard output and error."""
    stop = signal.getsignal(signal.SIGTERM)
    monkeypatch.chdir(workspace.root)

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["workbench", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, error = capsys.readouterr()
        return SimpleNamespace(returncode=ended.value.code or 0, stdout=out, stderr=error)

    yield call
    signal.signal(signal.SIGTERM, stop)
