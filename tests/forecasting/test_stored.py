"""Fitted families go on record as plain bytes, and come back as they were."""

import io
import zipfile

import numpy as np
import pytest

from workbench.adapters.onnx_runtime import SequenceNetwork
from workbench.errors import ModelError
from workbench.forecasting import catalogue, deep, deep_graph, protocol, stored
from workbench.forecasting.calibrated import Conformal
from workbench.forecasting.forecaster import FamilyForecaster, asked_for
from workbench.forecasting.global_model import Window
from workbench.forecasting.protocol import Task

TASK = Task(windows=(Window(1, 7), Window(1, 14)), levels=np.array([0.1, 0.5, 0.9]), cutoffs=4)
KINDS = ["seasonal_naive", "tsb", "ets", "theta", "arima", "lightgbm_quantiles", "hybrid_imapa",
         "best_by_segment"]  # fmt: skip


@pytest.fixture(scope="module")
def history(make_panel):
    return protocol.known_by(make_panel(series=12, days=230), 215)


@pytest.mark.parametrize("name", KINDS)
def test_a_family_opened_again_forecasts_the_same(history, name):
    fitted = catalogue.FAMILIES[name].fit(history, TASK)
    data = stored.archive(fitted)
    again = stored.restored(data)
    ours, theirs = (one.forecast(history) for one in (fitted, again))
    assert np.array_equal(ours.quantiles, theirs.quantiles)
    assert np.array_equal(ours.mean, theirs.mean)
    assert stored.archive(again) == data


def test_a_network_is_opened_by_what_serves_it(history):
    rng = np.random.default_rng(3)
    weights = {name: rng.normal(0, 0.3, shape).astype(np.float32)
               for name, shape in deep_graph.shapes(3).items()}  # fmt: skip
    data = deep_graph.onnx_of(weights)
    fitted = Conformal(deep.Deep(lambda history, task: data, SequenceNetwork)).fit(history, TASK)
    kept = stored.archive(fitted)
    names = zipfile.ZipFile(io.BytesIO(kept)).namelist()
    assert [name.rpartition(".")[2] for name in names] == ["json", "onnx"]
    again = stored.restored(kept, serve=SequenceNetwork)
    assert np.array_equal(again.forecast(history).quantiles, fitted.forecast(history).quantiles)
    with pytest.raises(ModelError, match="holds a network; expected what serves it"):
        stored.restored(kept)


def test_bytes_that_are_no_archive_are_refused():
    with pytest.raises(ModelError, match="stored family: cannot be opened"):
        stored.restored(b"no archive")


def test_what_has_no_plain_form_is_refused():
    with pytest.raises(ModelError, match="a part of type 'object' has no plain form"):
        stored.archive(object())


@pytest.mark.parametrize("name", ["sba", "ets", "lightgbm_quantiles", "seasonal_naive"])
def test_asked_for_one_window_a_family_says_what_it_says_among_all(history, name):
    fitted = catalogue.FAMILIES[name].fit(history, TASK)
    every = fitted.forecast(history).quantiles
    last = history.units.shape[1] - 1
    made = FamilyForecaster(name, fitted, TASK)
    for place, window in enumerate(TASK.windows):
        one = made.quantiles_at(history, last, [window], TASK.levels)
        assert np.array_equal(one[:, 0], every[:, place])
    between = made.quantiles_at(history, last, TASK.windows[:1], np.array([0.5, 0.7, 0.9]))[:, 0]
    assert (np.diff(between) >= 0).all()


def test_other_days_of_a_fitted_length_need_no_fit_of_their_own(history):
    task = Task(windows=(Window(1, 1), Window(5, 1)), levels=TASK.levels, cutoffs=4)
    fitted = catalogue.FAMILIES["ets"].fit(history, task)
    days = [Window(day, 1) for day in range(1, 8)]
    found = asked_for(fitted, days).forecast(history).mean
    assert found.shape == (12, 7)
    assert np.array_equal(found[:, [0, 4]], fitted.forecast(history).mean)
