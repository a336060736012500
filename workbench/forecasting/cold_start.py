"""New items: what similar items sold when they were as new.

An item is new for the four weeks after its first sale. At each weekly cutoff a new item is an
example: its attributes (category, department, brand, manufacturer, price, size) and what is known
of it by then (age, units, stores), with the demand of the windows after it. Which examples are
similar is learned: they share leaves of a random forest, and the forecast is the distribution of
what they went on to sell, weighted by how many trees put them together.

Nothing later than a cutoff is known at it, and a forest learns only from windows that have ended by
the day it is fitted: the later history of the items that are judged is hidden from it.

Source: Meinshausen 2006, "Quantile regression forests", JMLR 7.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.contracts import columns as c
from workbench.errors import ContractError
from workbench.forecasting import losses
from workbench.forecasting.added_value import loss_in_words, share_saved
from workbench.forecasting.members import threads
from workbench.forecasting.panel import SERIES, Connection

Array = npt.NDArray[np.float64]
NEW_DAYS: Final = 28  # after its first sale
QUIET_DAYS: Final = 56  # at the start of the history: what sells there first may be old
GROUPS: Final = ("category", "department", "brand", "manufacturer")
ATTRIBUTES: Final = ("price", "size")  # known before a single sale
NUMBERS: Final = ("age", "days", "units", "stores", *ATTRIBUTES)
_SHOWN: Final = [c.ITEM_ID, "kind", "name", "own", "weight", "demand", "expected"]
_SHOWN_GROUPS: Final = ("department", "category", "brand")
_ROWS_OF: Final = [
    c.MODEL, *SERIES, c.CUTOFF, c.HORIZON_START, c.HORIZON_END, c.QUANTILE, c.VALUE,
]  # fmt: skip
_TREES, _LEAF, _ROWS = 50, 15, 20_000
_PRIOR = 10.0  # examples that the mean of everything counts for beside those of a group
_FEWEST = 200  # examples below which nothing is learned
_LARGEST = 1_000  # units of a window; more count as so many


def examples(connection: Connection, *, dc: str, windows: Sequence[int]) -> pd.DataFrame:
    """New items at every weekly cutoff, with what they sold after it.

    Args:
        connection: A view per table; sales end on the as-of date, which is the last cutoff.
        dc: Location that stands for all stores of an item; empty: shops stand alone.
        windows: Lengths in days, ascending.

    Returns:
        item_id, location_id, cutoff, first_day, the columns of `GROUPS` and `NUMBERS` (age in days,
        days with a sale, units, stores, mean price, size of a pack in its unit), and a column of
        demand per window (NaN where it has not ended), named by its length.
    """
    sums = ", ".join(
        f"sum(s.quantity) FILTER (s.date > e.cutoff AND s.date <= e.cutoff + {n}) AS w{n}"
        for n in windows
    )
    begin, last = connection.execute("SELECT min(date), max(date) FROM sales").fetchone()
    frame = connection.execute(
        f"""
        WITH sold AS (
          SELECT s.item_id, CASE WHEN $dc <> '' THEN $dc ELSE s.location_id END AS location_id,
                 s.location_id AS store, s.date::DATE AS date, s.quantity, s.revenue
          FROM sales s JOIN items i USING (item_id) WHERE i.is_demand AND s.quantity > 0
        ), firsts AS (
          SELECT item_id, location_id, min(date) AS first_day FROM sold GROUP BY ALL
          HAVING min(date) >= $begin::DATE + {QUIET_DAYS}
        ), e AS (
          SELECT f.*, $last::DATE - 7 * w.week::INTEGER AS cutoff FROM firsts f
          JOIN (SELECT unnest(range(0, date_diff('week', $begin::DATE, $last::DATE) + 1)) AS week) w
            ON $last::DATE - 7 * w.week::INTEGER >= f.first_day
           AND $last::DATE - 7 * w.week::INTEGER < f.first_day + {NEW_DAYS}
        )
        SELECT e.item_id, e.location_id, e.cutoff, e.first_day,
               date_diff('day', e.first_day, e.cutoff) AS age,
               count(DISTINCT s.date) FILTER (s.date <= e.cutoff) AS days,
               sum(s.quantity) FILTER (s.date <= e.cutoff) AS units,
               count(DISTINCT s.store) FILTER (s.date <= e.cutoff) AS stores,
               sum(s.revenue) FILTER (s.date <= e.cutoff) AS revenue, {sums}
        FROM e JOIN sold s USING (item_id, location_id)
        WHERE s.date <= e.cutoff + {max(windows)} GROUP BY ALL ORDER BY e.cutoff, 1, 2
        """,
        {"dc": dc, "begin": begin, "last": last},
    ).df()
    return _with_attributes(frame, connection, windows, pd.Timestamp(last))


def _with_attributes(
    frame: pd.DataFrame, connection: Connection, windows: Sequence[int], last: pd.Timestamp
) -> pd.DataFrame:
    items = connection.execute(
        "SELECT item_id, category, department, brand, manufacturer,"
        " pack_size * coalesce(pack_count, 1) AS size FROM items"
    ).df()
    known = frame.merge(items, on=c.ITEM_ID, how="left")
    for day in (c.CUTOFF, "first_day"):
        known[day] = pd.to_datetime(known[day]).astype("datetime64[ns]")
    for n in windows:
        ended = known[c.CUTOFF] + pd.Timedelta(days=n) <= last
        known[_window(n)] = known[_window(n)].fillna(0.0).where(ended).clip(upper=_LARGEST)
    known["price"] = (known["revenue"] / known["units"]).where(known["revenue"] > 0)
    known[list(GROUPS)] = known[list(GROUPS)].fillna("unknown")
    for name in GROUPS:
        known[f"{name}_so_far"] = _so_far(known, name, _window(max(windows)), max(windows))
    return known.drop(columns="revenue")


def _window(days: int) -> str:
    return f"w{days}"


@dataclass(frozen=True)
class SimilarItems:
    """A fitted forest and the examples in its leaves.

    Attributes:
        forest: Of scikit-learn.
        learned: The examples that it was fitted on.
        leaves: Leaf of each of them in each tree, shape (examples, trees).
        windows: Lengths in days.
        numbers: What it looks at besides what the groups of an item have sold.
    """

    forest: Any
    learned: pd.DataFrame
    leaves: npt.NDArray[np.int64]
    windows: tuple[int, ...]
    numbers: tuple[str, ...] = NUMBERS

    def quantiles(self, asked: pd.DataFrame, window: int, levels: Sequence[float]) -> Array:
        """Of the demand of a window after the cutoff, whole units, shape (examples, levels)."""
        counts = self.learned[_window(window)].to_numpy(float)
        values, place = np.unique(counts, return_inverse=True)
        share = np.zeros((len(asked), len(values)))
        asked_leaves = self.forest.apply(_features(asked, self.numbers))
        for tree in range(self.leaves.shape[1]):
            size = max(int(self.leaves[:, tree].max()), int(asked_leaves[:, tree].max())) + 1
            table = np.zeros((size, len(values)))
            np.add.at(table, (self.leaves[:, tree], place), 1.0)
            table /= np.maximum(table.sum(axis=1, keepdims=True), 1)
            share += table[asked_leaves[:, tree]]
        below = np.cumsum(share, axis=1) / self.leaves.shape[1]
        return np.stack([values[(below < level - 1e-9).sum(axis=1)] for level in levels], axis=1)

    def evidence(self, asked: pd.DataFrame, window: int) -> pd.DataFrame:
        """Which groups of items each forecast rests on.

        Single items weigh little, some hundredths each; together they are of a kind. Of each kind
        of group the one that weighs most is named.

        Returns:
            item_id; kind and name of a group, own: whether the item is of it; weight: share of the
            forecast that rests on the group's items; demand: what they went on to sell in the
            window, weighted; expected: the same of all similar items together.
        """
        asked_leaves = self.forest.apply(_features(asked, self.numbers))
        sold = self.learned[_window(window)].to_numpy(float)
        shown = []
        for row, item in asked.reset_index(drop=True).iterrows():
            together = self.leaves == asked_leaves[row]
            share = (together / np.maximum(together.sum(axis=0), 1)).mean(axis=1)
            for kind in _SHOWN_GROUPS:
                weights = pd.Series(share).groupby(self.learned[kind]).sum()
                name, weight = weights.idxmax(), float(weights.max())
                inside = (self.learned[kind] == name).to_numpy()
                demand = float((share * sold)[inside].sum()) / weight
                facts = (kind, name, name == item[kind], weight, demand, float(share @ sold))
                shown.append((item[c.ITEM_ID], *facts))
        return pd.DataFrame(shown, columns=_SHOWN)


def fit_similar(
    known: pd.DataFrame,
    *,
    by: pd.Timestamp,
    windows: Sequence[int],
    seed: int,
    numbers: Sequence[str] = NUMBERS,
) -> SimilarItems:
    """Learn which new items are alike from those whose windows have ended.

    Args:
        known: See `examples`.
        by: Day on which it is fitted: later demand is not looked at.
        windows: Lengths in days, of which the longest says what is alike.
        seed: Of sampling and of the forest.
        numbers: What it looks at besides what the groups of an item have sold.

    Raises:
        ContractError: Too few new items have a window that has ended.
    """
    from sklearn.ensemble import RandomForestRegressor

    longest = max(windows)
    past = known[known[c.CUTOFF] + pd.Timedelta(days=longest) <= by]
    if len(past) < _FEWEST:
        raise ContractError(
            f"new items: {len(past)} examples by {by:%Y-%m-%d}; expected {_FEWEST} or more to learn"
            " from: ingest a longer history."
        )
    learned = past.sample(min(len(past), _ROWS), random_state=seed).sort_index(ignore_index=True)
    forest = RandomForestRegressor(
        _TREES, min_samples_leaf=_LEAF, max_features=0.4, random_state=seed, n_jobs=threads()
    )
    x = _features(learned, numbers)
    forest.fit(x, np.log1p(learned[_window(longest)].to_numpy(float)))
    return SimilarItems(forest, learned, forest.apply(x), tuple(windows), tuple(numbers))


def _features(known: pd.DataFrame, numbers: Sequence[str]) -> Array:
    """What is known of each example at its cutoff, shape (examples, features)."""
    names = [*numbers, *(f"{name}_so_far" for name in GROUPS)]
    return np.asarray(np.nan_to_num(known[names].to_numpy(float), nan=-1.0))


def _so_far(known: pd.DataFrame, group: str, target: str, days: int) -> pd.Series:
    """Mean log demand of a group's windows that had ended by each cutoff, drawn to that of all.

    Counted from earlier examples only, as it would have been known; a mean that left out only the
    example itself would tell the forest what that example sold.
    """
    value = np.log1p(known[target]).rename("value")
    ended = known.assign(value=value, when=known[c.CUTOFF] + pd.Timedelta(days=days)).dropna(
        subset="value"
    )
    every = _running(ended.assign(**{group: ""}), group)
    own = _running(ended, group)
    asked = known[[c.CUTOFF, group]].reset_index().sort_values(c.CUTOFF, kind="stable")
    told = pd.merge_asof(asked, own, left_on=c.CUTOFF, right_on="when", by=group)
    general = pd.merge_asof(asked, every.drop(columns=group), left_on=c.CUTOFF, right_on="when")
    mean = (general["total"] / general["count"]).fillna(0.0)
    total, count = told["total"].fillna(0.0), told["count"].fillna(0.0)
    found = (total + _PRIOR * mean) / (count + _PRIOR)
    return pd.Series(found.to_numpy(), index=asked["index"]).sort_index()


def _running(ended: pd.DataFrame, group: str) -> pd.DataFrame:
    """Sum and number of a group's values up to each day, by day."""
    days = ended.groupby([group, "when"])["value"].agg(["sum", "size"])
    running = days.groupby(level=0).cumsum().reset_index()
    return running.rename(columns={"sum": "total", "size": "count"}).sort_values("when")


def category_quantiles(
    asked: pd.DataFrame, learned: pd.DataFrame, window: int, levels: Sequence[float]
) -> tuple[Array, Array]:
    """Two baselines: Poisson around the category's mean, and the category's pooled demand.

    A category without examples takes all of them. Both have shape (examples, levels).
    """
    from scipy import stats

    values = learned[_window(window)]
    groups = {name: rows.to_numpy(float) for name, rows in values.groupby(learned["category"])}
    every = values.to_numpy(float)
    pools = {name: groups.get(name, every) for name in asked["category"].unique()}
    mean = asked["category"].map({n: pool.mean() for n, pool in pools.items()}).to_numpy(float)
    pooled = {n: np.quantile(p, levels, method="inverted_cdf") for n, p in pools.items()}
    around = stats.poisson.ppf(np.asarray(levels), mean[:, None])
    return np.asarray(around), np.stack([pooled[name] for name in asked["category"]])


def forecast_new(
    similar: SimilarItems, asked: pd.DataFrame, levels: Sequence[float]
) -> pd.DataFrame:
    """Rows in the columns of `forecasts` for new items, without run_id; model `similar_items`."""
    rows = []
    for window in similar.windows:
        values = similar.quantiles(asked, window, levels)
        frame = asked.loc[asked.index.repeat(len(levels)), [*SERIES, c.CUTOFF]]
        start = frame[c.CUTOFF] + pd.Timedelta(days=1)
        end = frame[c.CUTOFF] + pd.Timedelta(days=window)
        rows.append(
            frame.assign(
                model="similar_items", horizon_start=start, horizon_end=end,
                quantile=np.tile(levels, len(asked)), value=values.ravel(),
            )
        )  # fmt: skip
    return pd.concat(rows, ignore_index=True)[_ROWS_OF]


@dataclass(frozen=True)
class ColdStart:
    """What the forecast of new items was worth, and what it says now.

    Attributes:
        scores: method, pinball (units a window), saved (share of the loss of the category's mean),
            low, high (90% interval by item), and coverage of the second highest level.
        rows: New items of the as-of date, in the columns of `forecasts`.
        evidence: What the forecasts with most money at stake rest on: see `SimilarItems.evidence`.
        reading: In one sentence.
    """

    scores: pd.DataFrame
    rows: pd.DataFrame
    evidence: pd.DataFrame
    reading: str


def cold_start(
    connection: Connection,
    *,
    dc: str,
    windows: Sequence[int],
    levels: Sequence[float],
    test_weeks: int,
    seed: int,
    shown: int = 5,
) -> ColdStart:
    """Forecast the items that are new on the last day; say what that was worth on earlier ones.

    Judged are the items that were new in the test weeks, on the window of 14 days or the nearest,
    by a forest that was fitted before the first of them was.

    Args:
        connection: A view per table; sales end on the as-of date.
        dc: Location that stands for all stores of an item; empty: shops stand alone.
        windows: Lengths in days.
        levels: Quantile levels, ascending.
        test_weeks: Weeks before the as-of date that judge.
        seed: Of sampling, forests and draws.
        shown: New items of which is said what their forecast rests on.
    """
    windows = sorted(windows)
    known = examples(connection, dc=dc, windows=windows)
    last = pd.Timestamp(connection.execute("SELECT max(date) FROM sales").fetchone()[0])
    begun = last - pd.Timedelta(days=7 * test_weeks)
    window = min(windows, key=lambda n: abs(n - 14))
    rows, evidence = pd.DataFrame(columns=_ROWS_OF), pd.DataFrame(columns=_SHOWN)
    try:
        scores = _judged(known, begun, window, windows, levels, seed)
        similar = fit_similar(known, by=last, windows=windows, seed=seed)
    except ContractError as error:
        scores = pd.DataFrame(columns=["method"])
        return ColdStart(scores, rows, evidence, f"New items have no forecast: {error}")
    new = known[known[c.CUTOFF] == last].reset_index(drop=True)
    if len(new):
        rows = forecast_new(similar, new, levels)
        evidence = similar.evidence(_dearest(rows, new, window).head(shown), window)
    return ColdStart(scores, rows, evidence, _reading(scores, len(new), window))


def _judged(
    known: pd.DataFrame, begun: pd.Timestamp, window: int, windows: Sequence[int],
    levels: Sequence[float], seed: int,
) -> pd.DataFrame:  # fmt: skip
    fit = partial(fit_similar, known, by=begun, windows=windows, seed=seed)
    full, plain = fit(), fit(numbers=ATTRIBUTES)
    test = known[(known[c.CUTOFF] >= begun) & known[_window(window)].notna()]
    if test.empty:
        raise ContractError(
            f"new items: none from {begun:%Y-%m-%d} on whose {window} days have ended; expected"
            " some to judge by: their forecast begins when items are launched."
        )
    mean, pooled = category_quantiles(test, full.learned, window, levels)
    actual, nominal = test[_window(window)].to_numpy(float), np.asarray(levels, float)
    made = {
        "similar items": full.quantiles(test, window, levels),
        "similar by attributes alone": plain.quantiles(test, window, levels),
        "category, pooled": pooled, "category mean": mean,
    }  # fmt: skip
    loss = {name: losses.pinball(actual, q, nominal).mean(axis=1) for name, q in made.items()}
    rows = []
    for name, each in loss.items():
        pair = pd.Series(each), pd.Series(loss["category mean"])
        saved = share_saved(*pair, test[c.ITEM_ID].reset_index(drop=True), seed=seed)
        covered = float((actual <= made[name][:, -2]).mean())
        rows.append((name, float(each.mean()), *saved, covered))
    names = ["method", "pinball", "saved", "low", "high", f"coverage_{levels[-2]:g}"]
    return pd.DataFrame(rows, columns=names).assign(items=test[c.ITEM_ID].nunique())


def _dearest(rows: pd.DataFrame, new: pd.DataFrame, window: int) -> pd.DataFrame:
    """New items by the money that their highest quantile stands for, most first."""
    longest = (rows[c.HORIZON_END] - rows[c.CUTOFF]).dt.days == window
    high = rows[longest].groupby(SERIES)[c.VALUE].max().rename("high")
    joined = new.merge(high, on=SERIES)
    order = (joined["high"] * joined["price"].fillna(0)).sort_values(ascending=False).index
    return joined.loc[order].reset_index(drop=True)


def _reading(scores: pd.DataFrame, new: int, window: int) -> str:
    by = scores.set_index("method")
    similar = loss_in_words(by, "similar items")
    alone = loss_in_words(by, "similar by attributes alone")
    return (
        f"{new:,} items are new. On {by['items']['similar items']:,.0f} items that were new in the"
        f" test weeks, {window} days ahead, similar items lose {similar} than their category's"
        f" mean; by attributes alone, before a single sale, {alone}."
    )
