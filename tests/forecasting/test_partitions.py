"""A panel in parts, on two worker processes of a real scheduler."""

import numpy as np
import pytest

from workbench.adapters.dask_cluster import DaskWorkers
from workbench.forecasting import backtest, families, partitions
from workbench.forecasting.config import ForecastConfig
from workbench.forecasting.families import RATES, Setting
from workbench.forecasting.features import features_at
from workbench.forecasting.global_model import Window

WINDOWS = (Window(1, 7), Window(3, 14))
LEVELS = np.array([0.1, 0.5, 0.95])
CUTOFFS = (250, 300)
TOLERANCE = 0.03  # of a loss, between a model trained by workers and one trained here


@pytest.fixture(scope="module")
def workers(scheduler):
    found = DaskWorkers.connect(scheduler, timeout=60)
    yield found
    found.close()


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(series=121)


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of ten series, as if workers had hardly any memory."""
    monkeypatch.setattr(partitions, "_LARGEST", 10)


def _settings(panel, workers):
    parts = partitions.spread(panel, workers)
    return Setting(panel, WINDOWS, LEVELS, 1), Setting(panel, WINDOWS, LEVELS, 1, parts)


@pytest.mark.parametrize("name", RATES)
def test_rates_by_workers_are_those_of_one_machine(panel, workers, small_parts, name):
    here, there = _settings(panel, workers)
    assert len(there.parts.places) == 13
    one = families.stack(here, CUTOFFS, families.mean_by_rate(here, name))
    many = families.stacked(there, CUTOFFS, lambda setting: families.mean_by_rate(setting, name))
    for ours, theirs in zip(one._parts, many._parts, strict=True):
        assert np.array_equal(ours, theirs)


def test_seasonal_naive_by_workers_is_that_of_one_machine(panel, workers, small_parts):
    here, there = (families.naive_family(one, CUTOFFS) for one in _settings(panel, workers))
    assert np.array_equal(here.mean, there.mean)
    assert np.array_equal(here.quantiles, there.quantiles)


def test_features_of_a_part_are_those_of_the_panel(panel):
    whole = features_at(panel, 300, start=1, length=7)
    part = features_at(partitions.part_of(panel, slice(40, 60)), 300, start=1, length=7)
    assert np.array_equal(whole[40:60], part)


def test_a_model_trained_by_workers_is_as_accurate(panel, workers):
    # It sums in another order and draws other rows: equal up to the tolerance, not to the bit.
    config = ForecastConfig(trees=40, test_cutoffs=6, calibration_weeks=11, windows_days=[7, 14])
    windows = backtest.windows_of(config)
    parts = partitions.spread(panel, workers)
    one = backtest.backtest(panel, windows, config, families=())
    many = backtest.backtest(panel, windows, config, families=(), parts=parts)
    losses = [r.scores.set_index("model")["vw_pinball"] for r in (one, many)]
    assert losses[1]["lightgbm_counts"] == pytest.approx(
        losses[0]["lightgbm_counts"], rel=TOLERANCE
    )
    assert losses[1]["lightgbm_counts"] < 0.97 * losses[1]["seasonal_naive"]
    last = panel.units.shape[1] - 1
    levels = np.array(config.quantiles)
    rows = backtest.forecast_rows(panel, many.final, last, windows, levels)
    spread = backtest.forecast_rows(panel, many.final, last, windows, levels, parts=parts)
    assert spread.equals(rows)


def test_what_a_worker_raises_is_raised_here(panel, workers):
    parts = partitions.spread(panel, workers)
    with pytest.raises(ZeroDivisionError):
        parts.map(lambda part: 1 / 0)


def test_parts_are_as_small_as_memory_asks_for():
    # a quarter of a GiB at 100 bytes a series and day
    assert partitions.series_in_part(400, 1 << 30) == (1 << 28) // 40_000
    assert partitions.series_in_part(400, 1 << 40) == 20_000
    assert partitions.series_in_part(400, 1 << 10) == 1


def test_joined_parts_keep_the_order_of_turns():
    turns = [np.array([1, 2, 5, 6]), np.array([3, 7])]
    assert partitions._interleaved(turns, [2, 1]).tolist() == [1, 2, 3, 5, 6, 7]
