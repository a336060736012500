"""The panel, built from a shop small enough to count by hand."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from workbench.errors import ContractError
from workbench.forecasting import views
from workbench.forecasting.panel import INFERRED, beyond_plans, build_panel


def panel_of(shop, days_dc=5, days_store=5, **options):
    return build_panel(
        shop, dc="DC1", minimum_days_dc=days_dc, minimum_days_store=days_store, ahead=4, **options
    )


def promote(shop, *rows):
    """Add promotions: item, store, kind, first day and the day after the last, from 0."""
    columns = ["item_id", "location_id", "kind", "valid_from", "valid_to"]
    plans = pd.DataFrame(rows, columns=columns)
    for column in columns[3:]:
        plans[column] = pd.Timestamp("2017-01-01") + pd.to_timedelta(plans[column], unit="D")
    shop.execute(
        "CREATE TABLE promotions AS SELECT * REPLACE (valid_from::DATE AS valid_from,"
        " valid_to::DATE AS valid_to) FROM plans"
    )
    return shop


def test_a_series_needs_its_selling_days_there(shop):
    panel = panel_of(shop)
    assert panel.series[["item_id", "location_id"]].to_numpy().tolist() == [
        ["1", "7"], ["1", "DC1"],
    ]  # fmt: skip
    assert panel.is_dc.tolist() == [False, True]


def test_what_is_no_demand_is_no_series(shop):
    assert set(panel_of(shop, 1, 1).series["item_id"]) == {"1", "2"}


def test_days_without_a_row_are_days_without_a_sale(shop):
    assert panel_of(shop).units[0].tolist() == [2, 2, 2, 0, 2, 2, 2, 2, 2, 2]


def test_the_distribution_centre_faces_all_stores(shop):
    assert panel_of(shop).units[1].tolist() == [3, 3, 2, 0, 2, 2, 2, 2, 2, 2]


def test_price_is_that_of_the_last_sale_seen(shop):
    price = panel_of(shop).price[1]
    assert price[:5] == pytest.approx([8 / 3, 8 / 3, 2.5, 2.5, 2.5])


def test_price_before_the_first_sale_is_missing(shop):
    shop.execute("DELETE FROM sales WHERE item_id = '2' AND date = '2017-01-01'")
    panel = panel_of(shop, 1, 99)
    late = panel.series.index[panel.series["item_id"] == "2"][0]
    assert np.isnan(panel.price[late, :9]).all()
    assert panel.price[late, 9] == 1


def test_a_series_can_be_chosen_as_of_an_earlier_day(shop):
    with pytest.raises(ContractError, match="no item sold on 5 days"):
        panel_of(shop, chosen_by=date(2017, 1, 3))


def test_no_series_is_refused_in_one_sentence(shop):
    with pytest.raises(ContractError, match=r"^sales: no item sold on 50 days or more; expected"):
        panel_of(shop, 50, 50)


def test_items_sold_in_fractions_are_left_out_with_the_reason(shop):
    shop.execute("UPDATE sales SET quantity = 0.5 WHERE item_id = '2'")
    panel = panel_of(shop, 2, 99)
    assert panel.series["item_id"].tolist() == ["1"]
    assert panel.left_out.to_numpy().tolist() == [
        ["2", "DC1", "sold in fractions of its base unit"]
    ]


def test_max_series_keeps_those_that_sell_most_often(shop):
    assert panel_of(shop, 1, 1, max_series=2).series["item_id"].tolist() == ["1", "1"]


def test_a_promotion_counts_by_its_share_of_stores_at_the_distribution_centre(shop):
    panel = panel_of(promote(shop, ("1", "8", "mailer", 2, 5), ("1", "7", "display", 0, 14)))
    assert panel.promoted[1, 1, :6].tolist() == [0, 0, 0.5, 0.5, 0.5, 0]
    assert panel.promoted[1, 0].max() == 0  # not in this store
    assert panel.promoted[0, 0].tolist() == [1] * 14


def test_without_promotions_nothing_is_known_ahead(shop):
    assert panel_of(shop).promoted.shape == (2, 2, 14)
    assert panel_of(shop).promoted.max() == 0


def test_beyond_the_last_plan_stands_the_share_of_the_last_four_weeks():
    promoted = np.zeros((2, 1, 40), np.float32)
    promoted[0, 0, 0:2] = 1  # longer ago than four weeks
    promoted[0, 0, 23:30] = 1  # 7 of the last 28 planned days
    filled = beyond_plans(promoted.copy(), planned=30)
    assert filled[0, 0, 30:] == pytest.approx([0.25] * 10)
    assert np.array_equal(filled[:, :, :30], promoted[:, :, :30])


def test_plans_beyond_the_horizon_stay_as_planned():
    promoted = np.ones((2, 1, 5), np.float32)
    assert np.array_equal(beyond_plans(promoted.copy(), planned=9), promoted)


def test_events_and_the_shopping_days_before_a_public_holiday(shop):
    shop.execute("CREATE TABLE calendar (date DATE, event VARCHAR, type VARCHAR)")
    for row in (("2017-01-06", "a", "public_holiday"), ("2017-01-12", "b", "observance"),
                ("2018-01-01", "c", "public_holiday")):  # fmt: skip
        shop.execute("INSERT INTO calendar VALUES (?, ?, ?)", row)
    events = panel_of(shop).events
    assert np.flatnonzero(events[0]).tolist() == [5, 11]
    assert np.flatnonzero(events[1]).tolist() == [2, 3, 4]


def test_a_panel_cut_at_a_day_keeps_its_plans(shop):
    panel = panel_of(promote(shop, ("1", "7", "display", 0, 14)))
    cut = panel.until(pd.Timestamp("2017-01-03"))
    assert cut.units.shape == cut.price.shape == (2, 3)
    assert cut.last_day == pd.Timestamp("2017-01-03")
    assert np.array_equal(cut.promoted, panel.promoted)


def test_days_that_ran_out_are_recovered_and_listed(shop):
    shop.execute("ALTER TABLE sales ADD COLUMN in_stock BOOLEAN")
    shop.execute("UPDATE sales SET in_stock = (item_id <> '1' OR date <> DATE '2017-01-09')")
    shop.execute("UPDATE sales SET quantity = 1 WHERE NOT in_stock")
    panel = build_panel(shop, dc="DC1", minimum_days_dc=5, minimum_days_store=5)
    assert panel.recovered["hidden_days"].tolist() == [1, 1]
    assert set(panel.recovered["location_id"]) == {"7", "DC1"}
    assert (panel.units[:, 8] > 1).all()
    assert (panel.units[:, [7, 9]] == 2).all()


def _steady(shop, days=120, missing=(), flags=""):
    """Item 1 at store 7 on every day but some, two units each; `flags` adds the column in_stock."""
    shop.execute("DELETE FROM sales")
    for day in range(days):
        if day not in missing:
            shop.execute("INSERT INTO sales SELECT '1', '7', DATE '2017-01-01' + ?::INTEGER, 2, 5",
                         [day])  # fmt: skip
    if flags:
        shop.execute(f"ALTER TABLE sales ADD COLUMN in_stock BOOLEAN DEFAULT {flags}")
    return shop


def _store_panel(shop):
    return build_panel(shop, dc="", minimum_days_dc=99, minimum_days_store=10)


def test_without_flags_a_long_zero_run_of_a_fast_mover_is_recovered(shop):
    panel = _store_panel(_steady(shop, missing=range(80, 95)))
    assert panel.recovered["told_by"].tolist() == [INFERRED]
    assert panel.units[0, 94] == pytest.approx(2, rel=0.2)
    assert "What sold is" in views.recovered_reading(panel)


def test_where_sales_carry_flags_nothing_is_inferred(shop):
    panel = _store_panel(_steady(shop, missing=range(80, 95), flags="true"))
    assert panel.recovered.empty
    assert panel.units[0, 80:95].max() == 0
    assert "what sold stands for demand" in views.recovered_reading(panel)
