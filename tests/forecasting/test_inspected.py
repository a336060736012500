"""Exponential smoothing of single items beside the forecast."""

import numpy as np
import pandas as pd
import pytest

from workbench.errors import ContractError
from workbench.forecasting import backtest, inspected
from workbench.forecasting.config import ForecastConfig


def with_weekly_demand(make_panel, days=200):
    panel = make_panel(series=2, days=days)
    noise = np.random.default_rng(8).normal(0, 0.5, days)
    panel.units[0] = np.maximum(np.tile([10, 2, 2, 2, 2, 6, 8], days // 7 + 1)[:days] + noise, 0)
    return panel


def test_a_weekly_season_is_carried_forward(make_panel):
    panel = with_weekly_demand(make_panel, days=203)  # ends with a whole week
    found = inspected.exponential_smoothing(panel, 0, days=14)
    assert found["mean"].to_numpy() == pytest.approx([10, 2, 2, 2, 2, 6, 8] * 2, abs=0.7)
    assert found["date"].iloc[0] == panel.last_day + pd.Timedelta(days=1)


def test_the_interval_holds_the_mean_and_is_not_negative(make_panel):
    found = inspected.exponential_smoothing(with_weekly_demand(make_panel), 0, days=7)
    assert (found["low"] <= found["mean"]).all()
    assert (found["mean"] <= found["high"]).all()
    assert (found["low"] >= 0).all()


def test_a_wider_probability_gives_a_wider_interval(make_panel):
    panel = with_weekly_demand(make_panel)
    narrow, wide = (inspected.exponential_smoothing(panel, 0, days=7, level=p) for p in (0.5, 0.95))
    assert ((wide["high"] - wide["low"]) > (narrow["high"] - narrow["low"])).all()


def test_a_series_shorter_than_four_weeks_is_refused(make_panel):
    panel = make_panel(series=2, days=20)
    with pytest.raises(ContractError, match=r"^series 1: 20 days; expected at least 28"):
        inspected.exponential_smoothing(panel, 1, days=7)


def test_both_methods_are_set_beside_what_sold(make_panel):
    config = ForecastConfig(trees=10, test_cutoffs=4, calibration_weeks=6, horizon_days=7)
    panel, days = make_panel(series=20, days=260), backtest.sampled_days(config)
    trial = backtest.backtest(panel, days, config, families=(), choose=False)
    start = trial.cutoffs[0]
    table = inspected.compare(panel, [1, 3], trial.forecaster_at(start), start, days=7)
    assert table["sold"].tolist() == panel.units[[1, 3], start + 1 : start + 8].sum(axis=1).tolist()
    assert (table[["rmsse_smoothing", "rmsse_ours"]] > 0).all(axis=None)
