"""What the forecast says about demand in a protection window, as quantiles.

Forecasts come for a few window lengths at a few levels. Here they are brought to the window of
each series (R+L days, L random), and read: quantile at a service target, expected shortage.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from workbench.contracts import columns as c
from workbench.errors import ContractError
from workbench.inventory.demand import SERIES

FloatArray = NDArray[np.float64]
COLUMNS: Final = [
    c.MODEL,
    *SERIES,
    c.CUTOFF,
    c.HORIZON_START,
    c.HORIZON_END,
    c.QUANTILE,
    c.VALUE,
]  # what is read of the forecasts
WINDOWS: Final = "serves == 'replenishment'"  # the rows of the forecasts that orders rest on
MEMBERS_PER_LEAD_TIME: Final = 100  # equally likely demands that stand for one distribution


@dataclass(frozen=True)
class WindowForecasts:
    """Quantiles of cumulative demand.

    Attributes:
        values: Base units; series by cutoff by window by level.
        cutoffs: Last known day of each forecast, ascending.
        window_days: Lengths of the windows that start the day after the cutoff, ascending.
        levels: Levels of the quantiles, ascending.
    """

    values: FloatArray
    cutoffs: pd.DatetimeIndex
    window_days: NDArray[np.int64]
    levels: FloatArray


def window_forecasts(forecasts: pd.DataFrame, series: pd.DataFrame) -> WindowForecasts:
    """Arrange the window rows of one model for the given series.

    Args:
        forecasts: The `forecasts` table, one model; rows of single days are left out.
        series: item_id, location_id in the order wanted.

    Raises:
        ContractError: A series lacks a quantile that others have, there are no window rows, or
            rows of several models.
    """
    models = forecasts[c.MODEL].unique()
    if len(models) > 1:
        raise ContractError(
            f"forecasts: hold {len(models)} models ({', '.join(sorted(models))}); expected one."
            " Select the model that the orders rest on."
        )
    length = (forecasts[c.HORIZON_END] - forecasts[c.HORIZON_START]).dt.days + 1
    starts = forecasts[c.HORIZON_START] == forecasts[c.CUTOFF] + pd.Timedelta(1, unit="D")
    window = ((length > 1) & starts).to_numpy()
    rows, days = forecasts[window], length.to_numpy()[window]
    if rows.empty:
        raise ContractError(
            "forecasts: no row forecasts a window; expected cumulative demand of several days."
            " Run 10-forecast-demand with windows_days."
        )
    wanted = pd.MultiIndex.from_frame(series[SERIES])
    place = wanted.get_indexer(pd.MultiIndex.from_frame(rows[SERIES]))
    known = place >= 0
    rows, days, place = rows[known], days[known], place[known]
    columns = [rows[c.CUTOFF].to_numpy(), days, rows[c.QUANTILE].to_numpy(dtype=np.float64)]
    axes = [np.unique(column) for column in columns]
    values = np.full((len(series), *(len(axis) for axis in axes)), np.nan)
    index = [np.searchsorted(axis, column) for axis, column in zip(axes, columns, strict=True)]
    values[place, index[0], index[1], index[2]] = rows[c.VALUE]
    _check_complete(values, series)
    ordered = np.maximum.accumulate(values, axis=3)  # quantiles that cross are put in order
    return WindowForecasts(ordered, pd.DatetimeIndex(axes[0]), axes[1].astype(np.int64), axes[2])


def windows_of_paths(
    paths: pd.DataFrame, series: pd.DataFrame, levels: FloatArray
) -> tuple[WindowForecasts, NDArray[np.int64]]:
    """Quantiles of every window from the day after the cutoff on, read off joint sample paths.

    For windows that were not known when the forecast was made. A day without a row is a day
    without demand.

    Args:
        paths: The `forecast_paths` table.
        series: item_id, location_id in the order wanted.
        levels: Levels of the quantiles, ascending.

    Returns:
        Windows of 1 to as many days as the paths have; which of the series have paths, none where
        there is no row.

    Raises:
        ContractError: Paths of several cutoffs.
    """
    if paths.empty:
        none = np.zeros(0, dtype=np.int64)
        return WindowForecasts(np.zeros((0, 1, 0, len(levels))), pd.DatetimeIndex([]), none,
                               levels), none  # fmt: skip
    cutoffs = paths[c.CUTOFF].unique()
    if len(cutoffs) > 1:
        raise ContractError(
            f"forecast_paths: hold {len(cutoffs)} cutoffs; expected one. Select the cutoff that"
            " orders rest on."
        )
    place = pd.MultiIndex.from_frame(series[SERIES]).get_indexer(
        pd.MultiIndex.from_frame(paths[SERIES])
    )
    rows = paths[place >= 0]
    if rows.empty:
        return windows_of_paths(rows, series, levels)
    known, row = np.unique(place[place >= 0], return_inverse=True)
    day = (rows[c.DATE] - rows[c.CUTOFF]).dt.days.to_numpy() - 1
    path = rows[c.PATH].to_numpy(dtype=np.int64)
    demand = np.zeros((len(known), int(path.max()) + 1, int(day.max()) + 1))
    demand[row, path, day] = rows[c.QUANTITY]
    total = np.cumsum(demand, axis=2)
    values = np.moveaxis(np.quantile(total, levels, axis=1, method="hazen"), 0, -1)
    lengths = np.arange(1, demand.shape[2] + 1)
    return WindowForecasts(values[:, None], pd.DatetimeIndex(cutoffs), lengths, levels), known


def paths_reading(direct: FloatArray, drawn: FloatArray, levels: FloatArray) -> str:
    """How far windows read off paths are from those forecast as windows, in one sentence.

    Args:
        direct: Quantiles of the protection window, series by level.
        drawn: The same off joint paths.
        levels: Their levels.
    """
    if not len(direct):
        return (
            "None of these series has joint paths: windows rest on the forecast of windows alone."
        )
    place = int(np.abs(levels - 0.95).argmin())
    ratio = drawn[:, place] / np.maximum(direct[:, place], 1.0)
    low, high = np.quantile(ratio, [0.25, 0.75])
    total = drawn[:, place].sum() / max(direct[:, place].sum(), 1e-9)
    return (
        f"{len(direct):,} series have joint paths: at {levels[place]:.0%} these put demand in the"
        f" protection window at {total:.2f} of the forecast of windows, all series together;"
        f" half of the series lie between {low:.2f} and {high:.2f}."
    )


def _check_complete(values: FloatArray, series: pd.DataFrame) -> None:
    holes = np.isnan(values).any(axis=(1, 2, 3))
    if holes.any():
        first = series.iloc[int(np.argmax(holes))]
        raise ContractError(
            f"forecasts: {int(holes.sum())} of {len(series)} series lack window quantiles, first"
            f" item {first[c.ITEM_ID]} at {first[c.LOCATION_ID]}; expected all cutoffs, windows and"
            " levels for each. Run 10-forecast-demand for the same series."
        )


def protection_quantiles(
    windows: WindowForecasts,
    lead_days: FloatArray,
    lead_sd_days: FloatArray,
    *,
    review_days: int,
) -> FloatArray:
    """Quantiles of demand in the protection window R+L of each series.

    Between two windows each quantile is interpolated in the window's length, beyond the longest it
    continues its last slope, below the shortest it falls to zero in proportion. Where the lead time
    varies, the result is the mixture over its possible values (normal, rounded to whole days).

    Args:
        windows: Forecast quantiles.
        lead_days: Mean lead time of each series (L).
        lead_sd_days: Its standard deviation.
        review_days: Days between reviews (R).

    Returns:
        Base units; series by cutoff by level.
    """
    result = np.empty((*windows.values.shape[:2], len(windows.levels)))
    for lead, sd in {*zip(lead_days.tolist(), lead_sd_days.tolist(), strict=True)}:
        mine = (lead_days == lead) & (lead_sd_days == sd)
        possible, weight = lead_time_distribution(lead, sd)
        each = [_at_length(windows, mine, int(days) + review_days) for days in possible]
        result[mine] = each[0] if len(each) == 1 else _mixture(each, weight, windows.levels)
    return result


def lead_time_distribution(
    lead_days: float, lead_sd_days: float
) -> tuple[NDArray[np.int64], FloatArray]:
    """Whole lead times of at least a day and their probabilities, 99.8% of the distribution."""
    if lead_sd_days <= 0:
        return np.array([max(1, round(lead_days))]), np.ones(1)
    low = max(1, int(np.floor(lead_days - 3.09 * lead_sd_days)))
    days = np.arange(low, int(np.ceil(lead_days + 3.09 * lead_sd_days)) + 1)
    edges = norm.cdf((np.append(days - 0.5, days[-1] + 0.5) - lead_days) / lead_sd_days)
    edges[0] = 0.0  # what is shorter counts as the shortest
    weight = np.diff(edges)
    return days, weight / weight.sum()


def _at_length(windows: WindowForecasts, rows: NDArray[np.bool_], days: int) -> FloatArray:
    """Quantiles for windows of `days`, series by cutoff by level."""
    known = np.concatenate([[0], windows.window_days])
    values = windows.values[rows]
    values = np.concatenate([np.zeros_like(values[:, :, :1]), values], axis=2)
    right = int(np.clip(np.searchsorted(known, days), 1, len(known) - 1))
    # beyond the longest the slope of all windows: two neighbours alone would amplify their noise
    left = 1 if days > known[-1] and len(known) > 2 else right - 1
    share = (days - known[left]) / (known[right] - known[left])
    line = values[:, :, left] + share * (values[:, :, right] - values[:, :, left])
    ordered: FloatArray = np.maximum.accumulate(np.maximum(line, 0.0), axis=2)
    return ordered


def _mixture(each: list[FloatArray], weight: FloatArray, levels: FloatArray) -> FloatArray:
    """Quantiles of the mixture of distributions given by their quantiles at `levels`."""
    middle = (np.arange(MEMBERS_PER_LEAD_TIME) + 0.5) / MEMBERS_PER_LEAD_TIME
    members = np.concatenate([at_level(values, levels, middle) for values in each], axis=2)
    mass = np.repeat(weight / MEMBERS_PER_LEAD_TIME, MEMBERS_PER_LEAD_TIME)
    order = np.argsort(members, axis=2)
    sorted_members = np.take_along_axis(members, order, axis=2)
    cumulative = np.cumsum(mass[order], axis=2) - mass[order] / 2
    result = np.empty((*members.shape[:2], len(levels)))
    for number, level in enumerate(levels):
        right = np.clip((cumulative < level).sum(axis=2), 1, members.shape[2] - 1)[..., None]
        ends = [np.take_along_axis(cumulative, right + step, axis=2) for step in (-1, 0)]
        demand = [np.take_along_axis(sorted_members, right + step, axis=2) for step in (-1, 0)]
        share = np.clip((level - ends[0]) / np.maximum(ends[1] - ends[0], 1e-12), 0, 1)
        result[:, :, number] = (demand[0] + share * (demand[1] - demand[0]))[..., 0]
    return result


def at_level(values: FloatArray, levels: FloatArray, wanted: FloatArray) -> FloatArray:
    """Quantiles at other levels, linear between those known and flat beyond them.

    Args:
        values: Quantiles along the last axis.
        levels: Their levels, ascending.
        wanted: Levels wanted; they replace the last axis.
    """
    right = np.clip(np.searchsorted(levels, wanted), 1, len(levels) - 1)
    share = np.clip((wanted - levels[right - 1]) / (levels[right] - levels[right - 1]), 0, 1)
    line: FloatArray = values[..., right - 1] * (1 - share) + values[..., right] * share
    return line


def level_of_each(values: FloatArray, levels: FloatArray, target: FloatArray) -> FloatArray:
    """Quantile of each series at its own target.

    Args:
        values: Series by (cutoff by) level.
        levels: Levels, ascending.
        target: One per series; beyond the known levels the last known quantile counts.
    """
    right = np.clip(np.searchsorted(levels, target), 1, len(levels) - 1)
    share = np.clip((target - levels[right - 1]) / (levels[right] - levels[right - 1]), 0, 1)
    rows = np.arange(len(values))
    shape = (-1,) + (1,) * (values.ndim - 2)
    low, high = values[rows, ..., right - 1], values[rows, ..., right]
    line: FloatArray = low + share.reshape(shape) * (high - low)
    return line


def expected_shortage(values: FloatArray, levels: FloatArray, stock: FloatArray) -> FloatArray:
    """E[(D-stock)+] of each series from the quantiles of its demand D.

    The distribution is read as 200 equally likely demands, flat beyond the known levels.

    Args:
        values: Quantiles, series by level.
        levels: Levels, ascending.
        stock: Base units, one per series.
    """
    middle = (np.arange(200) + 0.5) / 200
    members = at_level(values, levels, middle)
    shortage: FloatArray = np.maximum(members - stock[:, None], 0.0).mean(axis=1)
    return shortage


def expected_demand(values: FloatArray, levels: FloatArray) -> FloatArray:
    """Mean demand of each series from its quantiles, read as in `expected_shortage`."""
    return expected_shortage(values, levels, np.zeros(len(values)))


def quantile_table(series: pd.DataFrame, values: FloatArray, levels: FloatArray) -> pd.DataFrame:
    """Quantiles (series, level) as people read them: one row per series, one column per level."""
    quantiles = pd.DataFrame(values.round(1), columns=[f"{level:.1%}" for level in levels])
    return pd.concat([series[list(SERIES)].reset_index(drop=True), quantiles], axis=1)
