"""Canonical JSON: the fast way must write what the reference implementation writes."""

import json

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.contracts.canonical import canonical_json, parse_canonical

NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53) + 1, 2**53 - 1)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=12,
)


@given(VALUES)
@settings(max_examples=400, deadline=None)
def test_any_value_is_written_as_the_reference_writes_it(value):
    assert canonical_json(value) == rfc8785.dumps(value)
    assert canonical_json(parse_canonical(canonical_json(value))) == canonical_json(value)


@pytest.mark.parametrize(
    ("number", "text"),  # RFC 8785, appendix B
    [
        (0.0, "0"), (-0.0, "0"), (5e-324, "5e-324"), (1e21, "1e+21"), (1e-6, "0.000001"),
        (1e-7, "1e-7"), (333333333.3333333, "333333333.3333333"), (1e23, "1e+23"),
        (9007199254740994.0, "9007199254740994"),
        (295147905179352830000.0, "295147905179352830000"),
    ],
)  # fmt: skip
def test_numbers_of_the_standard(number, text):
    assert canonical_json(number).decode() == text


def test_keys_are_sorted_by_utf_16_units():
    # RFC 8785, section 3.2.3: U+1F600 sorts before U+FB33
    value = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "\xf6": 7}
    keys = list(json.loads(canonical_json(value)))
    assert keys == ["\r", "1", "\x80", "\xf6", "\u20ac", "\U0001f600", "\ufb33"]


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": 1}', b'{"b":1,"a":2}', b"1.0", b"1E2", b'{"a":1,"a":1}', b"NaN", b"Infinity",
        b'"\\u0041"', b"[" * 20_000, b'"\xff"', b"", b"{", b"1 ", b'"\\ud800"', b"9" * 5_000,
        b"9007199254740993",
    ],
)  # fmt: skip
def test_other_spellings_are_refused(data):
    with pytest.raises(ValueError, match=r"."):
        parse_canonical(data)


NUMBER_TEXTS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
)


@given(NUMBER_TEXTS, st.sampled_from(["%s", "[%s]", "[1,%s]", '{"a":%s}', '["é",%s]', '["%s"]']))
@settings(max_examples=600, deadline=None)
def test_a_number_is_read_only_as_the_reference_writes_its_double(text, around):
    data = (around % text).encode()
    value = json.loads(data, parse_int=float)
    try:
        canonical = rfc8785.dumps(value)
    except rfc8785.CanonicalizationError:
        canonical = b""
    try:
        accepted = parse_canonical(data) is not None
    except ValueError:
        accepted = False
    assert accepted == (canonical == data)


@pytest.mark.parametrize(
    "value", ["\ud800", {"\ud800": 1}, {1: 2}, {"a": {3}}, float("nan"), 2**60]
)
def test_values_without_canonical_form_are_refused(value):
    with pytest.raises(rfc8785.CanonicalizationError):
        canonical_json(value)
