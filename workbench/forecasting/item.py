"""One item inspected in depth: what its history is made of, and what models say of it."""

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.contracts import columns as c
from workbench.errors import ContractError
from workbench.forecasting import losses
from workbench.forecasting.calibrated import Point
from workbench.forecasting.global_model import Window
from workbench.forecasting.members import Naive, Rate
from workbench.forecasting.naive import SEASON
from workbench.forecasting.panel import Connection, Panel
from workbench.forecasting.patterns import PATTERNS, demand_pattern
from workbench.forecasting.protocol import Task, known_by
from workbench.forecasting.statistical import Statistical
from workbench.forecasting.views import top_series

Array = npt.NDArray[np.float64]
OURS, SMOOTHING = "our forecast", "exponential smoothing"  # whatever family made it
MODELS = (OURS, SMOOTHING, "TSB", "IMAPA", "seasonal naive")
_AGREE = 0.15  # expected units this close to their mean are one opinion


@dataclass(frozen=True)
class Decomposition:
    """A daily series in parts that add up to it.

    Attributes:
        parts: date, units, trend, weekday, remainder.
        trend_strength: 0 to 1, share of what is not weekday that trend explains.
        weekday_strength: 0 to 1, share of what is not trend that the weekday explains.
    """

    parts: pd.DataFrame
    trend_strength: float
    weekday_strength: float

    @property
    def reading(self) -> str:
        """What the parts say, in one sentence."""
        profile = self.parts.groupby(self.parts["date"].dt.day_name())["weekday"].mean()
        words = [
            f"trend explains {self.trend_strength:.0%} of what the weekday leaves open",
            f"the weekday {self.weekday_strength:.0%} of what trend leaves open",
        ]
        return (
            f"Here {', '.join(words)}; {profile.idxmax()} sells most ({profile.max():+.1f} units),"
            f" {profile.idxmin()} least ({profile.min():+.1f}).".replace("-", "−")
        )


def find_row(panel: Panel, item_id: str, location_id: str) -> int:
    """Row of an item; of the one with most revenue where no item is named.

    Args:
        panel: All series.
        item_id: Item, or empty.
        location_id: Location, or empty for all stores together.

    Raises:
        ContractError: The panel has no such series.
    """
    if not item_id:
        return top_series(panel, 1)[0]
    keys = panel.series
    here = keys[c.LOCATION_ID] == location_id if location_id else panel.widest
    found = np.flatnonzero((keys[c.ITEM_ID] == item_id) & here)
    if not len(found):
        places = keys.loc[keys[c.ITEM_ID] == item_id, c.LOCATION_ID].tolist()
        there = (
            f"it is forecast at {', '.join(places[:5])}"
            if places
            else "its reason stands at the end of the report of 10-forecast-demand"
        )
        raise ContractError(
            f"item_id {item_id!r} at location_id {location_id!r}: no forecast; {there}; expected"
            f" one of {len(keys):,} series: name another item or location."
        )
    return int(found[0])


def decompose(panel: Panel, row: int) -> Decomposition:
    """Trend, weekday and remainder by STL, robust to single days.

    Source: Cleveland et al. 1990, "STL: a seasonal-trend decomposition procedure based on loess",
    Journal of Official Statistics 6; strengths by Hyndman and Athanasopoulos 2021, "Forecasting:
    principles and practice", section 4.3.
    """
    from statsmodels.tsa.seasonal import STL

    units = panel.units[row].astype(float)
    found = STL(units, period=SEASON, seasonal=35, trend=57, robust=True).fit()
    parts = pd.DataFrame(
        {
            "date": pd.date_range(panel.first_day, periods=len(units)), "units": units,
            "trend": found.trend, "weekday": found.seasonal, "remainder": found.resid,
        }
    )  # fmt: skip
    rest = parts["remainder"]
    strengths = [
        max(0.0, 1 - float(rest.var()) / max(float((parts[part] + rest).var()), 1e-12))
        for part in ("trend", "weekday")
    ]
    return Decomposition(parts, *strengths)


def autocorrelation(remainder: Array, *, days: int = 28) -> pd.DataFrame:
    """How a day's remainder goes with that of earlier days.

    Returns:
        lag, correlation, limit (two standard errors of white noise).
    """
    centred = remainder - remainder.mean()
    power = max(float(centred @ centred), 1e-12)
    values = [float(centred[lag:] @ centred[:-lag]) / power for lag in range(1, days + 1)]
    return pd.DataFrame(
        {"lag": range(1, days + 1), "correlation": values, "limit": 2 / np.sqrt(len(centred))}
    )


def expected_units(panel: Panel, row: int, cutoff: int, *, start: int, length: int) -> Array:
    """What the models besides ours expect of a window, in the order of `MODELS[1:]`.

    Args:
        panel: Demand after the cutoff is not looked at.
        row: Which series.
        cutoff: Column of the last known day.
        start: First day of the window, 1 for tomorrow.
        length: Days in the window.
    """
    history = known_by(panel.of([row]), cutoff)
    task = Task((Window(start, length),), np.array([0.5]))
    points: list[Point] = [Statistical("ets"), Rate("tsb"), Rate("imapa")]
    each = [float(point.fit(history, task).mean(history)[0, 0]) for point in points]
    return np.array([*each, float(Naive().fit(history, task).forecast(history).mean[0, 0])])


def window_forecasts(
    connection: Connection, item_id: str, location_id: str, *, days: int
) -> tuple[pd.DataFrame, int]:
    """Our forecasts of one series' windows, and their length.

    Args:
        connection: With a view of forecasts.
        item_id: Of the series.
        location_id: Of the series.
        days: Length wanted; the nearest that was forecast is taken.

    Returns:
        cutoff and one column per level, by cutoff; days in the window.
    """
    frame = connection.execute(
        """
        SELECT cutoff, quantile, value, date_diff('day', cutoff, horizon_end)::INTEGER AS days
        FROM forecasts WHERE item_id = ? AND location_id = ? AND serves = 'replenishment'
        """,
        [item_id, location_id],
    ).df()
    length = int(min(frame["days"].unique(), key=lambda each: (abs(each - days), each)))
    rows = frame[frame["days"] == length]
    wide = rows.pivot(index=c.CUTOFF, columns=c.QUANTILE, values=c.VALUE)
    return wide.rename_axis(columns=None).reset_index(), length


def past_opinions(panel: Panel, row: int, ours: pd.DataFrame, *, length: int) -> pd.DataFrame:
    """What every model expected of windows that have passed, as each was at the cutoff.

    Args:
        panel: History.
        row: Which series.
        ours: Of `window_forecasts`.
        length: Days in the window.

    Returns:
        cutoff, sold, low and high (ours, 80%), and a column per name of `MODELS`.
    """
    levels = [name for name in ours if isinstance(name, float)]
    ends = (_nearest(levels, 0.1), _nearest(levels, 0.9))
    rows = []
    for _, line in ours.iterrows():
        cutoff = panel.column(line[c.CUTOFF])
        if cutoff + length >= panel.units.shape[1]:
            continue
        mean = losses.mean_of_quantiles(line[levels].to_numpy(float)[None, :], np.array(levels))
        sold = float(panel.units[row, cutoff + 1 : cutoff + 1 + length].sum())
        others = expected_units(panel, row, cutoff, start=1, length=length)
        rows.append([line[c.CUTOFF], sold, *line[list(ends)], float(mean[0]), *others])
    return pd.DataFrame(rows, columns=["cutoff", "sold", "low", "high", *MODELS])


def opinion_scores(past: pd.DataFrame) -> pd.DataFrame:
    """Error of each model on the windows that have passed, closest first.

    Returns:
        model, mean_error (units, forecast minus sold), mean_absolute_error, closest (times).
    """
    errors = past[list(MODELS)].sub(past["sold"], axis=0)
    closest = errors.abs().idxmin(axis=1).value_counts()
    table = pd.DataFrame(
        {
            "model": MODELS, "mean_error": errors.mean().to_numpy(),
            "mean_absolute_error": errors.abs().mean().to_numpy(),
            "closest": [int(closest.get(name, 0)) for name in MODELS],
        }
    )  # fmt: skip
    return table.sort_values("mean_absolute_error", ignore_index=True)


def opinions_ahead(panel: Panel, row: int, ours: pd.DataFrame, *, length: int) -> pd.DataFrame:
    """What every model expects of the window from the last day on.

    Returns:
        model, expected (units), against_mean (share above or below the mean of all models).
    """
    levels = [name for name in ours if isinstance(name, float)]
    last = ours.iloc[-1][levels].to_numpy(float)[None, :]
    mean = float(losses.mean_of_quantiles(last, np.array(levels))[0])
    others = expected_units(panel, row, panel.units.shape[1] - 1, start=1, length=length)
    expected = np.array([mean, *others])
    centre = max(float(expected.mean()), 1e-9)
    return pd.DataFrame(
        {"model": MODELS, "expected": expected, "against_mean": expected / centre - 1}
    )


def disagreement(ahead: pd.DataFrame, scores: pd.DataFrame) -> str:
    """Whether the models are of one opinion, and whom the past favours, in two sentences."""
    high, low = (ahead.loc[ahead["expected"].agg(f)] for f in ("idxmax", "idxmin"))
    best = scores.iloc[0]
    apart = float(ahead["against_mean"].abs().max()) > _AGREE
    first = (
        f"The models disagree: {high['model']} expects {high['expected']:,.0f} units,"
        f" {low['model']} {low['expected']:,.0f}."
        if apart
        else f"The models are of one opinion, {low['expected']:,.0f} to {high['expected']:,.0f}"
        " units."
    )
    return (
        f"{first} On windows that have passed, {best['model']} was off least, by"
        f" {best['mean_absolute_error']:,.1f} units on average."
    )


def pattern_name(panel: Panel, row: int) -> str:
    """Demand pattern of a series, as known on the last day."""
    return PATTERNS[int(demand_pattern(panel, panel.units.shape[1] - 1)[row])]


def smoothing_residuals(panel: Panel, row: int) -> pd.DataFrame:
    """Errors of exponential smoothing one day ahead, on days promoted more than usual and not.

    Returns:
        promoted (`more than usual`: in more stores than on its median day), mean_error (sold minus
        expected), days.
    """
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    units = panel.units[row].astype(float)
    dates = pd.date_range(panel.first_day, periods=len(units))
    with warnings.catch_warnings():  # a bound that is hit is no news to the reader
        warnings.simplefilter("ignore")
        model = ETSModel(pd.Series(units, dates), seasonal="add", seasonal_periods=SEASON)
        error = units - model.fit(disp=False).fittedvalues.to_numpy()
    share = panel.promoted[:, row, : len(units)].max(axis=0)
    promoted = np.where(share > np.median(share), "more than usual", "as usual or less")
    frame = pd.DataFrame({"promoted": promoted, "error": error}).iloc[2 * SEASON :]
    table = frame.groupby("promoted")["error"].agg(["mean", "size"]).reset_index()
    return table.set_axis(["promoted", "mean_error", "days"], axis=1)


def _nearest(levels: list[float], wanted: float) -> float:
    return min(levels, key=lambda level: abs(level - wanted))
