"""The rolling-origin backtest and the forecast that follows from it."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from workbench.errors import ContractError
from workbench.forecasting import backtest, catalogue, members, views
from workbench.forecasting.config import ForecastConfig
from workbench.forecasting.global_model import GlobalModel, Window, fit_mean_model
from workbench.forecasting.leaks import check_no_leak
from workbench.forecasting.protocol import Task, known_by


def test_periods_do_not_overlap(make_panel):
    config = ForecastConfig()
    windows = backtest.windows_of(config)
    periods = backtest.periods_of(make_panel(series=2), windows, config)
    assert periods.reach == 21
    assert periods.calibrate[-1] + 21 <= periods.test[0]
    assert periods.learn[-1] + 21 <= periods.choose[0]
    assert max(periods.judged) + 21 <= 364
    assert len(periods.test) == 12
    assert set(np.diff(periods.test)) == {7}


def test_the_model_beats_seasonal_naive_on_noisy_demand(result):
    scores = result[2].scores.set_index("model")
    assert scores.loc["lightgbm_counts", "vw_pinball"] < scores.loc["seasonal_naive", "vw_pinball"]


def test_forecasts_are_whole_ordered_and_not_negative(result):
    panel, config, trial = result
    last = panel.units.shape[1] - 1
    rows = backtest.forecast_rows(
        panel, trial.final, last, backtest.windows_of(config), np.array(config.quantiles)
    )
    assert (rows["value"] >= 0).all()
    assert (rows["value"] == rows["value"].round()).all()
    keys = ["item_id", "location_id", "horizon_end"]
    assert (rows.groupby(keys)["value"].diff().dropna() >= 0).all()
    assert rows["horizon_start"].min() == panel.last_day + pd.Timedelta(days=1)


def test_longer_windows_expect_more(result):
    panel, _, trial = result
    last = panel.units.shape[1] - 1
    short = trial.final.quantiles(panel, last, Window(1, 7)).sum()
    assert trial.final.quantiles(panel, last, Window(1, 14)).sum() > short


def test_a_model_restored_from_its_bytes_forecasts_the_same(result):
    panel, _, trial = result
    again = GlobalModel.load(trial.final.model.serialised)
    window = Window(1, 14)
    assert again.mean(panel, 364, window) == pytest.approx(
        trial.final.model.mean(panel, 364, window)
    )


def test_the_same_seed_gives_the_same_forecast(result):
    panel, config, trial = result
    again = backtest.backtest(panel, backtest.windows_of(config), config, families=())
    assert again.final.model.serialised == trial.final.model.serialised
    keep = ["model", "vw_mape", "vw_pinball", "rmsse"]
    ours = [r.scores.set_index("model").loc["lightgbm_counts"] for r in (again, trial)]
    assert ours[0][keep[1:]].tolist() == ours[1][keep[1:]].tolist()


def test_a_forecast_does_not_change_when_the_future_does(result):
    panel, _, trial = result
    day = trial.cutoffs[0]
    forecaster = trial.forecaster_at(day)
    check_no_leak(lambda p, k: forecaster.quantiles(p, k, Window(1, 14)), panel, day)


def test_models_used_at_a_cutoff_were_trained_without_what_came_after(result):
    # Fitted on a panel that ends there, it is the same byte by byte.
    panel, config, trial = result
    first = trial.cutoffs[0]
    known = panel.until(panel.first_day + pd.Timedelta(days=first))
    cutoffs = range(backtest.HISTORY_DAYS, first - 14 + 1, backtest.STEP_DAYS)
    windows = backtest.windows_of(config)
    again = fit_mean_model(known, cutoffs, windows, trees=config.trees, seed=config.seed)
    assert again.serialised == trial.forecaster_at(first).model.serialised


def test_refits_take_over_at_their_cutoff(result):
    _, config, trial = result
    assert sorted(trial.forecasters) == list(trial.cutoffs)  # calibrated anew every week
    models = [trial.forecaster_at(cutoff).model for cutoff in trial.cutoffs]
    refitted = [0, *(k for k in range(1, len(models)) if models[k] is not models[k - 1])]
    assert refitted == list(range(0, len(models), config.refit_weeks))


def test_the_choice_is_made_before_the_test(result):
    _, _, trial = result
    assert set(trial.choice["model"]) == {backtest.CHOSEN, backtest.NAIVE, *backtest.FAMILIES}


def test_a_promotion_lifts_what_was_seen_and_what_was_forecast(result):
    panel, _, trial = result
    effect = views.promotion_effect(panel, trial, window_days=7).set_index("promotion")
    for column in ("observed", "forecast"):
        assert effect.loc["display", column] > 1.3 * effect.loc["none", column]


def test_a_history_too_short_is_refused(make_panel):
    config = ForecastConfig(windows_days=[21])
    with pytest.raises(ContractError, match="150 days of history; expected at least"):
        backtest.backtest(make_panel(days=150), backtest.windows_of(config), config)


def test_a_test_period_shorter_than_the_longest_window_is_refused(make_panel):
    config = ForecastConfig(windows_days=[42], test_cutoffs=4)
    with pytest.raises(ContractError, match=r"^test_cutoffs: 4 weeks, of which none"):
        backtest.periods_of(make_panel(series=2), backtest.windows_of(config), config)


@pytest.mark.parametrize(
    "wrong", [{"quantiles": [0.5, 1.0]}, {"windows_days": [1]}, {"trees": 0}, {"horizon": 7}]
)
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        ForecastConfig(**wrong)


def test_an_unknown_family_is_refused_before_any_work():
    with pytest.raises(ValidationError, match="no family is called 'prophet'; known: naive"):
        ForecastConfig(families=["tsb", "prophet"])


def test_every_family_that_is_tried_says_what_it_cost(result):
    trial = result[2]
    assert set(trial.cost["model"]) == set(trial.scores["model"])
    assert (trial.cost["cpu_seconds"] > 0).all()
    assert not (trial.cost["peak_mib"] < 0).any()


def test_a_family_of_ones_own_is_tried_beside_the_others(make_panel):
    config = ForecastConfig(trees=10, test_cutoffs=4, calibration_weeks=6, windows_days=[7])
    panel, windows = make_panel(series=20, days=260), backtest.windows_of(config)
    own = {"own": members.Naive(seasonal=False)}
    tried = backtest.backtest(panel, windows, config, families=(), own=own)
    assert set(tried.scores["model"]) == {backtest.CHOSEN, backtest.NAIVE, "own"}


@pytest.mark.parametrize("family", ["tsb", "lightgbm_quantiles"])
def test_any_family_makes_the_forecast(make_panel, family):
    config = ForecastConfig(
        family=family,
        trees=10,
        test_cutoffs=4,
        calibration_weeks=6,
        windows_days=[7],
        refit_weeks=2,
    )
    panel, windows = make_panel(series=60, days=290), backtest.windows_of(config)
    trial = backtest.backtest(panel, windows, config, families=(), choose=False)
    assert set(trial.scores["model"]) == {family, backtest.CHOSEN, backtest.NAIVE}
    assert trial.scores.set_index("model").loc[family, "vw_pinball_skill"] > 0.1
    # calibrated on its own past, it is so on the test cutoffs; with 240 outcomes, which promotions
    # move together, a share has a standard error of some four points
    assert (trial.calibration["pit"] - trial.calibration["level"]).abs().max() < 0.15
    assert len({id(trial.forecaster_at(cutoff).fitted) for cutoff in trial.cutoffs}) == 2
    rows = backtest.forecast_rows(panel, trial.final, 289, windows, np.array(config.quantiles))
    assert set(rows["model"]) == {family}
    assert (rows["value"] == rows["value"].round()).all()
    forecaster, day = trial.forecaster_at(trial.cutoffs[0]), trial.cutoffs[0]
    levels = np.array(config.quantiles)
    check_no_leak(lambda p, k: forecaster.quantiles_at(p, k, windows, levels)[:, 0], panel, day)


@pytest.mark.parametrize("name", ["imapa", "ets"])
def test_families_that_know_their_distribution_say_their_own_pit(make_panel, name):
    history = make_panel(series=40, days=230, share=0.0)
    task = Task(windows=(Window(1, 7),), levels=np.array([0.1, 0.5, 0.9]))
    known = known_by(history, 222)
    came = history.units[:, 223:230].sum(axis=1, keepdims=True).astype(float)
    fitted = catalogue.FAMILIES[name].fit(known, task)
    median = fitted.forecast(known).quantiles[:, 0, 1]
    pit = fitted.pit(known, came, seed=3)[:, 0]
    # what stays below the median has a PIT below one half, what exceeds it one above
    assert (pit[came[:, 0] < median] <= 0.5 + 1e-9).all()
    assert (pit[came[:, 0] > median] >= 0.5 - 1e-9).all()


def test_the_sequence_model_is_known_where_it_can_be_trained():
    if catalogue.can_train():
        assert ForecastConfig(family="deep").family == "deep"
    else:
        with pytest.raises(ValidationError, match="torch, which is not installed: add extra"):
            ForecastConfig(family="deep")
    assert ForecastConfig(families=["deep"]).families == ["deep"]  # tried where it can be
