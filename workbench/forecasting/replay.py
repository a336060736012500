"""Past days replayed: what the first sales of a day would have told about it and about the week.

From every cutoff of the forecast that has passed, the day after is "today" and the window that
begins with it "this week". Earlier cutoffs teach how to update, later ones judge.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.contracts import columns as c
from workbench.contracts.printable import compared
from workbench.errors import ContractError
from workbench.forecasting import losses
from workbench.forecasting.config import SenseConfig
from workbench.forecasting.panel import SERIES, Connection, choose_series, daily_demand
from workbench.forecasting.sensing import Belief, Sense, belief_of, learn_sense, update

Array = npt.NDArray[np.float64]
SENSED = "_sensed"  # appended to the name of the family that made the forecast
TODAY, WEEK = "today", "window"
_HOURS = 48  # of a business day, by a clock that may be another zone's


@dataclass(frozen=True)
class FirstSales:
    """Forecasts of windows that have passed, and what had sold by each clock of their first day.

    Attributes:
        model: Family that made the forecast.
        series: item_id and location_id.
        cutoffs: Last known day of each forecast, ascending.
        days: Days in the window.
        levels: Of the quantiles.
        quantiles: Of the window as forecast, shape (cutoffs, series, levels).
        hours: After the start of the business day, one per clock, ascending.
        shares: Of a usual day's sales that are in by then.
        sold: Units by each clock, shape (clocks, cutoffs, series).
        today: Units of the first day, shape (cutoffs, series).
        total: Units of the window, shape (cutoffs, series).
    """

    model: str
    series: pd.DataFrame
    cutoffs: tuple[pd.Timestamp, ...]
    days: int
    levels: Array
    quantiles: Array
    hours: tuple[int, ...]
    shares: tuple[float, ...]
    sold: Array
    today: Array
    total: Array

    def at(self, chosen: slice) -> "FirstSales":
        """Some cutoffs."""
        return FirstSales(
            self.model, self.series, self.cutoffs[chosen], self.days, self.levels,
            self.quantiles[chosen], self.hours, self.shares, self.sold[:, chosen],
            self.today[chosen], self.total[chosen],
        )  # fmt: skip


@dataclass(frozen=True)
class Senses:
    """How today and the window are updated.

    Attributes:
        today_share: Of the window's demand that its first day usually brings.
        today: Update of today.
        window: Update of the window.
    """

    today_share: float
    today: Sense
    window: Sense

    def prior(self, target: str, window: Belief) -> Belief:
        """Belief of a target before it began, from that of the window."""
        if target == WEEK:
            return window
        return Belief(window.sold, window.mean * self.today_share, window.size)

    def of(self, target: str) -> Sense:
        """The update of a target."""
        return self.window if target == WEEK else self.today


@dataclass(frozen=True)
class Replay:
    """What a replay showed; all tables are empty where orders carry no time of day.

    Attributes:
        scores: Per target and clock: see `judge`.
        surprises: Series of the last replayed day whose window changed most: see `surprises`.
        course: One surprised series through the day: share, sold, and one column per level for the
            window; share 0 is the forecast as it was.
        total: What that series sold in the window in the end.
        rows: Rows of the `forecasts` table, without run_id: see `sensed_rows`.
        reading: What was found, or why nothing could be, in one sentence.
    """

    scores: pd.DataFrame
    surprises: pd.DataFrame
    course: pd.DataFrame
    total: float
    rows: pd.DataFrame
    reading: str


def replay(connection: Connection, *, dc: str, config: SenseConfig) -> Replay:
    """Learn on the first cutoffs, judge on the later ones, show the last.

    Args:
        connection: Views of forecasts and sales, and of orders and order_lines where there are.
        dc: Location that stands for all stores of an item.
        config: Clocks and division of the cutoffs.
    """
    if not has_order_times(connection):
        none = pd.DataFrame()
        why = "No order carries a time of day here: the first sales of a day cannot be seen."
        return Replay(none, none, none, 0.0, none, why)
    every = first_sales(connection, dc=dc, shares=config.shares)
    cut = min(max(1, round(len(every.cutoffs) * config.learning_share)), len(every.cutoffs) - 1)
    senses = learn_from(every.at(slice(0, cut)), seed=config.seed)
    later = every.at(slice(cut, None))
    scores = judge(senses, later, seed=config.seed)
    clock = int(np.abs(np.array(every.shares) - 0.5).argmin())
    changed = surprises(senses, later, clock)
    row = int(changed.index[0])
    return Replay(
        scores, changed.reset_index(drop=True), course(senses, later, row),
        float(later.total[-1, row]), sensed_rows(senses, later, clock), _reading(scores, later),
    )  # fmt: skip


def has_order_times(connection: Connection) -> bool:
    """Whether orders with a time of day and their lines are there."""
    query = """SELECT count(DISTINCT table_name) FROM information_schema.tables
        WHERE table_name IN ('orders', 'order_lines')"""
    if connection.execute(query).fetchall()[0][0] < 2:
        return False
    timed = "SELECT count(*) FROM orders WHERE ordered::TIME <> TIME '00:00:00'"
    return bool(connection.execute(timed).fetchall()[0][0])


def first_sales(connection: Connection, *, dc: str, shares: Sequence[float]) -> FirstSales:
    """Forecasts of the shortest window that have passed, and the sales of their first days.

    Args:
        connection: Views of forecasts, sales, orders and order_lines.
        dc: Location that stands for all stores of an item.
        shares: Of a usual day's sales: the clocks are the hours at which so much is in.

    Raises:
        ContractError: Fewer than two cutoffs have a window that has passed.
    """
    first, last = connection.execute("SELECT min(date), max(date) FROM sales").fetchone()
    first, last = pd.Timestamp(first), pd.Timestamp(last)
    series, cutoffs, days, levels, quantiles = _forecasts(connection, last)
    count = choose_series(connection, series)
    units, _ = daily_demand(connection, count, (last - first).days + 1, first, dc)
    begin = np.array([(day - first).days + 1 for day in cutoffs])
    today = units[:, begin].T.astype(float)
    total = np.stack([units[:, b : b + days].sum(axis=1) for b in begin]).astype(float)
    hours, usual = _clocks(connection, cutoffs[0], shares)
    sold = _sold_by(connection, [day + pd.Timedelta(days=1) for day in cutoffs], hours, count, dc)
    model = connection.execute(
        "SELECT min(model) FROM forecasts WHERE serves = 'replenishment'"
    ).fetchone()[0]
    return FirstSales(
        str(model), series, cutoffs, days, levels, quantiles, hours, usual, sold, today, total
    )


def learn_from(past: FirstSales, *, seed: int) -> Senses:
    """Learn both updates from windows that have passed."""
    window = belief_of(past.quantiles.reshape(-1, len(past.levels)), past.levels)
    share = float(past.today.sum() / window.mean.sum())
    sold = past.sold.reshape(len(past.hours), -1)
    today = Belief(window.sold, window.mean * share, window.size)
    # Orders that are corrected later must not make more sold by noon than in the whole day.
    sold = np.minimum(sold, past.today.ravel())
    return Senses(
        share,
        learn_sense(today, sold, past.today.ravel(), past.shares, past.levels, seed=seed),
        learn_sense(window, sold, np.maximum(past.total, past.today).ravel(),
                    [share * s for s in past.shares], past.levels, seed=seed),
    )  # fmt: skip


def judge(senses: Senses, later: FirstSales, *, seed: int) -> pd.DataFrame:
    """Loss and calibration per target and clock, against the forecast as it was.

    Returns:
        target, share (of a usual day that has passed), hours, forecast (pinball loss of the
        forecast as it was, units), sold_so_far (of what sold plus the forecast of the rest),
        sensed (of the update), gain (1 - sensed / forecast), pit_gap, coverage_95, seconds (per
        update of all series, quantiles included), microseconds (per series, update alone).
    """
    window = belief_of(later.quantiles.reshape(-1, len(later.levels)), later.levels)
    rows = []
    for target, actual in ((TODAY, later.today), (WEEK, np.maximum(later.total, later.today))):
        prior, sense, total = senses.prior(target, window), senses.of(target), actual.ravel()
        plan = prior.quantiles(later.levels) if target == TODAY else None
        as_it_was = later.quantiles.reshape(-1, len(later.levels)) if plan is None else plan
        for clock, (share, hours) in enumerate(zip(later.shares, later.hours, strict=True)):
            sold = np.minimum(later.sold[clock].ravel(), later.today.ravel())
            begun = time.perf_counter()
            sense.believe(prior, sold, clock)
            alone = time.perf_counter() - begun
            ours = sense.quantiles(prior, sold, clock)
            spent = time.perf_counter() - begun
            rest = update(prior, sold, sense.shares[clock], weight=0.0).quantiles(later.levels)
            pit = sense.pit(prior, sold, total, clock, seed=seed + clock)
            below = np.array([(pit <= level).mean() for level in later.levels])
            loss = [losses.pinball(total, q, later.levels).mean() for q in (as_it_was, rest, ours)]
            near = int(np.abs(later.levels - 0.95).argmin())
            rows.append(
                {"target": target, "share": share, "hours": hours, "forecast": loss[0],
                 "sold_so_far": loss[1], "sensed": loss[2], "gain": 1 - loss[2] / loss[0],
                 "pit_gap": float(np.abs(below - later.levels).max()),
                 "coverage_95": float((total <= ours[:, near]).mean()),
                 "seconds": spent, "microseconds": 1e6 * alone / len(total)}
            )  # fmt: skip
    return pd.DataFrame(rows)


def sensed_rows(senses: Senses, day: FirstSales, clock: int) -> pd.DataFrame:
    """Rows of the `forecasts` table as of a clock of the day after the last cutoff.

    The cutoff is that day itself: a part of it is known. One row per series, target and level.
    """
    window = belief_of(day.quantiles[-1], day.levels)
    today = day.cutoffs[-1] + pd.Timedelta(days=1)
    parts = []
    for target, days in ((TODAY, 1), (WEEK, day.days)):
        prior = senses.prior(target, window)
        values = senses.of(target).quantiles(prior, day.sold[clock, -1], clock)
        keys = day.series.loc[day.series.index.repeat(len(day.levels)), SERIES]
        parts.append(
            pd.DataFrame(
                {
                    c.MODEL: day.model + SENSED,
                    **{name: keys[name].to_numpy() for name in SERIES},
                    c.CUTOFF: today, c.HORIZON_START: today,
                    c.HORIZON_END: today + pd.Timedelta(days=days - 1),
                    c.QUANTILE: np.tile(day.levels, len(day.series)), c.VALUE: values.ravel(),
                }
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def surprises(senses: Senses, day: FirstSales, clock: int, *, count: int = 12) -> pd.DataFrame:
    """Series whose window the first sales of the last day changed most, in standard deviations.

    Returns:
        item_id, location_id, forecast and sensed (expected units of the window), sold_so_far,
        sold_in_the_end; the index is the row of the series.
    """
    prior = belief_of(day.quantiles[-1], day.levels)
    sold = day.sold[clock, -1]
    after = senses.window.believe(prior, sold, clock)
    deviation = np.sqrt(prior.mean + prior.mean**2 / prior.size)
    rows = np.argsort(-np.abs(after.expected - prior.expected) / deviation, kind="stable")[:count]
    return day.series.iloc[rows].assign(
        forecast=prior.expected[rows], sold_so_far=sold[rows], sensed=after.expected[rows],
        sold_in_the_end=day.total[-1, rows],
    )  # fmt: skip


def course(senses: Senses, day: FirstSales, row: int) -> pd.DataFrame:
    """The window of one series as it was forecast and at every clock of the last day."""
    prior = belief_of(day.quantiles[-1, [row]], day.levels)
    steps = [(0.0, 0.0, day.quantiles[-1, row])]
    for clock, share in enumerate(day.shares):
        sold = day.sold[clock, -1, [row]]
        steps.append((share, float(sold[0]), senses.window.quantiles(prior, sold, clock)[0]))
    return pd.DataFrame(
        [[share, sold, *values] for share, sold, values in steps],
        columns=["share", "sold", *day.levels],
    )


def _reading(scores: pd.DataFrame, later: FirstSales) -> str:
    """What the judged days say, in one sentence."""
    today, window = (scores[scores["target"] == target] for target in (TODAY, WEEK))
    middle = int((today["share"] - 0.5).abs().argmin())
    now, words = today.iloc[middle], "smaller larger"
    return (
        f"Once {now['share']:.0%} of a usual day is in, the error of today's forecast is"
        f" {compared(-now['gain'], words)} and that of the {later.days} days that begin with it"
        f" {compared(-window['gain'].iloc[middle], words, decimals=1)}"
        f" ({len(later.cutoffs)} days judged)."
    )


def _forecasts(
    connection: Connection, last: pd.Timestamp
) -> tuple[pd.DataFrame, tuple[pd.Timestamp, ...], int, Array, Array]:
    """Series, cutoffs, days, levels and quantiles of the shortest window that has passed."""
    frame = connection.execute(
        """
        WITH windows AS (
          SELECT *, date_diff('day', cutoff, horizon_end) AS days FROM forecasts
          WHERE horizon_end > horizon_start AND date_diff('day', cutoff, horizon_start) = 1
            AND serves = 'replenishment'
        )
        SELECT item_id, location_id, cutoff, days, quantile, value FROM windows
        WHERE days = (SELECT min(days) FROM windows) AND horizon_end <= ?
        ORDER BY cutoff, item_id, location_id, quantile
        """,
        [last.date()],
    ).df()
    cutoffs = tuple(pd.Timestamp(day) for day in frame[c.CUTOFF].unique())
    if len(cutoffs) < 2:
        raise ContractError(
            f"forecasts: windows from {len(cutoffs)} cutoffs have passed; expected 2 or more, to"
            " learn and to judge: run 10-forecast-demand with more test_cutoffs."
        )
    levels = np.sort(frame[c.QUANTILE].unique()).astype(float)
    each = len(frame) // len(cutoffs)
    series = frame[SERIES].iloc[: each : len(levels)].reset_index(drop=True)
    values = frame[c.VALUE].to_numpy(float).reshape(len(cutoffs), len(series), len(levels))
    return series, cutoffs, int(frame["days"].iloc[0]), levels, values


def _clocks(
    connection: Connection, before: pd.Timestamp, shares: Sequence[float]
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Hours at which a usual day has brought so much, from days before the first cutoff."""
    rows = connection.execute(
        f"""
        SELECT {_HOUR} AS hour, sum(l.quantity)
        FROM order_lines l JOIN orders o USING (order_id) SEMI JOIN chosen USING (item_id)
        WHERE l.date <= ? AND l.quantity > 0 GROUP BY 1
        """,
        [before.date()],
    ).fetchall()
    units = np.zeros(_HOURS)
    for hour, quantity in rows:
        units[min(max(int(hour), 0), _HOURS - 1)] += float(quantity)
    passed = np.cumsum(units) / max(units.sum(), 1e-9)
    hours = sorted({int(np.searchsorted(passed, share)) + 1 for share in shares})
    return tuple(hours), tuple(float(passed[hour - 1]) for hour in hours)


def _sold_by(
    connection: Connection, days: Sequence[pd.Timestamp], hours: Sequence[int], count: int, dc: str
) -> Array:
    """Units sold by each hour of each day, shape (hours, days, series)."""
    frame = connection.execute(
        f"""
        SELECT c.series, l.date, {_HOUR} AS hour, sum(l.quantity) AS units
        FROM order_lines l JOIN orders o USING (order_id) JOIN chosen c
          ON c.item_id = l.item_id AND c.location_id IN (l.location_id, ?)
        WHERE list_contains(?::DATE[], l.date) GROUP BY ALL
        """,
        [dc, [day.date() for day in days]],
    ).df()
    sold = np.zeros((len(hours), len(days), count))
    place = {day: number for number, day in enumerate(days)}
    row = frame["date"].map(place).to_numpy()
    for clock, hour in enumerate(hours):
        early = (frame["hour"] < hour).to_numpy()
        found = frame[early]
        np.add.at(sold[clock], (row[early], found["series"].to_numpy()), found["units"].to_numpy())
    return sold


_HOUR = "floor(date_diff('minute', l.date::TIMESTAMP, o.ordered::TIMESTAMP) / 60.0)::INTEGER"
