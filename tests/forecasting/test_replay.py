"""Past days replayed: sales by clock, learned updates, rows of the forecasts table."""

import duckdb
import numpy as np
import pandas as pd
import pytest

from workbench.contracts import checks, tables
from workbench.dashboards.figures import sensing as figures
from workbench.errors import ContractError
from workbench.forecasting import replay
from workbench.forecasting.config import SenseConfig

FIRST = pd.Timestamp("2024-01-01")
SERIES, DAYS, WINDOW = 150, 84, 3
LEVELS = [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99]


def shop(seed=0):
    """Demand of a day is Poisson at a gamma rate; half arrives at 10 h, half at 15 h."""
    rng = np.random.default_rng(seed)
    mean = rng.gamma(2.0, 4.0, SERIES)[:, None]
    parts = rng.poisson(rng.gamma(2.0, mean / 2.0, (SERIES, DAYS)) / 2, (2, SERIES, DAYS))
    part, item, day = (a.ravel() for a in np.indices(parts.shape))
    lines = pd.DataFrame({
        "order_id": [f"{d}-{p}" for d, p in zip(day, part, strict=True)],
        "item_id": [f"{i:03d}" for i in item], "location_id": "1",
        "date": FIRST + pd.to_timedelta(day, unit="D"), "quantity": parts.ravel().astype(float),
    })  # fmt: skip
    lines = lines[lines["quantity"] > 0]
    orders = lines[["order_id", "date"]].drop_duplicates("order_id")
    hour = np.where(orders["order_id"].str.endswith("-1"), 15, 10)
    orders = orders.assign(ordered=orders["date"] + pd.to_timedelta(hour, unit="h"))
    return mean, parts, lines, orders


def forecasts_of(mean, cutoffs):
    rng = np.random.default_rng(9)
    sums = np.stack([
        rng.poisson(rng.gamma(2.0, mean / 2.0, (SERIES, 4_000))) for _ in range(WINDOW)
    ]).sum(axis=0)  # fmt: skip
    values = np.quantile(sums, LEVELS, axis=1, method="inverted_cdf").T
    rows = [
        (f"{i:03d}", "1", FIRST + pd.Timedelta(days=k), FIRST + pd.Timedelta(days=k + 1),
         FIRST + pd.Timedelta(days=k + WINDOW), level, values[i, j])
        for k in cutoffs for i in range(SERIES) for j, level in enumerate(LEVELS)
    ]  # fmt: skip
    names = ["item_id", "location_id", "cutoff", "horizon_start", "horizon_end", "quantile",
             "value"]  # fmt: skip
    windows = pd.DataFrame(rows, columns=names).assign(serves="replenishment", model="ets")
    shorter = windows.assign(serves="operational", value=0.0)  # whoever plans by the week reads it
    shorter["horizon_end"] -= pd.Timedelta(days=1)
    return pd.concat([windows, shorter], ignore_index=True)


def connected(**frames):
    connection = duckdb.connect()
    for name, frame in frames.items():
        connection.register(f"{name}_frame", frame)
        days = [n for n in frame if frame[n].dtype.kind == "M" and n != "ordered"]
        cast = ", ".join(f"{n}::DATE AS {n}" for n in days)
        connection.execute(f"CREATE TABLE {name} AS SELECT * REPLACE ({cast}) FROM {name}_frame")
    return connection


@pytest.fixture(scope="module")
def made():
    mean, parts, lines, orders = shop()
    sales = lines.groupby(["item_id", "location_id", "date"], as_index=False)["quantity"].sum()
    cutoffs = range(20, DAYS - WINDOW - 1, 7)
    connection = connected(
        forecasts=forecasts_of(mean, cutoffs), sales=sales.assign(revenue=1.0),
        orders=orders, order_lines=lines,
    )  # fmt: skip
    return connection, parts, list(cutoffs)


def test_sales_by_a_clock_are_those_of_orders_before_it(made):
    connection, parts, cutoffs = made
    found = replay.first_sales(connection, dc="DC", shares=[0.4, 0.9])
    assert found.hours == (11, 16)
    assert found.shares == pytest.approx((0.5, 1.0), abs=0.01)
    morning = np.stack([parts[0][:, k + 1] for k in cutoffs])
    assert found.sold[0].tolist() == morning.tolist()
    assert found.sold[1].tolist() == found.today.tolist()
    window = np.stack([parts.sum(axis=0)[:, k + 1 : k + 1 + WINDOW].sum(axis=1) for k in cutoffs])
    assert found.total.tolist() == window.tolist()


def test_first_sales_make_forecasts_better_and_leave_them_calibrated(made):
    found = replay.replay(made[0], dc="DC", config=SenseConfig(shares=[0.4]))
    today, window = (found.scores.set_index("target").loc[t] for t in ("today", "window"))
    assert today["sensed"] < today["sold_so_far"] < today["forecast"]
    assert today["gain"] > 0.4
    assert window["gain"] > 0.1
    assert found.scores["pit_gap"].max() < 0.06
    assert "of a usual day is in" in found.reading


def test_rows_obey_the_contract_of_forecasts(made):
    rows = replay.replay(made[0], dc="DC", config=SenseConfig()).rows
    whole = rows.assign(run_id="run")
    checks.check_frame(whole, tables.contract("forecasts"), where="sensed")
    assert set(whole["model"]) == {"ets_sensed"}  # by the family that made the forecast
    assert set(whole["horizon_end"] - whole["horizon_start"]) == {
        pd.Timedelta(0), pd.Timedelta(days=WINDOW - 1)
    }  # fmt: skip
    ordered = whole.sort_values(["horizon_end", "item_id", "quantile"])["value"].to_numpy()
    assert (np.diff(ordered.reshape(-1, len(LEVELS)), axis=1) >= 0).all()


def test_where_orders_carry_no_time_the_page_says_so(made):
    empty = replay.replay(duckdb.connect(), dc="DC", config=SenseConfig())
    assert "No order carries a time of day" in empty.reading
    chart = figures.gain_through_the_day(empty.scores)
    assert "nothing to sense" in chart.layout.title.text


def test_the_figures_say_what_was_found(made):
    found = replay.replay(made[0], dc="DC", config=SenseConfig())
    gain = found.scores.groupby("target").tail(1).set_index("target")["gain"]
    title = figures.gain_through_the_day(found.scores).layout.title.text
    assert f"{gain['today']:.1%}" in title
    name = figures.course_of_the_day(found.course, found.total, name="Milk", days=WINDOW)
    assert f"{found.total:,.0f} in the end" in name.layout.title.text.replace("</b><br><b>", " ")


def test_one_cutoff_is_not_enough_to_learn_and_to_judge(made):
    mean, _, lines, orders = shop()
    sales = lines.groupby(["item_id", "location_id", "date"], as_index=False)["quantity"].sum()
    connection = connected(
        forecasts=forecasts_of(mean, [20]), sales=sales.assign(revenue=1.0), orders=orders,
        order_lines=lines,
    )  # fmt: skip
    with pytest.raises(ContractError, match="1 cutoffs have passed; expected 2 or more"):
        replay.replay(connection, dc="DC", config=SenseConfig())
