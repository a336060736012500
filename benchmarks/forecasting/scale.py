"""What a part of a panel costs on a worker, and what more parts do to the worker's memory.

Run: python -m benchmarks.forecasting.scale [--parts 2 8] [--out FILE]

A real dask scheduler with two worker processes of one thread and 1 GiB each. Every part has 5,000
series of 400 days, simulated on its worker (Poisson demand with a weekly season): the panel as a
whole never exists anywhere. Workers train one LightGBM on rows of all parts, then each part is
forecast by three families, its quantiles of four windows written to a Parquet file. CPU seconds are
those of the worker; memory is the peak of its process.
"""

import argparse
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.dask_processes import started
from workbench.adapters.dask_cluster import DaskWorkers
from workbench.forecasting.calibrated import CountsFitted, expected, setting_of
from workbench.forecasting.families import learn, stack
from workbench.forecasting.features import NAMES
from workbench.forecasting.global_model import PARAMETERS, GlobalModel, Window, part_sample
from workbench.forecasting.members import LightGBMFitted, Naive, SlowMovers
from workbench.forecasting.panel import Panel
from workbench.forecasting.partitions import Boosting
from workbench.forecasting.protocol import Task, known_by, plain_panel

OUT = Path(__file__).parents[1] / "results" / "forecasting_scale.md"
SERIES, DAYS, TREES, ROWS, MEMORY = 5_000, 400, 120, 250_000, "1GiB"
LEVELS = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99])
TASK = Task(tuple(Window(1, n) for n in (9, 10, 14, 21)), LEVELS)


def simulated(number: int) -> Panel:
    """Part of the panel by its number; made where it is needed."""
    rng = np.random.default_rng(number)
    week = 1 + 0.4 * np.sin(2 * np.pi * np.arange(DAYS) / 7)
    rate = rng.gamma(0.5, 2.5, SERIES)[:, None] + 0.02
    return plain_panel(rng.poisson(rate * week).astype(np.float32))


def training_rows(number: int, share: float) -> tuple[Any, ...]:
    panel = simulated(number)
    cutoffs = range(91, DAYS - 21, 7)
    x, y, base = part_sample(panel, number, cutoffs, TASK.windows, share, 1)
    return x, y, np.log(base), None


def forecast_part(number: int, fitted: dict[str, Any], folder: str) -> dict[str, float]:
    """Forecast one part by every family and write it; CPU seconds, and peak memory in MB."""
    found, clock = {}, time.process_time()

    def lap(name: str) -> None:
        nonlocal clock
        found[name], clock = time.process_time() - clock, time.process_time()

    panel = simulated(number)
    lap("simulating the part")
    for name, family in fitted.items():
        made = family.forecast(panel)
        lap(name)
    wide = made.quantiles.reshape(-1, len(LEVELS))
    pd.DataFrame(wide, columns=[f"{x:g}" for x in LEVELS]).to_parquet(f"{folder}/{number}.parquet")
    lap("writing")
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines()
                if line.startswith("VmHWM"))  # fmt: skip
    return {**found, "peak MB": int(peak.split()[1]) / 1e3, "worker": float(os.getpid())}


def fitted_families(model: GlobalModel) -> dict[str, Any]:
    """Families that learned from one part; what they forecast with is small."""
    sample = simulated(0)
    last = LightGBMFitted(model, TASK)
    setting = setting_of(sample, TASK)
    past = stack(setting, [DAYS - 50, DAYS - 43, DAYS - 36], expected(setting, last))
    known = past.where(past.ends < DAYS)
    return {
        "seasonal naive": Naive().fit(sample, TASK),
        "IMAPA": SlowMovers("imapa").fit(known_by(sample, DAYS - 1), TASK),
        "LightGBM counts": CountsFitted(last, learn(setting, known), TASK),
    }


def measure(workers: DaskWorkers, parts: int, folder: Path) -> dict[str, float]:
    """Mean CPU seconds of a part by step, seconds of training, and the workers' peak memory."""
    places = workers.place(list(range(parts)))
    begun = time.perf_counter()
    share = min(1.0, ROWS / (parts * SERIES * len(TASK.windows) * len(range(91, DAYS - 21, 7))))
    wanted = [Boosting({**PARAMETERS, "seed": 1}, TREES, NAMES, offset=True)]
    (text,) = workers.boost(training_rows, places, [(share,)] * parts, wanted=wanted)
    import lightgbm

    training = time.perf_counter() - begun
    fitted = fitted_families(GlobalModel(lightgbm.Booster(model_str=text)))
    begun = time.perf_counter()
    rows = pd.DataFrame(workers.map(forecast_part, places, [(fitted, str(folder))] * parts))
    steps = rows.drop(columns=["peak MB", "worker"]).mean().to_dict()
    return {
        "parts": parts, "series": parts * SERIES, **steps,
        "training, seconds on the clock": training,
        "forecasting, seconds on the clock": time.perf_counter() - begun,
        "peak of a worker, MB": rows["peak MB"].max(),
    }  # fmt: skip


def report(found: pd.DataFrame) -> str:
    """The page."""
    table = found.set_index("parts").T
    heads = " | ".join(f"{n:,} parts" for n in table.columns)
    lines = [
        f"| {name} | "
        + " | ".join(f"{v:,.0f}" if abs(v) >= 100 else f"{v:,.2f}" for v in row)
        + " |"
        for name, row in zip(table.index, table.to_numpy(), strict=True)
    ]
    steps = table.loc["simulating the part":"writing"]
    part = float(steps.iloc[1:, -1].sum())
    hours = part * 10_000_000 / SERIES / 3600
    return "\n".join([
        "# A panel beyond one machine",
        "",
        f"`python -m benchmarks.forecasting.scale`, Python {platform.python_version()}: a dask"
        f" scheduler and 2 worker processes of one thread and {MEMORY} each, on one machine."
        f" Simulated: {SERIES:,} series of {DAYS} days a part; {TREES} trees on at most {ROWS:,}"
        f" rows of all parts; {len(TASK.windows)} windows, {len(LEVELS)} quantiles. CPU seconds"
        " are means over the parts of one run.",
        "",
        f"| CPU seconds a part | {heads} |",
        "|---" * (len(table.columns) + 1) + "|",
        *lines,
        "",
        f"From the last column: one part costs {part:.1f} CPU seconds besides being read, so ten"
        f" million series, {10_000_000 // SERIES:,} parts, are {hours:.1f} CPU hours. That is a"
        " plan from what was measured here, not a run: see `docs/scale.md`.",
        "",
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", type=int, nargs="+", default=[2, 8])
    parser.add_argument("--out", type=Path, default=OUT)
    chosen = parser.parse_args()
    found = []
    for parts in chosen.parts:
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
            started(Path(folder), memory=MEMORY) as address,
        ):
            workers = DaskWorkers.connect(address, timeout=60)
            found.append(measure(workers, parts, Path(folder)))
            workers.close()
    text = report(pd.DataFrame(found))
    chosen.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
