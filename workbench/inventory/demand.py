"""Daily demand of planned series as one dense matrix."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.contracts import columns as c
from workbench.errors import ContractError

FloatMatrix = NDArray[np.float64]
SERIES = [c.ITEM_ID, c.LOCATION_ID]


@dataclass(frozen=True)
class DemandMatrix:
    """Daily demand.

    Attributes:
        series: item_id, location_id; one row per row of `units`.
        units: Base units per series and day.
        first_day: Day of column 0.
    """

    series: pd.DataFrame
    units: FloatMatrix
    first_day: pd.Timestamp

    @property
    def days(self) -> pd.DatetimeIndex:
        return pd.date_range(self.first_day, periods=self.units.shape[1])

    def column(self, day: pd.Timestamp) -> int:
        """Index of a day's column; may lie outside the matrix."""
        return int((pd.Timestamp(day) - self.first_day).days)


def demand_matrix(sales: pd.DataFrame, series: pd.DataFrame, *, dc: str) -> DemandMatrix:
    """Recorded sales of each series and day, zero where nothing was sold.

    Recorded sales stand for demand: where an item was out of stock in reality, demand was higher.

    Args:
        sales: The `sales` table; item_id, location_id, date and quantity suffice.
        series: item_id, location_id of the planned series; location `dc` stands for all stores.
        dc: Location id of the distribution centre.

    Raises:
        ContractError: `sales` has no rows.
    """
    if sales.empty:
        raise ContractError("sales: no rows; expected recorded sales. Ingest sales first.")
    first, last = sales[c.DATE].min(), sales[c.DATE].max()
    units = np.zeros((len(series), (last - first).days + 1))
    items = pd.Index(series[c.ITEM_ID].unique())
    stores = pd.Index(series[c.LOCATION_ID].unique())
    lookup = np.full((len(items), len(stores)), -1)
    rows = np.arange(len(series))
    lookup[
        items.get_indexer(pd.Index(series[c.ITEM_ID])),
        stores.get_indexer(pd.Index(series[c.LOCATION_ID])),
    ] = rows
    item = items.get_indexer(pd.Index(sales[c.ITEM_ID]))
    known = item >= 0
    item, day = item[known], (sales[c.DATE].to_numpy()[known] - np.datetime64(first, "ns"))
    column = day.astype("timedelta64[D]").astype(np.int64)
    quantity = sales[c.QUANTITY].to_numpy(dtype=np.float64)[known]
    store = stores.get_indexer(pd.Index(sales[c.LOCATION_ID])[known])
    faced = [np.where(store >= 0, lookup[item, store], -1)]
    if dc in stores:
        faced.append(lookup[item, stores.get_loc(dc)])
    for row in faced:
        np.add.at(units, (row[row >= 0], column[row >= 0]), quantity[row >= 0])
    return DemandMatrix(series.reset_index(drop=True), units, pd.Timestamp(first))
