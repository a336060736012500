"""Ensembles: quantiles of several families averaged, with weights that past cutoffs suggest.

Quantiles of one level are averaged (Vincent 1912; Lichtendahl, Grushka-Cockayne and Winkler 2013,
"Is it better to average probabilities or quantiles?", Management Science 59): the result keeps the
members' sharpness. Weights are shares of one, per kind of site and demand pattern; they minimise
the pinball loss, in money, of forecasts whose outcome is known. The choice of one family per
segment is the same with one weight at 1.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from workbench.forecasting.calibrated import past_cutoffs, setting_of, stacked
from workbench.forecasting.families import Stack
from workbench.forecasting.losses import pinball
from workbench.forecasting.panel import Panel
from workbench.forecasting.partitions import ask
from workbench.forecasting.patterns import SEGMENTS, segment
from workbench.forecasting.protocol import Family, Fitted, Forecast, Task, known_by

Array = npt.NDArray[np.float64]
_FEWEST = 500  # outcomes below which a segment takes the weights of all
_SAMPLE = 30_000  # outcomes that weights are learned from
_STEPS = 300


@dataclass(frozen=True)
class Ensemble:
    """Several families as one.

    Attributes:
        members: The families.
        choose: Take the best of them per segment instead of a mixture.
    """

    members: tuple[Family, ...]
    choose: bool = False

    @property
    def name(self) -> str:
        return "best_by_segment" if self.choose else "stacked"

    @property
    def good_for(self) -> str:
        if self.choose:
            return "assortments of kinds that no one family fits; as dear as all members together"
        return (
            "least loss at any price: errors of different families cancel; as dear as all of them"
        )

    def fit(self, history: Panel, task: Task) -> "EnsembleFitted":
        later = replace(task, start=task.start + task.reach + task.spacing)
        cutoffs = past_cutoffs(history, later)
        setting, past = setting_of(history, task), known_by(history, cutoffs[0])
        made = [stacked(setting, cutoffs, member.fit(past, task)) for member in self.members]
        case = made[0][0]
        ended = case.ends < history.units.shape[1]
        quantiles = np.stack([each for _, each in made], axis=2)
        value = np.tile(history.series["price"].to_numpy(), len(ended) // len(history.series))
        weights = weights_by_segment(
            case.where(ended), quantiles[ended], task.levels, value[ended],
            choose=self.choose, seed=task.seed,
        )  # fmt: skip
        latest = [member.fit(history, task) for member in self.members]
        return EnsembleFitted(tuple(latest), weights, task)


@dataclass(frozen=True)
class EnsembleFitted:
    """The members and their weights.

    Attributes:
        latest: Fitted members.
        weights: Shares of one, shape (segments, members).
        task: What is asked.
    """

    latest: tuple[Fitted, ...]
    weights: Array
    task: Task

    def forecast(self, history: Panel) -> Forecast:
        each = [ask(member, "forecast", history) for member in self.latest]
        weight = self.weights[segment(history, history.units.shape[1] - 1)]
        mean = np.einsum("mnw,nm->nw", np.stack([one.mean for one in each]), weight)
        quantiles = np.einsum("mnwl,nm->nwl", np.stack([one.quantiles for one in each]), weight)
        return Forecast(mean, np.maximum.accumulate(np.rint(quantiles), axis=2))


def weights_by_segment(
    case: Stack, quantiles: Array, levels: Array, value: Array, *, choose: bool, seed: int
) -> Array:
    """Weights of the members, shape (segments, members).

    Args:
        case: Outcomes, one row each.
        quantiles: What each member had forecast, shape (n, levels, members).
        levels: Ascending.
        value: Money a unit, shape (n,).
        choose: One member per segment.
        seed: Of the sample that is learned from.
    """
    learn = _best if choose else mixture
    rng = np.random.default_rng(seed)

    def of(rows: npt.NDArray[np.int64]) -> Array:
        if len(rows) > _SAMPLE:
            rows = np.sort(rng.choice(rows, _SAMPLE, replace=False))
        return learn(case.actual[rows], quantiles[rows], levels, value[rows])

    weights = np.tile(of(np.arange(len(case.actual))), (len(SEGMENTS), 1))
    for place in range(len(SEGMENTS)):
        rows = np.flatnonzero(case.segment == place)
        if len(rows) >= _FEWEST:
            weights[place] = of(rows)
    return weights


def mixture(actual: Array, quantiles: Array, levels: Array, value: Array) -> Array:
    """Shares of one with least pinball loss, by exponentiated gradient: the loss is convex.

    Source: Kivinen and Warmuth 1997, "Exponentiated gradient versus gradient descent", Information
    and Computation 132.

    Args:
        actual: Shape (n,).
        quantiles: Shape (n, levels, members).
        levels: Ascending.
        value: Weight of each row, shape (n,).
    """
    members = quantiles.shape[2]
    share, loss = np.full(members, 1 / members), np.inf
    best, scale = share, _scale(actual, quantiles, levels, value)
    for step in range(1, _STEPS + 1):
        mixed = quantiles @ share
        now = _loss(actual, mixed, levels, value)
        if now < loss:
            best, loss = share, now
        slope = np.where(actual[:, None] < mixed, 1 - levels, -levels) * value[:, None]
        gradient = np.einsum("nl,nlm->m", slope, quantiles) / slope.size
        logs = np.log(np.maximum(share, 1e-12)) - gradient / scale / np.sqrt(step)
        share = np.exp(logs - logs.max())
        share = share / share.sum()
    return np.asarray(best)


def _best(actual: Array, quantiles: Array, levels: Array, value: Array) -> Array:
    """All weight on the member that lost least."""
    losses = [_loss(actual, each, levels, value) for each in np.moveaxis(quantiles, 2, 0)]
    return np.asarray(np.eye(len(losses))[int(np.argmin(losses))])


def _scale(actual: Array, quantiles: Array, levels: Array, value: Array) -> float:
    """Loss of the plain average: the unit of gradients."""
    return max(_loss(actual, quantiles.mean(axis=2), levels, value), 1e-9)


def _loss(actual: Array, quantiles: Array, levels: Array, value: Array) -> float:
    return float((pinball(actual, quantiles, levels).mean(axis=1) * value).mean())
