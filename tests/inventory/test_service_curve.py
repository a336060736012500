"""The service-level cost curve against the textbook's newsvendor and a week worked by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from workbench.inventory.costs import Costs
from workbench.inventory.service_curve import (
    TARGETS,
    Trial,
    at_equal_service,
    finding,
    legacy_levels,
    reading,
    service_curve,
)


def costs(series=1, *, unit=1.0, margin=1.0, rate=365.0):
    """With a rate of 365 a unit of money held for a day costs one."""
    return Costs(np.full(series, unit), np.full(series, margin), rate, 0.0)


def test_daily_base_stock_without_lead_time_is_the_newsvendor():
    # Poisson demand (rate 20), h = 0.18, p = 0.70: each day is a newsvendor's. Expected left over
    # and short by the loss function (Snyder and Shen, section 4.3.2), service by the distribution.
    rate, h, p = 20, 0.18, 0.70
    demand = stats.poisson(rate)
    draws = np.random.default_rng(1).poisson(rate, (200, 1_000)).astype(float)
    targets = [0.5, p / (p + h), 0.99]
    levels = np.broadcast_to(demand.ppf(targets), (200, 1_000, 3))
    trial = Trial(draws, 1, 0, costs(200, margin=p, rate=365 * h))
    found = service_curve(trial, {"exact": levels}, targets)
    days = 200 * 999
    for row, stock in zip(found.to_dict("records"), demand.ppf(targets), strict=True):
        below = np.arange(stock + 1)
        left = float(((stock - below) * demand.pmf(below)).sum())
        short = rate - stock + left
        assert row["cycle_service"] == pytest.approx(demand.cdf(stock), abs=0.003)
        assert row["average_on_hand"] == pytest.approx(200 * left, rel=0.01)
        assert row["fill_rate"] == pytest.approx(1 - short / rate, abs=0.001)
        assert row["total_cost"] == pytest.approx(days * (h * left + p * short), rel=0.01)
    assert found["total_cost"].idxmin() == 1  # the critical ratio costs least


def test_two_weeks_worked_by_hand():
    # Levels 10 then 8, lead time 7 days, start with 10. Week 1 sells 1 a day: 3 are left, 0 lost;
    # nothing was ordered then. On day 7 there are 3 of 8: 5 are ordered and come on day 14. Week 2
    # asks 1 a day: 3 sold, 4 lost, stock 2, 1, 0, 0, 0, 0, 0 at the end of its days.
    trial = Trial(np.ones((1, 14)), 7, 7, costs(unit=2.0, margin=5.0))
    levels = np.array([[[10.0], [8.0]]])
    (row,) = service_curve(trial, {"hand": levels}, [0.9]).to_dict("records")
    assert row["lost"] == 4
    assert row["cycle_service"] == 0
    assert row["fill_rate"] == pytest.approx(3 / 7)
    assert row["average_on_hand"] == pytest.approx(3 / 7)
    assert row["stock_value"] == pytest.approx(6 / 7)
    assert row["holding_cost"] == pytest.approx(3 * 2)
    assert row["lost_margin"] == 20
    assert row["total_cost"] == 26


def test_legacy_level_is_the_textbooks():
    # 56 days of 0 and 4 in turn: mean 2, sd (n - 1) 2.01807; 14 days: 28 + 1.64485 x 7.5509 = 40.42
    known = np.tile([0.0, 4.0], 40)[None]
    assert legacy_levels(known, [70], [0.95], cover_days=14)[0, 0, 0] == 41


def test_a_higher_target_never_serves_less():
    rng = np.random.default_rng(2)
    demand = rng.poisson(3, (40, 84)).astype(float)
    levels = legacy_levels(
        rng.poisson(3, (40, 100)).astype(float), [100] * 12, TARGETS, cover_days=14
    )
    found = service_curve(Trial(demand, 7, 7, costs(40)), {"legacy": levels}, TARGETS)
    assert (np.diff(found["fill_rate"]) >= 0).all()
    assert (np.diff(found["average_on_hand"]) >= 0).all()
    assert (TARGETS[0], TARGETS[-1]) == (0.8, 0.995)


def test_stock_at_equal_service_is_read_between_the_points():
    curve = pd.DataFrame(
        {"family": list("aabb"), "fill_rate": [0.9, 1.0, 0.9, 1.0],
         "stock_value": [10.0, 20.0, 20.0, 40.0]}
    )  # fmt: skip
    assert at_equal_service(curve, "a", "b") == pytest.approx(-0.5)
    apart = curve.assign(fill_rate=[0.5, 0.6, 0.9, 1.0])
    assert np.isnan(at_equal_service(apart, "a", "b"))


def test_the_reading_says_less_stock_and_less_money():
    curve = pd.DataFrame(
        {"family": list("aabb"), "fill_rate": [0.9, 1.0, 0.9, 1.0],
         "stock_value": [10.0, 20.0, 20.0, 40.0], "total_cost": [30.0, 20.0, 25.0, 40.0]}
    )  # fmt: skip
    assert reading(curve, "a") == (
        "Acting on this forecast needs 50% less stock for the same fill rate than b, and at the"
        " best target of each it costs 20% less."
    )
    assert finding(curve, "a") == "The same service takes 50% less stock than b"
    apart = curve.assign(fill_rate=[0.5, 0.6, 0.9, 1.0])
    assert "never meets the fill rate of b" in reading(apart, "a")
    assert finding(apart, "a") == "No common fill rate"
