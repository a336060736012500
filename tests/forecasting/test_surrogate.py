"""A surrogate repeats a family whose forecast has no contributions of its own."""

import numpy as np
import pytest

from workbench.forecasting import backtest, surrogate
from workbench.forecasting.config import ForecastConfig
from workbench.forecasting.features import features_at, known_at


@pytest.fixture(scope="module")
def trial(make_panel):
    config = ForecastConfig(
        family="tsb", trees=40, test_cutoffs=6, calibration_weeks=6, windows_days=[7, 14]
    )
    panel = make_panel(series=120, days=300, lift=1.0)
    windows = backtest.windows_of(config)
    return panel, backtest.backtest(panel, windows, config, families=(), choose=False)


def test_it_repeats_the_family_and_says_how_well(trial):
    panel, result = trial
    found = surrogate.fit_surrogate(panel, result, trees=40, seed=1)
    last = panel.units.shape[1] - 1
    window = result.final.windows[1]
    theirs = result.final.mean(panel, last, [window])[:, 0]
    ours = found.model.mean(panel, last, window)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.95
    # the recent level alone, which it starts from, is a worse copy than the surrogate
    level = known_at(panel, last).level * window.length
    assert np.abs(ours - theirs).sum() < np.abs(level - theirs).sum()
    assert 0 < found.missed < 0.25
    assert "repeats tsb" in found.reading


def test_its_contributions_sum_to_what_it_expects(trial):
    panel, result = trial
    model = surrogate.fit_surrogate(panel, result, trees=20, seed=1).model
    last, window = panel.units.shape[1] - 1, result.final.windows[0]
    raw, units = model.contributions(panel, last, window)
    x = features_at(panel, last, start=window.start, length=window.length)
    assert raw.sum(axis=1) == pytest.approx(model.booster.predict(x, raw_score=True), abs=1e-5)
    assert np.exp(raw.sum(axis=1)) * units == pytest.approx(model.mean(panel, last, window))


def test_which_model_is_explained_follows_from_the_family():
    assert surrogate.explained_file({}) == "demand-windows.txt"
    assert surrogate.explained_file({"family": "ets"}) == surrogate.FILE
    assert "made by ets" in surrogate.explained_reading({"family": "ets"})
