"""Joint sample paths against sums, ranks and distributions worked out by another route."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from workbench.errors import ContractError
from workbench.forecasting import paths
from workbench.forecasting.hierarchy import hierarchy

DAYS, PATHS = 14, 120


def poisson_case(*, common=0.0, series=6, history=420, seed=0):
    """Poisson demand; `common` is the size of a shock that all series share for weeks."""
    rng = np.random.default_rng(seed)
    rate = rng.uniform(1, 6, series)
    shock = np.repeat(rng.normal(0, 1, history // 14 + 1), 14)[:history]
    units = rng.poisson(rate[:, None] * np.exp(common * shock - common**2 / 2))
    levels = paths.path_levels(PATHS)
    own = stats.poisson.ppf(levels[None, None], rate[:, None, None])
    return units, rate, np.broadcast_to(own, (series, DAYS, PATHS)).astype(float)


def draw(units, samples, *, block=1_000, mean=None, seed=1, count=PATHS):
    config = paths.PathConfig(paths=count, seed=seed, block=block)
    labels = [f"item {i}" for i in range(len(units))]
    found = list(
        paths.path_blocks(units, labels, lambda rows: samples[rows], config, days=DAYS, mean=mean)
    )
    return np.concatenate([values for _, values in found])


def test_each_day_keeps_its_own_distribution():
    units, _, samples = poisson_case(common=0.5)
    assert np.sort(draw(units, samples), axis=-1) == pytest.approx(samples)


def test_paths_rank_as_past_demand_lay_above_its_level():
    # Distinct past values and as many paths as templates: ranks are those of scipy's rankdata.
    rng = np.random.default_rng(4)
    units = rng.gamma(2, 3, (3, 28 + DAYS + 7 * 19))
    origins = paths.template_origins(units.shape[1] - 1, DAYS, most=20)
    samples = np.sort(rng.normal(50, 9, (3, DAYS, 20)), axis=-1)
    config = paths.PathConfig(paths=20, most=20)
    ((_, found),) = paths.path_blocks(units, "abc", lambda rows: samples[rows], config, days=DAYS)
    past = np.stack(
        [np.sqrt(units[:, o + 1 : o + 1 + DAYS] + 0.5)
         - np.sqrt(units[:, o - 27 : o + 1].mean(axis=1) + 0.5)[:, None] for o in origins],
        axis=-1,
    )  # fmt: skip
    assert (stats.rankdata(found, axis=-1) == stats.rankdata(past, axis=-1)).all()


def test_past_launches_in_all_stores_do_not_tie_stores_that_sell_as_ever():
    # 30 items in 8 stores, independent Poisson days; until some day each item sold in no store.
    # Sums over stores have the sum of the variances, but for windows that began in the first weeks
    # of sale. Ratios to the level before made it five times the sum.
    rng = np.random.default_rng(6)
    launched = np.repeat(rng.integers(150, 250, 30), 8)[:, None]
    units = rng.poisson(3.0, (240, 420)) * (np.arange(420) >= launched)
    own = stats.poisson.ppf(paths.path_levels(PATHS), 3.0)
    found = draw(units, np.broadcast_to(own, (240, DAYS, PATHS)).copy())
    items = found.reshape(30, 8, DAYS, PATHS)
    ratio = items.sum(axis=1).var(axis=-1).mean() / items.var(axis=-1).sum(axis=1).mean()
    assert ratio == pytest.approx(1, abs=0.2)


def test_sums_of_independent_days_spread_as_much_as_a_level_of_28_days_is_uncertain():
    # Poisson days, independent, less the mean of the 28 days before: variance rate (1 + 1 / 28), of
    # which two days of a window share rate / 28. That is a correlation of 1 / 29; each day keeps
    # its own variance, the rate. Days alone, as quantiles give them, leave the correlation out.
    units, rate, samples = poisson_case(series=300)
    total = draw(units, samples).sum(axis=1)
    assert total.mean(axis=1) == pytest.approx(DAYS * samples.mean(axis=(1, 2)))
    ratio = total.var(axis=1) / (DAYS * rate)
    assert ratio.mean() == pytest.approx(1 + (DAYS - 1) / 29, abs=0.06)


def test_what_moves_all_days_and_series_together_widens_their_sums():
    units, _, samples = poisson_case(common=0.5, series=200)
    found = draw(units, samples)
    shuffled = np.random.default_rng(0).permuted(found, axis=-1)
    days, series = found.sum(axis=1).var(axis=1), found.sum(axis=0).var(axis=1)
    assert (days > 2 * shuffled.sum(axis=1).var(axis=1)).mean() > 0.95
    assert series.mean() > 10 * shuffled.sum(axis=0).var(axis=1).mean()


def test_neither_blocks_nor_other_series_change_a_path():
    units, _, samples = poisson_case(common=0.3)
    whole = draw(units, samples)
    assert (draw(units, samples, block=4) == whole).all()
    assert (draw(units[:2], samples[:2]) == whole[:2]).all()
    assert (draw(units, samples, seed=2) != whole).any()


def test_every_node_is_the_sum_of_its_series_path_by_path():
    units, _, samples = poisson_case(common=0.3)
    keys = pd.DataFrame({"group": list("aabbbb"), "item": range(6)})
    tree = hierarchy(keys, {"total": [], "group": ["group"], "item": ["item"]})
    bottom = draw(units, samples)
    found = paths.upper_paths(
        tree, [(slice(0, 4), bottom[:4]), (slice(4, 6), bottom[4:])], days=DAYS, paths=PATHS
    )
    assert (found[0] == bottom.sum(axis=0)).all()
    assert (found[1:] == [bottom[:2].sum(axis=0), bottom[2:].sum(axis=0)]).all()


def test_moved_samples_are_whole_ordered_and_have_the_mean_asked_for():
    rng = np.random.default_rng(5)
    samples = np.sort(rng.poisson(1.3, (40, 5, 100)), axis=-1).astype(float)
    mean = rng.uniform(0, 4, (40, 5))
    found = paths.moved_to(samples, mean)
    assert (found == found.round()).all()
    assert (np.diff(found, axis=-1) >= 0).all()
    assert found.min() == 0
    assert found.mean(axis=-1) == pytest.approx(mean, abs=0.5 / 100 + 1e-9)


def test_samples_of_nothing_take_the_mean_in_their_highest():
    found = paths.moved_to(np.zeros((1, 2, 10)), np.array([[0.3, 2.0]]))
    assert found[0, 0].tolist() == [0] * 7 + [1] * 3
    assert found[0, 1].mean() == 2


def test_fractions_stay_fractions_where_units_are_not_whole():
    samples = np.array([[[1.0, 2.0, 3.0]]])
    found = paths.moved_to(samples, np.array([[3.0]]), whole=np.array([False]))
    assert found[0, 0].tolist() == [1.5, 3.0, 4.5]


def test_samples_lie_on_the_line_between_quantiles():
    quantiles, levels = np.array([[0.0, 10.0, 30.0]]), np.array([0.1, 0.5, 0.9])
    # 0.25 is three eighths of the way from 0.1 to 0.5, 0.75 five eighths of that to 0.9
    assert paths.samples_at(quantiles, levels, 2)[0] == pytest.approx([3.75, 22.5])
    assert paths.samples_at(quantiles, levels, 20)[0, [0, -1]].tolist() == [0, 30]


def test_quantiles_of_paths_are_those_of_numpys_hazen():
    values = np.random.default_rng(2).gamma(2, 3, (5, 100))
    levels = np.array([0.005, 0.13, 0.5, 0.95, 0.995])
    exact = np.quantile(values, levels, axis=1, method="hazen").T
    assert paths.quantiles_of(values, levels) == pytest.approx(exact)


def test_short_histories_use_windows_of_any_weekday_and_then_are_refused():
    weekly = paths.template_origins(419, 28, most=52)
    assert weekly[0] == 391
    assert set(np.diff(weekly)) == {-7}
    assert set(np.diff(paths.template_origins(79, 28, most=52))) == {-1}
    with pytest.raises(ContractError, match="50 days of history; expected at least 56"):
        paths.template_origins(49, 28, most=52)
