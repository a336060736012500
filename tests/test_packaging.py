"""The project's packaging files agree with each other."""

import re
import tomllib
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
    extras = [r for group in PROJECT["optional-dependencies"].values() for r in group]
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
