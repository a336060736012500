"""Months far ahead: do their intervals hold, with a season and without?

Run: python -m benchmarks.forecasting.months [--out FILE] [--data DIR]

Months of four weeks. Judged are whole years that the forecast has not seen, from several cutoffs a
year apart where history allows. Peers: last month again, and the same month a year before. Then
months of all M5 items over all stores and in each: what each node expects by itself, what the sums
of the series are, and what reconciled months are, which add up in every path.
"""

import argparse
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.forecasting import m5_data
from benchmarks.forecasting.trials import tx3
from workbench.forecasting import coherent, coherent_months, losses, months, paths
from workbench.forecasting.panel import Panel
from workbench.forecasting.patterns import pattern_of, segment
from workbench.forecasting.protocol import plain_panel
from workbench.forecasting.temporal import MONTH_DAYS

OUT = Path(__file__).parents[1] / "results" / "forecasting_months.md"
Array = npt.NDArray[np.float64]
LEVELS = np.array([0.025, 0.1, 0.5, 0.9, 0.975])
_KNOWN, _AHEAD = (9, 11), 3  # months known at each cutoff, and judged after it
_PATHS = paths.PathConfig(paths=100)
_RATIOS = (0.1127, 0.1171)  # measured loss at these cutoffs when errors were ratios


@dataclass(frozen=True)
class Case:
    """Demand, and what is judged.

    Attributes:
        name: For the page.
        units: Shape (series, days).
        kind: Of each series, whose seasons are pooled.
        ahead: Months.
        known: Months known at each cutoff; the last ones of the data are judged last.
        memory: Months that a forecast may look back; 0 for all.
    """

    name: str
    units: Array
    kind: npt.NDArray[np.int64]
    ahead: int
    known: tuple[int, ...]
    memory: int = 0


def cases(data: Path) -> list[Case]:
    foods = tx3(data.parent)
    one = np.zeros(len(foods), dtype=np.int64)
    every = m5_data.load(data)
    department = np.unique(every.keys["dept_id"], return_inverse=True)[1].astype(np.int64)
    count = foods.shape[1] // MONTH_DAYS
    years = tuple(count - 13 * k for k in (3, 2, 1))
    return [
        Case("823 foods of one shop, over two years known", foods, one, 13, years),
        Case("the same, 15 months known", foods, one, 13, years, memory=15),
        Case("M5, 30,490 series, 9 months known", every.units, department, 6, (9,)),
    ]


def judge(case: Case) -> list[list[str]]:
    """A row per lead: interval shares in %, error over demand of the median and of the peers."""
    every = months.monthly(case.units)
    parts: list[tuple[Array, ...]] = []
    first = case.units.shape[1] - every.shape[1] * MONTH_DAYS
    for known in case.known:
        begin = max(0, known - case.memory) if case.memory else 0
        units = case.units[:, first + begin * MONTH_DAYS : first + known * MONTH_DAYS]
        sold = units.any(axis=1)
        found = months.forecast_months(
            units[sold], pattern_of(units[sold]), months=case.ahead, levels=LEVELS,
            season_of_group=case.kind[sold],
        )  # fmt: skip
        came = every[sold, known : known + case.ahead]
        last = np.repeat(every[sold, known - 1 : known], came.shape[1], axis=1)
        before = known - 13 + np.arange(case.ahead)
        year = every[sold][:, before] if before[0] >= begin else np.full_like(came, np.nan)
        parts.append((came, found.quantiles, found.mean, last, year))
    rows = []
    for lead in sorted({0, 2, 5, 8, case.ahead - 1} & set(range(case.ahead))):
        came, quantiles, mean, last, year = (
            np.concatenate([part[k][:, lead] for part in parts]) for k in range(5)
        )
        inside = [
            float(((came >= quantiles[:, a]) & (came <= quantiles[:, b])).mean())
            for a, b in ((1, 3), (0, 4))
        ]
        errors = [float(np.abs(one - came).sum() / came.sum()) for one in (mean, last, year)]
        shown = ["–" if np.isnan(e) else f"{e:.3f}" for e in errors]
        rows.append([str(lead + 1), *(f"{100 * share:.1f}" for share in inside), *shown])
    return rows


def sites_panel(m5: m5_data.M5) -> Panel:
    """M5 as a business with a centre: every item as a whole, and in each of its stores."""
    item = m5.tree.codes[m5.tree.names.index("10 item")]
    whole = m5.tree.sums(m5.units)[m5.tree.nodes("10 item")]
    first = np.unique(item, return_index=True)[1]
    keys = pd.concat([m5.keys.iloc[first].assign(store_id="centre"), m5.keys])
    plain = plain_panel(np.concatenate([whole, m5.units]), ahead=0)
    series = pd.DataFrame(
        {"item_id": keys["item_id"], "location_id": keys["store_id"], "category": keys["cat_id"]}
    ).reset_index(drop=True)
    return replace(plain, series=series, is_dc=np.arange(len(keys)) < len(first))


@dataclass(frozen=True)
class Judged:
    """What one cutoff's months showed.

    Attributes:
        errors: Absolute error of each node's own months, of sums from below, reconciled, and what
            sold; shape (nodes, 4).
        inside: Share of outcomes in the central 80% and 95% intervals and pinball loss over demand,
            by themselves and off paths, of items and of items in stores; shape (2, 2, 3).
        off: Units by which items differ from the sums of their stores, at most: expected months by
            themselves, reconciled, and paths.
        seconds: CPU, forecast and paths.
    """

    errors: Array
    inside: Array
    off: tuple[float, float, float]
    seconds: float


def judge_sites(panel: Panel, known: int) -> Judged:
    """Forecast months after so many known, and compare them with what came."""
    days = panel.units.shape[1] - (months.monthly(panel.units).shape[1] - known) * MONTH_DAYS
    past = panel.until(panel.first_day + pd.Timedelta(days=days - 1))
    alone = months.forecast_months(
        past.units, segment(past, days - 1), months=_AHEAD, levels=LEVELS,
        season_of_group=past.category,
    )  # fmt: skip
    begun = time.process_time()
    sites = coherent.sites_of(past)
    found = coherent_months.coherent_months(sites, past, months=_AHEAD, count=_PATHS.paths)
    drawn = np.empty((len(panel.series), _AHEAD, _PATHS.paths), dtype=np.float32)
    for rows, values in found.series_paths(_PATHS):
        drawn[rows] = values
    spent = time.process_time() - begun
    after = slice(days, days + _AHEAD * MONTH_DAYS)
    came = months.monthly(sites.tree.sums(sites.units(panel)[:, after]))
    below = sites.tree.sums(found.base[sites.tree.nodes(coherent.BOTTOM)])
    errors = [np.abs(one - came).sum(axis=1) for one in (found.base, below, found.mean)]
    joint = np.rint(paths.quantiles_of(drawn, LEVELS))
    inside = _inside(past, came[sites.node], (alone.quantiles, joint))
    off = [_off(panel, one) for one in (found.base[sites.node], found.mean[sites.node], drawn)]
    return Judged(
        np.column_stack([*errors, came.sum(axis=1)]), inside, (off[0], off[1], off[2]), spent
    )


def _inside(past: Panel, came: Array, made: Sequence[Array]) -> Array:
    """Per kind of site and forecast, of what was ever sold: see `Judged.inside`."""
    sold = past.units.any(axis=1)
    result = np.empty((2, len(made), 3))
    for row, kind in enumerate((past.is_dc & sold, ~past.is_dc & sold)):
        for place, one in enumerate(made):
            actual, found = came[kind], one[kind]
            for column, (a, b) in enumerate(((1, 3), (0, 4))):
                inside = (actual >= found[..., a]) & (actual <= found[..., b])
                result[row, place, column] = inside.mean()
            loss = losses.pinball(actual.ravel(), found.reshape(-1, len(LEVELS)), LEVELS)
            result[row, place, 2] = loss.sum() / len(LEVELS) / actual.sum()
    return result


def _off(panel: Panel, values: npt.NDArray[np.floating]) -> float:
    """Largest difference between an item and the sum of its stores."""
    item = pd.factorize(panel.series["item_id"])[0]
    difference = np.zeros((item.max() + 1, *values.shape[1:]))
    sign = np.where(panel.is_dc, 1, -1).reshape(-1, *[1] * (values.ndim - 1))
    np.add.at(difference, item, sign * values)
    return float(np.abs(difference).max())


def sites_section(data: Path) -> list[str]:
    """What adding up does to months of M5."""
    panel = sites_panel(m5_data.load(data))
    judged = [judge_sites(panel, known) for known in _KNOWN]
    tree = coherent.sites_of(panel).tree
    known = ", ".join(map(str, _KNOWN))
    errors = np.sum([one.errors for one in judged], axis=0)
    inside = np.mean([one.inside for one in judged], axis=0)
    off = np.max([one.off for one in judged], axis=0)
    lines = [
        "", "## M5 over all stores and in each: months that add up", "",
        f"Cutoffs after {known} months, {_AHEAD} months ahead, {_PATHS.paths} joint paths of"
        f" {len(panel.series):,} series; {max(one.seconds for one in judged):.1f} CPU seconds for"
        " a forecast with its paths at most. Error over demand: what each node expects by itself,"
        " the sums of items in stores, and reconciled.", "",
        "| level | nodes | by itself | from below | reconciled |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for place, name in enumerate(("total", "category", "item", "item in a store")):
        rows = errors[tree.level == place]
        shown = rows[rows[:, 3] > 0]
        told = shown.sum(axis=0)
        lines.append(
            f"| {name} | {len(shown):,} | "
            + " | ".join(f"{told[k] / told[3]:.4f}" for k in range(3)) + " |"
        )  # fmt: skip
    lines += ["", "| months | 80%, by itself | 80%, paths | 95%, by itself | 95%, paths | loss,"
              " until now | loss, by itself | loss, paths |", "|---" * 8 + "|"]  # fmt: skip
    lines += [
        f"| {name} | {100 * part[0, 0]:.1f} | {100 * part[1, 0]:.1f} | {100 * part[0, 1]:.1f}"
        f" | {100 * part[1, 1]:.1f} | {until_now} | {part[0, 2]:.4f} | {part[1, 2]:.4f} |"
        for name, part, until_now in zip(("item", "item in a store"), inside, _RATIOS, strict=True)
    ]
    return [
        *lines, "",
        f"Items differ from the sums of their stores by up to {off[0]:,.0f} units in a month as"
        f" each is expected by itself, by {off[1]:.0e} reconciled, and by {off[2]:.0f} in any"
        " path. Shares within intervals in %; loss is pinball loss over demand, mean of five"
        " levels. Until now errors were ratios, and quantiles of an item and of its stores knew"
        " nothing of each other. Chosen after 8, 10 and 12 months: roots over ratios, cube roots"
        " and logarithms with an offset; means of samples over levels as what is reconciled; all"
        " past windows over those that began at a level like today's. What falls short: outcomes"
        " of items leave the 95% interval of the paths twice as often as they should. Tails of a"
        " store are those of all series like it, but how stores of one item go together in them is"
        " known from that item's own few past months alone.",
    ]  # fmt: skip


def page(data: Path) -> str:
    lines = [
        "# Months far ahead", "",
        f"`python -m benchmarks.forecasting.months`, one thread, Python"
        f" {platform.python_version()}. Data: M5 competition, research use only. Months of four"
        " weeks; shares of outcomes within the central 80% and 95% intervals, in %; error over"
        " demand of the mean, of last month again, and of the same month a year before.",
    ]  # fmt: skip
    for case in cases(data):
        begun = time.process_time()
        rows = judge(case)
        spent = time.process_time() - begun
        lines += ["", f"## {case.name.capitalize()}", "",
                  f"Cutoffs: {len(case.known)}; {spent:.1f} CPU seconds.", "",
                  "| months ahead | within 80% | within 95% | ours | last month | a year before |",
                  "|---|---|---|---|---|---|",
                  *("| " + " | ".join(row) + " |" for row in rows)]  # fmt: skip
    return "\n".join([*lines, *sites_section(data)]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--data", type=Path, default=m5_data.shared())
    chosen = parser.parse_args()
    text = page(chosen.data)
    print(text)
    chosen.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
