"""Tables of earlier reports of a notebook, and the loads of the tables that a run reads."""

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from workbench.runs.context import MANIFEST_FILE
from workbench.tables.store import TableStore
from workbench.tables.versions import TableVersion
from workbench.workspace import Workspace


def earlier_tables(
    workspace: Workspace, notebook: str, name: str
) -> list[tuple[str, pd.DataFrame]]:
    """A table that each earlier report of a notebook keeps, oldest first.

    Returns:
        When the run started (ISO 8601), and the table; reports without it are left out.
    """
    found = []
    for path in workspace.reports.glob(f"{notebook}/*/*/tables/{name}.parquet"):
        when = _started(path.parent.parent / MANIFEST_FILE)
        if when:
            found.append((when, path))
    return [(when, pd.read_parquet(path)) for when, path in sorted(found)]


def _started(manifest: Path) -> str:
    try:
        facts = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(facts.get("started") or "")


def deliveries(store: TableStore, versions: Iterable[TableVersion]) -> pd.DataFrame:
    """When each version of these tables was loaded and how far it reached.

    Returns:
        table_name, version, loaded (UTC), last_observed (day or none).
    """
    rows = [
        (one.table, one.version, one.created_at.replace(tzinfo=None), one.last_observed)
        for version in versions
        for one in store.versions(version.table)
        if one.created_at <= version.created_at
    ]
    return pd.DataFrame(rows, columns=["table_name", "version", "loaded", "last_observed"])
