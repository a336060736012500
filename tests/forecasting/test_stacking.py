"""Ensembles and hybrids: weights from the past only, errors out of sample."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from workbench.forecasting import protocol, stacking
from workbench.forecasting.calibrated import Counts
from workbench.forecasting.families import Stack
from workbench.forecasting.features import known_at
from workbench.forecasting.global_model import Window
from workbench.forecasting.hybrid import Hybrid, corrected_features
from workbench.forecasting.members import LightGBMMean, Naive, Rate, SlowMovers, training_cutoffs
from workbench.forecasting.protocol import Task
from workbench.forecasting.trial import try_families

LEVELS = np.array([0.1, 0.5, 0.9])
TASK = Task(windows=(Window(1, 7), Window(1, 14)), levels=LEVELS)


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(series=40, days=300)


def normal_quantiles(mean):
    return mean[:, None] + stats.norm.ppf(LEVELS)


def test_a_mixture_gives_all_to_the_member_that_is_right():
    rng = np.random.default_rng(1)
    mean = rng.normal(20, 5, 4000)
    actual = mean + rng.normal(size=4000)
    members = np.stack([normal_quantiles(mean), normal_quantiles(mean + 4)], axis=2)
    assert stacking.mixture(actual, members, LEVELS, np.ones(4000))[0] > 0.97


def test_a_mixture_of_opposite_errors_cancels_them():
    rng = np.random.default_rng(2)
    mean = rng.normal(20, 5, 4000)
    actual = mean + rng.normal(size=4000)
    members = np.stack([normal_quantiles(mean - 1), normal_quantiles(mean + 3)], axis=2)
    # 0.75 * (-1) + 0.25 * 3 = 0
    assert stacking.mixture(actual, members, LEVELS, np.ones(4000)) == pytest.approx(
        [0.75, 0.25], abs=0.03
    )


def test_dear_items_decide_the_weights():
    actual = np.tile([10.0, 20.0], 500)
    first, second = np.full((1000, 3), 10.0), np.full((1000, 3), 20.0)
    value = np.tile([1.0, 9.0], 500)
    members = np.stack([first, second], axis=2)
    assert stacking.mixture(actual, members, LEVELS, value)[1] > 0.9


def test_each_segment_chooses_its_own_member():
    count = 1200
    segment = np.repeat([0, 1], count // 2)
    actual = np.where(segment == 0, 10.0, 20.0)
    whole = [np.zeros(count, np.int64)] * 4
    case = Stack(*whole, segment, np.zeros(count), actual, actual)
    members = np.stack([np.full((count, 3), 10.0), np.full((count, 3), 20.0)], axis=2)
    weights = stacking.weights_by_segment(
        case, members, LEVELS, np.ones(count), choose=True, seed=1
    )
    assert weights[:2].tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("choose", [False, True])
def test_weights_do_not_change_with_what_comes_after_the_history(panel, choose):
    family = stacking.Ensemble((Naive(), SlowMovers("sba")), choose=choose)
    fitted = family.fit(protocol.known_by(panel, 250), TASK)
    changed = replace(panel, units=panel.units.copy())
    changed.units[:, 251:] = 99
    again = family.fit(protocol.known_by(changed, 250), TASK)
    assert again.weights.tolist() == fitted.weights.tolist()
    assert fitted.weights.sum(axis=1) == pytest.approx(1)


def test_an_ensemble_is_no_worse_than_its_worst_member_and_whole(panel):
    ensemble = stacking.Ensemble((Naive(), SlowMovers("sba")))
    each = {one.name: one for one in (Naive(), SlowMovers("sba"), ensemble)}
    trial = try_families(panel, each, [270, 277], TASK)
    loss = trial.scores(panel, TASK).set_index("model")["vw_pinball"]
    assert loss["stacked"] < loss["seasonal_naive"]
    quantiles = trial.judged["stacked"].quantiles
    assert (quantiles == quantiles.round()).all()


def test_a_hybrid_learns_promotions_that_its_base_cannot_know(panel):
    base = Rate("sba")
    each = {"seasonal_naive": Naive(), "base": Counts(base), "hybrid": Counts(Hybrid(base))}
    trial = try_families(panel, each, [265, 272, 279], TASK)
    loss = trial.scores(panel, TASK).set_index("model")["vw_pinball"]
    assert loss["hybrid"] < 0.9 * loss["base"]


def test_a_base_is_believed_within_limits_of_the_recent_level(panel):
    # Nearly nothing as an offset made boosting diverge on shop data: factors of a million.
    known, window = known_at(panel, 200), Window(1, 7)
    recent = known.level * 7
    for base, believed in ((0 * recent, 0.2 * recent), (99 * recent, 5 * recent)):
        _, offset = corrected_features(panel, 200, window, known, base)
        assert np.exp(offset) == pytest.approx(np.maximum(believed, 0.02 * 7), rel=1e-5)


def test_series_that_never_sold_teach_a_hybrid_nothing():
    units = np.random.default_rng(5).poisson(3.0, (40, 300)).astype(float)
    units[20:] = 0
    history = protocol.known_by(protocol.plain_panel(units), 290)
    hybrid = Hybrid(Rate("imapa"), trees=5)
    _, sold, _ = hybrid.rows_of(history, TASK)
    cutoffs = training_cutoffs(history, TASK)
    assert len(sold) == 20 * len(cutoffs) * 2
    assert sold.min() > 0


def test_the_errors_a_hybrid_learns_from_are_out_of_sample(panel):
    asked = []

    class Spy:
        name, good_for = "spy", "tests"

        def fit(self, history, task):
            known = history.units.shape[1] - 1

            class Fitted:
                def mean(self, history):
                    asked.append((known, history.units.shape[1] - 1))
                    return np.ones((len(history.units), 2))

            return Fitted()

    history = protocol.known_by(panel, 250)
    fitted = Hybrid(Spy(), trees=2, every=4).fit(history, TASK)
    assert len(asked) > 10
    assert all(known <= cutoff for known, cutoff in asked)
    assert max(cutoff for _, cutoff in asked) + TASK.reach <= 250
    fitted.mean(history)
    assert asked[-1] == (250, 250)


def test_a_trial_measures_every_family(panel):
    each = {one.name: one for one in (Naive(), Counts(LightGBMMean(trees=10)))}
    trial = try_families(panel, each, [270], TASK)
    assert trial.cost["lightgbm_counts"].cpu_seconds > trial.cost["seasonal_naive"].cpu_seconds
    assert len(trial.case.actual) == len(trial.judged["seasonal_naive"].quantiles) == 2 * 40
    assert trial.fitted["lightgbm_counts"].latest.serialised
