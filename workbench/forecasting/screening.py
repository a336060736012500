"""What becomes of bad input: one rule per fault, one line per series in the report.

One bad series never sinks a panel. It is kept by a stated rule, or left out with its reason:

| fault | rule |
|---|---|
| a day twice | left out: whether to add or replace cannot be known |
| a negative or infinite quantity | left out: returns are recorded separately |
| fractions of the base unit | left out: distributions are of whole units |
| too short | left out: fewer days since its first row than asked for |
| never sold | left out: nothing to scale a forecast by |
| rows after the as-of date | ignored; the rest is kept |
| a quantity that is no number | kept: nobody observed that day |
| days without a row | kept: nothing sold, from the first row of the series on |
| constant | kept: every method forecasts the constant |
| no price ahead | kept: the last known price stays |
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.contracts import columns as c
from workbench.errors import ContractError

Array = npt.NDArray[np.float64]
SERIES = [c.ITEM_ID, c.LOCATION_ID]
LEFT_OUT, KEPT = "left out", "kept"
REPORT = [*SERIES, "outcome", "reason"]


@dataclass(frozen=True)
class Screened:
    """Demand that can be forecast, and what happened to the rest.

    Attributes:
        series: item_id and location_id, one row per row of `units`.
        units: Demand per day, NaN where nobody observed it, shape (series, days).
        first_day: Day of column 0; the last column is the as-of date.
        report: item_id, location_id, outcome (`kept` or `left out`) and reason of every series that
            had a fault.
    """

    series: pd.DataFrame
    units: Array
    first_day: pd.Timestamp
    report: pd.DataFrame


def screen(demand: pd.DataFrame, *, as_of: pd.Timestamp, minimum_days: int = 28) -> Screened:
    """Put rows of demand into a matrix, by the rules above.

    Args:
        demand: item_id, location_id, date, quantity; rows in any order.
        as_of: Last day that is known.
        minimum_days: Days from its first row to the as-of date that a series needs.

    Raises:
        ContractError: A column is missing, or not one series is left.
    """
    missing = [n for n in (*SERIES, c.DATE, c.QUANTITY) if n not in demand]
    if missing:
        raise ContractError(
            f"demand: has no column {', '.join(missing)}; expected"
            f" {', '.join([*SERIES, c.DATE, c.QUANTITY])}: rename or add it."
        )
    rows = demand[[*SERIES, c.DATE, c.QUANTITY]].assign(date=pd.to_datetime(demand[c.DATE]))
    future = rows[c.DATE] > pd.Timestamp(as_of)
    faults = [_noted(rows[future], KEPT, "{n} rows after the as-of date ignored")]
    rows = rows[~future]
    refused = _refused(rows, pd.Timestamp(as_of), minimum_days)
    faults.append(refused)
    bad = pd.MultiIndex.from_frame(refused[SERIES])
    rows = rows[~pd.MultiIndex.from_frame(rows[SERIES]).isin(bad)]
    unknown = rows[c.QUANTITY].isna()
    faults.append(_noted(rows[unknown], KEPT, "{n} days whose quantity is no number: not observed"))
    spread = rows.groupby(SERIES)[c.QUANTITY].agg(["min", "max"])
    constant = rows.set_index(SERIES).index.isin(spread.index[spread["min"] == spread["max"]])
    faults.append(_noted(rows[constant], KEPT, "the same quantity on all {n} days with a row"))
    if rows.empty:
        first = refused.iloc[0]["reason"] if len(refused) else "no row up to the as-of date"
        raise ContractError(
            f"demand: none of {demand.groupby(SERIES).ngroups} series can be forecast (the first:"
            f" {first}); expected at least one: see the reasons above each rule of screening."
        )
    report = pd.concat(faults, ignore_index=True).sort_values(SERIES, ignore_index=True)
    return Screened(*_matrix(rows, pd.Timestamp(as_of)), report)


def carry_prices(price: Array) -> Array:
    """Prices with the last known one where none is known, shape (series, days).

    Days before the first price stay NaN, and so does a series without any.
    """
    return np.asarray(pd.DataFrame(price.T).ffill().to_numpy().T)


def _refused(rows: pd.DataFrame, as_of: pd.Timestamp, minimum_days: int) -> pd.DataFrame:
    """Series that cannot be forecast, each with the first reason that applies."""
    quantity = rows[c.QUANTITY].to_numpy(float)
    first = rows.groupby(SERIES)[c.DATE].transform("min")
    days = (as_of - first).dt.days + 1
    sold = rows.groupby(SERIES)[c.QUANTITY].transform("max")
    with np.errstate(invalid="ignore"):
        rules = [
            (rows.duplicated([*SERIES, c.DATE]), "{n} days twice, the first {date}"),
            (quantity < 0, "{n} negative quantities, the first on {date}"),
            (np.isinf(quantity), "{n} infinite quantities, the first on {date}"),
            (quantity % 1 > 0, "sold in fractions of its base unit, first on {date}"),
            (days < minimum_days, f"only since {{date}}; expected {minimum_days} days or more"),
            (~(sold > 0), "never sold"),
        ]
    found = pd.concat([_noted(rows[which], LEFT_OUT, reason) for which, reason in rules])
    return found.drop_duplicates(SERIES)


def _noted(rows: pd.DataFrame, outcome: str, reason: str) -> pd.DataFrame:
    """One line per series among the rows."""
    groups = rows.groupby(SERIES)[c.DATE].agg(["size", "min"]).reset_index()
    reasons = [reason.format(n=n, date=f"{day:%Y-%m-%d}")
               for n, day in zip(groups["size"], groups["min"], strict=True)]  # fmt: skip
    return groups[SERIES].assign(outcome=outcome, reason=reasons)[REPORT]


def _matrix(rows: pd.DataFrame, as_of: pd.Timestamp) -> tuple[pd.DataFrame, Array, pd.Timestamp]:
    """Series, demand by day (NaN before the first row of a series) and first day."""
    first = rows[c.DATE].min()
    series = rows[SERIES].drop_duplicates().sort_values(SERIES, ignore_index=True)
    place = pd.MultiIndex.from_frame(series).get_indexer(pd.MultiIndex.from_frame(rows[SERIES]))
    day = (rows[c.DATE] - first).dt.days.to_numpy()
    begin = np.full(len(series), np.iinfo(np.int64).max)
    np.minimum.at(begin, place, day)
    columns = np.arange((as_of - first).days + 1)
    units = np.where(columns >= begin[:, None], 0.0, np.nan)
    units[place, day] = rows[c.QUANTITY].to_numpy(float)
    return series, units, first
