"""Which file the index of a workspace's log is, for whoever runs this."""

import os
from typing import Final

from workbench.decision_log.index import LogIndex
from workbench.decision_log.index_seal import index_secret
from workbench.decision_log.keys import index_beside_key
from workbench.workspace import Workspace

INDEX_FILE: Final = "log-index.sqlite"


def open_index(workspace: Workspace) -> LogIndex:
    """This user's index of a log: in the workspace, or beside its own keys.

    The latter in service mode, where others may write the workspace: an id that they hid would be
    entered twice. Also where the one in the workspace is another user's, sealed with their secret.

    Raises:
        KeyFileError: The secret that seals it is unusable.
    """
    origin, path = workspace.log_origin(), workspace.data / INDEX_FILE
    if workspace.log_socket is not None or (path.exists() and path.stat().st_uid != os.getuid()):
        path = index_beside_key(origin)
    return LogIndex(path, index_secret(origin))
