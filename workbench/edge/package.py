"""A model package: a folder with model, card and a manifest that names their digests.

    edge_models/<name>/<version>/
        manifest.json   name, version, task, input and output, files with SHA-256 and size
        model.onnx
        card.md

Nothing in a package is used before every file's bytes agree with the manifest.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.contracts.records import ModelReference
from workbench.errors import ModelError

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class ModelPackage:
    """A package whose files were checked against its manifest."""

    folder: Path
    name: str
    version: str
    model: Path
    manifest: Mapping[str, Any]

    @property
    def reference(self) -> ModelReference:
        """Name, version and digest of the model's bytes, as a decision record holds them."""
        return ModelReference(
            self.name, self.version, self.manifest["files"][self.model.name]["sha256"]
        )


def open_package(folder: Path) -> ModelPackage:
    """Check every file of a package and open it.

    Raises:
        ModelError: A file is missing, altered or not named in the manifest.
    """
    manifest = _read_manifest(folder)
    for name, expected in manifest["files"].items():
        if Path(name).name != name:
            raise ModelError(f"{folder / MANIFEST}: file name {name!r} leaves the package folder.")
        found = _fingerprint(folder / name)
        if found != expected:
            raise ModelError(
                f"{folder / name}: SHA-256 {found['sha256'][:16]}…, {found['bytes']} bytes;"
                f" expected {expected['sha256'][:16]}…, {expected['bytes']} bytes. Restore it."
            )
    unnamed = {p.name for p in folder.iterdir()} - set(manifest["files"]) - {MANIFEST}
    if unnamed:
        raise ModelError(f"{folder / min(unnamed)}: not named in {MANIFEST}; remove it.")
    return ModelPackage(
        folder=folder,
        name=manifest["name"],
        version=manifest["version"],
        model=folder / manifest["model"],
        manifest=manifest,
    )


def describe_package(folder: Path, facts: Mapping[str, Any]) -> str:
    """Manifest text for the files that lie in `folder`; `facts` adds name, version, model, ….

    Raises:
        ModelError: A fact that every manifest needs is missing.
    """
    missing = {"name", "version", "model", "task"} - set(facts)
    if missing:
        raise ModelError(f"{folder}: the manifest needs {min(missing)!r}; give it.")
    files = {p.name: _fingerprint(p) for p in sorted(folder.iterdir()) if p.name != MANIFEST}
    return json.dumps({**facts, "files": files}, indent=2, sort_keys=True) + "\n"


def model_file(folder: Path) -> Path | None:
    """Where a package's manifest says that the model is; None where it says nothing of use."""
    try:
        name = str(_read_manifest(folder)["model"])
    except ModelError:
        return None
    return folder / name if Path(name).name == name else None


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        valid = {"name", "version", "model", "files"} <= set(manifest)
        valid = valid and manifest["model"] in manifest["files"]
    except FileNotFoundError as error:
        raise ModelError(
            f"{path}: not found; expected a model package, name its folder."
        ) from error
    except (ValueError, TypeError) as error:
        raise ModelError(f"{path}: not a JSON manifest ({error}); restore the package.") from error
    if not valid:
        raise ModelError(f"{path}: lacks name, version, model or files; restore the package.")
    return manifest


def _fingerprint(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{path}: cannot be read ({error.strerror}); restore the package."
        ) from error
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
