"""Trains the sequence model with torch on the processor (extra `deep`); the same seed, same bytes.

Loss is the pinball loss of demand over the recent level, times the square root of that level:
halfway between counting series and counting units, so that the few that sell most do not decide
alone. What is known ahead is standardised for training; mean and spread are folded into the
weights, so that the file that is served takes it as it is.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.errors import ModelError
from workbench.forecasting.deep import Inputs, inputs_at
from workbench.forecasting.deep_graph import KERNEL, LAYERS, STRIDE, onnx_of, shapes
from workbench.forecasting.features import targets_at
from workbench.forecasting.members import training_cutoffs
from workbench.forecasting.panel import Panel
from workbench.forecasting.protocol import Task

Array = npt.NDArray[np.float64]
Array32 = npt.NDArray[np.float32]
SEQUENCES = 60_000  # most pairs of series and cutoff to learn from
FEW = 20_000  # where the usual cutoffs give half of so many pairs, every period is one
STEPS = 4_000  # most updates of the weights
PASSES = 8  # most of them over the same pairs: more learn few series by heart
_BATCH = 64
_CALM = 0.3  # of the last layer's random weights: training starts close to what is usual
_LEAST_STEP = 0.01  # between quantiles of what is usual, over the recent level
_RATE = 3e-3


def train(history: Panel, task: Task, *, sequences: int = SEQUENCES, steps: int = STEPS) -> bytes:
    """Train on past cutoffs whose windows have ended; gives the bytes of an ONNX file.

    Args:
        history: Up to the last day that may be known.
        task: Windows, levels and seed.
        sequences: Most pairs of series and cutoff to learn from.
        steps: Most updates of the weights.

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
        return onnx_of(_trained(torch, inputs, ratio, task, steps))
    finally:
        torch.set_num_threads(before)


def training_set(history: Panel, task: Task, *, sequences: int) -> tuple[Inputs, Array32]:
    """Inputs of past cutoffs and demand over the recent level, shape (pairs, windows)."""
    cutoffs = _cutoffs(history, task, min(FEW, sequences))
    rng = np.random.default_rng(task.seed)
    share = min(1.0, sequences / (len(cutoffs) * len(history.units)))
    parts = []
    for cutoff in cutoffs:
        chosen = _some(history, np.flatnonzero(rng.random(len(history.units)) < share))
        found = inputs_at(chosen, cutoff, task.windows)
        ended = [
            targets_at(chosen, cutoff, start=window.start, length=window.length)
            for window in task.windows
        ]
        parts.append((found.past, found.ahead, found.base, np.stack(ended, axis=1)))
    past, ahead, base, sold = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Inputs(past, ahead, base), (sold / base).astype(np.float32)


def _some(history: Panel, rows: npt.NDArray[np.int64]) -> Panel:
    """Some series, with the demand of their whole categories."""
    whole = history.by_category
    return replace(history.of(rows.tolist()), categories=replace(whole, codes=whole.codes[rows]))


def _cutoffs(history: Panel, task: Task, few: int) -> list[int]:
    """Those of `training_cutoffs`; every period where they give half of `few` pairs, or fewer."""
    cutoffs = training_cutoffs(history, task)
    if 2 * len(cutoffs) * len(history.units) <= few:
        return list(range(cutoffs[0], cutoffs[-1] + 1))
    return cutoffs


def forward(torch: Any, weights: dict[str, Any], past: Any, ahead: Any) -> Any:
    """The network of `deep_graph.py` on torch tensors."""
    layers, state = torch.nn.functional, past
    for place in range(LAYERS):
        kernel, bias = weights[f"conv{place}"], weights[f"conv{place}_bias"]
        made = layers.relu(layers.conv1d(state, kernel, bias, stride=STRIDE))
        state = made + state[:, :, KERNEL - 1 :: STRIDE] if place else made
    joined = (state[:, :, 0] @ weights["past"] + weights["join_bias"])[:, None]
    hidden = layers.relu(joined + ahead @ weights["ahead"])
    hidden = layers.relu(hidden @ weights["middle"] + weights["middle_bias"])
    steps = layers.softplus(hidden @ weights["levels"] + weights["levels_bias"])
    return torch.cumsum(steps, dim=2)


def _trained(
    torch: Any, inputs: Inputs, ratio: Array32, task: Task, steps: int
) -> dict[str, Array32]:
    """Weights after all updates, for inputs as they are."""
    flat = inputs.ahead.reshape(-1, inputs.ahead.shape[2])
    steps = min(steps, -(-PASSES * len(ratio) // _BATCH))
    centre, spread = flat.mean(axis=0), flat.std(axis=0) + 1e-3
    weights = _start(torch, usual_steps(ratio, inputs.base, task.levels))
    optimiser = torch.optim.AdamW(weights.values(), lr=_RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=_RATE, total_steps=steps)
    data = [
        torch.from_numpy(np.ascontiguousarray(part, dtype=np.float32))
        for part in (inputs.past, (inputs.ahead - centre) / spread, ratio,
                     np.sqrt(inputs.base / inputs.base.mean()))
    ]  # fmt: skip
    levels = torch.tensor(task.levels, dtype=torch.float32)
    for rows in _batches(len(ratio), steps, task.seed):
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


def usual_steps(ratio: Array32, base: Array, levels: Array) -> Array32:
    """The last layer's bias by which it says, whatever it reads, the quantiles of all targets.

    Without it training has to find the size of demand first, and few series end before it has.

    Args:
        ratio: Demand over the recent level, shape (pairs, windows).
        base: Recent level in units, the same shape.
        levels: Ascending.
    """
    usual = np.quantile(ratio, levels, weights=np.sqrt(base), method="inverted_cdf")
    steps = np.maximum(np.diff(usual, prepend=0.0), _LEAST_STEP)
    return np.log(np.expm1(steps)).astype(np.float32)  # the inverse of softplus


def _start(torch: Any, usual: Array32) -> dict[str, Any]:
    """Random weights of every shape, biases zero but for the last."""
    weights = {}
    for name, shape in shapes(len(usual)).items():
        value = torch.zeros(shape)
        if not name.endswith("_bias"):
            fan = shape[1] * shape[2] if len(shape) == 3 else shape[0]
            value = torch.randn(shape) * (1 / fan) ** 0.5
        weights[name] = value
    weights["levels"] *= _CALM
    weights["levels_bias"] = torch.from_numpy(usual)
    return {name: value.requires_grad_(True) for name, value in weights.items()}


def _batches(count: int, steps: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """So many batches, each pair as often as any other."""
    rng = np.random.default_rng(seed)
    passes = -(-steps * _BATCH // count)
    order = np.concatenate([rng.permutation(count) for _ in range(passes)])
    for start in range(0, steps * _BATCH, _BATCH):
        yield order[start : start + _BATCH]
