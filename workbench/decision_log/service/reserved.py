"""Records that only the service's own user may append: what they say, others act upon."""

from collections.abc import Callable, Mapping
from typing import Any

from workbench.decision_log.service.peers import Peer, this_process
from workbench.errors import ContractError


def reserved_for_the_operator(
    record: Mapping[str, Any], peer: Peer, find: Callable[[str], Mapping[str, Any] | None]
) -> None:
    """Shredding and pruning are recorded by the user who holds keys and files.

    Raises:
        ContractError: Another user sends such a record.
    """
    detail = record.get("detail")
    pruning = isinstance(detail, dict) and "pruned" in detail
    if (record["kind"] == "shred" or pruning) and peer.uid != this_process().uid:
        what = "pruned" if pruning else "shredded"
        raise ContractError(
            f"decision {record['id']!r}: says that something was {what};"
            " expected it from the user who runs the log's service, ask the operator."
        )
