"""How time and memory of forecasting grow from 1,000 to 100,000 series, family by family.

Run: python -m benchmarks.forecasting.growth [--series 1000 10000 100000] [--only NAME ...]
     [--out FILE]

Simulated Poisson demand of 400 days with the shape of a retailer: items by stores, a weekly season.
Each family or step runs at each size in a process of its own, on one thread, so that its peak
memory is its own: the whole process, data and libraries included. `LIMITS` keeps all of it
within 20 CPU-minutes.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.forecasting import catalogue, conformal, direct, paths, reconcile
from workbench.forecasting.global_model import Window
from workbench.forecasting.hierarchy import Hierarchy, hierarchy
from workbench.forecasting.protocol import Task, plain_panel

OUT = Path(__file__).parents[1] / "results" / "forecasting_growth.md"
DAYS, AHEAD, STORES, TREES, ROWS, PATHS = 400, 28, 10, 50, 300_000, 100
LEVELS = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99])
TASK = Task((Window(1, 7), Window(1, AHEAD)), LEVELS)
LIMITS = {
    "lightgbm_days": 10_000, "lightgbm_quantiles": 10_000, "stacked": 10_000, "ets": 10_000,
    "best_by_segment": 1_000, "hybrid_ets": 1_000, "arima": 1_000, "theta": 10_000,
}  # fmt: skip
Found = dict[str, float]
Array = npt.NDArray[np.float64]


def simulated(series: int) -> npt.NDArray[np.float32]:
    """Units, shape (series, days)."""
    rng = np.random.default_rng(0)
    season = 1 + 0.4 * np.sin(2 * np.pi * np.arange(DAYS) / 7)
    rate = rng.gamma(0.5, 2.5, series).astype(np.float32)
    units = np.empty((series, DAYS), np.float32)
    for row, each in zip(units, rate, strict=True):
        row[:] = rng.poisson(each * season)
    return units


def retailer(series: int) -> tuple[direct.DailyPanel, Hierarchy]:
    """A panel and its hierarchy: total, store, store and department, item, series."""
    place = np.arange(series)
    store, item = place % STORES, place // STORES
    department = item % 7
    panel = direct.DailyPanel(
        units=simulated(series), listed=np.full(series, -10_000), region=store % 3, item=item,
        price=np.ones((series, DAYS + AHEAD), np.float32),
        days=np.zeros((3, DAYS + AHEAD, 1), np.float32), day_names=("snap",),
        codes=np.column_stack([store, department]), code_names=("store", "department"),
        department=store * 7 + department, weekday=0,
    )  # fmt: skip
    keys = pd.DataFrame({"store": store, "department": department, "item": item})
    levels = {"total": [], "store": ["store"], "store, department": ["store", "department"],
              "item": ["item"], "series": ["item", "store"]}  # fmt: skip
    return panel, hierarchy(keys, levels)


def family(name: str, series: int) -> Callable[[], object]:
    """Fit a family, calibration included, and forecast two windows of every series."""
    panel, model = plain_panel(simulated(series)), catalogue.FAMILIES[name]
    return lambda: model.fit(panel, TASK).forecast(panel)


def single_days(series: int) -> Callable[[], object]:
    """LightGBM of single days: rows, fit and forecast of 28 days."""
    panel, leads = retailer(series)[0], range(1, AHEAD + 1)
    origins = [DAYS - 1 - AHEAD - 7 * k for k in range(30)]

    def work() -> object:
        sample = direct.training_sample(panel, origins, leads, rows=ROWS, seed=0)
        booster = direct.fit_direct(panel, sample, trees=TREES, seed=0)
        return direct.forecast_direct(panel, booster, DAYS - 1, leads)

    return work


def reconciliation(series: int) -> Callable[[], object]:
    """Sums and non-negative reconciliation of 28 days of every node."""
    panel, tree = retailer(series)
    noise = np.random.default_rng(1).uniform(0.9, 1.1, (len(tree.level), 1))

    def work() -> object:
        base = tree.sums(panel.units[:, -AHEAD:]) * noise
        return reconcile.reconcile_weighted(tree, base, reconcile.structural_variance(tree))

    return work


def calibration(series: int) -> Callable[[], object]:
    """Conformal quantiles of 28 leads from eight past origins, seasonal naive's errors."""
    units = simulated(series)
    origins = [DAYS - AHEAD * (k + 1) for k in range(8)]
    actual = np.stack([units[:, o : o + AHEAD] for o in origins])
    naive = np.stack([np.tile(units[:, o - 7 : o], AHEAD // 7) for o in origins])
    group = np.arange(series) % 7

    def work() -> object:
        made = conformal.fit_ratio_quantiles(naive, actual, group, LEVELS, block=7)
        return made.quantiles(naive[0], group)

    return work


def joint_paths(series: int) -> Callable[[], object]:
    """A hundred paths of 28 days of every series, and their sums on every node above."""
    panel, tree = retailer(series)
    levels, spread = paths.path_levels(PATHS), np.sort(panel.units[:, -91:], axis=1)

    def samples(rows: slice) -> Array:
        days = np.quantile(spread[rows], levels, axis=1).T
        return np.repeat(np.rint(days)[:, None, :], AHEAD, axis=1)

    def work() -> object:
        blocks = paths.path_blocks(panel.units, [str(i) for i in range(series)], samples,
                                   paths.PathConfig(paths=PATHS), days=AHEAD)  # fmt: skip
        return paths.upper_paths(tree, blocks, days=AHEAD, paths=PATHS)

    return work


STEPS: dict[str, Callable[[int], Callable[[], object]]] = {
    "LightGBM of single days": single_days, "reconciliation, non-negative": reconciliation,
    "conformal calibration, 28 leads": calibration, "joint paths, 100 of 28 days": joint_paths,
}  # fmt: skip
NAMES = (*catalogue.FAMILIES, *STEPS)


def measure(name: str, series: int) -> Found:
    """CPU seconds of the work alone, and peak memory of the process in GB."""
    import lightgbm  # noqa: F401
    import statsforecast.models  # noqa: F401

    work = STEPS[name](series) if name in STEPS else family(name, series)
    held, clock = _peak(), time.process_time()
    work()
    return {"cpu": time.process_time() - clock, "before": held, "peak": _peak()}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def apart(name: str, series: int) -> Found:
    """`measure` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.forecasting.growth", "--one", name, "--series"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, str(series)], check=True, capture_output=True, text=True,
                          env=environment)  # fmt: skip
    found: Found = json.loads(done.stdout.splitlines()[-1])
    print(name, series, found, flush=True)
    return found


def report(found: dict[str, dict[int, Found]], sizes: Sequence[int]) -> str:
    heads = [f"{size:,}" for size in sizes]
    lines = [
        "# Growth of forecasting",
        "",
        f"`python -m benchmarks.forecasting.growth`, one thread, Python {platform.python_version()}"
        f". Simulated: {DAYS} days, {STORES} stores. Families are fitted, calibrated on eight past"
        " cutoffs and forecast nine quantiles of windows of 7 and 28 days. CPU seconds are those of"
        " that work alone; memory is the peak of a process of its own, data and libraries included."
        " Order is the power of the number of series by which time grows, between the two largest"
        " sizes: 1 is in proportion, less is flatter.",
        "",
        "| family or step | " + " | ".join(f"CPU s, {h}" for h in heads) + " | order | "
        + " | ".join(f"GB, {h}" for h in heads) + " |",
        "|---" + "|--:" * (2 * len(heads) + 1) + "|",
        *(_row(name, found[name], sizes) for name in NAMES if name in found),
        "",
        *_growth(found),
        "",
        "Not run at every size, to keep all of this within 20 CPU-minutes:"
        f" {', '.join(f'{n} up to {most:,}' for n, most in LIMITS.items())}. Exponential smoothing,"
        " theta and ARIMA estimate a model per series: ten times the series take ten times"
        " as long (an extrapolation beyond the sizes measured). Ensembles take what their members"
        " take, twice. Parts of a panel can be shared among workers, see `docs/scale.md`.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _row(name: str, one: dict[int, Found], sizes: Sequence[int]) -> str:
    spent, peaks = (
        [f"{one[size][key]:,.{digits}f}" if size in one else "–" for size in sizes]
        for key, digits in (("cpu", 1), ("peak", 2))
    )
    order = _order({size: each["cpu"] for size, each in one.items()})
    return "| " + " | ".join([name, *spent, order, *peaks]) + " |"


def _order(by_size: dict[int, float]) -> str:
    if len(by_size) < 2:
        return "–"
    (small, before), (large, after) = sorted(by_size.items())[-2:]
    return f"{np.log(after / max(before, 1e-3)) / np.log(large / small):.2f}"


def _growth(found: dict[str, dict[int, Found]]) -> list[str]:
    """A sentence on each: what time and memory do per series from the first size to the last."""
    lines = []
    for name in (name for name in NAMES if name in found):
        one = found[name]
        small, large = min(one), max(one)
        if small == large:
            continue
        times = large / small
        grew = one[large]["cpu"] / max(one[small]["cpu"], 1e-3)
        held = (one[large]["peak"] - one[small]["peak"]) * 1e6 / (large - small)
        lines.append(
            f"- {name}: {times:,.0f} times the series take {grew:,.3g} times the CPU and"
            f" {held:,.0f} kB more memory per series"
            f" ({1e3 * one[large]['cpu'] / large:,.2g} CPU ms each)."
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--only", nargs="*", default=list(NAMES), choices=NAMES)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--one", choices=NAMES, help="print the figures of one as JSON")
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(measure(chosen.one, chosen.series[0])))
        return
    found: dict[str, dict[int, Found]] = {}
    for name in sorted(chosen.only, key=[*(n for n in NAMES if n not in LIMITS), *LIMITS].index):
        sizes = [size for size in chosen.series if size <= LIMITS.get(name, size)]
        found[name] = {size: apart(name, size) for size in sizes}
        chosen.out.write_text(report(found, chosen.series), encoding="utf-8")
    print(chosen.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
