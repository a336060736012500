"""Item numbers as systems write them, and GTINs (GS1, GTIN-8 to GTIN-14) with check digits."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

_GTIN_LENGTHS: Final = (8, 12, 13, 14)
_INTERNAL: Final = ("02", "04", "2")  # restricted circulation: a shop's own numbers, not unique


@dataclass(frozen=True)
class Gtin:
    """A global trade item number.

    Attributes:
        digits: As 14 digits, so that the same number in other lengths is the same.
        internal: Of restricted circulation: two firms may use it for different things.
    """

    digits: str
    internal: bool


def normalised_id(text: str) -> str:
    """An item number without what systems add: blanks, case, and zeros before a plain number.

    `' ab-12 '` and `AB-12` are one; so are `000471` and `471`. Other marks are kept: `AB-12` and
    `AB12` may be two articles.
    """
    plain = unicodedata.normalize("NFKC", text).strip().upper()
    plain = re.sub(r"\s+", " ", plain)
    return plain.lstrip("0") or "0" if plain.isdigit() else plain


def gtin(text: str) -> Gtin | str:
    """A GTIN, or in words why the text is none.

    GTIN-8, GTIN-12 (UPC-A), GTIN-13 (EAN) and GTIN-14, with blanks or hyphens between digits.
    """
    from stdnum import ean

    digits = re.sub(r"[ \-]", "", unicodedata.normalize("NFKC", text))
    if not digits.isdecimal():
        return "holds other characters than digits"
    if len(digits) not in _GTIN_LENGTHS:
        return f"has {len(digits)} digits, expected 8, 12, 13 or 14"
    expected = ean.calc_check_digit(digits[:-1])
    if digits[-1] != expected:
        return f"check digit is {digits[-1]}, expected {expected}"
    if set(digits) == {"0"}:
        return "is all zeros"
    whole = digits.zfill(14)
    return Gtin(whole, len(digits) != 8 and whole[1:].startswith(_INTERNAL))
