"""Croston's method and its descendants: demand rate of items that sell now and then.

All work on a matrix of series at once, shape (series, periods), and give the rate expected at the
end of each cutoff. A NaN is a period nobody observed; it changes nothing. `distribution.py` turns
rates into distributions of counts.

In the textbooks' form a smoothed value starts at the first one, which keeps (1 - alpha)^n of the
weight after n more: half of it after 35 blocks of demand at alpha 0.02. `discounted` shares the
weights among what is known, w_k proportional to (1 - alpha)^k for the k-th latest, so that a rate
is no staler from a short history than from a long one and errors at past cutoffs tell of the next.

Source of the latter: Brown 1963, "Smoothing, forecasting and prediction of discrete time series",
discounted least squares; its limit for long histories is the textbooks' form.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from workbench.forecasting.intermittent_kernels import (
    aggregate_loop,
    compiled,
    croston_loop,
    tsb_loop,
)

Array = npt.NDArray[np.float64]
ALPHA = 0.1


class RatesAt(Protocol):
    """Rates after each cutoff by one method."""

    def __call__(
        self, units: Array, cutoffs: Sequence[int], *, alpha: float = ..., discounted: bool = ...
    ) -> Array: ...


def croston_rates(
    units: Array, cutoffs: Sequence[int], *, alpha: float = ALPHA, discounted: bool = False
) -> Array:
    """Croston 1972, "Forecasting and stock control for intermittent demands", ORQ 23.

    Size and interval are smoothed at periods with demand only; both start at their first values
    unless discounted.

    Args:
        units: Demand, NaN where it was not observed, shape (series, periods).
        cutoffs: Columns of the last known period, ascending.
        alpha: Smoothing constant of size and interval.
        discounted: Weigh the first values as the others, by their age.

    Returns:
        Units per period, shape (series, cutoffs); zero before the first demand.
    """
    return _run(croston_loop, units, cutoffs, alpha, discounted)


def sba_rates(
    units: Array, cutoffs: Sequence[int], *, alpha: float = ALPHA, discounted: bool = False
) -> Array:
    """Syntetos and Boylan 2005, "The accuracy of intermittent demand estimates", IJF 21.

    Croston's rate without its bias: times 1 - alpha / 2.
    """
    rates = croston_rates(units, cutoffs, alpha=alpha, discounted=discounted)
    return np.asarray((1 - alpha / 2) * rates)


def tsb_rates(
    units: Array,
    cutoffs: Sequence[int],
    *,
    alpha: float = ALPHA,
    beta: float | None = None,
    discounted: bool = False,
) -> Array:
    """Teunter, Syntetos and Babai 2011, "Intermittent demand", EJOR 214.

    The probability of demand (beta, half of alpha unless given) is updated every period, so that
    dying items fade. Unless discounted, it starts at one over the periods to the first demand, the
    size (alpha) at the first demand.
    """
    return _run(tsb_loop, units, cutoffs, alpha, alpha / 2 if beta is None else beta, discounted)


def adida_rates(
    units: Array, cutoffs: Sequence[int], *, alpha: float = ALPHA, discounted: bool = False
) -> Array:
    """Nikolopoulos et al. 2011, "An aggregate-disaggregate intermittent demand approach", JORS 62.

    Demand is added up over blocks as long as the mean interval between demands, smoothed, and
    shared evenly among the periods of a block.
    """
    return _run(aggregate_loop, units, cutoffs, alpha, False, discounted)


def imapa_rates(
    units: Array, cutoffs: Sequence[int], *, alpha: float = ALPHA, discounted: bool = False
) -> Array:
    """Petropoulos and Kourentzes 2015, "Forecast combinations for intermittent demand", JORS 66.

    As ADIDA, with every block length up to the mean interval; their rates are averaged.
    """
    return _run(aggregate_loop, units, cutoffs, alpha, True, discounted)


METHODS: dict[str, RatesAt] = {
    "croston": croston_rates,
    "sba": sba_rates,
    "tsb": tsb_rates,
    "adida": adida_rates,
    "imapa": imapa_rates,
}


def _run(
    loop: Callable[..., None], units: Array, cutoffs: Sequence[int], *settings: float | bool
) -> Array:
    rates = np.zeros((len(units), len(cutoffs)))
    columns = np.asarray(cutoffs, dtype=np.int64)
    compiled(loop)(np.ascontiguousarray(units, dtype=float), columns, *settings, rates)
    return rates
