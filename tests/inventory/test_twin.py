"""The digital twin: real demand, conserved stock, the same world for the same seed."""

import pandas as pd
import pytest

from workbench.contracts import columns as c
from workbench.contracts import tables
from workbench.errors import ContractError
from workbench.inventory.config import TwinConfig
from workbench.inventory.twin import (
    MADE_FROM,
    WRITES,
    planned_series,
    provenance,
    simulated_tables,
    twin_tables,
    unit_draw,
)


@pytest.fixture(scope="module")
def twin(shop_sales, shop_items, shop_locations, shop_config):
    return simulated_tables(shop_sales, shop_items, shop_locations, shop_config)


def _series(frame, item, location):
    return frame[(frame[c.ITEM_ID] == item) & (frame[c.LOCATION_ID] == location)]


def test_makes_the_declared_tables_with_the_columns_of_their_contracts(twin):
    assert set(twin) == set(WRITES)
    for name, frame in twin.items():
        assert list(frame.columns) == list(tables.contract(name).names)
        assert not frame.duplicated(list(tables.contract(name).key)).any()


def test_centre_faces_the_demand_of_all_stores(twin, shop_sales):
    stock = _series(twin["stock"], "10", "DC1")
    orders = _series(twin["purchase_orders"], "10", "DC1")
    days = stock[c.DATE]
    demand = shop_sales[(shop_sales[c.ITEM_ID] == "10") & shop_sales[c.DATE].isin(days)]
    position = stock[c.ON_HAND] + stock[c.ON_ORDER]
    used = position.iloc[0] - position.iloc[-1] + orders[c.QUANTITY].sum()
    total = demand[c.QUANTITY].sum()
    assert 0.8 * total <= used <= total


def test_stock_rises_by_what_is_received(twin, shop_sales):
    lines = twin["receipts"].merge(twin["purchase_orders"], on=[c.PO_ID, c.LINE])
    one = _series(lines, "20", "1").groupby(c.RECEIVED)["quantity_x"].sum()
    stock = _series(twin["stock"], "20", "1").set_index(c.DATE)[c.ON_HAND]
    sold = _series(shop_sales, "20", "1").set_index(c.DATE)[c.QUANTITY]
    for day in stock.index[1:]:
        available = stock[day - pd.Timedelta(days=1)] + one.get(day, 0.0)
        assert stock[day] == pytest.approx(max(0.0, available - sold.get(day, 0.0)))


def test_day_after_the_last_is_a_review_day(twin, shop_sales):
    ordered = twin["purchase_orders"][c.ORDERED]
    gap = (shop_sales[c.DATE].max() + pd.Timedelta(days=1) - ordered).dt.days
    assert set(gap % 7) == {0}


def test_receipts_come_no_later_than_the_last_day_and_never_before_the_order(twin, shop_sales):
    lines = twin["receipts"].merge(twin["purchase_orders"], on=[c.PO_ID, c.LINE])
    assert lines[c.RECEIVED].max() <= shop_sales[c.DATE].max()
    assert ((lines[c.RECEIVED] - lines[c.ORDERED]).dt.days >= 1).all()


def test_unit_cost_is_the_stated_share_of_the_selling_price(twin, shop_config):
    share = twin["supplier_items"][c.UNIT_COST] / 3.0
    assert share.between(shop_config.unit_cost_share_low, shop_config.unit_cost_share_high).all()


def test_orders_keep_minimum_and_multiple(twin):
    keys = [c.SUPPLIER_ID, c.ITEM_ID, c.LOCATION_ID]
    lines = twin["purchase_orders"].merge(twin["supplier_items"], on=keys)
    assert (lines[c.QUANTITY] % lines[c.ORDER_MULTIPLE] == 0).all()
    assert (lines[c.QUANTITY] >= lines[c.MINIMUM_ORDER_QUANTITY]).all()


def test_same_seed_gives_the_same_world(twin, shop_sales, shop_items, shop_locations, shop_config):
    again = simulated_tables(shop_sales, shop_items, shop_locations, shop_config)
    for name, frame in twin.items():
        pd.testing.assert_frame_equal(frame, again[name])


def test_another_seed_gives_another_world(twin, shop_sales, shop_items, shop_locations):
    config = TwinConfig(seed=1, minimum_days_dc=30, minimum_days_store=20, suppliers=2)
    other = simulated_tables(shop_sales, shop_items, shop_locations, config)
    assert not twin["supplier_items"].equals(other["supplier_items"])


def test_an_item_more_changes_no_draw_of_the_others():
    few, more = pd.Series(["a", "b"]), pd.Series(["a", "x", "b"])
    assert unit_draw(3, "cost", few).tolist() == unit_draw(3, "cost", more)[[0, 2]].tolist()


def test_running_it_again_adds_no_second_centre(twin, shop_sales, shop_items, shop_config):
    again = simulated_tables(shop_sales, shop_items, twin["locations"], shop_config)
    pd.testing.assert_frame_equal(again["locations"], twin["locations"])


def test_only_what_sales_say_is_called_source():
    assert provenance("stock")[c.ON_HAND] == "simulated"
    assert provenance("stock")[c.ITEM_ID] == "source"
    assert set(provenance("receipts").values()) == {"simulated"}


def test_pseudo_items_are_not_planned(twin):
    assert "99" not in set(twin["supplier_items"][c.ITEM_ID])


def test_says_what_to_do_when_nothing_sells_often_enough(shop_sales):
    with pytest.raises(ContractError, match="500 days or more"):
        planned_series(shop_sales, dc="DC1", minimum_days_dc=500, minimum_days_store=500)


def test_reads_from_a_store_what_it_declares(shop_sales, shop_items, shop_locations, shop_config):
    class Frames:
        def read(self, table, *, columns=None):
            known = {"sales": shop_sales, "items": shop_items, "locations": shop_locations}
            return known[table][columns] if columns else known[table]

    assert len(twin_tables(Frames(), shop_config)["supplier_items"]) == 9


@pytest.mark.parametrize("changed", ["sales", "items", "locations"])
def test_tables_change_with_what_they_are_made_from(
    twin, shop_sales, shop_items, shop_locations, shop_config, changed
):
    """The declaration against an experiment: one input is changed, the rest is as it was."""
    sales, items, locations = shop_sales.copy(), shop_items.copy(), shop_locations.copy()
    if changed == "sales":
        sales[[c.QUANTITY, c.REVENUE]] *= [3.0, 4.0]
    elif changed == "items":
        items.loc[0, c.IS_DEMAND] = False
    else:
        locations[c.LATITUDE] = 12.0
    other = simulated_tables(sales, items, locations, shop_config)
    differ = {table for table, frame in other.items() if not frame.equals(twin[table])}
    assert differ == {table for table, sources in MADE_FROM.items() if changed in sources}
