"""One LightGBM for all series and all days ahead, on days whose prices and events are known ahead.

Direct multi-horizon: a row is a series, a day from which is forecast (the origin) and a lead.
Demand is learned as a factor on the recent level with the Tweedie objective, so that fast and slow
series share trees. What is known at an origin comes from cumulative sums, so that an origin costs a
few passes over the series, whatever the windows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]
LEAST_LEVEL = 0.02  # units a day
WINDOWS = (7, 14, 28, 56, 112)
WEEKS = (4, 8)
PARAMETERS: dict[str, Any] = {
    "objective": "tweedie", "tweedie_variance_power": 1.1, "learning_rate": 0.08,
    "num_leaves": 63, "min_data_in_leaf": 200, "feature_fraction": 0.7, "bagging_fraction": 0.8,
    "bagging_freq": 1, "lambda_l2": 1.0, "max_bin": 127, "verbosity": -1,
    "deterministic": True, "force_col_wise": True, "num_threads": 1,
}  # fmt: skip


@dataclass(frozen=True)
class DailyPanel:
    """Daily demand and what is known ahead.

    Attributes:
        units: Demand, shape (series, days).
        listed: Column of the first day on sale, shape (series,); days before it tell nothing.
        price: Shape (series, days + ahead); NaN where an item is not on sale.
        region: Region of each series, shape (series,).
        days: Covariates of each region and day, shape (regions, days + ahead, covariates).
        day_names: Names of the covariates.
        codes: Categories of each series, shape (series, categories).
        code_names: Names of the categories.
        item: Code of the item, alike in all locations, shape (series,).
        department: Code of the group that shares a trend, shape (series,).
        weekday: Weekday of column 0, Monday is 0.
    """

    units: Array
    listed: Codes
    price: Array
    region: Codes
    days: Array
    day_names: tuple[str, ...]
    codes: Codes
    code_names: tuple[str, ...]
    item: Codes
    department: Codes
    weekday: int

    @cached_property
    def sums(self) -> npt.NDArray[np.float64]:
        """Demand before each column, shape (series, days + 1)."""
        return _before(self.units)

    @cached_property
    def squares(self) -> npt.NDArray[np.float64]:
        """Squared demand before each column, shape (series, days + 1)."""
        return _before(self.units**2)

    @cached_property
    def selling(self) -> npt.NDArray[np.float64]:
        """Days with a sale before each column, shape (series, days + 1)."""
        return _before(self.units > 0)

    @cached_property
    def last_sale(self) -> npt.NDArray[np.int16]:
        """Column of the last day with a sale up to each day, -1 before the first."""
        where = np.where(self.units > 0, np.arange(self.units.shape[1], dtype=np.int16), -1)
        return np.maximum.accumulate(where.astype(np.int16), axis=1)


def feature_names(panel: DailyPanel) -> list[str]:
    """Names of the columns of `features`."""
    return [
        *(f"mean_{n}" for n in WINDOWS), "level", "trend", "spread_28", "selling_28", "selling_112",
        "days_since_sale", "days_listed", "item_mean_28", "item_trend", "department_trend",
        *(f"same_weekday_{n}" for n in WEEKS), "lead", "weekday", "price", "price_to_28",
        "price_to_112", "price_to_department", "price_change_ahead",
        *panel.day_names, *panel.code_names,
    ]  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """What is known at the end of a day, for all series.

    Attributes:
        column: The last known day.
        level: Recent demand per day, shape (series,), never zero.
        fixed: Features that do not depend on the lead, shape (series, features).
        same_weekday: Mean of a weekday over the last weeks, shape (days ahead, windows, series).
        price_28: Mean price of the last 28 days, shape (series,).
        price_112: Mean price of the last 112 days, shape (series,).
    """

    column: int
    level: Array
    fixed: Array
    same_weekday: Array
    price_28: Array
    price_112: Array


def origin_at(panel: DailyPanel, column: int) -> Origin:
    """What is known at the end of day `column`; later demand is not looked at."""
    age = np.clip(column + 1 - panel.listed, 1, None)
    mean = {n: _window(panel.sums, column, n) / np.minimum(age, n) for n in WINDOWS}
    level = np.maximum(0.6 * mean[28] + 0.4 * mean[112], LEAST_LEVEL)
    days = np.minimum(age, 28)
    variance = _window(panel.squares, column, 28) / days - mean[28] ** 2
    item = _share(panel.item, mean[28]), _share(panel.item, mean[112])
    department = _share(panel.department, mean[14]), _share(panel.department, mean[56])
    fixed = [
        *(mean[n] / level for n in WINDOWS), level, (mean[14] + 0.01) / (mean[56] + 0.01),
        np.sqrt(np.maximum(variance, 0)) / level, _window(panel.selling, column, 28) / days,
        _window(panel.selling, column, 112) / np.minimum(age, 112),
        column - panel.last_sale[:, column], np.minimum(age, 500),
        item[0] / level, (item[0] + 0.01) / (item[1] + 0.01), department[0] / department[1],
    ]  # fmt: skip
    weekdays = np.stack([_same_weekday(panel.units, column, ahead) for ahead in range(1, 8)])
    return Origin(
        column, level.astype(np.float32), np.stack(fixed, axis=1).astype(np.float32),
        (weekdays / level).astype(np.float32),
        _mean_price(panel, column, 28), _mean_price(panel, column, 112),
    )  # fmt: skip


def features(panel: DailyPanel, origin: Origin, lead: int, rows: Codes) -> Array:
    """Features of some series for the day `lead` after the origin, shape (rows, features)."""
    day = origin.column + lead
    price = panel.price[rows, day]
    department = _share(panel.department, np.nan_to_num(panel.price[:, day]))[rows]
    columns = [
        *origin.same_weekday[(lead - 1) % 7][:, rows], lead, (panel.weekday + day) % 7, price,
        price / origin.price_28[rows], price / origin.price_112[rows], price / department,
        price / panel.price[rows, origin.column],
    ]  # fmt: skip
    result = np.empty((len(rows), len(feature_names(panel))), dtype=np.float32)
    start = origin.fixed.shape[1]
    result[:, :start] = origin.fixed[rows]
    for place, column in enumerate(columns, start):
        result[:, place] = column
    stop = start + len(columns)
    result[:, stop : stop + panel.days.shape[2]] = panel.days[panel.region[rows], day]
    result[:, stop + panel.days.shape[2] :] = panel.codes[rows]
    return result


@dataclass(frozen=True)
class Sample:
    """Training rows: features, demand, offset (log of the level) and series of each."""

    x: Array
    y: Array
    offset: Array
    series: Codes


def training_sample(
    panel: DailyPanel, origins: Sequence[int], leads: Sequence[int], *, rows: int, seed: int
) -> Sample:
    """Rows of past origins, sampled evenly over origins, leads and series on sale.

    Raises:
        ValueError: A day ends after the panel: its demand is not known.
    """
    if max(origins) + max(leads) >= panel.units.shape[1]:
        raise ValueError(
            f"origin {max(origins)} plus lead {max(leads)}: after the last of"
            f" {panel.units.shape[1]} days; expected origins whose days have ended."
        )
    rng = np.random.default_rng(seed)
    share = min(1.0, rows / (len(origins) * len(leads) * len(panel.units)))
    return _joined(list(_parts(panel, origins, leads, share, rng)))


def _parts(
    panel: DailyPanel,
    origins: Sequence[int],
    leads: Sequence[int],
    share: float,
    rng: np.random.Generator,
) -> Iterator[Sample]:
    for column in origins:
        origin = origin_at(panel, column)
        known = panel.listed <= column
        for lead in leads:
            on_sale = known & ~np.isnan(panel.price[:, column + lead])
            chosen = np.flatnonzero(on_sale & (rng.random(len(known)) < share))
            yield Sample(
                features(panel, origin, lead, chosen), panel.units[chosen, column + lead],
                np.log(origin.level[chosen]), chosen,
            )  # fmt: skip


def fit_direct(
    panel: DailyPanel,
    sample: Sample,
    *,
    trees: int,
    seed: int,
    weight: npt.NDArray[np.float64] | None = None,
    parameters: dict[str, Any] | None = None,
) -> Any:
    """A LightGBM booster that multiplies the recent level.

    Args:
        panel: Gives names of the features.
        sample: Training rows.
        trees: Boosting rounds.
        seed: Of row and feature sampling.
        weight: Of each series, shape (series,).
        parameters: Instead of those of the module.
    """
    import lightgbm

    chosen = {**PARAMETERS, **(parameters or {}), "seed": seed}
    data = lightgbm.Dataset(
        sample.x, sample.y, init_score=sample.offset, feature_name=feature_names(panel),
        categorical_feature=list(panel.code_names), params=chosen,
        weight=None if weight is None else weight[sample.series],
    )  # fmt: skip
    return lightgbm.train(chosen, data, trees)


def forecast_direct(
    panel: DailyPanel, booster: Any, column: int, leads: Sequence[int]
) -> npt.NDArray[np.float64]:
    """Expected demand of days after `column`, shape (series, leads); zero where not on sale."""
    origin = origin_at(panel, column)
    rows = np.arange(len(panel.units))
    result = np.zeros((len(rows), len(leads)))
    for place, lead in enumerate(leads):
        factor = np.exp(booster.predict(features(panel, origin, lead, rows), raw_score=True))
        on_sale = ~np.isnan(panel.price[:, column + lead])
        result[:, place] = np.where(on_sale, factor * origin.level, 0)
    return result


def _joined(parts: Sequence[Sample]) -> Sample:
    return Sample(
        np.concatenate([part.x for part in parts]), np.concatenate([part.y for part in parts]),
        np.concatenate([part.offset for part in parts]),
        np.concatenate([part.series for part in parts]),
    )  # fmt: skip


def _before(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    result = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=result[:, 1:])
    return result


def _window(before: npt.NDArray[np.float64], column: int, days: int) -> npt.NDArray[np.float64]:
    return np.asarray(before[:, column + 1] - before[:, max(0, column + 1 - days)])


def _share(code: Codes, value: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Mean of a group's values, given back to each of its members."""
    total = np.bincount(code, value)
    return np.asarray((total / np.maximum(np.bincount(code), 1))[code]) + 1e-6


def _same_weekday(units: Array, column: int, ahead: int) -> npt.NDArray[np.float64]:
    """Mean of the weekday `ahead` days on over the last weeks, shape (windows, series)."""
    last = column + ahead - 7
    return np.stack([units[:, last - 7 * (n - 1) : last + 1 : 7].mean(axis=1) for n in WEEKS])


def _mean_price(panel: DailyPanel, column: int, days: int) -> Array:
    price = panel.price[:, max(0, column + 1 - days) : column + 1]
    count = np.maximum((~np.isnan(price)).sum(axis=1), 1)
    mean = np.nansum(price, axis=1) / count
    return np.asarray(np.where(mean > 0, mean, np.nan), dtype=np.float32)
