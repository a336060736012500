"""The panel: daily demand of the series worth forecasting, with price and promotion."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.contracts import columns as c
from workbench.errors import ContractError
from workbench.forecasting.censoring import recover, zero_runs_so_far

if TYPE_CHECKING:
    from workbench.forecasting.partitions import Parts

Array = npt.NDArray[np.float32]
SERIES = [c.ITEM_ID, c.LOCATION_ID]
FLAGGED, INFERRED = "in_stock flags", "zero runs of fast movers"
PROMOTION_KINDS = ("display", "mailer")
RUSH_DAYS = 3  # shopping days before a public holiday
_HABIT_DAYS = 28  # past promotions that stand for plans not yet made


class Connection(Protocol):
    """A DuckDB connection with a view per table."""

    def execute(self, query: str, parameters: Any = ...) -> Any: ...


@dataclass(frozen=True)
class Categories:
    """Demand of whole categories.

    Attributes:
        codes: Category of each series as a number, shape (series,).
        units: Demand of all their series, shape (categories, days).
    """

    codes: npt.NDArray[np.int64]
    units: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """Daily history and what is known ahead.

    Attributes:
        series: item_id, location_id, category, price (mean selling price); one row per series.
        units: Demand in base units, shape (series, days).
        price: Last unit price seen by each day, NaN before the first sale, shape (series, days).
        promoted: Share of stores (0 to 1) where the item is on display, and in the mailer,
            shape (2, series, days + ahead). Promotions are planned ahead, so the future is known
            as far as it was planned; past the last plan stands the item's own recent share.
        first_day: Day of column 0.
        is_dc: Whether the series is at the distribution centre.
        events: Whether a day is in the calendar, and whether it is one of the shopping days before
            a public holiday, shape (2, days + ahead).
        left_out: item_id, location_id and reason of series that sell often enough and still cannot
            be forecast here.
        recovered: Series whose stockouts hid demand, which `units` holds as recovered: see
            `censoring.Recovered.effect`; with told_by, `FLAGGED` or `INFERRED`.
        categories: Where these series are a part of more: demand of their whole categories.
        parts: The same series on workers, see `partitions.spread`; None: this machine computes.
    """

    series: pd.DataFrame
    units: Array
    price: Array
    promoted: Array
    first_day: pd.Timestamp
    is_dc: npt.NDArray[np.bool_]
    events: Array
    left_out: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=[*SERIES, "reason"])
    )
    recovered: pd.DataFrame = field(default_factory=pd.DataFrame)
    categories: Categories | None = None
    parts: "Parts | None" = None

    @property
    def category(self) -> npt.NDArray[np.int64]:
        """Category of each series as a number."""
        return self.by_category.codes

    @property
    def last_day(self) -> pd.Timestamp:
        return self.first_day + pd.Timedelta(days=self.units.shape[1] - 1)

    @cached_property
    def by_category(self) -> Categories:
        """Demand of the categories, of all series that there are."""
        if self.categories is not None:
            return self.categories
        codes = np.unique(self.series["category"].astype(str), return_inverse=True)[1]
        order = np.argsort(codes, kind="stable")
        first = np.flatnonzero(np.diff(codes[order], prepend=-1))
        units = np.add.reduceat(self.units[order], first, axis=0, dtype=np.float64)
        return Categories(codes.astype(np.int64), units)

    def column(self, day: pd.Timestamp) -> int:
        """Index of a day's column."""
        return int((pd.Timestamp(day) - self.first_day).days)

    @property
    def widest(self) -> npt.NDArray[np.bool_]:
        """The series at the distribution centre; all where there is none."""
        return self.is_dc if self.is_dc.any() else np.ones_like(self.is_dc)

    def of(self, rows: Sequence[int]) -> "Panel":
        """Some series alone."""
        chosen = list(rows)
        return replace(
            self, series=self.series.iloc[chosen].reset_index(drop=True), units=self.units[chosen],
            price=self.price[chosen], promoted=self.promoted[:, chosen], is_dc=self.is_dc[chosen],
        )  # fmt: skip

    def until(self, day: pd.Timestamp) -> "Panel":
        """The panel as known at the end of `day`: later demand is cut off, plans stay."""
        known = self.column(day) + 1
        whole = self.categories
        cut = None if whole is None else replace(whole, units=whole.units[:, :known])
        return replace(
            self, units=self.units[:, :known], price=self.price[:, :known], categories=cut,
            parts=None if self.parts is None else self.parts.until(known),
        )  # fmt: skip


def build_panel(
    connection: Connection,
    *,
    dc: str,
    minimum_days_dc: int,
    minimum_days_store: int,
    max_series: int = 0,
    ahead: int = 56,
    chosen_by: date | None = None,
) -> Panel:
    """Read sales, promotions, calendar and items into a panel.

    Only items of demand count. Days without a row are days without a sale. Where `in_stock` says
    that a day ran out, demand is recovered (`censoring.py`); sales without a single flag are taken
    to have run out where a fast mover sold nothing for longer than chance allows. The price ahead
    of the last day is taken to stay. Without a promotions or calendar table nothing is known ahead.

    Args:
        connection: A view per table; its sales end on the as-of date.
        dc: Location that stands for all stores of an item; empty: shops stand alone.
        minimum_days_dc: Selling days that an item needs.
        minimum_days_store: Selling days that an item-store needs.
        max_series: Keep only so many, those with most selling days; 0 keeps all.
        ahead: Days of plans after the last day.
        chosen_by: Count selling days up to this day only, to judge a forecast on series that could
            have been chosen then.

    Raises:
        ContractError: No series has enough selling days.
    """
    series = _select(connection, dc, (minimum_days_dc, minimum_days_store), max_series, chosen_by)
    first, last = connection.execute("SELECT min(date), max(date) FROM sales").fetchone()
    first, last = pd.Timestamp(first), pd.Timestamp(last)
    days = (last - first).days + 1
    units, revenue = daily_demand(connection, choose_series(connection, series), days, first, dc)
    whole = (units == np.round(units)).all(axis=1)
    number = np.isfinite(units[~whole]).all(axis=1)
    reason = np.where(number, "sold in fractions of its base unit", "a quantity is no number")
    left_out = series.loc[~whole, SERIES].assign(reason=reason)
    series, units, revenue = series[whole].reset_index(drop=True), units[whole], revenue[whole]
    count = choose_series(connection, series)
    total = units.sum(axis=1)
    hidden, told_by = _hidden(connection, units, first, dc)
    found = recover(units.astype(float), hidden)
    mean_price = np.divide(revenue.sum(axis=1), total, out=np.zeros_like(total), where=total > 0)
    return Panel(
        series=series.assign(price=mean_price.astype(float)),
        units=found.units.astype(np.float32),
        price=_last_price(units, revenue),
        promoted=_promotions(connection, count, days + ahead, first, dc),
        first_day=first,
        is_dc=(series[c.LOCATION_ID] == dc).to_numpy(),
        events=_events(connection, days + ahead, first),
        left_out=left_out.reset_index(drop=True),
        recovered=found.effect(units.astype(float), series).assign(told_by=told_by),
    )


def _select(
    connection: Connection, dc: str, minimum: tuple[int, int], most: int, by: date | None
) -> pd.DataFrame:
    frame: pd.DataFrame = connection.execute(
        """
        WITH sold AS (
          SELECT s.item_id, s.location_id, s.date, coalesce(i.category, 'unknown') AS category
          FROM sales s JOIN items i USING (item_id)
          WHERE i.is_demand AND s.quantity > 0 AND s.date <= $by
        ), counted AS (
          SELECT item_id, $dc AS location_id, any_value(category) AS category,
                 count(DISTINCT date) AS days, 1 AS wide
          FROM sold WHERE $dc <> '' GROUP BY item_id HAVING count(DISTINCT date) >= $wide
          UNION ALL
          SELECT item_id, location_id, any_value(category), count(DISTINCT date), 0
          FROM sold GROUP BY item_id, location_id HAVING count(DISTINCT date) >= $narrow
        )
        SELECT item_id, location_id, category FROM (
          SELECT *, row_number() OVER (PARTITION BY wide ORDER BY days DESC, item_id, location_id)
            AS place FROM counted
        ) WHERE $most = 0 OR place <= ceil($most / 2) ORDER BY item_id, location_id
        """,
        {"by": by or date.max, "dc": dc, "wide": minimum[0], "narrow": minimum[1], "most": most},
    ).df()
    if frame.empty:
        raise ContractError(
            f"sales: no item sold on {minimum[0]} days or more; expected at least one series, lower"
            " the minimum or ingest a longer history."
        )
    return frame


def too_seldom(connection: Connection, *, dc: str, minimum_days: int) -> pd.DataFrame:
    """Items of demand that are in the sales and sold on too few days for a forecast of their own.

    Args:
        connection: A view per table.
        dc: Location that stands for all stores of an item; empty: shops stand alone.
        minimum_days: Selling days that a series needs there.

    Returns:
        item_id, location_id, reason; most days first.
    """
    frame: pd.DataFrame = connection.execute(
        """
        SELECT s.item_id, CASE WHEN $dc <> '' THEN $dc ELSE s.location_id END AS location_id,
               count(DISTINCT s.date) FILTER (s.quantity > 0) AS days
        FROM sales s JOIN items i USING (item_id) WHERE i.is_demand
        GROUP BY ALL HAVING days < $least ORDER BY days DESC, 1, 2
        """,
        {"dc": dc, "least": minimum_days},
    ).df()
    few = f"; expected {minimum_days} or more"
    reasons = [f"sold on {days} days{few}" if days else "never sold" for days in frame["days"]]
    return frame[SERIES].assign(reason=reasons)


def choose_series(connection: Connection, series: pd.DataFrame) -> int:
    """Put the keys of the series into a temporary table that queries join; returns their number."""
    connection.execute("CREATE OR REPLACE TEMP TABLE chosen (series INTEGER, item_id VARCHAR,"
                       " location_id VARCHAR)")  # fmt: skip
    connection.execute(
        "INSERT INTO chosen SELECT unnest(?::INTEGER[]), unnest(?::VARCHAR[]),"
        " unnest(?::VARCHAR[])",
        [list(range(len(series))), *(series[name].tolist() for name in SERIES)],
    )
    return len(series)


def _has(connection: Connection, table: str) -> bool:
    query = "SELECT count(*) FROM information_schema.tables WHERE table_name = ?"
    return bool(connection.execute(query, [table]).fetchone()[0])


def daily_demand(
    connection: Connection, count: int, days: int, first: pd.Timestamp, dc: str
) -> tuple[Array, Array]:
    """Units and revenue of the chosen series, shape (series, days) each."""
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


def _hidden(
    connection: Connection, units: Array, first: pd.Timestamp, dc: str
) -> tuple[npt.NDArray[np.bool_], str]:
    """Days that ran out, and who says so.

    Flags where sales have any: of one store, or of any store for the location of all stores.
    Without a single flag, zero runs of fast movers that are too long for chance.
    """
    hidden = np.zeros(units.shape, dtype=bool)
    query = """SELECT count(*) FROM information_schema.columns
        WHERE table_name = 'sales' AND column_name = 'in_stock'"""
    if not connection.execute(query).fetchone()[0]:
        return zero_runs_so_far(units.astype(float)), INFERRED
    if connection.execute("SELECT count(in_stock) FROM sales").fetchone()[0]:
        frame = connection.execute(
            """
            SELECT DISTINCT c.series, date_diff('day', ?::DATE, s.date)::INTEGER AS day
            FROM sales s JOIN chosen c
              ON c.item_id = s.item_id AND c.location_id IN (s.location_id, ?)
            WHERE NOT s.in_stock
            """,
            [first.date(), dc],
        ).fetchnumpy()
        hidden[frame["series"], frame["day"]] = True
        return hidden, FLAGGED
    return zero_runs_so_far(units.astype(float)), INFERRED


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
    result = np.zeros((len(PROMOTION_KINDS), count, days), np.float32)
    if not _has(connection, "promotions"):
        return result
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE promoted AS SELECT item_id, location_id, kind, valid_from,"
        " valid_to FROM promotions SEMI JOIN chosen USING (item_id)"
    )
    query = "SELECT count(DISTINCT location_id), max(valid_to) FROM promoted"
    stores, planned = connection.execute(query).fetchone()
    if planned is None:
        return result
    frame = connection.execute(
        """
        SELECT c.series, p.kind, date_diff('day', ?::DATE, p.valid_from)::INTEGER AS start,
               date_diff('day', ?::DATE, p.valid_to)::INTEGER AS stop,
               count(*)::DOUBLE / CASE WHEN c.location_id = ? THEN ? ELSE 1 END AS share
        FROM promoted p JOIN chosen c
          ON c.item_id = p.item_id AND c.location_id IN (p.location_id, ?)
        GROUP BY c.series, c.location_id, p.kind, p.valid_from, p.valid_to
        """,
        [first.date(), first.date(), dc, stores, dc],
    ).df()
    for number, name in enumerate(PROMOTION_KINDS):
        for (start, stop), part in frame[frame["kind"] == name].groupby(["start", "stop"]):
            span = slice(max(int(start), 0), max(min(int(stop), days), 0))
            share = part["share"].to_numpy(np.float32)[:, None]
            rows = part["series"].to_numpy()
            result[number, rows, span] += share
    return beyond_plans(np.minimum(result, 1), (pd.Timestamp(planned) - first).days)


def beyond_plans(promoted: Array, planned: int) -> Array:
    """Let each item's share of the four weeks before column `planned` stand from there on.

    Promotions after the last plan are unknown, not absent: zeros would tell the model that an item
    that is always promoted will not be.
    """
    if 0 < planned < promoted.shape[2]:
        habit = promoted[:, :, max(0, planned - _HABIT_DAYS) : planned].mean(axis=2)
        promoted[:, :, planned:] = habit[:, :, None]
    return promoted


def _events(connection: Connection, days: int, first: pd.Timestamp) -> Array:
    """Days in the calendar, and shopping days before its public holidays."""
    result = np.zeros((2, days), np.float32)
    if not _has(connection, "calendar"):
        return result
    query = "SELECT DISTINCT date_diff('day', ?::DATE, date)::INTEGER, type FROM calendar"
    for day, kind in connection.execute(query, [first.date()]).fetchall():
        if 0 <= day < days:
            result[0, day] = 1
        if kind == "public_holiday":
            result[1, max(0, day - RUSH_DAYS) : max(0, min(day, days))] = 1
    return result
