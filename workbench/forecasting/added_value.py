"""Forecast value added: what a forecast loses less than what would be there without it.

Two opponents: seasonal naive, and the legacy forecast of an ERP, which is the mean of the latest
days times the days to cover, with normal safety stock around it. How many days it looks back at is
chosen for it, on weeks before those that judge. Intervals come from drawing whole items again and
again, since the weeks and stores of an item err together.

Sources: Gilliland 2013, "Forecast value added: a reality check", Foresight 29; Field and Welsh
2007, "Bootstrapping clustered data", JRSS B 69.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from workbench.contracts import columns as c
from workbench.contracts.printable import compared
from workbench.forecasting import losses
from workbench.forecasting.panel import SERIES, Panel
from workbench.forecasting.patterns import SEGMENTS, segment

Array = npt.NDArray[np.float64]
LEGACY_DAYS: Final = (28, 56, 91)
INTERVAL: Final = 0.9
_DRAWS: Final = 2_000
EVERY: Final = "all"


def legacy_quantiles(
    units: npt.NDArray[np.floating], cutoff: int, *, days: int, length: int, levels: Array
) -> Array:
    """Mean of the latest days times the length of the window, normal around it.

    Args:
        units: Demand, shape (series, days).
        cutoff: Column of the last known day.
        days: That it looks back at.
        length: Of the window ahead.
        levels: Quantile levels.

    Returns:
        Never negative, shape (series, levels).
    """
    known = units[:, max(0, cutoff + 1 - days) : cutoff + 1].astype(float)
    spread = known.std(axis=1, ddof=1) * np.sqrt(length)
    quantiles = known.mean(axis=1)[:, None] * length + spread[:, None] * stats.norm.ppf(levels)
    return np.asarray(np.maximum(quantiles, 0))


def with_legacy(panel: Panel, errors: pd.DataFrame, levels: Sequence[float]) -> pd.DataFrame:
    """The errors of a backtest beside those of the legacy forecast.

    Args:
        panel: That was tried.
        errors: See `scores.error_rows`; one window from each cutoff.
        levels: Quantile levels of its losses.

    Returns:
        `errors` with legacy_pinball, and legacy_days in `attrs`.
    """
    nominal, cutoffs = np.asarray(levels, float), sorted(errors[c.CUTOFF].unique())
    length = int(errors["window_days"].iloc[0])
    first = panel.column(cutoffs[0])
    past = [first - length - 7 * week for week in range(4)]  # windows that ended by then
    days = min(LEGACY_DAYS, key=lambda n: float(np.mean(
        [_loss(panel, k, n, length, nominal).mean() for k in past if k >= n]
        or [np.inf])))  # fmt: skip
    each = [_loss(panel, panel.column(k), days, length, nominal) for k in cutoffs]
    order = errors.sort_values(c.CUTOFF, kind="stable").index
    found = errors.assign(legacy_pinball=pd.Series(np.concatenate(each), index=order))
    found.attrs["legacy_days"] = days
    return found


def _loss(panel: Panel, cutoff: int, days: int, length: int, levels: Array) -> Array:
    """Pinball loss of the legacy forecast, in units, shape (series,)."""
    made = legacy_quantiles(panel.units, cutoff, days=days, length=length, levels=levels)
    actual = panel.units[:, cutoff + 1 : cutoff + 1 + length].sum(axis=1).astype(float)
    return np.asarray(losses.pinball(actual, made, levels).mean(axis=1))


def value_added(panel: Panel, errors: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Loss that the forecast saves, in money, against naive and legacy, by segment.

    Args:
        panel: That was tried.
        errors: See `with_legacy`.
        seed: Of the draws.

    Returns:
        segment (`all` first), items, against (`seasonal naive`, `legacy`), saved (share of the
        opponent's value-weighted pinball loss), low and high (90% interval).
    """
    kind = segment(panel, panel.column(errors[c.CUTOFF].min()))
    names = panel.series[SERIES].assign(segment=np.array(SEGMENTS)[kind])
    rows = errors.merge(names, on=SERIES)
    found = []
    for name in [EVERY, *sorted(rows["segment"].unique())]:
        part = rows if name == EVERY else rows[rows["segment"] == name]
        for against, loss in (("seasonal naive", "naive_pinball"), ("legacy", "legacy_pinball")):
            money = part[["pinball", loss]].mul(part["price"], axis=0)
            saved = share_saved(money["pinball"], money[loss], part[c.ITEM_ID], seed=seed)
            items = part[c.ITEM_ID].nunique()
            found.append((name, items, against, *saved))
    return pd.DataFrame(found, columns=["segment", "items", "against", "saved", "low", "high"])


def share_saved(
    ours: pd.Series, theirs: pd.Series, items: pd.Series, *, seed: int
) -> tuple[float, float, float]:
    """One minus our loss over theirs, with a 90% interval by drawing whole items.

    The interval is NaN where there is one item only: nothing can be drawn.
    """
    summed = pd.DataFrame({"ours": ours, "theirs": theirs}).groupby(items.to_numpy()).sum()
    values, count = summed.to_numpy(float), len(summed)
    saved = 1 - values[:, 0].sum() / values[:, 1].sum()
    if count < 2:
        return saved, np.nan, np.nan
    rng, step = np.random.default_rng(seed), max(1, 4_000_000 // count)
    drawn = np.concatenate([
        rng.multinomial(count, np.full(count, 1 / count), size=min(step, _DRAWS - done)) @ values
        for done in range(0, _DRAWS, step)
    ])  # fmt: skip
    tails = (1 - INTERVAL) / 2
    low, high = np.nanquantile(1 - drawn[:, 0] / drawn[:, 1], [tails, 1 - tails])
    return float(saved), float(low), float(high)


def reading(table: pd.DataFrame, *, legacy_days: int) -> str:
    """What the table says, in one sentence."""
    every = table[table["segment"] == EVERY].set_index("against")
    unsure = table[(table["segment"] != EVERY) & ~(table["low"] > 0)]
    told = (
        "; surely so in every segment"
        if unsure.empty
        else "; not surely so for " + ", ".join(
            f"{row.segment} (against {row.against})" for row in unsure.itertuples()
        )
    )  # fmt: skip
    naive, legacy = (loss_in_words(every, name) for name in ("seasonal naive", "legacy"))
    return (
        f"In money the forecast loses {naive} than seasonal naive and {legacy} than the legacy mean"
        f" of {legacy_days} days{told}."
    )


def loss_in_words(rows: pd.DataFrame, name: str) -> str:
    """How much less a row loses, with its interval: `39% less (33% less to 43% less)`."""
    saved, low, high = (float(rows[column][name]) for column in ("saved", "low", "high"))
    if not np.isfinite(low):
        return compared(-saved)
    return f"{compared(-saved)} ({compared(-low)} to {compared(-high)})"
