"""Numbers, money, tables and headings read the same on every page."""

import pandas as pd
import pytest

from workbench.dashboards import theme


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (1234, "1,234"),
        (1234.5, "1,230"),
        (0.01234, "0.0123"),
        (9.996, "10.0"),
        (12_345, "12.3 k"),
        (999_999, "1.00 M"),
        (1_240_000, "1.24 M"),
        (-5_500_000_000, "−5.50 bn"),
        (float("nan"), "–"),
        (float("inf"), "–"),
    ],
)
def test_a_number_has_three_significant_figures(value, text):
    assert theme.number(value) == text


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [
        (1_240_000.0, "EUR", "€ 1.24 M"),
        (1234.0, "USD", "$ 1,230"),
        (-942.4, "USD", "−$ 942"),
        (12.0, "CHF", "CHF 12"),
        (float("nan"), "USD", "–"),
    ],
)
def test_money_has_its_currency_and_three_significant_figures(value, currency, text):
    assert theme.money(value, currency) == text


def cells(page):
    return [cell.split(">")[-1] for cell in page.split("</td>")[:-1]]


def test_a_column_of_a_table_has_the_same_decimals():
    page = theme.table_html(pd.DataFrame({"cost": [1.5, 20.25, 30.0]}), title="t")
    assert cells(page) == ["1.5", "20.2", "30.0"]


def test_a_table_tells_a_small_number_from_zero_and_a_gap_from_both():
    page = theme.table_html(pd.DataFrame({"share": [0.0, 0.00001, None, 0.25]}), title="t")
    assert cells(page) == ["0.0000", "1e−05", "–", "0.2500"]


def test_a_table_with_two_columns_of_one_name_is_shown():
    frame = pd.DataFrame([[1, 2.5]], columns=["a", "a"])
    assert cells(theme.table_html(frame, title="t")) == ["1", "2.50"]


def test_a_column_of_sentences_keeps_a_width_that_a_phone_can_show():
    frame = pd.DataFrame({"item": ["A1"], "reason": ["sold on 20 days; expected 26 or more"]})
    page = theme.table_html(frame, title="t")
    assert '<td class="txt">A1' in page
    assert '<td class="txt long">sold' in page


def test_markup_in_a_heading_or_a_cell_is_shown_as_written():
    chart = theme.figure("Sales of <b>Tea & Co</b>", "<script>alert(1)</script>")
    assert "&lt;b&gt;Tea &amp; Co" in chart.layout.title.text
    assert "<script>" not in chart.layout.title.text
    page = theme.table_html(pd.DataFrame({"name": ["<img src=x onerror=alert(1)>"]}), title="<i>t")
    assert "<img" not in page
    assert "<i>" not in page


def test_a_column_of_sentences_folds_below_the_rest_of_its_row_on_a_phone():
    sentence = "steady sellers with a season, seen alone; aggregates"
    page = theme.table_html(pd.DataFrame({"model": ["ets"], "good_for": [sentence]}), title="t")
    assert '<table class="folds" style="--beside:1">' in page
    assert f'<td class="prose">{sentence}</td>' in page


@pytest.mark.parametrize("text", ["ets", "0123456789abcdef" * 4])
def test_a_column_of_names_or_digests_stays_beside_the_rest_of_its_row(text):
    page = theme.table_html(pd.DataFrame({"model": [text], "cpu_seconds": [1.5]}), title="t")
    assert "folds" not in page


@pytest.mark.parametrize(("ends", "spread"), [((0.0, 0.01), True), ((0.0, 5.0), False)])
def test_labels_of_lines_that_end_close_together_on_the_axis_are_spread(ends, spread):
    chart = theme.figure(title="t", subtitle="s", y="units", height=300)
    chart.add_scatter(x=[0, 1], y=[10.0, ends[0]])
    theme.labels_at_ends(chart, [(str(y), 1, y, "black") for y in ends])
    shifts = [label.yshift for label in chart.layout.annotations if label.xshift == 6]
    assert (abs(shifts[0] - shifts[1]) >= 12) is spread
