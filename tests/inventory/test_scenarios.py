"""Two policies on the same days: information, start state, rows, proposals."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import poisson

from workbench.contracts import columns as c
from workbench.contracts import tables
from workbench.errors import ContractError
from workbench.inventory.config import ReplenishmentConfig
from workbench.inventory.costs import Costs, service_target
from workbench.inventory.legacy import LegacyPolicy, chosen_policy, tune_legacy
from workbench.inventory.plan import Period, make_plan, start_state
from workbench.inventory.propose import Outlook, policy_rows, propose, with_drivers
from workbench.inventory.scenarios import (
    cycle_rows,
    forecast_levels,
    period_rows,
    run_policies,
    summary,
    swept_levels,
)
from workbench.inventory.twin import simulated_tables
from workbench.inventory.windows import WindowForecasts, protection_quantiles

LEVELS = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99])
CUTOFFS = pd.DatetimeIndex(["2017-11-12", "2017-11-26", "2017-12-29"])
CONFIG = ReplenishmentConfig(tuning_days=28, swept_targets=[0.8, 0.95])


@pytest.fixture(scope="module")
def world(shop_sales, shop_items, shop_locations, shop_config):
    return simulated_tables(shop_sales, shop_items, shop_locations, shop_config)


@pytest.fixture(scope="module")
def plan(world, shop_sales):
    terms = world["supplier_items"]
    return make_plan(shop_sales, terms, terms, dc="DC1", config=CONFIG)


@pytest.fixture(scope="module")
def windows(plan):
    """Poisson forecasts with the mean of the history before each cutoff."""
    days = np.array([9, 10, 14, 21])
    means = np.stack([plan.daily_demand(day + pd.Timedelta(days=1)) for day in CUTOFFS], axis=1)
    values = poisson.ppf(LEVELS, means[:, :, None, None] * days[:, None])
    return WindowForecasts(values, CUTOFFS, days, LEVELS)


@pytest.fixture(scope="module")
def quantiles(plan, windows):
    return protection_quantiles(windows, plan.lead_days, plan.lead_sd_days, review_days=7)


@pytest.fixture(scope="module")
def period(plan):
    return Period(CUTOFFS[0] + pd.Timedelta(days=1), plan.demand.days[-1], 7)


@pytest.fixture(scope="module")
def start(plan, world, period):
    return start_state(
        plan, world["stock"], world["purchase_orders"], world["receipts"], first_day=period.first
    )


@pytest.fixture(scope="module")
def outcomes(plan, windows, quantiles, period, start):
    target = np.full(len(plan.series), 0.95)
    legacy = LegacyPolicy(np.full(len(target), 28), np.full(len(target), 1.5))
    levels = {
        "ours": forecast_levels(quantiles, windows, target, period.reviews),
        "legacy": legacy.levels(plan, period.reviews),
    }
    return run_policies(plan, levels, start, period, seed=1)


def test_centre_demand_is_the_sum_of_its_stores(plan, shop_sales):
    row = plan.series.index[
        (plan.series[c.ITEM_ID] == "20") & (plan.series[c.LOCATION_ID] == "DC1")
    ][0]
    assert plan.demand.units[row].sum() == shop_sales[shop_sales[c.ITEM_ID] == "20"].quantity.sum()


def test_start_state_is_that_of_the_stock_records(plan, world, start, period):
    day = period.first - pd.Timedelta(days=1)
    records = world["stock"][world["stock"][c.DATE] == day]
    both = plan.series.merge(records, on=[c.ITEM_ID, c.LOCATION_ID])
    assert start.on_hand == pytest.approx(both[c.ON_HAND].to_numpy())
    assert start.arrivals.sum(axis=1) == pytest.approx(both[c.ON_ORDER].to_numpy())


def test_start_needs_a_stock_record(plan, world):
    with pytest.raises(ContractError, match="has no record for 2018-12-31"):
        start_state(
            plan, world["stock"], world["purchase_orders"], world["receipts"],
            first_day=pd.Timestamp("2019-01-01"),
        )  # fmt: skip


def test_a_review_uses_the_latest_forecast_made_before_it(windows, quantiles):
    reviews = pd.DatetimeIndex(["2017-11-13", "2017-11-20", "2017-11-26", "2017-11-27"])
    levels = forecast_levels(quantiles, windows, np.full(len(quantiles), 0.5), reviews)
    first, second = quantiles[:, 0, 3], quantiles[:, 1, 3]
    assert levels.transpose() == pytest.approx(np.stack([first, first, first, second]))


def test_no_forecast_before_the_first_review_is_an_error(windows, quantiles):
    with pytest.raises(ContractError, match="first cutoff is 2017-11-12"):
        forecast_levels(
            quantiles, windows, np.full(len(quantiles), 0.5), pd.DatetimeIndex(["2017-11-12"])
        )


def test_legacy_level_does_not_know_the_review_day(plan, period):
    policy = LegacyPolicy(np.full(len(plan.series), 28), np.ones(len(plan.series)))
    before = policy.levels(plan, period.reviews[:1])
    changed = plan.demand.units.copy()
    plan.demand.units[:, plan.demand.column(period.first) :] = 1e6
    after = policy.levels(plan, period.reviews[:1])
    plan.demand.units[:] = changed
    assert after == pytest.approx(before)


def test_tuning_chooses_the_cheapest_setting_of_each_group(plan, world):
    first = CUTOFFS[0] - pd.Timedelta(days=27)
    before = Period(first, CUTOFFS[0], 7)
    state = start_state(
        plan, world["stock"], world["purchase_orders"], world["receipts"], first_day=first
    )
    groups = plan.series[c.LOCATION_ID].where(plan.series[c.LOCATION_ID] == "DC1", "store")
    tuning = tune_legacy(plan, state, before, groups, CONFIG)
    chosen = tuning[tuning["chosen"]].set_index("group")["cost"]
    assert chosen.to_dict() == pytest.approx(tuning.groupby("group")["cost"].min().to_dict())
    assert set(chosen_policy(tuning, groups).trailing_days) <= set(CONFIG.legacy_trailing_days)


def test_cycles_add_up_to_the_whole_period(plan, period, outcomes):
    cycles, whole = cycle_rows(plan, period, outcomes), period_rows(plan, period, outcomes)
    summed, total = summary(cycles), summary(whole)
    assert summed.loc["ours"].to_dict() == pytest.approx(total.loc["ours"].to_dict())
    last = cycles[cycles[c.WINDOW_END] == period.last]
    assert last[c.END_STOCK_VALUE].sum() == pytest.approx(whole[c.END_STOCK_VALUE].sum())


def test_scenario_rows_have_the_columns_of_the_contract(plan, period, outcomes):
    rows = cycle_rows(plan, period, outcomes)
    assert set(rows.columns) | {c.RUN_ID} == set(tables.SCENARIOS.names)
    key = [name for name in tables.SCENARIOS.key if name != c.RUN_ID]
    assert not rows.duplicated(key).any()


def test_both_policies_meet_the_same_demand(plan, period, outcomes):
    assert (outcomes["ours"].demand == outcomes["legacy"].demand).all()
    assert outcomes["ours"].demand.sum() == period.demand(plan).sum()


def test_a_higher_target_serves_more_and_holds_more(
    plan, windows, quantiles, period, start, outcomes
):
    legacy = LegacyPolicy(np.full(len(plan.series), 28), np.ones(len(plan.series)))
    levels = swept_levels(plan, quantiles, windows, legacy, period.reviews, CONFIG)
    found = summary(period_rows(plan, period, run_policies(plan, levels, start, period, seed=1)))
    low, high = found.loc["service_target=0.8"], found.loc["service_target=0.95"]
    assert high["fill_rate"] > low["fill_rate"]
    assert high["stock_value"] > low["stock_value"]


def test_service_target_by_hand():
    costs = Costs(np.array([2.0]), np.array([1.0]), annual_holding_rate=0.365, order_line_cost=0)
    # a unit costs 0.002 a day: 1 / (1 + 0.002 * 125)
    assert service_target(costs, cycle_days=np.array([125.0]))[0] == pytest.approx(0.8)


@pytest.fixture(scope="module")
def outlook(plan, quantiles, world):
    day = plan.demand.days[-1]
    stock = world["stock"][world["stock"][c.DATE] == day]
    stock = plan.series.merge(stock, on=[c.ITEM_ID, c.LOCATION_ID])
    review = day + pd.Timedelta(days=1)
    legacy = LegacyPolicy(np.full(len(plan.series), 28), np.full(len(plan.series), 1.5))
    return Outlook(
        review, quantiles[:, -1], LEVELS, np.full(len(plan.series), 0.95),
        stock[c.ON_HAND].to_numpy(), stock[c.ON_ORDER].to_numpy(),
        legacy.levels(plan, pd.DatetimeIndex([review]))[:, 0],
    )  # fmt: skip


def test_proposals_raise_the_position_to_the_level(plan, outlook, shop_items):
    rows = propose(plan, outlook, shop_items)
    after = outlook.position + rows[c.PROPOSED]
    assert (after >= outlook.reorder_level - 1e-9).all()
    untouched = outlook.position >= outlook.reorder_level
    assert (rows[c.PROPOSED][untouched] == 0).all()


def test_proposals_have_the_columns_of_the_contract(plan, outlook, shop_items):
    rows = propose(plan, outlook, shop_items)
    filled_by_the_run = {c.PROPOSAL_ID, c.RUN_ID}
    assert set(rows.columns) | filled_by_the_run == set(tables.PROPOSALS.names)
    assert (rows[c.VALID_TO] - rows[c.VALID_FROM]).dt.days.unique().tolist() == [7]
    assert (rows[c.INTERVAL_LOW] <= rows[c.INTERVAL_HIGH]).all()


def test_every_proposal_has_three_reasons_with_its_numbers(plan, outlook, shop_items):
    rows = propose(plan, outlook, shop_items)
    assert {len(reasons) for reasons in rows[c.REASONS]} == {3}
    assert all(
        f"Order {quantity:,.0f} " in reasons[2]
        for quantity, reasons in zip(rows[c.PROPOSED], rows[c.REASONS], strict=True)
        if quantity > 0
    )


def test_the_interval_is_that_of_the_demand_that_the_first_reason_cites(plan, outlook, shop_items):
    rows = propose(plan, outlook, shop_items)
    thousandth = {"abs": 5e-4, "rel": 0}  # stated to three decimals
    low, high = outlook.quantiles[:, 1], outlook.quantiles[:, 5]
    assert rows[c.INTERVAL_LOW].to_numpy() == pytest.approx(low, **thousandth)
    assert rows[c.INTERVAL_HIGH].to_numpy() == pytest.approx(high, **thousandth)
    cited = f"{rows[c.INTERVAL_LOW][0]:,.0f} to {rows[c.INTERVAL_HIGH][0]:,.0f} in 80% of outcomes"
    assert cited in rows[c.REASONS][0][0]


def test_every_order_can_be_recomputed_from_its_reasons(plan, outlook, shop_items):
    rows = propose(plan, outlook, shop_items)
    ordered = rows[rows[c.PROPOSED] > 0]
    assert len(ordered) > 0
    for quantity, reasons in zip(ordered[c.PROPOSED], ordered[c.REASONS], strict=True):
        arithmetic = reasons[2].split(";")[0].replace(",", "")
        found = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", arithmetic)]
        order, level, on_hand, on_order, gap, least, multiple = found
        assert gap == pytest.approx(level - on_hand - on_order, abs=0.02)
        assert order == quantity
        assert order == pytest.approx(np.ceil(max(gap, least) / multiple) * multiple)


def test_store_orders_come_from_the_centre(plan, outlook, shop_items):
    rows = propose(plan, outlook, shop_items)
    store = rows[c.LOCATION_ID] != "DC1"
    assert set(rows[c.FROM_LOCATION_ID][store]) == {"DC1"}
    assert set(rows[c.FROM_LOCATION_ID][~store]) == {tables.ANY}


def test_policies_state_level_batch_and_safety_stock(plan, outlook):
    rows = policy_rows(plan, outlook)
    assert set(rows.columns) | {c.RUN_ID} == set(tables.POLICIES.names)
    batch = rows[c.ORDER_UP_TO_LEVEL] - rows[c.REORDER_POINT]
    assert batch.to_numpy() == pytest.approx(plan.batch(outlook.review_day))
    assert rows[c.EXPECTED_FILL_RATE].between(0.9, 1).all()


def test_unknown_rule_is_an_error(plan):
    segments = plan.series.assign(**{c.POLICY: "by_feeling"})
    with pytest.raises(ContractError, match="by_feeling"):
        plan.service_targets(segments, CUTOFFS[0], CONFIG)


def test_a_lean_rule_caps_the_target(plan):
    lean = plan.series.assign(**{c.POLICY: "order_up_to_lean"})
    config = CONFIG.model_copy(update={"target_lean": 0.6})
    assert plan.service_targets(lean, CUTOFFS[0], config).max() == 0.6


def test_drivers_are_named_in_the_first_of_three_reasons():
    rows = pd.DataFrame(
        {
            "item_id": ["1", "2"],
            "location_id": "DC1",
            "reasons": [["Demand.", "Stock.", "Order."], ["Demand.", "Stock.", "Order."]],
        }
    )
    drivers = pd.DataFrame(
        {"item_id": ["1"], "location_id": "DC1", "reasons": [["price: +2 units"]]}
    )
    named = with_drivers(rows, drivers)["reasons"]
    assert named[0] == ["Demand. Moved most by price: +2 units.", "Stock.", "Order."]
    assert named[1] == ["Demand.", "Stock.", "Order."]
