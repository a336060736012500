"""Chains of shops to experiment on the readiness audit with, each with faults of its own.

Of checks that find nothing, and of those that find thousands, little is seen: whether a finding
comes or goes shows where there is one thing to find, what it counts where there are some. So there
are several chains: one without a fault, one with every fault that keeps the tables' contracts, and
some with a part of them, drawn by chance.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from benchmarks.column_oracle import refuse_broken
from benchmarks.column_steps import Tables
from benchmarks.defects.clean import STORES, clean_tables
from benchmarks.defects.inject import DEFECTS, Damage
from workbench.contracts.tables import contract
from workbench.errors import ContractError

_ITEMS: Final = 30
_DAYS: Final = 200
_SHARES: Final = (0.6, 0.45, 0.3, 0.2, 0.1)  # of the faults, in each chain that has a part of them
_TWINS: Final = ("brand", "category", "manufacturer", "pack_size", "pack_uom", "pack_count")
_ONLINE: Final = 0.4  # of the orders
_PER_CASE: Final = 6


def chains(inputs: Tables, *, seed: int) -> list[Tables]:
    """The tables of each chain that the inputs have, with rows set aside by loads at hand."""
    random = np.random.default_rng(seed)
    faults = [*(one.damage for one in DEFECTS), _entered_again_in_short, _closed_on_holidays]
    drawn = [[one for one in faults if random.random() < share] for share in _SHARES]
    plain = _shops(random)
    found = [_damaged(plain, some, random, inputs) for some in (faults, *drawn)]
    twins = _near_twins(plain["items"])
    for chain in (*found, plain):
        chain["items"] = pd.concat([chain["items"], twins], ignore_index=True)
    return [_at_hand(chain, inputs) for chain in (*found, plain)]


def _shops(random: np.random.Generator) -> Tables:
    """A chain of which every column that a check looks at is filled, and not always alike."""
    tables = clean_tables(items=_ITEMS, days=_DAYS, seed=int(random.integers(1_000)))
    items, place = tables["items"], np.arange(_ITEMS)
    tables["items"] = items.assign(
        description="Fresh " + items["description"],
        brand=items["category"].map(lambda name: "Own" if str(name) < "Category 4" else "Other"),
        is_demand=place % 10 != 7,
    )
    orders, lines = tables["orders"], tables["order_lines"]
    tables["orders"] = orders.assign(
        channel=np.where(random.random(len(orders)) < _ONLINE, "online", "store")
    )
    digests = [f"digest {number}" for number in range(len(lines))]
    tables["order_lines"] = lines.assign(source_digest=digests)
    tables["prices"] = _by_piece_and_case(tables["prices"])
    bought = tables["purchase_orders"]
    dearer = 1 + 0.1 * random.random(len(bought))
    tables["purchase_orders"] = bought.assign(unit_cost=(bought["unit_cost"] * dearer).round(4))
    return tables


def _near_twins(items: pd.DataFrame) -> pd.DataFrame:
    """Articles that are others than some above, by one column alone, each with its name cut."""
    parts = []
    for number, column in enumerate(_TWINS):
        rows = items.iloc[3 * number : 3 * number + 3]
        other = {"brand": "Third", "pack_uom": "KGM", "pack_count": 2.0}.get(column)
        value = np.roll(items[column], 4)[rows.index] if other is None else other
        parts.append(_in_short(rows).assign(**{column: value, "is_demand": True}))
    return pd.concat(parts, ignore_index=True)


def _in_short(rows: pd.DataFrame) -> pd.DataFrame:
    short = rows["description"].str.replace("Fresh Article", "FRSH ARTCL")
    return rows.assign(item_id="S" + rows["item_id"], description=short, gtin=None)


def _by_piece_and_case(prices: pd.DataFrame) -> pd.DataFrame:
    """One location sells by the piece, another by the case."""
    per_case = (_PER_CASE * prices["price"]).round(2)
    first, second, *_ = STORES
    return pd.concat(
        [prices.assign(location_id=first), prices.assign(location_id=second, price=per_case)],
        ignore_index=True,
    )


def _damaged(
    plain: Tables, faults: Sequence[Damage], random: np.random.Generator, inputs: Tables
) -> Tables:
    """A copy with one to three of each fault, less those that break a contract."""
    tables = {name: frame.copy() for name, frame in plain.items()}
    for damage in faults:
        damaged = dict(tables)
        try:
            damage(damaged, random, int(random.integers(1, 4)))
        except (KeyError, ValueError):
            continue  # it needs more rows
        changed = [name for name in inputs if damaged.get(name) is not tables.get(name)]
        if not any(_is_broken(name, damaged[name]) for name in changed):
            tables = damaged
    place = np.arange(len(tables["items"]))
    if random.random() < 0.5:
        return tables
    items = tables["items"]
    tables["items"] = items.assign(  # what no fault spoils: units, sizes, article numbers
        base_uom=items["base_uom"].mask(place % 9 == 0, "KGM"),
        gtin=items["gtin"].mask(place % 11 == 3, None),
        pack_text=items["pack_text"].mask(place % 13 == 5, None),
        pack_uom=items["pack_uom"].mask(place % 13 > 10, None),
    )
    return tables


def _entered_again_in_short(t: Tables, random: np.random.Generator, n: int) -> pd.DataFrame:
    """An article was entered again with its name cut short: one more difference makes it two."""
    new = _in_short(t["items"].iloc[random.choice(_ITEMS, n, replace=False)])
    new["item_id"] = "T" + new["item_id"]
    t["items"] = pd.concat([t["items"], new], ignore_index=True)
    return new[["item_id"]]


def _closed_on_holidays(t: Tables, random: np.random.Generator, n: int) -> pd.DataFrame:
    """Days without sales: of some the calendar knows why, of others it tells of no holiday."""
    days = t["sales"]["date"].drop_duplicates().sort_values().iloc[1:-1]
    chosen = pd.Series(random.choice(days, 3 * n + 3, replace=False))
    without, sold = chosen.iloc[: 2 * n], chosen.iloc[2 * n :]
    t["sales"] = t["sales"][~t["sales"]["date"].isin(without)]
    known = pd.concat([without, sold], ignore_index=True)
    kinds = np.where(np.arange(len(known)) % 2 == 0, "public_holiday", "observance")
    told = pd.DataFrame({"date": known, "event": "a day", "type": kinds})
    t["calendar"] = pd.concat([t["calendar"], told]).drop_duplicates("date", ignore_index=True)
    return without.to_frame()


def _at_hand(tables: Tables, inputs: Tables) -> Tables:
    """Those that the inputs have, loaded by the versions that they have."""
    tables = dict(tables)
    if "loads" in inputs:
        at_hand = inputs["loads"].set_index("loaded_table")["loaded_version"]
        for name in ("loads", "quarantine"):
            frame = tables[name]
            version = frame["loaded_table"].map(at_hand).fillna(frame["loaded_version"])
            tables[name] = frame.assign(loaded_version=version)
    return {name: _whole(name, tables[name]) for name in inputs if name in tables}


def _is_broken(name: str, frame: pd.DataFrame) -> bool:
    try:
        refuse_broken(contract(name), _whole(name, frame))
    except ContractError:
        return True
    return False


def _whole(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """All columns of the contract, empty where the frame lacks them."""
    return frame.reindex(columns=list(contract(name).names)).reset_index(drop=True)
