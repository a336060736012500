"""Measures what governing a run costs: `papermill` against `workbench run`, same notebook.

Run: python -m benchmarks.run_overhead [--repeats 5] [--rows 1200000] [--out FILE]

Both execute one notebook that reads a sales table through DuckDB, fits a gradient boosting model,
draws four figures and keeps tables; the governed run also writes a table and 2,000 proposals into
the signed log, renders the HTML report, digests and syncs everything. Runs alternate, so that a
busy machine hurts both; each is a command of its own, started anew.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from pydantic import BaseModel

from workbench.tables.store import TableStore
from workbench.workspace import Workspace, open_workspace

RESULTS = Path(__file__).resolve().parent / "results" / "run_overhead.md"
CELLS = (
    "import numpy as np\nimport pandas as pd\nimport lightgbm as lgb\n"
    "from workbench.dashboards import theme\nfrom workbench.runs import artefacts",
    "run = artefacts.open()\nsales = run.read('sales')",
    "daily = sales.groupby(['item_id', 'date'])['quantity'].sum().unstack(fill_value=0.0)",
    "values = daily.to_numpy()\n"
    "lags = np.stack([values[:, k:k - 28] for k in range(0, 28, 4)], axis=-1)",
    "X, y = lags.reshape(-1, lags.shape[-1]), values[:, 28:].ravel()",
    "model = lgb.LGBMRegressor(n_estimators=trees, num_leaves=31, n_jobs=1, verbose=-1,\n"
    "                          deterministic=True, force_row_wise=True, random_state=1)\n"
    "model.fit(X, y)",
    "forecast = np.maximum(model.predict(X), 0).reshape(values[:, 28:].shape)",
    "error = float(np.abs(forecast - values[:, 28:]).sum() / values[:, 28:].sum())",
    *(
        f"fig = theme.figure(title='Items {n}', subtitle='units a day', x='day', y='units')\n"
        f"fig.add_scatter(y=values[{n}], name='sold')\nfig.add_scatter(y=forecast[{n}], name='f')\n"
        f"run.show(fig, 'items-{n}')"
        for n in range(4)
    ),
    "run.table(daily.iloc[:, :8].reset_index(), 'daily', 'Daily sales')",
    "frame = pd.DataFrame({'item_id': daily.index, 'location_id': 'S1', 'segment': 'AX',\n"
    "    'abc': 'A', 'xyz': 'X', 'pattern': 'smooth', 'revenue': 1.0,\n"
    "    'demand_mean': values.mean(axis=1), 'policy': 'window'})\nrun.write('segments', frame)",
    "day = pd.Timestamp(run.as_of) + pd.Timedelta(1, unit='D')\n"
    "proposals = pd.DataFrame({'kind': 'replenishment', 'item_id': daily.index,\n"
    "    'location_id': 'S1', 'supplier_id': 'V1', 'from_location_id': '*', 'valid_from': day,\n"
    "    'valid_to': day + pd.Timedelta(7, unit='D'), 'unit': 'H87', 'currency': 'USD',\n"
    "    'proposed': np.ceil(forecast[:, -7:].sum(axis=1)),\n"
    "    'reasons': [['Forecast.']] * len(daily)})",
    "proposed = run.propose(proposals)",
    "run.headline(f'Weighted error {error:.1%}')",
    "run.finish()",
)


class OverheadConfig(BaseModel):
    """Parameters of the measured notebook."""

    trees: int = 120


def workspace_in(folder: Path, rows: int) -> Workspace:
    """A workspace with `rows` sales lines of 2,000 items, and the notebook."""
    folder.mkdir()
    (folder / "workbench.toml").write_text('[workspace]\nname = "bench"\n', encoding="utf-8")
    space = open_workspace(folder)
    days = pd.date_range("2016-01-01", periods=max(30, rows // 2_000))
    items = [f"I{number:05d}" for number in range(2_000)]
    frame = pd.MultiIndex.from_product([items, days], names=["item_id", "date"])
    sales = frame.to_frame(index=False)
    sales["quantity"] = np.random.default_rng(1).poisson(3, len(sales)).astype(float)
    sales = sales.assign(location_id="S1", channel="store", revenue=sales["quantity"] * 2.0)
    TableStore(space.tables).write("sales", sales, provenance="source", source="benchmark")
    space.notebooks.mkdir()
    write_notebook(space, "10-overhead", CELLS, ["segments", "proposals"])
    write_notebook(space, "20-empty", ["print('nothing')"], [])
    return space


def write_notebook(space: Workspace, name: str, code: Sequence[str], writes: list[str]) -> None:
    """Write a measured notebook."""
    cells = [new_markdown_cell("# Overhead")]
    cells.append(new_code_cell("trees: int = 120", metadata={"tags": ["parameters"]}))
    for number, source in enumerate(code, 1):
        cells += [new_markdown_cell(f"## Step {number}"), new_code_cell(source)]
    document = new_notebook(cells=cells)
    document.metadata["kernelspec"] = {
        "name": "python3", "display_name": "Python 3", "language": "python",
    }  # fmt: skip
    document.metadata["workbench"] = {
        "config": "run_overhead:OverheadConfig",
        "reads": ["sales"],
        "writes": writes,
    }
    nbformat.write(document, space.notebooks / f"{name}.ipynb")


def plain(space: Workspace, name: str) -> float:
    """Seconds of the command `papermill`."""
    source, target = str(space.notebooks / f"{name}.ipynb"), str(space.root / "plain.ipynb")
    command = [sys.executable, "-m", "papermill", source, target, "-p", "trees", "120"]
    return seconds(space, [*command, "--no-progress-bar", "--cwd", str(space.notebooks)])[0]


def governed(space: Workspace, name: str, decisions: int) -> float:
    """Seconds of the command `workbench run`, forced."""
    command = [sys.executable, "-m", "workbench", "run", name, "--force", "--json"]
    took, output = seconds(space, command)
    result = json.loads(output)[0]
    if (result["status"], result["decisions"]) != ("complete", decisions):
        raise SystemExit(f"expected {decisions} new decisions, got {result}")
    return took


def seconds(space: Workspace, command: list[str]) -> tuple[float, str]:
    """How long a command takes, and what it prints."""
    cores = str(len(os.sched_getaffinity(0)))
    threads = {"OMP_NUM_THREADS": cores, "OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
    environment = {**os.environ, **threads, "PYTHONPATH": str(Path(__file__).resolve().parent)}
    began = time.perf_counter()
    done = subprocess.run(
        command, cwd=space.root, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return time.perf_counter() - began, done.stdout


def main() -> None:
    """Measure and print or write the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--rows", type=int, default=1_200_000)
    arguments.add_argument("--out", type=Path, default=RESULTS)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WORKBENCH_KEYS"] = f"{folder}/keys"
        space = workspace_in(Path(folder) / "space", given.rows)
        tables = [measured(space, *case, repeats=given.repeats) for case in CASES]
    given.out.write_text(report(tables, given), encoding="utf-8")
    print(given.out.read_text(encoding="utf-8"))


CASES = (("10-overhead", "a realistic notebook", 2_000), ("20-empty", "a notebook that prints", 0))


def measured(space: Workspace, name: str, what: str, decisions: int, *, repeats: int) -> list[str]:
    """Lines of one case: both ways, alternating."""
    plain(space, name), governed(space, name, decisions)  # caches, for both
    pairs = [(plain(space, name), governed(space, name, decisions)) for _ in range(repeats)]
    one, two = ([pair[k] for pair in pairs] for k in (0, 1))
    ratios = sorted(g / p - 1 for p, g in pairs)
    extra = sorted(g - p for p, g in pairs)
    return [
        f"## {what[0].upper()}{what[1:]}, {decisions:,} decisions",
        "",
        "| | median s | fastest s | slowest s |",
        "|---|---|---|---|",
        _row("plain papermill", one),
        _row("governed run", two),
        "",
        f"Per pair of neighbouring runs: {statistics.median(ratios):+.1%} in the median, from"
        f" {ratios[0]:+.1%} to {ratios[-1]:+.1%}; {statistics.median(extra):+.2f} s. Of the fastest"
        f" runs: {min(two) / min(one) - 1:+.1%}.",
        "",
    ]


def _row(name: str, times: list[float]) -> str:
    return f"| {name} | {statistics.median(times):.2f} | {min(times):.2f} | {max(times):.2f} |"


def report(tables: list[list[str]], given: argparse.Namespace) -> str:
    """The results as Markdown."""
    lines = [
        "# Cost of a governed run",
        "",
        f"`python -m benchmarks.run_overhead --repeats {given.repeats} --rows {given.rows}` on"
        f" {os.cpu_count()} cores, Linux {platform.release()}, Python"
        f" {platform.python_version()}, papermill {version('papermill')}; load average"
        f" {os.getloadavg()[0]:.1f} at the end. Wanted for a realistic notebook: at most +15%.",
        "",
        *(line for table in tables for line in table),
        "Both commands start a fresh Python. A governed run also checks parameters, pins inputs,"
        " writes lineage, digests and syncs every file, renders the HTML report and has its"
        " decisions signed; plain papermill saves the notebook twice a cell.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
