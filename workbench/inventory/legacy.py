"""The policy that a business has without forecasts, tuned as well as its form allows.

S = μ(R+L) + z·σ·√(R+L) with mean and standard deviation of recent daily demand. Safety factor and
length of the history are chosen per group of series by simulated cost on the days before the
comparison begins, so that the comparison does not owe its result to a poor opponent.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.contracts import columns as c
from workbench.inventory.config import ReplenishmentConfig
from workbench.inventory.costs import cost_components
from workbench.inventory.plan import Period, Plan
from workbench.inventory.policies import base_stock_levels, trailing_statistics
from workbench.inventory.simulate import StartState, simulate

FloatMatrix = NDArray[np.float64]
FACTOR_STEP: Final = 0.25
WARM_UP_CYCLES: Final = 3  # not counted: they show the start state more than the policy
GROUP: Final = "group"
TRAILING_DAYS: Final = "trailing_days"
SERVICE_FACTOR: Final = "service_factor"
COST: Final = "cost"
CHOSEN: Final = "chosen"


@dataclass(frozen=True)
class LegacyPolicy:
    """Trailing days and safety factor of each series."""

    trailing_days: NDArray[np.int64]
    service_factor: NDArray[np.float64]

    def levels(self, plan: Plan, reviews: pd.DatetimeIndex) -> FloatMatrix:
        """Order-up-to level at each review, from demand up to the day before."""
        columns = [plan.demand.column(day) for day in reviews]
        result = np.empty((len(plan.series), len(columns)))
        for length in np.unique(self.trailing_days):
            mine = self.trailing_days == length
            statistics = trailing_statistics(
                plan.demand.units[mine], columns, trailing_days=int(length)
            )
            result[mine] = base_stock_levels(
                statistics, plan.protection_days[mine], self.service_factor[mine]
            )
        return result


def tuning_groups(segments: pd.DataFrame, *, dc: str) -> pd.Series:
    """Segment and kind of site of each series, for example "AX dc" and "AX store"."""
    kind = np.where(segments[c.LOCATION_ID] == dc, " dc", " store")
    return segments[c.SEGMENT] + pd.Series(kind, index=segments.index)


def tune_legacy(
    plan: Plan,
    start: StartState,
    period: Period,
    groups: pd.Series,
    config: ReplenishmentConfig,
) -> pd.DataFrame:
    """Simulated cost of every setting on the tuning period, per group.

    Args:
        plan: The planned series.
        start: State at the start of the tuning period.
        period: Days before the comparison.
        groups: Group of each series, in their order.
        config: Settings tried, seed.

    Returns:
        group, trailing_days, service_factor, cost (after the first cycles), chosen.
    """
    factors = np.arange(0, config.legacy_maximum_factor + FACTOR_STEP / 2, FACTOR_STEP)
    terms = plan.order_terms(period, seed=config.seed, purpose="tuning")
    columns = [plan.demand.column(day) for day in period.reviews]
    demand = period.demand(plan)
    rows = []
    for length in config.legacy_trailing_days:
        statistics = trailing_statistics(plan.demand.units, columns, trailing_days=length)
        for z in factors:
            levels = base_stock_levels(statistics, plan.protection_days, z)
            outcome = simulate(demand, levels, terms, start, review_days=plan.review_days)
            cost = cost_components(outcome, plan.costs).total[:, WARM_UP_CYCLES:].sum(axis=1)
            by_group = pd.Series(cost).groupby(groups.to_numpy()).sum()
            rows.append(
                pd.DataFrame(
                    {
                        GROUP: by_group.index,
                        TRAILING_DAYS: length,
                        SERVICE_FACTOR: z,
                        COST: by_group.to_numpy(),
                    }
                )
            )
    table = pd.concat(rows, ignore_index=True)
    best = table.groupby(GROUP)[COST].idxmin()
    table[CHOSEN] = table.index.isin(best)
    return table.sort_values([GROUP, TRAILING_DAYS, SERVICE_FACTOR], ignore_index=True)


def chosen_policy(tuning: pd.DataFrame, groups: pd.Series) -> LegacyPolicy:
    """The cheapest setting of each series' group."""
    best = tuning[tuning[CHOSEN]].set_index(GROUP)
    return LegacyPolicy(
        groups.map(best[TRAILING_DAYS]).to_numpy(dtype=np.int64),
        groups.map(best[SERVICE_FACTOR]).to_numpy(dtype=np.float64),
    )
