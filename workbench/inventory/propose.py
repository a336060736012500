"""Replenishment proposals of one review, and the policies behind them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.contracts import columns as c
from workbench.contracts import tables
from workbench.contracts.printable import compared
from workbench.inventory.demand import SERIES
from workbench.inventory.plan import Plan
from workbench.inventory.policies import order_quantity
from workbench.inventory.windows import (
    at_level,
    expected_demand,
    expected_shortage,
    level_of_each,
)

FloatMatrix = NDArray[np.float64]
FloatVector = NDArray[np.float64]
KIND: Final = "replenishment"
INTERVAL_LEVEL: Final = 0.8
RULE: Final = "order_up_to_forecast_quantile"


@dataclass(frozen=True)
class Outlook:
    """What is known about each series on the evening before the review.

    Attributes:
        review_day: The day of the review; the forecast was made the day before.
        quantiles: Demand of the protection window R+L from the review day; series by level.
        levels: Levels of the quantiles, ascending.
        target: Service target of each series.
        on_hand, on_order: Stock of each series, base units.
        legacy_level: Level s of the legacy policy on the same day.
    """

    review_day: pd.Timestamp
    quantiles: FloatMatrix
    levels: FloatVector
    target: FloatVector
    on_hand: FloatVector
    on_order: FloatVector
    legacy_level: FloatVector

    @property
    def position(self) -> FloatVector:
        return self.on_hand + self.on_order

    @property
    def reorder_level(self) -> FloatVector:
        """Demand of the window at the service target (s)."""
        level: FloatVector = level_of_each(self.quantiles, self.levels, self.target)
        return level


def propose(plan: Plan, outlook: Outlook, items: pd.DataFrame) -> pd.DataFrame:
    """One proposal per series, also where the best order is none.

    `interval_low` and `interval_high` are the 10% and 90% quantiles of demand in the window until
    the next order can arrive, as the first reason cites them. `money_at_stake` is the
    expected cost that the proposal avoids until the next order can arrive, compared with ordering
    nothing this time or with the legacy's order, whichever is dearer.

    Args:
        plan: The planned series.
        outlook: Forecast and stock on the day.
        items: The `items` table, for the unit of measure.

    Returns:
        The `proposals` table without proposal_id and run_id; `reasons` are lists of sentences.
    """
    ordered = _order(plan, outlook, outlook.reorder_level)
    legacy = _order(plan, outlook, outlook.legacy_level)
    low, high = np.moveaxis(_interval(outlook), 1, 0)
    stake = _money_at_stake(plan, outlook, ordered, legacy)
    due = outlook.review_day + pd.to_timedelta(plan.lead_days, unit="D")
    at_store = plan.terms[c.SUPPLIER_ID].isin(plan.series[c.LOCATION_ID])
    values: dict[str, Any] = {
        c.KIND: KIND,
        c.ITEM_ID: plan.series[c.ITEM_ID],
        c.LOCATION_ID: plan.series[c.LOCATION_ID],
        c.SUPPLIER_ID: plan.terms[c.SUPPLIER_ID],
        c.FROM_LOCATION_ID: plan.terms[c.SUPPLIER_ID].where(at_store, tables.ANY),
        c.VALID_FROM: outlook.review_day,
        c.VALID_TO: outlook.review_day + pd.Timedelta(plan.review_days, unit="D"),
        c.ORDER_DATE: outlook.review_day,
        c.DUE_DATE: due,
        c.UNIT: plan.series[c.ITEM_ID].map(items.set_index(c.ITEM_ID)[c.BASE_UOM]),
        c.UNIT_COST: plan.costs.unit_cost,
        c.CURRENCY: plan.terms[c.CURRENCY],
        c.BEFORE: legacy,
        c.PROPOSED: ordered,
        c.INTERVAL_LOW: np.round(low, 4),
        c.INTERVAL_HIGH: np.round(high, 4),
        c.INTERVAL_LEVEL: INTERVAL_LEVEL,
        c.MONEY_AT_STAKE: np.round(stake, 4),
        c.REASONS: _reasons(plan, outlook, ordered, legacy, stake),
    }
    return pd.DataFrame(values)


def with_drivers(proposals: pd.DataFrame, drivers: pd.DataFrame) -> pd.DataFrame:
    """Proposals whose first reason also names what moves the demand most.

    Args:
        proposals: Rows of `propose`.
        drivers: item_id, location_id, reasons: sentences of the forecast's explanation.
    """
    keys = [c.ITEM_ID, c.LOCATION_ID]
    known = drivers.set_index(keys)[c.REASONS].to_dict()
    named = [
        [f"{reasons[0]} Moved most by {'; '.join(known[key])}.", *reasons[1:]]
        if (key := (item, location)) in known
        else reasons
        for item, location, reasons in proposals[[*keys, c.REASONS]].itertuples(index=False)
    ]
    result = proposals.copy()
    result[c.REASONS] = pd.Series(named, index=proposals.index, dtype=object)
    return result


def policy_rows(plan: Plan, outlook: Outlook) -> pd.DataFrame:
    """The `policies` table without run_id.

    Expected cost is per review period, expected fill rate that of a cycle in which the position
    falls to s; both are the textbook's approximations (Silver, Pyke and Peterson, chapter 7).
    """
    level = outlook.reorder_level
    batch = plan.batch(outlook.review_day)
    window = expected_demand(outlook.quantiles, outlook.levels)
    short = expected_shortage(outlook.quantiles, outlook.levels, level)
    rate = window / plan.protection_days
    cycle = np.maximum(
        np.divide(batch, rate, out=np.zeros_like(batch), where=rate > 0), plan.review_days
    )
    stock = np.maximum(level - window, 0.0) + np.maximum(batch, rate * plan.review_days) / 2
    cost = plan.review_days * (
        plan.costs.holding_per_day * stock
        + (plan.costs.order_line_cost * (rate > 0) + plan.costs.unit_margin * short) / cycle
    )
    parameters = [
        json.dumps(
            {
                "service_target": round(float(target), 4),
                "protection_days": int(days),
                "review_days": plan.review_days,
                "batch": round(float(units), 2),
            },
            sort_keys=True,
        )
        for target, days, units in zip(outlook.target, plan.protection_days, batch, strict=True)
    ]
    demand = rate * cycle
    missed = np.divide(short, demand, out=np.zeros_like(short), where=demand > 0)
    values: dict[str, Any] = {
        c.RULE: RULE,
        c.PARAMETERS: parameters,
        c.REORDER_POINT: level,
        c.ORDER_UP_TO_LEVEL: level + batch,
        c.SAFETY_STOCK: level - window,
        c.EXPECTED_COST: cost,
        c.EXPECTED_FILL_RATE: 1 - np.minimum(missed, 1.0),
        c.CURRENCY: plan.terms[c.CURRENCY],
    }
    return plan.series[SERIES].assign(**values)


def _order(plan: Plan, outlook: Outlook, level: FloatVector) -> FloatVector:
    return order_quantity(
        level - outlook.position,
        batch=plan.batch(outlook.review_day),
        minimum_order_quantity=plan.terms[c.MINIMUM_ORDER_QUANTITY].to_numpy(dtype=np.float64),
        order_multiple=plan.terms[c.ORDER_MULTIPLE].to_numpy(dtype=np.float64),
    )


def _interval(outlook: Outlook) -> FloatMatrix:
    """Demand of the window at both ends of the central interval, series by end."""
    tail = (1 - INTERVAL_LEVEL) / 2
    return at_level(outlook.quantiles, outlook.levels, np.array([tail, 1 - tail]))


def _money_at_stake(
    plan: Plan, outlook: Outlook, ordered: FloatVector, legacy: FloatVector
) -> FloatVector:
    """Expected cost of the worse of nothing and the legacy's order, less that of the proposal."""
    nothing, before, proposed = (
        _expected_cost(plan, outlook, quantity)
        for quantity in (np.zeros_like(ordered), legacy, ordered)
    )
    return np.maximum(np.maximum(nothing, before) - proposed, 0.0)


def _expected_cost(plan: Plan, outlook: Outlook, quantity: FloatVector) -> FloatVector:
    """Lost margin in the protection window and a review period's holding of what is left."""
    available = outlook.position + quantity
    short = expected_shortage(outlook.quantiles, outlook.levels, available)
    left = available - expected_demand(outlook.quantiles, outlook.levels) + short
    holding = plan.costs.holding_per_day * plan.review_days * left
    cost: FloatVector = plan.costs.unit_margin * short + holding
    return cost


def _reasons(
    plan: Plan, outlook: Outlook, ordered: FloatVector, legacy: FloatVector, stake: FloatVector
) -> list[list[str]]:
    """Three sentences per series: demand, stock against the level, how the order follows."""
    interval = _interval(outlook)
    columns = zip(
        plan.protection_days.astype(int), expected_demand(outlook.quantiles, outlook.levels),
        interval[:, 0], interval[:, 1], outlook.on_hand, outlook.on_order, outlook.reorder_level,
        outlook.target, ordered, legacy, stake, plan.terms[c.CURRENCY],
        plan.terms[c.ORDER_MULTIPLE], plan.terms[c.MINIMUM_ORDER_QUANTITY],
        plan.batch(outlook.review_day), strict=True,
    )  # fmt: skip
    last = [
        (outlook.review_day + pd.Timedelta(int(days) - 1, unit="D")).date().isoformat()
        for days in plan.protection_days
    ]
    return [_sentences(day, row) for day, row in zip(last, columns, strict=True)]


def _sentences(last_day: str, facts: tuple[Any, ...]) -> list[str]:
    (
        days, mean, low, high, on_hand, on_order, level, target, ordered, legacy, stake, money,
        multiple, least, batch,
    ) = facts  # fmt: skip
    up_to = level + batch
    demand = (
        f"Expected demand over the {days} days to {last_day}: {mean:,.1f} units,"
        f" {low:,.0f} to {high:,.0f} in 80% of outcomes."
    )
    against = "below" if on_hand + on_order < level else "not below"
    stock = (
        f"Stock on hand {_amount(on_hand)} and on order {_amount(on_order)} are {against} the"
        f" level of {_amount(level)} that covers {target:.1%} of outcomes; orders go up to"
        f" {_amount(up_to)}, an economic batch of {_amount(batch)} more."
    )
    if ordered > 0:
        act = (
            f"Order {_amount(ordered)} (level {_amount(up_to)} − on hand {_amount(on_hand)}"
            f" − on order {_amount(on_order)} = {_amount(up_to - on_hand - on_order)}, at least"
            f" {_amount(least)}, in multiples of {_amount(multiple)})"
        )
    else:
        act = "Order nothing now"
    worth = f"{act}; the legacy policy orders {_amount(legacy)}."
    if stake >= 0.005:
        worth = (
            f"{worth[:-1]}, and the dearer of that and waiting is expected to cost"
            f" {money} {stake:,.2f} more."
        )
    return [demand, stock, worth]


def _amount(value: float) -> str:
    """A quantity to the hundredth, without decimals that are zero."""
    text = f"{value:,.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def headline(
    proposals: pd.DataFrame, total_cost: pd.Series, *, money: Callable[[float, str], str]
) -> str:
    """One sentence: what both policies cost in simulation, and what is proposed now.

    Args:
        proposals: Rows of `propose`.
        total_cost: Cost in the comparison of `ours` and `legacy`.
        money: Writes an amount in a currency for people.
    """
    change = float(total_cost["ours"] / total_cost["legacy"] - 1)
    orders = int((proposals[c.PROPOSED] > 0).sum())
    stake = float(proposals[c.MONEY_AT_STAKE].sum())
    return (
        f"Simulated: ours costs {compared(change, decimals=1)} than the tuned legacy;"
        f" {orders:,} orders proposed for {len(proposals):,} series,"
        f" {money(stake, str(proposals[c.CURRENCY].iloc[0]))} at stake"
    )
