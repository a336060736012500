"""One coherent forecast: days, weeks and windows; series, items, categories and all of them.

What an item sells in all stores is what it sells in the stores that have a forecast of their own
and elsewhere. The series at the bottom, those stores and every item's elsewhere, carry all demand;
every other node is a sum of them, in points and in joint sample paths alike:

    days of each series ──► reconciled with its windows ──► reconciled with items, categories, total
                                                                  │
    samples of each day ──► joint paths, moved to ◄───────────────┘

First over time, then over items and sites: the result adds up both ways, because only days of
bottom series are kept; the order is a heuristic (Kourentzes and Athanasopoulos 2019,
"Cross-temporal coherent forecasts for Australian tourism", Annals of Tourism Research 75).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.contracts import columns as c
from workbench.forecasting import paths, structural, temporal
from workbench.forecasting.backtest import Backtest
from workbench.forecasting.forecaster import Forecaster
from workbench.forecasting.global_model import Window
from workbench.forecasting.hierarchy import Codes, Hierarchy, hierarchy
from workbench.forecasting.panel import Panel
from workbench.forecasting.reconcile import reconcile_known

Array = npt.NDArray[np.float64]
TOTAL, CATEGORY, ITEM, BOTTOM = "total", "category", "item", "series"
ELSEWHERE = "elsewhere"
_LEVEL_DAYS = 28  # of which the mean is the reference whose errors weigh the nodes
_ERROR_DAYS = 182  # of these errors
_RECENT_DAYS = 91  # that say how large a sum is, and what share of an item sells elsewhere
_LEAST_VARIANCE = 1e-3
_MODELLED = 20.0  # units a day that an aggregate needs for a model of its own
_STEP = 100.0  # penalty of a day's step of the level of an aggregate
_MEAN_LEAST = 1e-3
_TRIED = 4  # past cutoffs, the latest, on which weights are learned


@dataclass(frozen=True)
class Sites:
    """How the series of a panel add up.

    Attributes:
        tree: Total, category, item, series; the last is the bottom.
        source: Row of the panel whose distribution each bottom series has, shape (bottom,).
        elsewhere: Whether it stands for the stores without a series, shape (bottom,).
        node: Node of each row of the panel, shape (series,).
        forecast_items: Row of the panel that forecasts each item as a whole, -1 for none.
    """

    tree: Hierarchy
    source: Codes
    elsewhere: npt.NDArray[np.bool_]
    node: Codes
    forecast_items: Codes

    def units(self, panel: Panel) -> Array:
        """Demand of the bottom series, shape (bottom, days)."""
        return self.split(panel.units.astype(np.float64))

    def names(self, panel: Panel) -> list[str]:
        """A name of each bottom series, which no other one has."""
        keys = panel.series.iloc[self.source]
        return (keys[c.ITEM_ID] + "\0" + keys[c.LOCATION_ID]).tolist()

    def split(self, values: Array) -> Array:
        """Values of the bottom series from those of the panel's rows; what is left is elsewhere."""
        result = values[self.source].copy()
        item = self.tree.codes[-2]
        stores = np.zeros((len(self.forecast_items), values.shape[1]))
        np.add.at(stores, item[~self.elsewhere], result[~self.elsewhere])
        rest = result[self.elsewhere] - stores[item[self.elsewhere]]
        result[self.elsewhere] = np.maximum(rest, 0)
        return result


def sites_of(panel: Panel) -> Sites:
    """Items of the panel by category, and the stores and the elsewhere that they sell in."""
    item, _ = pd.factorize(panel.series[c.ITEM_ID])
    whole, stores = np.flatnonzero(panel.is_dc), np.flatnonzero(~panel.is_dc)
    source = np.concatenate([stores, whole])
    keys = pd.DataFrame(
        {
            CATEGORY: panel.series["category"].to_numpy()[source],
            ITEM: item[source],
            "place": np.where(panel.is_dc[source], -1, source),
        }
    )
    levels = {TOTAL: [], CATEGORY: [CATEGORY], ITEM: [ITEM], BOTTOM: [ITEM, "place"]}
    tree = hierarchy(keys, levels)
    of_item = np.full(len(tree.labels[2]), -1)
    of_item[tree.codes[2][len(stores) :]] = whole
    node = np.empty(len(item), dtype=np.int64)
    node[stores] = tree.nodes(BOTTOM).start + np.arange(len(stores))
    node[whole] = tree.nodes(ITEM).start + tree.codes[2][len(stores) :]
    return Sites(tree, source, np.arange(len(source)) >= len(stores), node, of_item)


@dataclass(frozen=True)
class Coherent:
    """Forecast of days that adds up.

    Attributes:
        sites: How.
        base: Expected demand before, NaN for nodes without a forecast, shape (nodes, days).
        mean: Expected demand, shape (nodes, days).
        panel: History up to the cutoff.
        forecaster: Of single days, for the samples.
    """

    sites: Sites
    base: Array
    mean: Array
    panel: Panel
    forecaster: Forecaster

    @property
    def days(self) -> int:
        return int(self.mean.shape[1])

    def of_series(self) -> Array:
        """Expected demand of the panel's series, shape (series, days)."""
        return np.asarray(self.mean[self.sites.node])

    def blocks(self, config: paths.PathConfig) -> Iterator[paths.Block]:
        """Joint paths of the bottom series, block by block."""
        bottom = self.sites.tree.nodes(BOTTOM)
        return paths.path_blocks(
            self.sites.units(self.panel), self.sites.names(self.panel),
            self._samples(config.paths), config, days=self.days, mean=self.mean[bottom],
        )  # fmt: skip

    def series_paths(self, config: paths.PathConfig) -> Iterator[tuple[Codes, Array]]:
        """Joint paths of the panel's series: rows of the panel, (rows, days, paths)."""
        return series_paths(
            self.sites, self.panel, self.blocks(config), days=self.days, config=config
        )

    def _samples(self, count: int) -> paths.SamplesOf:
        """Ascending samples of a block of bottom series, as their own days are distributed."""
        cutoff = self.panel.units.shape[1] - 1
        windows = [Window(day, 1) for day in range(1, self.days + 1)]
        of_rows = self.forecaster.quantiles_by_rows(
            self.panel, cutoff, windows, paths.path_levels(count)
        )
        return lambda rows: of_rows(self.sites.source[rows])


def series_paths(
    sites: Sites,
    panel: Panel,
    blocks: Iterable[paths.Block],
    *,
    days: int,
    config: paths.PathConfig,
) -> Iterator[tuple[Codes, Array]]:
    """Joint paths of the panel's series from those of the bottom: rows, (rows, days, paths).

    Items are worked off whole, so that what is held is a block of items at a time.

    Args:
        sites: How the series add up.
        panel: The series.
        blocks: Of the bottom series.
        days: Days of each path, or longer periods.
        config: Number of paths, and items at a time.
    """
    own = sites.node - sites.tree.nodes(BOTTOM).start
    sums = sites.tree.matrix[sites.tree.nodes(ITEM)].tocsc()
    items = np.zeros((sums.shape[0], days * config.paths), np.float32)
    for rows, values in blocks:
        items += sums[:, rows] @ values.reshape(len(values), -1)
        found = np.flatnonzero((own >= rows.start) & (own < rows.stop))
        if len(found):
            yield found, values[own[found] - rows.start]
    whole = np.flatnonzero(panel.is_dc)
    place = sites.node[whole] - sites.tree.nodes(ITEM).start
    for start in range(0, len(whole), config.block):
        part = slice(start, start + config.block)
        yield whole[part], items[place[part]].reshape(-1, days, config.paths).astype(float)


@dataclass(frozen=True)
class Before:
    """What is expected of every node by itself, before anything has to add up.

    Attributes:
        sites: How the series add up.
        base: Expected demand, NaN for nodes without a forecast, shape (nodes, days).
        variance: Error variance of a simple reference forecast of each node, shape (nodes,).
        panel: History up to the cutoff.
        forecaster: Of single days.
    """

    sites: Sites
    base: Array
    variance: Array
    panel: Panel
    forecaster: Forecaster


def before(
    panel: Panel, daily: Forecaster, windows: Forecaster, *, days: int, lengths: Sequence[int]
) -> Before:
    """Forecast every node from the last day; days of series are reconciled with their windows.

    Args:
        panel: History up to the cutoff.
        daily: Forecasts single days.
        windows: Forecasts cumulative demand.
        days: Days ahead.
        lengths: Of the windows; those that are not shorter than `days` are left out.
    """
    cutoff, sites = panel.units.shape[1] - 1, sites_of(panel)
    each = [Window(day, 1) for day in range(1, days + 1)]
    cumulative = [Window(1, n) for n in sorted(set(lengths)) if n < days]
    own = daily.mean(panel, cutoff, each)
    if cumulative:
        sums = windows.mean(panel, cutoff, cumulative)
        own = temporal.reconcile_windows(own, cumulative, sums)
    variance = reference_variance(sites.tree, sites.units(panel), days)
    return Before(sites, _base(panel, sites, own), variance, panel, daily)


def error_ratios(past: Sequence[Before], panel: Panel) -> Array:
    """How large the errors of each level's forecasts were over those of the reference, (levels,).

    Args:
        past: From cutoffs whose days have ended; none takes all levels for alike.
        panel: Knows what came.
    """
    names = past[0].sites.tree.names if past else (TOTAL, CATEGORY, ITEM, BOTTOM)
    squares = np.zeros((len(names), 2))
    for one in past:
        start, days = one.panel.units.shape[1], one.base.shape[1]
        came = one.sites.tree.sums(one.sites.units(panel)[:, start : start + days])
        error = (came - one.base).sum(axis=1) ** 2 / days
        known = np.isfinite(error)
        for column, values in enumerate((error, one.variance)):
            level = one.sites.tree.level[known]
            squares[:, column] += np.bincount(level, values[known], minlength=len(names))
    return np.where(squares[:, 0] > 0, squares[:, 0] / np.maximum(squares[:, 1], 1e-9), 1.0)


def coherent(given: Before, ratios: Array) -> Coherent:
    """Reconcile items, categories and all of them by weighted least squares.

    Args:
        given: What is expected of every node by itself.
        ratios: Of `error_ratios`.
    """
    tree = given.sites.tree
    variance = given.variance * ratios[tree.level]
    mean = reconcile_known(tree, given.base, variance)
    return Coherent(given.sites, given.base, mean, given.panel, given.forecaster)


def coherent_forecast(
    panel: Panel, daily: Backtest, windows: Backtest, *, days: int, lengths: Sequence[int]
) -> tuple[Coherent, pd.DataFrame]:
    """The forecast from the last day, and what adding up did to forecasts of the past.

    Args:
        panel: All history.
        daily: Backtest of single days.
        windows: Of cumulative demand, from the same cutoffs.
        days: Days ahead.
        lengths: Of the windows.

    Returns:
        The forecast; and per level: nodes (with a forecast of their own), alone (weekly error over
        demand of their own forecasts), from_below (of the sum of the series), reconciled. Each past
        cutoff is reconciled with weights from the other ones; no rows where none has ended.
    """
    ended = [k for k in daily.cutoffs if k + days < panel.units.shape[1]][-_TRIED:]
    past = [
        before(panel.until(panel.first_day + pd.Timedelta(days=k)), daily.forecaster_at(k),
               windows.forecaster_at(k), days=days, lengths=lengths)
        for k in ended
    ]  # fmt: skip
    now = before(panel, daily.final, windows.final, days=days, lengths=lengths)
    tried = [
        coherent(one, error_ratios([other for other in past if other is not one], panel))
        for one in past
    ]
    return coherent(now, error_ratios(past, panel)), _compared(tried, panel)


def _compared(tried: Sequence[Coherent], panel: Panel) -> pd.DataFrame:
    """Weekly error over demand per level; see `coherent_forecast`."""
    names = ["alone", "from_below", "reconciled"]
    sums = np.zeros((4, len(names) + 2))
    for one in tried:
        tree, start = one.sites.tree, one.panel.units.shape[1]
        came = tree.sums(one.sites.units(panel)[:, start : start + one.days])
        below = tree.sums(one.base[tree.nodes(BOTTOM)])
        weeks = temporal.whole_windows(one.days, temporal.WEEK_DAYS) or [Window(1, one.days)]
        sold = temporal.summed(came, weeks)
        errors = [
            np.abs(temporal.summed(values, weeks) - sold).sum(axis=1)
            for values in (one.base, below, one.mean)
        ]
        known = np.isfinite(one.base).all(axis=1)
        parts = np.column_stack([*errors, sold.sum(axis=1), np.ones(len(sold))])
        np.add.at(sums, tree.level[known], parts[known])
    if not tried:
        return pd.DataFrame(columns=["level", "nodes", *names])
    shares = sums[:, :3] / np.maximum(sums[:, 3:4], 1e-9)
    table = pd.DataFrame(shares, columns=names)
    table.insert(0, "nodes", np.rint(sums[:, 4] / len(tried)).astype(int))
    table.insert(0, "level", tried[0].sites.tree.names)
    return table[table["nodes"] > 0].reset_index(drop=True)


def _base(panel: Panel, sites: Sites, own: Array) -> Array:
    """What is expected of every node by itself, NaN where nothing is; shape (nodes, days)."""
    base = np.full((len(sites.tree.level), own.shape[1]), np.nan)
    known = sites.forecast_items >= 0
    base[sites.tree.nodes(ITEM)][known] = own[sites.forecast_items[known]]
    base[sites.tree.nodes(BOTTOM)] = _elsewhere(panel, sites, own)
    top = slice(0, sites.tree.nodes(ITEM).start)
    units = sites.tree.sums(sites.units(panel))[top]
    large = np.flatnonzero(units[:, -_RECENT_DAYS:].mean(axis=1) >= _MODELLED)
    if len(large):
        base[large] = _aggregates(panel, units[large], own.shape[1])
    return base


def _elsewhere(panel: Panel, sites: Sites, own: Array) -> Array:
    """Expected demand of the bottom series: elsewhere keeps its recent share of the item's."""
    recent = sites.units(panel)[:, -_RECENT_DAYS:].sum(axis=1)
    whole = panel.units[:, -_RECENT_DAYS:].sum(axis=1)[sites.source]
    share = np.where(sites.elsewhere, recent / np.maximum(whole, 1e-9), 1.0)
    return np.maximum(own[sites.source] * share[:, None], _MEAN_LEAST)


def _aggregates(panel: Panel, units: Array, days: int) -> Array:
    """Structural forecasts of large sums, which follow the calendar more than any one item does."""
    known = units.shape[1]
    dates = pd.date_range(panel.first_day, periods=known + days)
    events = panel.events[:, : known + days].T.astype(float)
    effects = structural.calendar_effects(
        dates, events, np.zeros((known + days, 0)), structural.StructuralConfig()
    )
    return structural.forecast_structural(
        units, effects, ahead=days, step=_STEP, counted=np.ones(known, dtype=bool)
    )


def reference_variance(tree: Hierarchy, units: Array, days: int) -> Array:
    """Error variance of each node: a day's part of that of the whole horizon, from the past.

    The reference forecast is the mean of the four weeks before. Errors of a sum of days count what
    errors of single days hide: those of large sums go together from day to day.

    Args:
        tree: How bottom series add up.
        units: Their demand, shape (bottom, days known).
        days: Of the horizon.
    """
    recent = tree.sums(units[:, -_ERROR_DAYS - _LEVEL_DAYS - days :])
    before = np.cumsum(np.pad(recent, ((0, 0), (1, 0))), axis=1)
    level = (before[:, _LEVEL_DAYS:-days] - before[:, : -days - _LEVEL_DAYS]) / _LEVEL_DAYS
    sold = before[:, _LEVEL_DAYS + days :] - before[:, _LEVEL_DAYS:-days]
    error = sold - days * level
    return np.asarray(np.maximum((error**2).mean(axis=1) / days, _LEAST_VARIANCE))
