"""Roles: who may enter which kinds of record; nobody approves an override of their own."""

import os

import pytest

from workbench.decision_log.service.access import log_client
from workbench.decision_log.service.roles import RoleCheck
from workbench.errors import ConfigError, ContractError

USERS = '[users]\nalice = ["analyst", "planner"]\nbob = ["planner", "approver"]\n'


@pytest.fixture
def roles(workspace):
    """Write the roles file."""
    path = workspace.root / "governance" / "roles.toml"
    path.parent.mkdir()

    def write(text=USERS):
        path.write_text(text)
        return path

    return write


@pytest.fixture
def append(workspace, logs):
    def run(number, **changes):
        return log_client(workspace).append([logs.record(number, **changes)]).size

    return run


def test_without_a_file_everything_is_allowed(append):
    assert append(1, actor="anybody", role="anything") == 1


def test_a_role_must_be_the_actors_and_allow_the_kind(append, roles):
    roles()
    assert append(1, actor="alice", role="analyst") == 1
    assert append(2, actor="alice", role="runner") == 2  # a run of an analyst
    with pytest.raises(ContractError, match="'carol' has not the role 'analyst'; expected one of"):
        append(3, actor="carol", role="analyst")
    with pytest.raises(ContractError, match=r"may not enter .*'shred'; expected admin"):
        append(3, actor="alice", role="planner", kind="shred")


def test_the_file_may_list_the_kinds_of_a_role(append, roles):
    roles(USERS + '[kinds]\nplanner = ["merge"]\n')
    assert append(1, actor="alice", role="planner", kind="merge") == 1
    with pytest.raises(ContractError, match="'override'"):
        append(2, actor="alice", role="planner", kind="override")


def test_nobody_approves_an_override_of_their_own(append, roles, workspace, logs):
    roles()
    append(1, actor="bob", role="planner", kind="override")
    approval = {"kind": "approval", "role": "approver", "actor": "bob"}
    with pytest.raises(ContractError, match="'bob' approves their own override 'd1'"):
        append(2, supersedes="d1", **approval)
    with pytest.raises(ContractError, match="approves 'd4', which is not in the log"):
        append(3, supersedes="d4", **approval)  # which could be made their own afterwards
    own = logs.record(4, actor="bob", role="planner", kind="override")
    with pytest.raises(ContractError, match="approves their own"):
        log_client(workspace).append([own, logs.record(5, supersedes="d4", **approval)])
    append(6, actor="alice", role="planner", kind="override")
    assert append(7, supersedes="d6", **approval) == 3


def test_a_file_that_changes_counts_at_once_and_one_that_vanishes_stops_all(roles):
    path = roles()
    check = RoleCheck(path, guarded=False)
    record = {"id": "d", "actor": "carol", "role": "analyst", "kind": "proposal"}
    with pytest.raises(ContractError):
        check(record, None, lambda name: None)
    roles(USERS + 'carol = ["analyst"]\n')
    check(record, None, lambda name: None)
    path.unlink()
    with pytest.raises(ConfigError, match="nothing is appended until it is back"):
        check(record, None, lambda name: None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[users", "not valid TOML"),
        ('[user]\na = ["analyst"]', "unknown part 'user'"),
        ('[users]\na = "analyst"', "expected a list of analyst, planner"),
        ('[users]\na = ["boss"]', "expected a list of analyst, planner"),
        ('[kinds]\nboss = ["fact"]', "unknown role 'boss'"),
        ('[kinds]\nplanner = ["guess"]', "expected a list of proposal"),
    ],
)
def test_a_malformed_file_is_one_sentence(append, roles, text, said):
    roles(text)
    with pytest.raises(ConfigError, match=said):
        append(1)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to give files to another user")
@pytest.mark.parametrize("what", ["owner", "mode", "folder", "link"])
def test_in_service_mode_a_file_that_others_could_change_is_refused(roles, what):
    path = roles()
    RoleCheck(path, guarded=True)
    if what == "owner":
        os.chown(path, 65534, 0)
    elif what == "mode":
        path.chmod(0o664)
    elif what == "folder":
        path.parent.chmod(0o777)
    else:
        path.rename(path.with_name("real"))
        path.symlink_to("real")
    with pytest.raises(ConfigError, match="expected root or root as owner"):
        RoleCheck(path, guarded=True)
