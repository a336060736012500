"""What steers a terminal is shown as an escape."""

import json

import pytest

from workbench.contracts.printable import compared, one_line, one_line_each, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", r"\u001b[2J"),
        ("\x9b1A", r"\u009b1A"),
        ("a\rb", r"a\u000db"),
        ("\u202eevil\u2066", r"\u202eevil\u2066"),
        ("\udcff", r"\udcff"),
        ("Größe 5 €, 数量, ‎x".replace("\u200e", ""), "Größe 5 €, 数量, x"),
        ("a\n\tb", "a\n\tb"),
    ],
)
def test_only_what_steers_is_escaped(text, shown):
    assert printable(text) == shown


def test_json_stays_json_of_the_same_value():
    value = {"\u202ea": "\x1b\x9b\x00\u2028ü"}
    assert json.loads(printable(json.dumps(value, ensure_ascii=False))) == value


def test_a_value_begins_no_line():
    assert one_line("x\nVerified") == r"x\nVerified"
    assert one_line_each({"a\n": ["b\r", 1, None, ("\x1b",)]}) == {
        r"a\n": [r"b\u000d", 1, None, [r"\u001b"]]
    }


@pytest.mark.parametrize(
    ("change", "decimals", "words"),
    [
        (-0.25, 0, "25% less"),
        (0.1, 1, "10.0% more"),
        (0.003, 0, "0.3% more"),
        (0.0, 0, "0.0% more"),
    ],
)
def test_a_change_is_said_without_a_sign(change, decimals, words):
    assert compared(change, decimals=decimals) == words


def test_a_loss_that_grew_is_no_negative_gain():
    assert compared(0.52, "smaller larger") == "52% larger"
