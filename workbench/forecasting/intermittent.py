"""Croston's method and its descendants: demand rate of items that sell now and then.

All work on a matrix of series at once, shape (series, periods), and give the rate expected at the
end of each cutoff. A NaN is a period nobody observed; it changes nothing. `distribution.py` turns
rates into distributions of counts.
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

    def __call__(self, units: Array, cutoffs: Sequence[int], *, alpha: float = ...) -> Array: ...


def croston_rates(units: Array, cutoffs: Sequence[int], *, alpha: float = ALPHA) -> Array:
    """Croston 1972, "Forecasting and stock control for intermittent demands", ORQ 23.

    Size and interval are smoothed at periods with demand only; both start at their first values.

    Args:
        units: Demand, NaN where it was not observed, shape (series, periods).
        cutoffs: Columns of the last known period, ascending.
        alpha: Smoothing constant of size and interval.

    Returns:
        Units per period, shape (series, cutoffs); zero before the first demand.
    """
    return _run(croston_loop, units, cutoffs, alpha)


def sba_rates(units: Array, cutoffs: Sequence[int], *, alpha: float = ALPHA) -> Array:
    """Syntetos and Boylan 2005, "The accuracy of intermittent demand estimates", IJF 21.

    Croston's rate without its bias: times 1 - alpha / 2.
    """
    return np.asarray((1 - alpha / 2) * croston_rates(units, cutoffs, alpha=alpha))


def tsb_rates(
    units: Array, cutoffs: Sequence[int], *, alpha: float = ALPHA, beta: float | None = None
) -> Array:
    """Teunter, Syntetos and Babai 2011, "Intermittent demand", EJOR 214.

    The probability of demand (beta, half of alpha unless given) is updated every period, so that
    dying items fade. It starts at one over the periods to the first demand, the size (alpha) at the
    first demand.
    """
    return _run(tsb_loop, units, cutoffs, alpha, alpha / 2 if beta is None else beta)


def adida_rates(units: Array, cutoffs: Sequence[int], *, alpha: float = ALPHA) -> Array:
    """Nikolopoulos et al. 2011, "An aggregate-disaggregate intermittent demand approach", JORS 62.

    Demand is added up over blocks as long as the mean interval between demands, smoothed, and
    shared evenly among the periods of a block.
    """
    return _run(aggregate_loop, units, cutoffs, alpha, False)


def imapa_rates(units: Array, cutoffs: Sequence[int], *, alpha: float = ALPHA) -> Array:
    """Petropoulos and Kourentzes 2015, "Forecast combinations for intermittent demand", JORS 66.

    As ADIDA, with every block length up to the mean interval; their rates are averaged.
    """
    return _run(aggregate_loop, units, cutoffs, alpha, True)


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
