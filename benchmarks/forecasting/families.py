"""Measures every family behind the protocol on the demo's shop data: loss, gain, cost.

Run: python -m benchmarks.forecasting.families --workspace DIR [--deep PYTHON] [--series N]
     [--only NAME ...] [--out FILE]

DIR is a workspace that ingested notebooks/sources/completejourney.toml. PYTHON has torch installed
besides this project (extra `deep`); without it the sequence model is left out. Each family runs in
a process of its own. Families are fitted once, as of the first of eight weekly cutoffs; ensembles
learn their weights on cutoffs before it.
"""

import argparse
import os
import pickle
import platform
import tempfile
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.forecasting.trials import Case, Outcome, run
from workbench.forecasting import catalogue
from workbench.forecasting.calibrated import setting_of
from workbench.forecasting.families import Judged, Stack, stack
from workbench.forecasting.global_model import Window
from workbench.forecasting.losses import pinball
from workbench.forecasting.panel import build_panel
from workbench.forecasting.patterns import SEGMENTS
from workbench.forecasting.protocol import Task
from workbench.forecasting.scores import score_table
from workbench.tables.store import TableStore

OUT = Path(__file__).parents[1] / "results" / "forecasting_families.md"
LEVELS = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99])
WINDOWS = (Window(1, 7), Window(1, 14), Window(1, 21))
CUTOFFS = 8
REACH = 21
TABLES = ("sales", "items", "locations", "promotions", "calendar")


def demo(workspace: Path, series: int) -> Case:
    """The panel of the forecast notebook."""
    store = TableStore(workspace / "data" / "tables")
    connection = duckdb.connect()
    for name in TABLES:
        files = str(store.current(name).path / "*.parquet")
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{files}')")
    query = "SELECT location_id FROM locations WHERE kind = 'dc'"
    centre = connection.execute(query).fetchone()[0]
    panel = build_panel(connection, dc=centre, minimum_days_dc=100, minimum_days_store=26,
                        max_series=series)  # fmt: skip
    last = panel.units.shape[1] - 1
    cutoffs = tuple(last - REACH - 7 * k for k in reversed(range(CUTOFFS)))
    which = f"the {series:,} series with most selling days" if series else "all series"
    return Case(f"Complete Journey, {which}", panel, Task(WINDOWS, LEVELS), cutoffs)


def outcomes(case: Case) -> Stack:
    """What occurred, in the order of the forecasts."""
    nothing = np.ones(len(case.panel.series))
    return stack(setting_of(case.panel, case.task), case.cutoffs, lambda *_: nothing)


def money(case: Case, truth: Stack) -> npt.NDArray[np.float64]:
    """Price of every forecast's item."""
    price = case.panel.series["price"].to_numpy()
    return np.tile(price, len(truth.actual) // len(price))


def against(case: Case, truth: Stack, one: Outcome, other: Outcome) -> tuple[float, float]:
    """Difference of value-weighted pinball loss (one over other, minus 1) and its standard error.

    By cutoff: forecasts of one week err together, so that weeks are what is counted.
    """
    value = np.tile(
        case.panel.series["price"].to_numpy(), len(truth.actual) // len(case.panel.series)
    )
    each = [pinball(truth.actual, o.quantiles, LEVELS).mean(axis=1) * value for o in (one, other)]
    weeks = np.array([
        [each[k][truth.cutoff == cut].sum() for cut in case.cutoffs] for k in (0, 1)
    ])  # fmt: skip
    ratio = weeks[0] / weeks[1] - 1
    return float(each[0].sum() / each[1].sum() - 1), float(ratio.std(ddof=1) / len(ratio) ** 0.5)


def by_segment(case: Case, truth: Stack, made: dict[str, Outcome]) -> pd.DataFrame:
    """Value-weighted pinball loss over that of seasonal naive, per segment and family."""
    value = np.tile(
        case.panel.series["price"].to_numpy(), len(truth.actual) // len(case.panel.series)
    )
    frame = pd.DataFrame({
        name: pinball(truth.actual, one.quantiles, LEVELS).mean(axis=1) * value
        for name, one in made.items()
    })  # fmt: skip
    total = frame.groupby(np.array(SEGMENTS)[truth.segment]).sum()
    return total.div(total["seasonal_naive"], axis=0)


def page(case: Case, made: dict[str, Outcome], truth: Stack) -> str:
    judged = {
        name: Judged(one.mean, one.quantiles, np.full(len(one.mean), np.nan))
        for name, one in made.items()
    }
    table = score_table(setting_of(case.panel, case.task), truth, judged)
    lines = [
        "# Families of models behind one protocol", "",
        f"`python -m benchmarks.forecasting.families` on {os.cpu_count()} cores,"
        f" {platform.system()}, Python {platform.python_version()}; load average"
        f" {os.getloadavg()[0]:.1f} at the end, so that CPU seconds and not seconds are told.", "",
        f"{case.name} (items over all shops and items in one shop), windows of"
        f" {', '.join(str(w.length) for w in case.task.windows)} days from"
        f" {len(case.cutoffs)} weekly cutoffs that end the year; fitted once, as of the first of"
        " them, one thread. Loss is pinball loss times price over sales, mean of"
        f" {len(LEVELS)} levels; gain is over seasonal naive. Memory is what fitting and"
        " forecasting held above data and libraries.", "",
        "| family | good for | loss | gain | RMSSE | coverage 90% | CPU s | MiB |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]  # fmt: skip
    purpose = catalogue.table().set_index("model")["good_for"].to_dict()
    for _, row in table.iterrows():
        name, cost = row["model"], made[row["model"]].cost
        lines.append(
            f"| {name} | {purpose[name]} | {row['vw_pinball']:.4f} |"
            f" {row['vw_pinball_skill']:.1%} | {row['rmsse']:.3f} | {row['coverage_90']:.1%} |"
            f" {cost['cpu']:.1f} | {cost['mib']:.0f} |"
        )
    lines += ["", *_differences(case, truth, made), *_segments(case, truth, made)]
    return "\n".join(lines) + "\n"


def _differences(case: Case, truth: Stack, made: dict[str, Outcome]) -> list[str]:
    """Hybrids, ensembles and the sequence model against the family that the notebook uses."""
    lines = [
        "## Do hybrid, stacking and deep learning pay?", "",
        "Loss against that of `lightgbm_counts`, which `10-forecast-demand` uses; the standard"
        f" error is over the {len(case.cutoffs)} cutoffs, whose windows overlap, and so too small"
        " rather than too large.", "",
        "| family | loss against lightgbm_counts | standard error | CPU s against it |",
        "|---|--:|--:|--:|",
    ]  # fmt: skip
    base, pays = made["lightgbm_counts"], list[str]()
    for name, one in made.items():
        if name.startswith(("hybrid", "stacked", "best", "deep", "lightgbm_q", "lightgbm_d")):
            change, error = against(case, truth, one, base)
            ratio = one.cost["cpu"] / base.cost["cpu"]
            lines.append(f"| {name} | {change:+.1%} | {100 * error:.1f} points | {ratio:.1f} |")
            pays += [name] if change < -2 * error else []
    verdict = f"**Less loss by more than two standard errors: {', '.join(pays) or 'none'}.**"
    return [*lines, "", verdict, ""]


def _segments(case: Case, truth: Stack, made: dict[str, Outcome]) -> list[str]:
    """A row per family; the least of a segment is bold."""
    table = by_segment(case, truth, made).drop(columns="seasonal_naive")
    least = table.min(axis=1)
    lines = ["## By kind of site and demand pattern", "", "Loss over that of seasonal naive.", "",
             "| family | " + " | ".join(table.index) + " |",
             "|---|" + "--:|" * len(table)]  # fmt: skip
    for name, column in table.items():
        cells = [
            f"**{value:.3f}**" if value == least[segment] else f"{value:.3f}"
            for segment, value in column.items()
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workspace", type=Path, default=Path())
    parser.add_argument("--deep", default="")
    parser.add_argument("--series", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=list(catalogue.FAMILIES))
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    case, made = demo(given.workspace, given.series), dict[str, Outcome]()
    truth = outcomes(case)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.pickle"
        path.write_bytes(pickle.dumps(case))
        for name in [*given.only, *(["deep"] if given.deep else [])]:
            options = {"python": given.deep} if name == "deep" else {}
            made[name] = run(path, name, Path(folder), **options)
            print(name, made[name].cost, flush=True)
            if {"seasonal_naive", "lightgbm_counts"} <= set(made):
                given.out.write_text(page(case, made, truth))
    print(given.out.read_text())


if __name__ == "__main__":
    main()
