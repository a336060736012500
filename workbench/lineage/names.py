"""Names in events: producer, namespaces, jobs, datasets (rules: `docs/lineage.md`)."""

import re
from pathlib import Path
from typing import Final

from workbench import __version__
from workbench.errors import LineageError

PRODUCER: Final = f"urn:inventory-workbench:{__version__}"
SCHEME: Final = "workbench://"
FILE_NAMESPACE: Final = "file"
SESSIONS: Final = "JUPYTER"  # integration of the jobs of sessions
FACET_PREFIX: Final = "workbench_"
SCHEMA_PREFIX: Final = "urn:inventory-workbench:schema:"

_WORKSPACE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_JOB: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_TABLE: Final = re.compile(r"[a-z][a-z0-9_]*")


def namespace(workspace_id: str) -> str:
    """Namespace of a workspace's jobs and tables.

    Raises:
        LineageError: The id cannot stand in a URI.
    """
    if not _WORKSPACE.fullmatch(workspace_id):
        raise LineageError(
            f"workspace id {workspace_id!r}: expected letters, digits, '.', '_' and '-' only;"
            " correct data/workspace.json."
        )
    return f"{SCHEME}{workspace_id}"


def check_job(name: str) -> str:
    """The name, if it can name a job.

    Raises:
        LineageError: It cannot.
    """
    if not _JOB.fullmatch(name):
        raise LineageError(
            f"job name {name!r}: expected letters, digits, '.', '_' and '-', beginning with a"
            " letter or digit; rename the notebook or step."
        )
    return name


def workspace_file(path: str) -> str:
    """Name of a file of the workspace by its path there; the slash tells it from a table."""
    return path if "/" in path else f"./{path}"


def _is_inside(name: str) -> bool:
    return not Path(name).is_absolute() and ".." not in Path(name).parts


def naming_problem(kind: str, space: str, name: str) -> str | None:
    """What is wrong with a namespace and name, or None; `kind` is `job` or `dataset`.

    Names of other producers are theirs to choose: only empty ones are refused.
    """
    if not space.strip() or not name.strip():
        return "namespace and name must not be empty"
    if space.startswith(SCHEME):
        if not _WORKSPACE.fullmatch(space.removeprefix(SCHEME)):
            return f"namespace {space!r} is not {SCHEME}<workspace id>"
        if kind == "dataset" and "/" in name:
            return None if _is_inside(name) else f"name {name!r} is not a path in the workspace"
        pattern = _JOB if kind == "job" else _TABLE
        return (
            None if pattern.fullmatch(name) else f"name {name!r} does not match {pattern.pattern}"
        )
    if space == FILE_NAMESPACE and kind == "dataset" and not Path(name).is_absolute():
        return f"name {name!r} in namespace 'file' is not an absolute path"
    return None
