"""Measures what the day's first sales are worth, and what an update costs as series grow in number.

Run: python -m benchmarks.forecasting.sensing --workspace DIR [--out FILE]

The workspace has run the demo, all series. Updates are learned on the first half of the cutoffs of
its forecasts and judged on the second. The peer of quantiles is scipy's, as a user would call it.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.forecasting.intermittent_page import rows_of
from workbench.forecasting.config import SenseConfig
from workbench.forecasting.replay import first_sales, judge, learn_from
from workbench.forecasting.sensing import Belief, update
from workbench.tables.store import TableStore
from workbench.workspace import open_workspace

OUT = Path(__file__).parents[1] / "results" / "forecasting_sensing.md"
LEVELS = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99])
SIZES = (1_000, 10_000, 100_000)


def best(work: Callable[[], object], times: int = 5) -> float:
    """CPU seconds of the fastest of some calls."""
    spent = []
    for _ in range(times):
        begun = time.process_time()
        work()
        spent.append(time.process_time() - begun)
    return min(spent)


def cost() -> list[dict[str, object]]:
    rng = np.random.default_rng(3)
    Belief(np.zeros(1), np.ones(1), np.ones(1)).quantiles(LEVELS)  # compiled before it is timed
    rows: list[dict[str, object]] = []
    for count in SIZES:
        mean, size = rng.gamma(1.0, 4.0, count) + 0.05, rng.uniform(0.5, 8, count)
        prior = Belief(np.zeros(count), mean, size)
        sold = rng.poisson(0.3 * mean).astype(float)
        after = update(prior, sold, 0.3, weight=0.2)

        def theirs(after: Belief = after) -> object:
            chance = after.size / (after.size + after.mean)
            return stats.nbinom.ppf(LEVELS, after.size[:, None], chance[:, None])

        ours = best(lambda p=prior, s=sold: update(p, s, 0.3, weight=0.2))  # type: ignore[misc]
        quantiles = best(lambda a=after: a.quantiles(LEVELS))  # type: ignore[misc]
        rows.append(
            {"series": f"{count:,}", "update, µs": 1e6 * ours / count,
             "nine quantiles, µs": 1e6 * quantiles / count,
             "scipy's quantiles, µs": 1e6 * best(theirs, 1) / count}
        )  # fmt: skip
    return rows


def accuracy(workspace: Path) -> tuple[pd.DataFrame, int, int]:
    store = TableStore(open_workspace(workspace).tables)
    names = ("forecasts", "sales", "orders", "order_lines")
    connection = store.connect(versions={name: store.current(name) for name in names})
    config = SenseConfig()
    every = first_sales(connection, dc="DC1", shares=config.shares)
    cut = len(every.cutoffs) // 2
    later = every.at(slice(cut, None))
    scores = judge(learn_from(every.at(slice(0, cut)), seed=1), later, seed=2)
    return scores, len(later.cutoffs), len(every.series)


def shown(name: str, value: float) -> str:
    if name in ("share", "gain", "coverage_95", "pit_gap"):
        return f"{value:.1%}"
    return f"{value:.3g}"


def report(workspace: Path) -> str:
    scores, days, series = accuracy(workspace)
    kept = scores.drop(columns=["seconds", "microseconds"]).to_dict("records")
    lines = [
        "# Sensing",
        "",
        f"`python -m benchmarks.forecasting.sensing` on {os.cpu_count()} cores,"
        f" {platform.system()}, Python {platform.python_version()}.",
        "",
        "## Accuracy",
        "",
        f"The demo's {series:,} series, {days} days judged: pinball loss of today's and of the 9"
        " days' forecast as it was, of what sold plus the plan of the rest, and of the update."
        " Today's gain is mostly what is known already; what the update adds to it is the step from"
        " `sold_so_far` to `sensed`.",
        "",
        *rows_of([{str(k): v for k, v in row.items()} for row in kept], shown),
        "## Cost",
        "",
        "CPU time of the fastest of five calls, per series; of one call of scipy's.",
        "",
        *rows_of(cost(), shown),
    ]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workspace", required=True)
    parser.add_argument("--out", default=str(OUT))
    arguments = parser.parse_args()
    text = report(Path(arguments.workspace))
    Path(arguments.out).write_text(text)
    print(text)


if __name__ == "__main__":
    main()
