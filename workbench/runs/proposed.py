"""Proposals of a run: the id of each, and the order in which planners read them."""

import hashlib

import pandas as pd

from workbench.contracts import columns as c
from workbench.contracts.units import unit_name
from workbench.runs.context import Context


def for_planners(proposals: pd.DataFrame) -> pd.DataFrame:
    """Proposals by money at stake, with their unit in words too."""
    by = [name for name in (c.MONEY_AT_STAKE, c.PROPOSED) if name in proposals]
    ranked = proposals.sort_values(by, ascending=False, kind="stable")
    place = list(ranked.columns).index(c.UNIT) + 1
    ranked.insert(place, "unit_name", [unit_name(str(code)) for code in ranked[c.UNIT]])
    return ranked


def proposal_ids(proposals: pd.DataFrame, context: Context) -> list[str]:
    """Digest of the run's skip key and attempt, and of what each proposal is about."""
    seed = f"{context.skip_key}\n{context.attempt}"
    about = proposals[[c.KIND, c.ITEM_ID, c.LOCATION_ID]].astype(str)
    about = about.assign(day=pd.to_datetime(proposals[c.VALID_FROM]).dt.strftime("%Y-%m-%d"))
    return [
        hashlib.sha256("\n".join([seed, *row]).encode()).hexdigest()[:32]
        for row in about.itertuples(index=False)
    ]
