"""Policies side by side on the same days: same demand, lead times, start; only S differs."""

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from workbench.contracts import columns as c
from workbench.contracts import tables
from workbench.errors import ContractError
from workbench.inventory.config import ReplenishmentConfig
from workbench.inventory.costs import CostComponents, cost_components
from workbench.inventory.demand import FloatMatrix
from workbench.inventory.legacy import LegacyPolicy
from workbench.inventory.plan import Period, Plan
from workbench.inventory.simulate import Simulation, StartState, simulate
from workbench.inventory.windows import WindowForecasts, level_of_each

OURS: Final = "ours"
LEGACY: Final = "legacy"
SWEEP: Final = "service_target"  # scenario names: service_target=0.95, legacy_target=0.95
LEGACY_SWEEP: Final = "legacy_target"


def forecast_levels(
    quantiles: FloatMatrix,
    windows: WindowForecasts,
    target: NDArray[np.float64],
    reviews: pd.DatetimeIndex,
) -> FloatMatrix:
    """Order-up-to level at each review from the latest forecast made before that day.

    Args:
        quantiles: Demand of the protection window; series by cutoff by level.
        windows: The forecasts behind them, for cutoffs and levels.
        target: Service target of each series.
        reviews: Review days.

    Raises:
        ContractError: No forecast was made before the first review.
    """
    made = np.searchsorted(windows.cutoffs.to_numpy(), reviews.to_numpy()) - 1
    if len(made) and made[0] < 0:
        raise ContractError(
            f"forecasts: the first cutoff is {windows.cutoffs[0].date()}; expected one before the"
            f" review of {reviews[0].date()}. Start the comparison later."
        )
    by_cutoff: FloatMatrix = level_of_each(quantiles, windows.levels, target)
    return by_cutoff[:, made]


def run_policies(
    plan: Plan,
    levels: dict[str, FloatMatrix],
    start: StartState,
    period: Period,
    *,
    seed: int,
    paths: bool = False,
) -> dict[str, Simulation]:
    """Simulate each policy over the period with the same lead times and start.

    Args:
        plan: The planned series.
        levels: Order-up-to levels by policy, series by review.
        start: State before the first review.
        period: Days simulated.
        seed: Seed of the lead times.
        paths: Keep stock of every day.
    """
    terms = plan.order_terms(period, seed=seed, purpose="comparison")
    demand = period.demand(plan)
    return {
        name: simulate(demand, level, terms, start, review_days=plan.review_days, paths=paths)
        for name, level in levels.items()
    }


def swept_levels(
    plan: Plan,
    quantiles: FloatMatrix,
    windows: WindowForecasts,
    legacy: LegacyPolicy,
    reviews: pd.DatetimeIndex,
    config: ReplenishmentConfig,
) -> dict[str, FloatMatrix]:
    """Levels of both policies when every series has the same service target.

    The legacy's safety factor is then the normal quantile at the target.
    """
    swept: dict[str, FloatMatrix] = {}
    for target in config.swept_targets:
        same = np.full(len(plan.series), target)
        swept[f"{SWEEP}={target:g}"] = forecast_levels(quantiles, windows, same, reviews)
        normal = LegacyPolicy(legacy.trailing_days, norm.ppf(same))
        swept[f"{LEGACY_SWEEP}={target:g}"] = normal.levels(plan, reviews)
    return swept


def cycle_rows(plan: Plan, period: Period, outcomes: dict[str, Simulation]) -> pd.DataFrame:
    """`scenarios` rows, one per policy, series and review cycle."""
    starts = period.reviews
    ends = starts + pd.to_timedelta(period.cycle_days.astype(int) - 1, unit="D")
    parts = []
    for name, outcome in outcomes.items():
        costs = cost_components(outcome, plan.costs)
        part = _rows(plan, outcome, costs, period.cycle_days[None, :])
        part[c.WINDOW_START] = np.tile(starts.to_numpy(), len(plan.series))
        part[c.WINDOW_END] = np.tile(ends.to_numpy(), len(plan.series))
        parts.append(part.assign(**{c.SCENARIO: name}))
    return pd.concat(parts, ignore_index=True)


def period_rows(plan: Plan, period: Period, outcomes: dict[str, Simulation]) -> pd.DataFrame:
    """`scenarios` rows, one per policy and series, for the whole period."""
    parts = []
    for name, outcome in outcomes.items():
        costs = cost_components(outcome, plan.costs)
        part = _rows(plan, _whole(outcome), _whole_costs(costs), np.array([[period.days]]))
        part[c.ORDERS] = (outcome.ordered > 0).sum(axis=1).astype(np.float64)
        part[c.WINDOW_START] = period.first
        part[c.WINDOW_END] = period.last
        parts.append(part.assign(**{c.SCENARIO: name}))
    return pd.concat(parts, ignore_index=True)


def _rows(
    plan: Plan, outcome: Simulation, costs: CostComponents, days: FloatMatrix
) -> pd.DataFrame:
    """The columns that do not name scenario or window, series by series."""
    repeats = outcome.demand.shape[1]
    average = outcome.on_hand_days / days
    unit_cost = plan.costs.unit_cost[:, None]
    values = {
        c.DEMAND: outcome.demand,
        c.SOLD: outcome.sold,
        c.LOST: outcome.lost,
        c.AVERAGE_ON_HAND: average,
        c.AVERAGE_STOCK_VALUE: average * unit_cost,
        c.END_STOCK_VALUE: outcome.position * unit_cost,
        c.ORDERS: (outcome.ordered > 0).astype(np.float64),
        c.HOLDING_COST: costs.holding,
        c.ORDERING_COST: costs.ordering,
        c.STOCKOUT_COST: costs.lost_margin,
        c.TOTAL_COST: costs.total,
    }
    keys = {
        name: np.repeat(plan.series[name].to_numpy(), repeats)
        for name in (c.ITEM_ID, c.LOCATION_ID)
    }
    currency = np.repeat(plan.terms[c.CURRENCY].to_numpy(), repeats)
    flat = {name: matrix.ravel() for name, matrix in values.items()}
    return pd.DataFrame(keys | flat | {c.CURRENCY: currency})


def _whole(outcome: Simulation) -> Simulation:
    def total(matrix: FloatMatrix) -> FloatMatrix:
        summed: FloatMatrix = matrix.sum(axis=1, keepdims=True)
        return summed

    return Simulation(
        total(outcome.demand), total(outcome.lost), total(outcome.on_hand_days),
        total(outcome.ordered), outcome.position[:, -1:], outcome.end_on_hand,
        outcome.end_on_order, outcome.on_hand, outcome.on_order,
    )  # fmt: skip


def _whole_costs(costs: CostComponents) -> CostComponents:
    return CostComponents(
        *(
            part.sum(axis=1, keepdims=True)
            for part in (costs.holding, costs.ordering, costs.lost_margin)
        )
    )


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Totals by scenario: money, fill rate and average stock value.

    Args:
        rows: `scenarios` rows.

    Returns:
        Indexed by scenario: demand, lost, the costs, fill_rate, stock_value (average), orders.
    """
    money = [c.HOLDING_COST, c.ORDERING_COST, c.STOCKOUT_COST, c.TOTAL_COST]
    days = (rows[c.WINDOW_END] - rows[c.WINDOW_START]).dt.days + 1
    weighted = rows.assign(value_days=rows[c.AVERAGE_STOCK_VALUE] * days)
    totals = weighted.groupby(c.SCENARIO, sort=False)[
        [c.DEMAND, c.LOST, c.ORDERS, *money, "value_days"]
    ].sum()
    spans = weighted.groupby(c.SCENARIO, sort=False)
    length = (spans[c.WINDOW_END].max() - spans[c.WINDOW_START].min()).dt.days + 1
    totals["fill_rate"] = 1 - totals[c.LOST] / totals[c.DEMAND]
    totals["stock_value"] = totals.pop("value_days") / length
    return totals


def scenario_columns(rows: pd.DataFrame) -> pd.DataFrame:
    """Only the columns of the contract that a run does not fill itself."""
    wanted = [name for name in tables.SCENARIOS.names if name != c.RUN_ID]
    return rows[wanted]


def largest_difference(rows: pd.DataFrame, series: pd.DataFrame) -> int:
    """Place in `series` of the one whose total cost differs most between ours and legacy.

    Args:
        rows: `scenarios` rows of both.
        series: item_id, location_id.
    """
    keys = [c.ITEM_ID, c.LOCATION_ID]
    cost = rows.pivot_table(index=keys, columns=c.SCENARIO, values=c.TOTAL_COST, aggfunc="sum")
    order = pd.MultiIndex.from_frame(series[keys])
    return int((cost[OURS] - cost[LEGACY]).abs().reindex(order).to_numpy().argmax())
