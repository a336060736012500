"""The families that ship, behind the protocol."""

import numpy as np
import pytest

from workbench.errors import ContractError
from workbench.forecasting import catalogue, members, protocol, statistical
from workbench.forecasting.calibrated import Counts, past_cutoffs
from workbench.forecasting.global_model import Window
from workbench.forecasting.intermittent import sba_rates
from workbench.forecasting.protocol import Task

LEVELS = np.array([0.1, 0.5, 0.9])
TASK = Task(windows=(Window(1, 7), Window(1, 14)), levels=LEVELS)
LIGHT = ["naive", "seasonal_naive", "croston", "sba", "tsb", "adida", "imapa", "ets", "theta",
         "arima", "lightgbm_counts", "lightgbm_quantiles", "lightgbm_days"]  # fmt: skip


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(series=12, days=240)


@pytest.fixture(scope="module")
def history(panel):
    return protocol.known_by(panel, 220)


@pytest.fixture(scope="module")
def fitted(history):
    return {name: catalogue.FAMILIES[name].fit(history, TASK) for name in LIGHT}


@pytest.mark.parametrize("name", LIGHT)
def test_a_family_keeps_the_protocol(fitted, history, name):
    made = fitted[name].forecast(history)
    assert protocol.checked(made, history, TASK, family=name).quantiles.shape == (12, 2, 3)


@pytest.mark.parametrize("name", LIGHT)
def test_a_family_forecasts_from_later_days_too(fitted, panel, name):
    later = protocol.known_by(panel, 227)
    made = fitted[name].forecast(later)
    assert protocol.checked(made, later, TASK, family=name)
    assert not np.array_equal(made.mean, fitted[name].forecast(protocol.known_by(panel, 220)).mean)


@pytest.mark.parametrize("name", ["ets", "tsb", "lightgbm_counts", "lightgbm_quantiles"])
def test_the_same_seed_gives_the_same_forecast(fitted, history, name):
    again = catalogue.FAMILIES[name].fit(history, TASK).forecast(history)
    assert again.quantiles.tolist() == fitted[name].forecast(history).quantiles.tolist()


def test_seasonal_naive_repeats_the_last_week(history):
    made = members.Naive().fit(history, TASK).forecast(history)
    week = history.units[:, -7:].sum(axis=1)
    assert made.mean[:, 0] == pytest.approx(week)
    assert made.mean[:, 1] == pytest.approx(2 * week)


def test_naive_repeats_the_last_day(history):
    made = members.Naive(seasonal=False).fit(history, TASK).forecast(history)
    assert made.mean[:, 1] == pytest.approx(14 * history.units[:, -1])


def test_months_repeat_the_same_month_of_last_year():
    units = np.arange(48.0)[None, :] % 12
    months = Task((Window(1, 3),), LEVELS, season=12, spacing=1, start=12)
    made = members.Naive().fit(protocol.plain_panel(units), months)
    assert made.forecast(protocol.plain_panel(units)).mean.tolist() == [[0 + 1 + 2]]


def test_a_rate_is_that_of_demand_up_to_the_cutoff_times_the_days(history):
    mean = members.Rate("sba").fit(history, TASK).mean(history)
    units = history.units.astype(float)
    rate = sba_rates(units, [units.shape[1] - 1])[:, 0]
    assert mean == pytest.approx(np.stack([7 * rate, 14 * rate], axis=1))


def test_exponential_smoothing_is_that_of_statsmodels(history):
    # The second algorithm: ETS(A,N,A) estimated by statsmodels.
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    mean = statistical.Statistical("ets").fit(history, TASK).mean(history)
    fast = int(history.units.sum(axis=1).argmax())
    model = ETSModel(history.units[fast].astype(float), seasonal="add", seasonal_periods=7)
    week = model.fit(disp=False).forecast(7).sum()
    assert mean[fast, 0] == pytest.approx(week, rel=0.05)


@pytest.mark.parametrize(
    "row", [np.zeros(120), np.full(120, 3.0), np.r_[np.full(110, np.nan), 1:11]]
)
def test_a_series_that_cannot_be_estimated_is_forecast_by_its_mean(row):
    panel = protocol.plain_panel(np.stack([row, np.arange(120.0) % 7]))
    mean = statistical.Statistical("theta").fit(panel, TASK).mean(panel)
    known = row[np.isfinite(row)][-28:]
    assert mean[0, 0] == pytest.approx(7 * known.mean())
    assert mean[1, 0] == pytest.approx(21, abs=1.5)


def test_calibration_sees_parameters_that_were_estimated_before_it(history):
    seen = []

    class Spy:
        name, good_for = "spy", "tests"

        def fit(self, history, task):
            seen.append(history.units.shape[1] - 1)
            return members.Rate("sba").fit(history, task)

    Counts(Spy()).fit(history, TASK)
    assert seen == [past_cutoffs(history, TASK)[0], 220]


def test_cutoffs_let_the_longest_window_end_as_often_as_asked(history):
    cutoffs = past_cutoffs(history, TASK)
    assert cutoffs[-1] == 220 - 7
    assert sum(cutoff + 14 <= 220 for cutoff in cutoffs) == TASK.cutoffs


def test_a_history_too_short_to_calibrate_is_refused(make_panel):
    with pytest.raises(ContractError, match=r"history: 110 periods.*expected 120 or more"):
        past_cutoffs(make_panel(series=2, days=110), TASK)


def test_an_unknown_family_is_refused_by_name():
    with pytest.raises(ContractError, match="family 'prophet': unknown; expected one of naive"):
        catalogue.families(["naive", "prophet"])


def test_every_family_says_what_it_is_good_for():
    table = catalogue.table()
    assert set(LIGHT) < set(table["model"])
    assert table["good_for"].str.len().min() > 20


def test_quantiles_are_calibrated_where_there_are_only_single_shops():
    units = np.random.default_rng(2).poisson(3.0, (12, 240))
    shops = protocol.plain_panel(units)  # no location stands for all shops
    made = catalogue.FAMILIES["lightgbm_quantiles"].fit(shops, TASK).forecast(shops)
    median = protocol.checked(made, shops, TASK, family="own").quantiles[:, 0, 1]
    assert median.mean() == pytest.approx(21, abs=2)  # seven days of three
