"""Trains the sequence model with torch on the processor (extra `deep`); the same seed, same bytes.

Loss is the pinball loss of demand over the recent level, times the square root of that level:
halfway between counting series and counting units, so that the few that sell most do not decide
alone. What is known ahead is standardised for training; mean and spread are folded into the
weights, so that the file that is served takes it as it is.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.errors import ModelError
from workbench.forecasting.deep import Inputs, inputs_at
from workbench.forecasting.deep_graph import DILATIONS, KERNEL, onnx_of, shapes
from workbench.forecasting.features import targets_at
from workbench.forecasting.members import training_cutoffs
from workbench.forecasting.panel import Panel
from workbench.forecasting.protocol import Task

Array = npt.NDArray[np.float64]
Array32 = npt.NDArray[np.float32]
SEQUENCES = 20_000  # most pairs of series and cutoff to learn from
EPOCHS = 6
_BATCH = 256
_RATE = 3e-3


def train(history: Panel, task: Task, *, sequences: int = SEQUENCES, epochs: int = EPOCHS) -> bytes:
    """Train on past cutoffs whose windows have ended; gives the bytes of an ONNX file.

    Args:
        history: Up to the last day that may be known.
        task: Windows, levels and seed.
        sequences: Most pairs of series and cutoff to learn from.
        epochs: Passes over them.

    Raises:
        ModelError: torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise ModelError(
            "family 'deep': torch is not installed; training needs it, forecasting with a trained"
            " model does not: install the extra `deep`, or open a stored model."
        ) from error
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # more threads sum in another order
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(task.seed)
    try:
        inputs, ratio = training_set(history, task, sequences=sequences)
        return onnx_of(_trained(torch, inputs, ratio, task, epochs))
    finally:
        torch.set_num_threads(before)


def training_set(history: Panel, task: Task, *, sequences: int) -> tuple[Inputs, Array32]:
    """Inputs of past cutoffs and demand over the recent level, shape (pairs, windows)."""
    cutoffs = training_cutoffs(history, task)
    rng = np.random.default_rng(task.seed)
    share = min(1.0, sequences / (len(cutoffs) * len(history.units)))
    parts = []
    for cutoff in cutoffs:
        chosen = np.flatnonzero(rng.random(len(history.units)) < share)
        found = inputs_at(history, cutoff, task.windows)
        sold = np.stack(
            [
                targets_at(history, cutoff, start=window.start, length=window.length)
                for window in task.windows
            ],
            axis=1,
        )
        parts.append((found.past[chosen], found.ahead[chosen], found.base[chosen], sold[chosen]))
    past, ahead, base, sold = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Inputs(past, ahead, base), (sold / base).astype(np.float32)


def forward(torch: Any, weights: dict[str, Any], past: Any, ahead: Any) -> Any:
    """The network of `deep_graph.py` on torch tensors."""
    layers, state = torch.nn.functional, past
    for place, dilation in enumerate(DILATIONS):
        padded = layers.pad(state, (dilation * (KERNEL - 1), 0))
        bias = weights[f"conv{place}_bias"]
        made = layers.relu(layers.conv1d(padded, weights[f"conv{place}"], bias, dilation=dilation))
        state = made + state if place else made
    joined = (state[:, :, -1] @ weights["past"] + weights["join_bias"])[:, None]
    hidden = layers.relu(joined + ahead @ weights["ahead"])
    hidden = layers.relu(hidden @ weights["middle"] + weights["middle_bias"])
    steps = layers.softplus(hidden @ weights["levels"] + weights["levels_bias"])
    return torch.cumsum(steps, dim=2)


def _trained(
    torch: Any, inputs: Inputs, ratio: Array32, task: Task, epochs: int
) -> dict[str, Array32]:
    """Weights after all epochs, for inputs as they are."""
    flat = inputs.ahead.reshape(-1, inputs.ahead.shape[2])
    centre, spread = flat.mean(axis=0), flat.std(axis=0) + 1e-3
    weights = _start(torch, len(task.levels))
    total = epochs * -(-len(ratio) // _BATCH)
    optimiser = torch.optim.AdamW(weights.values(), lr=_RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=_RATE, total_steps=total)
    data = [
        torch.from_numpy(np.ascontiguousarray(part, dtype=np.float32))
        for part in (inputs.past, (inputs.ahead - centre) / spread, ratio,
                     np.sqrt(inputs.base / inputs.base.mean()))
    ]  # fmt: skip
    levels = torch.tensor(task.levels, dtype=torch.float32)
    for rows in _batches(len(ratio), epochs, task.seed):
        past, ahead, target, weight = (part[rows] for part in data)
        error = target[:, :, None] - forward(torch, weights, past, ahead)
        loss = torch.maximum(levels * error, (levels - 1) * error).mean(dim=2)
        optimiser.zero_grad()
        (loss * weight).mean().backward()
        torch.nn.utils.clip_grad_norm_(weights.values(), 1.0)
        optimiser.step()
        schedule.step()
    result = {name: value.detach().numpy().copy() for name, value in weights.items()}
    result["join_bias"] -= (centre / spread) @ result["ahead"]
    result["ahead"] /= spread[:, None]
    return result


def _start(torch: Any, levels: int) -> dict[str, Any]:
    """Random weights of every shape, biases zero."""
    weights = {}
    for name, shape in shapes(levels).items():
        value = torch.zeros(shape)
        if not name.endswith("_bias"):
            fan = shape[1] * shape[2] if len(shape) == 3 else shape[0]
            value = torch.randn(shape) * (1 / fan) ** 0.5
        weights[name] = value.requires_grad_(True)
    return weights


def _batches(count: int, epochs: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(count)
        for start in range(0, count, _BATCH):
            yield order[start : start + _BATCH]
