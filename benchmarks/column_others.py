"""Inputs that a step could have as well, to start from where those of the demo show too little.

A judgement that is far from its limit does not tip, whatever column is changed; a check that finds
nothing tells of no row. What follows from which column is the same on such inputs.
"""

from typing import Final

import numpy as np
import pandas as pd

from benchmarks.column_oracle import refuse_broken
from benchmarks.column_steps import Tables
from benchmarks.defects.clean import clean_tables
from benchmarks.defects.inject import DEFECTS
from workbench.contracts.tables import contract
from workbench.errors import ContractError

ERRORS: Final = "tables/backtest_errors.parquet"
_PERIOD: Final = pd.Timedelta(days=28)
_ITEMS: Final = 30
_DAYS: Final = 200
_FAULTS: Final = 2


def others(job: str, inputs: Tables) -> list[Tables]:
    """Whole inputs to start from besides those at hand, by a step or the number of a notebook."""
    made = {
        "00": planted_faults,
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


def planted_faults(inputs: Tables) -> Tables:
    """Another chain of shops, whose every column is filled, with each fault that keeps contracts.

    Its tables of the demo are taken, and rows set aside by loads of the versions at hand.
    """
    tables = clean_tables(items=_ITEMS, days=_DAYS)
    random = np.random.default_rng(3)
    for defect in DEFECTS:
        damaged = dict(tables)
        try:
            defect.damage(damaged, random, _FAULTS)
        except (KeyError, ValueError):
            continue  # it needs more rows
        if not any(_is_broken(name, damaged[name]) for name in inputs if name in damaged):
            tables = damaged
    tables["items"] = _poor_items(tables["items"])
    if "loads" in inputs:
        at_hand = inputs["loads"].set_index("loaded_table")["loaded_version"]
        for name in ("loads", "quarantine"):
            version = (
                tables[name]["loaded_table"].map(at_hand).fillna(tables[name]["loaded_version"])
            )
            tables[name] = tables[name].assign(loaded_version=version)
    return {name: _whole(name, tables[name]) for name in inputs if name in tables}


def _poor_items(items: pd.DataFrame) -> pd.DataFrame:
    """What no fault above spoils: units, sizes, article numbers, what is no merchandise."""
    place = np.arange(len(items))
    return items.assign(
        brand=items["category"].map(lambda name: "Own" if str(name) < "Category 4" else "Other"),
        base_uom=items["base_uom"].mask(place % 9 == 0, "KGM"),
        gtin=items["gtin"].mask(place % 11 == 3, None),
        pack_text=items["pack_text"].mask(place % 13 == 5, None),
        pack_uom=items["pack_uom"].mask(place % 13 > 10, None),
        is_demand=place % 10 != 7,
    )


def _is_broken(name: str, frame: pd.DataFrame) -> bool:
    try:
        refuse_broken(contract(name), _whole(name, frame))
    except ContractError:
        return True
    return False


def _whole(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """All columns of the contract, empty where the frame lacks them."""
    return frame.reindex(columns=list(contract(name).names)).reset_index(drop=True)
