"""Features of the global model: what was known at the cutoff, and what was planned.

Every function takes a panel and the column of the cutoff and looks at demand up to that column
only. `Panel.until` cuts the rest off, and a test plants a leak to see that it is caught.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.forecasting.panel import Panel

Array = npt.NDArray[np.float32]

DRIVERS = {
    "mean_7": "recent sales", "mean_14": "recent sales", "mean_28": "recent sales",
    "mean_56": "recent sales", "mean_91": "longer history", "trend": "trend",
    "spread_28": "variability", "zero_share_28": "variability", "zero_share_91": "variability",
    "days_since_sale": "recent sales", "same_weekday_4": "weekday", "same_weekday_8": "weekday",
    "weekday": "weekday", "weekend_days": "calendar", "holidays": "calendar",
    "days_to_year_end": "calendar", "length": "horizon", "lead": "horizon",
    "price_to_quarter": "price", "price_change": "price", "display_ahead": "promotion",
    "display_past": "promotion", "mailer_ahead": "promotion", "mailer_past": "promotion",
    "category_trend": "category", "is_dc": "site", "price_level": "price",
}  # fmt: skip
NAMES = list(DRIVERS)


def holidays(panel: Panel) -> npt.NDArray[np.bool_]:
    """Days of a rush before or on a public holiday of the United States: a calendar rule."""
    days = pd.date_range(panel.first_day, periods=panel.promoted.shape[2])
    month, day, weekday = (np.asarray(part) for part in (days.month, days.day, days.dayofweek))
    thanksgiving = (month == 11) & (weekday < 3) & (day >= 19) & (day <= 25)
    christmas = (month == 12) & (day >= 20) & (day <= 24)
    new_year = ((month == 12) & (day >= 29)) | ((month == 1) & (day == 1))
    independence = (month == 7) & (day <= 4)
    return np.asarray(thanksgiving | christmas | new_year | independence)


def level(panel: Panel, cutoff: int) -> Array:
    """Daily demand to start from: a blend of the last 28 and 91 days, never zero."""
    recent = panel.units[:, max(0, cutoff - 27) : cutoff + 1].mean(axis=1)
    longer = panel.units[:, max(0, cutoff - 90) : cutoff + 1].mean(axis=1)
    return np.asarray(np.maximum(0.6 * recent + 0.4 * longer, 0.01), dtype=np.float32)


def features_at(panel: Panel, cutoff: int, *, start: int, length: int) -> Array:
    """Features for the demand of days `cutoff + start` to `cutoff + start + length - 1`.

    Args:
        panel: Demand after column `cutoff` is not looked at.
        cutoff: Column of the last known day.
        start: First day of the window, 1 for tomorrow.
        length: Days in the window.

    Returns:
        Shape (series, features), columns as `NAMES`.
    """
    known = panel.units[:, : cutoff + 1]
    base = level(panel, cutoff)
    ahead = slice(cutoff + start, cutoff + start + length)
    past = slice(max(0, cutoff - 27), cutoff + 1)
    count = len(known)
    columns = {f"mean_{n}": known[:, -n:].mean(axis=1) / base for n in (7, 14, 28, 56, 91)}
    columns["trend"] = (known[:, -14:].mean(axis=1) + 0.01) / (known[:, -56:].mean(axis=1) + 0.01)
    columns["spread_28"] = known[:, -28:].std(axis=1) / base
    columns["zero_share_28"] = (known[:, -28:] == 0).mean(axis=1)
    columns["zero_share_91"] = (known[:, -91:] == 0).mean(axis=1)
    columns["days_since_sale"] = _days_since_sale(known)
    columns |= _weekday_features(panel, known, base, cutoff, start, length)
    columns["length"] = np.full(count, length)
    columns["lead"] = np.full(count, start)
    price = panel.price[:, cutoff]
    columns["price_level"] = price
    columns["price_change"] = price / panel.price[:, past].mean(axis=1)
    columns["price_to_quarter"] = price / panel.price[:, max(0, cutoff - 90) : cutoff + 1].mean(
        axis=1
    )
    for number, name in enumerate(("display", "mailer")):
        columns[f"{name}_ahead"] = panel.promoted[number][:, ahead].mean(axis=1)
        columns[f"{name}_past"] = panel.promoted[number][:, past].mean(axis=1)
    columns["category_trend"] = _category_trend(panel, known)
    columns["is_dc"] = panel.is_dc
    return np.stack([np.asarray(columns[name], dtype=np.float32) for name in NAMES], axis=1)


def targets_at(panel: Panel, cutoff: int, *, start: int, length: int) -> Array:
    """Demand of the window, shape (series,)."""
    first = cutoff + start
    return np.asarray(panel.units[:, first : first + length].sum(axis=1), dtype=np.float32)


def _weekday_features(
    panel: Panel, known: Array, base: Array, cutoff: int, start: int, length: int
) -> dict[str, Array]:
    first = (panel.first_day.dayofweek + cutoff + start) % 7
    weekdays = [(first + i) % 7 for i in range(length)]
    rush = holidays(panel)[cutoff + start : cutoff + start + length]
    day = panel.first_day + np.timedelta64(cutoff + start, "D")
    return {
        "same_weekday_4": _same_weekday(known, start, length, 4) / base,
        "same_weekday_8": _same_weekday(known, start, length, 8) / base,
        "weekday": np.full(len(known), first if length == 1 else 7),
        "weekend_days": np.full(len(known), sum(w >= 5 for w in weekdays) / length),
        "holidays": np.full(len(known), rush.mean()),
        "days_to_year_end": np.full(len(known), max(0, 60 - (366 - day.dayofyear))),
    }


def _same_weekday(known: Array, start: int, length: int, weeks: int) -> Array:
    """Mean demand of the window's weekdays over the last weeks, per day."""
    if length >= 7:
        return np.asarray(known[:, -7 * weeks :].mean(axis=1))
    offsets: Sequence[int] = [
        known.shape[1] - 7 * week + (start + i - 1) % 7
        for week in range(1, weeks + 1)
        for i in range(length)
    ]
    return np.asarray(known[:, offsets].mean(axis=1))


def _days_since_sale(known: Array) -> Array:
    sold = known[:, -91:] > 0
    last = np.where(sold.any(axis=1), np.argmax(sold[:, ::-1], axis=1), 91)
    return last.astype(np.float32)


def _category_trend(panel: Panel, known: Array) -> Array:
    """Last fortnight over the last eight weeks, for all of the item's category."""
    codes = panel.series["category"].astype("category").cat.codes.to_numpy()
    recent = np.bincount(codes, known[:, -14:].mean(axis=1))
    longer = np.bincount(codes, known[:, -56:].mean(axis=1))
    return np.asarray(((recent + 0.1) / (longer + 0.1))[codes], dtype=np.float32)
