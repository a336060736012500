"""Which notebooks there are, in which order they run, and where their parameters point."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.errors import ParameterError, RunError
from workbench.runs.parameters import Declaration
from workbench.workspace import Workspace


def find_notebook(workspace: Workspace, notebook: Path | str) -> Path:
    """Path of a notebook given by path or by name."""
    for candidate in (
        Path(notebook),
        workspace.notebooks / notebook,
        workspace.notebooks / f"{notebook}.ipynb",
    ):
        if candidate.is_file():
            return candidate.resolve()
    known = ", ".join(p.stem for p in all_notebooks(workspace)) or "none"
    raise RunError(f"{notebook}: no such notebook; expected a path or one of {known}.")


def all_notebooks(workspace: Workspace) -> list[Path]:
    """Numbered notebooks of the workspace, by number."""
    return sorted(workspace.notebooks.glob("[0-9][0-9]-*.ipynb"))


def with_folders(
    workspace: Workspace, declaration: Declaration, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Parameters whose `_folder` is a whole path: the kernel works elsewhere.

    Raises:
        ParameterError: There is no such folder.
    """
    found = dict(values)
    for name, value in values.items():
        if not name.endswith("_folder") or not isinstance(value, str) or not value:
            continue
        folders = [place / value for place in (Path.cwd(), workspace.root)]
        existing = [folder for folder in folders if folder.is_dir()]
        if not existing:
            raise ParameterError(
                f"{declaration.name}: parameter {name!r}: {value!r} is no folder; expected one that"
                f" exists, as a whole path or below {workspace.root}."
            )
        found[name] = str(existing[0].resolve())
    return found


def in_order(notebooks: Sequence[Declaration]) -> list[Declaration]:
    """Writers before readers, otherwise as given.

    Raises:
        RunError: Notebooks wait for each other in a circle.
    """
    waiting, ordered = list(notebooks), []
    while waiting:
        for notebook in waiting:
            others = [other for other in waiting if other is not notebook]
            wanted = {*notebook.reads, *notebook.reads_if_present}
            if not any(set(other.writes) & wanted for other in others):
                break
        else:
            names = ", ".join(n.name for n in waiting)
            raise RunError(f"notebooks {names}: each reads what another writes; break the circle.")
        waiting.remove(notebook)
        ordered.append(notebook)
    return ordered
