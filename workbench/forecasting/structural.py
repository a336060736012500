"""Structural time series: a level that wanders plus calendar effects, as one penalised regression.

The logarithm of demand is a random walk plus effects of weekday, day of month, indicators (pay
days, benefits), single events and a slow yearly wave. For given variance ratios the smoothed state
is the solution of a ridge regression on the walk's steps and the effects, so that all series that
share a calendar cost one factorisation: hundreds of series in milliseconds. Made for aggregates,
where demand is never zero for long; the penalties stand for the variance ratios.

Source: Harvey 1989, "Forecasting, structural time series models and the Kalman filter", chapter 4.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import linalg

Array = npt.NDArray[np.float64]
_YEAR_DAYS = 365.25
_MONTH_SPAN = 30.0
_LEAST = 1.0  # units a day; the logarithm starts here


@dataclass(frozen=True)
class StructuralConfig:
    """Penalties: variance of an observation over variance of an effect; larger is stiffer.

    Attributes:
        step: Of a day's step of the level.
        weekday: Of weekday effects.
        indicator: Of indicators on all days.
        weekend_indicator: Of what they add at weekends.
        month: Of effects of the day of the month.
        month_knots: Days of the month between which these effects are straight lines.
        event: Of single events.
        eve: Of the days before them.
        year: Of the first yearly wave; of the k-th it is k squared times as large.
        year_waves: Number of yearly waves.
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


@dataclass(frozen=True)
class Effects:
    """Regressors of one calendar and the penalty of each.

    Attributes:
        values: Shape (days + ahead, effects).
        penalty: Shape (effects,).
    """

    values: Array
    penalty: Array


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
    eves = np.vstack([events[1:], np.zeros((1, events.shape[1]))])
    parts: Sequence[tuple[Array, npt.ArrayLike]] = [
        ((weekday[:, None] == np.arange(7)).astype(float), config.weekday),
        (indicators, config.indicator), (indicators * weekend, config.weekend_indicator),
        (month, config.month), (events, config.event), (eves, config.eve),
        (np.hstack([np.sin(angle), np.cos(angle)]), config.year * np.tile(waves**2, 2)),
    ]  # fmt: skip
    return Effects(
        np.hstack([values for values, _ in parts]).astype(float),
        np.concatenate([np.broadcast_to(p, values.shape[1]) for values, p in parts]),
    )


def forecast_structural(
    units: Array, effects: Effects, *, ahead: int, step: float, counted: npt.NDArray[np.bool_]
) -> Array:
    """Forecast of series that share a calendar, shape (series, ahead).

    Args:
        units: Demand, shape (series, days).
        effects: Of `days + ahead` days or more.
        ahead: Days to forecast.
        step: Penalty of a day's step of the level.
        counted: Days to learn from, shape (days,); closed days tell nothing.

    Raises:
        ValueError: The effects end before the last day ahead.
    """
    days = units.shape[1]
    if len(effects.values) < days + ahead:
        raise ValueError(
            f"effects of {len(effects.values)} days; expected {days} known and {ahead} ahead."
        )
    walk = np.tril(np.ones((days + ahead, days)))  # the first column is the starting level
    design = np.hstack([walk, effects.values[: days + ahead]])
    penalty = np.r_[1e-8, np.full(days - 1, step), effects.penalty]
    known = design[:days][counted]
    target = np.log(np.maximum(units[:, counted], _LEAST)).T
    system = known.T @ known + np.diag(penalty)
    state = linalg.solve(system, known.T @ target, assume_a="pos")
    return np.asarray(np.exp(design[days:] @ state).T)
