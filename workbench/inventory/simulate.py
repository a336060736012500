"""Simulation of periodic-review policies with lost sales and random lead times.

Order of events within a day: review and order (on review days) → receive → demand. An order placed
on day t with lead time L serves demand from day t+L on; the next order serves from t+R+L on. So
the order of day t must cover the R+L days t … t+R+L-1, the protection window.

On a review day, an inventory position (on hand + on order) below the level s is raised to s + Q or
above by an order in whole multiples: (R, s, S) with S = s + Q. With a batch Q of zero it is the
base-stock policy (R, S).

Entry of the inventory capability: `simulate`.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import ContractError

FloatMatrix = NDArray[np.float64]
FloatVector = NDArray[np.float64]
IntMatrix = NDArray[np.int64]


@dataclass(frozen=True)
class Terms:
    """How each series may be ordered.

    Attributes:
        minimum_order_quantity: Smallest order, base units, one per series.
        order_multiple: Orders are whole multiples of it, one per series.
        lead_days: Days from order to receipt, series by review (L).
        batch: Base units by which an order exceeds the level, one per series (Q).
    """

    minimum_order_quantity: FloatVector
    order_multiple: FloatVector
    lead_days: IntMatrix
    batch: FloatVector


@dataclass(frozen=True)
class StartState:
    """Stock at the start of the first day, before its review.

    Attributes:
        on_hand: Base units, one per series.
        arrivals: Base units on the way, series by day of arrival counted from the first day.
    """

    on_hand: FloatVector
    arrivals: FloatMatrix


@dataclass(frozen=True)
class Simulation:
    """Outcome; cycles are the periods from one review to the next.

    Attributes:
        demand, lost: Base units per series and cycle.
        on_hand_days: Stock at the end of each day, summed over the days of the cycle.
        ordered: Base units ordered at each review.
        position: On hand and on order at the end of the cycle.
        end_on_hand, end_on_order: Base units at the end of the last day.
        on_hand, on_order: Base units at the end of each day; no columns unless asked for.
    """

    demand: FloatMatrix
    lost: FloatMatrix
    on_hand_days: FloatMatrix
    ordered: FloatMatrix
    position: FloatMatrix
    end_on_hand: FloatVector
    end_on_order: FloatVector
    on_hand: FloatMatrix
    on_order: FloatMatrix

    @property
    def sold(self) -> FloatMatrix:
        return self.demand - self.lost


def empty_start(series: int) -> StartState:
    """No stock and nothing on the way."""
    return StartState(np.zeros(series), np.zeros((series, 0)))


def simulate(
    demand: FloatMatrix,
    levels: FloatMatrix,
    terms: Terms,
    start: StartState,
    *,
    review_days: int,
    paths: bool = False,
) -> Simulation:
    """Run the policy over given demand.

    Args:
        demand: Base units, series by day; day 0 is a review day.
        levels: Level s at each review, series by review.
        terms: Minimum order, multiple, lead time and batch of each series.
        start: State before the first review.
        review_days: Days between reviews (R).
        paths: Keep stock on hand and on order of every day.

    Raises:
        ContractError: Shapes do not agree, or a value is negative where it cannot be.
    """
    series, days = demand.shape
    reviews = -(-days // review_days)
    _check(levels, terms, start, series=series, reviews=reviews)
    _check_signs(demand, terms, start)
    horizon = days + max(1, int(terms.lead_days.max(initial=0)))
    arrivals = np.zeros((series, max(horizon, start.arrivals.shape[1]) + 1))
    arrivals[:, : start.arrivals.shape[1]] = start.arrivals
    kept = np.zeros((2, series, days if paths else 0))
    cycles = np.zeros((5, series, reviews))
    on_hand, on_order = start.on_hand.astype(np.float64).copy(), arrivals.sum(axis=1)
    _kernel()(
        np.ascontiguousarray(demand, dtype=np.float64),
        np.ascontiguousarray(levels, dtype=np.float64),
        terms.minimum_order_quantity.astype(np.float64),
        terms.order_multiple.astype(np.float64),
        terms.batch.astype(np.float64),
        np.ascontiguousarray(terms.lead_days, dtype=np.int64),
        review_days, arrivals, on_hand, on_order, cycles, kept,
    )  # fmt: skip
    demanded, lost, on_hand_days, ordered, position = cycles
    return Simulation(
        demanded, lost, on_hand_days, ordered, position, on_hand, on_order, kept[0], kept[1]
    )


def _check(
    levels: FloatMatrix, terms: Terms, start: StartState, *, series: int, reviews: int
) -> None:
    expected = {
        "levels": (levels.shape, (series, reviews)),
        "lead_days": (terms.lead_days.shape, (series, reviews)),
        "minimum_order_quantity": (terms.minimum_order_quantity.shape, (series,)),
        "order_multiple": (terms.order_multiple.shape, (series,)),
        "batch": (terms.batch.shape, (series,)),
        "start.on_hand": (start.on_hand.shape, (series,)),
        "start.arrivals": (start.arrivals.shape[:1], (series,)),
    }
    for name, (found, wanted) in expected.items():
        if found != wanted:
            raise ContractError(
                f"simulate: {name} has shape {found}; expected {wanted} from the demand matrix."
                " Align both to the same series and reviews."
            )


def _check_signs(demand: FloatMatrix, terms: Terms, start: StartState) -> None:
    values = {
        "demand": demand, "minimum_order_quantity": terms.minimum_order_quantity,
        "lead_days": terms.lead_days, "start.on_hand": start.on_hand,
        "start.arrivals": start.arrivals, "batch": terms.batch,
    }  # fmt: skip
    for name, value in values.items():
        if value.size and not value.min() >= 0:
            raise ContractError(
                f"simulate: {name} has values down to {value.min():g}; expected none below zero."
                " Clean it before simulating."
            )
    if terms.order_multiple.size and not terms.order_multiple.min() > 0:
        raise ContractError(
            f"simulate: order_multiple is {terms.order_multiple.min():g}; expected more than zero."
            " Use 1 where any quantity may be ordered."
        )


@lru_cache(maxsize=1)
def _kernel() -> Any:
    """The compiled loop; compiled in memory at first use, about a second."""
    import numba

    return numba.njit(_days)


def _days(
    demand: FloatMatrix, levels: FloatMatrix, minimum: FloatVector, multiple: FloatVector,
    batch: FloatVector, leads: IntMatrix, review_days: int, arrivals: FloatMatrix,
    on_hand: FloatVector, on_order: FloatVector, cycles: FloatMatrix, kept: FloatMatrix,
) -> None:  # fmt: skip
    """Walk through the days of every series; fills the last five arguments in place."""
    series, days = demand.shape
    keep = kept.shape[2] > 0
    for i in range(series):
        stock, coming = on_hand[i], on_order[i]
        for t in range(days):
            k = t // review_days
            if t % review_days == 0:
                gap = levels[i, k] - stock - coming
                if gap > 1e-9:
                    order = np.ceil((gap + batch[i]) / multiple[i] - 1e-9) * multiple[i]
                    if order < minimum[i]:
                        order = np.ceil(minimum[i] / multiple[i] - 1e-9) * multiple[i]
                    arrivals[i, t + leads[i, k]] += order
                    coming += order
                    cycles[3, i, k] = order
            stock += arrivals[i, t]
            coming -= arrivals[i, t]
            sold = min(demand[i, t], stock)
            stock -= sold
            cycles[0, i, k] += demand[i, t]
            cycles[1, i, k] += demand[i, t] - sold
            cycles[2, i, k] += stock
            cycles[4, i, k] = stock + coming
            if keep:
                kept[0, i, t] = stock
                kept[1, i, t] = coming
        on_hand[i] = stock
        on_order[i] = coming
