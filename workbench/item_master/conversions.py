"""Conversions between units: what physics fixes, what holds for one item, and where they clash.

A conversion `from_uom` to `to_uom` with `factor` says that one of the first are `factor` of the
second: one case (XCS) of an item are 12 pieces (EA). Mass and volume convert among themselves by
pint's registry; packages only by what is stated per item, or for any item (`*`).
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import pandas as pd

from workbench.contracts import columns as c
from workbench.contracts.tables import ANY
from workbench.errors import ContractError

TOLERANCE: Final = 1e-3  # a third written as 0.333 is no clash
_PINT: Final[Mapping[str, str]] = {
    "MGM": "milligram", "GRM": "gram", "KGM": "kilogram", "TNE": "metric_ton", "ONZ": "ounce",
    "LBR": "pound", "MLT": "milliliter", "CLT": "centiliter", "LTR": "liter", "MTQ": "meter**3",
    "OZA": "fluid_ounce", "PTL": "pint", "QTL": "quart", "GLL": "gallon", "G21": "cup",
    "MMT": "millimeter", "CMT": "centimeter", "MTR": "meter", "INH": "inch", "FOT": "foot",
    "YRD": "yard", "INK": "inch**2", "FTK": "foot**2", "MTK": "meter**2", "INQ": "inch**3",
}  # fmt: skip
_PIECES: Final[Mapping[str, float]] = {"EA": 1, "H87": 1, "C62": 1, "PR": 2, "DZN": 12}
_BASES: Final[Mapping[str, str]] = {
    "[mass]": "gram", "[length]": "meter", "[length] ** 2": "meter**2",
    "[length] ** 3": "milliliter",
}  # fmt: skip


@dataclass(frozen=True)
class Clash:
    """Two ways between the same units of an item that give different factors.

    Attributes:
        kind: `conflict` of two statements, `cycle` that does not come back to 1, or `impossible`:
            physics says otherwise.
        path: Units in the order of the way.
        stated: Factor along it.
        expected: What it should be.
    """

    item_id: str
    kind: str
    path: tuple[str, ...]
    stated: float
    expected: float

    def sentence(self) -> str:
        """What clashes, for people."""
        way = " to ".join(self.path)
        return f"item {self.item_id}: {way} gives {self.stated:g}, expected {self.expected:g}"


def in_base_units(quantity: float, code: str) -> tuple[float, str]:
    """A quantity in its dimension's base unit; one of no known dimension stays in its own."""
    if code in _PIECES:
        return quantity * _PIECES[code], "pieces"
    if code not in _PINT:
        return quantity, code
    factor, base = _base(code)
    return quantity * factor, base


def physical_factor(one: str, other: str) -> float | None:
    """How many of the second unit are one of the first; None where physics does not say."""
    (a, base), (b, other_base) = in_base_units(1.0, one), in_base_units(1.0, other)
    return a / b if base == other_base else None


@cache
def _base(code: str) -> tuple[float, str]:
    unit = _registry().Unit(_PINT[code])
    base = _BASES[str(unit.dimensionality)]
    return float(_registry().Quantity(1.0, unit).to(base).magnitude), base


@cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry(cache_folder=None)


def factor(conversions: pd.DataFrame, item_id: str, one: str, other: str) -> float:
    """How many of the second unit are one of the first, for an item.

    Args:
        conversions: Table `uom_conversions`.
        item_id: The item.
        one: Recommendation 20 code of the unit to convert from.
        other: Code of the unit to convert to.

    Raises:
        ContractError: No way leads from one to the other.
    """
    edges = _edges(conversions, item_id)
    known = {one: 1.0}
    waiting = [one]
    while waiting:
        unit = waiting.pop(0)
        for target, each in _steps(edges, unit, {*edges, other}):
            if target not in known:
                known[target] = known[unit] * each
                waiting.append(target)
    if other not in known:
        raise ContractError(
            f"table 'uom_conversions': no way from {one} to {other} for item {item_id!r}; expected"
            " one. State how many of the one are one of the other."
        )
    return known[other]


def clashes(conversions: pd.DataFrame) -> list[Clash]:
    """Conflicts, cycles and impossible statements of a table `uom_conversions`, by item."""
    found: list[Clash] = []
    for item_id in sorted(set(conversions[c.ITEM_ID])):
        own = _edges(conversions, item_id)
        found += _of_item(str(item_id), own)
    return found


def _of_item(item_id: str, edges: Mapping[str, Mapping[str, float]]) -> Iterator[Clash]:
    seen: set[frozenset[str]] = set()
    for one, targets in edges.items():
        for other, stated in targets.items():
            physical = physical_factor(one, other)
            back = edges.get(other, {}).get(one)
            pair = frozenset((one, other))
            if pair in seen:
                continue
            if physical is not None and not _equal(stated, physical):
                seen.add(pair)
                yield Clash(item_id, "impossible", (one, other), stated, physical)
            elif back is not None and not _equal(stated * back, 1.0):
                seen.add(pair)
                yield Clash(item_id, "conflict", (one, other, one), stated * back, 1.0)
    yield from _cycles(item_id, edges, seen)


def _cycles(
    item_id: str, edges: Mapping[str, Mapping[str, float]], skipped: set[frozenset[str]]
) -> Iterator[Clash]:
    """Walk a tree over the units; each statement that closes a circle has to agree with it."""
    units = dict.fromkeys([*edges, *(unit for targets in edges.values() for unit in targets)])
    value: dict[str, float] = {}
    via: dict[str, str] = {}
    used: set[frozenset[str]] = set(skipped)
    for root in units:
        if root in value:
            continue
        value[root], waiting = 1.0, [root]
        while waiting:
            unit = waiting.pop(0)
            for target, each in _steps(edges, unit, units):
                pair = frozenset((unit, target))
                if pair in used:
                    continue
                used.add(pair)
                if target not in value:
                    value[target], via[target] = value[unit] * each, unit
                    waiting.append(target)
                elif not _equal(value[unit] * each, value[target]):
                    path = (*_way(via, unit), target)
                    stated, expected = value[unit] * each, value[target]
                    yield Clash(item_id, "cycle", path, stated, expected)


def _way(via: Mapping[str, str], unit: str) -> tuple[str, ...]:
    way = [unit]
    while way[0] in via:
        way.insert(0, via[way[0]])
    return tuple(way)


def _steps(
    edges: Mapping[str, Mapping[str, float]], unit: str, units: Mapping[str, Any] | set[str]
) -> Iterator[tuple[str, float]]:
    """Units one step away: as stated, the other way round, and by physics."""
    yield from edges.get(unit, {}).items()
    for other, targets in edges.items():
        if targets.get(unit):
            yield other, 1 / targets[unit]
    for other in units:
        physical = physical_factor(unit, other) if other != unit else None
        if physical is not None:
            yield other, physical


def _edges(conversions: pd.DataFrame, item_id: object) -> dict[str, dict[str, float]]:
    """What is stated for an item; for any item where it says nothing itself."""
    edges: dict[str, dict[str, float]] = defaultdict(dict)
    for owner in (ANY, item_id):
        rows = conversions[conversions[c.ITEM_ID] == owner]
        for one, other, each in zip(rows[c.FROM_UOM], rows[c.TO_UOM], rows[c.FACTOR], strict=True):
            edges[str(one)][str(other)] = float(each)
    return dict(edges)


def _equal(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=TOLERANCE)
