"""The sequence model: served without torch, trained only where torch is installed."""

import hashlib
from importlib.util import find_spec

import numpy as np
import pytest

from workbench.adapters.onnx_runtime import SequenceNetwork
from workbench.errors import ModelError
from workbench.forecasting import deep, deep_graph, deep_training, protocol
from workbench.forecasting.calibrated import Conformal
from workbench.forecasting.global_model import Window
from workbench.forecasting.leaks import check_no_leak
from workbench.forecasting.protocol import Task

LEVELS = np.array([0.1, 0.5, 0.9])
TASK = Task(windows=(Window(1, 7), Window(1, 14)), levels=LEVELS)
DILATIONS = (1, 2, 4, 8, 16)
TORCH = pytest.mark.skipif(find_spec("torch") is None, reason="torch (extra `deep`) is missing")


@pytest.fixture(scope="module")
def weights():
    rng = np.random.default_rng(3)
    return {
        name: rng.normal(0, 0.3, shape).astype(np.float32)
        for name, shape in deep_graph.shapes(3).items()
    }


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(series=24, days=260)


def by_hand(weights, past, ahead):
    """The network written out day by day: a convolution is a sum over earlier days."""
    state = past
    for place, dilation in enumerate(DILATIONS):
        kernel = weights[f"conv{place}"]
        made = np.zeros((len(past), kernel.shape[0], past.shape[2]))
        for day in range(past.shape[2]):
            for back in range(deep_graph.KERNEL):
                earlier = day - back * dilation
                if earlier >= 0:
                    tap = kernel[:, :, deep_graph.KERNEL - 1 - back]
                    made[:, :, day] += state[:, :, earlier] @ tap.T
        made = np.maximum(made + weights[f"conv{place}_bias"][None, :, None], 0)
        state = made + state if place else made
    joined = (state[:, :, -1] @ weights["past"])[:, None] + ahead @ weights["ahead"]
    hidden = np.maximum(joined + weights["join_bias"], 0)
    hidden = np.maximum(hidden @ weights["middle"] + weights["middle_bias"], 0)
    steps = np.log1p(np.exp(hidden @ weights["levels"] + weights["levels_bias"]))
    return np.cumsum(steps, axis=2)


def test_the_served_network_computes_what_its_weights_say(weights, panel):
    inputs = deep.inputs_at(panel, 200, TASK.windows)
    served = SequenceNetwork(deep_graph.onnx_of(weights))(inputs.past, inputs.ahead)
    assert served.shape == (24, 2, 3)
    assert served == pytest.approx(by_hand(weights, inputs.past, inputs.ahead), rel=1e-4)


def test_the_same_weights_give_the_same_bytes(weights):
    first, again = (deep_graph.onnx_of(weights) for _ in range(2))
    assert hashlib.sha256(first).digest() == hashlib.sha256(again).digest()
    assert len(first) < 200_000


@pytest.mark.parametrize(
    ("start", "length", "shares"),
    [(1, 1, [0, 1, 0, 0, 0, 0, 0]), (5, 1, [0, 0, 0, 0, 0, 1, 0]),
     (1, 7, [1 / 7] * 7), (6, 3, [1 / 3, 1 / 3, 0, 0, 0, 0, 1 / 3])],
)  # fmt: skip
def test_a_window_is_told_by_its_weekdays(start, length, shares):
    monday = protocol.plain_panel(np.ones((1, 8)), first_day="2024-01-01")
    found = deep.weekday_shares(monday, 0, Window(start, length))
    assert found == pytest.approx(shares)


def test_its_inputs_do_not_change_with_the_future(panel):
    check_no_leak(lambda p, k: deep.inputs_at(p, k, TASK.windows).past, panel, 200)
    check_no_leak(lambda p, k: deep.inputs_at(p, k, TASK.windows).ahead, panel, 200)


def test_a_stored_network_forecasts_through_the_protocol(weights, panel):
    data = deep_graph.onnx_of(weights)
    family = Conformal(deep.Deep(lambda history, task: data, SequenceNetwork))
    history = protocol.known_by(panel, 240)
    fitted = family.fit(history, TASK)
    protocol.checked(fitted.forecast(history), history, TASK, family="deep")
    assert fitted.latest.serialised == data


def test_bytes_that_are_no_network_are_refused():
    with pytest.raises(ModelError, match="sequence model: onnxruntime cannot load it"):
        SequenceNetwork(b"no network")


def test_a_network_for_other_inputs_is_refused(weights):
    network = SequenceNetwork(deep_graph.onnx_of(weights))
    past, ahead = np.zeros((2, 3, 50), np.float32), np.zeros((2, 1, deep.WIDTH), np.float32)
    with pytest.raises(ModelError, match=r"input 'past'.*given is \[2, 3, 50\]"):
        network(past, ahead)


@pytest.mark.skipif(find_spec("torch") is not None, reason="torch is installed")
def test_training_without_torch_says_what_to_install(panel):
    with pytest.raises(ModelError, match=r"torch is not installed.*extra `deep`"):
        deep_training.train(panel, TASK)


def test_a_sample_of_series_is_learned_from_as_all_of_them_are(panel):
    # Features that look at an item's category must not change with who else is in the sample.
    history = protocol.known_by(panel, 200)
    every, few = (
        deep_training.training_set(history, TASK, sequences=pairs)[0].ahead.reshape(-1, deep.WIDTH)
        for pairs in (10**6, 60)
    )
    assert 0 < len(few) < len(every)
    assert set(map(bytes, few)) <= set(map(bytes, every))


def test_before_training_it_says_what_is_usual():
    # Of demand spread evenly from 1 to 100 times the level, 10% lies below 10, half below 50.
    ratio = np.arange(1, 101, dtype=np.float32)[:, None]
    bias = deep_training.usual_steps(ratio, np.ones((100, 1)), LEVELS)
    assert np.cumsum(np.log1p(np.exp(bias))) == pytest.approx([10, 50, 90], rel=1e-5)


@TORCH
def test_the_same_seed_trains_the_same_bytes(panel):
    history = protocol.known_by(panel, 150)
    one, two = (deep_training.train(history, TASK, sequences=300, steps=20) for _ in range(2))
    assert one == two


@TORCH
def test_torch_and_the_served_file_compute_the_same(weights, panel):
    import torch

    inputs = deep.inputs_at(panel, 200, TASK.windows)
    tensors = {name: torch.from_numpy(value) for name, value in weights.items()}
    past, ahead = (torch.from_numpy(part) for part in (inputs.past, inputs.ahead))
    ours = deep_training.forward(torch, tensors, past, ahead).numpy()
    served = SequenceNetwork(deep_graph.onnx_of(weights))(inputs.past, inputs.ahead)
    assert served == pytest.approx(ours, rel=1e-4)


@TORCH
def test_training_learns_promotions(panel):
    # Demand doubles under promotion (see conftest): a fortnight of it must be expected higher.
    data = deep_training.train(protocol.known_by(panel, 240), TASK, sequences=4_000, steps=500)
    inputs = deep.inputs_at(panel, 240, TASK.windows)
    place = deep.AHEAD.index("display_ahead")
    shown, bare = inputs.ahead.copy(), inputs.ahead.copy()
    shown[:, :, place], bare[:, :, place] = 1, 0
    network = SequenceNetwork(data)
    lift = network(inputs.past, shown)[:, :, 1] / network(inputs.past, bare)[:, :, 1]
    assert 1.4 < np.median(lift) < 2.8


@TORCH
def test_few_series_are_not_learned_by_heart(panel):
    # Worse than a forecast of the mean so far, for every series alike over the recent level, would
    # be a network that has learned the noise of its few series, or not even their size.
    few = panel.of(range(12))
    network = SequenceNetwork(deep_training.train(protocol.known_by(few, 180), TASK))
    ours, usual = [], []
    for cutoff in range(180, 245, 7):
        inputs = deep.inputs_at(few, cutoff, TASK.windows)
        expected = network(inputs.past, inputs.ahead)[:, :, 1] * inputs.base
        sold = [few.units[:, cutoff + 1 : cutoff + 1 + w.length].sum(axis=1) for w in TASK.windows]
        ours.append(np.abs(expected - np.stack(sold, axis=1)).sum())
        usual.append(np.abs(inputs.base - np.stack(sold, axis=1)).sum())
    assert sum(ours) < sum(usual)
