"""Sets our families beside statsforecast, mlforecast, skforecast and sktime, all in one run.

Run: python -m benchmarks.forecasting.peers --peers PYTHON [--deep PYTHON] [--shared ../shared]
     [--rows FILE] [--out FILE]

PYTHON has the peers installed, in an environment of their own; that of --deep has torch besides
this project. Everybody gets the same frame of demand (no prices, no promotions), one thread, a
process of its own; imports and reading are over before the clock starts. `peer_scripts.py` shows
how peers are called. A run that was stopped goes on from what --rows holds.
"""

import argparse
import json
import os
import pickle
import platform
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.forecasting.trials import Case, carparts, run, tx3
from workbench.forecasting import losses
from workbench.forecasting.global_model import Window
from workbench.forecasting.protocol import Task, plain_panel

Array = npt.NDArray[np.float64]
OUT = Path(__file__).parents[1] / "results" / "forecasting_peers.md"
SCRIPT = Path(__file__).with_name("peer_scripts.py")
LEVELS = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975])
DAYS = 447  # of history for M5: as many as the public set holds of all shops
DEAR = 2  # series on which automatic selection is timed


@dataclass(frozen=True)
class Set:
    """Data, what is asked, and who is asked.

    Attributes:
        name: For the page.
        units: All demand, shape (series, periods); the last `horizon` are judged.
        scaled_by: Demand of which the naive change scales errors, shape (series, periods).
        first: Date of column 0.
        frequency: As pandas calls it.
        horizon: Periods ahead.
        season: Periods.
        task: The same for our families.
        peers: Names for `peer_scripts.py`.
        ours: Families.
    """

    name: str
    units: Array
    scaled_by: Array
    first: str
    frequency: str
    horizon: int
    season: int
    task: Task
    peers: tuple[str, ...]
    ours: tuple[str, ...]

    @property
    def history(self) -> Array:
        return self.units[:, : -self.horizon]

    @property
    def actual(self) -> Array:
        return self.units[:, -self.horizon :]

    def frame(self, series: int | None = None) -> pd.DataFrame:
        """What peers get."""
        known = self.history[:series]
        days = pd.date_range(self.first, periods=known.shape[1], freq=self.frequency)
        return pd.DataFrame({
            "unique_id": np.repeat(np.arange(len(known)), known.shape[1]),
            "ds": np.tile(days, len(known)), "y": known.ravel(),
        })  # fmt: skip


def m5_set(shared: Path, deep: bool) -> Set:
    every = tx3(shared)
    first = pd.Timestamp("2011-01-29") + pd.Timedelta(days=1913 - DAYS)
    return Set(
        "M5, foods 3 of shop TX 3", every[:, 1913 - DAYS :], every[:, :1913], str(first.date()),
        "D", 28, 7,
        Task(tuple(Window(day, 1) for day in range(1, 29)), LEVELS),
        ("statsforecast SeasonalNaive", "statsforecast CrostonSBA", "statsforecast TSB",
         "statsforecast IMAPA", "statsforecast ETS(A,N,A)", "statsforecast DynamicOptimizedTheta",
         "mlforecast LightGBM", "skforecast LightGBM", "sktime Theta"),
        ("seasonal_naive", "sba", "tsb", "imapa", "ets", "theta", "lightgbm_counts",
         "lightgbm_quantiles", "hybrid_imapa", "stacked", *(["deep"] if deep else [])),
    )  # fmt: skip


def carparts_set(shared: Path) -> Set:
    units = carparts(shared)
    task = Task(tuple(Window(month, 1) for month in range(1, 7)), LEVELS, season=12, spacing=1,
                start=12)  # fmt: skip
    return Set(
        "carparts, parts recorded in every month", units, units[:, :-6], "1998-01-01", "MS", 6, 12,
        task,
        ("statsforecast SeasonalNaive", "statsforecast CrostonSBA", "statsforecast TSB",
         "statsforecast IMAPA", "statsforecast AutoETS", "statsforecast DynamicOptimizedTheta",
         "mlforecast LightGBM", "skforecast LightGBM"),
        ("seasonal_naive", "croston", "sba", "tsb", "adida", "imapa", "ets", "theta"),
    )  # fmt: skip


def peer(python: str, name: str, data: Set, folder: Path, *, series: int | None = None) -> Any:
    """Cost and forecast of a peer: (cost, mean (series, horizon), quantiles (.., levels))."""
    source, out = folder / "frame.parquet", folder / "peer.parquet"
    data.frame(series).to_parquet(source)
    arguments = [str(data.horizon), str(data.season), data.frequency]
    done = subprocess.run(
        [python, str(SCRIPT), name, str(source), str(out), *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr[-2000:]}")
    cost = json.loads(done.stdout.splitlines()[-1])
    found = pd.read_parquet(out)
    found["unique_id"] = found["unique_id"].astype(int)
    found = found.sort_values(["unique_id", "ds"])
    shape = (-1, data.horizon)
    quantiles = np.stack([found[f"q{x}"].to_numpy(float).reshape(shape) for x in LEVELS], axis=2)
    return cost, found["mean"].to_numpy(float).reshape(shape), quantiles


def ours(name: str, data: Set, folder: Path, deep: str) -> Any:
    """The same of a family of ours."""
    path = folder / "case.pickle"
    panel = plain_panel(data.units, first_day=data.first)
    cutoff = data.history.shape[1] - 1
    path.write_bytes(pickle.dumps(Case(data.name, panel, data.task, (cutoff,))))
    options = {"python": deep} if name == "deep" else {}
    made = run(path, name, folder, **options)
    count = len(data.units)
    mean = made.mean.reshape(data.horizon, count).T
    quantiles = made.quantiles.reshape(data.horizon, count, len(LEVELS)).swapaxes(0, 1)
    return made.cost, mean, quantiles


def scores(data: Set, mean: Array, quantiles: Array) -> dict[str, float]:
    """Accuracy, every forecast clipped at zero first, as any user would."""
    mean, quantiles = np.maximum(mean, 0), np.maximum(quantiles, 0)
    actual, median = data.actual, quantiles[:, :, int(np.abs(LEVELS - 0.5).argmin())]
    scale = losses.naive_scale(data.scaled_by, power=1)
    flat = quantiles.reshape(-1, len(LEVELS))
    covered = losses.coverage(actual.ravel(), flat)
    mase = losses.mase(data.scaled_by, actual, median, season=data.season)
    return {
        "WAPE": losses.wape(actual.ravel(), median.ravel()),
        "RMSSE": float(np.nanmean(losses.rmsse(data.scaled_by, actual, mean))),
        "MASE": float(np.nanmean(mase)),
        "pinball": float(losses.pinball(actual.ravel(), flat, LEVELS).mean()),
        "SPL": float(np.nanmean(losses.scaled_pinball(actual, quantiles, LEVELS, scale))),
        "90%": float(covered[LEVELS == 0.9][0]), "97.5%": float(covered[LEVELS == 0.975][0]),
        "bias": losses.bias_share(actual.ravel(), mean.ravel()),
    }  # fmt: skip


Row = tuple[str, dict[str, float], dict[str, float]]


def kept(rows: Path, data: Set, name: str, make: Callable[[], list[Any]]) -> Row:
    """A row that an earlier run left, else a new one, which is kept."""
    lines = rows.read_text().splitlines() if rows.exists() else []
    for where, *row in map(json.loads, lines):
        if (where, row[0]) == (data.name, name):
            return tuple(row)
    row = [name, *make()]
    with rows.open("a") as file:
        file.write(json.dumps([data.name, *row]) + "\n")
    return tuple(row)


def measured(data: Set, given: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """Name, cost and scores of each peer, then of each family of ours."""

    def make(name: str, theirs: bool) -> list[Any]:
        cost, mean, quantiles = (
            peer(given.peers, name, data, folder)
            if theirs
            else ours(name, data, folder, given.deep)
        )
        return [cost, scores(data, mean, quantiles)]

    for name in data.peers:
        yield kept(given.rows, data, name, partial(make, name, True))
    for name in data.ours:
        yield kept(given.rows, data, f"**workbench {name}**", partial(make, name, False))


def headline(rows: Sequence[Row]) -> list[str]:
    """The best of ours beside the best peer."""
    ordered = sorted(rows, key=lambda row: row[2]["SPL"])
    ours_best = next((row for row in ordered if row[0].startswith("**")), None)
    peer_best = next((row for row in ordered if not row[0].startswith("**")), None)
    if ours_best is None or peer_best is None:
        return []
    less = 1 - ours_best[2]["SPL"] / peer_best[2]["SPL"]
    return [
        f"Least scaled pinball loss: {ours_best[0].strip('*')} {ours_best[2]['SPL']:.4f} in"
        f" {ours_best[1]['cpu']:.0f} CPU s; of the peers {peer_best[0]} {peer_best[2]['SPL']:.4f}"
        f" in {peer_best[1]['cpu']:.0f} CPU s: ours {abs(less):.1%}"
        f" {'less' if less > 0 else 'more'}.", "",
    ]  # fmt: skip


def table(data: Set, rows: Sequence[Row]) -> list[str]:
    """Rows of the page, best scaled pinball loss first."""
    return [
        f"## {data.name}", "",
        f"{len(data.units):,} series, {data.history.shape[1]} periods known, each of the next"
        f" {data.horizon} forecast on its own.", "", *headline(rows),
        "| | scaled pinball | pinball | WAPE | RMSSE | MASE | cov. 90% | cov. 97.5% | bias |"
        " CPU s | MiB |",
        "|---|" + "--:|" * 10,
        *(
            f"| {name} | {s['SPL']:.4f} | {s['pinball']:.4f} | {s['WAPE']:.1%} | {s['RMSSE']:.4f} |"
            f" {s['MASE']:.4f} | {s['90%']:.1%} | {s['97.5%']:.1%} | {s['bias']:+.1%} |"
            f" {c['cpu']:.1f} | {c['mib']:.0f} |"
            for name, c, s in sorted(rows, key=lambda row: row[2]["SPL"])
        ), "",
    ]  # fmt: skip


def dear(data: Set, given: argparse.Namespace, folder: Path) -> list[str]:
    """What automatic selection of a model costs, by a few series."""
    words = []
    for name in ("statsforecast AutoETS", "statsforecast AutoARIMA"):
        make = partial(peer, given.peers, name, data, folder, series=DEAR)
        _, cost, _ = kept(given.rows, data, f"{name}, few", lambda m=make: [m()[0], {}])
        each = cost["cpu"] / DEAR
        words.append(
            f"{name} {each:.1f} CPU s a series, {each * len(data.units):,.0f} for all of them"
        )
    return [
        f"Automatic selection was not run on {data.name}, only timed on {DEAR} series:"
        f" {'; '.join(words)}. ETS(A,N,A) stands for it.", "",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", required=True)
    parser.add_argument("--deep", default="")
    parser.add_argument("--shared", default=os.environ.get("WORKBENCH_SHARED", "../shared"))
    parser.add_argument("--rows", type=Path, default=Path(tempfile.mkdtemp()) / "rows.jsonl")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = os.environ["NUMBA_NUM_THREADS"] = "1"
    sets = m5_set(Path(given.shared), bool(given.deep)), carparts_set(Path(given.shared))
    made: dict[str, list[Row]] = {data.name: [] for data in sets}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for data in sets:
            for row in measured(data, given, folder):
                made[data.name].append(row)
                given.out.write_text(page([(each, made[each.name]) for each in sets], []))
        last = dear(sets[0], given, folder)
    given.out.write_text(page([(each, made[each.name]) for each in sets], last))
    print(given.out.read_text())


def page(tables: Sequence[tuple[Set, Sequence[Row]]], last: Sequence[str]) -> str:
    """The results page, as far as it goes."""
    versions = {
        name.split()[0]: str(cost["version"])
        for _, rows in tables for name, cost, _ in rows if "version" in cost
    }  # fmt: skip
    peers = ", ".join(f"{name} {version}" for name, version in versions.items())
    head = [
        "# Against peers, in one run", "",
        f"`python -m benchmarks.forecasting.peers` on {os.cpu_count()} cores, {platform.system()},"
        f" Python {platform.python_version()}; load average {os.getloadavg()[0]:.1f} at the end,"
        " so that CPU seconds are told and not seconds."
        f" Peers: {peers}, as a user would call them (`peer_scripts.py`). One thread each.", "",
        "Same frame of demand alone for all: no prices, no promotions. Levels"
        f" {', '.join(f'{x:g}' for x in LEVELS)}; every forecast is clipped at zero. Pinball losses"
        " are means over levels, scaled by the naive change of each series' whole history (M5:"
        " since d_1); WAPE and MASE are of the median, RMSSE and bias of the mean. CPU and memory"
        " count fitting, calibration and forecasting above imports and data. Our LightGBM families"
        " read weekdays and are for daily data: they are not run on months.", "",
    ]  # fmt: skip
    return "\n".join([*head, *(line for one in tables for line in table(*one)), *last]) + "\n"


if __name__ == "__main__":
    main()
