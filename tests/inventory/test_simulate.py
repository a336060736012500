"""Lost-sales simulation: hand-worked days, conservation, agreement with a plain loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import ContractError
from workbench.inventory.policies import order_quantity
from workbench.inventory.simulate import StartState, Terms, empty_start, simulate


def _terms(series, reviews, *, lead=1, minimum=0.0, multiple=1.0, batch=0.0):
    return Terms(
        np.full(series, minimum),
        np.full(series, multiple),
        np.full((series, reviews), lead),
        np.full(series, batch),
    )


def test_order_serves_demand_from_the_day_that_its_lead_time_ends():
    demand = np.array([[1.0, 1.0, 1.0, 1.0]])
    result = simulate(
        demand, np.array([[5.0]]), _terms(1, 1, lead=2), empty_start(1), review_days=4, paths=True
    )
    assert result.on_hand[0].tolist() == [0, 0, 4, 3]
    assert result.on_order[0].tolist() == [5, 5, 0, 0]
    assert result.lost[0].tolist() == [2]


def test_order_without_lead_time_serves_the_same_day():
    result = simulate(
        np.array([[3.0]]), np.array([[5.0]]), _terms(1, 1, lead=0), empty_start(1), review_days=1
    )
    assert result.end_on_hand[0] == 2


def test_position_counts_what_is_on_the_way():
    # ordered 5 on day 0, still on the way on day 1: only the one unit sold from stock is missing
    start = StartState(np.array([2.0]), np.zeros((1, 0)))
    result = simulate(
        np.array([[1.0, 0.0]]), np.full((1, 2), 7.0), _terms(1, 2, lead=5), start, review_days=1
    )
    assert result.ordered[0].tolist() == [5, 1]


def test_batch_raises_the_position_above_the_level():
    result = simulate(
        np.zeros((1, 2)), np.full((1, 2), 4.0), _terms(1, 2, batch=6.0), empty_start(1),
        review_days=1,
    )  # fmt: skip
    assert result.ordered[0].tolist() == [10, 0]


def test_cycle_totals_are_those_of_its_days():
    demand = np.array([[1.0, 2.0, 0.0, 4.0, 1.0]])
    start = StartState(np.array([3.0]), np.zeros((1, 0)))
    result = simulate(
        demand, np.full((1, 3), 3.0), _terms(1, 3, lead=1), start, review_days=2, paths=True
    )
    assert result.demand[0].tolist() == [3, 4, 1]
    assert result.on_hand_days[0].tolist() == [
        result.on_hand[0, :2].sum(), result.on_hand[0, 2:4].sum(), result.on_hand[0, 4]
    ]  # fmt: skip
    assert result.position[0, -1] == result.end_on_hand[0] + result.end_on_order[0]


worlds = st.integers(0, 2**32 - 1)


def _world(seed):
    """A random small world; returns everything that `simulate` takes."""
    draw = np.random.default_rng(seed)
    series, days, review = draw.integers(1, 4), draw.integers(1, 30), draw.integers(1, 8)
    reviews = -(-days // review)
    demand = draw.poisson(2.0, (series, days)).astype(float)
    levels = draw.integers(0, 30, (series, reviews)).astype(float)
    terms = Terms(
        draw.integers(0, 8, series).astype(float),
        draw.integers(1, 7, series).astype(float),
        draw.integers(0, 12, (series, reviews)),
        draw.integers(0, 10, series).astype(float),
    )
    start = StartState(
        draw.integers(0, 10, series).astype(float),
        draw.integers(0, 4, (series, 5)).astype(float),
    )
    return demand, levels, terms, start, int(review)


@settings(max_examples=60, deadline=None)
@given(worlds)
def test_units_are_conserved(seed):
    demand, levels, terms, start, review = _world(seed)
    result = simulate(demand, levels, terms, start, review_days=review)
    came = start.on_hand + start.arrivals.sum(axis=1) + result.ordered.sum(axis=1)
    left = result.sold.sum(axis=1) + result.end_on_hand + result.end_on_order
    assert came == pytest.approx(left)
    assert result.demand.sum() == pytest.approx(demand.sum())


@settings(max_examples=60, deadline=None)
@given(worlds)
def test_stock_is_never_negative_and_sales_never_exceed_demand(seed):
    demand, levels, terms, start, review = _world(seed)
    result = simulate(demand, levels, terms, start, review_days=review, paths=True)
    assert result.on_hand.min() >= 0
    assert result.on_order.min() >= 0
    assert (result.lost >= 0).all()
    assert (result.lost <= result.demand).all()


@settings(max_examples=40, deadline=None)
@given(worlds)
def test_agrees_with_a_loop_written_from_the_text(seed):
    demand, levels, terms, start, review = _world(seed)
    result = simulate(demand, levels, terms, start, review_days=review, paths=True)
    for i in range(len(demand)):
        due = dict(enumerate(start.arrivals[i]))
        stock = start.on_hand[i]
        for day, wanted in enumerate(demand[i]):
            if day % review == 0:
                coming = sum(units for arrives, units in due.items() if arrives >= day)
                quantity = order_quantity(
                    levels[i, day // review] - stock - coming,
                    batch=terms.batch[i],
                    minimum_order_quantity=terms.minimum_order_quantity[i],
                    order_multiple=terms.order_multiple[i],
                )
                arrives = day + terms.lead_days[i, day // review]
                due[arrives] = due.get(arrives, 0.0) + float(quantity)
            stock = max(0.0, stock + due.get(day, 0.0) - wanted)
            assert result.on_hand[i, day] == pytest.approx(stock)


def test_lost_sales_of_a_one_day_lead_time_by_newsvendor():
    # with L=0 and R=1 each day is a newsvendor: E[lost] = E[(D-S)+]
    draw = np.random.default_rng(3)
    demand = draw.poisson(6.0, (1, 200_000)).astype(float)
    result = simulate(
        demand, np.full(demand.shape, 8.0), _terms(1, demand.shape[1], lead=0), empty_start(1),
        review_days=1,
    )  # fmt: skip
    # Snyder and Shen, example 4.7: cost 3.5701 = left + 4 short, and left = 8 - 6 + short
    expected_short = (3.570106945770941 - 2) / 5
    assert result.lost.mean() == pytest.approx(expected_short, rel=0.02)


def test_rejects_levels_of_another_shape():
    with pytest.raises(ContractError, match="levels has shape"):
        simulate(np.ones((2, 7)), np.ones((2, 2)), _terms(2, 1), empty_start(2), review_days=7)


def test_rejects_negative_demand():
    with pytest.raises(ContractError, match="demand has values down to -1"):
        simulate(-np.ones((1, 7)), np.ones((1, 1)), _terms(1, 1), empty_start(1), review_days=7)
