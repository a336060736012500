"""Three sentences that say why an order is proposed, from facts stored with it."""

import pandas as pd

from workbench.contracts import columns as c
from workbench.explain.contributions import BASELINE

REASONS_PER_PROPOSAL = 3


def driver_sentence(driver: str, units: float, *, total: float, window_days: int) -> str:
    """For example: "recent sales: +12.0 units of 40.0 expected over 10 days"."""
    return f"{driver}: {units:+,.1f} units of {total:,.1f} expected over {window_days} days"


def reasons_by_series(contributions: pd.DataFrame) -> pd.DataFrame:
    """The three drivers that move each forecast most, as sentences.

    Args:
        contributions: The `contributions` table of one run.

    Returns:
        item_id, location_id, reasons (list of sentences), strongest first.
    """
    keys = [c.ITEM_ID, c.LOCATION_ID, c.HORIZON_START, c.HORIZON_END]
    totals = contributions.groupby(keys, sort=False)[c.CONTRIBUTION].sum().rename("total")
    moved = contributions[contributions[c.DRIVER] != BASELINE]
    size = moved[c.CONTRIBUTION].abs()
    ranked = moved.assign(size=size).sort_values([*keys, "size"], ascending=[True] * 4 + [False])
    top = ranked.groupby(keys, sort=False).head(REASONS_PER_PROPOSAL).merge(totals, on=keys)
    days = (top[c.HORIZON_END] - top[c.HORIZON_START]).dt.days + 1
    top["sentence"] = [
        driver_sentence(driver, units, total=total, window_days=int(window))
        for driver, units, total, window in zip(
            top[c.DRIVER], top[c.CONTRIBUTION], top["total"], days, strict=True
        )
    ]
    grouped = top.groupby([c.ITEM_ID, c.LOCATION_ID], sort=False)["sentence"].agg(list)
    return grouped.rename(c.REASONS).reset_index()
