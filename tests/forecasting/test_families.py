"""What families forecast from past cutoffs, in one order."""

import numpy as np
import pytest

from workbench.forecasting import families, intermittent
from workbench.forecasting.distribution import SPREAD_BANDS
from workbench.forecasting.families import Judged, Setting, Stack
from workbench.forecasting.global_model import Window

LEVELS = np.array([0.1, 0.5, 0.9])


@pytest.fixture(scope="module")
def setting(make_panel):
    return Setting(make_panel(series=30), (Window(1, 7), Window(1, 14)), LEVELS, seed=1)


def by_rate(setting, method):
    """Rate of a method times the days of a window."""

    def mean(cutoff, window, _):
        units = setting.panel.units[:, : cutoff + 1].astype(float)
        return intermittent.METHODS[method](units, [cutoff])[:, 0] * window.length

    return mean


def test_a_stack_sets_the_outcome_beside_its_forecast(setting):
    rates = by_rate(setting, "croston")
    case = families.stack(setting, [200, 207], rates)
    units = setting.panel.units
    assert len(case.actual) == 2 * 2 * 30
    assert case.actual[:30] == pytest.approx(units[:, 201:208].sum(axis=1))
    assert case.actual[90:] == pytest.approx(units[:, 208:222].sum(axis=1))
    assert case.cutoff.tolist() == [200] * 60 + [207] * 60
    assert case.length.tolist() == ([7] * 30 + [14] * 30) * 2


def test_a_rate_is_that_of_demand_up_to_the_cutoff_times_the_days(setting):
    case = families.stack(setting, [200], by_rate(setting, "sba"))
    rate = intermittent.sba_rates(setting.panel.units[:, :201].astype(float), [200])[:, 0]
    assert case.mean[30:] == pytest.approx(np.maximum(14 * rate, 1e-3))


def test_rows_of_cutoffs_are_found_and_joined(setting):
    case = families.stack(setting, [200, 207], by_rate(setting, "tsb"))
    again = case.at([200]).joined(case.at([207]))
    assert again.mean.tolist() == case.mean.tolist()
    assert Stack.of([case.at([207])]).cutoff.tolist() == [207] * 60
    assert len(case.at([1]).mean) == 0


def test_sites_and_windows_are_calibrated_apart(setting):
    short, long = (families.blocks(setting, window) for window in setting.windows)
    assert set(short[setting.panel.is_dc]) == {0}
    assert set(short[~setting.panel.is_dc]) == {1}
    assert (long == short + 2).all()


def test_days_of_the_horizon_are_calibrated_together(make_panel):
    days = Setting(make_panel(series=4), (Window(1, 1), Window(28, 1)), LEVELS, seed=1)
    first, last = (families.blocks(days, window) for window in days.windows)
    assert first.tolist() == last.tolist() == [1, 0, 1, 0]


def test_counts_calibrated_on_past_weeks_cover_what_they_say_in_later_ones(setting):
    rates = by_rate(setting, "croston")
    past = families.stack(setting, range(150, 250, 7), rates)
    later = families.stack(setting, range(270, 350, 7), rates)
    judged = families.count_family(families.learn(setting, past), later, seed=2)
    shares = [(judged.pit <= level).mean() for level in LEVELS]
    assert shares == pytest.approx(LEVELS.tolist(), abs=0.05)
    assert (later.actual[:, None] <= judged.quantiles).mean(axis=0)[-1] >= 0.87


def test_stretches_of_forecasts_join_in_order():
    one, two = (Judged(np.full(2, v), np.full((2, 3), v), np.full(2, v)) for v in (1.0, 2.0))
    joined = Judged.of([one, two])
    assert joined.mean.tolist() == [1, 1, 2, 2]
    assert joined.where(np.array([False, True, True, False])).quantiles.shape == (2, 3)


def test_groups_differ_by_block(setting):
    case = families.stack(setting, [200], by_rate(setting, "tsb"))
    assert (case.group // SPREAD_BANDS // 8 == case.block).all()
