"""Reconciliation against the textbook's matrices, written out, and scipy's NNLS."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from workbench.forecasting import reconcile
from workbench.forecasting.hierarchy import hierarchy


def small_tree():
    """The two-level tree of Hyndman and Athanasopoulos, figure 11.1: total, A B, AA AB AC BA BB."""
    keys = pd.DataFrame({"group": list("AAABB"), "series": ["AA", "AB", "AC", "BA", "BB"]})
    return hierarchy(keys, {"total": [], "group": ["group"], "series": ["series"]})


def textbook(S, base, W):
    """S (S' W^-1 S)^-1 S' W^-1 y: equation 11.7 of "Forecasting: principles and practice"."""
    inverse = np.linalg.inv(W)
    return S @ np.linalg.solve(S.T @ inverse @ S, S.T @ inverse @ base)


@pytest.fixture
def base():
    rng = np.random.default_rng(3)
    tree = small_tree()
    return tree, tree.sums(rng.uniform(5, 20, (5, 4))) + rng.normal(0, 2, (8, 4))


@pytest.mark.parametrize("kind", ["ols", "structural", "variance"])
def test_weighted_least_squares_is_the_textbooks(base, kind):
    tree, forecasts = base
    variance = {"ols": np.ones(8), "structural": reconcile.structural_variance(tree),
                "variance": np.linspace(1, 9, 8)}[kind]  # fmt: skip
    found = reconcile.reconcile_weighted(tree, forecasts, variance)
    assert found == pytest.approx(textbook(tree.matrix.toarray(), forecasts, np.diag(variance)))


def test_structural_scaling_counts_the_series_below():
    assert reconcile.structural_variance(small_tree()).tolist() == [5, 3, 2, 1, 1, 1, 1, 1]


def test_mint_is_the_textbooks_with_the_shrunk_covariance(base):
    tree, forecasts = base
    errors = np.random.default_rng(1).normal(0, 1, (8, 40)) * np.arange(1, 9)[:, None]
    found = reconcile.reconcile_mint(tree, forecasts, errors)
    W = reconcile.shrunk_covariance(errors)
    assert found == pytest.approx(textbook(tree.matrix.toarray(), forecasts, W))


def test_shrinkage_keeps_variances_and_weakens_correlations():
    rng = np.random.default_rng(2)
    common = rng.normal(size=25)
    errors = np.stack([common + rng.normal(size=25) for _ in range(6)])
    plain, shrunk = errors @ errors.T / 25, reconcile.shrunk_covariance(errors)
    off = ~np.eye(6, dtype=bool)
    assert np.diag(shrunk) == pytest.approx(np.diag(plain))
    ratio = shrunk[off] / plain[off]
    assert ratio == pytest.approx(np.full(30, ratio[0]))
    assert 0 < ratio[0] < 1


def test_reconciled_forecasts_add_up(base):
    tree, forecasts = base
    found = reconcile.reconcile_weighted(tree, forecasts, np.linspace(1, 2, 8))
    assert found == pytest.approx(tree.sums(found[-5:]))


def test_non_negative_is_the_least_squares_solution_under_the_bound():
    tree = small_tree()
    forecasts = np.array([10.0, 2, 9, -1, 2, 3, 4, 4])
    variance = np.linspace(1, 3, 8)
    found = reconcile.reconcile_weighted(tree, forecasts[:, None], variance)[:, 0]
    weight = 1 / np.sqrt(variance)
    wanted, _ = optimize.nnls(tree.matrix.toarray() * weight[:, None], forecasts * weight)
    assert found[-5:] == pytest.approx(wanted)
    assert wanted.min() == 0


def test_many_upper_nodes_are_solved_by_iteration_to_the_same_answer(monkeypatch):
    rng = np.random.default_rng(0)
    keys = pd.DataFrame({"store": np.repeat(np.arange(20), 30), "item": np.tile(np.arange(30), 20)})
    tree = hierarchy(keys, {"total": [], "store": ["store"], "item": ["item"],
                            "series": ["store", "item"]})  # fmt: skip
    forecasts = tree.sums(rng.gamma(2, 5, (600, 3))) + rng.normal(0, 1, (651, 3))
    variance = reconcile.structural_variance(tree)
    direct = reconcile.reconcile_weighted(tree, forecasts, variance)
    monkeypatch.setattr(reconcile, "_DIRECT", 0)
    assert reconcile.reconcile_weighted(tree, forecasts, variance) == pytest.approx(
        direct, rel=1e-6
    )


def test_aligned_children_add_up_and_keep_their_shares():
    parent = np.array([0, 0, 1, 1])
    children = np.array([[1.0], [3.0], [0.0], [0.0]])
    found = reconcile.align(parent, children, np.array([[8.0], [5.0]]))
    assert found.ravel().tolist() == [2.0, 6.0, 2.5, 2.5]


def test_a_variance_of_zero_is_refused():
    with pytest.raises(ValueError, match="1 variances not above 0"):
        reconcile.reconcile_weighted(small_tree(), np.ones((8, 1)), np.r_[0.0, np.ones(7)])


def test_forecasts_of_some_nodes_only_are_refused():
    with pytest.raises(ValueError, match="expected one per node, 8"):
        reconcile.reconcile_weighted(small_tree(), np.ones((5, 1)), np.ones(5))


def test_a_node_without_a_forecast_of_its_own_says_nothing(base):
    # In the textbook's formula its weight is zero.
    tree, forecasts = base
    variance = np.linspace(1, 9, 8)
    weight = np.diag(np.r_[1 / variance[0], 0.0, 1 / variance[2:]])
    S = tree.matrix.toarray()
    expected = S @ np.linalg.solve(S.T @ weight @ S, S.T @ weight @ forecasts)
    variance[1] = np.inf
    forecasts[1] = np.nan
    assert reconcile.reconcile_weighted(tree, forecasts, variance) == pytest.approx(expected)


def test_a_bottom_series_needs_a_forecast():
    with pytest.raises(ValueError, match="bottom series has an infinite variance"):
        reconcile.reconcile_weighted(small_tree(), np.ones((8, 1)), np.r_[np.ones(7), np.inf])


def test_without_any_upper_forecast_the_bottom_stays(base):
    tree, forecasts = base
    forecasts[:3] = np.nan
    variance = np.r_[np.full(3, np.inf), np.ones(5)]
    found = reconcile.reconcile_weighted(tree, forecasts, variance)
    assert found == pytest.approx(tree.sums(forecasts[3:]))
