"""Canonical JSON (RFC 8785), mostly at the speed of general encoders.

Their output differs from the canonical form only in how some numbers and control characters are
written and in the order of keys outside the basic plane. Values without those take the fast way;
all others go through `rfc8785`, which also refuses what has no canonical form.
"""

import json
import re
from typing import Any, Final

import msgspec
import rfc8785

_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False
)
# UTF-8 of U+E000 and above, where the order of code points is not that of UTF-16 units.
_OTHER_ORDER: Final = re.compile(rb"[\xee-\xff]")
_EXACT: Final = 2**53  # integers below have one double each
_DIGITS_AS_ZERO: Final = bytes.maketrans(b"123456789", b"000000000")
_ROW: Final = b"0" * 16
_LONG_NUMBERS: Final = tuple(before + _ROW for before in (b":", b",", b"[", b"-"))


class _UnusualError(Exception):
    """The value needs the slow way."""


def canonical_json(value: Any) -> bytes:
    """The canonical form of strings, numbers, truth values, None, lists and objects.

    Raises:
        rfc8785.CanonicalizationError: The value has none.
    """
    try:
        data = _ENCODER.encode(_with_plain_numbers(value)).encode("utf-8")
    except (_UnusualError, UnicodeEncodeError):
        return _reference(value)
    return _reference(value) if _OTHER_ORDER.search(data) else data


def parse_canonical(data: bytes) -> Any:
    """Read JSON that must be in canonical form.

    Raises:
        ValueError: It is not JSON, or it is another spelling than the canonical one.
    """
    plain = _read_plain(data)
    if plain is not None:
        return plain
    try:
        value, canonical = _read_any(data.decode("utf-8"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except rfc8785.CanonicalizationError as error:
        raise ValueError(str(error)) from None
    if canonical != data:
        raise ValueError("not in canonical form (RFC 8785)")
    return value


def _read_plain(data: bytes) -> Any:
    """The value of canonical JSON in which nothing needs a second look; None: look again.

    What the sorted encoder writes back byte for byte is canonical, unless a number is one that it
    writes in another way than RFC 8785, or is spelt in a way that both read.
    """
    zeros = data.translate(_DIGITS_AS_ZERO)  # a number beyond 2^53 shows as a row of 16
    if _ROW in zeros and any(map(zeros.__contains__, _LONG_NUMBERS)):
        return None
    if (b"\\" in data and b"\\u" in data) or zeros[:1] == b"0":
        return None
    try:
        value = _DECODER.decode(data)
        canonical = _SORTED_ENCODER.encode(value)
    except (msgspec.MsgspecError, RecursionError, _UnusualError):
        return None
    if canonical != data or (not data.isascii() and _OTHER_ORDER.search(data)):
        return None
    return value


def _read_any(text: str) -> tuple[Any, bytes]:
    value = json.loads(text, parse_constant=_refuse, parse_int=_integer)
    return value, canonical_json(value)


def _usual_float(text: str) -> float:
    value = float(text)
    if "e" in text or "E" in text or not 1e-4 <= abs(value) < 1e15 or value.is_integer():
        raise _UnusualError
    return value


def _reference(value: Any) -> bytes:
    try:
        return rfc8785.dumps(value)
    except UnicodeEncodeError as error:  # a lone surrogate in a key
        raise rfc8785.CanonicalizationError(f"text without UTF-8 form ({error.reason})") from error


def _with_plain_numbers(value: Any) -> Any:
    """The value with whole floats as integers; `_UnusualError` where that is not enough."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return value
    if kind is dict:
        if any(type(key) is not str for key in value):
            raise _UnusualError
        return {key: _with_plain_numbers(item) for key, item in value.items()}
    if kind is list:
        return [_with_plain_numbers(item) for item in value]
    if kind is int and -_EXACT < value < _EXACT:
        return value
    if kind is float:
        return _plain_float(value)
    raise _UnusualError


def _plain_float(value: float) -> float | int:
    """RFC 8785 and `repr` agree from 1e-4 to 1e16; whole numbers lose their `.0`."""
    if value.is_integer() and -_EXACT < value < _EXACT:
        return int(value)
    if 1e-4 <= abs(value) < 1e15:
        return value
    raise _UnusualError


def _integer(text: str) -> int | float:
    """Every number of RFC 8785 is a double: beyond 2^53 it is read as one."""
    return int(text) if len(text) <= 15 else _plain_or_double(float(text))


def _plain_or_double(value: float) -> int | float:
    return int(value) if -_EXACT < value < _EXACT else value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


_DECODER: Final = msgspec.json.Decoder(float_hook=_usual_float)
_SORTED_ENCODER: Final = msgspec.json.Encoder(order="sorted")
