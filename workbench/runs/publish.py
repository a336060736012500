"""From a finished temporary folder to a complete run; every step may be repeated.

Order: manifest and HTML, fsync, one rename into `reports/`, staged tables into the store, decisions
into the log, COMPLETE, the pointer `latest`, ledger. A crash in between leaves either a temporary
folder (aborted at the next start) or a renamed report that the next start finishes.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from workbench.contracts.made_from import MadeFrom
from workbench.decision_log.append import Appended
from workbench.decision_log.service.access import log_client
from workbench.errors import RunError
from workbench.folders import replace_durably, sync
from workbench.lineage.facts import ClusterUse, Feed, FileVersion, Found, LogRange, ModelUse
from workbench.lineage.lifecycle import RunLineage
from workbench.runs.context import (
    FACTS_FILE,
    MANIFEST_FILE,
    NOTEBOOK_FILE,
    REPORT_FILE,
    STAGED_FOLDER,
    Context,
)
from workbench.runs.decisions import staged_records
from workbench.runs.facts import Facts
from workbench.runs.feeds import table_feed
from workbench.runs.files import file_version
from workbench.runs.ledger import Ledger
from workbench.runs.manifest import staged_versions
from workbench.runs.quality import readiness_assertions
from workbench.tables.store import TableStore
from workbench.tables.versions import TableVersion
from workbench.workspace import Workspace

LATEST: Final = "latest"
LATEST_PAGE: Final = "latest.html"
_LEADING: Final = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Latest report</title>'
    '<meta http-equiv="refresh" content="0; url={0}"><a href="{0}">Latest report</a></html>\n'
)
LOG_FILE: Final = "decision-log.json"
# What others read, in events by digest; the manifest has the digests of the rest.
_OWN_FILES: Final = (MANIFEST_FILE, NOTEBOOK_FILE, REPORT_FILE)


def move_into_reports(folder: Path, target: Path) -> None:
    """Make every file durable, then rename the folder as a whole.

    Raises:
        RunError: The reports folder cannot be written.
    """
    try:
        for path in [*folder.rglob("*"), folder]:
            sync(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(target)
        sync(target.parent)
    except OSError as error:
        raise RunError(
            f"{target}: the report cannot be written ({error.strerror}); nothing is half-written,"
            " free space and run again."
        ) from error


def finish(
    workspace: Workspace,
    report: Path,
    context: Context,
    *,
    lineage: RunLineage | None,
    inputs: Mapping[str, TableVersion],
    step: Callable[[str], None] = lambda name: None,
) -> Appended | None:
    """Everything after the rename, in order; each part may be done already.

    Args:
        workspace: Of the run.
        report: The renamed folder.
        context: Of the run.
        lineage: Of the run, started; None where COMPLETE is written already.
        inputs: Pinned versions.
        step: Called with the name of each part before it is done; tests stop here.
    """
    facts = Facts.load(report / FACTS_FILE)
    appended = None
    if lineage is not None:
        step("tables")
        store = TableStore(workspace.tables)
        staged = staged_versions(report, facts).values()
        replaced = {version.table for version in staged if store.has_others(version)}
        outputs = [store.publish(version) for version in staged]
        step("models")
        _keep_models(workspace, report, facts)
        step("log")
        appended = _append(workspace, report)
        step("lineage")
        read = [file_version(workspace, Path(path)) for path in facts.files if Path(path).is_file()]
        lineage.complete(
            outputs,
            files=[file_version(workspace, report / name) for name in _OWN_FILES],
            models=models_of(report, facts, inputs),
            decisions=_range(workspace, appended),
            feeds=_feeds(facts, read),
            found=Found(
                files=read,
                queries=facts.queries,
                subsets=facts.subsets,
                assertions=readiness_assertions(report),
                replaced=replaced,
                cluster=ClusterUse(**facts.cluster) if facts.cluster else None,
            ),
        )
    step("latest")
    point_latest(report)
    shutil.rmtree(report / STAGED_FOLDER, ignore_errors=True)
    step("ledger")  # last: what it calls complete, no start looks at again
    where = report.relative_to(workspace.root).as_posix()
    Ledger(workspace.ledger).end(context.run_id, "complete", outputs=facts.tables, report=where)
    return appended


def _append(workspace: Workspace, report: Path) -> Appended | None:
    """Append what the run decided; kept with the report is what the log answered."""
    entries = staged_records(report)
    if not entries:
        return None
    appended = log_client(workspace).append_entries(entries)
    answer = {
        "origin": workspace.log_origin(),
        "entries": len(entries),
        "first_index": min(appended.indexes),
        "last_index": max(appended.indexes),
        "tree_size": appended.size,
        "root_hash": appended.root,
        "checkpoint": appended.checkpoint,
    }
    replace_durably(report / LOG_FILE, (json.dumps(answer, indent=1) + "\n").encode())
    return appended


def _feeds(facts: Facts, read: Sequence[FileVersion]) -> dict[str, Feed]:
    return {
        table: table_feed(MadeFrom.from_json(value), files=read)
        for table, value in facts.made_from.items()
    }


def models_of(report: Path, facts: Facts, inputs: Mapping[str, TableVersion]) -> list[ModelUse]:
    """Models that a run used, or trained: then their bytes lie in its report."""
    digests = {table: version.digest for table, version in inputs.items()}
    return [
        ModelUse(model, role="trained", training_inputs=digests)
        if (report / "models" / model.name).exists()
        else ModelUse(model)
        for model in facts.references
    ]


def point_latest(report: Path) -> None:
    """`reports/<notebook>/latest` names the current report, as text: as_of/run_id.

    `latest.html` beside it opens that report in a browser, under one address for bookmarks.
    """
    home, place = report.parent.parent, f"{report.parent.name}/{report.name}"
    replace_durably(home / LATEST, f"{place}\n".encode())
    replace_durably(home / LATEST_PAGE, _LEADING.format(f"{place}/{REPORT_FILE}").encode())


def latest_report(workspace: Workspace, notebook: str) -> Path:
    """Folder of the newest report of a notebook.

    Raises:
        RunError: There is none.
    """
    pointer = workspace.reports / notebook / LATEST
    if not pointer.is_file():
        raise RunError(f"{notebook}: no report yet; run 'workbench run {notebook}'.")
    return pointer.parent / pointer.read_text(encoding="utf-8").strip()


def _keep_models(workspace: Workspace, report: Path, facts: Facts) -> None:
    """Bytes of trained models, by digest, beside those of other runs."""
    for model in facts.references:
        source = report / "models" / model.name
        target = workspace.models / model.name / model.digest
        if not source.exists() or target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        staged = target.with_name(f".{target.name}")
        shutil.copyfile(source, staged)
        sync(staged)
        staged.replace(target)


def _range(workspace: Workspace, appended: Appended | None) -> LogRange | None:
    if appended is None:
        return None
    return LogRange(
        origin=workspace.log_origin(),
        entries=len(appended.indexes),
        first_index=min(appended.indexes, default=None),
        tree_size=appended.size,
        root_hash=appended.root,
        checkpoint=appended.checkpoint,
    )
