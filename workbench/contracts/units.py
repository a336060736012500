"""Units of measure: UN/CEFACT Recommendation 20 codes, and sizes that people typed as text.

`14.5 OZ`, `6/12 OZ CANS`, `1/2 GAL` and `20 CT` become a count of pieces, the size of one piece
and the code of its unit. A text that can be read in more than one way is not guessed at: it comes
back unparsed, with the reason.

Rules where the trade's own notation is loose:
    - OZ is the avoirdupois ounce (mass); FL OZ is the US fluid ounce. Gallons, quarts and pints
      are US liquid measures.
    - `a/b UNIT` is a fraction when a < b, b is 2, 3, 4 or 8 and the fraction is in lowest terms
      (`1/2 GAL`); else it is a multipack of a pieces of b (`6/12 OZ`).
    - `a-b UNIT` is a multipack only for OZ, FL OZ, ML and L; for all other units it is a range.
    - `N PK/x UNIT` is N pieces of x. Where a count stands beside a size in another way
      (`12 CT/11 OZ`, `12 OZ/8 PK`), the text does not say whether the size is each or in total:
      the pieces are kept and the size is left out. Two counts (`40/50 CT`) stay unparsed.
    - A number of seven digits or more is an article code run into the size, and stays unparsed.
"""

import re
from dataclasses import dataclass
from math import gcd
from typing import Final

EACH: Final = "EA"
PIECE: Final = "H87"
FLUID_OUNCE: Final = "OZA"

UNIT_NAMES: Final[dict[str, str]] = {
    "C62": "one",
    "EA": "each",
    "H87": "piece",
    "PR": "pair",
    "DZN": "dozen",
    "SET": "set",
    "KT": "kit",
    "NL": "load",
    "E27": "dose",
    "E55": "use",
    "XBG": "bag",  # codes with X are packages of Recommendation 21
    "XBX": "box",
    "XCS": "case",
    "XCT": "carton",
    "XPK": "package",
    "XPX": "pallet",
    "XRO": "roll",
    "MGM": "milligram",
    "GRM": "gram",
    "KGM": "kilogram",
    "TNE": "tonne",
    "ONZ": "ounce",
    "LBR": "pound",
    "MLT": "millilitre",
    "CLT": "centilitre",
    "LTR": "litre",
    "MTQ": "cubic metre",
    "OZA": "fluid ounce (US)",
    "PTL": "liquid pint (US)",
    "QTL": "liquid quart (US)",
    "GLL": "gallon (US)",
    "G21": "cup",
    "MMT": "millimetre",
    "CMT": "centimetre",
    "MTR": "metre",
    "INH": "inch",
    "FOT": "foot",
    "YRD": "yard",
    "INK": "square inch",
    "FTK": "square foot",
    "MTK": "square metre",
    "INQ": "cubic inch",
}
"""Codes that this product understands, with their English names."""

_SYMBOLS: Final = {
    "MGM": "mg", "GRM": "g", "KGM": "kg", "TNE": "t", "ONZ": "oz", "LBR": "lb", "MLT": "ml",
    "CLT": "cl", "LTR": "l", "MTQ": "m³", "OZA": "fl oz", "MMT": "mm", "CMT": "cm", "MTR": "m",
    "MTK": "m²",
}  # fmt: skip
_PIECES: Final = frozenset({"C62", "EA", "H87"})  # all three count things one by one


def unit_name(code: str, quantity: float = 2) -> str:
    """A unit as people write it beside a quantity: `pieces`, `kg`, `1 case`.

    Args:
        code: UN/CEFACT Recommendation 20 code; one that is not known stands as it is.
        quantity: What the unit stands beside; one piece is a piece.
    """
    if code in _SYMBOLS:
        return _SYMBOLS[code]
    name = "piece" if code in _PIECES else UNIT_NAMES.get(code)
    if name is None:
        return code
    if quantity == 1:
        return name
    if name == "dozen":
        return name
    word, _, rest = name.partition(" (")
    plural = word + ("es" if word.endswith(("x", "ch")) else "s")
    return f"{plural} ({rest}" if rest else plural


def _by_name(names: dict[str, str]) -> dict[str, str]:
    return {name: code for code, text in names.items() for name in text.split()}


_MEASURES: Final = _by_name(
    {
        "PR": "PAIR PR",
        "DZN": "DZ DOZ DZN DOZEN",
        "SET": "SET",
        "KT": "KIT KT",
        "NL": "LOAD LOADS LD LDS",
        "E27": "DOSE DOSES",
        "E55": "USE USES",
        "MGM": "MG MGM",
        "GRM": "G GM GR GRAM GRAMS GRM",
        "KGM": "KG KGM KILO KILOGRAM",
        "TNE": "T TONNE TNE",
        "ONZ": "OZ OZS ONZ OUNCE OUNCES Z",
        "LBR": "LB LBS LBR POUND POUNDS",
        "MLT": "ML MLT",
        "CLT": "CL CLT",
        "LTR": "L LT LTR LRT LITER LITRE",
        "OZA": "FLOZ OZA",
        "PTL": "PT PTS PTL PINT",
        "QTL": "QT QTS QTL QUART",
        "GLL": "GAL GA GLL GALLON",
        "G21": "CUP CUPS CP",
        "MMT": "MM MMT",
        "CMT": "CM CMT",
        "MTR": "M MTR",
        "INH": "IN INH INCH",
        "FOT": "FT FOT",
        "YRD": "YD YRD",
        "INK": "SQIN INK",
        "FTK": "SQFT FTK",
        "INQ": "CUIN INQ",
    }
)
# What a record in an ERP is counted in.
_UNITS: Final = _MEASURES | _by_name(
    {
        "EA": "EACH",
        "H87": "PC PCS PCE PIECE PIECES ST STK STUECK",
        "XBG": "BAG BEUTEL",
        "XBX": "BX BOX",
        "XCS": "CS CASE CASES KISTE KISTEN",
        "XCT": "CTN CARTON KARTON KARTONS",
        "XPK": "PK PACK PKG PACKAGE PACKUNG PACKUNGEN",
        "XPX": "PAL PALLET PALETTE PALETTEN",
        "XRO": "ROLL ROLLE ROLLEN",
    }
)
_PLAIN: Final = str.maketrans({"Ä": "AE", "Ö": "OE", "Ü": "UE"})
# What the same words mean in a package size, where they count the pieces inside.
_SIZE_WORDS: Final = _MEASURES | _by_name(
    {
        "H87": "EA EACH CT CNT COUNT PC PCS PIECE PIECES PK PKS PACK PACKS PCK CTN STEM STEMS ROLL"
        " ROLLS SHEET SHEETS PAD PADS TABLET TABLETS"
    }
)
_IMPLAUSIBLE: Final = 1_000_000
_PACKS: Final = frozenset("PK PKS PACK PACKS P".split())
_PER_PIECE: Final = frozenset({"ONZ", "OZA", "MLT", "LTR"})
_STAND_ALONE: Final = frozenset("PT QT GAL L LB OZ DZ DOZ PK PCK CTN KIT EA EACH".split())
_SIZE_NAMES: Final = re.compile(
    r"^(ONE SIZE|MINI|SINGA?LE|TALL|(X-?|XX-?)?(SMALL|SM|SML|MEDIUM|MED|LARGE|LG|LRG|XLG|XL)"
    r"|KING|QUEEN|FULL|TWIN)\b"
)
_NUMBER: Final = r"(?:\d+[ -]\d+/\d+|\d+/\d+|\d+\.?\d*|\.\d+)"
_UNIT: Final = "(?P<unit>[A-Z]+)"
_TRAILING_WORDS: Final = r"(?:[ /-]+[A-Z]+)*"


@dataclass(frozen=True)
class PackSize:
    """What a size text says.

    Attributes:
        count: Pieces in the pack.
        size: Content of one piece, in `unit`.
        unit: Recommendation 20 code.
    """

    count: float
    size: float
    unit: str


@dataclass(frozen=True)
class Unparsed:
    """A size text that cannot be read with certainty, and why."""

    reason: str


def unit_code(name: str) -> str | None:
    """Recommendation 20 code of a unit's code, name or usual abbreviation; None if unknown."""
    compact = re.sub(r"[ .]", "", name.strip().upper()).translate(_PLAIN)
    return compact if compact in UNIT_NAMES else _UNITS.get(compact)


def parse_size(text: str) -> PackSize | Unparsed:
    """Count, size and unit of a free-text package size, by the rules of this module."""
    cleaned = _clean(text)
    if not cleaned:
        return Unparsed("empty")
    for candidate in _without_codes(cleaned):
        for rule in (_compound, _multipack, _pieces_beside_size, _single, _bare_unit):
            parsed = rule(candidate)
            if parsed is not None:
                return parsed
    return Unparsed(_why_not(cleaned))


def _clean(text: str) -> str:
    upper = re.sub(r"\([^)]*\)", " ", text.upper())
    upper = re.sub(r"[*]|(?<=[A-Z])\.", " ", upper)
    upper = re.sub(r"\bFL\.? ?OZ\b", "FLOZ", upper)
    upper = re.sub(r"\b(SQ|CU)\.? (FT|IN)\b", r"\1\2", upper)
    upper = re.sub(r"\bHALF(?= GAL)", "1/2", upper)
    upper = re.sub(r"\s*/\s*", "/", upper)
    return re.sub(r"\s+", " ", upper).lstrip(" -/").rstrip(" .-/")


def _without_codes(text: str) -> list[str]:
    """The text itself, then without what looks like an article code before or after the size."""
    shorter = re.sub(r"^(?:[A-Z]{1,5}\d* )+(?=[.\d])", "", text)
    shorter = re.sub(r"^\d{3,} (?=[.\d])", "", shorter)
    shorter = re.sub(r"^\d{5,} ?(?=[A-Z])", "", shorter)
    shorter = re.sub(r"(?<=[A-Z]) ?\d{3,}$", "", shorter)
    return [shorter] if shorter == text else [shorter, text]


def _value(number: str) -> float | None:
    """Value of `3`, `.5`, `3/4` or `10 3/4`; None for a quotient that is not a plain fraction."""
    whole, fraction = "0", number
    mixed = re.fullmatch(r"(\d+)[ -](\d+/\d+)", number)
    if mixed:
        whole, fraction = mixed.group(1), mixed.group(2)
    if "/" not in fraction:
        return float(fraction)
    top, bottom = (int(part) for part in fraction.split("/"))
    if bottom not in (2, 3, 4, 8) or not 0 < top < bottom or gcd(top, bottom) != 1:
        return None
    return float(whole) + top / bottom


def _pack(count: float, size: float, unit: str) -> PackSize | None:
    """Pieces and dozens are counts; everything else has a size. Zero of anything is no size."""
    if not 0 < count < _IMPLAUSIBLE or not 0 < size < _IMPLAUSIBLE:
        return None
    if unit == PIECE:
        return PackSize(count * size, 1.0, PIECE)
    if unit == "DZN":
        return PackSize(count * size * 12, 1.0, PIECE)
    return PackSize(count, size, unit)


def _compound(text: str) -> PackSize | None:
    match = re.fullmatch(rf"({_NUMBER}) LBS? ({_NUMBER}) OZ{_TRAILING_WORDS}", text)
    pounds, ounces = (_value(match.group(i)) for i in (1, 2)) if match else (None, None)
    return None if pounds is None or ounces is None else _pack(1, pounds * 16 + ounces, "ONZ")


def _multipack(text: str) -> PackSize | None:
    match = re.fullmatch(
        rf"(?P<count>\d+)(?: ?(?P<pack>[A-Z]+)[ /]+| ?(?P<mark>[/-]) ?)(?P<size>{_NUMBER})"
        rf"[ -]?{_UNIT}{_TRAILING_WORDS}",
        text,
    )
    if match is None:
        return None
    unit, size = _SIZE_WORDS.get(match["unit"]), _value(match["size"])
    if unit is None or size is None or not _is_multipack(match, unit):
        return None
    return _pack(float(match["count"]), size, unit)


def _is_multipack(match: re.Match[str], unit: str) -> bool:
    """Whether `count mark size` means pieces of a size, not a fraction, a range or more."""
    if match["pack"] is not None:
        return match["pack"] in _PACKS and unit != PIECE
    if match["mark"] == "-":
        return unit in _PER_PIECE and "/" not in match["size"]
    if unit == PIECE:
        return False
    quotient = f"{match['count']}/{match['size']}"
    return not (match["size"].isdigit() and _value(quotient) is not None)


def _pieces_beside_size(text: str) -> PackSize | None:
    """`12 CT/11 OZ` and `12 OZ/8 PK`: the pieces are certain, the size of one is not."""
    counted = r"(?P<count>\d+) ?(?:CT|PK|PC|PCS|STEMS?|ROLLS?)"
    other = rf"{_NUMBER} ?(?!(?:CT|PK|PC|PCS)\b)[A-Z]+"
    for pattern in (rf"{counted}[/ ]+{other}{_TRAILING_WORDS}", rf"{other}[/ ]+{counted}"):
        match = re.fullmatch(pattern, text)
        if match and not re.search(r"\d ?X ?\d", text):
            return _pack(float(match["count"]), 1, PIECE)
    return None


def _single(text: str) -> PackSize | None:
    match = re.fullmatch(rf"(?P<size>{_NUMBER})[ -]?{_UNIT}{_TRAILING_WORDS}", text)
    if match is None:
        return None
    unit, size = _SIZE_WORDS.get(match["unit"]), _value(match["size"])
    return None if unit is None or size is None else _pack(1, size, unit)


def _bare_unit(text: str) -> PackSize | None:
    return _pack(1, 1, _SIZE_WORDS[text]) if text in _STAND_ALONE else None


def _why_not(text: str) -> str:
    if re.search(r"\d ?(IN|FT|YD|CM)? ?X ?\.?\d", text):
        return "dimensions"
    if re.search(rf"{_NUMBER} ?- ?{_NUMBER}", text):
        return "range"
    if re.search(r"\d{7}", text):
        return "article code"
    if re.search(r"\d ?(CT|PK|PC)?[ /]+\d+ ?(CT|PK|PC)\b", text):
        return "two counts"
    if _SIZE_NAMES.match(text):
        return "size name"
    return "not recognised"
