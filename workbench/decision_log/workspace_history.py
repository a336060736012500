"""The decisions of a workspace's log, as commands and pages read them."""

from workbench.decision_log.index_file import open_index
from workbench.decision_log.keys import verifier_key
from workbench.decision_log.storage import FolderStorage
from workbench.decision_log.trace import DecisionHistory
from workbench.errors import LogError
from workbench.workspace import Workspace


def open_history(workspace: Workspace) -> DecisionHistory:
    """The decisions of a workspace's log, proven against the key pinned on this machine.

    Raises:
        LogError: There is no log yet, or its index cannot be read.
        VerificationError: The log is not what the key signed.
    """
    if not workspace.log.is_dir():
        raise LogError(
            f"{workspace.log}: no decision log yet; expected one, it begins with the first run."
        )
    key = verifier_key(workspace.log_origin())
    return DecisionHistory(FolderStorage(workspace.log), open_index(workspace), key)
