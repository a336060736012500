"""How time and memory of forecasting grow from 1,000 to 100,000 series.

Run: python -m benchmarks.forecasting.growth [--series 1000 10000 100000] [--out FILE]

Simulated Poisson demand of 400 days with the shape of a retailer: items by stores, a weekly season.
Each size runs in a process of its own, so that its peak memory is its own.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.forecasting import direct, intermittent, reconcile
from workbench.forecasting.hierarchy import Hierarchy, hierarchy

OUT = Path(__file__).parents[1] / "results" / "forecasting_growth.md"
DAYS, AHEAD, STORES, TREES, ROWS = 400, 28, 10, 50, 300_000


def simulate(series: int) -> tuple[direct.DailyPanel, Hierarchy]:
    """A panel and its hierarchy: total, store, store and department, item, series."""
    rng = np.random.default_rng(0)
    place = np.arange(series)
    season = 1 + 0.4 * np.sin(2 * np.pi * np.arange(DAYS) / 7)
    rate = rng.gamma(0.5, 2.5, series).astype(np.float32)
    units = np.stack([rng.poisson(r * season) for r in rate]).astype(np.float32)
    store, item = place % STORES, place // STORES
    department = item % 7
    panel = direct.DailyPanel(
        units=units, listed=np.full(series, -10_000), region=store % 3, item=item,
        price=np.ones((series, DAYS + AHEAD), np.float32),
        days=np.zeros((3, DAYS + AHEAD, 1), np.float32), day_names=("snap",),
        codes=np.column_stack([store, department]), code_names=("store", "department"),
        department=store * 7 + department, weekday=0,
    )  # fmt: skip
    keys = pd.DataFrame({"store": store, "department": department, "item": item})
    levels = {"total": [], "store": ["store"], "store, department": ["store", "department"],
              "item": ["item"], "series": ["item", "store"]}  # fmt: skip
    return panel, hierarchy(keys, levels)


def measure(series: int) -> dict[str, float]:
    """CPU seconds of each step, and peak memory in GB."""
    panel, tree = simulate(series)
    leads, found = range(1, AHEAD + 1), {"series": float(series), "nodes": float(len(tree.level))}
    clock = time.process_time()

    def lap(name: str) -> None:
        nonlocal clock
        found[name], clock = time.process_time() - clock, time.process_time()

    intermittent.tsb_rates(panel.units.astype(float), [DAYS - 1])
    lap("TSB")
    origins = [DAYS - 1 - AHEAD - 7 * k for k in range(30)]
    sample = direct.training_sample(panel, origins, leads, rows=ROWS, seed=0)
    lap("LightGBM: rows")
    booster = direct.fit_direct(panel, sample, trees=TREES, seed=0)
    lap("LightGBM: fit")
    points = direct.forecast_direct(panel, booster, DAYS - 1, leads)
    lap("LightGBM: forecast")
    base = tree.sums(points) * np.random.default_rng(1).uniform(0.9, 1.1, (len(tree.level), 1))
    lap("sums")
    reconcile.reconcile_weighted(tree, base, reconcile.structural_variance(tree))
    lap("reconciliation, non-negative")
    found["peak GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return found


def report(found: list[dict[str, float]]) -> str:
    heads = [f"{int(one['series']):,}" for one in found]
    names = [name for name in found[0] if name != "series"]
    return "\n".join(
        [
            "# Growth of forecasting",
            "",
            f"`python -m benchmarks.forecasting.growth`, one thread, Python"
            f" {platform.python_version()}. Simulated: {DAYS} days, {STORES} stores, {AHEAD} days"
            f" ahead, {TREES} trees on at most {ROWS:,} rows. CPU seconds; memory is the process's"
            " peak.",
            "",
            "| series | " + " | ".join(heads) + " |",
            "|---" * (len(heads) + 1) + "|",
            *(
                f"| {name} | "
                + " | ".join(f"{one[name]:,.{0 if name == 'nodes' else 2}f}" for one in found)
                + " |"
                for name in names
            ),
        ]
    ) + "\n"  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--one", action="store_true", help="print one size's figures as JSON")
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(measure(chosen.series[0])))
        return
    found = []
    for series in chosen.series:
        command = [sys.executable, "-m", "benchmarks.forecasting.growth", "--one", "--series"]
        done = subprocess.run([*command, str(series)], check=True, capture_output=True, text=True)
        found.append(json.loads(done.stdout.splitlines()[-1]))
    text = report(found)
    chosen.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
