"""From a finished temporary folder to a complete run; every step may be repeated.

Order: manifest and HTML, fsync, one rename into `reports/`, staged tables into the store, decisions
into the log, COMPLETE, ledger, the pointer `latest`. A crash in between leaves either a temporary
folder (aborted at the next start) or a renamed report that the next start finishes.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workbench.decision_log.append import Appended, open_log
from workbench.errors import RunError
from workbench.lineage.facts import LogRange, ModelUse
from workbench.lineage.lifecycle import RunLineage
from workbench.lineage.redaction import redacted
from workbench.runs.context import (
    FACTS_FILE,
    MANIFEST_FILE,
    STAGED_FOLDER,
    Context,
)
from workbench.runs.decisions import run_records
from workbench.runs.facts import Facts
from workbench.runs.ledger import Ledger
from workbench.runs.skip import code_digest, lock_digest
from workbench.tables.store import TableStore
from workbench.tables.versions import TableVersion, open_version
from workbench.workspace import Workspace

LATEST = "latest"


def write_manifest(
    folder: Path,
    context: Context,
    facts: Facts,
    *,
    title: str,
    parameters: Mapping[str, Any],
    inputs: Mapping[str, TableVersion],
    seconds: float,
) -> None:
    """`run.json`: what was run on what, and the digest of every file that it left."""
    artefacts = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and STAGED_FOLDER not in path.relative_to(folder).parts
        and path.name not in (FACTS_FILE, MANIFEST_FILE)
    }  # fmt: skip
    outputs = {table: open_version(_staged(folder, table, facts)) for table in facts.tables}
    manifest = {
        "run_id": context.run_id,
        "notebook": context.notebook,
        "title": title,
        "headline": facts.headline,
        "as_of": context.as_of,
        "parameters": redacted(parameters),
        "inputs": {t: _described(v) for t, v in inputs.items()},
        "outputs": {t: _described(v) for t, v in outputs.items()},
        "models": facts.models,
        "upstream_runs": sorted({v.run_id for v in inputs.values() if v.run_id}),
        "simulated": facts.simulated,
        "artefacts": artefacts,
        "records": len(facts.records),
        "skip_key": context.skip_key,
        "attempt": context.attempt,
        "code": code_digest(),
        "lock": lock_digest(),
        "seconds": round(seconds, 1),
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False, default=str) + "\n"
    (folder / MANIFEST_FILE).write_text(text, encoding="utf-8")


def move_into_reports(folder: Path, target: Path) -> None:
    """Make every file durable, then rename the folder as a whole.

    Raises:
        RunError: The reports folder cannot be written.
    """
    try:
        for path in [*folder.rglob("*"), folder]:
            _sync(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(target)
        _sync(target.parent)
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
    lineage: RunLineage,
    inputs: Mapping[str, TableVersion],
    step: Callable[[str], None] = lambda name: None,
) -> Appended | None:
    """Everything after the rename, in order; each part may be done already.

    Args:
        workspace: Of the run.
        report: The renamed folder.
        context: Of the run.
        lineage: Of the run, started.
        inputs: Pinned versions.
        step: Called with the name of each part before it is done; tests stop here.
    """
    store = TableStore(workspace.tables)
    facts = Facts.load(report / FACTS_FILE)
    step("tables")
    outputs = {}
    for table in facts.tables:
        staged = open_version(_staged(report, table, facts))
        outputs[table] = store.publish(staged)
    step("models")
    _keep_models(workspace, report, facts)
    step("log")
    appended = _append(workspace, report, context, facts, store, inputs, outputs)
    step("lineage")
    digests = {table: version.digest for table, version in inputs.items()}
    models = [
        ModelUse(model, role="trained", training_inputs=digests)
        if (report / "models" / model.name).exists()
        else ModelUse(model)
        for model in facts.references
    ]
    lineage.complete(list(outputs.values()), models=models, decisions=_range(workspace, appended))
    step("ledger")
    names = {table: version.version for table, version in outputs.items()}
    where = report.relative_to(workspace.root).as_posix()
    Ledger(workspace.ledger).end(context.run_id, "complete", outputs=names, report=where)
    step("latest")
    point_latest(report)
    shutil.rmtree(report / STAGED_FOLDER, ignore_errors=True)
    return appended


def point_latest(report: Path) -> None:
    """`reports/<notebook>/latest` names the newest report, as text: as_of/run_id."""
    home = report.parent.parent
    staged = home / f".{LATEST}.{os.getpid()}"
    staged.write_text(f"{report.parent.name}/{report.name}\n", encoding="utf-8")
    _sync(staged)
    staged.replace(home / LATEST)


def latest_report(workspace: Workspace, notebook: str) -> Path:
    """Folder of the newest report of a notebook.

    Raises:
        RunError: There is none.
    """
    pointer = workspace.reports / notebook / LATEST
    if not pointer.is_file():
        raise RunError(f"{notebook}: no report yet; run 'workbench run {notebook}'.")
    return pointer.parent / pointer.read_text(encoding="utf-8").strip()


def _append(
    workspace: Workspace,
    report: Path,
    context: Context,
    facts: Facts,
    store: TableStore,
    inputs: Mapping[str, TableVersion],
    outputs: Mapping[str, TableVersion],
) -> Appended | None:
    records = run_records(
        context,
        facts,
        store=store,
        inputs=inputs,
        proposals=outputs.get("proposals"),
        reports=workspace.reports,
        recorded_at=datetime.now(UTC),
    )
    return open_log(workspace).append(records) if records else None


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
        _sync(staged)
        staged.replace(target)


def _staged(folder: Path, table: str, facts: Facts) -> Path:
    return folder / STAGED_FOLDER / table / facts.tables[table]


def _described(version: TableVersion) -> dict[str, Any]:
    return {
        "version": version.version,
        "digest": version.digest,
        "content_digest": version.content_digest,
        "rows": version.rows,
        "run_id": version.run_id,
        "rests_on_simulated": version.rests_on_simulated,
    }


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


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
