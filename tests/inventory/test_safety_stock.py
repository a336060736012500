"""Textbook safety stocks, batches and levels."""

import numpy as np
import pytest

from workbench.errors import ContractError
from workbench.inventory.policies import (
    TrailingStatistics,
    base_stock_levels,
    economic_order_quantity,
    order_quantity,
    trailing_statistics,
)
from workbench.inventory.safety_stock import (
    fill_rate_normal,
    reorder_point,
    safety_stock,
    safety_stock_variable_lead_time,
    service_factor,
)


@pytest.mark.parametrize(("level", "z"), [(0.5, 0.0), (0.90, 1.2816), (0.975, 1.9600)])
def test_service_factor_as_tabulated(level, z):
    assert service_factor(level) == pytest.approx(z, abs=5e-5)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_rejects_a_service_level_that_is_no_share(level):
    with pytest.raises(ContractError, match=r"0\.95"):
        service_factor(level)


def test_safety_stock_grows_with_the_root_of_the_window():
    assert safety_stock(1.645, 10, 4) == pytest.approx(32.9)


def test_variable_lead_time_adds_its_variance():
    # z=1, 9 days of sd 2 and mean 3 with lead time sd 4: sqrt(9*4 + 9*16) = sqrt(180)
    stock = safety_stock_variable_lead_time(1, mean=3, sd=2, days=9, lead_time_sd=4)
    assert stock == pytest.approx(180**0.5)


def test_fixed_lead_time_is_the_special_case():
    varying = safety_stock_variable_lead_time(1.3, mean=5, sd=2, days=7, lead_time_sd=0)
    assert varying == pytest.approx(safety_stock(1.3, 2, 7))


def test_reorder_point_covers_expected_demand_and_safety_stock():
    assert reorder_point(4, 10, 12.5) == 52.5


def test_fill_rate_agrees_with_simulated_shortage():
    # second route: expected shortage of normal window demand, by sampling
    demand = np.random.default_rng(1).normal(100, 30, 400_000)
    short = np.maximum(demand - (100 + 1.2 * 30), 0).mean()
    assert fill_rate_normal(1.2, sd_window=30, order_quantity=70) == pytest.approx(
        1 - short / 70, abs=5e-4
    )


def test_economic_order_quantity_of_example_3_1():
    # Snyder and Shen, example 3.1: K=8, h=0.225 and 1300 units a year
    batch = economic_order_quantity(1300, order_cost=8, holding_cost_per_day=0.225)
    assert float(batch) == pytest.approx(304.0467800264368, rel=1e-12)


def test_no_batch_without_demand_or_holding_cost():
    batch = economic_order_quantity(
        np.array([0.0, 5.0]), order_cost=1, holding_cost_per_day=np.array([0.1, 0.0])
    )
    assert batch.tolist() == [0, 0]


def test_base_stock_level_by_hand():
    statistics = TrailingStatistics(np.array([[2.0]]), np.array([[1.5]]))
    assert base_stock_levels(statistics, 9, 2.0)[0, 0] == pytest.approx(2 * 9 + 2 * 1.5 * 3)


def test_trailing_statistics_see_only_the_days_before_the_review():
    demand = np.array([[1.0, 3.0, 5.0, 1000.0]])
    statistics = trailing_statistics(demand, [3], trailing_days=2)
    assert statistics.mean[0, 0] == pytest.approx(4.0)
    assert statistics.sd[0, 0] == pytest.approx(np.std([3, 5], ddof=1))


def test_trailing_statistics_of_a_single_day_have_no_spread():
    statistics = trailing_statistics(np.array([[7.0, 1.0]]), [1], trailing_days=28)
    assert (statistics.mean[0, 0], statistics.sd[0, 0]) == (7.0, 0.0)


@pytest.mark.parametrize(
    ("gap", "batch", "minimum", "multiple", "order"),
    [
        (0, 5, 6, 6, 0), (-3, 5, 6, 6, 0), (1, 0, 6, 6, 6), (7, 0, 6, 6, 12),
        (6, 0, 6, 6, 6), (2, 0, 10, 4, 12), (3, 4, 1, 1, 7),
    ],
)  # fmt: skip
def test_orders_are_whole_multiples_above_the_minimum(gap, batch, minimum, multiple, order):
    found = order_quantity(
        gap, batch=batch, minimum_order_quantity=minimum, order_multiple=multiple
    )
    assert float(found) == order


def test_rejects_an_order_multiple_of_zero():
    with pytest.raises(ContractError, match="order_multiple"):
        order_quantity(1, minimum_order_quantity=0, order_multiple=0)
