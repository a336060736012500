"""Structural time series: a level that wanders plus calendar effects, as one penalised regression.

The logarithm of demand is a random walk with a trend plus effects of weekday, day of month,
indicators (pay days, benefits), single events and a slow yearly wave. For given variance ratios the
smoothed state is the solution of a ridge regression on the walk's steps and the effects, so that
all series that share a calendar cost one factorisation: hundreds of series in milliseconds. Made
for aggregates, where demand is never zero for long; the penalties stand for the variance ratios.

Series of a hierarchy can learn calendar effects from the groups they belong to: theirs are drawn
towards the groups' instead of towards none (`prior` of `fit_structural`).

Source: Harvey 1989, "Forecasting, structural time series models and the Kalman filter", chapter 4.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import linalg

Array = npt.NDArray[np.float64]
_YEAR_DAYS = 365.25
_MONTH_SPAN = 30.0
_LEAST = 1.0  # units a day; the logarithm starts here
_PARTS = (3, 6, 10)  # last days of the parts of a month


@dataclass(frozen=True)
class StructuralConfig:
    """Penalties: variance of an observation over variance of an effect; larger is stiffer.

    Attributes:
        step: Of a day's step of the level.
        weekday: Of weekday effects.
        indicator: Of indicators on all days.
        weekend_indicator: Of what they add at weekends.
        part_indicator: Of what they add in parts of the month (to the 3rd, 6th, 10th and later);
            none to leave that out.
        month: Of effects of the day of the month.
        month_knots: Days of the month between which these effects are straight lines.
        event: Of single events.
        eve: Of the days before them.
        year: Of the first yearly wave; of the k-th it is k squared times as large.
        year_waves: Number of yearly waves.
        trend: Of the growth in a year.
        pooling: Factor on the penalties of calendar effects where these are drawn towards those of
            the groups that a series belongs to; none to leave each series to itself.
    """

    step: float = 100.0
    weekday: float = 0.1
    indicator: float = 0.1
    weekend_indicator: float = 1.0
    month: float = 2.0
    month_knots: int = 4
    event: float = 0.3
    eve: float = 0.5
    year: float = 10.0
    year_waves: int = 2
    trend: float = 0.1
    part_indicator: float | None = None
    pooling: float | None = None


@dataclass(frozen=True)
class Effects:
    """Regressors of one calendar and the penalty of each.

    Attributes:
        values: Shape (days + ahead, effects).
        penalty: Shape (effects,).
        slow: How many of the last effects are the yearly wave and trend, which are never pooled.
    """

    values: Array
    penalty: Array
    slow: int = 0


@dataclass(frozen=True)
class StructuralFit:
    """The logarithm of demand, taken apart, past and ahead.

    Attributes:
        level: Wandering level, yearly wave and trend, shape (series, days + ahead).
        calendar: Effects of the calendar, same shape.
        variance: Of the residuals, shape (series,).
    """

    level: Array
    calendar: Array
    variance: Array

    def forecast(self, ahead: int, *, mean: bool = True) -> Array:
        """The last days, shape (series, ahead): mean of the log-normal, or its median."""
        log = (self.level + self.calendar)[:, -ahead:]
        return np.asarray(np.exp(log + self.variance[:, None] / 2 if mean else log))


def calendar_effects(
    dates: pd.DatetimeIndex, indicators: Array, events: Array, config: StructuralConfig
) -> Effects:
    """Regressors of every day, past and ahead.

    Args:
        dates: All days.
        indicators: 0 or 1 (or a share) per day, shape (days, indicators).
        events: Whether a day has each event, shape (days, events).
        config: Penalties.
    """
    weekday = np.asarray(dates.dayofweek)
    weekend = (weekday >= 5)[:, None]
    knots = np.linspace(1, 1 + _MONTH_SPAN, config.month_knots)
    width = knots[1] - knots[0]
    month = np.maximum(0, 1 - np.abs(np.asarray(dates.day)[:, None] - knots) / width)
    waves = np.arange(1, config.year_waves + 1)
    angle = 2 * np.pi * np.asarray(dates.dayofyear)[:, None] * waves / _YEAR_DAYS
    years = np.arange(len(dates))[:, None] / _YEAR_DAYS
    eves = np.vstack([events[1:], np.zeros((1, events.shape[1]))])
    part = np.searchsorted(_PARTS, np.asarray(dates.day))[:, None] == np.arange(len(_PARTS) + 1)
    within = (indicators[:, :, None] * part[:, None, :]).reshape(len(dates), -1)
    parts: list[tuple[Array, npt.ArrayLike]] = [
        ((weekday[:, None] == np.arange(7)).astype(float), config.weekday),
        (indicators, config.indicator), (indicators * weekend, config.weekend_indicator),
        (month, config.month), (events, config.event), (eves, config.eve),
        (np.hstack([np.sin(angle), np.cos(angle)]), config.year * np.tile(waves**2, 2)),
        (years, config.trend),
    ]  # fmt: skip
    if config.part_indicator is not None:
        parts.insert(0, (within, config.part_indicator))
    return Effects(
        np.hstack([values for values, _ in parts]).astype(float),
        np.concatenate([np.broadcast_to(p, values.shape[1]) for values, p in parts]),
        slow=2 * config.year_waves + 1,
    )


def forecast_structural(
    units: Array,
    effects: Effects,
    *,
    ahead: int,
    step: float,
    counted: npt.NDArray[np.bool_],
    mean: bool = True,
) -> Array:
    """Forecast of series that share a calendar, shape (series, ahead).

    Args:
        units: Demand, shape (series, days).
        effects: Of `days + ahead` days or more.
        ahead: Days to forecast.
        step: Penalty of a day's step of the level.
        counted: Days to learn from, shape (days,); closed days tell nothing.
        mean: Give the mean of the log-normal that the residuals suggest, else its median.

    Raises:
        ValueError: The effects end before the last day ahead.
    """
    fit = fit_structural(units, effects, ahead=ahead, step=step, counted=counted)
    return fit.forecast(ahead, mean=mean)


def fit_structural(
    units: Array,
    effects: Effects,
    *,
    ahead: int,
    step: float,
    counted: npt.NDArray[np.bool_],
    prior: Array | None = None,
    pooling: float = 1.0,
) -> StructuralFit:
    """Levels and calendar effects of series that share a calendar.

    Args:
        units: Demand, shape (series, days).
        effects: Of `days + ahead` days or more.
        ahead: Days after the last.
        step: Penalty of a day's step of the level.
        counted: Days to learn from, shape (days,).
        prior: Calendar effects that each series' own are drawn towards, shape (series,
            days + ahead), for example those of its groups; none by default.
        pooling: Factor on the penalties of calendar effects.

    Raises:
        ValueError: The effects end before the last day ahead.
    """
    days = units.shape[1]
    span = days + ahead
    if len(effects.values) < span:
        raise ValueError(
            f"effects of {len(effects.values)} days; expected {days} known and {ahead} ahead."
        )
    expected = np.zeros((len(units), span)) if prior is None else prior[:, :span]
    walk = np.tril(np.ones((span, days)))  # the first column is the starting level
    design = np.hstack([walk, effects.values[:span]])
    slow = np.r_[np.ones(days, dtype=bool), _is_slow(effects)]
    penalty = np.r_[1e-8, np.full(days - 1, step), effects.penalty]
    penalty = np.where(slow, penalty, pooling * penalty)
    known = design[:days][counted]
    target = (np.log(np.maximum(units, _LEAST)) - expected[:, :days])[:, counted].T
    state = linalg.solve(known.T @ known + np.diag(penalty), known.T @ target, assume_a="pos")
    return StructuralFit(
        (design[:, slow] @ state[slow]).T,
        (design[:, ~slow] @ state[~slow]).T + expected,
        ((target - known @ state) ** 2).mean(axis=0),
    )


def _is_slow(effects: Effects) -> npt.NDArray[np.bool_]:
    count = len(effects.penalty)
    return np.asarray(np.arange(count) >= count - effects.slow)
