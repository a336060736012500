"""`run.json`: what was run on what, and the digest of every file that it left."""

import hashlib
import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from workbench.contracts.tables import PROPOSALS
from workbench.errors import RunError
from workbench.runs.context import FACTS_FILE, MANIFEST_FILE, STAGED_FOLDER, Context
from workbench.runs.facts import Facts
from workbench.runs.secrets import public_parameters
from workbench.runs.skip import code_digest, lock_digest
from workbench.tables.versions import TableVersion, open_version

_REMEDY: Final = "restore the report, or run the notebook again."
_SHAPE: Final[dict[str, type | tuple[type, ...]]] = {
    "run_id": str, "headline": str, "as_of": str, "inputs": dict, "outputs": dict, "models": list,
    "upstream_runs": list, "seconds": (int, float),
}  # fmt: skip


def write_manifest(
    folder: Path,
    context: Context,
    facts: Facts,
    *,
    title: str,
    parameters: Mapping[str, Any],
    inputs: Mapping[str, TableVersion],
    started: str,
) -> None:
    """`run.json`: what was run on what, and the digest of every file that it left."""
    artefacts = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and STAGED_FOLDER not in path.relative_to(folder).parts
        and path.name not in (FACTS_FILE, MANIFEST_FILE)
    }  # fmt: skip
    outputs = staged_versions(folder, facts)
    manifest = {
        "run_id": context.run_id,
        "notebook": context.notebook,
        "title": title,
        "headline": facts.headline,
        "as_of": context.as_of,
        "parameters": public_parameters(parameters),
        "inputs": {t: _described(v) for t, v in inputs.items()},
        "outputs": {t: _described(v) for t, v in outputs.items()},
        "models": facts.models,
        "upstream_runs": sorted({v.run_id for v in inputs.values() if v.run_id}),
        "simulated": facts.simulated,
        "artefacts": artefacts,
        "records": len(facts.records),
        "proposals": outputs[PROPOSALS.name].rows if PROPOSALS.name in outputs else 0,
        "skip_key": context.skip_key,
        "attempt": context.attempt,
        "code": code_digest(),
        "lock": lock_digest(),
        "python": platform.python_version(),
        "threads": context.threads,
        "cluster": facts.cluster or None,
        "started": started,
        "seconds": round((datetime.now(UTC) - datetime.fromisoformat(started)).total_seconds(), 1),
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False, default=str) + "\n"
    (folder / MANIFEST_FILE).write_text(text, encoding="utf-8")


def read_manifest(report: Path) -> dict[str, Any]:
    """The manifest of a report.

    Raises:
        RunError: It is missing or no manifest.
    """
    path = report / MANIFEST_FILE
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}); {_REMEDY}") from error
    except (ValueError, RecursionError) as error:
        reason = "not JSON in UTF-8" if isinstance(error, ValueError) else "nested too deeply"
        raise RunError(f"{path}: {reason}; expected a run's manifest, {_REMEDY}") from error
    wrong = "" if isinstance(manifest, dict) else "an object"
    for name, kind in _SHAPE.items():
        if not wrong and not isinstance(manifest.get(name), kind):
            wrong = repr(name)
    if wrong:
        raise RunError(f"{path}: lacks {wrong}; expected a run's manifest, {_REMEDY}")
    return dict(manifest)


def staged_versions(folder: Path, facts: Facts) -> dict[str, TableVersion]:
    """Table versions that a run has staged, by table."""
    staged = folder / STAGED_FOLDER
    return {table: open_version(staged / table / name) for table, name in facts.tables.items()}


def _described(version: TableVersion) -> dict[str, Any]:
    return {
        "version": version.version,
        "digest": version.digest,
        "content_digest": version.content_digest,
        "rows": version.rows,
        "run_id": version.run_id,
        "rests_on_simulated": version.rests_on_simulated,
    }
