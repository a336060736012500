"""Months far ahead: do their intervals hold, with a season and without?

Run: python -m benchmarks.forecasting.months [--out FILE] [--data DIR]

Months of four weeks. Judged are whole years that the forecast has not seen, from several cutoffs a
year apart where history allows. Peers: last month again, and the same month a year before.
"""

import argparse
import platform
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.forecasting import m5_data
from benchmarks.forecasting.trials import tx3
from workbench.forecasting import months
from workbench.forecasting.patterns import pattern_of
from workbench.forecasting.temporal import MONTH_DAYS

OUT = Path(__file__).parents[1] / "results" / "forecasting_months.md"
Array = npt.NDArray[np.float64]
LEVELS = np.array([0.025, 0.1, 0.5, 0.9, 0.975])


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
    return "\n".join(lines) + "\n"


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
