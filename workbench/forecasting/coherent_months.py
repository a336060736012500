"""Months far ahead that add up, by the mechanism that days go through: items, sites, in each path.

    months of series, items, categories, total ──► reconciled
                                                        │
    samples of each month ──► joint paths, moved to ◄───┘

Only months of bottom series are kept; an item's month is what its stores and elsewhere sell in it.
Where days reach, a month is the sum of their paths (`coherent.py`), and none is made here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from workbench.forecasting import paths
from workbench.forecasting.coherent import (
    BOTTOM,
    ITEM,
    Sites,
    reference_variance,
    series_paths,
)
from workbench.forecasting.hierarchy import Codes, Hierarchy
from workbench.forecasting.months import Months, forecast_months
from workbench.forecasting.panel import Panel
from workbench.forecasting.patterns import segment
from workbench.forecasting.reconcile import reconcile_known
from workbench.forecasting.temporal import MONTH_DAYS

Array = npt.NDArray[np.float64]
_MEDIAN = np.array([0.5])


@dataclass(frozen=True)
class CoherentMonths:
    """Forecast of months that adds up over sites.

    Attributes:
        sites: How.
        panel: History up to the cutoff.
        own: What is expected of each bottom series by itself, then of each item as a whole; its
            levels are those of the samples.
        base: Expected demand before, NaN for nodes without a forecast, shape (nodes, months).
        mean: Expected demand, shape (nodes, months).
    """

    sites: Sites
    panel: Panel
    own: Months
    base: Array
    mean: Array

    @property
    def months(self) -> int:
        return int(self.mean.shape[1])

    @property
    def reading(self) -> str:
        """What these months rest on, in one sentence."""
        return self.own.reading

    def blocks(self, config: paths.PathConfig) -> Iterator[paths.Block]:
        """Joint paths of the bottom series, block by block, of as many paths as there are samples.

        A block's values have shape (rows, months, paths). All past windows count: over months, a
        launch or an end in all stores at once is among what may come.
        """
        return paths.path_blocks(
            self.sites.units(self.panel), self.sites.names(self.panel), self.own.samples,
            replace(config, alike=np.inf), days=self.months, span=MONTH_DAYS,
            mean=self.mean[self.sites.tree.nodes(BOTTOM)],
        )  # fmt: skip

    def series_paths(self, config: paths.PathConfig) -> Iterator[tuple[Codes, Array]]:
        """Joint paths of the panel's series: rows of the panel, (rows, months, paths)."""
        blocks = self.blocks(config)
        return series_paths(self.sites, self.panel, blocks, days=self.months, config=config)


def coherent_months(sites: Sites, panel: Panel, *, months: int, count: int) -> CoherentMonths:
    """Forecast months ahead of the last day and reconcile them.

    Args:
        sites: How the series of the panel add up.
        panel: History up to the cutoff.
        months: How many; there are none where history is too short.
        count: Samples of each month, as many as paths.
    """
    units, whole = sites.units(panel), np.flatnonzero(panel.is_dc)
    rows = np.concatenate([sites.source, whole])
    own = forecast_months(
        np.concatenate([units, panel.units[whole].astype(np.float64)]),
        segment(panel, panel.units.shape[1] - 1)[rows],
        months=months, levels=paths.path_levels(count), season_of_group=panel.category[rows],
    )  # fmt: skip
    base = np.full((len(sites.tree.level), own.mean.shape[1]), np.nan)
    expected = own.expected
    base[sites.tree.nodes(BOTTOM)] = expected[: len(units)] * units.any(axis=1, keepdims=True)
    base[sites.node[whole]] = expected[len(units) :]
    top = slice(0, sites.tree.nodes(ITEM).start)
    base[top] = sums_ahead(sites.tree.sums(units)[top], months)
    return CoherentMonths(sites, panel, own, base, reconciled_months(sites.tree, units, base))


def sums_ahead(units: Array, months: int) -> Array:
    """Expected months of large sums, each with a season of its own, shape (nodes, months)."""
    group, each = np.zeros(len(units), dtype=np.int64), np.arange(len(units))
    found = forecast_months(units, group, months=months, levels=_MEDIAN, season_of_group=each)
    return found.mean


def reconciled_months(tree: Hierarchy, units: Array, base: Array) -> Array:
    """Months of all nodes that add up; a bottom series of which none is expected keeps none.

    Args:
        tree: How bottom series add up.
        units: Their daily demand up to the cutoff, shape (bottom, days).
        base: Months of each node by itself, NaN for none, shape (nodes, months).

    Returns:
        Shape (nodes, months).
    """
    if not base.shape[1]:
        return base
    mean = reconcile_known(tree, base, reference_variance(tree, units, MONTH_DAYS))
    return tree.sums(mean[-len(units) :] * (base[-len(units) :] > 0))
