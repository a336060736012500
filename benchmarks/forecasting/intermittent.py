"""Measures distributions of slow movers' demand on spare parts and on M5, against statsforecast.

Run: python -m benchmarks.forecasting.intermittent [--shared ../shared] [--out FILE]

Nothing of the test period is seen by what is judged on it: smoothing constant, spread, bias and
levels come from windows that ended before each cutoff. M5 is judged from the last cutoff and, to
show what one month's accident is, from four earlier ones whose windows do not overlap.
"""

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.forecasting import intermittent_page
from benchmarks.forecasting.intermittent_page import JUDGED, LEVELS, PEER_SERIES, OnM5
from benchmarks.forecasting.m5_data import CLOSED, STATES, read_calendar
from benchmarks.forecasting.m5_model import M5Config, node_effects
from workbench.forecasting import losses
from workbench.forecasting.global_model import Window
from workbench.forecasting.intermittent import METHODS
from workbench.forecasting.movement import Movement
from workbench.forecasting.patterns import pattern_of
from workbench.forecasting.slow_movers import CountForecast, Plan, fit_counts, past_windows
from workbench.forecasting.structural import forecast_structural

Array = npt.NDArray[np.float64]
OUT = Path(__file__).parents[1] / "results" / "forecasting_intermittent.md"
M5_LAST = 1913  # the last day that forecasts see
ALPHAS = (0.02, 0.05, 0.1, 0.2, 0.3)
CAUTION = 1.0  # standard errors between cutoffs
BEFORE = (307, 335, 363, 391)  # known days of earlier cutoffs, whose 28 days do not overlap


@dataclass(frozen=True)
class Case:
    """Forecasts of one window length and what occurred.

    Attributes:
        actual: Demand, shape (n,).
        quantiles: Shape (n, levels).
        pit: Randomised PIT, shape (n,), NaN where there is no distribution.
    """

    actual: Array
    quantiles: Array
    pit: Array


def carparts(shared: Path) -> Array:
    return pd.read_csv(shared / "data/carparts/carparts_months_1_45.csv").to_numpy(float).T


def m5(shared: Path) -> Array:
    """Sales of d_1495 to d_1941, NaN before the first week with a price."""
    folder = shared / "data/m5"
    wide = pd.read_parquet(folder / "sales_d1495_d1941.parquet")
    days = [name for name in wide if name.startswith("d_")]
    week = pd.read_parquet(folder / "calendar.parquet")["wm_yr_wk"].to_numpy()
    week = week[[int(name[2:]) - 1 for name in days]]
    listed = wide[["store_id", "item_id"]].merge(
        pd.read_parquet(folder / "first_price_week.parquet"), how="left"
    )
    before = week < listed["first_wm_yr_wk"].to_numpy()[:, None]
    return np.where(before, np.nan, wide[days].to_numpy(float))


def m5_movement(shared: Path) -> Movement:
    """State by category, each total by the structural model with its state's calendar."""
    folder = shared / "data/m5"
    keys = pd.read_parquet(
        folder / "sales_d1495_d1941.parquet", columns=["state_id", "cat_id"]
    ).astype(str)
    state = keys["state_id"].map({name: i for i, name in enumerate(STATES)}).to_numpy()
    category = pd.factorize(keys["cat_id"], sort=True)[0]
    calendar = read_calendar(folder)
    config = M5Config().structural[-1]
    effects = [node_effects(calendar, place, config) for place in range(len(STATES))]
    open_ = (calendar["event_name_1"] != CLOSED).to_numpy()

    def outlook(totals: Array, ahead: int) -> Array:
        each = totals.reshape(len(STATES), -1, totals.shape[1])
        counted = open_[: totals.shape[1]]
        made = [
            forecast_structural(own, known, ahead=ahead, step=config.step, counted=counted)
            for own, known in zip(each, effects, strict=True)
        ]
        return np.concatenate(made)

    return Movement(state * (category.max() + 1) + category, outlook)


def judged(
    forecast: CountForecast, units: Array, cutoff: int, windows: Sequence[Window],
    rows: npt.NDArray[np.bool_],
) -> Iterator[tuple[int, Case]]:  # fmt: skip
    """Set what occurred beside the forecast of every window."""
    for seed, window in enumerate(windows):
        first = cutoff + window.start
        actual = units[:, first : first + window.length].sum(axis=1)
        kept = rows & np.isfinite(actual)
        quantiles = forecast.quantiles(window.length, window.start)
        pit = forecast.pit(window.length, np.nan_to_num(actual), seed=seed, start=window.start)
        yield window.length, Case(actual[kept], quantiles[kept], pit[kept])


def scores(cases: Sequence[Case]) -> dict[str, float]:
    actual = np.concatenate([case.actual for case in cases])
    quantiles = np.concatenate([case.quantiles for case in cases])
    pit = np.concatenate([case.pit for case in cases])
    result = {"forecasts": float(len(actual))}
    result["pinball"] = float(losses.pinball(actual, quantiles, LEVELS).mean())
    covered = losses.coverage(actual, quantiles)
    for level in JUDGED:
        result[f"pit {level:.1%}"] = (
            float((pit <= level).mean()) if np.isfinite(pit).all() else np.nan
        )
        result[f"raw {level:.1%}"] = float(covered[level == LEVELS][0])
    result["whole"] = float((quantiles == np.rint(quantiles)).all() and (quantiles >= 0).all())
    return result


def on_carparts(shared: Path) -> list[dict[str, object]]:
    """Six origins, each calibrated anew on what was known; windows of one and of three months."""
    units = carparts(shared)
    windows = (Window(1, 1), Window(1, 3))
    found: dict[tuple[str, int], list[Case]] = {}
    for cutoff in range(units.shape[1] - 7, units.shape[1] - 1):
        known = units[:, : cutoff + 1]
        trials = past_windows(known, windows, Plan(count=16, alphas=ALPHAS))
        sold = np.nan_to_num(known).any(axis=1)
        ahead = [w for w in windows if cutoff + w.length < units.shape[1]]
        for method in METHODS:
            forecast = fit_counts(known, trials, method=method, levels=LEVELS.tolist())
            for length, case in judged(forecast.forecast(known), units, cutoff, ahead, sold):
                found.setdefault((method, length), []).append(case)
    return [{"method": m, "window": n, **scores(cases)} for (m, n), cases in found.items()]


def on_m5(units: Array, movement: Movement, cutoff: int = M5_LAST - 1495) -> OnM5:
    """All series forecast from column `cutoff`; slow movers judged on the 28 days after it."""
    known = units[:, : cutoff + 1]
    learned_on = [Window(day, 1) for day in (1, 2, 3, 4, 5, 6, 7, 14, 28)]
    learned_on += [Window(1, 7), Window(15, 7), Window(1, 14), Window(15, 14), Window(1, 28)]
    weeks = [Window(1 + 7 * k, 7) for k in range(4)] + [
        Window(1, 14),
        Window(15, 14),
        Window(1, 28),
    ]
    ahead = [Window(day, 1) for day in range(1, 29)] + weeks
    slow = (pattern_of(known) >= 2) & np.nan_to_num(known).any(axis=1)
    begun = time.process_time()
    trials = past_windows(
        known, learned_on, Plan(spacing=7, start=91, rows=1_000_000, alphas=ALPHAS)
    )
    made = {}
    for method in METHODS:
        made[method] = fit_counts(
            known, trials, method=method, levels=LEVELS.tolist(), movement=movement, caution=CAUTION
        ).forecast(known)
        for length in (1, 7, 14, 28):
            made[method].quantiles(length)
    spent = time.process_time() - begun
    table: list[dict[str, object]] = []
    for method, forecast in made.items():
        found: dict[int, list[Case]] = {}
        for length, case in judged(forecast, units, cutoff, ahead, slow):
            found.setdefault(length, []).append(case)
        table += [{"method": method, "window": n, **scores(c)} for n, c in found.items()]
    return OnM5(table, spent, [f"{m} {f.forecaster.alpha:g}" for m, f in made.items()])


def peers(units: Array) -> list[dict[str, object]]:
    """Statsforecast's methods with conformal intervals, ours and each series' own past.

    Single days of a sample of slow movers; ours are the numbers for the same series.
    """
    from statsforecast import StatsForecast
    from statsforecast.models import ADIDA, IMAPA, TSB, CrostonClassic, CrostonSBA
    from statsforecast.utils import ConformalIntervals

    cutoff = M5_LAST - 1495
    known = units[:, : cutoff + 1]
    full = np.isfinite(known).all(axis=1) & (known[:, -91:].sum(axis=1) > 0)
    slow = np.flatnonzero((pattern_of(known) >= 2) & full)
    rows = np.sort(np.random.default_rng(7).choice(slow, PEER_SERIES, replace=False))
    actual = units[rows, cutoff + 1 : cutoff + 29].ravel()
    days = pd.date_range("2015-03-03", periods=known.shape[1])
    frame = pd.DataFrame({
        "unique_id": np.repeat(rows, known.shape[1]), "ds": np.tile(days, len(rows)),
        "y": known[rows].ravel(),
    })  # fmt: skip
    conformal = ConformalIntervals(n_windows=4, h=28)
    upper = {0.5: 0, 0.75: 50, 0.833: 66.6, 0.9: 80, 0.95: 90, 0.975: 95, 0.99: 98}
    table: list[dict[str, object]] = []
    for model in (CrostonClassic(), CrostonSBA(), TSB(0.1, 0.05), ADIDA(), IMAPA()):
        begun = time.process_time()
        ran = StatsForecast(models=[model], freq="D", n_jobs=1).forecast(
            df=frame, h=28, level=[v for v in upper.values() if v], prediction_intervals=conformal
        )
        name = str(model)
        spent = time.process_time() - begun
        values = [ran[f"{name}-hi-{v:g}" if v else name].to_numpy() for v in upper.values()]
        case = Case(actual, np.stack(values, axis=1), np.full(len(actual), np.nan))
        table.append({"method": f"statsforecast {name}", "cpu": spent, **scores([case])})
    begun = time.process_time()
    past = np.quantile(known[rows], LEVELS, axis=1, method="inverted_cdf").T
    case = Case(actual, np.repeat(past, 28, axis=0), np.full(len(actual), np.nan))
    table.append({"method": "quantiles of the series' own days",
                  "cpu": time.process_time() - begun, **scores([case])})  # fmt: skip
    return table + ours_beside(known, rows, actual)


def ours_beside(
    known: Array, rows: npt.NDArray[np.int64], actual: Array
) -> list[dict[str, object]]:
    windows = [Window(day, 1) for day in (1, 2, 3, 4, 5, 6, 7, 14, 28)]
    table: list[dict[str, object]] = []
    for method in METHODS:
        begun = time.process_time()
        trials = past_windows(known[rows], windows, Plan(spacing=7, start=91, alphas=ALPHAS))
        fitted = fit_counts(known[rows], trials, method=method, levels=LEVELS.tolist())
        forecast = fitted.forecast(known[rows])
        quantiles = np.repeat(forecast.quantiles(1), 28, axis=0)
        spent = time.process_time() - begun
        shaped = actual.reshape(-1, 28)
        pit = np.stack([forecast.pit(1, shaped[:, day], seed=day) for day in range(28)], axis=1)
        table.append({"method": f"ours {method}", "cpu": spent,
                      **scores([Case(actual, quantiles, pit.ravel())])})  # fmt: skip
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", default=os.environ.get("WORKBENCH_SHARED", "../shared"))
    parser.add_argument("--out", default=str(OUT))
    arguments = parser.parse_args()
    shared = Path(arguments.shared)
    units, movement = m5(shared), m5_movement(shared)
    before = {known: on_m5(units, movement, known - 1) for known in BEFORE}
    now = on_m5(units, movement)
    text = intermittent_page.page(now, before, on_carparts(shared), peers(units))
    Path(arguments.out).write_text(text)
    print(text)


if __name__ == "__main__":
    main()
