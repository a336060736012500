"""A run as a Process Run Crate: one zip to look at, and to execute again elsewhere.

    ro-crate-metadata.json     every file with its size and SHA-256, the run, its parameters
    report/                    as the run left it, with the executed notebook and `run.json`
    lineage/events.ndjson      the run's events, byte by byte
    requirements.lock          packages that it ran with
    workspace/                 what executing it again reads: the notebook without outputs, the
                               pinned inputs, reports of upstream runs, model packages

Profile: Process Run Crate 0.5 (https://w3id.org/ro/wfrun/process/0.5) of RO-Crate 1.1. `rerun`
executes it.
"""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import nbformat

from workbench.errors import CrateError
from workbench.lineage.journal import Journal
from workbench.lineage.open_runs import run_id_and_type
from workbench.lineage.redaction import REDACTED
from workbench.resources import resource
from workbench.runs.context import NOTEBOOK_FILE, REPORT_FILE
from workbench.runs.ledger import RunRow
from workbench.runs.manifest import read_manifest
from workbench.runs.skip import lock_digest
from workbench.tables.store import TableStore
from workbench.tables.versions import TableVersion, check_files
from workbench.workspace import CONFIG_FILE, Workspace

DEFAULT_LIMIT_MEBIBYTES: Final = 1024
_INJECTED: Final = "injected-parameters"


@dataclass(frozen=True)
class Part:
    """A file of the crate: its name there, where it is now, what it is in words."""

    name: str
    path: Path
    does: str = ""


@dataclass
class Content:
    """What goes into a crate.

    Attributes:
        inputs: Pinned versions by table, also those that are left out.
        left_out: What executing it again needs and the crate does not hold, with the reason.
        parts: Files, each once.
    """

    row: RunRow
    manifest: Mapping[str, Any]
    inputs: Mapping[str, TableVersion]
    left_out: dict[str, str] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)

    def add(self, name: str, path: Path, does: str = "") -> None:
        self.parts.setdefault(name, Part(name, path, does))


def write_crate(
    workspace: Workspace,
    row: RunRow,
    target: Path,
    *,
    leave_out: Sequence[str] = (),
    limit_mebibytes: int = DEFAULT_LIMIT_MEBIBYTES,
) -> Content:
    """Write a complete run of a notebook as a crate.

    Args:
        workspace: Of the run.
        row: As the ledger has it.
        target: New zip; appears whole or not at all.
        leave_out: Input tables whose terms or size forbid to pass them on; their digests stay.
        limit_mebibytes: What all files may amount to before they are packed.

    Raises:
        CrateError: The run left no report, its evidence is gone, it is too large, or the file
            cannot be written.
        TableError: An input version is damaged.
    """
    from workbench.runs.crate_metadata import described

    with tempfile.TemporaryDirectory() as made:
        content = _content(workspace, row, leave_out, Path(made))
        _check_size(content, limit_mebibytes)
        staged = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            described(content).write_zip(staged)
            with staged.open("rb") as file:
                os.fsync(file.fileno())
            staged.replace(target)
        except OSError as error:
            raise CrateError(
                f"{target}: cannot be written ({error.strerror or error}); expected a folder with"
                " room and permission to write. Choose another place."
            ) from error
        finally:
            staged.unlink(missing_ok=True)
    return content


def _content(workspace: Workspace, row: RunRow, leave_out: Sequence[str], made: Path) -> Content:
    if row.kind != "notebook" or row.status != "complete" or not row.report:
        raise CrateError(
            f"run {row.run_id}: is a {row.status} {row.kind}; expected a complete run of a"
            " notebook, see 'workbench runs list'."
        )
    report = workspace.root / row.report
    manifest = read_manifest(report)
    store = TableStore(workspace.tables)
    inputs = {table: store.version(table, name) for table, name in row.inputs.items()}
    unknown = sorted(set(leave_out) - set(inputs))
    if unknown:
        raise CrateError(
            f"--leave-out {unknown[0]}: the run did not read it; expected some of"
            f" {', '.join(sorted(inputs)) or 'no table'}."
        )
    content = Content(row, manifest, inputs)
    _add_report(content, report)
    _add_events(workspace, content, made)
    _add_code(workspace, content, report, made)
    _add_inputs(content, leave_out)
    _add_upstream(workspace, content, made)
    _note_parameters(content)
    return content


def _add_report(content: Content, report: Path) -> None:
    words = {
        "run.json": "Manifest: parameters, digests of inputs and outputs, code, packages",
        NOTEBOOK_FILE: "Notebook as it was executed",
        REPORT_FILE: "Report",
    }
    for path in _files(report):
        name = path.relative_to(report).as_posix()
        content.add(f"report/{name}", path, words.get(name, "Result of the run"))


def _add_events(workspace: Workspace, content: Content, made: Path) -> None:
    needle = content.row.run_id.encode()
    lines = [
        line.data
        for line in Journal(workspace.lineage).lines()
        if needle in line.data and run_id_and_type(line)[0] == content.row.run_id
    ]
    if not lines:
        raise CrateError(
            f"run {content.row.run_id}: {workspace.lineage} has no event of it; restore the"
            " journal's files from a backup."
        )
    events = made / "events.ndjson"
    events.write_bytes(b"".join(lines))
    content.add("lineage/events.ndjson", events, "OpenLineage events of the run")


def _add_code(workspace: Workspace, content: Content, report: Path, made: Path) -> None:
    """The notebook as it was before it was executed, its settings, packages, model packages."""
    executed = report / NOTEBOOK_FILE
    notebook = made / f"{content.row.job}.ipynb"
    text = source_of(executed)
    notebook.write_text(text, encoding="utf-8")
    if REDACTED in text:
        content.left_out["the notebook's code as it was"] = "it holds what looks like a secret"
    content.add(f"workspace/notebooks/{notebook.name}", notebook, "Notebook without outputs")
    settings = made / CONFIG_FILE
    settings.write_text(
        f'[workspace]\nname = "rerun"\ncurrency = "{workspace.currency}"\n', encoding="utf-8"
    )
    content.add(f"workspace/{CONFIG_FILE}", settings, "Settings of the workspace")
    if content.manifest.get("lock") == lock_digest():
        content.add("requirements.lock", resource("requirements.lock"), "Packages, with hashes")
    else:
        content.left_out["requirements.lock"] = "packages have been changed since the run"
    for model in content.manifest["models"]:
        package = workspace.edge_models / str(model["name"]) / str(model["version"])
        for path in _files(package):
            name = path.relative_to(workspace.edge_models).as_posix()
            content.add(f"workspace/edge_models/{name}", path, "Model package")


def source_of(executed: Path) -> str:
    """A notebook as it was before Papermill: no outputs, no injected cell.

    Raises:
        CrateError: It cannot be read.
    """
    try:
        notebook = nbformat.read(executed, as_version=4)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise CrateError(f"{executed}: not a notebook ({error}); restore the report.") from error
    cells = [c for c in notebook.cells if _INJECTED not in c.metadata.get("tags", [])]
    for cell in cells:
        for name in ("papermill", "execution"):
            cell.metadata.pop(name, None)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.cells = cells
    notebook.metadata.pop("papermill", None)
    return str(nbformat.writes(notebook))  # type: ignore[no-untyped-call]


def _add_inputs(content: Content, leave_out: Sequence[str]) -> None:
    for table, version in content.inputs.items():
        if table in leave_out:
            content.left_out[f"table {table}"] = "left out on request"
            continue
        check_files(version)
        for path in _files(version.path):
            content.add(f"{version_folder(version)}{path.name}", path, f"Input table {table}")


def version_folder(version: TableVersion) -> str:
    """Where a version lies in the crate."""
    return f"workspace/data/tables/{version.table}/{version.version}/"


def _add_upstream(workspace: Workspace, content: Content, made: Path) -> None:
    """Reports that the notebook opens, of the runs that wrote the tables it names."""
    code = (made / f"{content.row.job}.ipynb").read_text(encoding="utf-8")
    for table in re.findall(r"""upstream_report\(\s*\\?["'](\w+)""", code):
        run_id = content.inputs[table].run_id if table in content.inputs else None
        for report in workspace.reports.glob(f"*/*/{run_id}") if run_id else []:
            for path in _files(report):
                if path.name not in (NOTEBOOK_FILE, REPORT_FILE):
                    name = path.relative_to(workspace.reports).as_posix()
                    content.add(f"workspace/reports/{name}", path, f"Report behind {table}")


def _note_parameters(content: Content) -> None:
    """Parameters whose value does not travel: secrets, and folders outside the workspace."""
    for name, value in content.manifest["parameters"].items():
        if isinstance(value, str) and REDACTED in value:
            content.left_out[f"parameter {name}"] = "a secret"
        elif name.endswith("_folder") and value:
            content.left_out[f"parameter {name}"] = "a folder outside the workspace"


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
            yield path


def _check_size(content: Content, limit_mebibytes: int) -> None:
    by_group: dict[str, int] = {}
    for part in content.parts.values():
        group = part.does if part.does.startswith("Input table") else "other files"
        by_group[group] = by_group.get(group, 0) + part.path.stat().st_size
    total = sum(by_group.values())
    if total > limit_mebibytes * 2**20:
        raise CrateError(
            f"run {content.row.run_id}: its crate would hold {_mebibytes(total)}, the limit is"
            f" {limit_mebibytes:,} MiB; expected less. Leave tables out with --leave-out, the"
            f" largest is {_largest(by_group)}, or raise --limit."
        )


def _largest(by_group: Mapping[str, int]) -> str:
    tables = {k.removeprefix("Input table "): v for k, v in by_group.items() if "table" in k}
    name = max(tables, key=lambda table: tables[table], default="")
    return f"{name} ({_mebibytes(tables[name])})" if name else "no table"


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def terms_of(versions: Iterable[TableVersion]) -> dict[str, str]:
    """Where the rows of each table come from and under which terms, as its manifest says."""
    return {version.table: version.source for version in versions}
