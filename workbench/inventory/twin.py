"""The digital twin: a simulated supply side behind the observed sales.

Real are items, stores and daily sales, which the twin takes as demand. Simulated are the
distribution centre, suppliers, lead times, order terms, unit costs, and the stock, purchase orders
and receipts that a plain review-period policy would have left behind (`simulate.py` states the
order of events). Demand beyond the simulated stock is lost in the twin only: `sales` stays as
recorded. Supplier, cost and minimum of an item follow from the seed and its ids, so that adding one
changes no other. Lead times are drawn series by series, in key order, review by review: another
series moves those of the series after it.

The distribution centre faces the demand of all stores, each planned store its own; both are
planned by themselves (single echelon), so the centre does not ship what the stores receive.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.contracts import columns as c
from workbench.contracts import tables
from workbench.contracts.schema import Origin
from workbench.errors import ContractError
from workbench.inventory.config import TwinConfig
from workbench.inventory.demand import SERIES, DemandMatrix, demand_matrix
from workbench.inventory.policies import base_stock_levels, trailing_statistics
from workbench.inventory.simulate import Simulation, StartState, Terms, simulate
from workbench.inventory.twin_documents import purchase_orders, receipts, stock

READS: Final = ("sales", "items", "locations")
WRITES: Final = (
    "suppliers", "supplier_items", "locations", "stock", "purchase_orders", "receipts"
)  # fmt: skip
# What each table is made from besides the configuration; the tests change one input at a time.
MADE_FROM: Final[Mapping[str, tuple[str, ...]]] = {
    "suppliers": (), "locations": ("locations",),
    **dict.fromkeys(("supplier_items", "stock", "purchase_orders", "receipts"), ("sales", "items")),
}  # fmt: skip
CASE_SIZES: Final = np.array([1.0, 6.0, 12.0, 24.0])  # base units, at the distribution centre
INNER_PACKS: Final = np.array([1.0, 3.0, 6.0])  # base units, at a store
WARM_UP_DAYS: Final = 28  # first reviews know the first days' demand, as a running business would


class Reader(Protocol):
    """What the twin asks of the table store."""

    def read(self, table: str, *, columns: list[str] | None = None) -> pd.DataFrame: ...


def provenance(table: str) -> Mapping[str, Origin]:
    """Where each column of a twin table comes from."""
    real = {"supplier_items": {c.ITEM_ID, c.CURRENCY}, "stock": {c.ITEM_ID}}
    real |= {"purchase_orders": {c.ITEM_ID}, "locations": {c.REGION, c.LATITUDE, c.LONGITUDE}}
    source = real.get(table, set())
    return {
        name: "source" if name in source else "simulated" for name in tables.contract(table).names
    }


def twin_tables(store: Reader, config: TwinConfig) -> dict[str, pd.DataFrame]:
    """Simulate the supply side of the store's current sales.

    Args:
        store: Holds `sales`, `items` and `locations`.
        config: Seed and what is assumed.

    Returns:
        Frames of the tables in `WRITES`; `locations` holds the stores as they were, and the
        distribution centre. `provenance` says which columns are real.

    Raises:
        ContractError: No item sold on enough days.
    """
    sales = store.read("sales", columns=[*SERIES, c.DATE, c.QUANTITY, c.REVENUE])
    items = store.read("items")
    locations = store.read("locations")
    return simulated_tables(sales, items, locations, config)


def simulated_tables(
    sales: pd.DataFrame, items: pd.DataFrame, locations: pd.DataFrame, config: TwinConfig
) -> dict[str, pd.DataFrame]:
    """As `twin_tables`, from frames."""
    items = items[items[c.IS_DEMAND]]
    sales = sales[sales[c.ITEM_ID].isin(items[c.ITEM_ID])]
    series = planned_series(
        sales,
        dc=config.dc,
        minimum_days_dc=config.minimum_days_dc,
        minimum_days_store=config.minimum_days_store,
    )
    demand = demand_matrix(sales, series, dc=config.dc)
    suppliers = _suppliers(config)
    prices = sales.groupby(c.ITEM_ID)[[c.REVENUE, c.QUANTITY]].sum()
    terms = _supplier_items(demand, items, prices, suppliers, config)
    offset, simulation, leads = _history(demand, terms, config)
    first = demand.first_day + pd.Timedelta(offset, unit="D")
    orders = purchase_orders(simulation, leads, terms, first, review_days=config.review_days)
    return {
        "suppliers": suppliers[[c.SUPPLIER_ID, c.COUNTRY]],
        "supplier_items": terms,
        "locations": _with_centre(locations, config.dc),
        "stock": stock(simulation, terms, first),
        "purchase_orders": orders[list(tables.PURCHASE_ORDERS.names)],
        "receipts": receipts(orders, last_day=demand.days[-1]),
    }


def planned_series(
    sales: pd.DataFrame, *, dc: str, minimum_days_dc: int, minimum_days_store: int
) -> pd.DataFrame:
    """Items and item-stores that sold on enough days, in key order.

    Args:
        sales: item_id, location_id, date, quantity.
        dc: Distribution centre, which stands for all stores of an item; empty: there is none.
        minimum_days_dc: Days that an item must have sold on.
        minimum_days_store: Days that an item must have sold on in one store.

    Returns:
        item_id, location_id.

    Raises:
        ContractError: There are none.
    """
    sold = sales[sales[c.QUANTITY] > 0]
    by_store = sold.groupby(SERIES, observed=True)[c.DATE].nunique()
    by_item = sold[[c.ITEM_ID, c.DATE]].drop_duplicates().groupby(c.ITEM_ID).size()
    stores = by_store[by_store >= minimum_days_store].index.to_frame(index=False)
    items = by_item[by_item >= minimum_days_dc].index if dc else by_item.index[:0]
    centre = pd.DataFrame({c.ITEM_ID: items, c.LOCATION_ID: dc})
    series = pd.concat([centre, stores]).sort_values(SERIES, ignore_index=True)
    if series.empty:
        raise ContractError(
            f"sales: no item sold on {minimum_days_dc} days or more, and no item-store on"
            f" {minimum_days_store}; expected at least one. Lower the minimum or ingest a"
            " longer history."
        )
    return series


def unit_draw(seed: int, what: str, ids: pd.Series) -> NDArray[np.float64]:
    """One number in [0, 1) per id that depends on seed, purpose and id only."""
    unique = {
        value: int.from_bytes(
            hashlib.blake2b(f"{seed}:{what}:{value}".encode(), digest_size=8).digest(), "big"
        )
        for value in ids.unique()
    }
    return ids.map(unique).to_numpy(dtype=np.uint64) / 2.0**64


def draw_lead_days(
    seed: int, terms: pd.DataFrame, reviews: int, *, purpose: str
) -> NDArray[np.int64]:
    """Lead time of an order at each review: normal, rounded to whole days, at least one day.

    Drawn by position: rows in another order, or one row more, get other days from there on.

    Args:
        seed: Seed of the draws.
        terms: `supplier_items` rows, one per series; lead_time_days, lead_time_sd_days.
        reviews: Number of reviews.
        purpose: Keeps draws for different uses apart.

    Returns:
        Days, series by review.
    """
    name = int.from_bytes(hashlib.blake2b(purpose.encode(), digest_size=4).digest(), "big")
    normal = np.random.default_rng([seed, name]).standard_normal((len(terms), reviews))
    nominal = terms[c.LEAD_TIME_DAYS].to_numpy(dtype=np.float64)[:, None]
    sd = terms[c.LEAD_TIME_SD_DAYS].to_numpy(dtype=np.float64)[:, None]
    return np.maximum(1, np.rint(nominal + sd * normal)).astype(np.int64)


def _suppliers(config: TwinConfig) -> pd.DataFrame:
    """supplier_id, country and the nominal lead time of each."""
    ids = pd.Series([f"S{number:03d}" for number in range(1, config.suppliers + 1)])
    nominal = np.array(sorted(config.supplier_lead_days))
    lead = nominal[np.arange(len(ids)) % len(nominal)]
    return pd.DataFrame({c.SUPPLIER_ID: ids, c.COUNTRY: None, c.LEAD_TIME_DAYS: lead})


def _supplier_items(
    demand: DemandMatrix,
    items: pd.DataFrame,
    prices: pd.DataFrame,
    suppliers: pd.DataFrame,
    config: TwinConfig,
) -> pd.DataFrame:
    """The `supplier_items` table, one row per series and in the order of the series."""
    terms = demand.series.merge(items, on=c.ITEM_ID, how="left")
    at_centre = (terms[c.LOCATION_ID] == config.dc).to_numpy()
    maker = terms[c.MANUFACTURER].fillna("unknown")
    pick = (unit_draw(config.seed, "supplier", maker) * len(suppliers)).astype(int)
    lead = np.where(at_centre, suppliers[c.LEAD_TIME_DAYS].to_numpy()[pick], config.store_lead_days)
    supplier = np.where(at_centre, suppliers[c.SUPPLIER_ID].to_numpy()[pick], config.dc)
    weekly = demand.units.mean(axis=1) * config.review_days
    multiple = np.where(at_centre, _pack(CASE_SIZES, weekly), _pack(INNER_PACKS, weekly))
    cases = 1 + (unit_draw(config.seed, "minimum", terms[c.ITEM_ID]) < 0.25)
    simulated: dict[str, Any] = {
        c.SUPPLIER_ID: supplier,
        c.LEAD_TIME_DAYS: lead.astype(np.float64),
        c.LEAD_TIME_SD_DAYS: np.where(at_centre, lead * config.lead_time_variation, 0.0),
        c.MINIMUM_ORDER_QUANTITY: np.where(at_centre, multiple * cases, multiple),
        c.ORDER_MULTIPLE: multiple,
        c.UNIT_COST: _unit_cost(terms, prices, config),
        c.CAPACITY: np.nan,
    }
    return terms.assign(**simulated)[list(tables.SUPPLIER_ITEMS.names)]


def _pack(sizes: NDArray[np.float64], weekly: NDArray[np.float64]) -> NDArray[np.float64]:
    """Largest pack that a review period's demand empties, else the smallest."""
    index = np.searchsorted(sizes, weekly, side="right") - 1
    return sizes[np.maximum(index, 0)]


def _unit_cost(
    terms: pd.DataFrame, prices: pd.DataFrame, config: TwinConfig
) -> NDArray[np.float64]:
    """A share of the item's mean selling price, the same within a category."""
    spread = config.unit_cost_share_high - config.unit_cost_share_low
    category = terms[c.CATEGORY].fillna("unknown")
    share = config.unit_cost_share_low + spread * unit_draw(config.seed, "cost", category)
    paid = prices[c.REVENUE] / prices[c.QUANTITY].where(prices[c.QUANTITY] > 0)
    price = terms[c.ITEM_ID].map(paid).fillna(0.0).to_numpy(dtype=np.float64)
    cost: NDArray[np.float64] = np.round(share * np.maximum(price, 0.0), 4)
    return cost


def _history(
    demand: DemandMatrix, terms: pd.DataFrame, config: TwinConfig
) -> tuple[int, Simulation, NDArray[np.int64]]:
    """First review's column, the simulated history from there, and the lead times drawn."""
    days = demand.units.shape[1]
    offset = days % config.review_days  # the day after the last one is a review day
    reviews = list(range(offset, days, config.review_days))
    known = [max(day, min(WARM_UP_DAYS, days)) for day in reviews]
    statistics = trailing_statistics(demand.units, known, trailing_days=config.trailing_days)
    lead = terms[c.LEAD_TIME_DAYS].to_numpy()
    levels = base_stock_levels(statistics, lead + config.review_days, config.service_factor)
    order_terms = Terms(
        terms[c.MINIMUM_ORDER_QUANTITY].to_numpy(),
        terms[c.ORDER_MULTIPLE].to_numpy(),
        draw_lead_days(config.seed, terms, len(reviews), purpose="history"),
        np.zeros(len(terms)),
    )
    start = StartState(np.ceil(levels[:, 0]), np.zeros((len(terms), 0)))
    outcome = simulate(
        demand.units[:, offset:], levels, order_terms, start,
        review_days=config.review_days, paths=True,
    )  # fmt: skip
    return offset, outcome, order_terms.lead_days


def _with_centre(locations: pd.DataFrame, dc: str) -> pd.DataFrame:
    """The stores, and one row for the distribution centre."""
    others = locations[locations[c.LOCATION_ID] != dc]
    centre: dict[str, Any] = dict.fromkeys(tables.LOCATIONS.names)
    centre |= {c.LOCATION_ID: dc, c.KIND: "dc"}
    rows = [*others.to_dict("records"), centre]
    return pd.DataFrame(rows, columns=list(tables.LOCATIONS.names))
