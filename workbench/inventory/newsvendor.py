"""Newsvendor: how much to have for one uncertain period.

`holding_cost` (h, overage) is paid per unit left over, `stockout_cost` (p, underage) per unit
short, both per period, in any one currency. Demand is that of the period itself: add a lead time by
passing the demand of the whole window. Source: Snyder and Shen, Fundamentals of Supply Chain
Theory, 2nd edition, section 4.3.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from workbench.errors import ContractError

FloatVector = NDArray[np.float64]


def critical_ratio(*, holding_cost: ArrayLike, stockout_cost: ArrayLike) -> FloatVector:
    """Probability of no stockout that minimises expected cost, p/(h+p).

    Raises:
        ContractError: A cost is not positive.
    """
    h = _positive("holding_cost", holding_cost)
    p = _positive("stockout_cost", stockout_cost)
    ratio: FloatVector = p / (h + p)
    return ratio


def newsvendor_normal(
    mean: float, sd: float, *, holding_cost: float, stockout_cost: float
) -> float:
    """Order quantity for normal demand, μ + z·σ with z at the critical ratio.

    Args:
        mean: Mean demand of the period, units (μ).
        sd: Standard deviation, units (σ).
        holding_cost: Per unit left over (h).
        stockout_cost: Per unit short (p).

    Raises:
        ContractError: A cost or the standard deviation is not positive.
    """
    _positive("sd", sd)
    ratio = critical_ratio(holding_cost=holding_cost, stockout_cost=stockout_cost)
    return float(mean + norm.ppf(ratio) * sd)


def newsvendor_normal_cost(
    quantity: float, mean: float, sd: float, *, holding_cost: float, stockout_cost: float
) -> float:
    """Expected cost h·E[(S-D)+] + p·E[(D-S)+] of having `quantity` (S) for normal demand."""
    short = sd * standard_normal_loss((quantity - mean) / sd)
    left = quantity - mean + short
    return float(holding_cost * left + stockout_cost * short)


def standard_normal_loss(z: float) -> float:
    """E[(Z-z)+] of a standard normal Z: expected shortage in standard deviations."""
    return float(norm.pdf(z) - z * norm.sf(z))


def newsvendor_discrete(
    values: ArrayLike, probabilities: ArrayLike, *, holding_cost: float, stockout_cost: float
) -> tuple[float, float]:
    """Smallest value whose distribution function reaches the critical ratio, and its cost.

    Args:
        values: Possible demands, units.
        probabilities: Their probabilities; they sum to one.
        holding_cost: Per unit left over (h).
        stockout_cost: Per unit short (p).

    Returns:
        Order quantity S and expected cost of the period.

    Raises:
        ContractError: Lengths differ, or probabilities are negative or do not sum to one.
    """
    demand = np.asarray(values, dtype=np.float64)
    weight = np.asarray(probabilities, dtype=np.float64)
    if demand.shape != weight.shape or demand.ndim != 1 or not len(demand):
        raise ContractError(
            f"newsvendor: {demand.shape} values and {weight.shape} probabilities; expected two"
            " vectors of one length. Give each value its probability."
        )
    if weight.min() < 0 or not np.isclose(weight.sum(), 1.0, atol=1e-6):
        raise ContractError(
            f"newsvendor: probabilities sum to {weight.sum():g}, the smallest is"
            f" {weight.min():g}; expected non-negative ones that sum to 1. Normalise them."
        )
    ratio = float(critical_ratio(holding_cost=holding_cost, stockout_cost=stockout_cost))
    order = np.argsort(demand)
    reached = np.searchsorted(np.cumsum(weight[order]), ratio - 1e-12)
    quantity = float(demand[order][min(int(reached), len(demand) - 1)])
    left = float(weight @ np.maximum(quantity - demand, 0))
    short = float(weight @ np.maximum(demand - quantity, 0))
    return quantity, holding_cost * left + stockout_cost * short


def newsvendor_empirical(
    sample: ArrayLike, *, holding_cost: float, stockout_cost: float
) -> tuple[float, float]:
    """As `newsvendor_discrete`, each observed demand being equally likely."""
    demand = np.asarray(sample, dtype=np.float64)
    weight = np.full(len(demand), 1 / max(len(demand), 1))
    return newsvendor_discrete(
        demand, weight, holding_cost=holding_cost, stockout_cost=stockout_cost
    )


def _positive(name: str, value: ArrayLike) -> FloatVector:
    numbers = np.asarray(value, dtype=np.float64)
    if numbers.size and not numbers.min() > 0:
        raise ContractError(
            f"{name} is {numbers.min():g}; expected more than zero."
            " Leave out what costs nothing to be short of or to keep."
        )
    return numbers
