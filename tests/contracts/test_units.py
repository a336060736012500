"""Package sizes typed as text, and unit codes of UN/CEFACT Recommendation 20."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.contracts.units import PackSize, Unparsed, parse_size, unit_code, unit_name

# Read by a person; codes from UN/CEFACT Recommendation 20.
READ_BY_HAND = {
    "14.5 OZ": (1, 14.5, "ONZ"),
    ".5 OZ": (1, 0.5, "ONZ"),
    "6/12 OZ CANS": (6, 12, "ONZ"),
    "10/6.75 OZ": (10, 6.75, "ONZ"),
    "10-6.75 OZ": (10, 6.75, "ONZ"),
    "12 PK/12 OZ": (12, 12, "ONZ"),
    "6 PK  12 OZ": (6, 12, "ONZ"),
    "3/4 OZ": (1, 0.75, "ONZ"),
    "10 3/4 OZ": (1, 10.75, "ONZ"),
    "7-3/4 OZ": (1, 7.75, "ONZ"),
    "2 LB 3 OZ": (1, 35, "ONZ"),
    "1.52 LB": (1, 1.52, "LBR"),
    "10 LB BAG": (1, 10, "LBR"),
    "3-LB BAG": (1, 3, "LBR"),
    "1/2 GAL": (1, 0.5, "GLL"),
    "HALF GAL": (1, 0.5, "GLL"),
    "GAL": (1, 1, "GLL"),
    "1 QT": (1, 1, "QTL"),
    "32 FL OZ": (1, 32, "OZA"),
    "750 ML": (1, 750, "MLT"),
    "2 L*": (1, 2, "LTR"),
    "6 PK/.5 L": (6, 0.5, "LTR"),
    "20 CT": (20, 1, "H87"),
    "8 CT.": (8, 1, "H87"),
    "1/2 DZ": (6, 1, "H87"),
    "1 DZ": (12, 1, "H87"),
    "12 STEM": (12, 1, "H87"),
    "12 CT/11 OZ": (12, 1, "H87"),
    "12 OZ/8 PK": (8, 1, "H87"),
    "57 SQ FT": (1, 57, "FTK"),
    "18 IN": (1, 18, "INH"),
    "80 LOADS": (1, 80, "NL"),
    "P    18 OZ": (1, 18, "ONZ"),
    "6 OZ 667253": (1, 6, "ONZ"),
    "113670 6 OZ": (1, 6, "ONZ"),
    "985739  PK": (1, 1, "H87"),
    "(600) 4 LB": (1, 4, "LBR"),
}


@pytest.mark.parametrize(("text", "expected"), READ_BY_HAND.items())
def test_reads_size_as_a_person_would(text, expected):
    assert parse_size(text) == PackSize(*expected)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("LARGE", "size name"),
        ("14-18 CT", "range"),
        ("8-9 IN", "range"),
        ("54 X108 IN", "dimensions"),
        ("40/50 CT", "two counts"),
        ("16469910 CT", "article code"),
        ("26 REC OZ", "not recognised"),
        ("0 OZ", "not recognised"),
        ("  ", "empty"),
    ],
)
def test_leaves_doubtful_size_unparsed_with_reason(text, reason):
    assert parse_size(text) == Unparsed(reason)


@given(st.integers(1, 999), st.sampled_from(["OZ", "LB", "ML", "L", "GAL", "IN", "KG"]))
def test_plain_number_and_unit_always_parse(size, unit):
    assert parse_size(f"{size} {unit}") == PackSize(1, float(size), unit_code(unit))


@given(st.text(max_size=20))
def test_any_text_gives_a_size_or_a_reason(text):
    parsed = parse_size(text)
    assert parsed.reason if isinstance(parsed, Unparsed) else parsed.count > 0 < parsed.size


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("kg", "KGM"),
        ("Each", "EA"),
        ("fl oz", "OZA"),
        ("LTR", "LTR"),
        ("CS ", "XCS"),
        ("CTN", "XCT"),
        ("XPX", "XPX"),
        ("blob", None),
    ],
)
def test_unit_code_of_names_and_codes(name, code):
    assert unit_code(name) == code


@pytest.mark.parametrize(
    ("code", "quantity", "words"),
    [
        ("H87", 12, "pieces"), ("EA", 1, "piece"), ("C62", 0, "pieces"), ("KGM", 1, "kg"),
        ("XBX", 2, "boxes"), ("XCS", 1, "case"), ("DZN", 3, "dozen"), ("INH", 2, "inches"),
        ("PTL", 2, "liquid pints (US)"), ("ZZZ", 2, "ZZZ"),
    ],
)  # fmt: skip
def test_units_are_named_as_people_write_them(code, quantity, words):
    assert unit_name(code, quantity) == words
