"""Notebook 10 with families other than its own: what they write, keep and put on record."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from own_business import write_exports

from workbench.adapters.onnx_runtime import SequenceNetwork
from workbench.forecasting import stored, surrogate, views
from workbench.tables.store import TableStore
from workbench.workspace import open_workspace

NOTEBOOK = "10-forecast-demand"
SMALL = {
    "families": [], "test_cutoffs": 4, "calibration_weeks": 4, "refit_weeks": 4, "trees": 20,
    "windows_days": [7, 14], "horizon_days": 7, "paths": 20, "path_items": 2, "months_ahead": 0,
    "max_series": 12,
}  # fmt: skip


def _workbench(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "workbench", *arguments], cwd=folder, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def _given(**parameters):
    pairs = {**SMALL, **parameters}.items()
    return [word for name, value in pairs for word in ("-p", f"{name}={_literal(value)}")]


def _literal(value):
    return value if isinstance(value, str) else json.dumps(value)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("families")
    patch = pytest.MonkeyPatch()
    patch.setenv("WORKBENCH_KEYS", str(folder / "keys"))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        patch.setenv(name, "1")
    description = write_exports(folder)
    assert _workbench(folder, "init", "shop", "--currency", "EUR").returncode == 0
    done = _workbench(folder / "shop", "ingest", str(description))
    assert done.returncode == 0, done.stderr
    yield folder / "shop"
    patch.undo()


def _latest(shop):
    return (shop / "reports" / NOTEBOOK / "latest").read_text().strip()


def _run(shop, family):
    done = _workbench(shop, "run", NOTEBOOK, *_given(family=family))
    assert done.returncode == 0, done.stdout + done.stderr
    report = shop / "reports" / NOTEBOOK / _latest(shop)
    store = TableStore(open_workspace(shop).tables)
    return (
        report,
        store.read(store.current("forecasts")),
        store.read(store.current("forecast_paths")),
    )


FAMILIES = [
    "ets",
    "best_by_segment",
    pytest.param(
        "deep",
        marks=pytest.mark.skipif(
            find_spec("torch") is None, reason="torch (extra `deep`) is missing"
        ),
    ),
]


@pytest.mark.parametrize("family", FAMILIES)
def test_another_family_writes_the_same_tables(shop, family):
    report, forecasts, paths = _run(shop, family)
    manifest = json.loads((report / "run.json").read_text())
    orders = forecasts[forecasts["serves"] == "replenishment"]
    assert set(orders["model"]) == {family}
    assert set(forecasts["run_id"]) == set(paths["run_id"]) == {manifest["run_id"]}
    # windows from four test cutoffs and the as-of date, days and a week from the last alone
    assert orders["cutoff"].nunique() == 5
    assert set(forecasts["serves"]) == {"replenishment", "tactical", "operational"}
    keys = ["model", "item_id", "location_id", "cutoff", "horizon_start", "horizon_end"]
    steps = forecasts.sort_values([*keys, "quantile"]).groupby(keys)["value"].diff().dropna()
    assert (steps >= 0).all()
    assert (forecasts["value"] >= 0).all()
    assert paths["path"].nunique() == SMALL["paths"]
    scores = pd.read_parquet(report / "tables/backtest_scores.parquet").set_index("model")
    # demand that is drawn evenly: any family worth its name beats last week by a wide margin
    assert scores.loc[family, "vw_pinball_skill"] > 0.1
    _check_models(shop, report, manifest, orders)


def _check_models(shop, report, manifest, orders):
    """The models are kept whole, say what was written, and lineage names them by their digest."""
    kept = {"demand-windows.zip", "demand-days.zip", surrogate.FILE}
    assert {model["name"] for model in manifest["models"]} == kept
    events = "".join(path.read_text() for path in (shop / "lineage").glob("*.ndjson"))
    assert all(model["digest"] in events for model in manifest["models"])
    store = TableStore(open_workspace(shop).tables)
    tables = {name: store.current(name) for name in ("sales", "items", "locations", "calendar")}
    with store.connect(versions=tables) as connection:
        panel = views.panel_like(connection, manifest["parameters"])
    data = (report / "models/demand-windows.zip").read_bytes()
    again = stored.restored(data, serve=SequenceNetwork).forecast(panel).quantiles
    last = orders[orders["cutoff"] == panel.last_day]
    wide = last.pivot_table("value", ["item_id", "location_id"], ["horizon_end", "quantile"])
    written = wide.loc[list(panel.series[["item_id", "location_id"]].itertuples(index=False))]
    assert np.array_equal(written.to_numpy(), again.reshape(len(panel.series), -1))


def test_an_unknown_family_is_refused_before_any_kernel(shop):
    done = _workbench(shop, "run", NOTEBOOK, *_given(family="prophet"))
    assert done.returncode == 1
    told = done.stderr.strip()
    assert "parameter 'family': 'prophet' is refused" in told
    assert "no family is called 'prophet'; known: naive, seasonal_naive, croston" in told
    assert told.count("\n") == 0
