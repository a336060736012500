"""New items, forecast from what similar items sold when they were as new."""

import duckdb
import numpy as np
import pandas as pd
import pytest

from workbench.errors import ContractError
from workbench.forecasting import cold_start, views

WINDOWS, LEVELS = [7, 14], [0.1, 0.5, 0.9]
RATES = {"a": 0.3, "b": 3.0}  # units a day of new items by category
LAST = pd.Timestamp("2017-09-30")


@pytest.fixture(scope="module")
def tables():
    """Sales of 500 items launched through the year in two categories, ten of them old."""
    rng = np.random.default_rng(4)
    items, sales = [], []
    for number in range(500):
        category = "ab"[number % 2]
        launch = 0 if number < 10 else int(rng.integers(60, 273))
        items.append((f"{number:03d}", category, "food", "own", "m", 1.0, None, True))
        days = np.arange(launch, 273)
        units = rng.poisson(RATES[category], len(days))
        units[0] = max(units[0], 1)
        day = pd.Timestamp("2017-01-01") + pd.to_timedelta(days, unit="D")
        one = pd.DataFrame({"item_id": f"{number:03d}", "date": day, "quantity": units})
        sales.append(one[one["quantity"] > 0])
    frame = pd.concat(sales, ignore_index=True).assign(location_id="7")
    names = ["item_id", "category", "department", "brand", "manufacturer", "pack_size",
             "pack_count", "is_demand"]  # fmt: skip
    return pd.DataFrame(items, columns=names), frame.assign(revenue=frame["quantity"] * 2.0)


@pytest.fixture
def connect(tables):
    def connection(until=LAST, change=lambda sales: sales):
        items, sales = tables
        found = duckdb.connect()
        found.register("items", items)
        found.register("sales", change(sales)[lambda rows: rows["date"] <= until])
        return found

    return connection


def test_an_example_is_an_item_in_its_first_four_weeks(connect):
    known = cold_start.examples(connect(), dc="", windows=WINDOWS)
    assert known["age"].between(0, 27).all()
    assert known["item_id"].astype(int).min() >= 10  # what sold from the first day may be old
    assert known["cutoff"].max() == LAST
    assert (known.groupby("item_id")["cutoff"].nunique() <= 4).all()
    one = known.iloc[200]
    sales = connect().execute("SELECT date, quantity FROM sales WHERE item_id = ?",
                              [one["item_id"]]).df().set_index("date")["quantity"]  # fmt: skip
    week = pd.date_range(one["cutoff"] + pd.Timedelta(days=1), periods=7)
    assert one["w7"] == sales.reindex(week).fillna(0).sum()
    assert one["units"] == sales[: one["cutoff"]].sum()


def test_what_comes_after_a_cutoff_changes_nothing_known_at_it(connect):
    cut = pd.Timestamp("2017-07-01")
    later = lambda sales: sales.assign(quantity=sales["quantity"].where(sales["date"] <= cut, 99))  # noqa: E731
    seen, other = (
        cold_start.examples(connect(change=change), dc="", windows=WINDOWS)
        for change in (lambda sales: sales, later)
    )
    names = [*cold_start.NUMBERS, *(f"{group}_so_far" for group in cold_start.GROUPS)]
    before = seen["cutoff"] <= cut
    pd.testing.assert_frame_equal(seen.loc[before, names], other.loc[before, names])
    fits = [cold_start.fit_similar(k, by=cut, windows=WINDOWS, seed=1) for k in (seen, other)]
    now = seen[seen["cutoff"] == cut - pd.Timedelta(days=(cut - LAST).days % 7)]
    made = [fit.quantiles(now, 7, LEVELS) for fit in fits]
    assert np.array_equal(*made)
    assert (fits[0].learned["cutoff"] + pd.Timedelta(days=14) <= cut).all()


def test_quantiles_are_those_that_similar_items_sold(connect):
    known = cold_start.examples(connect(), dc="", windows=WINDOWS)
    similar = cold_start.fit_similar(
        known, by=LAST, windows=WINDOWS, seed=1, numbers=cold_start.ATTRIBUTES
    )
    new = known[known["cutoff"] == LAST]
    made = pd.DataFrame(similar.quantiles(new, 7, LEVELS), index=new["category"])
    median = made[1].groupby(level=0).median()
    # Poisson medians of a week: 2 of mean 2.1, 21 of mean 21
    assert median["a"] == pytest.approx(2, abs=1)
    assert median["b"] == pytest.approx(21, abs=2)
    assert (np.diff(made.to_numpy(), axis=1) >= 0).all()


def test_the_trial_beats_the_mean_of_categories_that_are_mixed(connect):
    connection = connect()
    connection.execute("CREATE TEMP TABLE mixed AS SELECT * REPLACE ('x' AS category,"
                       " category AS brand) FROM items")  # fmt: skip
    connection.execute("CREATE OR REPLACE TEMP VIEW items AS SELECT * FROM mixed")
    found = cold_start.cold_start(
        connection, dc="", windows=WINDOWS, levels=LEVELS, test_weeks=8, seed=1
    )
    scores = found.scores.set_index("method")
    assert scores.loc["similar by attributes alone", "low"] > 0.2
    assert scores.loc["category mean", "saved"] == 0
    assert found.rows["model"].eq("similar_items").all()
    assert set(found.evidence["item_id"]) <= set(found.rows["item_id"])
    # the forest puts items of a brand together, which says what sells; the category says nothing
    new = cold_start.examples(connection, dc="", windows=WINDOWS).set_index("item_id")["brand"]
    brand = found.evidence[found.evidence["kind"] == "brand"]
    assert brand["name"].tolist() == new[~new.index.duplicated()].loc[brand["item_id"]].tolist()
    assert (brand["own"] & (brand["weight"] > 0.9)).all()
    # the one category has all the weight, and what it sold is what all similar items sold
    every = found.evidence[found.evidence["kind"] == "category"]
    assert every["weight"].tolist() == pytest.approx([1.0] * len(every))
    assert every["demand"].tolist() == pytest.approx(every["expected"].tolist())
    told = views.evidence_in_words(found.evidence)
    assert told["item_id"].tolist() == brand["item_id"].tolist()
    assert "100% category x (its own)" in told["rests_on"].iloc[0]


def test_too_few_new_items_are_said_and_nothing_is_forecast(connect):
    connection = connect(until=pd.Timestamp("2017-03-20"))
    known = cold_start.examples(connection, dc="", windows=WINDOWS)
    with pytest.raises(ContractError, match="expected 200 or more to learn from"):
        cold_start.fit_similar(known, by=pd.Timestamp("2017-03-20"), windows=WINDOWS, seed=1)
    found = cold_start.cold_start(
        connection, dc="", windows=WINDOWS, levels=LEVELS, test_weeks=4, seed=1
    )
    assert found.rows.empty
    assert "New items have no forecast" in found.reading


@pytest.mark.parametrize(
    ("days", "told"), [(35, "0 items are new. On "), (110, "none from 2017-08-05 on whose 14 days")]
)
def test_items_that_were_new_weeks_ago_are_not_forecast_as_new(connect, days, told):
    def without_launches(sales):
        first = sales.groupby("item_id")["date"].transform("min")
        return sales[first <= LAST - pd.Timedelta(days=days)]

    found = cold_start.cold_start(
        connect(change=without_launches), dc="", windows=WINDOWS, levels=LEVELS, test_weeks=8,
        seed=1,
    )  # fmt: skip
    assert told in found.reading
    assert found.rows.empty
    assert found.evidence.empty
