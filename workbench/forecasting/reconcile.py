"""Forecasts that add up: the coherent set nearest to independent forecasts of every node.

Least squares with weights (WLS) takes one error variance per node; MinT takes their covariance,
shrunk towards its diagonal. Both are computed in the dual form, as a correction of the bottom
forecasts by what they miss of the upper ones: its cost depends on the upper nodes, not on the
square of the bottom series.

Source: Wickramasuriya, Athanasopoulos and Hyndman 2019, "Optimal forecast reconciliation for
hierarchical and grouped time series through trace minimization", JASA 114; Schäfer and Strimmer
2005 for the shrinkage.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

from workbench.forecasting.hierarchy import Codes, Hierarchy

Array = npt.NDArray[np.float64]
_ROUNDS = 50  # of projections; each fixes more bottom forecasts at zero
_TOLERANCE = 1e-10
_DIRECT = 2_000  # upper nodes up to which a dense factorisation is faster than iterations


def reconcile_weighted(
    tree: Hierarchy, base: Array, variance: Array, *, non_negative: bool = True
) -> Array:
    """Weighted least squares: minimises the sum of squared corrections over variance.

    With all variances alike this is OLS; with the number of bottom series below a node, structural
    scaling; with the variances of past errors, variance scaling.

    Args:
        tree: Its last level is the bottom.
        base: Forecasts of all nodes, shape (nodes, columns).
        variance: Error variance of each node's forecast, shape (nodes,), above 0; infinite for an
            upper node that has no forecast of its own.
        non_negative: Put negative bottom forecasts to zero and reconcile the rest again.

    Returns:
        Coherent forecasts of all nodes, shape (nodes, columns).

    Raises:
        ValueError: A variance is not above 0, a bottom one not finite, or shapes differ from the
            tree.
    """
    _check(tree, base, variance)
    count = len(tree.codes[-1])
    known = np.isfinite(variance[:-count])
    upper = base[:-count][known]
    bottom, own = base[-count:], variance[-count:]
    gain = _Gain(tree.matrix[:-count][known], variance[:-count][known])
    result = _corrected(gain, upper, bottom, own)
    if non_negative:
        for place in np.flatnonzero((result < 0).any(axis=0)):
            result[:, place] = _non_negative(gain, upper[:, place], bottom[:, place], own)
    return tree.sums(result)


def reconcile_known(tree: Hierarchy, base: Array, variance: Array) -> Array:
    """`reconcile_weighted` where NaN says that a node above the bottom has no forecast."""
    known = np.isfinite(base).all(axis=1)
    return reconcile_weighted(tree, np.nan_to_num(base), np.where(known, variance, np.inf))


def structural_variance(tree: Hierarchy) -> Array:
    """Number of bottom series below each node: what variances are if all errors were alike."""
    return np.asarray(tree.matrix.sum(axis=1), dtype=np.float64).ravel()


def reconcile_mint(tree: Hierarchy, base: Array, errors: Array) -> Array:
    """MinT with the shrunk covariance of past errors; for trees of up to a few thousand nodes.

    Args:
        tree: Its last level is the bottom.
        base: Forecasts of all nodes, shape (nodes, columns).
        errors: Past forecast errors, shape (nodes, observations), taken to have mean zero.

    Returns:
        Coherent forecasts, shape (nodes, columns); negative bottom forecasts become zero.

    Raises:
        ValueError: Fewer than two observations, a node without error, or shapes differ.
    """
    covariance = shrunk_covariance(errors)
    _check(tree, base, np.diag(covariance))
    count = len(tree.codes[-1])
    upper = tree.matrix[:-count].toarray()
    constraint = np.hstack([np.eye(len(upper)), -upper])  # times a coherent vector is zero
    spread = covariance @ constraint.T
    factor = linalg.cho_factor(constraint @ spread)
    coherent = base - spread @ linalg.cho_solve(factor, constraint @ base)
    return tree.sums(np.maximum(coherent[-count:], 0))


def shrunk_covariance(errors: Array) -> Array:
    """Covariance about zero, correlations shrunk towards none by the estimated optimum.

    Source: Schäfer and Strimmer 2005, "A shrinkage approach to large-scale covariance matrix
    estimation", Statistical Applications in Genetics and Molecular Biology 4, as MinT uses it.

    Raises:
        ValueError: Fewer than two observations, or a node whose errors are all zero.
    """
    count = errors.shape[1]
    scale = np.sqrt((errors**2).mean(axis=1))
    if count < 2 or not (scale > 0).all():
        raise ValueError(
            f"{count} observations of errors, {(scale == 0).sum()} nodes without any error;"
            " expected at least two observations and an error in every node."
        )
    scaled = errors / scale[:, None]
    correlation = scaled @ scaled.T / count
    noise = ((scaled**2) @ (scaled**2).T / count - correlation**2) / (count - 1)
    off = ~np.eye(len(errors), dtype=bool)
    total = float((correlation[off] ** 2).sum())
    intensity = min(1.0, float(noise[off].sum()) / total) if total > 0 else 1.0
    shrunk = np.where(off, (1 - intensity) * correlation, 1.0)
    return np.asarray(shrunk * np.outer(scale, scale))


def align(parent: Codes, children: Array, totals: Array) -> Array:
    """Scale children so that they add up to their parents' forecasts (middle-out).

    Args:
        parent: Parent of each child, shape (children,).
        children: Forecasts, shape (children, columns), not negative.
        totals: Parents' forecasts, shape (parents, columns), not negative. Where all children of a
            parent are zero, they share its total alike.
    """
    members = np.bincount(parent, minlength=len(totals))[:, None]
    sums = np.zeros_like(totals)
    np.add.at(sums, parent, children)
    factor = np.divide(totals, sums, out=np.zeros_like(totals), where=sums > 0)
    equal = np.where(sums > 0, 0, totals / np.maximum(members, 1))
    return np.asarray(children * factor[parent] + equal[parent])


class _Gain:
    """Solves (W + A D A') x = r for upper variances W, summing matrix A and bottom variances D."""

    def __init__(self, upper: Any, variance: Array) -> None:
        self.upper = upper
        self.variance = variance

    def solve(self, own: Array, right: Array) -> Array:
        """Shape (upper nodes, columns); `own` has shape (bottom,)."""
        system = (self.upper.multiply(own)) @ self.upper.T
        if len(self.variance) <= _DIRECT:
            dense = system.toarray() + np.diag(self.variance)
            return np.asarray(linalg.solve(dense, right, assume_a="pos"))
        return _conjugate_gradients((system + sparse.diags(self.variance)).tocsr(), right)


def _corrected(gain: _Gain, upper: Array, bottom: Array, own: Array) -> Array:
    missing = upper - gain.upper @ bottom
    return np.asarray(bottom + own[:, None] * (gain.upper.T @ gain.solve(own, missing)))


def _non_negative(gain: _Gain, upper: Array, bottom: Array, own: Array) -> Array:
    """One column: fix negative forecasts at zero and spread the rest, until none is left."""
    free = np.ones(len(bottom), dtype=bool)
    result = bottom
    for _ in range(_ROUNDS):
        start = np.where(free, bottom, 0.0)
        result = _corrected(gain, upper[:, None], start[:, None], own * free)[:, 0]
        negative = result < -_TOLERANCE
        if not negative.any():
            break
        free &= ~negative
    return np.maximum(result, 0)


def _conjugate_gradients(matrix: Any, right: Array) -> Array:
    """All columns at once, scaled by the diagonal."""
    scale = 1 / matrix.diagonal()[:, None]
    x = np.zeros_like(right)
    residual = right - matrix @ x
    ahead = direction = scale * residual
    energy = (residual * ahead).sum(axis=0)
    limit = (_TOLERANCE**2) * np.maximum(energy, 1e-300)
    for _ in range(10 * len(right)):
        if (energy <= limit).all():
            break
        product = matrix @ direction
        step = energy / np.maximum((direction * product).sum(axis=0), 1e-300)
        x = x + step * direction
        residual = residual - step * product
        ahead = scale * residual
        renewed = (residual * ahead).sum(axis=0)
        direction = ahead + (renewed / np.maximum(energy, 1e-300)) * direction
        energy = renewed
    return np.asarray(x)


def _check(tree: Hierarchy, base: Array, variance: Array) -> None:
    nodes = len(tree.level)
    if len(base) != nodes or len(variance) != nodes:
        raise ValueError(
            f"{len(base)} forecasts and {len(variance)} variances; expected one per node, {nodes}."
        )
    if not (variance > 0).all():
        raise ValueError(f"{int((~(variance > 0)).sum())} variances not above 0; expected none.")
    if not np.isfinite(variance[-len(tree.codes[-1]) :]).all():
        raise ValueError("a bottom series has an infinite variance; expected forecasts of all.")
