"""Whether what events name is still what lies on disk, and every run of the ledger has its events.

Events are read one at a time and what is known of runs lies in a temporary database on disk, so
that memory does not grow with the journal.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from workbench.errors import LineageError, RunError, TableError
from workbench.lineage.facets import DECISION_LOG, MODELS, PROVENANCE
from workbench.lineage.journal import Journal
from workbench.lineage.names import FILE_NAMESPACE, SCHEME
from workbench.lineage.open_runs import TERMINAL
from workbench.runs.context import MANIFEST_FILE, NOTEBOOK_FILE, REPORT_FILE
from workbench.runs.ledger import Ledger
from workbench.runs.manifest import read_manifest
from workbench.runs.publish import LOG_FILE
from workbench.tables.evidence import verify_version
from workbench.tables.versions import open_version, sha256_of
from workbench.workspace import Workspace

_MEMORY_MEGABYTES: Final = 512
_REMEMBERED: Final = 4096  # tables and files that are not hashed again for the next event
_ENDINGS: Final = {"complete": "COMPLETE", "failed": "FAIL", "aborted": "ABORT"}
# What the report keeps of the log's answer, and how the event's facet calls it.
_ANSWER: Final = {
    "origin": "origin", "entries": "entries", "first_index": "firstIndex",
    "tree_size": "treeSize", "root_hash": "rootHash", "checkpoint": "checkpoint",
}  # fmt: skip


@dataclass(frozen=True)
class Notice:
    """What was found about one file, table or run.

    Attributes:
        kind: `altered`, `gone`, `changed` for a source that has changed since it was read, or
            `events`.
    """

    kind: str
    run_id: str
    text: str

    @property
    def is_problem(self) -> bool:
        """Whether nothing but harm explains it: files may be archived, sources go on."""
        return self.kind in ("altered", "events")

    def __str__(self) -> str:
        return f"{self.kind}: run {self.run_id}, {self.text}"


def check_workspace(workspace: Workspace) -> Iterator[Notice]:
    """Compare every digest that COMPLETE events name with the disk, and runs with the ledger.

    Lines that are no events are left to `validate_journal`.
    """
    check = _Check(workspace)
    with closing(sqlite3.connect("")) as lives:  # a temporary file once it outgrows its cache
        lives.execute("CREATE TABLE life (run TEXT, kind TEXT, PRIMARY KEY (run, kind))")
        for line in Journal(workspace.lineage).lines():
            try:
                event = line.event()
                run_id, kind = str(event["run"]["runId"]), event.get("eventType")
                if kind == "START" or kind in TERMINAL:
                    lives.execute("INSERT OR IGNORE INTO life VALUES (?, ?)", (run_id, kind))
                if kind == "COMPLETE":
                    yield from check.event(run_id, event)
            except (LineageError, KeyError, TypeError, AttributeError, RecursionError):
                continue
        yield from _ledger_notices(workspace, lives)


def _ledger_notices(workspace: Workspace, lives: sqlite3.Connection) -> Iterator[Notice]:
    """Runs of the ledger that lack their START, or the ending that the ledger gives them."""
    if not workspace.ledger.exists():
        return
    for run_id, job, status in Ledger(workspace.ledger).endings():
        found = {
            kind for (kind,) in lives.execute("SELECT kind FROM life WHERE run = ?", (run_id,))
        }
        wanted = {"START", _ENDINGS[status]} if status in _ENDINGS else {"START"}
        missing = ", ".join(sorted(wanted - found))
        if missing:
            yield Notice(
                "events", run_id,
                f"{job}: the ledger calls it {status}, the journal has no {missing} of it; restore"
                " the journal's files from a backup.",
            )  # fmt: skip


class _Check:
    """Compares what events name; remembers what it has hashed, up to a limit."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._table = lru_cache(maxsize=_REMEMBERED)(self._table_state)
        self._hash = lru_cache(maxsize=_REMEMBERED)(_sha256)

    def event(self, run_id: str, event: Mapping[str, Any]) -> Iterator[Notice]:
        """Notices of a COMPLETE event."""
        for side in ("inputs", "outputs"):
            for dataset in event.get(side, []):
                yield from self._dataset(run_id, dataset, read=side == "inputs")
        facets = event["run"].get("facets", {})
        for model in facets.get(MODELS, {}).get("models", []):
            yield from self._model(run_id, model)
        if DECISION_LOG in facets:
            yield from self._log_answer(run_id, facets[DECISION_LOG], event.get("outputs", []))

    def _dataset(self, run_id: str, dataset: Mapping[str, Any], *, read: bool) -> Iterator[Notice]:
        space, name = str(dataset["namespace"]), str(dataset["name"])
        facets = dataset.get("facets", {})
        digest = str(facets.get("version", {}).get("datasetVersion", ""))
        if space.startswith(SCHEME) and "/" not in name:
            version = str(facets.get(PROVENANCE, {}).get("version", ""))
            state = self._table(name, version, digest)
            if state:
                yield Notice(state[0], run_id, f"table {name!r}: {state[1]}")
        elif space.startswith(SCHEME):
            path = self._workspace.root / name
            yield from self._file(run_id, path, digest, read=read)
        elif space == FILE_NAMESPACE:
            yield from self._file(run_id, Path(name), digest, read=read)

    def _table_state(self, table: str, version: str, digest: str) -> tuple[str, str] | None:
        folder = self._workspace.tables / table / version
        if not version or not folder.is_dir():
            return "gone", f"version {version or digest[:16]} is no longer there."
        try:
            found = open_version(folder)
            if found.digest != digest:
                return "altered", f"{folder}: its manifest has another digest than the event."
            verify_version(found, memory_megabytes=_MEMORY_MEGABYTES)
        except TableError as error:
            return "altered", str(error)
        return None

    def _file(self, run_id: str, path: Path, digest: str, *, read: bool) -> Iterator[Notice]:
        found = self._hash(path)
        if found is None:
            yield Notice("gone", run_id, f"{path}: is no longer there.")
        elif found != digest and read:
            yield Notice("changed", run_id, f"{path}: has changed since the run read it.")
        elif found != digest:
            yield Notice("altered", run_id, _altered(path, found, digest))
        elif path.name == MANIFEST_FILE and not read:
            yield from self._artefacts(run_id, path.parent)

    def _artefacts(self, run_id: str, report: Path) -> Iterator[Notice]:
        """The other files of a report, by the digests of its manifest, which is as it was."""
        try:
            artefacts = read_manifest(report).get("artefacts", {})
        except RunError:
            return
        for name, digest in artefacts.items():
            if name in (NOTEBOOK_FILE, REPORT_FILE):  # events name these themselves
                continue
            path = report / name
            found = self._hash(path)
            if found is None:
                yield Notice("gone", run_id, f"{path}: is no longer there.")
            elif found != digest:
                yield Notice("altered", run_id, _altered(path, found, digest))

    def _model(self, run_id: str, model: Mapping[str, Any]) -> Iterator[Notice]:
        name, version, digest = (str(model[key]) for key in ("name", "version", "digest"))
        kept = self._workspace.models / name / digest
        package = self._workspace.edge_models / name / version
        if kept.exists() or not package.is_dir():
            found = self._hash(kept)
        else:
            hashes = [self._hash(path) for path in sorted(package.iterdir())]
            found = digest if digest in hashes else next(filter(None, hashes), None)
        if found is None:
            yield Notice("gone", run_id, f"model {name!r}, {digest[:16]}…: is no longer there.")
        elif found != digest:
            yield Notice("altered", run_id, f"model {name!r}: {_altered(kept, found, digest)}")

    def _log_answer(
        self, run_id: str, facet: Mapping[str, Any], outputs: list[Mapping[str, Any]]
    ) -> Iterator[Notice]:
        """What the log answered, kept in the report, against what the event has of it."""
        manifests = [str(o["name"]) for o in outputs if str(o["name"]).endswith(MANIFEST_FILE)]
        if not manifests or not facet.get("entries"):
            return
        path = (self._workspace.root / manifests[0]).parent / LOG_FILE
        if not path.is_file():
            yield Notice("gone", run_id, f"{path}: is no longer there.")
            return
        try:
            answer = json.loads(path.read_bytes())
            same = all(answer.get(ours) == facet.get(theirs) for ours, theirs in _ANSWER.items())
        except (ValueError, AttributeError, RecursionError):
            same = False
        if not same:
            yield Notice(
                "altered", run_id,
                f"{path}: does not say what the event says of the decision log; restore it from a"
                " backup.",
            )  # fmt: skip


def _sha256(path: Path) -> str | None:
    try:
        return sha256_of(path)
    except OSError:
        return None


def _altered(path: Path, found: str, digest: str) -> str:
    return (
        f"{path}: SHA-256 is {found[:16]}…, the run left {digest[:16]}…; restore it from a backup."
    )
