"""The audit page as an auditor sees it: file and live page, over a real log, in a browser."""

import getpass
import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from workbench.commands import auditing
from workbench.contracts.records import DecisionRecord
from workbench.dashboards import audit
from workbench.decision_log.append import open_log
from workbench.runs.run import run_notebook
from workbench.workspace import open_workspace

pytestmark = pytest.mark.browser
RUNS = Path(__file__).resolve().parent.parent / "runs"


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """A workspace whose one run proposed orders for I1 and I2."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_KEYS", str(tmp_path_factory.mktemp("keys")))
        patch.syspath_prepend(str(RUNS))
        spec = importlib.util.spec_from_file_location(
            "small_notebooks", RUNS / "small_notebooks.py"
        )
        small = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "small_notebooks", small)
        spec.loader.exec_module(small)
        space = small.make_workspace(tmp_path_factory.mktemp("audit") / "space")
        small.write_notebook(
            space, "10-propose", small.OPEN, small.PROPOSE,
            reads=["sales", "stock"], writes=["proposals"],
        )  # fmt: skip
        run_notebook(space, "10-propose")
        yield space


@pytest.fixture(scope="module")
def snapshot(audited):
    return auditing.publish(audited)


@pytest.fixture(scope="module")
def live(audited, served):
    with served(audited.root, "audit") as address:
        yield address


def _picture(page):
    """The frame with the lineage graph, drawn."""
    frame = page.query_selector("iframe.picture").content_frame()
    frame.wait_for_selector("g.box")
    return frame


def test_the_file_answers_lists_and_draws(browser, offline, snapshot):
    page, problems = offline.watched_page(browser)
    page.goto(snapshot.as_uri())
    assert "✓ The log holds: all 2 entries" in page.inner_text("h1")
    assert page.locator(".decisions tr").count() == 2
    page.fill("#find", "item I2")
    assert page.locator(".decisions tr:visible").count() == 1
    page.fill("#find", "no such")
    assert "workbench trace" in page.inner_text("#state")
    labels = _picture(page).eval_on_selector_all("g.box title", "e => e.map(x => x.textContent)")
    assert any(label.startswith("proposals") for label in labels)
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
        picture = _picture(page)
        assert picture.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.context.close()


def test_the_live_page_shows_the_way_of_a_decision(browser, offline, live, audited):
    (line, *_) = auditing.newest(audited)
    page, problems = offline.watched_page(browser)
    page.goto(live)
    box = page.wait_for_selector(".live-audit input[type=text]", timeout=60_000)
    box.fill(line.id)
    box.press("Enter")
    page.wait_for_selector("ol.path")
    kinds = page.eval_on_selector_all("ol.path small", "e => e.map(x => x.textContent)")
    assert kinds[0] == "Input"
    assert kinds[-1] == "Proposal"
    marks = page.eval_on_selector_all("ol.path .mark", "e => e.map(x => x.textContent)")
    assert all(mark.startswith("✓") for mark in marks)
    record = page.query_selector("iframe.record").content_frame()
    assert "proven to be in the signed log" in record.inner_text(".verdict")
    box.fill("nobody knows this")
    box.press("Enter")
    page.wait_for_function("document.querySelector('.answer p')?.textContent.includes('nobody')")
    page.set_viewport_size({"width": 360, "height": 900})
    page.wait_for_timeout(300)
    assert offline.overflow(page) == 0
    assert "auditing.finder" not in page.content()  # sources stay here
    assert problems == []
    page.context.close()


def test_a_log_that_was_changed_is_told_at_the_top(audited, tmp_path):
    shutil.copytree(audited.root, tmp_path / "copy")
    space = open_workspace(tmp_path / "copy")
    assert auditing.health(space).holds is True
    (bundle,) = (path for path in (space.log / "tile" / "entries").rglob("*") if path.is_file())
    bundle.chmod(0o644)
    bundle.write_bytes(bundle.read_bytes().replace(b'"I2"', b'"I3"'))
    health = auditing.health(space)
    assert health.holds is False
    assert "✗ The log does not hold" in audit.head_html(health)


def test_an_older_log_that_was_put_back_does_not_hold(audited, tmp_path):
    shutil.copytree(audited.root, tmp_path / "copy")
    space = open_workspace(tmp_path / "copy")
    shutil.copytree(space.log, tmp_path / "older")
    record = DecisionRecord(
        id="o1", kind="outcome", recorded_at="2026-01-01T00:00:00.000000Z", actor=getpass.getuser(),
        role="analyst", as_of="2026-01-01",
    )  # fmt: skip
    open_log(space).append([record])
    assert auditing.health(space).holds is True
    shutil.rmtree(space.log)
    (tmp_path / "older").rename(space.log)
    health = auditing.health(space)
    assert health.holds is False
    assert "checkpoint that this machine saw" in health.sentence


def test_without_a_log_the_page_says_so(tmp_path):
    (tmp_path / "workbench.toml").write_text("[workspace]\n")
    space = open_workspace(tmp_path)
    assert "No decision is logged yet" in auditing.publish(space).read_text()
    assert "no decision log yet" in auditing.finder(space)("x").words
