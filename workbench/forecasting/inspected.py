"""Single items under the lens: exponential smoothing by statsmodels, beside the forecast."""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from workbench.errors import ContractError
from workbench.forecasting import losses
from workbench.forecasting.forecaster import Forecaster
from workbench.forecasting.global_model import Window
from workbench.forecasting.naive import SEASON
from workbench.forecasting.panel import Panel


def exponential_smoothing(panel: Panel, row: int, *, days: int, level: float = 0.8) -> pd.DataFrame:
    """Forecast one series with additive errors and weekly season, no trend (ETS(A,N,A)).

    Source: Hyndman, Koehler, Ord and Snyder 2008, "Forecasting with exponential smoothing".

    Args:
        panel: History.
        row: Which series.
        days: Horizon.
        level: Probability of the interval.

    Returns:
        date, mean, low, high; never negative.

    Raises:
        ContractError: The series is shorter than four weeks.
    """
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    history = panel.units[row].astype(float)
    if len(history) < 4 * SEASON:
        raise ContractError(
            f"series {row}: {len(history)} days; expected at least {4 * SEASON} (four weeks)."
        )
    index = pd.date_range(panel.first_day, periods=len(history), freq="D")
    with warnings.catch_warnings():  # a bound that is hit is no news to the reader
        warnings.simplefilter("ignore")
        model = ETSModel(pd.Series(history, index), seasonal="add", seasonal_periods=SEASON)
        fitted = model.fit(disp=False)
        ahead = index[-1] + pd.Timedelta(days=1), index[-1] + pd.Timedelta(days=days)
        frame = fitted.get_prediction(*ahead).summary_frame(alpha=1 - level)
    return pd.DataFrame(
        {
            "date": pd.date_range(*ahead),
            "mean": np.maximum(frame["mean"].to_numpy(), 0),
            "low": np.maximum(frame["pi_lower"].to_numpy(), 0),
            "high": np.maximum(frame["pi_upper"].to_numpy(), 0),
        }
    )


def compare(
    panel: Panel, rows: Sequence[int], forecaster: Forecaster, cutoff: int, *, days: int
) -> pd.DataFrame:
    """Both methods on the days after a past cutoff, seeing only what was known then.

    Args:
        panel: With demand after the cutoff.
        rows: Which series.
        forecaster: Of single days, as it was at the cutoff.
        cutoff: Column of the last known day.
        days: Horizon; must have passed.

    Returns:
        item (empty, for the caller to name), sold, smoothing and ours (units over the days),
        rmsse_smoothing and rmsse_ours; one row per series.
    """
    ours = forecaster.point(panel, cutoff, [Window(day, 1) for day in range(1, days + 1)])
    past = panel.until(panel.first_day + pd.Timedelta(days=cutoff))
    table = []
    for row in rows:
        sold = panel.units[row, cutoff + 1 : cutoff + 1 + days].astype(float)
        smooth = exponential_smoothing(past, row, days=days)["mean"].to_numpy()
        scaled = [
            float(losses.rmsse(past.units[[row]].astype(float), sold[None, :], f[None, :])[0])
            for f in (smooth, ours[row])
        ]
        table.append(["", sold.sum(), smooth.sum(), ours[row].sum(), *scaled])
    columns = ["item", "sold", "smoothing", "ours", "rmsse_smoothing", "rmsse_ours"]
    return pd.DataFrame(table, columns=columns)
