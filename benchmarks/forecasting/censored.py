"""Measures the recovery of demand hidden by stockouts, on real demand with simulated stock.

Run: python -m benchmarks.forecasting.censored [--shared ../shared] [--out FILE]

Demand is M5's sales of items that sell 3 units a day or more and have no long run of zeros of their
own: taken as the truth. Stock is simulated: reviewed weekly, three days' lead time, ordered up to a
multiple of ten days' demand; what is asked for beyond stock is lost. Only sales, and the flag
that a day ran out, are shown to what is judged.
"""

import argparse
import os
import platform
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.forecasting.intermittent import Array, m5
from benchmarks.forecasting.intermittent_page import rows_of
from workbench.forecasting.censoring import long_zero_runs, recover
from workbench.forecasting.intermittent import METHODS

OUT = Path(__file__).parents[1] / "results" / "forecasting_censored.md"
SERIES, LEAST_MEAN, HORIZON = 2_000, 3.0, 28
REVIEW, LEAD = 7, 3
COVER = (1.3, 1.0, 0.8)  # order-up-to level over expected demand of review and lead time
Flags = npt.NDArray[np.bool_]


def fast_movers(units: Array) -> Array:
    whole = np.isfinite(units).all(axis=1) & (np.nanmean(units, axis=1) >= LEAST_MEAN)
    candidates = units[whole]
    even = candidates[~long_zero_runs(candidates, chance=0.1).any(axis=1)]
    chosen = np.random.default_rng(5).permutation(len(even))[:SERIES]
    return even[np.sort(chosen)]


def sold_from_stock(demand: Array, cover: float) -> tuple[Array, Flags]:
    """Sales out of a simulated stock, and the days that ended without stock."""
    series, days = demand.shape
    target = np.ceil(cover * (REVIEW + LEAD) * demand.mean(axis=1))
    stock, arrivals = target.copy(), np.zeros((series, days + LEAD))
    sales, out = np.zeros_like(demand), np.zeros(demand.shape, dtype=bool)
    for day in range(days):
        stock += arrivals[:, day]
        if day % REVIEW == 0:
            coming = arrivals[:, day + 1 : day + LEAD].sum(axis=1)
            arrivals[:, day + LEAD] += np.maximum(target - stock - coming, 0)
        sales[:, day] = np.minimum(demand[:, day], stock)
        out[:, day] = demand[:, day] >= stock
        stock -= sales[:, day]
    return sales, out


def delisted(demand: Array, seed: int) -> tuple[Array, Flags]:
    """Two supply failures per series, of 7 to 28 days: nothing sold, and nobody flagged it."""
    rng = np.random.default_rng(seed)
    out = np.zeros(demand.shape, dtype=bool)
    for row in range(len(demand)):
        for start in rng.integers(60, demand.shape[1] - 28, 2):
            out[row, start : start + rng.integers(7, 29)] = True
    return np.where(out, 0, demand), out


def judged(
    name: str, truth: Array, sales: Array, hidden: Flags, future: Array
) -> dict[str, object]:
    """Bias of demand and of forecasts, before and after recovery."""
    begun = time.process_time()
    after = recover(sales, hidden).units
    row: dict[str, object] = {"case": name, "days hidden": float(hidden.mean())}
    row |= {"demand, as sold": sales.sum() / truth.sum() - 1,
            "demand, recovered": after.sum() / truth.sum() - 1}  # fmt: skip
    inside = hidden
    row["hidden days, as sold"] = sales[inside].sum() / truth[inside].sum() - 1
    row["hidden days, recovered"] = after[inside].sum() / truth[inside].sum() - 1
    row["ms a series"] = 1000 * (time.process_time() - begun) / len(truth)
    last = [truth.shape[1] - 1]
    for method in ("sba", "tsb", "imapa"):
        for label, known in (("truth", truth), ("as sold", sales), ("recovered", after)):
            rate = METHODS[method](known, last)[:, 0]
            row[f"{method}, {label}"] = HORIZON * rate.sum() / future.sum() - 1
    return row


def detection(found: Flags, true: Flags, demand: Array) -> dict[str, float]:
    """Of days with demand that was hidden in full."""
    relevant = true & (demand > 0)
    return {
        "recall": float((found & relevant).sum() / relevant.sum()),
        "precision": float((found & true).sum() / max(found.sum(), 1)),
    }


def report(arguments: argparse.Namespace) -> str:
    demand = fast_movers(m5(Path(arguments.shared)))
    truth, future = demand[:, :-HORIZON], demand[:, -HORIZON:]
    table, found_line = [], []
    for cover in COVER:
        sales, out = sold_from_stock(truth, cover)
        table.append(judged(f"stock for {cover:g} × need, flagged", truth, sales, out, future))
    sales, out = delisted(truth, 3)
    table.append(judged("supply failures, flagged", truth, sales, out, future))
    inferred = long_zero_runs(sales)
    table.append(judged("supply failures, inferred", truth, sales, inferred, future))
    found = detection(inferred, out, truth)
    alarms = long_zero_runs(truth)
    found_line = (
        f"Without flags, {found['recall']:.1%} of the failed days with demand were found, and"
        f" {found['precision']:.1%} of what was found had failed; on demand without failures"
        f" {alarms.mean():.3%} of days are called hidden."
    )
    bias = [name for name in table[0] if not name.startswith(("sba", "tsb", "imapa"))]
    lines = [
        "# Demand hidden by stockouts",
        "",
        f"`python -m benchmarks.forecasting.censored` on {os.cpu_count()} cores,"
        f" {platform.system()}, Python {platform.python_version()}. {len(truth):,} series of M5"
        f" that sell {LEAST_MEAN:g} units a day or more, {truth.shape[1]} days; their sales are the"
        " truth, stock is simulated on top (reviewed weekly, three days' lead time) or fails for"
        " 7 to 28 days, twice a series.",
        "",
        "## What was asked for",
        "",
        "Sum over all series against the truth.",
        "",
        *rows_of([{k: row[k] for k in bias} for row in table], shown),
        found_line,
        "",
        f"## Bias of the forecast of the next {HORIZON} days",
        "",
        "Three methods, each on the truth (what no recovery can beat), on what sold and on"
        " recovered demand.",
        "",
        *rows_of([{k: v for k, v in row.items() if k == "case" or k not in bias} for row in table],
                 shown),
    ]  # fmt: skip
    return "\n".join(lines)


def shown(name: str, value: float) -> str:
    return (
        f"{value:.2f}"
        if name.startswith("ms")
        else f"{value:+.1%}"
        if name[5:] != "hidden"
        else f"{value:.1%}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", default=os.environ.get("WORKBENCH_SHARED", "../shared"))
    parser.add_argument("--out", default=str(OUT))
    arguments = parser.parse_args()
    text = report(arguments)
    Path(arguments.out).write_text(text)
    print(text)


if __name__ == "__main__":
    main()
