"""Inputs that a step could have as well, to start from where those of the demo show too little.

A judgement that is far from its limit does not tip, whatever column is changed; a check that finds
nothing tells of no row. What follows from which column is the same on such inputs.
"""

from typing import Final

import numpy as np
import pandas as pd

from benchmarks.column_shops import chains
from benchmarks.column_steps import Tables
from workbench.monitoring.alarms import error_changes
from workbench.monitoring.config import DriftConfig

ERRORS: Final = "tables/backtest_errors.parquet"
_PERIOD: Final = pd.Timedelta(days=28)


def others(job: str, inputs: Tables, *, seed: int) -> list[Tables]:
    """Whole inputs to start from besides those at hand, by a step or the number of a notebook."""
    if job == "00":
        return [{**inputs, **chain} for chain in chains(inputs, seed=seed)]
    made = {
        "simulate-supply": [two_currencies],
        "30": [two_currencies_and_open_orders],
        "60": [near_alarm, one_place],
    }
    return [{**inputs, **change(inputs)} for change in made.get(job, [])]


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
    plans = inputs["promotions"]
    late = plans["valid_from"] > inputs["sales"]["date"].max() - _PERIOD
    lost = late & (np.random.default_rng(1).random(len(plans)) < 0.7)
    return {
        ERRORS: _just_alarming(inputs[ERRORS], _centre(inputs)),
        "promotions": plans[~lost].reset_index(drop=True),
    }


def one_place(inputs: Tables) -> Tables:
    """Errors are known of the centre and one store, and each kind of promotion was at one store."""
    errors, plans, centre = inputs[ERRORS], inputs["promotions"], _centre(inputs)
    stores = sorted(set(errors["location_id"]) - {centre})
    errors = errors[errors["location_id"].isin([centre, stores[0]])].reset_index(drop=True)
    places = {kind: stores[n % len(stores)] for n, kind in enumerate(sorted(set(plans["kind"])))}
    kept = plans["location_id"] == plans["kind"].map(places)
    return {
        ERRORS: _just_alarming(errors, centre),
        "promotions": plans[kept].reset_index(drop=True),
    }


def _centre(inputs: Tables) -> str:
    places = inputs["locations"]
    return str(places.loc[places["kind"] == "dc", "location_id"].iloc[0])


def _just_alarming(errors: pd.DataFrame, centre: str) -> pd.DataFrame:
    """Later errors made larger until the whole interval is 1% beyond what is acceptable."""
    default = DriftConfig()
    ratios, split = error_changes(errors, dc=centre, level=default.error_level, seed=default.seed)
    limit = 1.01 * (1 + default.tolerance)
    factor = limit / ratios.set_index("scope")["low"]  # the interval grows as the errors do
    kind = np.where(errors["location_id"] == centre, "distribution centre", "stores")
    by_row = pd.Series(kind, errors.index).map(factor).where(errors["cutoff"] >= split, 1.0)
    return errors.assign(absolute_error=errors["absolute_error"] * by_row)
