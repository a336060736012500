"""Joint sample paths: what days and series may bring together, so that any sum has a distribution.

Each series has its forecast for every day, as quantiles. How days and series move together is taken
from the past: a template is a past window, the same for all series, and the order in which a
series' templates rank on a day is the order in which its samples are dealt to the paths (the
Schaake shuffle). Templates rank by how unlikely the day was, and a series takes them from windows
that began at a level like its own of today: what a launch or an empty shelf did to an item in all
stores at once does not tie stores that sell as ever. Sums over days, items or sites are then sums
of paths, and every node of a hierarchy is coherent with those below it, whatever the level.

Samples are moved to given means, for example reconciled ones, and stay whole and not negative.
Series are worked off in blocks: a block is all that is held, and what comes out depends neither on
the size of the blocks nor on which other series there are.

Source: Clark et al. 2004, "The Schaake shuffle", Journal of Hydrometeorology 5; Schefzik 2016, "A
similarity-based implementation of the Schaake shuffle", Monthly Weather Review 144; Ben Taieb,
Taylor and Hyndman 2017, "Coherent probabilistic forecasts for hierarchical time series", ICML, for
hierarchies from the bottom up; Genest, Nešlehová and Rémillard 2017, "Asymptotic behavior of the
empirical multilinear copula process", JMVA 159, for more paths than templates.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.errors import ContractError
from workbench.forecasting.hierarchy import Hierarchy

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Block = tuple[slice, Array]
SamplesOf = Callable[[slice], Array]
_LEVEL_DAYS = 28  # before an origin: the level that its window's demand is compared with
_ALIKE_LEAST = 0.25  # units a day that levels are compared with: below, chance makes the ratio
_HALF = 0.5  # units: what steadies the spread of the roots of low counts
_TIE = 1e-6  # units: chance puts equal days of equal levels in order, and no others
_FEWEST = 8  # templates, below which windows may begin on any weekday


@dataclass(frozen=True)
class PathConfig:
    """How many paths, and how they are drawn.

    Attributes:
        paths: Number of joint paths, equally likely.
        seed: Of what breaks ties.
        most: Templates at most, the latest.
        block: Series that are held at once.
        alike: A series takes windows that began at its level of today, times or over this.
    """

    paths: int = 100
    seed: int = 1
    most: int = 52
    block: int = 1_000
    alike: float = 2.0


def path_levels(paths: int) -> Array:
    """Levels of the samples of each day: the middles of equally likely parts."""
    return (np.arange(paths) + 0.5) / paths


def samples_at(quantiles: Array, levels: Array, paths: int) -> Array:
    """Ascending samples from quantiles: straight lines between levels, flat beyond the outermost.

    Args:
        quantiles: Along the last axis, never crossing.
        levels: Theirs, ascending.
        paths: Number of samples, which replace the last axis.
    """
    return samples_between(quantiles, levels, path_levels(paths))


def samples_between(values: Array, levels: Array, wanted: Array) -> Array:
    """Quantiles at other levels, which replace the last axis: as `samples_at` says."""
    if len(levels) == 1:
        return np.repeat(values, len(wanted), axis=-1)
    inside = np.clip(wanted, levels[0], levels[-1])
    right = np.clip(np.searchsorted(levels, inside), 1, len(levels) - 1)
    share = (inside - levels[right - 1]) / (levels[right] - levels[right - 1])
    return np.asarray(values[..., right - 1] * (1 - share) + values[..., right] * share)


def template_origins(last: int, days: int, *, most: int) -> list[int]:
    """Columns of the last day before each past window of so many days, latest first.

    Windows begin on the weekday of the one to forecast. Where history has fewer than eight of
    these, they begin on any day.

    Raises:
        ContractError: No window of that length has a level before it.
    """
    for step in (7, 1):
        found = list(range(last - step * -(-days // step), _LEVEL_DAYS - 2, -step))[:most]
        if len(found) >= _FEWEST:
            return found
    if not found:
        raise ContractError(
            f"sales: {last + 1} days of history; expected at least {_LEVEL_DAYS + days} to know how"
            f" {days} days go together: give a shorter horizon_days, or ingest a longer history."
        )
    return found


def templates(
    units: npt.NDArray[np.floating], origins: Sequence[int], days: int, span: int = 1
) -> Array:
    """Demand of past windows, shape (series, days, templates); `span` days count as one."""
    windows = [
        units[:, origin + 1 : origin + 1 + days * span]
        .reshape(len(units), days, span)
        .sum(axis=2, dtype=np.float64)
        for origin in origins
    ]
    return np.stack(windows, axis=-1)


def levels_before(units: npt.NDArray[np.floating], origins: Sequence[int]) -> Array:
    """Mean demand of the days before each past window, shape (series, templates)."""
    sums = np.cumsum(np.pad(units.astype(np.float64), ((0, 0), (1, 0))), axis=1)
    ends = np.asarray(origins) + 1
    return np.asarray((sums[:, ends] - sums[:, ends - _LEVEL_DAYS]) / _LEVEL_DAYS)


def path_blocks(
    units: npt.NDArray[np.floating],
    labels: Sequence[str],
    samples_of: SamplesOf,
    config: PathConfig,
    *,
    days: int,
    span: int = 1,
    mean: Array | None = None,
    whole: npt.NDArray[np.bool_] | None = None,
) -> Iterator[Block]:
    """Joint sample paths of all series, block by block.

    Longer periods than days are ordered by windows as long as history holds eight of; periods
    beyond keep the order of the last one within: what is high stays high.

    Args:
        units: Demand up to the cutoff, shape (series, days known).
        labels: Name of each series, which seeds what breaks its ties.
        samples_of: Ascending samples of some series, shape (rows, days, paths).
        config: Number of paths.
        days: Days ahead, or longer periods.
        span: Days of each period.
        mean: Expected demand that the samples are moved to, shape (series, days); none leaves them.
        whole: Which series sell in whole units; all by default.

    Yields:
        Rows of the block and its paths, shape (rows, days, paths); path p is one future for all
        series.
    """
    reach = days if span == 1 else _within(units.shape[1], days, span)
    origins = template_origins(units.shape[1] - 1, reach * span, most=config.most)
    ordered_as = np.minimum(np.arange(days), reach - 1)
    for start in range(0, len(units), config.block):
        rows = slice(start, min(start + config.block, len(units)))
        samples = samples_of(rows)
        if mean is not None:
            samples = moved_to(samples, mean[rows], whole=None if whole is None else whole[rows])
        chance = _chance(labels[rows], (1 + reach, config.paths), config.seed)
        order = surprises(units[rows], origins, chance, span=span, alike=config.alike)
        yield rows, deal(samples, order[:, ordered_as])


def surprises(
    units: npt.NDArray[np.floating],
    origins: Sequence[int],
    chance: Array,
    *,
    span: int = 1,
    alike: float = 2.0,
) -> Array:
    """How far demand was from its level on each path's past days, shape (series, days, paths).

    As a difference of square roots, whose spread is nearly the same whatever the level was: what
    ranks is how unlikely a day was, and not its ratio to a level that says little where it is low.

    Args:
        units: Demand up to the cutoff, shape (series, days known).
        origins: Columns of the last day before each past window.
        chance: Numbers from 0 to 1 of each series, shape (series, 1 + days, paths); the first row
            chooses templates, the others put equal days in order.
        span: Days that count as one.
        alike: See `PathConfig`.

    Source: Anscombe 1948, "The transformation of Poisson, binomial and negative-binomial data",
    Biometrika 35.
    """
    levels = levels_before(units, origins)
    now = units[:, -_LEVEL_DAYS:].mean(axis=1, dtype=np.float64)
    chosen = _dealt(_alike(levels, now, alike), chance[:, 0])
    past = templates(units, origins, chance.shape[1] - 1, span)
    demand = np.take_along_axis(past, chosen[:, None], axis=-1)
    usual = span * np.take_along_axis(levels, chosen, axis=-1)[:, None]
    return np.asarray(np.sqrt(demand + _HALF + _TIE * chance[:, 1:]) - np.sqrt(usual + _HALF))


def deal(samples: Array, order: Array) -> Array:
    """Give each path the sample whose rank is that of its template.

    Args:
        samples: Ascending along the last axis, shape (series, days, paths).
        order: What ranks the paths, same shape.
    """
    result = np.empty_like(samples)
    np.put_along_axis(result, np.argsort(order, axis=-1), samples, axis=-1)
    return result


def moved_to(samples: Array, mean: Array, *, whole: npt.NDArray[np.bool_] | None = None) -> Array:
    """Samples in proportion to those given, with another mean; ascending and not negative.

    Whole numbers are rounded along the samples, so that what one loses the next one gains and the
    mean is kept to half a unit over their number. Where all samples are zero, the highest of them
    take what is expected.

    Args:
        samples: Ascending along the last axis, shape (series, days, paths).
        mean: Shape (series, days), not negative.
        whole: Which series sell in whole units; all by default.
    """
    count = samples.shape[-1]
    total = samples.sum(axis=-1)
    factor = np.divide(mean * count, total, out=np.zeros_like(total), where=total > 0)
    scaled = samples * factor[..., None]
    lacking = (total <= 0) & (mean > 0)
    if lacking.any():
        scaled[lacking] = _in_the_last(mean[lacking] * count, count)
    sums = np.floor(np.cumsum(scaled, axis=-1) + 0.5)
    rounded = np.sort(np.diff(sums, axis=-1, prepend=0.0), axis=-1)
    return rounded if whole is None else np.where(whole[:, None, None], rounded, scaled)


def upper_paths(tree: Hierarchy, blocks: Iterable[Block], *, days: int, paths: int) -> Array:
    """Paths of all nodes above the bottom, as sums of blocks, shape (upper nodes, days, paths)."""
    upper = tree.matrix[: -len(tree.codes[-1])].tocsc()
    result = np.zeros((upper.shape[0], days * paths), dtype=np.float64)
    for rows, values in blocks:
        result += upper[:, rows] @ values.reshape(len(values), -1)
    return result.reshape(-1, days, paths)


def quantiles_of(paths: Array, levels: Array) -> Array:
    """Quantiles over the last axis, from samples at `path_levels`: lines between, flat beyond.

    Source: Hyndman and Fan 1996, "Sample quantiles in statistical packages", The American
    Statistician 50, definition 5.
    """
    return samples_between(np.sort(paths, axis=-1), path_levels(paths.shape[-1]), levels)


def _within(known: int, days: int, span: int) -> int:
    """Periods of so many days that eight past windows hold, a week apart; at least one."""
    return max(1, min(days, (known - _LEVEL_DAYS - 7 * (_FEWEST - 1)) // span))


def _alike(levels: Array, now: Array, factor: float) -> npt.NDArray[np.bool_]:
    """Past windows that began at a level like that of today, shape (series, templates).

    What a launch, a delisting or an empty shelf did to an item in all stores at once says nothing
    of one that sells as ever. All windows where none is alike.
    """
    ratio = (levels + _ALIKE_LEAST) / (now + _ALIKE_LEAST)[:, None]
    found = (ratio <= factor) & (ratio >= 1 / factor)
    return np.where(found.any(axis=1, keepdims=True), found, True)


def _dealt(usable: npt.NDArray[np.bool_], chance: Array) -> Codes:
    """Template of each path: the same for all series, another of its own for one without use of it.

    Args:
        usable: Shape (series, templates), at least one of each series.
        chance: Numbers from 0 to 1, shape (series, paths).
    """
    common = np.arange(chance.shape[1]) % usable.shape[1]
    first = np.argsort(~usable, axis=1, kind="stable")  # the usable ones
    place = (chance * usable.sum(axis=1)[:, None]).astype(np.int64)
    return np.where(usable[:, common], common, np.take_along_axis(first, place, axis=1))


def _chance(labels: Sequence[str], shape: tuple[int, ...], seed: int) -> Array:
    """Numbers from 0 to 1 that are each series' own, shape (series, *shape)."""
    found = np.empty((len(labels), *shape))
    for place, label in enumerate(labels):
        np.random.default_rng([seed, zlib.crc32(label.encode())]).random(out=found[place])
    return found


def _in_the_last(total: Array, count: int) -> Array:
    """Samples with such totals, a unit in each of the last as far as it goes; shape (n, count)."""
    least = np.maximum(total / count, 1.0)[:, None]  # more than a unit each, where it takes that
    from_last = np.arange(count - 1, -1, -1.0)
    return np.asarray(np.clip(total[:, None] - from_last * least, 0, least))
