"""A part of the demo's data, and its steps on that: once as they are, then to experiment on."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from unittest import mock

import duckdb

from benchmarks import column_steps
from benchmarks.column_others import others
from workbench.adapters import completejourney
from workbench.adapters.ingest import DEMO_SOURCES
from workbench.resources import resource
from workbench.runs.notebooks import all_notebooks
from workbench.runs.run import run_notebook
from workbench.runs.steps import governed_step, ingest_step, twin_step
from workbench.workspace import Workspace, open_workspace

INGEST: Final = "ingest-completejourney"
TWIN: Final = "simulate-supply"
NOTEBOOKS: Final = ("10", "20", "50", "30", "60", "70", "00")  # each after what it reads
FILES: Final = ("transactions", "products", "promotions")
# Fewer windows, levels, cutoffs and trees: which column matters does not depend on how many.
SMALL: Final[Mapping[str, Mapping[str, Any]]] = {
    "10": {
        "windows_days": [9, 14], "horizon_days": 7, "trees": 10, "test_cutoffs": 4,
        "quantiles": [0.1, 0.25, 0.5, 0.75, 0.9, 0.975], "calibration_weeks": 4, "refit_weeks": 4,
    },
    "30": {
        "legacy_trailing_days": [28], "legacy_maximum_factor": 2.0, "tuning_days": 56,
        "swept_targets": [0.9, 0.98],
    },
    "70": {"resamples": 100},
}  # fmt: skip
ITEMS: Final = {"10": 10}  # fits dozens of models for each experiment


def reduced_source(folder: Path, *, items: int = 30, stores: int = 3) -> None:
    """The package's files with only the items and stores that sell most, and pseudo-items."""
    given = completejourney.data_folder()
    folder.mkdir(parents=True)
    with duckdb.connect() as connection:
        for name in FILES:
            connection.execute(f"CREATE VIEW {name} AS FROM read_parquet('{given / name}.parquet')")
        connection.execute(
            "CREATE TABLE store AS SELECT store_id FROM transactions"
            f" GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {stores}"
        )
        connection.execute(
            "CREATE TABLE item AS SELECT product_id FROM transactions SEMI JOIN store USING"
            " (store_id) GROUP BY 1 ORDER BY count(DISTINCT CAST(transaction_timestamp AS DATE))"
            f" DESC, 1 LIMIT {items}"
        )
        connection.execute(
            "INSERT INTO item SELECT product_id FROM products WHERE department IN"
            " ('FUEL', 'COUPON') OR product_type IS NULL ORDER BY 1 LIMIT 6"
        )
        for name in FILES:
            stores_too = "" if name == "products" else " SEMI JOIN store USING (store_id)"
            connection.execute(
                f"COPY (FROM {name} SEMI JOIN item USING (product_id){stores_too}) TO"
                f" '{folder / name}.parquet'"
            )


def small_demo(folder: Path) -> Workspace:
    """The steps of the demo, run as the demo runs them, on the reduced source; again if changed."""
    place = folder / "workspace"
    if not place.is_dir():
        command = [sys.executable, "-m", "workbench", "init", str(place)]
        subprocess.run(command, check=True, capture_output=True)
    workspace = open_workspace(place)
    shutil.copytree(resource("notebooks"), workspace.notebooks, dirs_exist_ok=True)
    with mock.patch.object(completejourney, "data_folder", return_value=folder / "source"):
        step = ingest_step(workspace, resource(DEMO_SOURCES), say=lambda _: None)
        governed_step(workspace, step)
    governed_step(workspace, twin_step(workspace))
    for number in NOTEBOOKS:
        run_notebook(workspace, notebook(workspace, number), parameters=SMALL.get(number, {}))
    return workspace


def notebook(workspace: Workspace, number: str) -> Path:
    """Path of a numbered notebook."""
    return next(path for path in all_notebooks(workspace) if path.stem.startswith(number))


def step_of(workspace: Workspace, name: str, folder: Path, *, seed: int) -> column_steps.Step:
    """A step to experiment on, by job name or number of a notebook; the seed is of its others."""
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    if name == INGEST:
        return column_steps.ingest_step(folder / "source", scratch)
    if name == TWIN:
        step = column_steps.twin_step(workspace)
    else:
        step = column_steps.notebook_step(
            workspace, notebook(workspace, name), SMALL.get(name, {}), scratch,
            items=ITEMS.get(name, 0),
        )  # fmt: skip
    return replace(step, others=others(name, step.inputs, seed=seed))
