"""One forecast that adds up: stores and elsewhere to items, days to weeks, points and paths."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.contracts import checks, tables
from workbench.forecasting import backtest, coherent, horizons, paths, temporal
from workbench.forecasting.config import ForecastConfig
from workbench.forecasting.global_model import Window

DAYS, LEVELS = 28, np.array([0.1, 0.5, 0.9, 0.95])
CONFIG = paths.PathConfig(paths=40, block=17)


@pytest.fixture(scope="module")
def panel(make_sites):
    """30 items at the centre, 20 of them in one store too, and 10 items in a store alone."""
    return make_sites(centre=30, shared=20, alone=10)


@pytest.fixture(scope="module")
def made(panel):
    config = ForecastConfig(trees=20, test_cutoffs=6, calibration_weeks=9, windows_days=[7, 14])
    trials = [
        backtest.backtest(panel, windows, config, families=())
        for windows in (backtest.sampled_days(config), backtest.windows_of(config))
    ]
    return *coherent.coherent_forecast(panel, *trials, days=DAYS, lengths=[7, 14]), trials


@pytest.fixture(scope="module")
def sampled(made):
    found = np.zeros((60, DAYS, CONFIG.paths))
    for rows, values in made[0].series_paths(CONFIG):
        found[rows] = values
    return found


def test_what_an_item_sells_is_what_its_store_and_elsewhere_sell(panel, made):
    sites = made[0].sites
    units = sites.tree.sums(sites.units(panel))
    assert units[sites.node] == pytest.approx(panel.units)
    assert units[0] == pytest.approx(panel.units[:30].sum(axis=0) + panel.units[50:].sum(axis=0))
    assert int(sites.elsewhere.sum()) == 30


def test_points_add_up_over_sites_and_over_time(made):
    found = made[0]
    bottom = found.mean[found.sites.tree.nodes("series")]
    assert found.mean == pytest.approx(found.sites.tree.sums(bottom))
    assert (bottom >= 0).all()
    weeks = temporal.summed(found.mean, temporal.whole_windows(DAYS, 7))
    assert weeks.sum(axis=1) == pytest.approx(temporal.summed(found.mean, [Window(1, 28)])[:, 0])


def test_reconciled_windows_lie_between_those_of_days_and_windows(panel, made):
    _, _, (daily, windows) = made
    last = panel.units.shape[1] - 1
    given = coherent.before(panel, daily.final, windows.final, days=DAYS, lengths=[14])
    ours = given.base[given.sites.node][:30, :14].sum(axis=1)
    each = [Window(day, 1) for day in range(1, DAYS + 1)]
    days = daily.final.forecast(panel, last, each).mean[:30, :14].sum(axis=1)
    window = windows.final.forecast(panel, last, [Window(1, 14)]).mean[:30, 0]
    # one window with the variance of its 14 days: it moves the sum half of the way (28 / 56)
    assert ours == pytest.approx((days + window) / 2, rel=1e-6)


def test_paths_are_whole_and_an_item_is_its_store_and_elsewhere_in_each(made, sampled):
    assert (sampled == sampled.round()).all()
    assert sampled.min() == 0
    assert (sampled[:20] >= sampled[30:50]).all()
    bottom = np.concatenate([values for _, values in made[0].blocks(CONFIG)])
    item = made[0].sites.tree.matrix[made[0].sites.tree.nodes("item")]
    sums = (item @ bottom.reshape(len(bottom), -1)).reshape(-1, DAYS, CONFIG.paths)
    place = made[0].sites.node[:30] - made[0].sites.tree.nodes("item").start
    assert (sampled[:30] == sums[place]).all()


def test_paths_have_the_reconciled_means(made, sampled):
    mean = made[0].of_series()
    # each bottom series to half a unit over the number of paths; an item has two of them
    assert sampled.mean(axis=2) == pytest.approx(mean, abs=2 * 0.5 / CONFIG.paths + 1e-9)


def test_windows_of_paths_are_those_forecast_as_windows(panel, made, sampled):
    # Forecast as windows by another model from its own past errors: same demand, same quantiles but
    # for the error of both. With 100 paths a 90% quantile of one sum has a standard error of 1.7
    # points of level; over 60 series what is left is the models' difference.
    _, _, (_, windows) = made
    last = panel.units.shape[1] - 1
    direct = windows.final.quantiles(panel, last, Window(1, 14))
    levels = windows.final.distribution.levels
    ours = paths.quantiles_of(sampled[:, :14].sum(axis=1), LEVELS)
    theirs = direct[:, np.searchsorted(levels, LEVELS)]
    ratio = ours.sum(axis=0) / theirs.sum(axis=0)
    assert ratio == pytest.approx(np.ones(4), abs=0.06)


def test_levels_are_weighed_by_the_errors_of_their_own_forecasts(panel, made):
    _, _, (daily, windows) = made
    cutoff = daily.cutoffs[0]
    past = panel.until(panel.first_day + pd.Timedelta(days=cutoff))
    one = coherent.before(
        past, daily.forecaster_at(cutoff), windows.forecaster_at(cutoff), days=DAYS, lengths=[14]
    )
    items = one.sites.tree.nodes("item")
    came = one.sites.tree.sums(one.sites.units(panel)[:, cutoff + 1 : cutoff + 1 + DAYS])[items]
    known = np.isfinite(one.base[items]).all(axis=1)
    error = (came - one.base[items]).sum(axis=1)[known] ** 2 / DAYS
    found = coherent.error_ratios([one], panel)
    assert found[2] == pytest.approx(error.sum() / one.variance[items][known].sum())
    assert coherent.error_ratios([], panel).tolist() == [1, 1, 1, 1]


def test_the_comparison_names_levels_with_a_forecast_of_their_own(made):
    table = made[1]
    assert table["level"].tolist() == ["total", "category", "item", "series"]
    assert table["nodes"].iloc[-1] == 60
    assert (table[["alone", "from_below", "reconciled"]] < 1).all(axis=None)


def test_rows_keep_the_contracts_and_say_what_they_serve(panel, made):
    seen = horizons.look_ahead(made[0], LEVELS, config=CONFIG, items=3)
    months, _ = horizons.month_rows(made[0], months_ahead=3, levels=LEVELS, config=CONFIG)
    final = made[2][1].final
    levels = final.distribution.levels
    windows = backtest.forecast_rows(panel, final, 364, [Window(1, 14)], levels)
    assert set(windows["serves"]) == {"replenishment"}
    asked = [windows, seen.rows, months]
    every = horizons.serving(asked, ["tactical", "strategic"]).to_pandas()
    assert set(every["serves"]) == {"tactical", "strategic"}
    text = {name: every[name].astype(str) for name in ("model", "item_id", "location_id", "serves")}
    every = every.assign(run_id="r", **text)
    told = pd.concat(asked)[lambda rows: rows["serves"].isin(["tactical", "strategic"])]
    pd.testing.assert_frame_equal(every[told.columns], told.reset_index(drop=True))
    assert horizons.serving([windows], ["tactical"]).num_rows == 0
    checks.check_frame(every, tables.contract("forecasts"), where="here")
    checks.check_frame(
        seen.paths.assign(run_id="r"), tables.contract("forecast_paths"), where="here"
    )
    ends = every.loc[every["serves"] == "strategic", "horizon_end"].drop_duplicates()
    assert ((ends - panel.last_day).dt.days).sort_values().tolist() == [28, 56, 84]


def test_kept_paths_are_those_drawn_and_bounded(panel, made, sampled):
    seen = horizons.look_ahead(made[0], LEVELS, config=CONFIG, items=3)
    keys = panel.series.reset_index()[["index", "item_id", "location_id"]]
    rows = seen.paths.merge(keys)
    assert rows["item_id"].nunique() == 3
    assert len(rows) <= rows["index"].nunique() * CONFIG.paths * DAYS
    dense = np.zeros_like(sampled)
    day = (rows["date"] - panel.last_day).dt.days - 1
    dense[rows["index"], day, rows["path"]] = rows["quantity"]
    kept = rows["index"].unique()
    assert (dense[kept] == sampled[kept]).all()
    last = rows[rows["date"] == panel.last_day + pd.Timedelta(days=DAYS)]
    assert len(last) == len(kept) * CONFIG.paths  # an empty path still has its last day


def test_all_demand_together_is_counted_once(made, sampled):
    seen = horizons.look_ahead(made[0], LEVELS, config=CONFIG, items=0)
    assert seen.total == pytest.approx(sampled[:30].sum(axis=0) + sampled[50:].sum(axis=0))
    assert horizons.total_table(seen)["days"].tolist() == [1, 7, 28]


def test_a_run_names_the_decisions_that_it_serves():
    said = horizons.decisions(["strategic", "tactical"])
    assert said == (
        "This run serves tactical: what to pick, staff and expedite in the coming days; strategic:"
        " contracts, capacity and budgets of the coming months."
    )


def test_a_business_without_a_centre_and_with_little_demand_adds_up_too(panel, made):
    _, _, (daily, windows) = made
    few = [30, 50, 55]
    shop = replace(
        panel, series=panel.series.iloc[few].reset_index(drop=True), units=panel.units[few],
        price=panel.price[few], promoted=panel.promoted[:, few], is_dc=np.zeros(3, dtype=bool),
    )  # fmt: skip
    given = coherent.before(shop, daily.final, windows.final, days=DAYS, lengths=[14])
    found = coherent.coherent(given, coherent.error_ratios([], shop))
    seen = horizons.look_ahead(found, LEVELS, config=CONFIG, items=0)
    assert found.mean[0] == pytest.approx(found.of_series().sum(axis=0))
    assert seen.total.mean(axis=1) == pytest.approx(found.mean[0], abs=3 * 0.5 / CONFIG.paths)
    assert seen.paths.empty
