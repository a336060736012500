"""Which decision a forecast serves, and the rows of `forecasts` and `forecast_paths` for it.

    replenishment   windows that an order must cover, forecast as windows, by `backtest.py`
    tactical        days          what to pick, staff and expedite
    operational     weeks         how to plan labour, transport and promotions
    strategic       months        which contracts, capacity and budgets to commit to

Days, weeks and the first month come from the same joint paths: they add up path by path, over time
and over sites. Months beyond the paths are forecast as months (`months.py`) and add up over sites
in paths of their own (`coherent_months.py`).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from workbench.contracts import columns as c
from workbench.contracts.tables import (
    OPERATIONAL,
    REPLENISHMENT,
    SERVES,
    STRATEGIC,
    TACTICAL,
)
from workbench.forecasting import months, paths, temporal
from workbench.forecasting.coherent import Coherent
from workbench.forecasting.coherent_months import CoherentMonths, coherent_months
from workbench.forecasting.global_model import Window
from workbench.forecasting.panel import Panel
from workbench.forecasting.views import top_series

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
JOINT: Final = "joint_paths"  # model of what is read off paths
DECISIONS: Final = {
    REPLENISHMENT: "how much an order must cover until the next one arrives",
    TACTICAL: "what to pick, staff and expedite in the coming days",
    OPERATIONAL: "labour, transport and promotions of the coming weeks",
    STRATEGIC: "contracts, capacity and budgets of the coming months",
}


@dataclass(frozen=True)
class Ahead:
    """What one set of joint paths says.

    Attributes:
        rows: Of `forecasts`, without run_id.
        paths: Of `forecast_paths`, without run_id: a row per day with demand and for the last day.
        total: Joint paths of all demand together, shape (days, paths).
        reading: What was written, in one sentence.
    """

    rows: pd.DataFrame
    paths: pd.DataFrame
    total: Array
    reading: str


def decisions(serves: Sequence[str]) -> str:
    """Which decisions a run serves, in one sentence."""
    told = "; ".join(f"{name}: {DECISIONS[name]}" for name in SERVES if name in serves)
    return f"This run serves {told}."


def serving(rows: Sequence[pd.DataFrame], serves: Collection[str]) -> pa.Table:
    """The rows of `forecasts` that serve the decisions asked for.

    An Arrow table that holds each text once and a number for it in each row: millions of rows take
    a quarter of the memory of a frame.
    """
    parts = [part[part[c.SERVES].isin(serves)] for part in rows if len(part)]
    some = [part for part in parts if len(part)] or parts[:1]
    return pa.concat_tables([_compact(part) for part in some]).unify_dictionaries()


def _compact(rows: pd.DataFrame) -> pa.Table:
    table = pa.Table.from_pandas(rows, preserve_index=False)
    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            coded = table.column(place).cast(pa.string()).dictionary_encode()
            table = table.set_column(place, field.name, coded)
    return table.replace_schema_metadata()


def items_with_paths(panel: Panel, count: int) -> npt.NDArray[np.bool_]:
    """The series of the items with most revenue, all their sites, shape (series,)."""
    places = top_series(panel, len(panel.series))
    items = panel.series[c.ITEM_ID].to_numpy()
    chosen = list(dict.fromkeys(items[places]))[:count]
    return np.asarray(np.isin(items, chosen))


def look_ahead(
    forecast: Coherent,
    levels: Array,
    *,
    config: paths.PathConfig,
    items: int,
) -> Ahead:
    """Quantiles of days, weeks and the first month of every series, and the paths of some items.

    Paths are worked off block by block; what is written is bounded by
    `items` x their sites x `config.paths` x days.

    Args:
        forecast: What adds up.
        levels: Quantile levels, ascending.
        config: Number of paths.
        items: Items with most revenue whose paths are kept.
    """
    kept = items_with_paths(forecast.panel, items)
    parts, samples, total = [], [], np.zeros((forecast.days, config.paths))
    alone = _without_whole(forecast.panel)
    for rows, values in forecast.series_paths(config):
        total += values[alone[rows]].sum(axis=0)
        for window_of, name in _windows(forecast.days):
            found = paths.quantiles_of(temporal.summed(values, window_of), levels)
            parts.append(quantile_rows(forecast.panel, rows, window_of, np.rint(found), levels,
                                       serves=name, model=JOINT))  # fmt: skip
        samples.append(path_rows(forecast.panel, rows[kept[rows]], values[kept[rows]]))
    table = pd.concat(samples, ignore_index=True)
    reading = (
        f"{config.paths} joint paths of {len(forecast.panel.series):,} series over"
        f" {forecast.days} days; kept are those of {int(kept.sum()):,} series of {items} items with"
        f" most revenue, {len(table):,} rows of at most"
        f" {int(kept.sum()) * config.paths * forecast.days:,}."
    )
    return Ahead(pd.concat(parts, ignore_index=True), table, total, reading)


def total_table(seen: Ahead, levels: Sequence[float] = (0.1, 0.5, 0.9)) -> pd.DataFrame:
    """Demand of all series together in the first day, week and month, as joint paths have it.

    Returns:
        days, and units at each level, for example p10, p50, p90.
    """
    rows = []
    for windows, _ in _windows(len(seen.total)):
        length = windows[0].length
        joint = seen.total[:length].sum(axis=0)
        found = paths.quantiles_of(joint, np.asarray(levels))
        names = [f"p{100 * level:g}" for level in levels]
        rows.append({"days": length, **dict(zip(names, found, strict=True))})
    return pd.DataFrame(rows)


def month_rows(
    forecast: Coherent,
    *,
    months_ahead: int,
    levels: Array,
    config: paths.PathConfig,
) -> tuple[pd.DataFrame, CoherentMonths]:
    """Rows of `forecasts` for months beyond those of the paths, without run_id, and their forecast.

    Args:
        forecast: Of days; months that lie within them are in `look_ahead`.
        months_ahead: How many, those within included.
        levels: Quantile levels, ascending.
        config: Number of paths.
    """
    panel, first = forecast.panel, forecast.days // temporal.MONTH_DAYS
    found = coherent_months(forecast.sites, panel, months=months_ahead, count=config.paths)
    windows = temporal.whole_windows(found.months * temporal.MONTH_DAYS, temporal.MONTH_DAYS)[
        first:
    ]
    parts = [
        quantile_rows(
            panel, rows, windows, np.rint(paths.quantiles_of(values[:, first:], levels)), levels,
            serves=STRATEGIC, model=months.MODEL,
        )
        for rows, values in (found.series_paths(config) if windows else ())
    ]  # fmt: skip
    none = quantile_rows(panel, np.arange(0), [], np.zeros(0), levels, serves=STRATEGIC,
                         model=months.MODEL)  # fmt: skip
    return pd.concat(parts, ignore_index=True) if parts else none, found


def quantile_rows(
    panel: Panel,
    rows: Codes,
    windows: Sequence[Window],
    values: Array,
    levels: Array,
    *,
    serves: str,
    model: str,
) -> pd.DataFrame:
    """Rows of `forecasts` from the panel's last day, without run_id.

    Args:
        panel: Names the series.
        rows: Of the panel.
        windows: What is forecast.
        values: Shape (rows, windows, levels).
        levels: Ascending.
        serves: Whose decision they are for.
        model: What made them.
    """
    each, width = len(windows), len(levels)
    keys = panel.series.iloc[np.repeat(rows, each * width)]
    starts = pd.to_timedelta([w.start for w in windows], unit="D")
    ends = pd.to_timedelta([w.start + w.length - 1 for w in windows], unit="D")
    return pd.DataFrame(
        {
            c.MODEL: model,
            c.ITEM_ID: keys[c.ITEM_ID].to_numpy(),
            c.LOCATION_ID: keys[c.LOCATION_ID].to_numpy(),
            c.CUTOFF: panel.last_day,
            c.HORIZON_START: np.tile(np.repeat(panel.last_day + starts, width), len(rows)),
            c.HORIZON_END: np.tile(np.repeat(panel.last_day + ends, width), len(rows)),
            c.QUANTILE: np.tile(levels, len(rows) * each),
            c.VALUE: np.asarray(values, dtype=np.float64).ravel(),
            c.SERVES: serves,
        }
    )


def path_rows(panel: Panel, rows: Codes, values: Array) -> pd.DataFrame:
    """Rows of `forecast_paths` from the panel's last day, without run_id.

    Args:
        panel: Names the series.
        rows: Of the panel.
        values: Shape (rows, days, paths).
    """
    written = values > 0
    written[:, -1] = True
    row, day, path = np.nonzero(written)
    keys = panel.series.iloc[rows[row]]
    return pd.DataFrame(
        {
            c.ITEM_ID: keys[c.ITEM_ID].to_numpy(),
            c.LOCATION_ID: keys[c.LOCATION_ID].to_numpy(),
            c.CUTOFF: panel.last_day,
            c.PATH: path.astype(np.int64),
            c.DATE: panel.last_day + pd.to_timedelta(day + 1, unit="D"),
            c.QUANTITY: values[written],
        }
    )


def _without_whole(panel: Panel) -> npt.NDArray[np.bool_]:
    """Series that are no part of another one: whole items, and stores of items that have none."""
    items = panel.series[c.ITEM_ID]
    whole = set(items[panel.is_dc])
    return np.asarray(panel.is_dc | ~items.isin(whole).to_numpy())


def _windows(days: int) -> Iterator[tuple[list[Window], str]]:
    """Days, weeks and months that lie within the paths, and whom they serve."""
    for length, name in (
        (1, TACTICAL), (temporal.WEEK_DAYS, OPERATIONAL), (temporal.MONTH_DAYS, STRATEGIC),
    ):  # fmt: skip
        found = temporal.whole_windows(days, length)
        if found:
            yield found, name
