"""Quantiles at service targets from every test cutoff: what a policy would act on."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from workbench.forecasting.backtest import NAIVE, Backtest
from workbench.forecasting.global_model import Window
from workbench.forecasting.naive import seasonal_naive_quantiles
from workbench.forecasting.panel import Panel
from workbench.forecasting.periods import STEP_DAYS

Array = npt.NDArray[np.float64]


def cover_days(windows_days: Sequence[int]) -> int:
    """Days that a weekly order covers in the trial: the window nearest to 14 days, a week or more.

    Where all windows are shorter, a week.
    """
    longer = [days for days in windows_days if days >= STEP_DAYS]
    return min(longer, key=lambda days: (abs(days - 14), days), default=STEP_DAYS)


def levels_by_family(
    panel: Panel, result: Backtest, targets: Sequence[float], *, days: int
) -> dict[str, Array]:
    """Quantile of the demand of the next days at each target, as known at each test cutoff.

    Args:
        panel: History.
        result: Of its backtest.
        targets: Service targets, ascending; beyond the levels that were learned, probabilities
            follow the straight line to 1.
        days: Length of the window; of one that was not forecast, the longest is stretched.

    Returns:
        Per family, series by cutoff by target, whole units.
    """
    cutoffs = result.cutoffs
    return {
        result.family: np.stack([_ours(panel, result, k, targets, days) for k in cutoffs], axis=1),
        NAIVE: np.stack([_naive(panel, k, targets, days) for k in cutoffs], axis=1),
    }


def tried_days(panel: Panel, result: Backtest) -> Array:
    """Demand from the day after the first test cutoff to the end of its last week, (series, days).

    Cutoffs are a week apart: each week begins with a review.
    """
    first = result.cutoffs[0] + 1
    return panel.units[:, first : first + STEP_DAYS * len(result.cutoffs)].astype(np.float64)


def _ours(
    panel: Panel, result: Backtest, cutoff: int, targets: Sequence[float], days: int
) -> Array:
    forecaster = result.forecaster_at(cutoff)
    lengths = [window.length for window in forecaster.windows]
    length = days if days in lengths else max(lengths)
    windows = [Window(1, length)]
    wanted = forecaster.quantiles_at(panel, cutoff, windows, np.asarray(targets))[:, 0]
    return wanted if length == days else np.ceil(wanted * days / length)


def _naive(panel: Panel, cutoff: int, targets: Sequence[float], days: int) -> Array:
    known = panel.units[:, : cutoff + 1].astype(np.float64)
    return np.ceil(seasonal_naive_quantiles(known, start=1, length=days, levels=targets))
