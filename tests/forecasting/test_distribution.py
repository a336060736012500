"""Count distributions learned from past errors, against scipy's negative binomial."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from workbench.forecasting.distribution import (
    CountDistribution,
    count_group,
    error_between,
    fit_distribution,
    raised,
)

LEVELS = [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99]


def zeros(count):
    return np.zeros(count, dtype=np.int64)


def learn(actual, mean, group=None, segment=None):
    group = zeros(len(mean)) if group is None else group
    segment = zeros(len(mean)) if segment is None else segment
    return fit_distribution(
        actual, mean, group, segment, groups=int(group.max()) + 1, segments=2, levels=LEVELS, seed=1
    )


@given(st.floats(0.05, 80), st.floats(0.02, 1.5), st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_count_quantiles_equal_those_of_the_negative_binomial(mean, dispersion, seed):
    size = 1 / dispersion
    draw = np.random.default_rng(seed)
    actual = draw.negative_binomial(size, size / (size + mean), 4_000).astype(float)
    means = np.full(4_000, mean)
    found = learn(actual, means).quantiles(means[:1], zeros(1), zeros(1))[0]
    exact = stats.nbinom.ppf(LEVELS, size, size / (size + mean))
    spread = np.sqrt(mean + dispersion * mean**2)
    assert np.abs(found - exact).max() <= 1 + 0.6 * spread
    assert (found == np.round(found)).all()
    assert (np.diff(found) >= 0).all()


def test_randomised_pit_of_the_true_distribution_is_uniform():
    rng = np.random.default_rng(2)
    mean = rng.gamma(1, 2, 20_000) + 0.1
    actual = rng.negative_binomial(2, 2 / (2 + mean)).astype(float)
    past, new = np.split(np.arange(len(mean)), 2)
    learned = learn(actual[past], mean[past])
    pit = learned.randomised_pit(actual[new], mean[new], zeros(len(new)), zeros(len(new)), seed=3)
    shares = np.array([(pit <= level).mean() for level in LEVELS])
    assert np.abs(shares - LEVELS).max() < 0.015


def test_randomised_pit_lies_between_the_steps_of_the_distribution():
    # Dispersion 0.5 is size 2; at mean 2 success is 1/2: P(0) = 1/4, P(≤ 1) = 1/2, P(≤ 2) = 11/16.
    levels = np.array([0.5])
    as_they_are = levels[None, :]
    known = CountDistribution(
        np.array([0.5]), np.ones(1), levels, as_they_are, as_they_are, drift=np.ones(1)
    )
    steps = {0.0: (0, 0.25), 1.0: (0.25, 0.5), 2.0: (0.5, 0.6875)}
    for actual, (low, high) in steps.items():
        many = np.full(200, actual)
        pit = known.randomised_pit(many, np.full(200, 2.0), zeros(200), zeros(200), seed=1)
        assert low <= pit.min() < low + 0.02
        assert high - 0.02 < pit.max() <= high


def test_past_bias_is_removed():
    actual = np.random.default_rng(0).poisson(12, 3_000).astype(float)
    learned = learn(actual, np.full(3_000, 10.0))
    assert learned.scale[0] == pytest.approx(1.2, abs=0.02)


def test_a_segment_that_its_group_gets_wrong_is_put_right():
    # One group, means alike: half of it sells 14, half 6, what the mean of 10 hides.
    rng = np.random.default_rng(4)
    segment = np.repeat([0, 1], 4_000)
    actual = rng.poisson(np.where(segment == 0, 14, 6)).astype(float)
    mean = np.full(8_000, 10.0)
    learned = learn(actual, mean, segment=segment)
    medians = learned.quantiles(np.full(2, 10.0), zeros(2), np.array([0, 1]))[:, LEVELS.index(0.5)]
    assert medians == pytest.approx(stats.poisson.ppf(0.5, [14, 6]), abs=1)


def test_a_segment_with_few_forecasts_is_left_as_its_group():
    rng = np.random.default_rng(5)
    actual, segment = rng.poisson(10, 2_000).astype(float), zeros(2_000)
    segment[:50] = 1
    learned = learn(actual, np.full(2_000, 10.0), segment=segment)
    assert learned.asked[1] == pytest.approx(LEVELS)


def test_a_group_with_few_forecasts_learns_from_all():
    rng = np.random.default_rng(6)
    actual, group = rng.negative_binomial(1, 0.1, 3_000).astype(float), zeros(3_000)
    group[:20] = 7
    learned = learn(actual, np.full(3_000, 9.0), group=group)
    assert learned.dispersion[7] > 0.5


def test_groups_by_size_and_spread():
    mean, spread = np.array([0.2, 100.0, 0.2]), np.array([0.0, 0.0, 2.0])
    groups = count_group(mean, spread, zeros(3))
    assert len(set(groups.tolist())) == 3
    assert set(count_group(mean, spread, zeros(3) + 1)).isdisjoint(groups)


def test_the_latest_outcomes_move_the_mean_of_their_segment_alone():
    # Demand of segment 1 rises by a tenth in the latest quarter; a fifth of that is not believed.
    rng = np.random.default_rng(4)
    segment, recent = np.arange(40_000) % 2, np.arange(40_000) >= 30_000
    actual = rng.poisson(np.where(recent & (segment == 1), 11.0, 10.0)).astype(float)
    scale_free = fit_distribution(
        actual, np.full(40_000, 10.0), zeros(40_000), segment, groups=6, segments=2,
        levels=LEVELS, seed=1, recent=recent,
    )  # fmt: skip
    scale = actual.sum() / 400_000
    expected = [(r / scale + 0.25) / 1.25 for r in (1.0, 1.1)]
    assert scale_free.drift == pytest.approx(expected, abs=0.01)
    plain = scale_free.quantiles(np.full(2, 10.0), zeros(2), np.array([0, 1]))
    assert (plain[1] >= plain[0]).all()
    assert plain[1].sum() > plain[0].sum()


def test_more_levels_leave_the_others_as_they_are():
    draw = np.random.default_rng(3)
    means = np.full(3_000, 4.0)
    learned = learn(draw.negative_binomial(1, 1 / 6, 3_000).astype(float), means)
    more = learned.at_levels(np.array([0.5, 0.83, 0.995]))
    assert more.levels.tolist() == sorted([*LEVELS, 0.83, 0.995])
    found = more.quantiles(means[:1], zeros(1), zeros(1))[0]
    assert found[np.isin(more.levels, LEVELS)].tolist() == (
        learned.quantiles(means[:1], zeros(1), zeros(1))[0].tolist()
    )
    assert found[-1] >= found[-2]


def test_the_error_between_clusters_is_that_of_their_shares():
    # shares at or below 0.5 of 0, 1/2 and 1: deviation 1/2, three clusters that do not overlap
    pit = np.array([0.9, 0.8, 0.1, 0.7, 0.2, 0.3])
    cluster = np.array([0, 0, 1, 1, 2, 2])
    found = error_between(pit, cluster, np.array([0.5]), independent=3.0)
    assert found == pytest.approx([0.5 / np.sqrt(3)])
    alone = error_between(pit, zeros(6), np.array([0.5]), independent=1.0)
    assert alone.tolist() == [0]


def test_raised_levels_are_those_of_higher_quantiles():
    mean = np.full(4_000, 5.0)
    fitted = learn(np.random.default_rng(2).poisson(mean).astype(float), mean)
    by = np.zeros((1, len(LEVELS)))
    by[0, LEVELS.index(0.5)] = 0.25
    found = raised(fitted, by).quantiles(mean[:1], zeros(1), zeros(1))[0]
    before = fitted.quantiles(mean[:1], zeros(1), zeros(1))[0]
    assert found[LEVELS.index(0.5)] == before[LEVELS.index(0.75)] > before[LEVELS.index(0.5)]
    assert found[LEVELS.index(0.9)] == before[LEVELS.index(0.9)]
