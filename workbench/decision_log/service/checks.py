"""What is asked of a record before it is appended.

A check is called with the record, the process that sends it and a way to find what is decided
already; it raises to refuse. `standing_checks` lists those of a workspace, in order, after the
schema. Rules of the SOP become one more check in that list.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from workbench.contracts.record_checks import check_entry
from workbench.decision_log.service.peers import Peer, this_process
from workbench.decision_log.service.reserved import reserved_for_the_operator
from workbench.decision_log.service.roles import check_roles
from workbench.errors import ContractError
from workbench.workspace import Workspace

Find = Callable[[str], Mapping[str, Any] | None]


class Check(Protocol):
    """Refuses a record by raising.

    Args:
        record: By the schema.
        peer: Who sends it.
        find: The record of that id in the log, or before this one in the same request.
    """

    def __call__(self, record: Mapping[str, Any], peer: Peer, find: Find) -> None: ...


def actor_is_peer(record: Mapping[str, Any], peer: Peer, find: Find) -> None:
    """Another OS user signs with its own name; the service's user runs what has other names.

    Raises:
        ContractError: The record names somebody else.
    """
    if peer.uid != this_process().uid and record["actor"] != peer.name:
        raise ContractError(
            f"decision {record['id']!r}: actor is {record['actor']!r}; expected {peer.name!r}, the"
            " user who sends it."
        )


def standing_checks(workspace: Workspace) -> tuple[Check, ...]:
    """The checks of a workspace: who sends, what is the operator's, what the roles file allows.

    Raises:
        ConfigError: The roles file is malformed, or open to change by others.
    """
    roles = check_roles(workspace)
    standing = (actor_is_peer, reserved_for_the_operator)
    return standing if roles is None else (*standing, roles)


def check_all(entries: Sequence[bytes], peer: Peer, checks: Sequence[Check], log: Find) -> None:
    """Check every entry of a request against the schema and the checks.

    Raises:
        WorkbenchError: The first that is refused; nothing of the request may be appended.
    """
    seen: dict[str, Mapping[str, Any]] = {}

    def find(name: str) -> Mapping[str, Any] | None:
        return seen.get(name) or log(name)

    for entry in entries:
        record = check_entry(entry)
        for check in checks:
            check(record, peer, find)
        seen.setdefault(record["id"], record)
