"""One family of ours on one case, in a process of its own so that its memory is its own.

Run by `families.py` and `peers.py`: python -m benchmarks.forecasting.trials CASE FAMILY OUT
"""

import json
import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.forecasting import catalogue
from workbench.forecasting.panel import Panel
from workbench.forecasting.protocol import Family, Task
from workbench.forecasting.trial import try_families

Array = npt.NDArray[np.float64]
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Case:
    """What is forecast.

    Attributes:
        name: For the page.
        panel: All demand, what is judged included.
        task: Windows and levels.
        cutoffs: Columns from which is judged; families are fitted at the first.
    """

    name: str
    panel: Panel
    task: Task
    cutoffs: tuple[int, ...]


@dataclass(frozen=True)
class Outcome:
    """What one family forecast, in the order of `families.stack`, and the cost."""

    mean: Array
    quantiles: Array
    cost: dict[str, float]


def tx3(shared: Path) -> Array:
    """Demand of 823 foods of one shop, M5, d_1 to d_1941, shape (series, days)."""
    wide = pd.read_parquet(shared / "data/m5_tx3_foods3/sales_d1_d1941.parquet")
    return wide[[name for name in wide if name.startswith("d_")]].to_numpy(float)


def carparts(shared: Path) -> Array:
    """Demand of parts that were recorded in all 45 months, shape (parts, months)."""
    units = pd.read_csv(shared / "data/carparts/carparts_months_1_45.csv").to_numpy(float).T
    return units[np.isfinite(units).all(axis=1)]


def run(case: Path, family: str, folder: Path, *, python: str = sys.executable) -> Outcome:
    """Let a process of its own do it."""
    out = folder / f"{family}.npz"
    arguments = [python, "-m", "benchmarks.forecasting.trials", str(case), family, str(out)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{family}: {done.stderr[-2000:]}")
    found = np.load(out)
    return Outcome(found["mean"], found["quantiles"], json.loads(done.stdout.splitlines()[-1]))


def family_of(name: str) -> Family:
    """A family of the catalogue, or the sequence model where torch is installed."""
    if name != "deep":
        return catalogue.FAMILIES[name]
    from workbench.adapters.onnx_runtime import SequenceNetwork
    from workbench.forecasting.calibrated import Conformal
    from workbench.forecasting.deep import Deep
    from workbench.forecasting.deep_training import train

    return Conformal(Deep(train, SequenceNetwork))


def main(arguments: Sequence[str]) -> None:
    path, name, out = arguments
    case = pickle.loads(Path(path).read_bytes())
    _imports(name)
    trial = try_families(case.panel, {name: family_of(name)}, case.cutoffs, case.task)
    judged, cost = trial.judged[name], trial.cost[name]
    np.savez(out, mean=judged.mean, quantiles=judged.quantiles)
    latest: Any = getattr(trial.fitted[name], "latest", None)
    size = len(getattr(latest, "serialised", b""))
    print(json.dumps({"cpu": cost.cpu_seconds, "seconds": cost.seconds, "mib": cost.peak_mib,
                      "model_kb": size / 1000}))  # fmt: skip


def _imports(name: str) -> None:
    """Libraries are loaded before the clock starts, for us as for peers."""
    import lightgbm  # noqa: F401
    import statsforecast.models  # noqa: F401

    if name == "deep":
        import torch  # noqa: F401


if __name__ == "__main__":
    main(sys.argv[1:])
