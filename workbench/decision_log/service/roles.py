"""Roles: who may enter which kinds of record, from `governance/roles.toml`.

[users]
alice = ["analyst", "planner"]
bob = ["approver"]

[kinds]                      # optional: replaces the built-in list of a role
approver = ["approval"]
"""

import os
import stat
import threading
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from workbench.contracts.records import KINDS
from workbench.decision_log.service.peers import Peer, user_name
from workbench.errors import ConfigError, ContractError
from workbench.workspace import Workspace

ROLES_FILE: Final = "roles.toml"
RUNNER: Final = "runner"  # the role of what a run enters for the analyst who started it
KINDS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "analyst": ("proposal", "fact", "outcome"),
    "planner": ("acceptance", "override", "rejection", "execution"),
    "approver": ("approval", "rejection"),
    "auditor": (),
    "admin": ("merge", "rollout", "model_promotion", "policy_change", "shred"),
    "operator": ("shred", "fact"),  # a pruning is a fact
}


@dataclass(frozen=True)
class Roles:
    """A roles file.

    Attributes:
        users: Roles of each user.
        kinds: Kinds of record that each role may enter.
    """

    users: Mapping[str, tuple[str, ...]]
    kinds: Mapping[str, tuple[str, ...]]


def check_roles(workspace: Workspace) -> "RoleCheck | None":
    """The check by the workspace's roles file; None where it has none.

    Raises:
        ConfigError: The file is malformed, or in service mode others could change it.
    """
    path = workspace.root / "governance" / ROLES_FILE
    if not os.path.lexists(path):
        return None
    return RoleCheck(path, guarded=workspace.log_socket is not None)


class RoleCheck:
    """Refuses what the roles of a record's actor do not allow; see `checks.Check`.

    The file is read again when it changes; once there, it may not vanish under a running service.

    Args:
        path: Of the roles file.
        guarded: Refuse a file that users other than root and this process's could change.
    """

    def __init__(self, path: Path, *, guarded: bool) -> None:
        self._path = path
        self._guarded = guarded
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] = ()
        self._roles = self._current()

    def __call__(
        self,
        record: Mapping[str, Any],
        peer: Peer,
        find: Callable[[str], Mapping[str, Any] | None],
    ) -> None:
        """Refuse a record.

        Raises:
            ContractError: The actor's roles do not allow it, or it approves its own override.
            ConfigError: The roles file became unusable.
        """
        with self._lock:
            roles = self._current()
        _check_role(record, roles, self._path)
        if record["kind"] == "approval":
            _check_approval(record, find)

    def _current(self) -> Roles:
        try:
            if self._guarded:
                _refuse_open_to_others(self._path)
            facts = self._path.stat()
            state = (facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
            if state != self._seen:
                self._roles = read_roles(self._path)
                self._seen = state
        except OSError as error:
            raise ConfigError(
                f"{self._path}: cannot be read ({error.strerror}); nothing is appended until it is"
                " back, or the log's service is started again without it."
            ) from error
        return self._roles


def read_roles(path: Path) -> Roles:
    """Read a roles file.

    Raises:
        ConfigError: It is malformed.
        OSError: It cannot be read.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML ({error}); correct that line.") from error
    unknown = sorted(set(content) - {"users", "kinds"})
    if unknown:
        raise ConfigError(f"{path}: unknown part {unknown[0]!r}; expected [users] and [kinds].")
    users = _lists(path, "users", content.get("users", {}), tuple(KINDS_OF))
    kinds = _lists(path, "kinds", content.get("kinds", {}), KINDS)
    for role in kinds:
        if role not in KINDS_OF:
            raise ConfigError(f"{path}: unknown role {role!r}; expected {', '.join(KINDS_OF)}.")
    return Roles(users, {**KINDS_OF, **kinds})


def _lists(
    path: Path, part: str, given: Any, allowed: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    if not isinstance(given, dict):
        raise ConfigError(f"{path}: {part} is {given!r}; expected a table [{part}].")
    for name, values in given.items():
        if not isinstance(values, list) or any(value not in allowed for value in values):
            raise ConfigError(
                f"{path}: {part}.{name} is {values!r}; expected a list of {', '.join(allowed)}."
            )
    return {name: tuple(values) for name, values in given.items()}


def _check_role(record: Mapping[str, Any], roles: Roles, path: Path) -> None:
    actor, kind = str(record["actor"]), str(record["kind"])
    has = roles.users.get(actor, ())
    named = "analyst" if record["role"] == RUNNER else str(record["role"])
    if named not in has:
        raise ContractError(
            f"decision {record['id']!r}: {actor!r} has not the role {named!r}; expected one of"
            f" {', '.join(has) or 'none'}, by {path}."
        )
    if kind not in roles.kinds[named]:
        may = [role for role, kinds in roles.kinds.items() if kind in kinds]
        raise ContractError(
            f"decision {record['id']!r}: the role {named!r} may not enter a record of kind"
            f" {kind!r}; expected {' or '.join(may) or 'nobody to'}, by {path}."
        )


def _check_approval(
    record: Mapping[str, Any], find: Callable[[str], Mapping[str, Any] | None]
) -> None:
    """Nobody approves an override of their own, nor one that is yet to come."""
    answers = record.get("supersedes")
    approved = find(answers) if answers else None
    if approved is None:
        raise ContractError(
            f"decision {record['id']!r}: approves {answers!r}, which is not in the log; expected"
            " the id of a decision that is."
        )
    if approved["kind"] == "override" and approved["actor"] == record["actor"]:
        raise ContractError(
            f"decision {record['id']!r}: {record['actor']!r} approves their own override"
            f" {answers!r}; expected another person."
        )


def _refuse_open_to_others(path: Path) -> None:
    """The file and the folders up to the workspace's root belong to root or this user alone."""
    for place in (path, path.parent, path.parent.parent):
        facts = place.lstat()
        owner = facts.st_uid in (0, os.geteuid())
        if not owner or facts.st_mode & 0o022 or stat.S_ISLNK(facts.st_mode):
            raise ConfigError(
                f"{place}: {user_name(facts.st_uid)} or others may change it (mode"
                f" {stat.S_IMODE(facts.st_mode):o}), and so the roles; expected root or"
                f" {user_name(os.geteuid())} as owner and mode 755 or 644, run 'workbench log"
                " service-setup' again."
            )
