"""An interactive kernel with `%load_ext workbench` has a run of its own, whatever ends it."""

import os
import signal
import time

import pandas as pd
import pytest
from jupyter_client.manager import KernelManager
from small_notebooks import OPEN, write_notebook

from workbench.lineage.graph import lineage_graph
from workbench.lineage.journal import Journal
from workbench.lineage.validate import validate_journal
from workbench.runs import artefacts, session
from workbench.runs.check_lineage import check_workspace
from workbench.runs.ledger import Ledger
from workbench.runs.recover import recover
from workbench.runs.run import run_notebook
from workbench.tables.store import TableStore

LOAD = "%load_ext workbench"
READ = f"{OPEN}\nrun.read('sales')\nrun.query('SELECT count(*) FROM stock')"
WRITE = """import pandas as pd
from workbench.tables.store import TableStore
store = TableStore(run.workspace.tables)
made = pd.DataFrame({"supplier_id": ["V1"], "country": ["NL"]})
version = store.write("suppliers", made, provenance="source", source="by hand")"""


class Kernel:
    """A real kernel in a workspace, as JupyterLab starts one for a notebook."""

    def __init__(self, folder, **environment):
        self.manager = KernelManager(kernel_name="python3")
        known = {k: v for k, v in os.environ.items() if k != "WORKBENCH_RUN_CONTEXT"}
        name = str(folder / "15-look around.ipynb")
        self.manager.start_kernel(
            cwd=str(folder), env={**known, "JPY_SESSION_NAME": name, **environment}
        )
        self._connect()

    def _connect(self):
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def do(self, code):
        """Run a cell and return what it printed; its error is the test's."""
        printed = []

        def output(message):
            content = message["content"]
            if message["msg_type"] == "error":
                raise AssertionError("\n".join(content["traceback"]))
            printed.append(content.get("text", ""))

        self.client.execute_interactive(code, timeout=60, output_hook=output)
        return "".join(printed)

    def restart(self):
        self.client.stop_channels()
        self.manager.restart_kernel(now=False)
        self._connect()

    def kill(self):
        os.kill(self.manager.provisioner.pid, signal.SIGKILL)
        while self.manager.is_alive():
            time.sleep(0.05)

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=False)


@pytest.fixture
def kernel(workspace):
    opened = []

    def start(**environment):
        opened.append(Kernel(workspace.notebooks, **environment))
        return opened[-1]

    yield start
    for one in opened:
        if one.manager.has_kernel:
            one.client.stop_channels()
            one.manager.shutdown_kernel(now=True)


def _names(side):
    return {one["name"] for one in side}


def test_a_session_is_on_record_from_load_to_shutdown(workspace, kernel, events):
    lab = kernel()
    assert "on record as run" in lab.do(LOAD)
    assert [kind for kind, _, _ in events()] == ["START"]
    lab.do(READ)
    lab.do(WRITE)
    lab.do("run.read('sales')\nrun.save_file('note.txt', 'seen')")
    lab.close()
    kinds = [kind for kind, _, _ in events()]
    assert kinds == ["START", "RUNNING", "RUNNING", "RUNNING", "COMPLETE"]
    _, job, last = events()[-1]
    assert job == "interactive-15-look-around"
    assert last["job"]["facets"]["jobType"]["jobType"] == "NOTEBOOK"
    current = TableStore(workspace.tables).current
    read = {one["name"]: one["facets"]["version"]["datasetVersion"] for one in last["inputs"]}
    assert read == {name: current(name).digest for name in ("sales", "stock")}
    made = {one["name"]: one for one in last["outputs"]}
    digest = made["suppliers"]["facets"]["version"]["datasetVersion"]
    assert digest == current("suppliers").digest
    assert any(name.endswith("/note.txt") for name in made)
    assert validate_journal(workspace.lineage).valid


def test_a_killed_kernel_is_aborted_by_the_next_start_with_what_it_did(workspace, kernel, events):
    lab = kernel()
    lab.do(LOAD)
    lab.do(READ)
    lab.do(WRITE)
    lab.kill()
    assert events()[-1][0] == "RUNNING"
    lines = recover(workspace)
    assert "interactive-15-look-around" in lines[0]
    kind, _, last = events()[-1]
    assert kind == "ABORT"
    assert _names(last["inputs"]) == {"sales", "stock"}
    assert _names(last["outputs"]) == {"suppliers"}
    with lineage_graph(Journal(workspace.lineage)) as graph:
        above = graph.upstream(graph.start("suppliers"))
    assert {one.version.name for one in above} == {"sales", "stock"}
    assert validate_journal(workspace.lineage).valid


def test_a_restarted_kernel_is_another_run(workspace, kernel, events):
    lab = kernel()
    lab.do(LOAD)
    lab.restart()
    assert [kind for kind, _, _ in events()] == ["START", "COMPLETE"]
    lab.do(LOAD)
    lab.do("%unload_ext workbench")
    lab.close()
    assert [kind for kind, _, _ in events()] == ["START", "COMPLETE"] * 2
    assert len({event["run"]["runId"] for _, _, event in events()}) == 2


def test_a_notebook_that_loads_the_extension_under_the_runner_has_one_run(workspace, events):
    write_notebook(workspace, "20-governed", f"{LOAD}\n{OPEN}\nrun.read('sales')", reads=["sales"])
    done = run_notebook(workspace, "20-governed")
    assert [kind for kind, _, _ in events()] == ["START", "COMPLETE"]
    assert done.run_id in (done.report / "notebook.ipynb").read_text()


@pytest.fixture
def here(workspace, monkeypatch):
    """A session in this process: load it, run code, end it; yields what was said."""
    monkeypatch.chdir(workspace.root)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    said = []

    def load():
        session.load(None, said.append)
        return said

    yield load
    session.unload()


def _suppliers(workspace, name="V1"):
    frame = pd.DataFrame({"supplier_id": [name]})
    return TableStore(workspace.tables).write(
        "suppliers", frame, provenance="source", source="by hand"
    )


def test_a_table_is_made_from_what_the_session_had_read_by_then(workspace, here):
    here()
    run = artefacts.open()
    run.read("sales")
    _suppliers(workspace)
    run.read("stock")
    session.unload()
    with lineage_graph(Journal(workspace.lineage)) as graph:
        above = graph.upstream(graph.start("suppliers"))
    assert [one.version.name for one in above] == ["sales"]


def test_a_draft_is_recorded_as_files_and_never_as_its_table(workspace, here, events):
    here()
    artefacts.open().write("suppliers", pd.DataFrame({"supplier_id": ["V1"]}))
    session.unload()
    names = _names(events()[-1][2]["outputs"])
    assert all(name.startswith("reports/interactive/") for name in names)
    assert any("/staged/suppliers/" in name for name in names)
    assert [notice for notice in check_workspace(workspace) if notice.is_problem] == []


@pytest.mark.parametrize(
    ("sql", "read"),
    [
        ("WITH s AS (SELECT * FROM stock) SELECT count(*) FROM s", {"stock"}),
        ("SELECT * FROM sales JOIN stock USING (item_id)", {"sales", "stock"}),
        ("PIVOT sales ON channel", {"sales", "stock", "locations"}),  # which, nobody can tell
    ],
)
def test_a_query_reads_the_tables_that_it_names(workspace, here, events, sql, read):
    here()
    artefacts.open().query(sql)
    session.unload()
    assert _names(events()[-1][2]["inputs"]) == read


def test_what_a_session_reads_of_its_own_is_no_input(workspace, here, events):
    here()
    version = _suppliers(workspace)
    TableStore(workspace.tables).read(version)
    session.unload()
    assert events()[-1][2]["inputs"] == []


def test_without_a_journal_the_session_says_so_and_goes_on(workspace, here):
    workspace.lineage.write_text("in the way of the folder")
    (said,) = here()
    assert said.count("not on record") == 1
    assert str(workspace.lineage) in said
    assert len(artefacts.open().read("sales")) == 3


def test_a_journal_that_stops_taking_events_is_told_once_and_caught_up(workspace, here, events):
    said = here()
    aside = workspace.lineage.rename(workspace.root / "aside")
    workspace.lineage.write_text("in the way of the folder")
    run = artefacts.open()
    run.read("sales")
    run.read("stock")
    assert "".join(said).count("not on record yet") == 1
    workspace.lineage.unlink()
    aside.rename(workspace.lineage)
    session.unload()
    kind, _, last = events()[-1]
    assert kind == "COMPLETE"
    assert _names(last["inputs"]) == {"sales", "stock"}


def test_an_end_that_cannot_be_written_is_told(workspace, here):
    said = here()
    aside = workspace.lineage.rename(workspace.root / "aside")
    workspace.lineage.write_text("in the way of the folder")
    session.unload()
    assert "the end of this session is not on record" in said[-1]
    workspace.lineage.unlink()
    aside.rename(workspace.lineage)


def test_outside_a_workspace_it_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = []
    session.load(None, said.append)
    assert "no workbench.toml" in said[0]
    assert session.current() is None


def test_a_session_is_listed_in_the_ledger(workspace, here):
    said = here()
    version = _suppliers(workspace, "V2")
    here()
    assert "already on record" in said[-1]
    session.unload()
    (row,) = Ledger(workspace.ledger).latest()
    assert (row.job, row.kind, row.status) == ("interactive", "session", "complete")
    assert row.outputs == {"suppliers": version.version}
