"""The panel: daily demand of the series worth forecasting, with price and promotion."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.contracts import columns as c
from workbench.errors import ContractError

Array = npt.NDArray[np.float32]
SERIES = [c.ITEM_ID, c.LOCATION_ID]


class Connection(Protocol):
    """A DuckDB connection with a view per table."""

    def execute(self, query: str, parameters: Any = ...) -> Any: ...


@dataclass(frozen=True)
class Panel:
    """Daily history and what is known ahead.

    Attributes:
        series: item_id, location_id, category, price (mean selling price); one row per series.
        units: Demand in base units, shape (series, days).
        price: Last unit price seen by each day, NaN before the first sale, shape (series, days).
        promoted: Share of stores (0 to 1) where the item is on display, and in the mailer,
            shape (2, series, days + ahead). Promotions are planned ahead, so the future is known
            as far as it was planned.
        first_day: Day of column 0.
        is_dc: Whether the series is at the distribution centre.
    """

    series: pd.DataFrame
    units: Array
    price: Array
    promoted: Array
    first_day: pd.Timestamp
    is_dc: npt.NDArray[np.bool_]

    @property
    def last_day(self) -> pd.Timestamp:
        return self.first_day + pd.Timedelta(days=self.units.shape[1] - 1)

    def column(self, day: pd.Timestamp) -> int:
        """Index of a day's column."""
        return int((pd.Timestamp(day) - self.first_day).days)

    def until(self, day: pd.Timestamp) -> "Panel":
        """The panel as known at the end of `day`: later demand is cut off, plans stay."""
        return Panel(
            self.series,
            self.units[:, : self.column(day) + 1],
            self.price[:, : self.column(day) + 1],
            self.promoted,
            self.first_day,
            self.is_dc,
        )


def build_panel(
    connection: Connection,
    *,
    dc: str,
    minimum_days_dc: int,
    minimum_days_store: int,
    max_series: int = 0,
    ahead: int = 56,
) -> Panel:
    """Read sales, promotions and items into a panel.

    Only items of demand count. Days without a row are days without a sale; where an item was out of
    stock in reality, demand was higher. The price ahead of the last day is taken to stay.

    Raises:
        ContractError: No series has enough selling days.
    """
    series = _select(connection, dc, minimum_days_dc, minimum_days_store, max_series)
    first, last = connection.execute("SELECT min(date), max(date) FROM sales").fetchone()
    first, last = pd.Timestamp(first), pd.Timestamp(last)
    days = (last - first).days + 1
    connection.execute("CREATE OR REPLACE TEMP TABLE chosen (series INTEGER, item_id VARCHAR,"
                       " location_id VARCHAR)")  # fmt: skip
    rows = series[SERIES].reset_index().itertuples(index=False)
    connection.execute(
        "INSERT INTO chosen SELECT unnest(?::INTEGER[]), unnest(?::VARCHAR[]),"
        " unnest(?::VARCHAR[])",
        [list(column) for column in zip(*rows, strict=True)],
    )
    units, revenue = _daily(connection, len(series), days, first, dc)
    total = units.sum(axis=1)
    mean_price = np.divide(revenue.sum(axis=1), total, out=np.zeros_like(total), where=total > 0)
    promoted = _promotions(connection, len(series), days + ahead, first, dc)
    return Panel(
        series=series.assign(price=mean_price.astype(float)),
        units=units,
        price=_last_price(units, revenue),
        promoted=promoted,
        first_day=first,
        is_dc=(series[c.LOCATION_ID] == dc).to_numpy(),
    )


def _select(
    connection: Connection, dc: str, minimum_dc: int, minimum_store: int, most: int
) -> pd.DataFrame:
    frame: pd.DataFrame = connection.execute(
        """
        WITH sold AS (
          SELECT s.item_id, s.location_id, s.date, coalesce(i.category, 'unknown') AS category
          FROM sales s JOIN items i USING (item_id) WHERE i.is_demand AND s.quantity > 0
        ), counted AS (
          SELECT item_id, ? AS location_id, any_value(category) AS category,
                 count(DISTINCT date) AS days, 1 AS wide
          FROM sold GROUP BY item_id HAVING count(DISTINCT date) >= ?
          UNION ALL
          SELECT item_id, location_id, any_value(category), count(DISTINCT date), 0
          FROM sold GROUP BY item_id, location_id HAVING count(DISTINCT date) >= ?
        )
        SELECT item_id, location_id, category FROM (
          SELECT *, row_number() OVER (PARTITION BY wide ORDER BY days DESC, item_id, location_id)
            AS place FROM counted
        ) WHERE ? = 0 OR place <= ceil(? / 2) ORDER BY item_id, location_id
        """,
        [dc, minimum_dc, minimum_store, most, most],
    ).df()
    if frame.empty:
        raise ContractError(
            f"sales: no item sold on {minimum_dc} days or more; expected at least one series, lower"
            " the minimum or ingest a longer history."
        )
    return frame


def _daily(
    connection: Connection, count: int, days: int, first: pd.Timestamp, dc: str
) -> tuple[Array, Array]:
    frame = connection.execute(
        """
        SELECT c.series, date_diff('day', ?::DATE, s.date)::INTEGER AS day,
               sum(s.quantity) AS units, sum(s.revenue) AS revenue
        FROM sales s JOIN chosen c
          ON c.item_id = s.item_id AND c.location_id IN (s.location_id, ?)
        GROUP BY ALL
        """,
        [first.date(), dc],
    ).fetchnumpy()
    units = np.zeros((count, days), np.float32)
    revenue = np.zeros((count, days), np.float32)
    units[frame["series"], frame["day"]] = frame["units"]
    revenue[frame["series"], frame["day"]] = frame["revenue"]
    return units, revenue


def _last_price(units: Array, revenue: Array) -> Array:
    """Unit price of the latest day with a sale, looking back only."""
    known = (units > 0) & (revenue > 0)
    unit = np.divide(revenue, units, out=np.full_like(units, np.nan), where=known)
    latest = np.maximum.accumulate(np.where(known, np.arange(units.shape[1]), -1), axis=1)
    seen = np.take_along_axis(unit, np.maximum(latest, 0), axis=1)
    return np.asarray(np.where(latest >= 0, seen, np.nan), dtype=np.float32)


def _promotions(
    connection: Connection, count: int, days: int, first: pd.Timestamp, dc: str
) -> Array:
    """Share of stores with the promotion, per kind, series and day."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE promoted AS SELECT item_id, location_id, kind, valid_from,"
        " valid_to FROM promotions SEMI JOIN chosen USING (item_id)"
    )
    stores = connection.execute("SELECT count(DISTINCT location_id) FROM promoted").fetchone()[0]
    frame = connection.execute(
        """
        SELECT c.series, p.kind, date_diff('day', ?::DATE, p.valid_from)::INTEGER AS start,
               date_diff('day', ?::DATE, p.valid_to)::INTEGER AS stop,
               count(*)::DOUBLE / CASE WHEN c.location_id = ? THEN ? ELSE 1 END AS share
        FROM promoted p JOIN chosen c
          ON c.item_id = p.item_id AND c.location_id IN (p.location_id, ?)
        GROUP BY c.series, c.location_id, p.kind, p.valid_from, p.valid_to
        """,
        [first.date(), first.date(), dc, max(stores, 1), dc],
    ).df()
    result = np.zeros((2, count, days), np.float32)
    kinds = {"display": 0, "mailer": 1}
    frame = frame[frame["kind"].isin(kinds)]
    for (kind, start, stop), part in frame.groupby(["kind", "start", "stop"]):
        span = slice(max(int(start), 0), min(int(stop), days))
        result[kinds[kind], part["series"].to_numpy(), span] = part["share"].to_numpy()[:, None]
    return result
