"""What differs between two runs."""

import json
from typing import Any

from workbench.errors import RunError
from workbench.runs.context import MANIFEST_FILE
from workbench.runs.ledger import RunRow
from workbench.workspace import Workspace

_COMPARED = ("notebook", "as_of", "parameters", "inputs", "outputs", "models", "code", "lock")


def differences(workspace: Workspace, first: RunRow, second: RunRow) -> list[str]:
    """A line per fact that differs; tables are compared by content, without run ids.

    Raises:
        RunError: One of the runs has no report.
    """
    one, two = _facts(workspace, first), _facts(workspace, second)
    return [
        f"{name}: {one.get(name, '–')} → {two.get(name, '–')}"
        for name in sorted({*one, *two})
        if one.get(name) != two.get(name)
    ]


def _facts(workspace: Workspace, row: RunRow) -> dict[str, Any]:
    if not row.report:
        raise RunError(f"run {row.run_id}: {row.status}, has no report to compare.")
    path = workspace.root / row.report / MANIFEST_FILE
    manifest = json.loads(path.read_text(encoding="utf-8"))
    facts: dict[str, Any] = {}
    for name in _COMPARED:
        value = manifest[name]
        if name in ("inputs", "outputs"):
            value = {table: version["content_digest"][:16] for table, version in value.items()}
        if isinstance(value, dict):
            facts |= {f"{name}.{key}": item for key, item in value.items()}
        else:
            facts[name] = value if isinstance(value, str) else json.dumps(value)
    return facts
