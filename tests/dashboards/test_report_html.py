"""A report is one file: no host is named, nothing in a notebook's outputs can act on its own."""

import json
from datetime import date

import nbformat
import pytest
from nbformat import v4

from workbench.dashboards import theme
from workbench.dashboards.report_html import Banner, embedded_json, figure_block, render


@pytest.fixture
def page(tmp_path):
    """What `render` makes of the cells."""

    def rendered(*cells) -> str:
        executed, target = tmp_path / "executed.ipynb", tmp_path / "report.html"
        nbformat.write(v4.new_notebook(cells=list(cells)), executed)
        banner = Banner(what="finding", as_of=date(2024, 1, 31), run_id="0190-run", simulated=())
        render(executed, target, title="A <b>title</b>", banner=banner)
        return target.read_text(encoding="utf-8")

    return rendered


def code(*outputs):
    return v4.new_code_cell("show()", outputs=list(outputs), execution_count=1)


def test_a_report_forbids_its_own_page_every_request(page):
    text = page(v4.new_markdown_cell("# Finding"))
    assert "Content-Security-Policy" in text
    assert "default-src 'none'" in text


def test_printed_markup_is_shown_as_written(page):
    text = page(code(v4.new_output("stream", name="stdout", text="<script>alert(1)</script>")))
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_blank_output_leaves_no_empty_box(page):
    assert 'class="printed"' not in page(code(v4.new_output("stream", name="stdout", text="\n \n")))


def test_nothing_in_a_figure_ends_its_script_element():
    text = embedded_json({"name": "</script><!-- <script>"})
    assert "<" not in text
    assert json.loads(text) == {"name": "</script><!-- <script>"}


def test_a_caption_leaves_the_figure_and_stands_below_it_as_text():
    chart = theme.caption(
        theme.figure("Finding"), "0190-abcdefgh", ["1234567890", "abcdef1234"], simulated=True
    )
    whole = json.loads(chart.to_json())
    block = figure_block(1, whole)
    drawn = json.loads(block.split('id="figure-1">')[1].split("</script>")[0])
    assert drawn["layout"]["annotations"] == []
    assert drawn["layout"]["height"] == whole["layout"]["height"] - theme.CAPTION_PIXELS
    assert "run abcdefgh · tables 12345678, abcdef12 · simulated</p>" in block
    assert "workbench runs show 0190-abcdefgh" in block


def test_a_figure_is_described_by_its_title_to_those_who_do_not_see_it():
    block = figure_block(1, json.loads(theme.figure("Cost fell by 7%").to_json()))
    assert 'role="img" aria-label="Cost fell by 7%"' in block
