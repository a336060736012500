"""Models behind a decision: whether the bytes that are kept here have the digest on record."""

import glob
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.commands.tracing.check import PROVEN, Check, altered, missing
from workbench.workspace import Workspace


class ModelChecks:
    """Hashes kept models; each file is read once."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._checked: dict[tuple[str, str, str], tuple[Check, str | None]] = {}

    def check(self, model: dict[str, Any]) -> tuple[Check, str | None]:
        """Whether a kept copy has the model's digest, and where it lies.

        A copy that should have it and does not is altered, even where another copy is sound.
        """
        key = (str(model["name"]), str(model["version"]), str(model["digest"]))
        if key not in self._checked:
            self._checked[key] = self._check(*key)
        return self._checked[key]

    def _check(self, name: str, version: str, digest: str) -> tuple[Check, str | None]:
        from workbench.tables.versions import sha256_of

        sound = None
        for path in self._copies(name, version, digest):
            where = path.relative_to(self._workspace.root).as_posix()
            try:
                found = sha256_of(path)
            except OSError as error:
                return missing(f"{where}: cannot be read ({error.strerror})"), where
            if found != digest:
                return altered(f"{where} was altered, its SHA-256 is {found[:12]}…"), where
            sound = sound or where
        return (PROVEN, sound) if sound else (missing("not here"), None)

    def _copies(self, name: str, version: str, digest: str) -> Iterator[Path]:
        """Files that can be nothing but this model."""
        from workbench.edge.package import model_file

        if any(Path(part).name != part for part in (name, version, digest)):
            return
        home = self._workspace
        # the version of a model that was trained here is the run that made it
        trained = home.reports.glob(f"*/*/{glob.escape(version)}/models/{glob.escape(name)}")
        packaged = model_file(home.edge_models / name / version)
        for path in (home.models / name / digest, *sorted(trained), packaged):
            if path is not None and path.is_file():
                yield path
