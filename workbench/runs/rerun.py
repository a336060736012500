"""Executes a crate's run again and says which digests of its outputs agree.

The notebook runs in a workspace of its own that is made from the crate: it reads the crate's
tables, and neither publishes tables nor logs decisions here. The rerun itself is a governed run of
this workspace: ledger, lineage, a report with the executed notebook and `comparison.json`.
"""

import json
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from workbench.errors import CrateError, TableError
from workbench.lineage.facts import FileVersion, JobDescription
from workbench.lineage.redaction import REDACTED
from workbench.runs.context import (
    FACTS_FILE,
    NOTEBOOK_FILE,
    REPORT_FILE,
    Context,
)  # fmt: skip
from workbench.runs.crate import DEFAULT_LIMIT_MEBIBYTES
from workbench.runs.crate_reader import checked_inputs, opened_manifest, unpack
from workbench.runs.facts import Facts
from workbench.runs.files import file_version
from workbench.runs.governed import Governed, governed
from workbench.runs.ledger import Ledger
from workbench.runs.manifest import staged_versions
from workbench.runs.parameters import Declaration, declared, resolved
from workbench.runs.progress import Progress
from workbench.runs.publish import move_into_reports
from workbench.runs.recover import recover
from workbench.runs.skip import code_digest, lock_digest
from workbench.runs.steps import step_row
from workbench.tables.store import TableStore
from workbench.tables.versions import TableVersion, sha256_of
from workbench.workspace import Workspace

COMPARISON_FILE: Final = "comparison.json"


@dataclass(frozen=True)
class Output:
    """A table or file of the run; digests are of content, without run ids for tables."""

    name: str
    kind: str
    then: str
    now: str

    @property
    def agrees(self) -> bool:
        return self.then == self.now


@dataclass(frozen=True)
class Rerun:
    """How a crate's run went here.

    Attributes:
        differs: What else is not as it was then, in words: code, packages, Python.
        report: Folder with the executed notebook.
    """

    run_id: str
    original: str
    outputs: tuple[Output, ...]
    differs: tuple[str, ...]
    report: Path

    @property
    def tables_agree(self) -> bool:
        """Whether every table that the run published was made again, to the last value."""
        return all(one.agrees for one in self.outputs if one.kind == "table")


def rerun(
    workspace: Workspace,
    crate: Path,
    *,
    parameters: Mapping[str, Any] | None = None,
    limit_mebibytes: int = 4 * DEFAULT_LIMIT_MEBIBYTES,
    progress: Progress = lambda cell, cells: None,
) -> Rerun:
    """Execute the notebook of a crate as of its day, on its tables.

    It is code of whoever made the crate, and runs as the user who calls this.

    Args:
        workspace: On whose record the rerun is; tables that the crate leaves out are taken from it
            where it has the same versions.
        crate: Zip that `runs show --crate` wrote.
        parameters: Values that the crate does not hold: secrets and folders.
        limit_mebibytes: What the crate may unpack to.
        progress: Called as each cell starts.

    Raises:
        CrateError: The crate is not as it was made, or lacks what this workspace has not either.
        RunError: The notebook failed.
    """
    recover(workspace)
    if not crate.is_file():
        raise CrateError(
            f"{crate}: no such file; expected a crate of 'workbench runs show --crate'."
        )
    given = file_version(workspace, crate, kind="zip")
    job = JobDescription("rerun-crate", documentation="Executes a crate's run again.")
    row = step_row(job.name, "", {}, {}, kind="rerun", files=[given])
    with governed(workspace, row, job, parameters={}, files=[given]) as run:
        folder = run.folder / "crate"
        unpack(crate, folder, limit_mebibytes=limit_mebibytes)
        manifest = opened_manifest(crate, folder)
        inputs = _inputs(workspace, crate, folder, manifest)
        context = _context(run, folder, manifest, inputs)
        declaration = _declaration(crate, folder, manifest)
        _execute(run, context, declaration, _values(crate, manifest, parameters or {}), progress)
        done = _compared(workspace, run, context, manifest)
        _keep(workspace, run, done)
    return done


def _inputs(
    workspace: Workspace, crate: Path, folder: Path, manifest: Mapping[str, Any]
) -> dict[str, TableVersion]:
    """The crate's versions, and this workspace's where the crate leaves one out."""
    found = checked_inputs(crate, folder, manifest)
    store = TableStore(folder / "workspace/data/tables")
    for table, stated in manifest["inputs"].items():
        if table in found:
            continue
        try:
            own = TableStore(workspace.tables).version(str(table), str(stated["version"]))
        except TableError as error:
            raise CrateError(
                f"{crate}: leaves out table {table!r}, and this workspace has no version"
                f" {stated['version']} of it; expected one of both. Ingest the same source here."
            ) from error
        shutil.copytree(own.path, store.root / own.table / own.version)
        found[str(table)] = store.version(own.table, own.version)
    return found


def _context(
    run: Governed, folder: Path, manifest: Mapping[str, Any], inputs: Mapping[str, TableVersion]
) -> Context:
    made = run.folder / "report"
    made.mkdir()
    return Context(
        run_id=run.row.run_id,
        notebook=str(manifest["notebook"]),
        as_of=str(manifest["as_of"]),
        folder=str(made),
        workspace=str(folder / "workspace"),
        inputs={table: version.version for table, version in inputs.items()},
        writes=tuple(manifest["outputs"]),
        skip_key=str(manifest.get("skip_key", "")),
        attempt=int(manifest.get("attempt", 0)),
        threads=int(manifest.get("threads", 0)) or len(os.sched_getaffinity(0)),
    )


def _declaration(crate: Path, folder: Path, manifest: Mapping[str, Any]) -> Declaration:
    path = folder / "workspace/notebooks" / f"{manifest['notebook']}.ipynb"
    if not path.is_file():
        raise CrateError(f"{crate}: lacks the notebook {path.name}; expected a crate of ours.")
    return declared(path)


def _values(crate: Path, manifest: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of the run; those that the crate does not hold must be given."""
    values = {**manifest["parameters"], **given}
    for name, value in values.items():
        is_secret = isinstance(value, str) and REDACTED in value
        if is_secret or (name.endswith("_folder") and value and name not in given):
            what = "a secret" if is_secret else f"the folder {value!r}"
            raise CrateError(
                f"{crate}: parameter {name!r} was {what}, which does not travel; expected a value"
                f" here. Give it with -p {name}=…"
            )
    return values


def _execute(
    run: Governed,
    context: Context,
    declaration: Declaration,
    values: Mapping[str, Any],
    progress: Progress,
) -> None:
    from workbench.runs.execute import execute

    place = run.folder / "context.json"
    context.save(place)
    execute(
        declaration.path, Path(context.folder) / NOTEBOOK_FILE,
        parameters=resolved(declaration, values), context=place, threads=context.threads,
        progress=progress,
    )  # fmt: skip


def _compared(
    workspace: Workspace, run: Governed, context: Context, manifest: Mapping[str, Any]
) -> Rerun:
    made = Path(context.folder)
    tables = staged_versions(made, Facts.load(made / FACTS_FILE))
    outputs = [
        Output(
            table, "table", str(stated["content_digest"]),
            tables[table].content_digest if table in tables else "",
        )
        for table, stated in manifest["outputs"].items()
    ]  # fmt: skip
    outputs += [Output(name, "table", "", tables[name].content_digest)
                for name in sorted(set(tables) - set(manifest["outputs"]))]  # fmt: skip
    files = {name: digest for name, digest in manifest.get("artefacts", {}).items()
             if name not in (NOTEBOOK_FILE, REPORT_FILE)}  # fmt: skip
    outputs += [
        Output(name, "file", str(digest), sha256_of(made / name) if (made / name).is_file() else "")
        for name, digest in files.items()
        if (made / name).resolve().is_relative_to(made.resolve())
    ]
    here = {"code": code_digest(), "lock": lock_digest(), "python": platform.python_version()}
    differs = [
        f"{name} was {str(manifest.get(name))[:16]}, is {value[:16]}"
        for name, value in here.items()
        if manifest.get(name) != value
    ]
    if cluster := manifest.get("cluster"):
        differs.append(f"{cluster['workers']} workers of a cluster computed, is this machine alone")
    job = f"rerun-{context.notebook}"
    report = workspace.reports / job / context.as_of / run.row.run_id
    return Rerun(run.row.run_id, str(manifest["run_id"]), tuple(outputs), tuple(differs), report)


def _keep(workspace: Workspace, run: Governed, done: Rerun) -> None:
    """The executed notebook and the comparison become the report of the rerun."""
    made = run.folder / "report"
    for path in made.iterdir():
        if path.name != NOTEBOOK_FILE:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    facts = {**asdict(done), "report": done.report.name, "tables_agree": done.tables_agree}
    text = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
    (made / COMPARISON_FILE).write_text(text, encoding="utf-8")
    move_into_reports(made, done.report)
    files: list[FileVersion] = [
        file_version(workspace, done.report / name) for name in (COMPARISON_FILE, NOTEBOOK_FILE)
    ]
    run.lineage.complete(files=files)
    Ledger(workspace.ledger).end(done.run_id, "complete")
