"""What is wrong with GTINs of an item master: check digits, lengths, one number on two items."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from workbench.contracts import columns as c
from workbench.item_master.identifiers import Gtin, gtin


@dataclass(frozen=True)
class GtinFaults:
    """Result of checking the numbers.

    Attributes:
        items: Items in all.
        stated: Of these, items with a number.
        wrong: Item, number as written and why it is no GTIN, in order of items.
        shared: Number as 14 digits, and the items that have it, two or more.
        internal: Items with a number of restricted circulation, which two firms may both use.
    """

    items: int
    stated: int
    wrong: Sequence[tuple[str, str, str]]
    shared: Sequence[tuple[str, Sequence[str]]]
    internal: int


def gtin_faults(items: pd.DataFrame) -> GtinFaults:
    """Check every GTIN of a table `items`; of it, item_id and gtin are read."""
    stated = items.dropna(subset=[c.GTIN])
    wrong, owners, kinds = [], defaultdict[str, list[str]](list), Counter[bool]()
    pairs = zip(stated[c.ITEM_ID].astype(str), stated[c.GTIN].astype(str), strict=True)
    for item, text in sorted(pairs):
        number = gtin(text)
        if isinstance(number, Gtin):
            owners[number.digits].append(item)
            kinds[number.internal] += 1
        else:
            wrong.append((item, text, number))
    shared = [(digits, ids) for digits, ids in sorted(owners.items()) if len(ids) > 1]
    return GtinFaults(len(items), len(stated), wrong, shared, kinds[True])
