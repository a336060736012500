"""Runs behind a decision: what their reports say, and whether the reports are those written."""

import glob
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from workbench.commands.tracing.check import PROVEN, Check, altered, missing
from workbench.errors import LogError
from workbench.lineage.completed import CompletedRuns, file_digests, version_names
from workbench.lineage.journal import Journal
from workbench.workspace import Workspace

_MANIFEST: Final = "run.json"
_KEPT: Final = ("headline", "parameters", "inputs", "outputs", "models")


class RunReports:
    """Reports of runs, each read and hashed once.

    Lineage's COMPLETE event holds the digests of a report's manifest, notebook and page; the
    manifest those of all other files.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._completed = CompletedRuns(Journal(workspace.lineage))
        self._runs: dict[str, dict[str, Any]] = {}

    def run(self, run_id: str) -> dict[str, Any]:
        """What is known of a run: notebook, report, what its manifest says unless altered.

        Raises:
            LogError: The manifest is unreadable, and no record tells that it was altered.
        """
        if run_id not in self._runs:
            self._runs[run_id] = self._read(run_id)
        return self._runs[run_id]

    def version_names(self, run_id: str, table: str, digest: str) -> set[str]:
        """Names that a run gives the version of a table with this digest."""
        event = self._completed.event(run_id)
        names = version_names(event, table, digest) if event else set()
        read = _object(_object(self.run(run_id).get("inputs")).get(table))
        return {*names, str(read.get("version"))} if read.get("digest") == digest else names

    def _read(self, run_id: str) -> dict[str, Any]:
        event = self._completed.event(run_id)
        recorded = file_digests(event, run_id) if event else {}
        facts = {"run_id": run_id, "notebook": event["job"]["name"] if event else None}
        found = sorted(self._workspace.reports.glob(f"*/*/{glob.escape(run_id)}/{_MANIFEST}"))
        if Path(run_id).name != run_id or not found:
            return {**facts, "report": None, **_without_report(event, recorded)}
        report = found[0].parent
        facts |= {
            "notebook": report.parent.parent.name,
            "as_of": report.parent.name,
            "report": report.relative_to(self._workspace.root).as_posix(),
        }
        check = _same_files(report, recorded)
        manifest = _manifest(found[0], check)
        artefacts = _object(manifest.get("artefacts"))
        if check.state == "proven" and artefacts:
            check = _same_files(report, artefacts)
        return {**facts, **{name: manifest.get(name) for name in _KEPT}, **check.facts()}


def _without_report(event: Mapping[str, Any] | None, recorded: Mapping[str, str]) -> dict[str, Any]:
    if event is None:
        return missing("no report of it here, and no lineage of its completion").facts()
    if recorded:
        return missing("its report is not here").facts()
    return {"state": "no report"}  # steps such as ingest leave none


def _same_files(report: Path, recorded: Mapping[str, Any]) -> Check:
    """Whether the files that are on record are those in the folder; the worst is told."""
    if not recorded:
        return missing("no lineage here holds the digests of its files")
    checks = [_same_file(report, name, digest) for name, digest in sorted(recorded.items())]
    for state in ("altered", "not checkable"):
        for check in checks:
            if check.state == state:
                return check
    return PROVEN


def _same_file(report: Path, name: str, digest: Any) -> Check:
    from workbench.tables.versions import sha256_of

    path = report / name
    if not path.resolve().is_relative_to(report.resolve()):
        return missing(f"{name} does not lie in the report")
    try:
        found = sha256_of(path)
    except OSError as error:
        return missing(f"{name} cannot be read ({error.strerror})")
    if found == digest:
        return PROVEN
    return altered(f"{name} was altered, its SHA-256 is {found[:12]}…, on record {digest[:12]}…")


def _manifest(path: Path, check: Check) -> dict[str, Any]:
    """What the manifest says; nothing where a file of the report was altered."""
    if check.state == "altered":
        return {}
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise LogError(f"{path}: not a run manifest, nested too deeply; restore it.") from error
    except (OSError, ValueError) as error:
        raise LogError(f"{path}: not a run manifest ({error}); restore it.") from error
    if not isinstance(manifest, dict):
        raise LogError(f"{path}: not a run manifest; expected a JSON object, restore it.")
    return manifest


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
