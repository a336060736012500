"""The page of a traced decision."""

import re

import pytest

from workbench.decision_log.append import open_log
from workbench.decision_log.prove import verify_bundle
from workbench.errors import LogError


@pytest.fixture
def page(filled, trace, tmp_path):
    """Writes a decision's page."""

    def write(decision="d1", code=0):
        path = tmp_path / f"{decision}.html"
        result = trace("--decision", decision, "--html", str(path))
        assert result.exit_code == code, result.output
        return path.read_text()

    return write


def test_the_page_tells_what_happened_and_asks_nobody(page):
    text = page()
    assert "7 pieces of item I1 for DC1: changed by a person." in text
    assert "Override to 7: promotion" in text
    assert "✓ holds" in text
    assert "not at hand" in text
    assert "<script" not in text
    assert re.findall(r"(?:src|href)=\"([^\"]*)\"", text) == ["data:,"]
    assert "default-src &#39;none&#39;" in text


def test_every_proof_on_the_page_verifies(page, logs, filled, trace):
    from workbench.decision_log.keys import verifier_key

    proofs = re.findall(r"<pre>(c2sp\.org/tlog-proof.*?)</pre>", page(), re.DOTALL)
    import html

    found = [verify_bundle(html.unescape(p), verifier_key(filled.log_origin())) for p in proofs]
    assert [proven.index for proven in found] == [0, 1]


def test_markup_in_a_record_is_shown_as_written(filled, page, logs):
    evil = "<img src=https://evil.example onerror=alert(1)>"
    record = logs.record(
        8, item_id=evil, actor=evil, reasons=(evil,), rule=evil, unit=evil, reason_code=evil,
        detail={"x": evil},
    )  # fmt: skip
    open_log(filled).append([record])
    text = page("d8")
    assert "<img" not in text
    assert "&lt;img src=https://evil.example" in text


def test_an_altered_report_is_told_first_and_the_exit_code_is_1(filled, page):
    next(filled.reports.glob("*/*/*/report.html")).write_text("<p>Other</p>")
    text = page(code=1)
    assert "✗ Evidence does not hold." in text
    assert "✗ altered" in text


def test_an_existing_file_and_a_log_are_not_written_to(filled, trace, tmp_path):
    (tmp_path / "x.html").write_text("mine")
    for path, message in ((tmp_path / "x.html", "exists"), (filled.log / "x", "lies in")):
        with pytest.raises(LogError, match=message):
            trace("--decision", "d1", "--html", str(path))
    assert (tmp_path / "x.html").read_text() == "mine"
    assert trace("--run", "r", "--html", str(tmp_path / "y.html")).exit_code == 2
