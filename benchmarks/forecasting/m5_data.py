"""The M5 data as a panel, a hierarchy and the competition's weights and scales.

Only the last 447 of 1,941 training days are read, d_1495 to d_1941. Terms: research use only.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.forecasting import losses
from workbench.forecasting.direct import DailyPanel
from workbench.forecasting.hierarchy import Hierarchy, hierarchy

FIRST_DAY = 1495
HORIZON = 28
CUTS = {"validation": 1913 - FIRST_DAY + 1, "evaluation": 1941 - FIRST_DAY + 1}  # known days
STATES = ("CA", "TX", "WI")
LEVELS: dict[str, list[str]] = {
    "1 total": [], "2 state": ["state_id"], "3 store": ["store_id"], "4 category": ["cat_id"],
    "5 department": ["dept_id"], "6 state, category": ["state_id", "cat_id"],
    "7 state, department": ["state_id", "dept_id"], "8 store, category": ["store_id", "cat_id"],
    "9 store, department": ["store_id", "dept_id"], "10 item": ["item_id"],
    "11 item, state": ["item_id", "state_id"], "12 item, store": ["item_id", "store_id"],
}  # fmt: skip
UPPER = "9 store, department"  # the lowest level forecast by a model of its own
CLOSED = "Christmas"  # all shops are shut
_OLD = -10_000  # a column long before the first: on sale since the start of the data
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scoring:
    """Weights (each level's sum to 1/12) and squared scales of all nodes, as published."""

    weight: Array
    scale: Array


@dataclass(frozen=True)
class M5:
    """Sales, prices, calendar and hierarchy.

    Attributes:
        keys: id, item_id, dept_id, cat_id, store_id, state_id; one row per series.
        units: Sales, shape (30490, 447).
        price: Shape (30490, 475), NaN before the first price.
        listed: Column of the first day with a price.
        calendar: One row per day, d_1495 to d_1969.
        tree: The twelve levels.
    """

    keys: pd.DataFrame
    units: npt.NDArray[np.float32]
    price: npt.NDArray[np.float32]
    listed: npt.NDArray[np.int64]
    calendar: pd.DataFrame
    tree: Hierarchy
    folder: Path

    def scoring(self, window: str) -> Scoring:
        """The competition's weights and scales for a window."""
        table = pd.read_parquet(self.folder / "scoring.parquet")
        table = table.set_index(["level", "series"])
        names = [
            (place + 1, f"{label}_evaluation" if place == 11 else label)
            for place, labels in enumerate(self.tree.labels)
            for label in labels
        ]
        rows = table.loc[names]
        return Scoring(rows[f"weight_{window}"].to_numpy(), rows[f"scale_mse_{window}"].to_numpy())

    def panel(self, known: int) -> DailyPanel:
        """All series as known after so many days; prices and events stay known ahead."""

        def code(name: str) -> npt.NDArray[np.int64]:
            return np.asarray(pd.factorize(self.keys[name], sort=True)[0], dtype=np.int64)

        store, department = code("store_id"), code("dept_id")
        names, days = day_covariates(self.calendar)
        return DailyPanel(
            units=self.units[:, :known], listed=self.listed, price=self.price,
            region=code("state_id"), days=days, day_names=names,
            codes=np.column_stack([store, department]), code_names=("store", "department"),
            item=code("item_id"), department=store * 7 + department,
            weekday=int(self.calendar["date"].iloc[0].dayofweek),
        )  # fmt: skip

    def until(self, known: int) -> "M5":
        """The same with later sales cut off."""
        return replace(self, units=self.units[:, :known])


def wrmsse(m5: M5, window: str, bottom: Array) -> Array:
    """WRMSSE of the twelve levels; the competition's figure is their mean."""
    known, scoring = CUTS[window], m5.scoring(window)
    error = m5.tree.sums(m5.units[:, known : known + HORIZON] - bottom)
    score = np.sqrt((error**2).mean(axis=1) / scoring.scale)
    return losses.weighted(score, 12 * scoring.weight, m5.tree.level)


def shared() -> Path:
    """Folder of the public data."""
    return Path(os.environ.get("WORKBENCH_SHARED", "../shared")) / "data"


def load(folder: Path) -> M5:
    """Read the set from its folder's `m5`."""
    folder = folder / "m5"
    sales = pd.read_parquet(folder / "sales_d1495_d1941.parquet")
    keys = sales[[c for c in sales if not c.startswith("d_")]].astype(str)
    units = sales[[c for c in sales if c.startswith("d_")]].to_numpy(np.float32)
    calendar = read_calendar(folder)
    tree = hierarchy(keys, LEVELS)
    price, listed = _prices(folder, keys, calendar)
    return M5(keys, units, price, listed, calendar, tree, folder)


def read_calendar(folder: Path) -> pd.DataFrame:
    """One row per day, d_1495 to d_1969, from the set's folder."""
    calendar = pd.read_parquet(folder / "calendar.parquet").iloc[FIRST_DAY - 1 :]
    return calendar.reset_index(drop=True).assign(date=lambda c: pd.to_datetime(c["date"]))


def day_covariates(calendar: pd.DataFrame) -> tuple[tuple[str, ...], npt.NDArray[np.float32]]:
    """Names and values of what is known of each state's days, shape (states, days, covariates).

    Events are left to the model of the upper nodes: in 447 days each comes once or twice, and trees
    take one for another.
    """
    days = [np.column_stack([calendar[f"snap_{s}"], calendar["date"].dt.day]) for s in STATES]
    return ("snap", "day_of_month"), np.stack(days).astype(np.float32)


def _prices(
    folder: Path, keys: pd.DataFrame, calendar: pd.DataFrame
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Price per day, and the column from which a series is on sale."""
    row = pd.Series(
        np.arange(len(keys)), index=pd.MultiIndex.from_frame(keys[["store_id", "item_id"]])
    )

    def rows(frame: pd.DataFrame) -> npt.NDArray[np.int64]:
        names = [frame["store_id"].astype(str), frame["item_id"].astype(str)]
        return row.reindex(pd.MultiIndex.from_arrays(names)).to_numpy()

    week = calendar["wm_yr_wk"].to_numpy()
    weeks = np.unique(week)
    table = pd.read_parquet(folder / "sell_prices.parquet")
    price = np.full((len(keys), len(weeks)), np.nan, np.float32)
    price[rows(table), np.searchsorted(weeks, table["wm_yr_wk"])] = table["sell_price"]
    first = pd.read_parquet(folder / "first_price_week.parquet")
    started = np.zeros(len(keys), np.int64)
    started[rows(first)] = first["first_wm_yr_wk"]
    listed = np.where(started <= week[0], _OLD, np.searchsorted(week, started))
    return price[:, np.searchsorted(weeks, week)], listed
