"""Newsvendor quantities, against Snyder and Shen's examples and a second route."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from workbench.errors import ContractError
from workbench.inventory.newsvendor import (
    critical_ratio,
    newsvendor_discrete,
    newsvendor_empirical,
    newsvendor_normal,
    newsvendor_normal_cost,
    standard_normal_loss,
)


def test_normal_quantity_of_example_4_3():
    # Snyder and Shen, example 4.3; digits from stockpyl's documentation
    quantity = newsvendor_normal(50, 8, holding_cost=0.18, stockout_cost=0.70)
    assert quantity == pytest.approx(56.60395592743389, rel=1e-12)


def test_normal_cost_of_example_4_3():
    cost = newsvendor_normal_cost(56.60395592743389, 50, 8, holding_cost=0.18, stockout_cost=0.70)
    assert cost == pytest.approx(1.9976051931766445, rel=1e-9)


def test_normal_quantity_of_the_readme_of_stockpyl():
    quantity = newsvendor_normal(120, 10, holding_cost=2, stockout_cost=18)
    assert quantity == pytest.approx(132.815515655446, rel=1e-12)


def test_discrete_quantity_of_example_4_7():
    # Poisson demand with mean 6, costs 1 and 4
    values = np.arange(41)
    quantity, cost = newsvendor_discrete(
        values, poisson.pmf(values, 6), holding_cost=1, stockout_cost=4
    )
    assert quantity == 8
    assert cost == pytest.approx(3.570106945770941, rel=1e-9)


def test_order_of_values_does_not_matter():
    forward = newsvendor_discrete([1, 2, 3], [0.2, 0.3, 0.5], holding_cost=1, stockout_cost=1)
    shuffled = newsvendor_discrete([3, 1, 2], [0.5, 0.2, 0.3], holding_cost=1, stockout_cost=1)
    assert forward == pytest.approx(shuffled)


@pytest.mark.parametrize(("z", "loss"), [(0.0, 0.3989), (1.0, 0.0833), (2.0, 0.0085)])
def test_standard_normal_loss_as_tabulated(z, loss):
    # Silver, Pyke and Peterson, table of the unit normal loss function, four digits
    assert standard_normal_loss(z) == pytest.approx(loss, abs=5e-5)


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=30),
    st.floats(0.1, 10),
    st.floats(0.1, 10),
)
def test_empirical_quantity_is_no_dearer_than_any_observed_demand(sample, holding, stockout):
    demand = np.array(sample, dtype=float)
    _, cost = newsvendor_empirical(sample, holding_cost=holding, stockout_cost=stockout)
    for other in demand:
        left, short = np.maximum(other - demand, 0), np.maximum(demand - other, 0)
        assert cost <= holding * left.mean() + stockout * short.mean() + 1e-9


@pytest.mark.parametrize("stockout_cost", [0, -1, float("nan")])
def test_rejects_a_stockout_cost_that_is_not_positive(stockout_cost):
    with pytest.raises(ContractError, match="stockout_cost"):
        critical_ratio(holding_cost=1, stockout_cost=stockout_cost)


def test_rejects_probabilities_that_do_not_sum_to_one():
    with pytest.raises(ContractError, match=r"sum to 0\.9"):
        newsvendor_discrete([1, 2], [0.4, 0.5], holding_cost=1, stockout_cost=1)


def test_rejects_values_without_probability():
    with pytest.raises(ContractError, match="one length"):
        newsvendor_discrete([1, 2], [1.0], holding_cost=1, stockout_cost=1)
