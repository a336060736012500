"""The M5 competition on its last 447 training days: accuracy and uncertainty.

Run: python -m benchmarks.forecasting.m5 --window validation|evaluation --out FILE
     [--page FILE] [--cache DIR] [--data DIR]

Validation trains on d_1495 to d_1913 and is scored on d_1914 to d_1941; with --page it writes the
results page. Evaluation trains to d_1941 and forecasts d_1942 to d_1969, whose sales are not at
hand. FILE gets the points (id, F1 to F28), FILE with `_quantiles` before its suffix nine quantiles
of all 42,840 series. --cache keeps what LightGBM forecasts from a cutoff, with the CPU
seconds that it cost, for the other window's run.
"""

import argparse
import resource
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.forecasting import m5_data, m5_page
from benchmarks.forecasting.m5_data import CUTS, HORIZON, M5, wrmsse
from benchmarks.forecasting.m5_families import structural_top_down
from benchmarks.forecasting.m5_model import Forecast, M5Config, forecast
from benchmarks.forecasting.m5_quantiles import LEVELS, absolute_scale, quantiles, scale_error
from workbench.forecasting import losses

Array = npt.NDArray[np.float64]
DAYS = [f"F{day}" for day in range(1, HORIZON + 1)]
OURS = "**ours**: reconciled"


@dataclass(frozen=True)
class Scores:
    """What a window showed.

    Attributes:
        wrmsse: Per forecast, the twelve levels.
        seconds: Per forecast, CPU seconds.
        wspl: Weighted scaled pinball loss, shape (levels, quantiles).
        coverage: Share of outcomes at or below each quantile, shape (levels, quantiles).
        pit: Share of outcomes below each quantile, ties counted by half, same shape.
        scale_error: Of `absolute_scale` on one store and department: see `scale_error`.
    """

    wrmsse: dict[str, Array]
    seconds: dict[str, float]
    wspl: Array
    coverage: Array
    pit: Array
    scale_error: tuple[float, float, float]


def parts(m5: M5, now: Forecast) -> dict[str, tuple[Array, float]]:
    """Forecasts of the bottom series, ours and what it is made of, and CPU seconds."""
    week = np.tile(m5.units[:, now.known - 7 : now.known].astype(float), HORIZON // 7)
    return {
        "seasonal naive": (week, 0.0),
        "structural, top-down": (structural_top_down(m5, now), 0.0),
        "LightGBM, bottom-up": (now.items, now.cpu_seconds),
        OURS: (now.nodes[-len(m5.keys) :], now.cpu_seconds),
    }


def score(m5: M5, window: str, now: Forecast, spread: Array) -> Scores:
    """Score points and quantiles on sales that are at hand."""
    made = parts(m5, now)
    actual = m5.tree.sums(m5.units[:, now.known : now.known + HORIZON])
    scoring = m5.scoring(window)
    scale = absolute_scale(m5, now.known, scoring.scale)
    loss = losses.scaled_pinball(actual, spread.astype(float), LEVELS, scale)
    below, at = (actual[:, :, None] > spread), (actual[:, :, None] >= spread)
    level = m5.tree.level
    size = np.bincount(level)[:, None]
    covered = np.stack([(~below)[level == k].mean(axis=(0, 1)) for k in range(len(size))])
    strictly = np.stack([(~at)[level == k].mean(axis=(0, 1)) for k in range(len(size))])
    return Scores(
        {name: wrmsse(m5, window, points) for name, (points, _) in made.items()},
        {name: seconds for name, (_, seconds) in made.items()},
        losses.weighted(loss, 12 * scoring.weight, level), covered, (covered + strictly) / 2,
        scale_error(m5, now.known, scoring.scale),
    )  # fmt: skip


def write(m5: M5, now: Forecast, spread: Array, out: Path, window: str) -> Path:
    """Write points and quantiles; returns the quantiles' path."""
    ids = m5.keys["id"].str.replace("evaluation", window)
    points = pd.DataFrame(now.nodes[-len(ids) :], columns=DAYS)
    points.insert(0, "id", ids.to_numpy())
    out.parent.mkdir(parents=True, exist_ok=True)
    points.to_parquet(out, index=False)
    nodes = [label for labels in m5.tree.labels for label in labels]
    frame = pd.DataFrame(spread.transpose(0, 2, 1).reshape(-1, HORIZON), columns=DAYS)
    frame.insert(0, "quantile", np.tile(LEVELS, len(nodes)))
    frame.insert(0, "id", np.repeat(nodes, len(LEVELS)))
    frame.insert(0, "level", np.repeat(m5.tree.level + 1, len(LEVELS)))
    path = out.with_name(f"{out.stem}_quantiles{out.suffix}")
    frame.to_parquet(path, index=False)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--window", choices=list(CUTS), default="validation")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--data", type=Path, default=m5_data.shared())
    chosen = parser.parse_args()
    config, known = M5Config(), CUTS[chosen.window]
    m5 = m5_data.load(chosen.data)
    past = forecast(m5, known - HORIZON, config, chosen.cache)
    now = forecast(m5, known, config, chosen.cache)
    started = time.process_time()
    spread = quantiles(m5, now, past, config)
    seconds = past.cpu_seconds + now.cpu_seconds + time.process_time() - started
    print(f"wrote {chosen.out} and {write(m5, now, spread, chosen.out, chosen.window)};"
          f" {seconds / 60:.1f} CPU-minutes")  # fmt: skip
    if chosen.window == "validation":
        result = score(m5, chosen.window, now, spread)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        text = m5_page.page(result, config, seconds, memory)
        print(text)
        if chosen.page:
            chosen.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
