"""Small tables that the forecast notebook shows, cut out of panel and forecasts."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from workbench.contracts import columns as c
from workbench.forecasting.backtest import Backtest
from workbench.forecasting.families import CHOSEN, QUANTILES
from workbench.forecasting.features import level, targets_at
from workbench.forecasting.global_model import Window
from workbench.forecasting.panel import Connection, Panel, build_panel

_CLOSE = 0.01  # share of naive's loss: closer than this is no difference to choose by


def top_series(panel: Panel, count: int) -> list[int]:
    """Rows of the series with most revenue at the distribution centre."""
    revenue = panel.units.sum(axis=1) * panel.series["price"].to_numpy() * panel.is_dc
    return [int(i) for i in np.argsort(-revenue)[:count]]


def history_of(panel: Panel, row: int, *, days: int) -> pd.DataFrame:
    """Date and quantity of one series' last days."""
    last = panel.units[row, -days:]
    dates = pd.date_range(panel.last_day - pd.Timedelta(days=len(last) - 1), panel.last_day)
    return pd.DataFrame({"date": dates, "quantity": last})


def fan_of(panel: Panel, row: int, daily: pd.DataFrame) -> pd.DataFrame:
    """Date and one column per level, of one series."""
    key = panel.series.iloc[row]
    chosen = (daily[c.ITEM_ID] == key[c.ITEM_ID]) & (daily[c.LOCATION_ID] == key[c.LOCATION_ID])
    rows = daily[chosen & (daily[c.CUTOFF] == panel.last_day)]
    wide = rows.pivot(index=c.HORIZON_START, columns=c.QUANTILE, values=c.VALUE)
    fan: pd.DataFrame = wide.rename_axis(index="date", columns=None).reset_index()
    return fan


def median_of(fan: pd.DataFrame) -> pd.DataFrame:
    """Date and value of the median path."""
    return pd.DataFrame({"date": fan["date"], "value": fan[0.5]})


def choice_reading(choice: pd.DataFrame) -> str:
    """What the weeks before the test say about the two uses of LightGBM, in one sentence."""
    if choice.empty:
        return (
            "Too few weeks before the test to compare families there: nothing was chosen on them."
        )
    gain = choice.set_index("model")["vw_pinball_skill"]
    counts, quantiles = gain[CHOSEN], gain[QUANTILES]
    verdict = (
        "too close to call" if abs(counts - quantiles) < _CLOSE
        else "counts are ahead" if counts > quantiles else "the quantile objective is ahead"
    )  # fmt: skip
    return (
        f"Before the test, counts lose {counts:.1%} less than seasonal naive and the quantile"
        f" objective {quantiles:.1%} less: {verdict}."
    )


def promotion_effect(panel: Panel, result: Backtest, *, window_days: int = 14) -> pd.DataFrame:
    """Demand over the recent level by kind of promotion ahead: observed and forecast.

    Only the distribution centre; a promotion counts when it runs in a quarter of stores or more.

    Returns:
        promotion, observed, forecast (demand over the recent level), forecasts (number); only the
        kinds that ran, no row where no window has ended yet.
    """
    window = Window(1, window_days)
    rows = []
    for cutoff in result.cutoffs:
        if cutoff + window_days >= panel.units.shape[1]:
            continue
        base = level(panel, cutoff)[panel.is_dc] * window_days
        actual = targets_at(panel, cutoff, start=1, length=window_days)[panel.is_dc]
        mean = result.forecaster_at(cutoff).model.mean(panel, cutoff, window)[panel.is_dc]
        shares = panel.promoted[:, panel.is_dc, cutoff + 1 : cutoff + 1 + window_days].mean(axis=2)
        display, mailer = shares[0] >= 0.25, shares[1] >= 0.25
        kind = np.select(
            [display & mailer, display, mailer], ["display and mailer", "display", "mailer"], "none"
        )
        rows.append(pd.DataFrame({"promotion": kind, "a": actual, "f": mean, "base": base}))
    columns = ["promotion", "a", "f", "base"]
    table = pd.concat([pd.DataFrame(columns=columns), *rows]).groupby("promotion").agg(
        a=("a", "sum"), f=("f", "sum"), base=("base", "sum"), forecasts=("a", "size")
    )  # fmt: skip
    table = table.assign(observed=table["a"] / table["base"], forecast=table["f"] / table["base"])
    order = [k for k in ("none", "display", "mailer", "display and mailer") if k in table.index]
    return table.loc[order, ["observed", "forecast", "forecasts"]].reset_index()


def panel_like(connection: Connection, parameters: Mapping[str, Any]) -> Panel:
    """The panel that a forecast run built, from the parameters in its manifest."""
    return build_panel(
        connection,
        dc=str(parameters["dc"]),
        minimum_days_dc=int(parameters["minimum_days_dc"]),
        minimum_days_store=int(parameters["minimum_days_store"]),
        max_series=int(parameters["max_series"]),
    )


def period_features(panel: Panel, *, period_days: int) -> pd.DataFrame:
    """What goes into the forecast, per series and period; the last period ends on the last day.

    Returns:
        item_id, location_id, period (0 is the oldest), units_per_day, days_without_sale,
        price_index (price over the series' median), display_share, mailer_share.
    """
    days = panel.units.shape[1]
    count = days // period_days
    start = days - count * period_days
    cut = (len(panel.series), count, period_days)
    units = panel.units[:, start:].reshape(cut)
    median = np.nanmedian(panel.price, axis=1)
    price = (panel.price[:, start:] / median[:, None]).reshape(cut)
    promoted = panel.promoted[:, :, start:days].reshape(2, *cut)
    keys = panel.series[[c.ITEM_ID, c.LOCATION_ID]]
    frame = keys.loc[keys.index.repeat(count)].reset_index(drop=True)
    return frame.assign(
        period=np.tile(np.arange(count), len(panel.series)),
        units_per_day=units.mean(axis=2).ravel(),
        days_without_sale=(units == 0).mean(axis=2).ravel(),
        price_index=price.mean(axis=2).ravel(),
        display_share=promoted[0].mean(axis=2).ravel(),
        mailer_share=promoted[1].mean(axis=2).ravel(),
    )
