"""A compact global sequence model: one temporal convolutional network of all series.

Dilated causal convolutions read the last nine weeks of demand and promotions of a series. What is
known ahead of a window joins them, with recent means and those of the same weekdays. The network
gives quantiles of the window's demand over the recent level, which cannot cross. torch trains it
(`deep_training.py`, extra `deep`); what is kept is an ONNX file (`deep_graph.py`), and forecasting
from it needs no torch.

Source: Bai, Kolter and Koltun 2018, "An empirical evaluation of generic convolutional and recurrent
networks for sequence modeling"; Wen et al. 2017, "A multi-horizon quantile recurrent forecaster",
for quantiles as output.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from workbench.forecasting.features import NAMES, features_at, known_at
from workbench.forecasting.global_model import Window
from workbench.forecasting.panel import Panel
from workbench.forecasting.protocol import Task

Array = npt.NDArray[np.float64]
Array32 = npt.NDArray[np.float32]
DAYS = 63  # of the past that the network reads: as far as its last convolution sees
CHANNELS = 3  # demand over the recent level, display, mailer
AHEAD = (
    "event_days", "days_before_holiday", "length", "lead", "price_to_quarter", "price_change",
    "display_ahead", "mailer_ahead", "category_trend", "is_dc", "zero_share_91", "spread_28",
    "mean_7", "mean_28", "same_weekday_4", "same_weekday_8",
)  # fmt: skip
WIDTH = len(AHEAD) + 8  # and the window's share of each weekday, the logarithm of the recent level
_PLACES = [NAMES.index(name) for name in AHEAD]
_RATIOS = [AHEAD.index(n) for n in AHEAD if n.startswith(("spread", "mean", "same_weekday"))]


@dataclass(frozen=True)
class Inputs:
    """What the network reads.

    Attributes:
        past: Shape (series, CHANNELS, DAYS).
        ahead: What is known of each window, shape (series, windows, WIDTH).
        base: Recent level of each window in units, shape (series, windows).
    """

    past: Array32
    ahead: Array32
    base: Array


def inputs_at(panel: Panel, cutoff: int, windows: tuple[Window, ...]) -> Inputs:
    """What the network reads at a cutoff; demand after it is not looked at."""
    known = known_at(panel, cutoff)
    first = max(0, cutoff + 1 - DAYS)
    units = np.nan_to_num(panel.units[:, first : cutoff + 1]) / known.level[:, None]
    promoted = panel.promoted[:, :, first : cutoff + 1]
    past = np.stack([np.log1p(units), *promoted], axis=1).astype(np.float32)
    past = np.pad(past, ((0, 0), (0, 0), (DAYS - past.shape[2], 0)))
    ahead, base = [], []
    for window in windows:
        span = {"start": window.start, "length": window.length}
        columns = features_at(panel, cutoff, **span, known=known)[:, _PLACES]
        columns = np.nan_to_num(columns, nan=1.0)
        columns[:, _RATIOS] = np.log1p(columns[:, _RATIOS])
        shares = np.tile(weekday_shares(panel, cutoff, window), (len(columns), 1))
        ahead.append(np.column_stack([columns, shares, np.log(known.level)]))
        base.append(known.level * window.length)
    return Inputs(
        past, np.stack(ahead, axis=1).astype(np.float32), np.stack(base, axis=1).astype(float)
    )


def weekday_shares(panel: Panel, cutoff: int, window: Window) -> Array:
    """Share of the window's days that is each weekday, Monday first, shape (7,)."""
    first = panel.first_day.dayofweek + cutoff + window.start
    days = np.bincount((first + np.arange(window.length)) % 7, minlength=7)
    return days / window.length


class Served(Protocol):
    """A network that can be asked, for example by onnxruntime."""

    def __call__(self, past: Array32, ahead: Array32) -> Array32:
        """Quantiles over the base, shape (series, windows, levels)."""
        ...


Serve = Callable[[bytes], Served]
Train = Callable[[Panel, Task], bytes]


@dataclass(frozen=True)
class Deep:
    """The network as a family of raw quantiles: complete it by `calibrated.Conformal`.

    Attributes:
        train: Gives the bytes of an ONNX file: `deep_training.train`.
        serve: Opens such bytes: `adapters.onnx_runtime.SequenceNetwork`.
    """

    train: Train
    serve: Serve

    name: ClassVar[str] = "deep"
    good_for: ClassVar[str] = (
        "large panels whose series share shapes over time that no feature names"
    )

    def fit(self, history: Panel, task: Task) -> "DeepFitted":
        return open_deep(self.train(history, task), task, serve=self.serve)


@dataclass(frozen=True)
class DeepFitted:
    """A network that has been trained, here or elsewhere.

    Attributes:
        serialised: The ONNX file; its digest goes on record.
        network: The same, opened.
        task: What it was trained for.
    """

    serialised: bytes
    network: Served
    task: Task

    def ratios(self, history: Panel) -> tuple[Array, Array]:
        inputs = inputs_at(history, history.units.shape[1] - 1, self.task.windows)
        return self.network(inputs.past, inputs.ahead).astype(float), inputs.base


def open_deep(data: bytes, task: Task, *, serve: Serve) -> DeepFitted:
    """A stored network, ready to forecast."""
    return DeepFitted(data, serve(data), task)
