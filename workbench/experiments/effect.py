"""Paired differences between two policies, with cluster bootstrap intervals.

Both policies meet the same demand, so the difference of each series is taken first; series of one
item depend on each other (the centre serves the stores), so whole items are drawn with replacement.
Percentile intervals: Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13; resampling
of clusters: Cameron, Gelbach and Miller, Review of Economics and Statistics 90 (2008).

Entry of the experiments capability: `bootstrap_totals`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.errors import ContractError

FloatMatrix = NDArray[np.float64]
ESTIMATE, LOW, HIGH = "value", "low", "high"
WEIGHTS_AT_ONCE = 4_000_000  # cells of the weight matrix in memory at a time


@dataclass(frozen=True)
class Bootstrap:
    """Resampled totals of columns, clusters drawn with replacement.

    Attributes:
        observed: Total of each column as it is.
        resampled: Totals; resample by column.
        level: Level of the intervals.
    """

    observed: pd.Series
    resampled: pd.DataFrame
    level: float

    def total(self, column: str) -> tuple[float, float, float]:
        """Estimate and interval of a column's total."""
        return self.of(lambda totals: totals[column])

    def of(self, statistic: Callable[[pd.DataFrame], pd.Series]) -> tuple[float, float, float]:
        """Estimate and interval of a function of the totals, for example a ratio.

        Args:
            statistic: From a frame of totals, one row per resample, to one number per row.
        """
        value = float(statistic(self.observed.to_frame().T).iloc[0])
        tail = (1 - self.level) / 2
        drawn = statistic(self.resampled).to_numpy(dtype=np.float64)
        low, high = np.nanquantile(drawn, [tail, 1 - tail]) if len(drawn) else (np.nan, np.nan)
        return value, float(low), float(high)

    def totals(self) -> pd.DataFrame:
        """Estimate and interval of every column: value, low, high, indexed by column."""
        tail = (1 - self.level) / 2
        low, high = self.resampled.quantile([tail, 1 - tail]).to_numpy()
        values = {ESTIMATE: self.observed, LOW: low, HIGH: high}
        return pd.DataFrame(values, index=self.observed.index)


def bootstrap_totals(
    columns: pd.DataFrame,
    clusters: pd.Series,
    *,
    level: float,
    resamples: int,
    seed: int,
) -> Bootstrap:
    """Draw whole clusters with replacement and add up each column.

    Args:
        columns: One row per series, any units; missing counts as zero.
        clusters: Cluster of each row, in the same order.
        level: Level of the intervals, for example 0.8.
        resamples: Number of resamples.
        seed: Seed of the draws.

    Raises:
        ContractError: There are fewer than two clusters, or lengths differ.
    """
    if len(columns) != len(clusters):
        raise ContractError(
            f"bootstrap: {len(columns)} rows and {len(clusters)} clusters; expected one each."
            " Align both to the same series."
        )
    summed = columns.fillna(0.0).groupby(clusters.to_numpy()).sum()
    if len(summed) < 2:
        raise ContractError(
            f"bootstrap: {len(summed)} cluster; expected two or more, since an interval needs items"
            " that differ. Compare more items."
        )
    values = summed.to_numpy(dtype=np.float64)
    generator = np.random.default_rng(seed)
    step = max(1, WEIGHTS_AT_ONCE // len(summed))
    share = np.full(len(summed), 1 / len(summed))
    drawn = [
        generator.multinomial(len(summed), share, size=min(step, resamples - begin)) @ values
        for begin in range(0, resamples, step)
    ]
    resampled = pd.DataFrame(np.concatenate(drawn), columns=summed.columns)
    return Bootstrap(summed.sum(), resampled, level)


def paired_difference(
    rows: pd.DataFrame, *, keys: list[str], arm: str, treated: str, control: str, value: str
) -> pd.Series:
    """Control less treated of each key: positive where the treated arm cost less.

    Args:
        rows: One row per key and arm.
        keys: Columns that identify what is compared.
        arm: Column that names the arm.
        treated: Name of the treated arm.
        control: Name of the control.
        value: Column that is compared.

    Raises:
        ContractError: A key lacks one of the arms.
    """
    wide = rows.pivot(index=keys, columns=arm, values=value).reindex(columns=[control, treated])
    alone = wide.isna().any(axis=1)
    if alone.any() or wide.empty:
        raise ContractError(
            f"comparison: {int(alone.sum())} of {len(wide)} rows lack {treated!r} or {control!r};"
            " expected both for each. Simulate both on the same series."
        )
    return wide[control] - wide[treated]
