"""Demand hidden by stockouts, against demand that is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from workbench.errors import ContractError
from workbench.forecasting.censoring import (
    DELISTED_DAYS,
    long_zero_runs,
    recover,
    zero_runs_so_far,
)


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


def test_a_run_is_told_from_the_days_up_to_each_alone(truth):
    failed = truth.copy()
    failed[:, 600:620] = 0
    whole, until = zero_runs_so_far(failed), zero_runs_so_far(failed[:, :610])
    assert np.array_equal(whole[:, :610], until)
    found = whole[:, 600:620]
    assert found.mean() > 0.7
    fresh = truth[:, 599] > 0
    assert not found[fresh, 0].any()  # one day without a sale may be chance
    assert whole.sum() - found.sum() <= zero_runs_so_far(truth).sum()  # its own, real ones


def test_an_item_that_stays_away_has_been_delisted(truth):
    gone = truth[:5].copy()
    gone[:, 500:] = 0
    found = zero_runs_so_far(gone)
    assert found[:, 500 : 500 + DELISTED_DAYS].any(axis=1).all()
    assert not found[:, 500 + DELISTED_DAYS :].any()


def test_an_item_that_fades_out_with_its_season_has_not_run_out():
    # it sells ever less often over ten weeks, then not at all
    rng = np.random.default_rng(5)
    chance = np.concatenate([np.full(200, 0.95), np.linspace(0.95, 0.05, 70), np.zeros(30)])
    fading = (rng.random((50, 300)) < chance).astype(float)
    assert zero_runs_so_far(fading)[:, 270:].mean() < 0.01
