"""The project's packaging files agree with each other."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()


def _pins() -> dict[str, str]:
    return {
        canonicalize_name(name): version
        for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", LOCK, re.MULTILINE)
    }


def test_lock_pins_every_dependency_within_its_range():
    # torch comes in other files for every processor; nothing needs it but training (extra `deep`).
    groups = {k: v for k, v in PROJECT["optional-dependencies"].items() if k != "deep"}
    extras = [requirement for group in groups.values() for requirement in group]
    pins = _pins()
    outside = []
    for text in [*PROJECT["dependencies"], *extras]:
        requirement = Requirement(text)
        pinned = pins.get(canonicalize_name(requirement.name))
        if pinned is None or pinned not in requirement.specifier:
            outside.append(f"{text}: locked {pinned}")
    assert outside == []


def test_lock_holds_hashes_and_no_addresses():
    assert "://" not in LOCK
    assert all("--hash=sha256:" in block for block in re.split(r"\n(?=\S)", LOCK.strip()))


def test_conda_environment_uses_the_lock_and_a_supported_python():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python = next(d for d in environment["dependencies"] if str(d).startswith("python="))
    pip = next(d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    assert python.removeprefix("python=") + ".0" in SpecifierSet(PROJECT["requires-python"])
    assert pip == ["-r requirements.lock"]
    assert environment["channels"] == ["conda-forge"]


def test_owner_fixed_packages_are_dependencies():
    names = {Requirement(text).name for text in PROJECT["dependencies"]}
    assert names >= {
        "jupyterlab", "papermill", "pandas", "statsmodels", "lightgbm", "shap", "evidently",
        "openlineage-python", "voila",
    }  # fmt: skip


def test_a_wheel_carries_what_a_workspace_needs(tmp_path):
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT],
        capture_output=True, text=True,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    place = tmp_path / "installed"
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(place)
    environment = {**os.environ, "PYTHONPATH": str(place), "WORKBENCH_KEYS": str(tmp_path / "keys")}
    made = subprocess.run(
        [sys.executable, "-P", "-m", "workbench", "init", str(tmp_path / "shop")],
        capture_output=True, text=True, env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    used = subprocess.run(
        [sys.executable, "-P", "-c", "import workbench; print(workbench.__file__)"],
        capture_output=True, text=True, env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert used.stdout.startswith(str(place))
    for shipped in ("notebooks/10-forecast-demand.ipynb", "notebooks/sources/completejourney.toml",
                    "edge_models/carton-counter/1.0.0/model.onnx", "workbench.toml"):  # fmt: skip
        assert (tmp_path / "shop" / shipped).is_file(), shipped
    for needed in ("_shipped/requirements.lock", "dashboards/templates/report.html.j2",
                   "contracts/schemas/DecisionRecord.json"):  # fmt: skip
        assert (place / "workbench" / needed).is_file(), needed
