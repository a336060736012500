"""README and documentation name what exists, and everything that exists."""

import re
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workbench.cli import app
from workbench.readiness.checks import CHECKS_FOLDER, all_checks
from workbench.readiness.questionnaire import QUESTIONNAIRE

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _packages():
    return {
        p.name for p in (ROOT / "workbench").iterdir()
        if (p / "__init__.py").exists() and p.name not in ("commands", "contracts")
    }  # fmt: skip


def test_map_names_every_package():
    assert {name for name in _packages() if f"`workbench/{name}/`" not in README} == set()


def test_everything_in_the_map_exists():
    named = re.findall(r"`((?:workbench|notebooks|governance|edge_models|docs|benchmarks)/[^`*]*)`",
                       README)  # fmt: skip
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    files = [link for link in links if not link.startswith("https://")]
    assert [link for link in files if not (page.parent / link).exists()] == []


def _verbs(text):
    return set(
        re.findall(
            r"workbench ((?:log|runs|lineage|dashboards|items|orders|decide) [a-z-]+|[a-z]+)", text
        )
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_documentation_exist(page):
    runner = CliRunner()
    spans = re.findall(r"`(workbench [^`]+)`", page.read_text())
    spans += re.findall(r"^\$ (workbench .+)$", page.read_text(), re.MULTILINE)
    for verb in sorted({verb for span in spans for verb in _verbs(span)}):
        result = runner.invoke(app, [*verb.split(), "--help"])
        assert result.exit_code == 0, f"{page.name}: workbench {verb}"


def test_commands_in_remedies_exist():
    questions = tomllib.loads((ROOT / CHECKS_FOLDER / QUESTIONNAIRE).read_text()).values()
    remedies = [check.remedy for check in all_checks()] + [one["remedy"] for one in questions]
    spans = [span for text in remedies for span in re.findall(r"'(workbench [^']+)'", text)]
    verbs = {verb for span in spans for verb in _verbs(span)}
    assert {"quarantine", "run", "items duplicates"} <= verbs
    for verb in sorted(verbs):
        assert CliRunner().invoke(app, [*verb.split(), "--help"]).exit_code == 0, verb


def test_architecture_names_every_package():
    architecture = (ROOT / "ARCHITECTURE.md").read_text()
    assert {name for name in _packages() if f"`{name}`" not in architecture} == set()
