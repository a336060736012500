"""Models behind a decision: whether the bytes that are kept here have the digest on record."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.commands.tracing.check import PROVEN, Check, altered, missing
from workbench.workspace import Workspace


class ModelChecks:
    """Hashes kept models; each file is read once."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._digests: dict[Path, str] = {}

    def check(self, model: dict[str, Any]) -> tuple[Check, str | None]:
        """Whether a kept copy has the model's digest, and where it lies.

        A copy that should have it and does not is altered, even where another copy is sound.
        """
        digest, sound = str(model["digest"]), None
        for path, certain in self._copies(model):
            where = path.relative_to(self._workspace.root).as_posix()
            try:
                found = self._digest(path)
            except OSError as error:
                return missing(f"{where}: cannot be read ({error.strerror})"), where
            if found == digest:
                sound = sound or where
            elif certain:
                return altered(f"{where} was altered, its SHA-256 is {found[:12]}…"), where
        return (PROVEN, sound) if sound else (missing("not here"), None)

    def _copies(self, model: dict[str, Any]) -> Iterator[tuple[Path, bool]]:
        """Files that may be the model, and whether it can only be that one."""
        name, version, digest = (str(model[key]) for key in ("name", "version", "digest"))
        if any(Path(part).name != part for part in (name, version, digest)):
            return
        kept = self._workspace.models / name / digest
        if kept.is_file():
            yield kept, True
        for path in sorted(self._workspace.reports.glob("*/*/*/models")):
            if path.parent.name == version and (path / name).is_file():
                yield path / name, True  # a trained model's version is the run that made it
        folder = self._workspace.edge_models / name / version
        if folder.is_dir():
            yield from self._packaged(folder)

    def _packaged(self, folder: Path) -> Iterator[tuple[Path, bool]]:
        from workbench.edge.package import model_file

        path = model_file(folder)
        if path is not None and path.is_file():
            yield path, True

    def _digest(self, path: Path) -> str:
        from workbench.tables.versions import sha256_of

        if path not in self._digests:
            self._digests[path] = sha256_of(path)
        return self._digests[path]
