"""Probable duplicates in an item master: blocked fuzzy match on name, brand, maker, size, category.

Two records are compared word by word. Every word of one has to be found in the other: the same,
with a typing error, or abbreviated; what is left over weighs as much as it is rare. So
`CHK NDL SOUP 14.5OZ` is `Chicken noodle soup, 14.5 oz`, while `Cola` and `Cola Zero`, or two sizes
of one thing, are not. Numbers and sizes agree or the records differ.

Records that are written alike are paired with the first of them, and only that one is compared with
others. Blocking: only records that share an uncommon word (by its consonants), a GTIN or a
neighbourhood in sorted order are compared, so that the work grows with the number of items, not its
square.
"""

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any, Final

import pandas as pd

from workbench.contracts import columns as c
from workbench.contracts.units import PackSize, parse_size
from workbench.item_master.conversions import in_base_units
from workbench.item_master.identifiers import Gtin, gtin

LEAST_SCORE: Final = 0.8
_LARGEST_BLOCK: Final = 60
_NEIGHBOURS: Final = 4
_KEYS: Final = 4
_COMPARED: Final = (
    c.ITEM_ID, c.DESCRIPTION, c.BRAND, c.MANUFACTURER, c.CATEGORY, c.GTIN, c.PACK_SIZE, c.PACK_UOM,
    c.PACK_COUNT,
)  # fmt: skip
_ABBREVIATED: Final = 0.9
_AGAINST: Final = 0.12  # of the score, for another brand or category
_SIZE: Final = re.compile(
    r"(?<![\w.])(?:\d+ ?(?:/|x|X) ?)?\d+(?:[.,]\d+)?(?: ?\d/\d)? ?"
    r"(?:fl\.? ?oz|oz|ozs|lbs?|kg|gr|gm|g|mg|ml|cl|l|lt|ltr|gal|qt|pt|ct|pk|pcs?|st|cm|mm|inch|in"
    r"|ft)"
    r"\b\.?",
    re.IGNORECASE,
)
_NOISE: Final = frozenset("new neu the and und of with a in for fuer item orig".split())


@dataclass(frozen=True)
class Candidate:
    """Two records that may be one item.

    Attributes:
        item_id: The record that would stay, that with more filled columns, then the first id.
        duplicate_id: The other one.
        score: From 0 to 1.
        evidence: What speaks for it, one sentence each.
    """

    item_id: str
    duplicate_id: str
    score: float
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class _Record:
    item_id: str
    text: str
    words: tuple[str, ...]
    numbers: tuple[str, ...]
    sizes: tuple[tuple[float, str], ...]
    brand: str
    maker: str
    category: str
    gtin: str
    filled: int


def duplicates(items: pd.DataFrame, *, least_score: float = LEAST_SCORE) -> list[Candidate]:
    """Pairs of an item master that are probably one item, the surest first.

    Args:
        items: Table `items`; brand, manufacturer, category, GTIN and package size are used where
            they are filled.
        least_score: Pairs below it are left out.
    """
    filled = items.notna().sum(axis=1).tolist()
    rows = items[[name for name in _COMPARED if name in items]].to_dict("records")
    records = [_record(row, count) for row, count in zip(rows, filled, strict=True)]
    counts = Counter(word for record in records for word in set(record.words))
    rarity = {word: math.log(1 + len(records) / count) for word, count in counts.items()}
    groups = _written_alike(records)
    first = [group[0] for group in groups]
    pairs = [(group[0], other) for group in groups for other in group[1:]]
    pairs += [(first[one], first[other]) for one, other in _pairs(first, rarity)]
    found = []
    for one, other in pairs:
        candidate = _compared(one, other, rarity, len(records), least_score)
        if candidate is not None:
            found.append(candidate)
    return sorted(found, key=lambda pair: (-pair.score, pair.item_id, pair.duplicate_id))


def pair_table(items: pd.DataFrame, *, least_score: float = LEAST_SCORE) -> pd.DataFrame:
    """The same as rows: item_id, duplicate_id, score."""
    rows = [
        (pair.item_id, pair.duplicate_id, pair.score)
        for pair in duplicates(items, least_score=least_score)
    ]
    names = {c.ITEM_ID: "str", "duplicate_id": "str", "score": "float64"}
    return pd.DataFrame(rows, columns=list(names)).astype(names)


def _written_alike(records: Iterable[_Record]) -> list[list[_Record]]:
    """Records between which nothing that is compared differs, the one that would stay first."""
    groups: dict[tuple[Any, ...], list[_Record]] = defaultdict(list)
    for one in records:
        key = (one.words, one.numbers, one.sizes, one.brand, one.maker, one.category, one.gtin)
        groups[key].append(one)
    return [sorted(group, key=_stays_first) for group in groups.values()]


def _stays_first(record: _Record) -> tuple[int, str]:
    return -record.filled, record.item_id


def _record(row: Mapping[Any, Any], filled: int) -> _Record:
    def text(name: str) -> str:
        value = row.get(name)
        return value if isinstance(value, str) else ""

    description = text(c.DESCRIPTION)
    plain = _plain(description)
    sizes = _sizes(row, description)
    words, numbers = _words(_SIZE.sub(" ", plain))
    number = gtin(text(c.GTIN)) if text(c.GTIN) else ""
    known = number.digits if isinstance(number, Gtin) and not number.internal else ""
    return _Record(
        str(row[c.ITEM_ID]), description, words, numbers, sizes, _plain(text(c.BRAND)),
        _plain(text(c.MANUFACTURER)),
        _plain(text(c.CATEGORY)), known, filled,
    )  # fmt: skip


@lru_cache(maxsize=1 << 16)
def _plain(text: str) -> str:
    """Lower case without accents; marks become blanks, but for those within numbers."""
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(
        r"\s+", " ", re.sub(r"[^a-z0-9.,/]|(?<!\d)[.,/]|[.,/](?!\d)", " ", letters)
    ).strip()


@lru_cache(maxsize=1 << 16)
def _words(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    parts = [part for part in text.split() if part not in _NOISE]
    numbers = tuple(sorted(part for part in parts if any(char.isdigit() for char in part)))
    return tuple(_stem(part) for part in parts if part not in numbers), numbers


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _sizes(row: Mapping[Any, Any], description: str) -> tuple[tuple[float, str], ...]:
    """Content of a pack in a base unit, of the columns; else all sizes in the description."""
    size, unit, count = (row.get(name) for name in (c.PACK_SIZE, c.PACK_UOM, c.PACK_COUNT))
    if isinstance(size, float) and isinstance(unit, str) and math.isfinite(size):
        pieces = count if isinstance(count, float) and math.isfinite(count) else 1.0
        return (in_base_units(size * pieces, unit),)
    return _sizes_in(description)


@lru_cache(maxsize=1 << 16)
def _sizes_in(description: str) -> tuple[tuple[float, str], ...]:
    texts = [match.group() for match in _SIZE.finditer(description)]
    parsed = [
        parse_size(text.replace(",", ".").replace("x", "/").replace("X", "/")) for text in texts
    ]
    return tuple(in_base_units(p.size * p.count, p.unit) for p in parsed if isinstance(p, PackSize))


def _pairs(records: Sequence[_Record], rarity: dict[str, float]) -> set[tuple[int, int]]:
    """Positions of records to compare, the first before the second."""
    blocks: dict[tuple[str, str], list[int]] = defaultdict(list)
    for position, record in enumerate(records):
        rare = sorted(set(record.words), key=lambda word: -rarity[word])[:_KEYS]
        for word in rare:
            blocks["word", _skeleton(word)].append(position)
        for one, other in combinations(sorted(_skeleton(w) for w in set(record.words)), 2):
            blocks["two words", f"{one} {other}"].append(position)
        if record.gtin:
            blocks["gtin", record.gtin].append(position)
    pairs = {
        pair
        for block in blocks.values()
        if len(block) <= _LARGEST_BLOCK
        for pair in combinations(sorted(set(block)), 2)
    }
    for key in (lambda r: " ".join(r.words), lambda r: " ".join(sorted(r.words))):
        order = sorted(range(len(records)), key=lambda i, key=key: key(records[i]))  # type: ignore[misc]
        for distance in range(1, _NEIGHBOURS + 1):
            pairs |= {(min(a, b), max(a, b)) for a, b in zip(order, order[distance:], strict=False)}
    return pairs


def _skeleton(word: str) -> str:
    """First letter and the consonants after it, three in all: survives most abbreviations."""
    return (word[0] + re.sub(r"[aeiouy]|(.)(?=\1)", "", word[1:]))[:3]


def _compared(
    one: _Record, other: _Record, rarity: dict[str, float], count: int, least: float
) -> Candidate | None:
    """The pair where its score is high enough; what is cheap to see is looked at first."""
    if one.gtin and one.gtin == other.gtin:
        return _candidate(one, other, 1.0, [f"same GTIN {one.gtin}"])
    if (one.gtin and other.gtin) or one.numbers != other.numbers:
        return None
    if not one.words or not other.words:
        return None
    against, told = _owners(one, other)
    if 1 - against < least or not _same_sizes(one.sizes, other.sizes):
        return None
    if _one_word_cut_short(one.words, other.words):
        return None
    shared, evidence = _alike(one.words, other.words, rarity, count)
    if shared - against < least:
        return None
    names = f"names agree by {shared:.0%}: {one.text!r}, {other.text!r}"
    sizes = ", ".join(f"{size:g} {unit}" for size, unit in one.sizes if other.sizes)
    same = [f"same size, {sizes}"] if sizes else []
    return _candidate(one, other, shared - against, [names, *evidence, *told, *same])


def _candidate(one: _Record, other: _Record, score: float, evidence: list[str]) -> Candidate:
    keep, drop = sorted((one, other), key=_stays_first)
    return Candidate(keep.item_id, drop.item_id, round(score, 4), tuple(evidence))


def _owners(one: _Record, other: _Record) -> tuple[float, list[str]]:
    """What another brand, manufacturer or category takes from the score, and the evidence."""
    against, told = 0.0, []
    for name, a, b, weight in (
        ("brand", one.brand, other.brand, _AGAINST),
        ("manufacturer", one.maker, other.maker, 2 * _AGAINST),  # two makers' goods are two
        ("category", one.category, other.category, _AGAINST),
    ):
        if a and b:
            alike = _same_name(a, b)
            against += 0 if alike else weight
            told.append(f"same {name} {a!r}" if alike else f"{name} differs: {a!r}, {b!r}")
    return against, told


@lru_cache(maxsize=1 << 18)
def _same_name(one: str, other: str) -> bool:
    """Of brands, makers or categories: a typing error is forgiven, but for the digits of a code."""
    if any(char.isdigit() for char in one + other):
        return one == other
    return _word_score(one.replace(" ", ""), other.replace(" ", "")) > 0


def _same_sizes(one: Iterable[tuple[float, str]], other: Iterable[tuple[float, str]]) -> bool:
    """Whether one record states no size that the other contradicts; a content and a dose may be."""
    few, many = sorted((list(one), list(other)), key=len)
    for size, unit in few:
        found = [
            known for known in many
            if known[1] == unit and math.isclose(size, known[0], rel_tol=0.02)
        ]  # fmt: skip
        if not found:
            return False
        many.remove(found[0])
    return True


def _one_word_cut_short(one: Sequence[str], other: Sequence[str]) -> bool:
    """Nothing else speaks for it: `chain` may be a chainring, or a chain."""
    return len(one) == len(other) == 1 and _word_score(one[0], other[0]) == _ABBREVIATED


def _alike(
    one: Iterable[str], other: Iterable[str], rarity: dict[str, float], count: int
) -> tuple[float, list[str]]:
    """Share of the words' weight that is found in the other record, and how."""
    unusual = math.log(1 + count)
    left, right = sorted(one, key=len, reverse=True), list(other)
    weight = matched = 0.0
    notes: list[str] = []
    for word in left:
        best = max(
            right, key=lambda w: (_word_score(word, w), -abs(len(word) - len(w))), default=""
        )
        score = _word_score(word, best) if best else 0.0
        weights = [rarity.get(word, unusual)]
        if score > 0:
            right.remove(best)
            weights.append(rarity.get(best, unusual))
            if word != best:
                notes.append(f"{word!r} for {best!r}")
        each = min(weights)
        weight += each
        matched += each * score
    weight += sum(rarity.get(word, unusual) for word in right)
    return (matched / weight if weight else 0.0), notes


@lru_cache(maxsize=1 << 18)
def _word_score(one: str, other: str) -> float:
    """1 the same, less for a typing error or an abbreviation, 0 for another word."""
    from rapidfuzz.distance import OSA

    if one == other:
        return 1.0
    short, long = sorted((one, other), key=len)
    if len(short) < 2 or short[0] != long[0]:
        near = len(short) >= 5 and OSA.distance(one, other) == 1
        return 0.85 if near else 0.0
    allowed = 1 if len(short) >= 4 else 0
    allowed += len(short) >= 8
    if OSA.distance(one, other, score_cutoff=allowed) <= allowed:
        return 0.93
    if len(long) >= 4 and len(short) >= 2 and len(short) < len(long) and _abbreviates(short, long):
        return _ABBREVIATED
    return 0.0


def _abbreviates(short: str, long: str) -> bool:
    """Whether letters were left out: its beginning, or its consonants in order."""
    if len(short) >= 3 and long.startswith(short):
        return True
    vowels = set("aeiouy")
    if any(letter in vowels for letter in short[1:]):
        return False
    consonants = long[0] + "".join(letter for letter in long[1:] if letter not in vowels)
    return len(short) >= 2 and _subsequence(short, consonants) and 2 * len(short) >= len(consonants)


def _subsequence(short: str, long: str) -> bool:
    letters = iter(long)
    return all(letter in letters for letter in short)
