"""One item under the lens: exponential smoothing by statsmodels, beside the global model."""

import warnings

import numpy as np
import pandas as pd

from workbench.errors import ContractError
from workbench.forecasting.panel import Panel

SEASON = 7


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
