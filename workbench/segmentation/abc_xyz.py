"""Classes of value, variability and demand pattern.

Sources: ABC by cumulative share of revenue (Silver, Pyke and Peterson, chapter 3); XYZ by the
coefficient of variation of demand per bucket; demand pattern by Syntetos, Boylan and Croston, "On
the categorization of demand patterns", Journal of the Operational Research Society 56 (2005).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatMatrix = NDArray[np.float64]
FloatVector = NDArray[np.float64]
Labels = NDArray[np.str_]


def abc_classes(revenue: ArrayLike, *, a_share: float, b_share: float) -> Labels:
    """Class of value of each series.

    Sorted by falling revenue, a series is A while those before it hold less than `a_share` of the
    total, B while they hold less than `b_share`, else C. One without revenue is C.

    Args:
        revenue: Money per series; negative counts as zero.
        a_share: Share of revenue that class A reaches.
        b_share: Share that classes A and B reach.
    """
    value = np.maximum(np.asarray(revenue, dtype=np.float64), 0.0)
    order = np.argsort(-value, kind="stable")
    total = value.sum()
    before = np.concatenate([[0.0], np.cumsum(value[order])[:-1]]) / (total if total > 0 else 1.0)
    label = np.where(before < a_share - 1e-12, "A", np.where(before < b_share - 1e-12, "B", "C"))
    label[value[order] <= 0] = "C"
    result = np.empty_like(label)
    result[order] = label
    return result


def coefficient_of_variation(demand: FloatMatrix) -> FloatVector:
    """Standard deviation (divisor n) over mean of each row; nan where nothing was sold."""
    mean = demand.mean(axis=1)
    empty = np.full(len(demand), np.nan)
    ratio: FloatVector = np.divide(demand.std(axis=1), mean, out=empty, where=mean > 0)
    return ratio


def xyz_classes(cv: FloatVector, *, x_maximum_cv: float, y_maximum_cv: float) -> Labels:
    """X steady, Y variable, Z irregular; a series without demand is Z."""
    return np.where(cv <= x_maximum_cv, "X", np.where(cv <= y_maximum_cv, "Y", "Z"))


def average_interval(demand: FloatMatrix) -> FloatVector:
    """ADI: buckets per bucket with demand, of each row; nan where nothing was sold."""
    selling = (demand > 0).sum(axis=1)
    empty = np.full(len(demand), np.nan)
    ratio: FloatVector = np.divide(demand.shape[1], selling, out=empty, where=selling > 0)
    return ratio


def squared_cv_of_sizes(demand: FloatMatrix) -> FloatVector:
    """CV² of the non-zero buckets of each row (divisor n); nan where nothing was sold."""
    selling = (demand > 0).sum(axis=1)
    empty = np.full(len(demand), np.nan)
    mean = np.divide(demand.sum(axis=1), selling, out=empty.copy(), where=selling > 0)
    square = np.divide((demand**2).sum(axis=1), selling, out=empty.copy(), where=selling > 0)
    excess: FloatVector = np.maximum(square / mean**2 - 1, 0.0)
    return excess


def demand_patterns(
    interval: FloatVector,
    squared_cv: FloatVector,
    *,
    interval_threshold: float = 1.32,
    size_threshold: float = 0.49,
) -> Labels:
    """Smooth, erratic, intermittent or lumpy; a series without demand is lumpy.

    Args:
        interval: ADI of each series.
        squared_cv: CV² of its non-zero demand.
        interval_threshold: ADI from which demand is intermittent or lumpy.
        size_threshold: CV² from which it is erratic or lumpy.
    """
    frequent = interval < interval_threshold
    steady = squared_cv < size_threshold
    return np.select(
        [frequent & steady, frequent & ~steady, ~frequent & steady],
        ["smooth", "erratic", "intermittent"],
        "lumpy",
    )
