"""What drives a forecast: contributions in units, grouped by driver, that sum to the forecast."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.contracts import columns as c
from workbench.errors import ContractError

Array = npt.NDArray[np.float64]
Link = Literal["identity", "log"]
BASELINE = "baseline"


def contributions_in_units(
    raw: Array, *, link: Link, scale: Array | float = 1.0
) -> tuple[Array, Array]:
    """Turn a model's raw contributions into units of demand.

    With the identity link they are units already, once scaled. With the log link the forecast is
    a product of factors; its difference from the baseline is shared among the factors by their
    logarithms, weighted with the logarithmic mean of forecast and baseline: no residual is left.
    Source: Ang 2005, "The LMDI approach to decomposition analysis", Energy Policy 33(7), additive
    LMDI-I.

    Args:
        raw: Shape (n, features + 1), as LightGBM's `pred_contrib` gives them: the last column is
            the expected value over the training data.
        link: How the model's raw score becomes a prediction.
        scale: Units per unit of prediction, shape (n,) or one number.

    Returns:
        Contributions in units, shape (n, features), and baselines in units, shape (n,). Together
        they sum to the forecast.
    """
    base, parts = raw[:, -1], raw[:, :-1]
    scale = np.broadcast_to(np.asarray(scale, dtype=float), base.shape)
    if link == "identity":
        return parts * scale[:, None], base * scale
    total = parts.sum(axis=1)
    start, end = np.exp(base), np.exp(base + total)
    # Logarithmic mean (end - start) / total; its limit where both are equal is `start`.
    mean = np.where(np.abs(total) > 1e-9, (end - start) / np.where(total == 0, 1, total), start)
    return parts * (mean * scale)[:, None], start * scale


def group_contributions(
    units: Array, baseline: Array, *, features: Sequence[str], drivers: Mapping[str, str]
) -> pd.DataFrame:
    """Sum contributions of features that belong to one driver.

    Args:
        units: Shape (n, features), in units of demand.
        baseline: Shape (n,), in units of demand.
        features: Name of each column of `units`.
        drivers: Feature to driver, for example `price_ratio` to `price`.

    Returns:
        One row per forecast, one column per driver, `baseline` first.

    Raises:
        ContractError: A feature has no driver, so that the sum would miss it.
    """
    missing = [name for name in features if name not in drivers]
    if missing:
        raise ContractError(
            f"feature {missing[0]!r}: belongs to no driver; expected each of the {len(features)}"
            " features in the table of drivers: add it."
        )
    frame = pd.DataFrame({BASELINE: baseline})
    for driver in dict.fromkeys(drivers[name] for name in features):
        chosen = [i for i, name in enumerate(features) if drivers[name] == driver]
        frame[driver] = units[:, chosen].sum(axis=1)
    return frame


def long_contributions(keys: pd.DataFrame, grouped: pd.DataFrame) -> pd.DataFrame:
    """The `contributions` table: one row per key and driver.

    Args:
        keys: item_id, location_id, horizon_start, horizon_end; one row per row of `grouped`.
        grouped: Result of `group_contributions`.
    """
    wide = pd.concat([keys.reset_index(drop=True), grouped.reset_index(drop=True)], axis=1)
    return wide.melt(id_vars=list(keys.columns), var_name=c.DRIVER, value_name=c.CONTRIBUTION)


def mean_absolute_contributions(grouped: pd.DataFrame) -> "pd.Series[float]":
    """Average size of each driver's contribution in units, largest first; baseline left out."""
    sizes = grouped.drop(columns=BASELINE).abs().mean()
    return sizes.sort_values(ascending=False)
