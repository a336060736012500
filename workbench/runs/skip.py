"""The skip key: a digest of everything that a run's result depends on."""

import hashlib
import inspect
import json
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from workbench.resources import resource
from workbench.tables.versions import TableVersion

_PACKAGE = Path(__file__).resolve().parent.parent


@cache
def code_digest() -> str:
    """SHA-256 over the library's modules and schemas, in hex."""
    return _files_digest(_PACKAGE, ("*.py", "*.json", "*.j2"))


@cache
def lock_digest() -> str:
    """SHA-256 of the lock of packages, in hex."""
    return hashlib.sha256(resource("requirements.lock").read_bytes()).hexdigest()


def skip_key(
    job: str,
    *,
    parameters: Mapping[str, Any],
    as_of: str,
    inputs: Mapping[str, TableVersion],
    notebook: Path | None = None,
    extra: Mapping[str, str] | None = None,
) -> str:
    """Digest of job, parameters, inputs, code, packages and Python, in hex.

    Inputs count by `content_digest`, so that a rerun that concluded the same changes nothing after
    it. A parameter that names an existing folder counts with what lies in it.
    """
    folders = {
        name: _folder_digest(Path(value))
        for name, value in parameters.items()
        if name.endswith("_folder") and value
    }
    parts = {
        "job": job,
        "parameters": parameters,
        "folders": folders,
        "as_of": as_of,
        "inputs": {table: version.content_digest for table, version in sorted(inputs.items())},
        "notebook": hashlib.sha256(notebook.read_bytes()).hexdigest() if notebook else "",
        "code": code_digest(),
        "lock": lock_digest(),
        "python": platform.python_version(),
        "extra": dict(extra or {}),
    }
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def config_digest(config: type) -> str:
    """Digest of the source file of a notebook's parameters, which may lie outside the library."""
    source = inspect.getsourcefile(config)
    return hashlib.sha256(Path(source).read_bytes()).hexdigest() if source else ""


def models_digest(folder: Path) -> str:
    """Digest of the model packages that a notebook may open."""
    return _files_digest(folder, ("manifest.json",)) if folder.is_dir() else ""


def readiness_digest(folder: Path, config: type) -> str:
    """Digest of a workspace's own checks and answers, where a notebook is a readiness audit."""
    if not config.__module__.startswith("workbench.readiness") or not folder.is_dir():
        return ""
    return _files_digest(folder, ("*.py", "*.toml"))


def _files_digest(root: Path, patterns: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    files = {path for pattern in patterns for path in root.rglob(pattern)}
    for path in sorted(files):
        if "__pycache__" in path.parts or "_shipped" in path.parts:
            continue
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _folder_digest(folder: Path) -> str:
    """Names, sizes and times of a folder's files: reading gigabytes to skip work would not do."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        stat = path.stat()
        digest.update(f"{path.relative_to(folder)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()
