"""The lineage picture at 500 datasets: readable, without overlap, asking nobody."""

import importlib.util
from pathlib import Path

import pytest

from workbench.dashboards.lineage_html import lineage_page
from workbench.lineage.graph import lineage_graph
from workbench.lineage.journal import Journal

pytestmark = pytest.mark.browser
JOBS, MADE = 83, 6
SMALLEST = 8  # pixels of a letter's height that is still read


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """83 jobs in layers, each making 6 tables from 3 of the layer before: 498 and 2 sources."""
    place = Path(__file__).resolve().parent.parent / "lineage" / "journals.py"
    spec = importlib.util.spec_from_file_location("journals", place)
    journals = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(journals)
    events, made = [], [["a", "b"]]
    for job in range(JOBS):
        before = [name for tables in made[max(0, len(made) - 8) :] for name in tables]
        reads = (
            [before[(job * 7 + k * 5) % len(before)] for k in range(3)] if job > 1 else ["a", "b"]
        )
        tables = [f"table_{job}_{k}" for k in range(MADE)]
        events += journals.lived(
            job * 3, f"job-{job}", f"run-{job}", [journals.dataset(n, n) for n in set(reads)],
            [journals.dataset(name, name) for name in tables],
        )  # fmt: skip
        made.append(tables)
    folder = tmp_path_factory.mktemp("picture")
    journals.write(folder, events)
    with lineage_graph(Journal(folder)) as graph:
        page = folder / "picture.html"
        page.write_text(lineage_page(graph), "utf-8")
    return page


def _boxes(page):
    return page.eval_on_selector_all(
        "g.box:not(.job)",
        "e => e.map(x => x.querySelector('rect.body').getBoundingClientRect())"
        ".map(r => [r.left, r.top, r.right, r.bottom])",
    )


def _overlaps(boxes):
    ordered = sorted(boxes)
    return [
        (one, other)
        for place, one in enumerate(ordered)
        for other in ordered[place + 1 :]
        if other[0] < one[2] - 0.5 and other[1] < one[3] - 0.5 and one[1] < other[3] - 0.5
    ]


@pytest.mark.parametrize(
    ("width", "dark"), [(1440, False), (1440, True), (360, False), (360, True)]
)
def test_five_hundred_datasets_stay_readable(browser, offline, picture, width, dark):
    page, problems = offline.watched_page(browser, width=width, dark=dark)
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    page.goto(picture.as_uri())
    assert len(_boxes(page)) == JOBS + 1  # it opens by job
    page.click("[data-view=detail]")
    boxes = _boxes(page)
    assert len(boxes) == JOBS * MADE + 2
    assert _overlaps(boxes) == []
    height = page.evaluate("document.querySelector('g.box text').getBoundingClientRect().height")
    assert height >= SMALLEST
    assert offline.overflow(page) == 0
    assert problems == []
    page.context.close()


def test_a_search_leads_to_a_table_and_what_it_was_made_from(browser, offline, picture):
    page, problems = offline.watched_page(browser)
    page.goto(picture.as_uri())
    page.click("[data-view=detail]")
    page.fill("#find", "table_40_2")
    page.press("#find", "Enter")
    assert "table_40_2" in page.inner_text("#panel h3")
    assert page.locator(".line.up").count() > 3
    assert problems == []
    page.context.close()
