"""Replenishment policies: levels and order quantities."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import ContractError

FloatMatrix = NDArray[np.float64]
FloatVector = NDArray[np.float64]


@dataclass(frozen=True)
class TrailingStatistics:
    """Mean and standard deviation of daily demand in the days before each review.

    Both are series by review, in base units per day.
    """

    mean: FloatMatrix
    sd: FloatMatrix


def trailing_statistics(
    demand: FloatMatrix, reviews: Sequence[int], *, trailing_days: int
) -> TrailingStatistics:
    """Statistics over the `trailing_days` days that end the day before each review.

    Near the start of the record the days that there are count. The standard deviation has the
    divisor n-1 and is zero where fewer than two days are known.

    Args:
        demand: Base units, series by day.
        reviews: Column of each review day.
        trailing_days: Length of the history.
    """
    sums = np.concatenate([np.zeros((len(demand), 1)), np.cumsum(demand, axis=1)], axis=1)
    squares = np.concatenate([np.zeros((len(demand), 1)), np.cumsum(demand**2, axis=1)], axis=1)
    end = np.asarray(reviews, dtype=np.int64)
    begin = np.maximum(0, end - trailing_days)
    days = end - begin
    mean = (sums[:, end] - sums[:, begin]) / np.maximum(days, 1)
    spread = squares[:, end] - squares[:, begin] - days * mean**2
    variance = np.maximum(spread, 0) / np.maximum(days - 1, 1)
    return TrailingStatistics(mean, np.sqrt(np.where(days > 1, variance, 0.0)))


def base_stock_levels(
    statistics: TrailingStatistics, protection_days: ArrayLike, service_factor: ArrayLike
) -> FloatMatrix:
    """Textbook order-up-to level S = μ(R+L) + z·σ·√(R+L).

    Source: Silver, Pyke and Peterson, Inventory Management and Production Planning and
    Scheduling, section 7.9, the (R, S) system.

    Args:
        statistics: Mean μ and standard deviation σ of daily demand, series by review.
        protection_days: R+L of each series, or one for all.
        service_factor: z of each series, or one for all.
    """
    days = np.asarray(protection_days, dtype=np.float64).reshape(-1, 1)
    z = np.asarray(service_factor, dtype=np.float64).reshape(-1, 1)
    return statistics.mean * days + z * statistics.sd * np.sqrt(days)


def order_quantity(
    gap: ArrayLike,
    *,
    batch: ArrayLike = 0.0,
    minimum_order_quantity: ArrayLike,
    order_multiple: ArrayLike,
) -> FloatVector:
    """Order that raises the position by `gap` + `batch` at least; none where there is no gap.

    Args:
        gap: Level s less inventory position, base units.
        batch: Base units by which an order exceeds the level (Q).
        minimum_order_quantity: Smallest order; rounded up to a multiple itself.
        order_multiple: Orders are whole multiples of it.

    Raises:
        ContractError: An order multiple is not positive.
    """
    need, extra, least, multiple = np.broadcast_arrays(
        np.asarray(gap, dtype=np.float64), batch, minimum_order_quantity, order_multiple
    )
    if multiple.size and not multiple.min() > 0:
        raise ContractError(
            f"order_multiple is {multiple.min():g}; expected more than zero."
            " Use 1 where any quantity may be ordered."
        )
    wanted = np.maximum(need + extra, least)
    return np.where(need > 1e-9, np.ceil(wanted / multiple - 1e-9) * multiple, 0.0)


def economic_order_quantity(
    demand_per_day: ArrayLike, *, order_cost: float, holding_cost_per_day: ArrayLike
) -> FloatVector:
    """Batch that balances ordering against holding, √(2·K·λ/h); zero where nothing is sold.

    Source: Snyder and Shen, Fundamentals of Supply Chain Theory, 2nd edition, section 3.2.

    Args:
        demand_per_day: Base units (λ).
        order_cost: Per order (K).
        holding_cost_per_day: Per base unit (h); where it is zero, so is the batch.
    """
    demand, holding = np.broadcast_arrays(
        np.asarray(demand_per_day, dtype=np.float64), holding_cost_per_day
    )
    square = np.divide(
        2 * order_cost * demand, holding, out=np.zeros(demand.shape), where=holding > 0
    )
    batch: FloatVector = np.sqrt(square)
    return batch
