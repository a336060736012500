"""Panels with known demand, simulated for these tests."""

from dataclasses import replace

import duckdb
import numpy as np
import pandas as pd
import pytest

from workbench.forecasting import backtest
from workbench.forecasting.config import ForecastConfig
from workbench.forecasting.panel import Panel

FIRST = pd.Timestamp("2017-01-01")
AHEAD = 56


@pytest.fixture(scope="session")
def make_panel():
    """Poisson demand with a weekly season and promotions that multiply it by `lift`."""

    def make(series=60, days=365, seed=0, lift=2.0, share=0.1):
        rng = np.random.default_rng(seed)
        rate = rng.gamma(1.0, 3.0, series)[:, None] + 0.05
        week = 1 + 0.4 * np.sin(2 * np.pi * np.arange(days) / 7)
        weeks = rng.random((series, (days + AHEAD) // 7 + 1)) < share
        promoted = np.zeros((2, series, days + AHEAD), np.float32)
        promoted[0] = np.repeat(weeks, 7, axis=1)[:, : days + AHEAD]
        demand = rate * week * np.where(promoted[0][:, :days] > 0, lift, 1)
        place = np.arange(series)
        keys = pd.DataFrame(
            {
                "item_id": [f"{i:04d}" for i in place],
                "location_id": np.where(place % 2, "DC1", "7"),
                "category": np.where(place % 3, "a", "b"),
                "price": rng.uniform(1, 9, series),
            }
        )
        return Panel(
            series=keys, units=rng.poisson(demand).astype(np.float32),
            price=np.full((series, days), 2.0, np.float32), promoted=promoted, first_day=FIRST,
            is_dc=place % 2 == 1, events=np.zeros((2, days + AHEAD), np.float32),
        )  # fmt: skip

    return make


@pytest.fixture(scope="session")
def make_sites(make_panel):
    """Items at the centre (all stores), the first of them in one store too, others there alone."""

    def make(centre, shared, alone):
        made = make_panel(series=centre + shared + alone, share=0.0)
        at_centre = np.arange(len(made.series)) < centre
        items = np.r_[:centre, :shared, centre : centre + alone]
        keys = made.series.assign(
            item_id=[f"{i:03d}" for i in items], location_id=np.where(at_centre, "DC1", "7")
        )
        units = made.units.copy()
        units[:shared] += units[centre : centre + shared]  # the store's sales are among all stores'
        return replace(made, series=keys, units=units, is_dc=at_centre)

    return make


@pytest.fixture(scope="session")
def result(make_panel):
    """A backtest of all families: panel, config and what it showed."""
    config = ForecastConfig(trees=40, test_cutoffs=6, calibration_weeks=11, windows_days=[7, 14])
    panel = make_panel(series=120)
    return panel, config, backtest.backtest(panel, backtest.windows_of(config), config)


@pytest.fixture
def shop():
    """A DuckDB connection: item 1 in two stores, item 2 in one, and a gift card; ten days.

    Item 1 sells at store 7 every day but the fourth (2 units for 5.00), at store 8 on the first two
    days (1 unit for 3.00); item 2 sells at store 7 on the first and the last day.
    """
    connection = duckdb.connect()
    rows = [("1", "7", day, 2, 5.0) for day in range(10) if day != 3]
    rows += [("1", "8", day, 1, 3.0) for day in range(2)]
    rows += [("2", "7", day, 1, 1.0) for day in (0, 9)]
    rows += [("card", "7", day, 1, 20.0) for day in range(10)]
    sales = pd.DataFrame(rows, columns=["item_id", "location_id", "date", "quantity", "revenue"])
    sales["date"] = FIRST + pd.to_timedelta(sales["date"], unit="D")
    items = pd.DataFrame(
        {"item_id": ["1", "2", "card"], "category": ["dairy", None, None],
         "is_demand": [True, True, False]}
    )  # fmt: skip
    connection.execute(
        "CREATE TABLE sales AS SELECT * REPLACE (date::DATE AS date,"
        " quantity::DOUBLE AS quantity) FROM sales"
    )
    connection.register("shop_items", items)
    connection.execute("CREATE TABLE items AS SELECT * FROM shop_items")
    return connection
