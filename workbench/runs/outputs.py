"""Whether the result of an earlier run can stand for a new one."""

from workbench.errors import TableError
from workbench.runs.context import MANIFEST_FILE
from workbench.runs.ledger import RunRow
from workbench.tables.store import TableStore
from workbench.tables.versions import TableVersion
from workbench.workspace import Workspace


def still_there(workspace: Workspace, store: TableStore, run: RunRow) -> bool:
    """Whether report and output versions still exist; makes the versions current again.

    A version from which the current one was made stays behind it: the twin's locations extend those
    of the ingest.
    """
    if run.report and not (workspace.root / run.report / MANIFEST_FILE).is_file():
        return False
    try:
        versions = [store.version(table, name) for table, name in run.outputs.items()]
        for version in versions:
            current = store.current(version.table)
            if current.version != version.version and not _made_from(current, version):
                store.publish(version)
    except TableError:
        return False
    return True


def _made_from(later: TableVersion, earlier: TableVersion) -> bool:
    return later.parents.get(earlier.table) == earlier.digest
