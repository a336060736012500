"""The three drivers that move a forecast most, in words that are stored with a proposal."""

import pandas as pd

from workbench.contracts import columns as c
from workbench.explain.contributions import BASELINE

REASONS_PER_PROPOSAL = 3
LEAST_UNITS = 0.05  # below it a contribution is shown as 0.0 units: no reason for anything


def driver_sentence(driver: str, units: float) -> str:
    """For example: "recent sales +12.0 units"."""
    return f"{driver} {units:+,.1f} units"


def reading(sizes: "pd.Series[float]") -> str:
    """Which drivers move the forecast most.

    Args:
        sizes: Mean size of each driver's contribution in units, largest first.
    """
    if sizes.iloc[0] < LEAST_UNITS:
        return "No driver moves the forecast: each series is expected to sell as usual"
    first, second = sizes.index[:2]
    return (
        f"{first.capitalize()} and {second} move the forecast most: {sizes.iloc[0]:.1f} and"
        f" {sizes.iloc[1]:.1f} units per series on average"
    )


def reasons_by_series(contributions: pd.DataFrame) -> pd.DataFrame:
    """The up to three drivers that move each forecast most, with their units.

    Args:
        contributions: The `contributions` table of one run.

    Returns:
        item_id, location_id, reasons (list of phrases), strongest first; without series that no
        driver moves.
    """
    keys = [c.ITEM_ID, c.LOCATION_ID, c.HORIZON_START, c.HORIZON_END]
    size = contributions[c.CONTRIBUTION].abs()
    moves = (contributions[c.DRIVER] != BASELINE) & (size >= LEAST_UNITS)
    ranked = contributions.assign(size=size)[moves].sort_values(
        [*keys, "size"], ascending=[True] * 4 + [False]
    )
    top = ranked.groupby(keys, sort=False).head(REASONS_PER_PROPOSAL)
    sentences = [
        driver_sentence(driver, units)
        for driver, units in zip(top[c.DRIVER], top[c.CONTRIBUTION], strict=True)
    ]
    top = top.assign(sentence=sentences)
    grouped = top.groupby([c.ITEM_ID, c.LOCATION_ID], sort=False)["sentence"].agg(list)
    return grouped.astype(object).rename(c.REASONS).reset_index()
