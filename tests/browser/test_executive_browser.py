"""The executive page as a reader sees it: the file and the live page, in a real browser."""

import os
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from workbench.dashboards import theme
from workbench.dashboards.publish import publish_executive

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def snapshot(workspace):
    return publish_executive(workspace)


def _saving(simulated):
    return theme.money(simulated.SAVING, "USD")


def _costs(simulated):
    return [theme.money(cost, "USD") for cost, _, _ in simulated.SWEEP.values()]


def test_the_file_shows_the_saving_and_draws_every_figure(browser, offline, snapshot, simulated):
    page, problems = offline.watched_page(browser)
    page.goto(snapshot.as_uri())
    assert page.inner_text("#saving").replace("\u00a0", " ") == _saving(simulated)
    page.wait_for_function("document.querySelectorAll('.figure .main-svg').length >= 5")
    drawn = page.evaluate("[...document.querySelectorAll('.figure')].map(f => f.data.length)")
    assert len(drawn) == 5
    assert min(drawn) >= 1
    assert problems == []
    page.context.close()


def test_the_files_slider_changes_figures_and_marker(browser, offline, snapshot, simulated):
    page, problems = offline.watched_page(browser)
    page.goto(snapshot.as_uri())
    costs = _costs(simulated)
    assert page.inner_text("#what-if-cost") == costs[1]  # the cheapest is shown first
    page.focus("#target")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#chosen-target") == "99.0%"
    assert page.inner_text("#what-if-cost") == costs[2]
    assert page.inner_text("#what-if-fill") == "99.0%"
    marker = "(f => [f.data.at(-1).x[0], f.data.at(-1).y[0]])"
    where = page.evaluate(f"{marker}(document.querySelector('[data-source=\"figure-what-if\"]'))")
    assert where == [99, 8600]
    assert problems == []
    page.context.close()


@pytest.mark.parametrize("dark", [False, True])
def test_the_file_fits_its_window(browser, offline, snapshot, dark):
    page, _ = offline.watched_page(browser, width=360, dark=dark)
    page.goto(snapshot.as_uri())
    for width in (360, 768, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(150)
        assert offline.overflow(page) == 0
    page.context.close()


def test_a_file_that_asks_another_host_is_told(browser, offline, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text('<img src="http://192.0.2.1/pixel.png"><script>none()</script>', "utf-8")
    problems = offline.offline_problems(browser, page, settle_ms=50)
    assert any(problem.startswith("request http://192.0.2.1") for problem in problems)
    assert any("none" in problem for problem in problems)


def test_every_report_is_offline(browser, offline, snapshot, workspace):
    """Over the workspace of this suite, or over a real one named by WORKBENCH_DEMO."""
    root = Path(os.environ.get("WORKBENCH_DEMO", workspace.root))
    files = sorted((root / "reports").rglob("*.html"))
    assert files
    assert [p for file in files for p in offline.offline_problems(browser, file)] == []


def test_the_live_page_answers_its_slider(browser, offline, live_page, simulated):
    page, problems = offline.watched_page(browser)
    page.goto(live_page)
    page.wait_for_selector("#chosen-target", timeout=30_000)
    costs = _costs(simulated)
    assert page.inner_text("#saving").replace("\u00a0", " ") == _saving(simulated)
    assert page.inner_text("#what-if-cost") == costs[1]
    page.wait_for_function("document.querySelectorAll('.figure .main-svg').length >= 5")
    page.focus(".live-what-if .noUi-handle")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"document.getElementById('what-if-cost').textContent === '{costs[2]}'")
    page.wait_for_function(
        "document.querySelector('[data-source=\"figure-what-if\"]').data.at(-1).y[0] === 8600"
    )
    page.set_viewport_size({"width": 360, "height": 900})
    page.wait_for_timeout(300)
    assert offline.overflow(page) == 0
    assert problems == []
    assert "roi.load" not in page.content()  # sources stay here
    page.context.close()


@pytest.mark.parametrize(
    ("path", "status"),
    [("", 403), ("voila/request_info/1", 404), ("voila/query/1-1-1-1-1", 404)],
)
def test_the_live_page_refuses_without_token(live_page, path, status):
    address = live_page.split("?")[0] + path
    request = urllib.request.Request(address)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        answer = opener.open(request, timeout=10)
    except urllib.error.HTTPError as error:
        assert error.code == status  # noqa: PT017
    else:
        assert "/login" in answer.url
        assert status == 403


def test_the_live_page_refuses_other_host_names(live_page):
    request = urllib.request.Request(live_page, headers={"Host": "rebound.example"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError) as refused:
        opener.open(request, timeout=10)
    assert refused.value.code == 403
