"""A business's own exports go through every notebook, and no page claims what only the demo has."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from own_business import write_exports

DEMO_ONLY = (
    "Complete Journey",
    "digital twin",
    "loyalty panel",
    "New York",
    "are real",
    "all real",
)
LEAKS = ("PosixPath", "DataFrame", "dtype:", "H87", "nan%", "NaN")


def _run(*arguments: str, folder: Path, keys: Path) -> str:
    environment = {
        **os.environ, "WORKBENCH_KEYS": str(keys), "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "workbench", *arguments], cwd=folder, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def business(tmp_path_factory):
    folder = tmp_path_factory.mktemp("business")
    description = write_exports(folder)
    keys = folder / "keys"
    _run("init", "shop", folder=folder, keys=keys)
    shop = folder / "shop"
    settings = shop / "workbench.toml"
    settings.write_text(settings.read_text().replace('"USD"', '"EUR"'))
    _run("ingest", str(description), folder=shop, keys=keys)
    printed = _run("run", "--all", folder=shop, keys=keys)
    _run("dashboards", "publish", folder=shop, keys=keys)
    return shop, keys, printed


def _reports(shop):
    for pointer in sorted((shop / "reports").glob("*/latest")):
        yield pointer.parent.name, pointer.parent / pointer.read_text().strip()


def _visible(page: str) -> str:
    """A page's text and figures, without its styles, programs and plotly."""
    data = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)
    text = re.sub(r'<(pre) class="source".*?</pre>', "", page, flags=re.DOTALL)
    text = re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.DOTALL)
    return re.sub(r"base64,[\w+/=]+", "", text) + "".join(data)


def test_every_notebook_runs(business):
    shop, _, printed = business
    assert [name for name, _ in _reports(shop)] == [
        "00-audit-readiness", "10-forecast-demand", "12-sense-demand", "14-forecast-item",
        "20-segment-items",
        "30-set-replenishment-policy", "40-evaluate-vision-models", "50-explain-forecast",
        "60-monitor-drift", "70-measure-roi",
    ]  # fmt: skip
    assert "24 items at the centre and 72 in single stores forecast" in printed


def test_no_page_claims_what_only_the_demo_has(business):
    for name, report in _reports(business[0]):
        text = _visible((report / "report.html").read_text(encoding="utf-8"))
        for claim in DEMO_ONLY:
            assert claim not in text, (name, claim)
        simulated = "<strong>Simulated.</strong>" in text
        assert simulated == (name == "40-evaluate-vision-models"), name


def test_no_page_shows_what_only_a_programmer_reads(business):
    for name, report in _reports(business[0]):
        text = _visible((report / "report.html").read_text(encoding="utf-8"))
        for leak in LEAKS:
            assert leak not in text, (name, leak)
        notebook = json.loads((report / "notebook.ipynb").read_text(encoding="utf-8"))
        results = [
            output["data"]
            for cell in notebook["cells"] if cell["cell_type"] == "code"
            for output in cell["outputs"] if output["output_type"] == "execute_result"
        ]  # fmt: skip
        assert all("image/png" in data for data in results), name


def test_pages_say_where_their_tables_come_from(business):
    reports = dict(_reports(business[0]))
    text = (reports["30-set-replenishment-policy"] / "report.html").read_text(encoding="utf-8")
    for source in ("till (csv till.csv)", "stock record (csv stock.csv)"):
        assert source in text


def test_the_executive_page_says_simulated_although_no_table_is(business):
    page = (business[0] / "reports/dashboards/executive-roi.html").read_text(encoding="utf-8")
    text = _visible(page)
    assert re.search(r"<h1><span>Simulated (saving|loss) since \d{4}-\d\d-\d\d:", text)
    assert "what would have been saved, not what was" in text
    assert "simulated tables" not in text
    assert "€" in text
    assert "$ " not in text
    assert "pieces" in text
    assert "H87" not in text


def test_log_and_lineage_of_own_data_hold(business):
    shop, keys, _ = business
    assert "all 96 entries are included" in _run("log", "verify", folder=shop, keys=keys)
    _run("lineage", "validate", folder=shop, keys=keys)


def test_the_shipped_example_goes_through_every_notebook(tmp_path):
    shop, keys = tmp_path / "corner shop", tmp_path / "keys"
    printed = _run(
        "init", str(shop), "--name", "corner", "--currency", "EUR", folder=tmp_path, keys=keys
    )
    assert f"cd '{shop}' && workbench demo" in printed
    example = "notebooks/sources/example/SOURCES.toml"
    assert f"workbench ingest {example} && workbench run --all" in printed
    _run("ingest", example, folder=shop, keys=keys)
    _run("run", "--all", folder=shop, keys=keys)
    report = dict(_reports(shop))["10-forecast-demand"] / "report.html"
    assert "200 days of history are short: tried on 6 weekly cutoffs" in _visible(
        report.read_text(encoding="utf-8")
    )
