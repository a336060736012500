"""Months that add up: over stores, elsewhere, items and categories, in points and in each path."""

import numpy as np
import pytest

from workbench.forecasting import coherent, coherent_months, horizons, paths, temporal
from workbench.forecasting.months import monthly

MONTHS, CONFIG = 4, paths.PathConfig(paths=40, block=7)


@pytest.fixture(scope="module")
def panel(make_sites):
    """20 items at the centre, 10 of them in one store too, and 5 items in a store alone."""
    return make_sites(centre=20, shared=10, alone=5)


@pytest.fixture(scope="module")
def made(panel):
    sites = coherent.sites_of(panel)
    return coherent_months.coherent_months(sites, panel, months=MONTHS, count=CONFIG.paths)


@pytest.fixture(scope="module")
def sampled(made):
    found = np.full((35, MONTHS, CONFIG.paths), np.nan)
    for rows, values in made.series_paths(CONFIG):
        found[rows] = values
    return found


def test_expected_months_add_up_from_series_to_the_total(made):
    tree = made.sites.tree
    bottom = made.mean[tree.nodes("series")]
    assert (bottom >= 0).all()
    assert made.mean == pytest.approx(tree.sums(bottom))
    assert made.mean[0] == pytest.approx(made.mean[tree.nodes("category")].sum(axis=0))


def test_months_by_themselves_do_not_add_up_and_reconciled_ones_stay_near(made):
    tree = made.sites.tree
    own = tree.sums(made.base[tree.nodes("series")])
    known = np.isfinite(made.base).all(axis=1)
    assert np.abs(own - made.base)[known].max() > 1
    assert made.mean[0] == pytest.approx(made.base[0], rel=0.1)


def test_an_item_sells_what_its_store_and_elsewhere_sell_in_every_path(made, sampled):
    assert np.isfinite(sampled).all()
    assert (sampled == sampled.round()).all()
    tree = made.sites.tree
    bottom = np.concatenate([values for _, values in made.blocks(CONFIG)])
    items = tree.matrix[tree.nodes("item")] @ bottom.reshape(len(bottom), -1)
    place = made.sites.node[:20] - tree.nodes("item").start
    assert (sampled[:20].reshape(20, -1) == items[place]).all()
    assert (sampled[:10] >= sampled[20:30]).all()


def test_paths_have_the_reconciled_means(made, sampled):
    mean = made.mean[made.sites.node]
    assert sampled.mean(axis=2) == pytest.approx(mean, abs=2 * 0.5 / CONFIG.paths + 1e-9)


def test_written_quantiles_are_those_of_the_paths(panel, made, sampled):
    days = coherent.Coherent(made.sites, made.base[:, :0], np.zeros((len(made.base), 28)), panel,
                             None)  # fmt: skip
    levels = np.array([0.1125, 0.5125, 0.8875])  # of the 5th, 21st and 36th of 40 paths
    rows, _ = horizons.month_rows(days, months_ahead=MONTHS, levels=levels, config=CONFIG)
    keys = panel.series.reset_index()[["index", "item_id", "location_id"]]
    table = rows.merge(keys).sort_values(["index", "horizon_start", "quantile"])
    expected = np.sort(sampled[:, 1:], axis=2)[:, :, [4, 20, 35]]
    assert table["value"].to_numpy() == pytest.approx(expected.ravel())
    ends = (table["horizon_end"] - panel.last_day).dt.days
    assert sorted(ends.unique()) == [28 * month for month in range(2, MONTHS + 1)]


def test_months_that_moved_together_in_the_past_spread_together():
    # A shock of 30% that all series share for a month: the total of 200 series spreads by about
    # 0.3, of independent ones by less than 0.01.
    rng = np.random.default_rng(3)
    shock = np.repeat(np.exp(rng.normal(0, 0.3, 26)), 28)
    units = rng.poisson(5 * shock, (200, len(shock))).astype(float)
    own = np.quantile(monthly(units), paths.path_levels(40), axis=1).T
    samples = np.repeat(own[:, None], 2, axis=1)
    labels = [str(i) for i in range(200)]
    ((_, found),) = paths.path_blocks(
        units, labels, lambda rows: samples[rows], paths.PathConfig(paths=40), days=2, span=28
    )
    total = found.sum(axis=0)
    assert (total.std(axis=1) / total.mean(axis=1) > 0.15).all()


def test_a_history_too_short_for_months_gives_none(panel):
    short = panel.until(panel.first_day + np.timedelta64(99, "D"))
    found = coherent_months.coherent_months(coherent.sites_of(short), short, months=4, count=20)
    assert found.months == 0
    assert "shorter than 6 months" in found.reading
    days = coherent.Coherent(found.sites, found.base, np.zeros((len(found.base), 28)), short, None)
    rows, _ = horizons.month_rows(days, months_ahead=4, levels=np.array([0.5]), config=CONFIG)
    assert rows.empty


def test_windows_of_months_reach_as_far_as_history_does():
    # 12 months known, 13 asked for: eight windows a week apart hold (336 - 28 - 49) // 28 = 9
    units = np.random.default_rng(1).poisson(5.0, (3, 336)).astype(float)
    samples = np.sort(np.random.default_rng(2).poisson(140, (3, 13, 30)), axis=-1).astype(float)
    config = paths.PathConfig(paths=30)
    ((_, found),) = paths.path_blocks(
        units, "abc", lambda rows: samples[rows], config, days=13, span=temporal.MONTH_DAYS
    )
    assert np.sort(found, axis=-1) == pytest.approx(samples)
    order = np.argsort(np.argsort(found + 1e-6 * np.arange(30), axis=-1), axis=-1)
    assert np.corrcoef(order[0, 8], order[0, 12])[0, 1] > 0.99
