"""Imports point down: no module imports from its own layer's neighbours or from above."""

import ast
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "workbench"
CAPABILITIES = (
    "decision_log lineage readiness forecasting segmentation inventory vision edge monitoring"
    " explain experiments models access item_master"
).split()
LAYERS = {
    "errors": 0, "__init__": 0,
    "resources": 1, "workspace": 1, "merkle": 1, "folders": 1, "contracts": 2, "tables": 3,
    **dict.fromkeys(CAPABILITIES, 4), "adapters": 5, "dashboards": 6, "runs": 7,
    "commands": 8, "cli": 9, "__main__": 10,
}  # fmt: skip


def _unit(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def _imported_units(path: Path) -> set[str]:
    units = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "workbench" and len(parts) > 1:
                units.add(parts[1] if parts[1] in LAYERS else "__init__")
    return units


def test_every_module_belongs_to_a_layer():
    modules = {_unit(path) for path in PACKAGE.rglob("*.py") if "_shipped" not in path.parts}
    assert modules <= set(LAYERS)


def test_imports_point_down():
    upward = []
    for path in PACKAGE.rglob("*.py"):
        own = _unit(path)
        for used in _imported_units(path) - {own}:
            if LAYERS[used] >= LAYERS[own]:
                upward.append(f"{path.relative_to(PACKAGE)} imports {used}")
    assert upward == []


def _importers(package: str) -> set[str]:
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            if any(name.split(".")[0] == package for name in names):
                found.add(_unit(path))
    return found


def test_only_runs_imports_papermill():
    assert _importers("papermill") <= {"runs"}


def test_only_adapters_import_model_runtimes():
    assert _importers("onnxruntime") <= {"adapters"}


def test_the_command_line_starts_without_libraries_of_data():
    heavy = "{'duckdb', 'jsonschema', 'lightgbm', 'nbformat', 'numpy', 'pandas', 'pyarrow'}"
    code = f"import sys, workbench.cli; print(*sorted({heavy} & set(sys.modules)))"
    started = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert started.stdout.split() == []


def test_commands_print_by_one_way():
    # what others wrote could steer the terminal: commands.terminal.say escapes it
    other = ("typer.echo", "typer.secho", "click.echo")
    folder = PACKAGE / "commands"
    texts = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.py")}
    assert [n for n, text in texts.items() if any(word in text for word in other)] == [
        "terminal.py"
    ]
