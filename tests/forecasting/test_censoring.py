"""Demand hidden by stockouts, against demand that is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from workbench.errors import ContractError
from workbench.forecasting.censoring import long_zero_runs, recover


@pytest.fixture(scope="module")
def truth(shared):
    """Real demand: items of one store that sell three units a day or more, three years."""
    wide = pd.read_parquet(shared("data/m5_tx3_foods3/sales_d1_d1941.parquet"))
    units = wide[[name for name in wide if name.startswith("d_")][-1000:]].to_numpy(float)
    even = units[(units.mean(axis=1) >= 3) & ((units == 0).mean(axis=1) < 0.1)]
    assert len(even) > 30
    return even


def sold_from(stock, demand):
    """Sales from a stock that is filled every morning, and the days that ran out."""
    return np.minimum(demand, stock), demand >= stock


def test_expected_demand_given_what_sold_is_that_of_a_poisson_above_it():
    # Demand of 10 a day by a known distribution; every other day has stock for 9 only.
    demand = np.random.default_rng(0).poisson(10.0, (200, 364)).astype(float)
    sales, out = sold_from(np.where(np.arange(364) % 2, 9.0, 1e9), demand)
    after = recover(sales, out).units
    given = stats.poisson(10).expect(lb=9) / stats.poisson(10).sf(8)
    assert after[out].mean() == pytest.approx(given, rel=0.02)
    assert sales.sum() / demand.sum() < 0.95
    assert after.sum() / demand.sum() == pytest.approx(1, abs=0.01)


def test_recovered_demand_of_real_items_has_less_bias_than_what_sold(truth):
    rng = np.random.default_rng(1)
    days = rng.random(truth.shape) < 0.2
    stock = np.where(days, np.rint(0.6 * truth.mean(axis=1, keepdims=True)), np.inf)
    sales, out = sold_from(stock, truth)
    found = recover(sales, out)
    assert sales.sum() / truth.sum() - 1 < -0.08
    assert abs(found.units.sum() / truth.sum() - 1) < 0.04
    assert (found.units >= sales).all()
    assert (found.units[~out] == sales[~out]).all()


def test_a_recovered_day_does_not_depend_on_later_ones(truth):
    hidden = np.random.default_rng(3).random(truth.shape) < 0.1
    sales = np.where(hidden, 0, truth)
    whole, until = recover(sales, hidden).units, recover(sales[:, :400], hidden[:, :400]).units
    assert whole[:, :400] == pytest.approx(until, rel=1e-9)


def test_supply_failures_of_real_items_are_found_without_flags(truth):
    out = np.zeros(truth.shape, dtype=bool)
    for row in range(len(truth)):
        start = 200 + 7 * row
        out[row, start : start + 14] = True
    sales = np.where(out, 0, truth)
    found = long_zero_runs(sales)
    own = long_zero_runs(truth)  # real stockouts that the data itself has
    assert (found & out).sum() / out.sum() > 0.85
    assert (found & ~out & ~own).sum() < 0.01 * out.sum()  # a zero of its own beside a failure
    after = recover(sales, found).units
    assert after[out].sum() / truth[out].sum() == pytest.approx(1, abs=0.1)


def test_zeros_of_slow_movers_and_before_the_first_sale_are_demand():
    rng = np.random.default_rng(2)
    slow = rng.poisson(0.2, (50, 400)).astype(float)
    late = np.concatenate([np.zeros((50, 100)), rng.poisson(8.0, (50, 300))], axis=1)
    assert not long_zero_runs(slow).any()
    assert not long_zero_runs(late).any()


def test_the_effect_is_listed_for_the_series_that_were_touched():
    keys = pd.DataFrame({"item_id": ["a", "b"], "location_id": "1"})
    sales = np.full((2, 70), 10.0)
    sales[1, 30:40] = 0
    found = recover(sales, long_zero_runs(sales))
    row = found.effect(sales, keys).iloc[0]
    assert (row["item_id"], row["hidden_days"], row["sold"]) == ("b", 10, 600)
    assert row["demand"] == pytest.approx(700)
    assert row["bias"] == pytest.approx(-1 / 7)


def test_flags_of_another_shape_are_refused():
    with pytest.raises(ContractError, match=r"hidden: has shape \(1, 2\)"):
        recover(np.zeros((1, 3)), np.zeros((1, 2), dtype=bool))
