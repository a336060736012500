"""What the columns of a profiled file mean: the table that it fills best, and each column's source.

Guesses rest on names in English and German, on types, and on whether the key is unique. Each comes
with its evidence; a person checks them in the written description.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from workbench.adapters.profiles import ColumnProfile, Profile
from workbench.adapters.role_words import COLUMN_WORDS, TABLE_WORDS
from workbench.contracts import columns as c
from workbench.contracts import tables
from workbench.contracts.schema import Column, TableContract
from workbench.contracts.units import unit_code

_DEFAULTS: Final[Mapping[str, str | int | float | bool]] = {
    c.CHANNEL: "store", c.IS_DEMAND: True, c.BASE_UOM: "EA", c.ON_ORDER: 0, c.REJECTED: 0,
    c.LEAD_TIME_SD_DAYS: 0, c.ORDER_MULTIPLE: 1, c.MINIMUM_ORDER_QUANTITY: 1, c.TYPE: "public",
}  # fmt: skip
_FITTING: Final[Mapping[str, tuple[str, ...]]] = {
    "number": ("integer", "number"), "integer": ("integer",), "date": ("date", "time"),
    "time": ("time", "date"), "boolean": ("boolean",),
}  # fmt: skip
_PLAIN_KEYS: Final = ("id", "no", "nr", "code", "key", "number", "nummer")
_LEAST: Final = 0.5


@dataclass(frozen=True)
class Guess:
    """Where a column of a table comes from, and why."""

    column: ColumnProfile
    evidence: str
    score: float


@dataclass(frozen=True)
class Roles:
    """How a file fills a table.

    Attributes:
        mapped: Guess by column of the table.
        constants: Values that no column gives, assumed.
        missing: Columns that the table needs and nothing was found for.
        computed: SQL by column of the table, with why.
        key_repeats: Whether rows of the sample share a key.
    """

    table: str
    score: float
    mapped: Mapping[str, Guess]
    constants: Mapping[str, str | int | float | bool]
    missing: tuple[str, ...]
    computed: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    key_repeats: bool = False


def ranked(profile: Profile, currency: str) -> list[Roles]:
    """Tables that a file could fill, the likeliest first."""
    found = [_roles(profile, table, currency) for table in TABLE_WORDS]
    return sorted(found, key=lambda roles: -roles.score)


def _roles(profile: Profile, table: str, currency: str) -> Roles:
    contract = tables.contract(table)
    mapped = _assigned(profile, contract)
    defaults = {**_DEFAULTS, c.CURRENCY: currency}
    if table == "locations":
        defaults[c.KIND] = "store"
    needed = [column.name for column in contract.columns if not column.nullable]
    computed = _computed(mapped, needed, profile)
    constants = {n: defaults[n] for n in needed if n in defaults and n not in mapped}
    missing = tuple(n for n in needed if n not in {*mapped, *constants, *computed})
    repeats = not missing and _repeats(profile, mapped, contract.key)
    wanted = [n for n in needed if n not in defaults]
    told = sum(mapped[n].score if n in mapped else 0.8 for n in wanted if n not in missing)
    score = told / max(len(wanted), 1) + 0.02 * len(set(mapped) - set(wanted))
    stem = _plain(f"{profile.path.stem} {profile.part}")
    score += 0.35 * any(word in stem for word in TABLE_WORDS[table].split())
    score -= 0.3 if repeats and table not in ("sales", "order_lines") else 0
    return Roles(table, score, mapped, constants, missing, computed, repeats)


def _assigned(profile: Profile, contract: TableContract) -> dict[str, Guess]:
    """Best pairs first; a column of the file is used once."""
    pairs = [
        (guess.score, not column.nullable, column.name, guess)
        for column in contract.columns
        for found in profile.columns
        if (guess := _guess(column, found, only_key=contract.key == (column.name,))) is not None
    ]
    mapped: dict[str, Guess] = {}
    used: set[str] = set()
    for _, _, name, guess in sorted(pairs, key=lambda pair: pair[:2], reverse=True):
        if name not in mapped and guess.column.name not in used:
            mapped[name] = guess
            used.add(guess.column.name)
    return mapped


def _guess(column: Column, found: ColumnProfile, *, only_key: bool) -> Guess | None:
    score, matched = _name_score(column.name, found.name)
    if only_key and found.unique and _plain(found.name) in _PLAIN_KEYS:
        score, matched = max(score, 0.7), matched or "id"
    if score < _LEAST or found.type == "empty":
        return None
    if found.type not in _FITTING.get(column.type, (found.type,)):
        return None
    if not column.nullable and found.filled < 0.5 * found.rows:
        return None
    evidence = [f"named like '{matched}'", _described(found)]
    if column.name in (c.BASE_UOM, c.PACK_UOM):
        known = sum(unit_code(value) is not None for value in found.values)
        if 2 * known < len(found.values):
            return None
        evidence.append(f"{known} of {len(found.values)} are known units")
    if column.identifies and found.type in ("date", "time"):
        return None
    return Guess(found, ", ".join(evidence), score)


def _name_score(target: str, name: str) -> tuple[float, str]:
    """How much a name speaks for a column: the same word, one of its words, or a part of it."""
    plain = _plain(name)
    words = {_plain(word) for word in re.findall(r"[A-Za-zÄÖÜäöüß]+", _spaced(name))}
    best = (0.0, "")
    for synonym in (_plain(target), *COLUMN_WORDS.get(target, "").split()):
        synonym = _plain(synonym)
        if plain == synonym:
            return 1.0, synonym
        if synonym in words:
            best = max(best, (0.8 if len(words) <= 2 else 0.6, synonym))
        elif len(synonym) >= 5 and synonym in plain:
            best = max(best, (0.65, synonym))
    return best


def _spaced(name: str) -> str:
    return re.sub(r"(?<=[a-zäöüß])(?=[A-ZÄÖÜ])", " ", name)


def _plain(name: str) -> str:
    lower = name.lower().replace("ä", "ae").replace("ö", "oe").replace("ü", "ue").replace("ß", "ss")
    return re.sub(r"[^a-z0-9]", "", lower)


def _described(found: ColumnProfile) -> str:
    empty = found.rows - found.filled
    parts = ["all different" if found.unique else f"{found.distinct:,} different"]
    parts += [f"{empty:,} of {found.rows:,} empty"] if empty else []
    if found.format or found.type in ("date", "time"):
        parts.append(f"all written as {found.format or 'ISO 8601'}")
    if found.also:
        parts.append(f"CHECK: {found.also} fits too")
    if found.decimal:
        parts.append("decimal comma")
    if found.odd[0]:
        parts.append(
            f"CHECK: {found.odd[0]:,} of {found.rows:,} do not fit, first {found.odd[1]!r}"
        )
    return ", ".join(parts)


def _computed(
    mapped: Mapping[str, Guess], needed: list[str], profile: Profile
) -> dict[str, tuple[str, str]]:
    """Revenue where there is a quantity and a price but no amount."""
    if c.REVENUE not in needed or c.REVENUE in mapped or c.QUANTITY not in mapped:
        return {}
    for found in profile.columns:
        score, matched = _name_score(c.PRICE, found.name)
        if score >= _LEAST and found.type in ("integer", "number") and not found.decimal:
            quantity = mapped[c.QUANTITY].column.name.replace('"', '""')
            price = found.name.replace('"', '""')
            sql = f'CAST("{quantity}" AS DOUBLE) * CAST("{price}" AS DOUBLE)'
            return {c.REVENUE: (sql, f"no amount found; quantity times '{matched}'")}
    return {}


def _repeats(profile: Profile, mapped: Mapping[str, Guess], key: tuple[str, ...]) -> bool:
    positions = {column.name: i for i, column in enumerate(profile.columns)}
    chosen = [positions[mapped[name].column.name] for name in key if name in mapped]
    rows = [tuple(row[i] if i < len(row) else None for i in chosen) for row in profile.rows]
    return len(set(rows)) < len(rows)
