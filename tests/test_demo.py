"""The main job end to end, small, as a user runs it: by the command line in a fresh workspace.

All sales are ingested; only the number of forecast series is small.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCS = ("data-scientist", "planner", "executive", "auditor", "operator")
SLOW = {"workbench run --all"}  # the demo itself; tested by its second run


def workbench(arguments, folder, keys, **options):
    return subprocess.run(
        [sys.executable, "-m", "workbench", *arguments], cwd=folder, text=True,
        capture_output=True, env={**os.environ, "WORKBENCH_KEYS": str(keys)}, **options,
    )  # fmt: skip


class Demo:
    """A workspace in which the demo has run."""

    def __init__(self, root):
        self.root, self.keys = root / "shop", root / "keys"

    def run(self, *arguments):
        return workbench(arguments, self.root, self.keys)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    done = Demo(tmp_path_factory.mktemp("demo"))
    made = workbench(["init", str(done.root)], ROOT, done.keys)
    assert made.returncode == 0, made.stderr
    first = done.run("demo", "--max-series", "120")
    assert first.returncode == 0, first.stdout + first.stderr
    done.first = first.stdout
    return done


def test_each_step_is_named_and_the_log_is_verified(demo):
    for name in ("ingest", "simulate-supply", "00-audit", "10-forecast", "12-sense",
                 "14-forecast", "20-segment", "30-set", "40-evaluate", "50-explain", "60-monitor",
                 "70-measure"):  # fmt: skip
        assert name in demo.first
    assert "Verified: all" in demo.first
    assert "decisions logged" in demo.first
    assert "Simulated saving" in demo.first


def test_a_second_demo_reports_every_step_cached(demo):
    again = demo.run("demo", "--max-series", "120")
    assert again.returncode == 0, again.stderr
    steps = [
        line for line in again.stdout.splitlines() if re.match(r"(\d\d-|ingest-|simulate)", line)
    ]
    assert len(steps) == 12
    assert all(" cached" in line for line in steps), again.stdout


def test_every_event_is_valid_against_the_official_schemas(demo, shared):
    schemas = shared("vectors/openlineage/spec")
    result = demo.run("lineage", "validate", "--schemas", str(schemas))
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_proposal_is_in_the_log_with_reasons_models_and_evidence(demo):
    listed = demo.run("runs", "list", "--json")
    run = next(r for r in json.loads(listed.stdout) if r["job"] == "30-set-replenishment-policy")
    import pandas as pd

    proposals = pd.read_parquet(demo.root / run["report"] / "tables/proposals.parquet")
    chosen = proposals.iloc[0]
    traced = demo.run("trace", "--decision", chosen["proposal_id"], "--json")
    assert traced.returncode == 0, traced.stderr
    text = traced.stdout
    assert chosen["item_id"] in text
    assert run["run_id"] in text
    assert "demand-windows.txt" in text
    assert "forecasts" in text
    assert len(json.loads(chosen["reasons"])) == 3


@pytest.mark.parametrize("name", ["report.html", "run.json", "notebook.ipynb", "tables/"])
def test_a_forged_report_does_not_pass_a_trace(demo, name):
    pointer = demo.root / "reports/30-set-replenishment-policy/latest"
    report = pointer.parent / pointer.read_text().strip()
    import pandas as pd

    decision = pd.read_parquet(report / "tables/proposals.parquet")["proposal_id"].iloc[0]
    path = min((report / name).iterdir()) if name.endswith("/") else report / name
    assert (
        "reports, policy, models and rows hold" in demo.run("trace", "--decision", decision).stdout
    )
    data = path.read_bytes()
    try:
        path.write_bytes(data + b" ")
        result = demo.run("trace", "--decision", decision)
    finally:
        path.write_bytes(data)
    assert result.returncode == 1
    assert f"{path.relative_to(report).as_posix()} was altered" in result.stdout


def test_reports_say_that_they_rest_on_simulated_data(demo):
    # The sales are not, but the distribution centre is, and all of these name it.
    for name in ("10-forecast-demand", "30-set-replenishment-policy", "70-measure-roi"):
        pointer = demo.root / "reports" / name / "latest"
        report = pointer.parent / pointer.read_text().strip()
        assert "<strong>Simulated.</strong>" in (report / "report.html").read_text(), name
        assert "imulated" in json.loads((report / "run.json").read_text())["headline"], name


def test_one_changed_byte_of_the_log_is_found_and_named(demo, tmp_path):
    copy = tmp_path / "log"
    shutil.copytree(demo.root / "governance/log", copy)
    key = demo.run("log", "key").stdout.split()[-1]
    assert demo.run("log", "verify", str(copy), "--key", key).returncode == 0
    for path in [next(copy.rglob("entries/**/*")), copy / "checkpoint", *copy.glob("tile/0/*")]:
        if not path.is_file():
            continue
        data = path.read_bytes()
        changed = bytearray(data)
        changed[len(data) // 2] ^= 4
        path.write_bytes(bytes(changed))
        result = demo.run("log", "verify", str(copy), "--key", key)
        assert result.returncode == 1
        assert "checkpoint" in result.stderr or "tile/" in result.stderr
        path.write_bytes(data)


def _documented(page):
    text = (ROOT / "docs" / f"{page}.md").read_text()
    return [c for c in re.findall(r"^\$ (workbench .+)$", text, re.MULTILINE) if c not in SLOW]


@pytest.fixture(scope="module")
def placeholders(demo):
    """What stands for the words in capitals of a documented command."""
    history = json.loads(demo.run("trace", "--item", "1082185", "--json").stdout)
    return {
        "RUN": json.loads(demo.run("runs", "list", "--json").stdout)[0]["run_id"],
        "ID": history["decisions"][0]["record"]["id"],
        "KEY": demo.run("log", "key").stdout.split()[-1],
    }


@pytest.mark.parametrize("page", DOCS)
def test_documented_commands_run(demo, page, placeholders):
    for command in _documented(page):
        result = demo.run(*(placeholders.get(word, word) for word in command.split()[1:]))
        assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"


def test_no_page_asks_another_host(demo):
    # What a browser would fetch by itself: elements with an address, styles, imports.
    fetching = re.compile(r"""<(?:script|link|img|iframe)[^>]*(?:src|href)=["']?(?:https?:)?//""")
    for path in demo.root.glob("reports/**/*.html"):
        assert not fetching.search(path.read_text(errors="replace")), path


def test_nothing_personal_and_no_key_is_left_in_what_runs_write(demo):
    private = next(demo.keys.glob("*[!s].key")).read_text().strip().rsplit("+", 1)[-1]
    for folder in ("reports", "lineage", "governance"):
        for path in (demo.root / folder).rglob("*"):
            if path.is_file():
                assert private.encode() not in path.read_bytes(), path
