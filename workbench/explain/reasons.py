"""The three drivers that move a forecast most, in words that are stored with a proposal."""

import pandas as pd

from workbench.contracts import columns as c
from workbench.explain.contributions import BASELINE

REASONS_PER_PROPOSAL = 3


def driver_sentence(driver: str, units: float) -> str:
    """For example: "recent sales +12.0 units"."""
    return f"{driver} {units:+,.1f} units"


def reasons_by_series(contributions: pd.DataFrame) -> pd.DataFrame:
    """The three drivers that move each forecast most, with their units.

    Args:
        contributions: The `contributions` table of one run.

    Returns:
        item_id, location_id, reasons (list of phrases), strongest first.
    """
    keys = [c.ITEM_ID, c.LOCATION_ID, c.HORIZON_START, c.HORIZON_END]
    moved = contributions[contributions[c.DRIVER] != BASELINE]
    size = moved[c.CONTRIBUTION].abs()
    ranked = moved.assign(size=size).sort_values([*keys, "size"], ascending=[True] * 4 + [False])
    top = ranked.groupby(keys, sort=False).head(REASONS_PER_PROPOSAL)
    sentences = [
        driver_sentence(driver, units)
        for driver, units in zip(top[c.DRIVER], top[c.CONTRIBUTION], strict=True)
    ]
    top = top.assign(sentence=sentences)
    grouped = top.groupby([c.ITEM_ID, c.LOCATION_ID], sort=False)["sentence"].agg(list)
    return grouped.rename(c.REASONS).reset_index()
