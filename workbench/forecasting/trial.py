"""Families side by side on past cutoffs: the same histories, windows and series for all.

Each is fitted on what was known at the first cutoff and forecasts from every cutoff with what was
known then; what that cost is measured. Nothing after a cutoff reaches a family: it is given a
history that ends there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.forecasting.calibrated import setting_of, stacked
from workbench.forecasting.families import Judged, Stack
from workbench.forecasting.panel import Panel
from workbench.forecasting.partitions import ask
from workbench.forecasting.protocol import Cost, Family, Fitted, Task, checked, known_by, measured
from workbench.forecasting.scores import score_table

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Trial:
    """What families forecast, what occurred, and the cost.

    Attributes:
        case: Outcomes, one row per cutoff, window and series.
        judged: Forecasts of each family in that order.
        cost: Of fitting and of all forecasts, per family.
        fitted: The families as fitted at the first cutoff.
    """

    case: Stack
    judged: dict[str, Judged]
    cost: dict[str, Cost]
    fitted: dict[str, Fitted]

    def scores(self, panel: Panel, task: Task) -> pd.DataFrame:
        """`scores.score_table` with the cost; seasonal naive must be among them."""
        table = score_table(setting_of(panel, task), self.case, self.judged)
        return table.merge(cost_table(self.cost), on="model")


def cost_table(cost: Mapping[str, Cost]) -> pd.DataFrame:
    """What families took: model, cpu_seconds, peak_mib (memory above what was held before)."""
    rows = [(name, one.cpu_seconds, one.peak_mib) for name, one in cost.items()]
    return pd.DataFrame(rows, columns=["model", "cpu_seconds", "peak_mib"])


def try_families(
    panel: Panel, families: Mapping[str, Family], cutoffs: Sequence[int], task: Task
) -> Trial:
    """Fit families at the first cutoff and judge them at all.

    Args:
        panel: With demand after the cutoffs.
        families: By name.
        cutoffs: Columns, ascending; every window of each has ended.
        task: What is asked.

    Raises:
        ContractError: A family's forecasts break the protocol, or the history is too short.
    """
    setting, history = setting_of(panel, task), known_by(panel, cutoffs[0])
    judged, cost, fitted, case = {}, {}, {}, None
    for name, family in families.items():
        fitted[name], fitting = measured(partial(family.fit, history, task))
        checked(ask(fitted[name], "forecast", history), history, task, family=name)
        found, forecasting = measured(partial(stacked, setting, cutoffs, fitted[name]))
        case, quantiles = found
        cost[name] = fitting + forecasting
        judged[name] = Judged(case.mean, quantiles, np.full(len(quantiles), np.nan))
    if case is None:
        raise ValueError("no families to try")
    return Trial(case, judged, cost, fitted)
