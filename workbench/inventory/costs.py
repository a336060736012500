"""What stock, orders and lost sales cost."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workbench.inventory.newsvendor import critical_ratio
from workbench.inventory.simulate import Simulation

FloatMatrix = NDArray[np.float64]
FloatVector = NDArray[np.float64]
DAYS_PER_YEAR: Final = 365
SMALLEST_MARGIN_SHARE: Final = 0.01  # of unit cost: a loss leader is still worth having in stock
NOTHING: Final = 1e-12  # stands for zero where a ratio of two costs is taken


@dataclass(frozen=True)
class Costs:
    """Terms of cost, one value per series, in the workspace's currency.

    Attributes:
        unit_cost: Per base unit.
        unit_margin: Lost with each base unit that is not in stock: price less unit cost.
        annual_holding_rate: Cost of holding one unit of money in stock for a year.
        order_line_cost: Per order line.
    """

    unit_cost: FloatVector
    unit_margin: FloatVector
    annual_holding_rate: float
    order_line_cost: float

    @property
    def holding_per_day(self) -> FloatVector:
        """Per base unit in stock at the end of a day."""
        daily: FloatVector = self.annual_holding_rate * self.unit_cost / DAYS_PER_YEAR
        return daily


@dataclass(frozen=True)
class CostComponents:
    """Money per series and cycle."""

    holding: FloatMatrix
    ordering: FloatMatrix
    lost_margin: FloatMatrix

    @property
    def total(self) -> FloatMatrix:
        return self.holding + self.ordering + self.lost_margin


def cost_components(simulation: Simulation, costs: Costs) -> CostComponents:
    """Price the outcome of a simulation."""
    return CostComponents(
        holding=simulation.on_hand_days * costs.holding_per_day[:, None],
        ordering=np.where(simulation.ordered > 0, costs.order_line_cost, 0.0),
        lost_margin=simulation.lost * costs.unit_margin[:, None],
    )


def service_target(costs: Costs, *, cycle_days: FloatVector) -> FloatVector:
    """Probability of no stockout in a protection window that balances the costs of each series.

    m/(m + h·T): m is the margin lost per unit short, h·T the cost of holding a unit from one order
    to the next. Source: Silver, Pyke and Peterson, chapter 7, the rule for a charge per unit short
    with lost sales, Q·h/(λ·m + Q·h) for the probability of a stockout; T = Q/λ.

    Args:
        costs: Cost terms.
        cycle_days: Expected days between two orders of each series (T), at least the review period.
    """
    margin = np.maximum(costs.unit_margin, SMALLEST_MARGIN_SHARE * costs.unit_cost)
    holding = costs.holding_per_day * cycle_days
    return critical_ratio(
        holding_cost=np.maximum(holding, NOTHING), stockout_cost=np.maximum(margin, NOTHING)
    )
