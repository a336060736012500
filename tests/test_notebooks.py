"""Every notebook is thin, parameterised, declared and free of stored output."""

import ast
import importlib
import re
from pathlib import Path

import nbformat
import pytest

from workbench.contracts.tables import CONTRACTS

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("[0-9][0-9]-*.ipynb"))
DASHBOARDS = sorted((FOLDER / "dashboards").glob("*.ipynb"))
LITERALS = (int, float, str, bool, list)


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def _code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _parameters(notebook):
    cells = [c for c in _code(notebook) if "parameters" in c.metadata.get("tags", [])]
    assert len(cells) == 1
    return ast.parse(cells[0].source).body


def test_docs_say_what_each_notebook_reads():
    text = (FOLDER.parent / "docs" / "sources.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if re.match(r"\| `\d\d-", line)]
    said = {
        row[0].strip("| `"): [set(re.findall(r"`(\w+)`", cell)) for cell in row[1:]] for row in rows
    }
    declared = {p.stem: nbformat.read(p, as_version=4).metadata["workbench"] for p in NOTEBOOKS}
    written = {table for facts in declared.values() for table in facts["writes"]}
    for name, facts in declared.items():
        reads = set(facts["reads"])
        present = set(facts.get("reads_if_present", []))
        assert said.pop(name) == [reads - written, reads & written, present], name
    assert said == {}


@pytest.mark.parametrize("path", NOTEBOOKS + DASHBOARDS, ids=lambda path: path.stem)
def test_stores_no_output(path):
    for cell in _code(nbformat.read(path, as_version=4)):
        assert cell.outputs == []
        assert cell.execution_count is None


def test_tells_a_story_under_one_heading(notebook):
    markdown = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    headings = [line for text in markdown for line in text.splitlines() if line.startswith("# ")]
    assert notebook.cells[0].source.startswith("# ")
    assert len(headings) == 1
    assert len(markdown) >= len(_code(notebook)) * 0.9


def test_code_cells_are_short_and_define_nothing(notebook):
    for cell in _code(notebook):
        assert len(cell.source.splitlines()) <= 10 or "parameters" in cell.metadata.get("tags", [])
        defined = (ast.FunctionDef, ast.ClassDef, ast.ExceptHandler)
        assert not any(isinstance(node, defined) for node in ast.walk(ast.parse(cell.source)))


def test_parameters_are_typed_literals(notebook):
    for statement in _parameters(notebook):
        assert isinstance(statement, ast.AnnAssign)
        assert isinstance(ast.literal_eval(statement.value), LITERALS)


def test_parameters_are_those_of_the_declared_config(notebook):
    module, name = notebook.metadata["workbench"]["config"].split(":")
    config = getattr(importlib.import_module(module), name)
    given = {s.target.id: ast.literal_eval(s.value) for s in _parameters(notebook)}
    assert set(given) == set(config.model_fields)
    config.model_validate(given)


def test_declares_canonical_tables(notebook):
    declared = notebook.metadata["workbench"]
    assert set(declared["reads"]) | set(declared["writes"]) <= set(CONTRACTS)


def test_there_is_a_notebook_for_each_step_of_the_main_job():
    assert [path.stem for path in NOTEBOOKS] == [
        "00-audit-readiness",
        "10-forecast-demand",
        "12-sense-demand",
        "14-forecast-item",
        "20-segment-items",
        "30-set-replenishment-policy",
        "40-evaluate-vision-models",
        "50-explain-forecast",
        "60-monitor-drift",
        "70-measure-roi",
    ]


def test_docs_list_the_columns_of_every_table_that_is_ingested():
    text = (FOLDER.parent / "docs" / "sources.md").read_text(encoding="utf-8")
    section = text.partition("## Tables and their columns")[2].partition("\n## ")[0]
    said = {}
    for line in section.splitlines():
        if line.startswith("| `"):
            table, *lists = (re.findall(r"`(\w+)`", cell) for cell in line.split(" | "))
            said[table[0]] = lists
    written = {table for name in NOTEBOOKS for table in _declared(name)["writes"]}
    runs = {name for name, contract in CONTRACTS.items() if contract.run_columns}
    elsewhere = written | runs | {"counts", "outcomes", "loads", "quarantine"}  # written otherwise
    assert set(said) == set(CONTRACTS) - elsewhere
    for table, (needs, may, key) in said.items():
        columns = CONTRACTS[table].columns
        assert needs == [c.name for c in columns if not c.nullable], table
        assert may == [c.name for c in columns if c.nullable], table
        assert key == list(CONTRACTS[table].key), table


def _declared(path):
    return nbformat.read(path, as_version=4).metadata["workbench"]
