"""Every family of the catalogue on M5: WRMSSE by level, beside the published benchmarks.

Run: python -m benchmarks.forecasting.m5_families [--only NAME ...] [--deep PYTHON] [--out FILE]
     [--data DIR] [--cache DIR]

Trained on d_1495 to d_1913, scored on d_1914 to d_1941. A family forecasts each of the 28 days, in
up to two ways: bottom-up the 30,490 items in stores, or the 70 departments of stores, whose items
get their share of the last 28 days. Families that estimate a model per series, or whose members
forecast many past cutoffs, do only the latter where 30,490 series would take more than four
CPU-minutes. Nothing is chosen here: settings are those of the catalogue. PYTHON has torch installed
besides this project (extra `deep`); without it the sequence model is left out.
"""

import argparse
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.forecasting import m5_data, m5_page
from benchmarks.forecasting.m5_data import CLOSED, CUTS, HORIZON, M5, STATES, UPPER, wrmsse
from benchmarks.forecasting.m5_model import Forecast, M5Config, forecast
from benchmarks.forecasting.trials import ROOT, family_of
from workbench.forecasting import catalogue, reconcile
from workbench.forecasting.calibrated import Counts
from workbench.forecasting.global_model import Window
from workbench.forecasting.members import Naive, SlowMovers
from workbench.forecasting.naive import seasonal_naive
from workbench.forecasting.panel import Panel
from workbench.forecasting.protocol import Family, Task
from workbench.forecasting.statistical import Statistical

OUT = Path(__file__).parents[1] / "results" / "m5_families.md"
Array = npt.NDArray[np.float64]
LEVELS = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99])
TASK = Task(tuple(Window(day, 1) for day in range(1, HORIZON + 1)), LEVELS)
DEPARTMENTS = "70 departments"
ITEMS = "30,490 items"
OUT_OF_REACH = (
    "ets",
    "theta",
    "arima",
    "lightgbm_quantiles",
    "hybrid_ets",
    "stacked",
    "best_by_segment",
)
_MONTH = 28


@dataclass(frozen=True)
class Scored:
    """WRMSSE of the twelve levels, and CPU seconds."""

    wrmsse: Array
    cpu_seconds: float


def moving_average(units: Array) -> Array:
    """Mean of the last 28 days."""
    return np.repeat(units[:, -_MONTH:].mean(axis=1, keepdims=True), HORIZON, axis=1)


def structural_top_down(m5: M5, now: Forecast) -> Array:
    """The structural model, reconciled, items by their last 28 days."""
    top = m5.tree.until(UPPER)
    fitted = reconcile.reconcile_weighted(top, now.upper, reconcile.structural_variance(top))
    return by_recent_shares(m5, now.known, fitted[top.nodes(UPPER)])


def by_recent_shares(m5: M5, known: int, totals: Array) -> Array:
    """Items at their mean of the last 28 days, scaled to store and department."""
    recent = moving_average(m5.units[:, :known].astype(float))
    return reconcile.align(m5.tree.codes[m5.tree.names.index(UPPER)], recent, totals)


def items(m5: M5, known: int) -> Panel:
    """Items in stores as the library sees them; NaN before the first week with a price."""
    day = np.arange(known)
    units = np.where(day < m5.listed[:, None], np.nan, m5.units[:, :known]).astype(np.float32)
    return _panel(m5, m5.keys, units, m5.price[:, :known])


def departments(m5: M5, known: int) -> Panel:
    """Departments of stores; their price is the mean of their items'."""
    place = m5.tree.names.index(UPPER)
    code = m5.tree.codes[place]
    first = np.unique(code, return_index=True)[1]
    units = m5.tree.sums(m5.units[:, :known])[m5.tree.nodes(UPPER)]
    price = pd.DataFrame(m5.price[:, :known]).groupby(code).mean().to_numpy()
    return _panel(m5, m5.keys.iloc[first], units.astype(np.float32), price)


def _panel(
    m5: M5, keys: pd.DataFrame, units: npt.NDArray[np.float32], price: npt.NDArray[np.floating]
) -> Panel:
    """Benefit days of the state stand for promotions; events are those of the calendar."""
    calendar, known = m5.calendar, units.shape[1]
    state = keys["state_id"].map({name: i for i, name in enumerate(STATES)}).to_numpy()
    snap = np.stack([calendar[f"snap_{name}"] for name in STATES]).astype(np.float32)[state]
    event = (calendar["event_name_1"].notna() & (calendar["event_name_1"] != CLOSED)).to_numpy()
    series = pd.DataFrame({
        "item_id": keys["item_id"].to_numpy(), "location_id": keys["store_id"].to_numpy(),
        "category": keys["dept_id"].to_numpy(), "price": np.nanmean(price, axis=1),
    })  # fmt: skip
    return Panel(
        series=series, units=units, price=price.astype(np.float32),
        promoted=np.stack([snap, np.zeros_like(snap)]), first_day=calendar["date"].iloc[0],
        is_dc=np.zeros(len(units), dtype=bool),
        events=np.stack([event, np.r_[event[1:], False]]).astype(np.float32)[:, : known + HORIZON],
    )  # fmt: skip


def expected(family: Family, panel: Panel) -> Array:
    """What a family expects of each day, shape (series, 28).

    Of those that make a point into counts the point, because what calibration adds is spread.
    """
    if isinstance(family, Naive):
        season, known = (7 if family.seasonal else 1), panel.units.astype(float)
        days = [seasonal_naive(known, start=w.start, length=1, season=season) for w in TASK.windows]
        return np.stack(days, axis=1)
    alone = isinstance(family, SlowMovers) or (
        isinstance(family, Counts) and isinstance(family.point, Statistical)
    )
    seen = panel if alone else replace(panel, units=np.nan_to_num(panel.units))
    if isinstance(family, Counts):
        return family.point.fit(seen, TASK).mean(seen)
    return family.fit(seen, TASK).forecast(seen).mean


def in_another(python: str, panel: Panel) -> Array:
    """What the sequence model expects, by a Python that has torch."""
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder) / "panel.pickle", Path(folder) / "mean.npy"
        given.write_bytes(pickle.dumps(panel))
        command = [python, "-m", "benchmarks.forecasting.m5_families", "--panel", str(given)]
        subprocess.run([*command, "--out", str(out)], cwd=ROOT, check=True)
        return np.asarray(np.load(out))


def jobs(
    m5: M5, known: int, given: argparse.Namespace
) -> dict[tuple[str, str], Callable[[], Array]]:
    """How each family's forecast of the bottom series is made, by name and way."""
    low, high = items(m5, known), departments(m5, known)

    def bottom_up(make: Callable[[Panel], Array]) -> Callable[[], Array]:
        return lambda: np.maximum(make(low), 0)

    def shared_out(make: Callable[[Panel], Array]) -> Callable[[], Array]:
        return lambda: by_recent_shares(m5, known, np.maximum(make(high), 0))

    made = {("moving average, 28 days", ITEMS): bottom_up(lambda p: moving_average(_counted(p)))}
    for name in given.only:
        one = partial(expected, catalogue.FAMILIES[name])
        made[name, DEPARTMENTS] = shared_out(one)
        if name not in OUT_OF_REACH:
            made[name, ITEMS] = bottom_up(one)
    if given.deep:
        deep = partial(in_another, given.deep)
        made |= {("deep", DEPARTMENTS): shared_out(deep), ("deep", ITEMS): bottom_up(deep)}
    return made


def _counted(panel: Panel) -> Array:
    return np.nan_to_num(panel.units).astype(float)


def page(found: dict[tuple[str, str], Scored]) -> str:
    order = sorted(found, key=lambda key: found[key].wrmsse.mean())
    lines = [
        "# Every family on M5",
        "",
        "`python -m benchmarks.forecasting.m5_families`, one thread. Data: M5 competition, research"
        " use only. Trained on d_1495 to d_1913 (447 of 1,941 days are at hand), scored on d_1914"
        " to d_1941 with the published validation weights and scales. Settings are the catalogue's,"
        " nothing was chosen on the scored window; the sequence model's size and inputs were, on"
        f' windows that end with d_1913 or before. "{ITEMS}" is bottom-up, every item in every'
        f' store; "{DEPARTMENTS}" forecasts the departments of stores and gives items their share'
        " of the last 28 days: all families do that; those that would take more than four"
        f" CPU-minutes on 30,490 series ({', '.join(OUT_OF_REACH)}) only that. Prices, benefit days"
        " (promotions) and events are known to families that can use them. What is scored is the"
        " expected demand of each day.",
        "",
        "| family | series |" + m5_page.heads() + " CPU s |",
        "|---|---" + "|--:" * 14 + "|",
    ]
    for key in order:
        name, way = key
        one = found[key]
        lines.append(f"{m5_page.row(f'{name} | {way}', one.wrmsse)} {one.cpu_seconds:.0f} |")
    return "\n".join([*lines, "", *m5_page.published(), ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=list(catalogue.FAMILIES))
    parser.add_argument("--deep", default="")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--data", type=Path, default=m5_data.shared())
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--panel", type=Path, help="forecast this one by the sequence model")
    given = parser.parse_args()
    if given.panel:
        panel = pickle.loads(given.panel.read_bytes())
        np.save(given.out, expected(family_of("deep"), panel))
        return
    m5, known, found = m5_data.load(given.data), CUTS["validation"], dict[tuple[str, str], Scored]()
    now = forecast(m5, known, M5Config(), given.cache)
    ours = wrmsse(m5, "validation", now.nodes[-len(m5.keys) :])
    found["**ours**: reconciled, see `m5.md`", ITEMS] = Scored(ours, now.cpu_seconds)
    for key, job in jobs(m5, known, given).items():
        clock = time.process_time() + _children()
        points = job()
        spent = time.process_time() + _children() - clock
        found[key] = Scored(wrmsse(m5, "validation", points), spent)
        print(*key, f"{found[key].wrmsse.mean():.3f} {spent:.0f} s", flush=True)
        given.out.write_text(page(found), encoding="utf-8")
    print(given.out.read_text(encoding="utf-8"), file=sys.stderr)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
