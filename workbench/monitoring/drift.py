"""Has the world changed? Drift of inputs and of forecast errors between two periods.

Textbook tests on pooled rows raise false alarms with inventory data: rows of one item depend on
each other and seasons move every item at once. So a distance between two periods is judged against
the distances between earlier pairs of periods of the same length and gap, and a change of forecast
error against a bootstrap over items.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.errors import ContractError

Array = npt.NDArray[np.float64]
DRIFT_COLUMNS = ("feature", "statistic", "threshold", "share_of_earlier_below", "raised")


MINIMUM_PAIRS = 5
SMALL_CHANGE = 0.1  # Siddiqi 2006: below it a population counts as unchanged


def population_stability_index(reference: Array, current: Array, *, bins: int = 10) -> float:
    """Sum over bins of (q - p) ln(q / p), with bins at quantiles of the reference.

    Source: Siddiqi 2006, "Credit Risk Scorecards", ch. 8. Empty bins count as half a row.

    Raises:
        ContractError: One of the samples is empty.
    """
    for name, sample in (("reference", reference), ("current", current)):
        if not len(sample):
            raise ContractError(
                f"{name} period: no rows; expected at least one, choose another period."
            )
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, bins + 1)[1:-1]))
    counts = np.array([_counts(reference, edges), _counts(current, edges)])
    counts = np.maximum(counts[:, counts.any(axis=0)], 0.5)
    p, q = counts / counts.sum(axis=1, keepdims=True)
    return float(np.sum((q - p) * np.log(q / p)))


def _counts(sample: Array, edges: Array) -> npt.NDArray[np.int64]:
    """Rows between the edges and, a bin each, on them.

    A value that many rows share, such as no promotion or a price that never changes, is an edge: it
    needs a bin of its own, or a rise from it would stay in the same bin.
    """
    place = np.searchsorted(edges, sample, "left") + np.searchsorted(edges, sample, "right")
    return np.bincount(place, minlength=2 * len(edges) + 1)


def input_drift(
    rows: pd.DataFrame,
    *,
    period: str,
    features: Sequence[str],
    level: float = 0.95,
    minimum_pairs: int = MINIMUM_PAIRS,
    resolution: Mapping[str, float] | None = None,
    smallest: float = SMALL_CHANGE,
) -> pd.DataFrame:
    """Judge the last period's distance from the one before by those of earlier pairs.

    Args:
        rows: One row per observation, `period` holding 0, 1, 2, … for equal spans of time.
        period: Column of the period's number; the last is the one to judge.
        features: Numeric columns to compare.
        level: Share of earlier pairs that the distance must exceed to raise an alarm. With few
            pairs the largest earlier distance is the threshold.
        minimum_pairs: Earlier pairs needed to judge at all.
        resolution: Per feature the smallest difference that means something; finer ones are
            rounding, of prices to cents for example.
        smallest: Index up to which no change is told, however quiet the past was.

    Returns:
        One row per feature with `DRIFT_COLUMNS`, the largest excess first; a feature that has one
        value throughout is left out, there is nothing to judge.

    Raises:
        ContractError: There are fewer periods than a judgement needs.
    """
    periods = np.sort(rows[period].unique())
    if len(periods) < minimum_pairs + 2:
        raise ContractError(
            f"drift: {len(periods)} periods; expected at least {minimum_pairs + 2} to learn what"
            " change is usual: give a longer history or shorter periods."
        )
    by_period = dict(iter(rows.groupby(period)))
    judged = []
    for feature in features:
        step = (resolution or {}).get(feature)
        samples = [_rounded(by_period[p][feature], step) for p in periods]
        if np.ptp(np.concatenate(samples)) == 0:
            continue
        distances = np.array([population_stability_index(a, b) for a, b in pairwise(samples)])
        usual, latest = distances[:-1], distances[-1]
        threshold = max(smallest, float(np.quantile(usual, level, method="higher")))
        below = float((usual < latest).mean())
        judged.append((feature, float(latest), threshold, below, bool(latest > threshold)))
    table = pd.DataFrame(judged, columns=list(DRIFT_COLUMNS))
    excess = (table["statistic"] / table["threshold"]).to_numpy()
    return table.iloc[np.argsort(-excess, kind="stable")].reset_index(drop=True)


def _rounded(values: pd.Series, step: float | None) -> Array:
    known = values.dropna().to_numpy(dtype=float)
    return np.round(known / step) if step else known


def period_within(days: int, period_days: int) -> int:
    """The length of period asked for, or the longest of whole weeks that a history can judge.

    Raises:
        ContractError: The history has not even as many weeks as a judgement needs periods.
    """
    longest = days // (MINIMUM_PAIRS + 2) // 7 * 7
    if not longest:
        raise ContractError(
            f"sales: {days} days; expected at least {7 * (MINIMUM_PAIRS + 2)} to learn what change"
            " is usual. Ingest a longer history."
        )
    return min(period_days, longest)


def error_ratio(
    errors: pd.DataFrame,
    *,
    cluster: str,
    current: str,
    numerator: str,
    denominator: str,
    level: float = 0.8,
    draws: int = 1_000,
    seed: int = 0,
) -> dict[str, float]:
    """Relative error of the current period over that of the reference, with its interval.

    Relative error is sum(numerator) / sum(denominator), for example absolute error over demand.
    Whole clusters (items) are drawn with replacement, because the errors of one item depend on
    each other. Source: Cameron and Miller 2015, "A practitioner's guide to cluster-robust
    inference", Journal of Human Resources 50(2), section VI.

    Args:
        errors: One row per forecast.
        cluster: Column that names the item.
        current: Boolean column: True in the current period, False in the reference.
        numerator: Column with the size of the error.
        denominator: Column with what it is measured against.
        level: Probability of the interval.
        draws: Bootstrap draws.
        seed: Of the draws.

    Returns:
        reference, current, ratio, low, high.

    Raises:
        ContractError: A period has no demand to measure against.
    """
    by_item = errors.groupby([cluster, current])[[numerator, denominator]].sum()
    sums = pd.DataFrame(by_item.unstack(fill_value=0))
    wanted = [(name, period) for period in (False, True) for name in (numerator, denominator)]
    table = sums.reindex(columns=wanted, fill_value=0).to_numpy(dtype=float)
    total = table.sum(axis=0)
    if total[1] <= 0 or total[3] <= 0:
        raise ContractError(
            f"{denominator!r} sums to {total[1]:g} and {total[3]:g} in the two periods; expected"
            " more than zero in each: choose periods with demand."
        )
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(table), np.full(len(table), 1 / len(table)), size=draws)
    drawn = weights @ table
    ratios = (drawn[:, 2] / drawn[:, 3]) / (drawn[:, 0] / drawn[:, 1])
    low, high = np.nanquantile(ratios, [(1 - level) / 2, (1 + level) / 2])
    reference, latest = total[0] / total[1], total[2] / total[3]
    return {
        "reference": float(reference),
        "current": float(latest),
        "ratio": float(latest / reference),
        "low": float(low),
        "high": float(high),
    }
