"""Records that only the service's own user may append: what they say, others act upon."""

import os
from typing import TYPE_CHECKING, Any

from workbench.errors import ContractError

if TYPE_CHECKING:
    from workbench.decision_log.service.server import Peer


def reserved_for_the_operator(record: dict[str, Any], peer: "Peer") -> None:
    """Shredding and pruning are recorded by the user who holds keys and files.

    Raises:
        ContractError: Another user sends such a record.
    """
    detail = record.get("detail")
    pruning = isinstance(detail, dict) and "pruned" in detail
    if (record["kind"] == "shred" or pruning) and peer.uid != os.getuid():
        what = "pruned" if pruning else "shredded"
        raise ContractError(
            f"decision {record['id']!r}: says that something was {what};"
            " expected it from the user who runs the log's service, ask the operator."
        )
