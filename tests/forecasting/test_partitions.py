"""A panel in parts, on two worker processes of a real scheduler."""

import numpy as np
import pandas as pd
import pytest

from workbench.adapters.dask_cluster import DaskWorkers
from workbench.forecasting import backtest, partitions
from workbench.forecasting.calibrated import Counts
from workbench.forecasting.config import ForecastConfig
from workbench.forecasting.features import features_at
from workbench.forecasting.global_model import Window
from workbench.forecasting.intermittent import METHODS
from workbench.forecasting.leaks import with_another_future
from workbench.forecasting.members import LightGBMDays, Naive, SlowMovers
from workbench.forecasting.protocol import Task, known_by
from workbench.forecasting.statistical import Statistical

TASK = Task((Window(1, 7), Window(3, 14)), np.array([0.1, 0.5, 0.95]))
PER_SERIES = [Naive(), Naive(seasonal=False), *map(SlowMovers, METHODS)]
TOLERANCE = 0.03  # of a loss, between a model trained by workers and one trained here


@pytest.fixture(scope="module")
def workers(scheduler):
    found = DaskWorkers.connect(scheduler, timeout=60)
    yield found
    found.close()


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(series=61)


@pytest.fixture(scope="module")
def parts(panel, workers):
    """The panel in seven parts of ten series or less, as if workers had hardly any memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partitions, "_LARGEST", 10)
        return partitions.spread(panel, workers)


@pytest.mark.parametrize("family", PER_SERIES, ids=lambda family: family.name)
def test_forecasts_by_workers_are_those_of_one_machine(panel, parts, family):
    here = family.fit(known_by(panel, 300), TASK).forecast(known_by(panel, 350))
    fitted = family.fit(known_by(parts, 300), TASK)
    assert None not in [partitions.share_of(fitted, span) for span in parts.parts.spans]
    there = partitions.ask(fitted, "forecast", known_by(parts, 350))
    assert np.array_equal(here.mean, there.mean)
    assert np.array_equal(here.quantiles, there.quantiles)


def test_models_of_single_series_are_fitted_where_these_lie(make_panel, workers):
    family, panel = Statistical("arima"), make_panel(series=6)
    parts = partitions.spread(panel, workers)
    here = family.fit(known_by(panel, 300), TASK).mean(known_by(panel, 350))
    there = partitions.ask(family.fit(known_by(parts, 300), TASK), "mean", known_by(parts, 350))
    assert np.array_equal(here, there)


def test_a_family_that_needs_all_series_is_computed_here(panel):
    fitted = Counts(LightGBMDays(trees=5, rows=2_000)).fit(known_by(panel, 300), TASK)
    assert partitions.share_of(fitted, slice(0, 10)) is None


def test_workers_know_no_later_day_than_the_history(parts):
    days = known_by(parts, 300).parts.map(lambda part: part.units.shape[1])
    assert days == [301] * 7
    assert with_another_future(parts, 300).parts is None


def test_features_of_a_part_are_those_of_the_panel(panel):
    whole = features_at(panel, 300, start=1, length=7)
    part = features_at(partitions.part_of(panel, slice(40, 60)), 300, start=1, length=7)
    assert np.array_equal(whole[40:60], part)


def test_a_model_trained_by_workers_is_as_accurate(make_panel, workers):
    # It sums in another order and draws other rows: equal up to the tolerance, not to the bit.
    config = ForecastConfig(trees=40, test_cutoffs=6, calibration_weeks=11, windows_days=[7, 14])
    panel, windows = make_panel(series=120), backtest.windows_of(config)
    parts = partitions.spread(panel, workers)
    one = backtest.backtest(panel, windows, config, families=())
    many = backtest.backtest(parts, windows, config, families=())
    ours, theirs = (r.scores.set_index("model")["vw_pinball"] for r in (one, many))
    assert theirs["lightgbm_counts"] == pytest.approx(ours["lightgbm_counts"], rel=TOLERANCE)
    assert theirs["lightgbm_counts"] < theirs["seasonal_naive"] == ours["seasonal_naive"]
    levels = np.array(config.quantiles)
    rows = [backtest.forecast_rows(p, many.final, 364, windows, levels) for p in (panel, parts)]
    pd.testing.assert_frame_equal(*rows)


def test_what_a_worker_raises_is_raised_here(parts):
    with pytest.raises(ZeroDivisionError):
        parts.parts.map(lambda part: 1 / 0)


def test_parts_are_as_small_as_memory_asks_for():
    # a quarter of a GiB at 100 bytes a series and day
    assert partitions.series_in_part(400, 1 << 30) == (1 << 28) // 40_000
    assert partitions.series_in_part(400, 1 << 40) == 20_000
    assert partitions.series_in_part(400, 1 << 10) == 1
