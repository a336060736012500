"""Features of the global model: what was known at the cutoff, and what was planned.

Every function takes a panel and the column of the cutoff and looks at demand up to that column
only; `leaks.py` proves it by changing the future.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.forecasting.panel import Panel
from workbench.forecasting.patterns import overdispersion

Array = npt.NDArray[np.float32]
_QUARTER_DAYS = 91
_MONTH_DAYS = 28

DRIVERS = {
    "mean_7": "recent sales", "mean_14": "recent sales", "mean_28": "recent sales",
    "mean_56": "recent sales", "mean_91": "longer history", "trend": "trend",
    "spread_28": "variability", "zero_share_28": "variability", "zero_share_91": "variability",
    "days_since_sale": "recent sales", "same_weekday_4": "weekday", "same_weekday_8": "weekday",
    "weekday": "weekday", "weekend_days": "calendar", "event_days": "calendar",
    "days_before_holiday": "calendar", "length": "horizon", "lead": "horizon",
    "price_to_quarter": "price", "price_change": "price", "display_ahead": "promotion",
    "display_past": "promotion", "mailer_ahead": "promotion", "mailer_past": "promotion",
    "category_trend": "category", "is_dc": "site", "price_level": "price",
}  # fmt: skip
NAMES = list(DRIVERS)


@dataclass(frozen=True)
class Known:
    """What is known at a cutoff, whatever window is forecast from it.

    Attributes:
        cutoff: Column of the last known day.
        level: Daily demand to start from, shape (series,), never zero.
        overdispersion: Daily variance beyond Poisson's over squared mean, shape (series,).
        columns: Features by name that do not depend on the window, each of shape (series,).
    """

    cutoff: int
    level: Array
    overdispersion: npt.NDArray[np.float64]
    columns: dict[str, Array]


def known_at(panel: Panel, cutoff: int) -> Known:
    """Level and window-free features at a cutoff; demand after it is not looked at."""
    units = panel.units[:, max(0, cutoff + 1 - _QUARTER_DAYS) : cutoff + 1]
    base = level(panel, cutoff)
    mean = {n: units[:, -n:].mean(axis=1) for n in (7, 14, 28, 56, 91)}
    month = units[:, -_MONTH_DAYS:]
    columns: dict[str, Array] = {f"mean_{n}": value / base for n, value in mean.items()}
    columns["trend"] = (mean[14] + 0.01) / (mean[56] + 0.01)
    columns["spread_28"] = month.std(axis=1) / base
    columns["zero_share_28"] = (month == 0).mean(axis=1)
    columns["zero_share_91"] = (units == 0).mean(axis=1)
    columns["days_since_sale"] = _days_since_sale(units)
    columns["category_trend"] = _category_trend(panel, cutoff)
    columns["is_dc"] = panel.is_dc.astype(np.float32)
    columns |= _price_and_past_promotion(panel, cutoff)
    return Known(cutoff, base, overdispersion(units), columns)


def features_at(
    panel: Panel, cutoff: int, *, start: int, length: int, known: Known | None = None
) -> Array:
    """Features for the demand of days `cutoff + start` to `cutoff + start + length - 1`.

    Args:
        panel: Demand after column `cutoff` is not looked at.
        cutoff: Column of the last known day.
        start: First day of the window, 1 for tomorrow.
        length: Days in the window.
        known: `known_at(panel, cutoff)`, where several windows share it.

    Returns:
        Shape (series, features), columns as `NAMES`.
    """
    known = known_at(panel, cutoff) if known is None else known
    count = len(panel.units)
    ahead = slice(cutoff + start, cutoff + start + length)
    columns = known.columns | _calendar(panel, cutoff, start, length, count)
    for weeks in (4, 8):
        columns[f"same_weekday_{weeks}"] = (
            _same_weekday(panel.units, cutoff, start, length, weeks) / known.level
        )
    for number, name in enumerate(("display", "mailer")):
        columns[f"{name}_ahead"] = panel.promoted[number][:, ahead].mean(axis=1)
    result = np.empty((count, len(NAMES)), dtype=np.float32)
    for place, name in enumerate(NAMES):
        result[:, place] = columns[name]
    return result


def targets_at(panel: Panel, cutoff: int, *, start: int, length: int) -> Array:
    """Demand of the window, shape (series,)."""
    first = cutoff + start
    return np.asarray(panel.units[:, first : first + length].sum(axis=1), dtype=np.float32)


def level(panel: Panel, cutoff: int) -> Array:
    """Daily demand to start from: a blend of the last 28 and 91 days, never zero."""
    recent = panel.units[:, max(0, cutoff + 1 - _MONTH_DAYS) : cutoff + 1].mean(axis=1)
    longer = panel.units[:, max(0, cutoff + 1 - _QUARTER_DAYS) : cutoff + 1].mean(axis=1)
    return np.asarray(np.maximum(0.6 * recent + 0.4 * longer, 0.01), dtype=np.float32)


def _price_and_past_promotion(panel: Panel, cutoff: int) -> dict[str, Array]:
    price = panel.price[:, cutoff]
    quarter = panel.price[:, max(0, cutoff + 1 - _QUARTER_DAYS) : cutoff + 1]
    past = slice(max(0, cutoff + 1 - _MONTH_DAYS), cutoff + 1)
    return {
        "price_level": price,
        "price_change": price / quarter[:, -_MONTH_DAYS:].mean(axis=1),
        "price_to_quarter": price / quarter.mean(axis=1),
        "display_past": panel.promoted[0][:, past].mean(axis=1),
        "mailer_past": panel.promoted[1][:, past].mean(axis=1),
    }


def _calendar(panel: Panel, cutoff: int, start: int, length: int, count: int) -> dict[str, Array]:
    first = (panel.first_day.dayofweek + cutoff + start) % 7
    weekdays = [(first + i) % 7 for i in range(length)]
    events, before = panel.events[:, cutoff + start : cutoff + start + length].mean(axis=1)
    values = {
        "weekday": first if length == 1 else 7,
        "weekend_days": sum(w >= 5 for w in weekdays) / length,
        "event_days": events,
        "days_before_holiday": before,
        "length": length,
        "lead": start,
    }
    return {name: np.full(count, value, dtype=np.float32) for name, value in values.items()}


def _same_weekday(units: Array, cutoff: int, start: int, length: int, weeks: int) -> Array:
    """Mean demand of the window's weekdays over the last weeks, per day."""
    known = units[:, max(0, cutoff + 1 - 7 * weeks) : cutoff + 1]
    if length >= 7:
        return np.asarray(known.mean(axis=1))
    days = [
        known.shape[1] - 7 * week + (start + i - 1) % 7
        for week in range(1, weeks + 1)
        for i in range(length)
    ]
    return np.asarray(known[:, [day for day in days if day >= 0]].mean(axis=1))


def _days_since_sale(quarter: Array) -> Array:
    sold = quarter > 0
    last = np.where(sold.any(axis=1), np.argmax(sold[:, ::-1], axis=1), _QUARTER_DAYS)
    return last.astype(np.float32)


def _category_trend(panel: Panel, cutoff: int) -> Array:
    """Last fortnight over the last eight weeks, for all of the item's category."""
    whole = panel.by_category
    recent, longer = (
        whole.units[:, max(0, cutoff + 1 - days) : cutoff + 1].mean(axis=1) for days in (14, 56)
    )
    return np.asarray(((recent + 0.1) / (longer + 0.1))[whole.codes], dtype=np.float32)
