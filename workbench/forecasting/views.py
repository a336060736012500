"""Small tables that the forecast notebook shows, cut out of panel and forecasts."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from workbench.contracts import columns as c
from workbench.contracts.printable import compared
from workbench.contracts.sites import distribution_centre
from workbench.forecasting import catalogue
from workbench.forecasting.backtest import Backtest
from workbench.forecasting.config import ForecastConfig
from workbench.forecasting.families import CHOSEN, QUANTILES
from workbench.forecasting.features import level, targets_at
from workbench.forecasting.panel import Connection, Panel, build_panel

CALIBRATED = 0.03  # miss of a level below which it counts as kept
_CLOSE = 0.01  # share of naive's loss: closer than this is no difference to choose by


def top_series(panel: Panel, count: int) -> list[int]:
    """Rows of the series with most revenue at the distribution centre, or anywhere without one."""
    revenue = panel.units.sum(axis=1) * panel.series["price"].to_numpy() * panel.widest
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


def families_reading(names: Collection[str], networks: Collection[str]) -> str:
    """Which family makes the forecast, and what cannot be tried here.

    Args:
        names: Of the families asked for, first the one that makes the forecast.
        networks: Names of the sequence models that can be trained.
    """
    made = next(iter(names))
    text = f"The forecast is made by {made}."
    if catalogue.DEEP in names and catalogue.DEEP not in networks:
        text += (
            f" Not tried: {catalogue.DEEP}, which is trained with torch, and torch is not installed"
            " here."
        )
    return text


def choice_reading(choice: pd.DataFrame, family: str = CHOSEN) -> str:
    """What the weeks before the test say in one sentence.

    Of the two uses of LightGBM where one of them makes the forecast, else of the family that does.
    """
    if choice.empty:
        return (
            "Too few weeks before the test to compare families there: nothing was chosen on them."
        )
    gain = choice.set_index("model")["vw_pinball_skill"]
    if QUANTILES not in gain or family != CHOSEN:
        ours = "counts lose" if family == CHOSEN else f"{family} loses"
        return (
            f"Before the test, {ours} {compared(-gain[family], decimals=1)} than seasonal naive;"
            f" the family that loses least is {choice['model'].iloc[0]}."
        )
    counts, quantiles = gain[CHOSEN], gain[QUANTILES]
    verdict = (
        "too close to call" if abs(counts - quantiles) < _CLOSE
        else "counts are ahead" if counts > quantiles else "the quantile objective is ahead"
    )  # fmt: skip
    return (
        f"Before the test, counts lose {compared(-counts, decimals=1)} than seasonal naive and the"
        f" quantile objective {compared(-quantiles, decimals=1)}: {verdict}."
    )


def families_tried(cost: pd.DataFrame) -> pd.DataFrame:
    """What the families that were tried are good for and what trying them cost, cheapest first.

    Args:
        cost: Of `Backtest`.

    Returns:
        model, cpu_seconds, peak_mib, good_for (empty for one that does not ship).
    """
    rows = cost.merge(catalogue.table(), how="left").fillna({"good_for": ""})
    ordered = rows.sort_values("cpu_seconds", ignore_index=True)
    return ordered[["model", "cpu_seconds", "peak_mib", "good_for"]].round({"peak_mib": 0})


def panel_reading(panel: Panel) -> str:
    """What the panel holds, in one sentence."""
    return (
        f"{len(panel.series):,} series, {int(panel.is_dc.sum()):,} of them at the distribution"
        f" centre, {panel.first_day:%Y-%m-%d} to {panel.last_day:%Y-%m-%d}; left out for another"
        f" reason: {len(panel.left_out):,}; demand recovered from stockouts:"
        f" {len(panel.recovered):,}"
    )


def recovered_reading(panel: Panel) -> str:
    """What demand was recovered from stockouts, by which rule, and the bias that it removed."""
    found = panel.recovered
    if found.empty:
        return "No day is known or inferred to have run out: what sold stands for demand."
    sold, demand = float(found["sold"].sum()), float(found["demand"].sum())
    whole = (demand - sold) / float(panel.units.sum(dtype=float))
    return (
        f"Told by {found['told_by'].iloc[0]}: {len(found):,} series ran out on"
        f" {int(found['hidden_days'].sum()):,} days. What sold is {1 - sold / demand:.1%} below"
        f" their demand, {whole:.2%} below that of all series; the most biased by"
        f" {-found['bias'].min():.0%}."
    )


def history_reading(asked: ForecastConfig, used: ForecastConfig, panel: Panel) -> str:
    """How much of the trial that was asked for the history allows, in one sentence."""
    days = panel.units.shape[1]
    if used == asked:
        return f"{days} days of history, enough for the trial as asked for."
    return (
        f"{days} days of history are short: tried on {used.test_cutoffs} weekly cutoffs instead of"
        f" {asked.test_cutoffs}, calibrated on {used.calibration_weeks} weeks instead of"
        f" {asked.calibration_weeks}. Trust the quantiles less."
    )


def calibration_reading(calibration: pd.DataFrame, segments: pd.DataFrame) -> str:
    """Whether the quantiles can be trusted, over all series and by segment, in one sentence."""
    gap = float((calibration["pit"] - calibration["level"]).abs().max())
    worst = (segments["pit"] - segments["level"]).abs().groupby(segments["segment"]).max()
    off = worst[worst > CALIBRATED]
    average = (
        f"Over all series calibration holds within {100 * gap:.1f} points"
        if gap <= CALIBRATED
        else f"Calibration does not hold: over all series it misses by up to {100 * gap:.1f} points"
    )
    if off.empty:
        return f"{average}, and within {100 * CALIBRATED:.0f} points in every segment."
    return (
        f"{average}; {len(off)} of {len(worst)} segments miss by more than"
        f" {100 * CALIBRATED:.0f}: {', '.join(off.sort_values(ascending=False).index[:4])}."
    )


def headline(panel: Panel, result: Backtest) -> str:
    """What was forecast, and how much better than seasonal naive on the test cutoffs."""
    best = result.scores.set_index("model").loc[result.family]
    centre, shops = int(panel.is_dc.sum()), int((~panel.is_dc).sum())
    forecast = f"{shops:,} items in single stores"
    if centre:
        forecast = f"{centre:,} items at the centre and {shops:,} in single stores"
    return (
        f"{forecast} forecast: {compared(-float(best['vw_mape_skill']))} value-weighted error and"
        f" {compared(-float(best['vw_pinball_skill']))} pinball loss than seasonal naive"
    )


def promotion_effect(panel: Panel, result: Backtest, *, window_days: int = 14) -> pd.DataFrame:
    """Demand over the recent level by kind of promotion ahead: observed and forecast.

    On windows of so many days, or the nearest that was forecast.

    Only the distribution centre, or all where there is none; a promotion counts when it runs in a
    quarter of stores or more.

    Returns:
        promotion, observed, forecast (demand over the recent level), forecasts (number); only the
        kinds that ran, no row where no window has ended yet.
    """
    window = min(result.final.windows, key=lambda one: abs(one.length - window_days))
    window_days, rows = window.length, []
    for cutoff in result.cutoffs:
        if cutoff + window_days >= panel.units.shape[1]:
            continue
        base = level(panel, cutoff)[panel.widest] * window_days
        actual = targets_at(panel, cutoff, start=1, length=window_days)[panel.widest]
        mean = result.forecaster_at(cutoff).point(panel, cutoff, [window])[panel.widest, 0]
        shares = panel.promoted[:, panel.widest, cutoff + 1 : cutoff + 1 + window_days].mean(axis=2)
        display, mailer = shares[0] >= 0.25, shares[1] >= 0.25
        kind = np.select(
            [display & mailer, display, mailer], ["display and mailer", "display", "mailer"], "none"
        )
        rows.append(pd.DataFrame({"promotion": kind, "a": actual, "f": mean, "base": base}))
    if not rows:
        return pd.DataFrame(columns=["promotion", "observed", "forecast", "forecasts"])
    table = pd.concat(rows).groupby("promotion").agg(
        a=("a", "sum"), f=("f", "sum"), base=("base", "sum"), forecasts=("a", "size")
    )  # fmt: skip
    table = table.assign(observed=table["a"] / table["base"], forecast=table["f"] / table["base"])
    order = [k for k in ("none", "display", "mailer", "display and mailer") if k in table.index]
    return table.loc[order, ["observed", "forecast", "forecasts"]].reset_index()


def evidence_in_words(evidence: pd.DataFrame) -> pd.DataFrame:
    """What each new item's forecast rests on, a row per item.

    Args:
        evidence: Of `cold_start.SimilarItems.evidence`.

    Returns:
        item_id, rests_on, expected (units of the window).
    """
    rows = []
    for item, groups in evidence.groupby(c.ITEM_ID, sort=False):
        told = [
            f"{weight:.0%} {kind} {name}{' (its own)' if own else ''}"
            for kind, name, own, weight in groups[["kind", "name", "own", "weight"]].to_numpy()
        ]
        rows.append((item, "; ".join(told), float(groups["expected"].iloc[0])))
    return pd.DataFrame(rows, columns=[c.ITEM_ID, "rests_on", "expected"])


def panel_like(connection: Connection, parameters: Mapping[str, Any]) -> Panel:
    """The panel that a forecast run built, from the parameters in its manifest."""
    locations = connection.execute("SELECT location_id, kind FROM locations").df()
    return build_panel(
        connection,
        dc=distribution_centre(locations, str(parameters["dc"])),
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
