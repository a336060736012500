"""Inputs that a step could have as well, to start from where those of the demo show too little.

A judgement that is far from its limit does not tip, whatever column is changed; a check that finds
nothing tells of no row. What follows from which column is the same on such inputs.
"""

from typing import Final

import numpy as np
import pandas as pd

from benchmarks.column_shops import chains
from benchmarks.column_steps import Tables

ERRORS: Final = "tables/backtest_errors.parquet"
_PERIOD: Final = pd.Timedelta(days=28)


def others(job: str, inputs: Tables, *, seed: int) -> list[Tables]:
    """Whole inputs to start from besides those at hand, by a step or the number of a notebook."""
    if job == "00":
        return [{**inputs, **chain} for chain in chains(inputs, seed=seed)]
    made = {
        "simulate-supply": two_currencies, "30": two_currencies_and_open_orders, "60": near_alarm,
    }  # fmt: skip
    return [{**inputs, **made[job](inputs)}] if job in made else []


def two_currencies(inputs: Tables) -> Tables:
    """Every other item is bought in another currency."""
    name = "supplier_items" if "supplier_items" in inputs else "items"
    frame = inputs[name]
    second = frame["item_id"].rank(method="dense") % 2 == 0
    return {name: frame.assign(currency=frame["currency"].mask(second, "EUR"))}


def two_currencies_and_open_orders(inputs: Tables) -> Tables:
    """Also, half of the orders have not been received."""
    receipts = inputs["receipts"]
    kept = np.random.default_rng(2).random(len(receipts)) < 0.5
    return {**two_currencies(inputs), "receipts": receipts[kept].reset_index(drop=True)}


def near_alarm(inputs: Tables) -> Tables:
    """Later errors that just raise an alarm, and fewer promotions in the last period."""
    errors, plans = inputs[ERRORS], inputs["promotions"]
    cutoffs = np.sort(errors["cutoff"].unique())
    later = errors["cutoff"] >= cutoffs[len(cutoffs) // 2]
    worse = errors["absolute_error"].mask(later, errors["absolute_error"] * 2.1)
    late = plans["valid_from"] > inputs["sales"]["date"].max() - _PERIOD
    lost = late & (np.random.default_rng(1).random(len(plans)) < 0.7)
    return {
        ERRORS: errors.assign(absolute_error=worse),
        "promotions": plans[~lost].reset_index(drop=True),
    }
