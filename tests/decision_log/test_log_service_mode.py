"""Service mode with real OS users: what a kernel's user can and cannot do."""

import grp
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from workbench.contracts.private import Private
from workbench.contracts.records import DecisionRecord
from workbench.decision_log.append import open_log
from workbench.decision_log.service.access import log_client
from workbench.decision_log.verify import verify_log
from workbench.errors import ConfigError, LogError
from workbench.workspace import open_workspace

SERVICE, KERNEL, OTHER = "daemon", "games", "news"
NAMES = (SERVICE, KERNEL, OTHER)
# Where this interpreter lies in a folder of root alone, the system's of the same version does.
SYSTEM = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
OPEN = all(place.stat().st_mode & 0o005 for place in Path(sys.executable).resolve().parents)
PYTHON = sys.executable if OPEN else SYSTEM


def as_user(name, *command, env=None, group=SERVICE, text=True, **options):
    """Run as an OS user, who is in the group that may use the log."""
    groups = [grp.getgrnam(group).gr_gid] if group else []
    return subprocess.run(
        [str(part) for part in command], user=name, group=pwd.getpwnam(name).pw_gid,
        extra_groups=groups, capture_output=True, text=text, cwd="/", timeout=60,
        env={**os.environ, **(env or {})}, **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def users():
    if os.getuid() != 0:
        pytest.skip("needs root to become other users")
    known = {user.pw_name for user in pwd.getpwall()}
    if not known.issuperset(NAMES):
        pytest.skip(f"needs the users {', '.join(NAMES)}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
        patch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        if not can_run(PYTHON):
            pytest.skip(f"{KERNEL!r} may run neither {sys.executable} nor {PYTHON}")
        yield


def can_run(python):
    try:
        return not as_user(KERNEL, python, "-c", "import workbench.cli, cryptography").returncode
    except PermissionError:
        return False


@pytest.fixture(scope="module")
def site(users):
    """A workspace with one entry of its own, then given to the service's user."""
    folder = Path(tempfile.mkdtemp(prefix="wb"))
    folder.chmod(0o755)
    root = folder / "site"
    root.mkdir()
    (root / "workbench.toml").write_text('[workspace]\nname = "site"\n\n[log]\nwitnesses = []\n')
    (root / "governance").mkdir()
    roles = f'[users]\n{KERNEL} = ["analyst", "planner"]\n{OTHER} = ["planner", "approver"]\n'
    roles += f'{SERVICE} = ["operator"]\n'
    (root / "governance" / "roles.toml").write_text(roles)
    (folder / "units").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_WORKSPACE", str(root))
        patch.setenv("WORKBENCH_KEYS", str(folder / "keys"))
        yield folder
    shutil.rmtree(folder)


def set_up(site):
    return subprocess.run(
        [PYTHON, "-m", "workbench", "log", "service-setup", "--user", SERVICE,
         "--home", site / "home", "--socket", site / "run" / "log.sock", "--units", site / "units"],
        capture_output=True, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def told(site):
    """What the set-up said, the second time too."""
    detail = {"note": Private("Ada", "is away")}
    first = DecisionRecord("d0", "fact", datetime.now(UTC), "root", "admin", detail=detail)
    open_log(open_workspace(site / "site")).append([first])
    return [set_up(site), set_up(site)]


@pytest.fixture(scope="module")
def service(site, told):
    """The service, as its unit starts it."""
    assert told[0].returncode == 0, told[0].stderr
    environment = {**os.environ, "WORKBENCH_KEYS": str(site / "home" / "keys")}
    process = subprocess.Popen(
        [PYTHON, "-m", "workbench", "log", "service"], user=SERVICE, group=SERVICE,
        extra_groups=[], umask=0o027, cwd="/", env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert "served at" in process.stdout.readline(), process.stderr.read()
    yield process
    process.terminate()
    assert process.wait(20) == 0, process.stderr.read()
    process.communicate()


APPEND = """
import sys
from workbench.workspace import find_workspace
from workbench.decision_log.service.access import log_client
from workbench.errors import WorkbenchError
for entry in sys.argv[1:]:
    try:
        print(log_client(find_workspace()).append_entries([entry.encode()]).size)
    except WorkbenchError as error:
        print(type(error).__name__, error)
"""


@pytest.fixture
def append(service, site, logs):
    """Append records as an OS user; gives what each was answered."""

    def run(user, *records, group=SERVICE):
        entries = [record.canonical().decode() for record in records]
        done = as_user(user, PYTHON, "-c", APPEND, *entries, group=group)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


def test_the_set_up_says_what_it_did_and_the_second_time_nothing(site, told):
    first, second = told
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "keys: daemon:daemon 700" in first.stdout
    assert "copied from" in first.stdout
    assert [line.split(":")[0] for line in second.stdout.splitlines()] == [
        f"The decision log of {site / 'site'} is written by 'daemon' alone.",
        "Members of 'daemon' use it", "Verifier key",
    ]  # fmt: skip
    settings = (site / "site" / "workbench.toml").read_text()
    assert f'[log]\nsocket = "{site}/run/log.sock"\nwitnesses = []\n' in settings
    assert not list((site / "keys").glob("*.key"))
    assert len(list((site / "keys").glob("*.pub"))) == 1
    assert not list((site / "keys").glob("*.vault"))  # no shredding would reach what stayed
    (unit,) = (site / "units").iterdir()
    assert "User=daemon\nGroup=daemon\nUMask=0027\n" in unit.read_text()


def test_the_kernels_user_reaches_neither_key_nor_files(site, service):
    log = site / "site" / "governance" / "log"
    (key,) = (site / "home" / "keys").glob("*.key")
    assert key.stat().st_mode & 0o777 == 0o600
    tries = {
        "read the key": ["cat", key],
        "list the keys": ["ls", site / "home" / "keys"],
        "write the checkpoint": ["tee", "-a", log / "checkpoint"],
        "add a tile": ["touch", log / "tile" / "new"],
        "hold the lock": ["tee", "-a", log / ".lock"],
        "keep the service away": ["tee", "-a", log / ".service"],
        "move the log away": ["mv", log, site / "site" / "data" / "log"],
        "change the roles": ["tee", "-a", site / "site" / "governance" / "roles.toml"],
        "replace the governance folder": ["mv", log.parent, site / "site" / "data" / "g"],
        "change the settings": ["tee", "-a", site / "site" / "workbench.toml"],
        "replace the socket": ["rm", "-f", site / "run" / "log.sock"],
        "make a log": [PYTHON, "-m", "workbench", "log", "service"],
        "end the service": ["sh", "-c", f"kill {service.pid}"],
    }
    done = {what: as_user(KERNEL, *command, input="") for what, command in tries.items()}
    assert {what for what, each in done.items() if each.returncode == 0} == set()
    assert service.poll() is None


def test_the_kernels_user_reads_and_verifies_the_log(site, append, told, logs):
    append(KERNEL, logs.record(1, actor=KERNEL, role="analyst"))
    key = told[0].stdout.splitlines()[-1].removeprefix("Verifier key: ")
    done = as_user(
        KERNEL, PYTHON, "-m", "workbench", "log", "verify", site / "site/governance/log",
        "--key", key, env={"WORKBENCH_KEYS": "/nonexistent"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "entries are included" in done.stdout
    assert "Foreign" not in done.stdout


def test_the_actor_is_the_user_who_sends(append, logs):
    ours = logs.record(10, actor=KERNEL, role="analyst")
    refused, size = append(KERNEL, logs.record(11, actor=OTHER, role="planner"), ours)
    assert "actor is 'news'; expected 'games', the user who sends it" in refused
    assert size.isdigit()


def test_roles_say_who_may_enter_what(append, logs):
    approval = {"kind": "approval", "supersedes": "o1"}
    (size,) = append(KERNEL, logs.record(0, id="o1", kind="override", actor=KERNEL, role="planner"))
    assert size.isdigit()
    said = append(
        KERNEL,
        logs.record(20, actor=KERNEL, role="approver", **approval),
        logs.record(21, kind="policy_change", actor=KERNEL, role="planner"),
    )
    assert "'games' has not the role 'approver'; expected one of analyst, planner" in said[0]
    assert "'planner' may not enter a record of kind 'policy_change'; expected admin" in said[1]
    own = logs.record(0, id="o2", kind="override", actor=OTHER, role="planner")
    said = append(
        OTHER, own,
        logs.record(22, actor=OTHER, role="approver", kind="approval", supersedes="o2"),
        logs.record(23, actor=OTHER, role="approver", kind="approval", supersedes="later"),
        logs.record(24, actor=OTHER, role="approver", **approval),
    )  # fmt: skip
    assert "'news' approves their own override 'o2'; expected another person" in said[1]
    assert "approves 'later', which is not in the log" in said[2]
    assert said[3].isdigit()


def test_who_is_not_in_the_group_cannot_connect_nor_write_alone(append, logs):
    (said,) = append(KERNEL, logs.record(30, actor=KERNEL, role="analyst"), group=None)
    assert "does not answer (Permission denied)" in said or "cannot be read" in said


RAW = """
import json, socket, sys
path, parts = sys.argv[1], json.load(sys.stdin)
for part in parts:
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        try:
            s.sendall(bytes.fromhex(part))
            s.shutdown(socket.SHUT_WR)
            got = b""
            while data := s.recv(1 << 16):
                got += data
        except OSError:
            pass
        print(got[8:])
"""


def framed(entry, declared=None, head=b'{"do": "append"}'):
    body = (len(entry) if declared is None else declared).to_bytes(2, "big") + entry
    return len(head).to_bytes(4, "big") + len(body).to_bytes(4, "big") + head + body


def test_raw_frames_append_nothing_around_validation(site, service, append, logs):
    good = logs.record(40, actor=KERNEL, role="analyst").canonical()
    frames = [
        framed(good.replace(b'"quantity":0.5', b'"quantity":0.50')),  # not canonical
        framed(good.replace(b'"kind"', b'"knid"')),  # schema
        framed(good.replace(b'"games"', b'"root"')),  # another's name
        framed(good, declared=len(good) - 1),  # cut within an entry
        framed(good, declared=65_535),  # longer than what follows
        framed(good, head=b'{"do": "rotate"}'),
        framed(good, head=b"[" * 100_000),
        framed(b"\xff\xfe", head=b'{"do": "entries_of"}'),
        b"\xff" * 8,  # larger than a message may be
        framed(good)[:-5],  # gone within the request
    ]
    before = int(append(KERNEL, logs.record(41, actor=KERNEL, role="analyst"))[0])
    hexed = json.dumps([frame.hex() for frame in frames])
    done = as_user(KERNEL, PYTHON, "-c", RAW, site / "run" / "log.sock", input=hexed)
    answers = done.stdout.splitlines()
    assert len(answers) == len(frames), done.stderr
    assert all("error" in answer or answer == "b''" for answer in answers), answers
    assert int(append(KERNEL, logs.record(42, actor=KERNEL, role="analyst"))[0]) == before + 1
    assert service.poll() is None


def test_the_key_is_rotated_while_the_service_runs(site, service, append, told, logs):
    before = append(KERNEL, logs.record(50, actor=KERNEL, role="analyst"))
    keys = {"WORKBENCH_KEYS": str(site / "home" / "keys")}
    refused = as_user(KERNEL, PYTHON, "-m", "workbench", "log", "rotate-key", env=keys)
    assert (refused.returncode, refused.stdout) == (1, "")
    done = as_user(SERVICE, PYTHON, "-m", "workbench", "log", "rotate-key", env=keys, umask=0o027)
    assert done.returncode == 0, done.stderr
    after = append(KERNEL, logs.record(51, actor=KERNEL, role="analyst"))
    assert int(after[0]) == int(before[0]) + 2
    old = told[0].stdout.splitlines()[-1].removeprefix("Verifier key: ")
    report = verify_log(site / "site/governance/log", old)
    assert [rotation.old.encode() for rotation in report.rotations] == [old]


def workbench(site, user, *arguments, keys="home/keys"):
    """Call the command line as an OS user."""
    env = {"WORKBENCH_KEYS": str(site / keys)}
    return as_user(user, PYTHON, "-m", "workbench", *arguments, env=env, umask=0o027)


@pytest.fixture
def planner(site, told):
    """Keys folder of a user who holds the verifier key only."""
    (key,) = (site / "home" / "keys").glob("*.pub")
    folder = site / "planner"
    folder.mkdir(exist_ok=True)
    (folder / key.name).write_bytes(key.read_bytes())
    shutil.chown(folder, OTHER)
    return "planner"


def test_people_answer_through_the_service_and_trace_what_they_answered(
    site, append, planner, logs
):
    proposal = logs.record(
        60, item_id="I1", location_id="L1", valid_from=date(2026, 1, 1), unit="EA",
        actor=KERNEL, role="analyst",
    )  # fmt: skip
    append(KERNEL, proposal)
    done = workbench(site, OTHER, "decide", "accept", "d60", keys=planner)
    assert done.returncode == 0, done.stderr
    assert "1 entered" in done.stdout
    told = workbench(site, OTHER, "trace", "--decision", "d60", "--json", keys=planner)
    (decision,) = json.loads(told.stdout)["decisions"]
    (answer,) = decision["chain"]["followed_by"]
    assert (answer["kind"], answer["actor"]) == ("acceptance", OTHER)
    assert list((site / "planner").glob("*.index.sqlite"))
    assert not list((site / "site" / "data").glob("log-index*"))


def test_private_values_are_sealed_opened_and_shredded_by_the_services_user_alone(
    site, service, planner, logs
):
    private = Private("Bob", "called in sick")
    record = logs.record(70, actor=KERNEL, role="analyst", detail={"note": private})
    entry = record.unsealed().decode()
    done = as_user(KERNEL, PYTHON, "-c", APPEND, entry)
    assert done.stdout.strip().isdigit(), done.stdout + done.stderr
    log = site / "site" / "governance" / "log"
    assert not [p for p in log.rglob("*") if p.is_file() and b"called in sick" in p.read_bytes()]
    for decision, value in (("d70", "called in sick"), ("d0", "is away")):
        assert value in workbench(site, SERVICE, "log", "open", decision).stdout
        refused = workbench(site, OTHER, "log", "open", decision, keys=planner)
        assert value not in refused.stdout + refused.stderr
    assert as_user(KERNEL, "ls", log.parent / "vault").returncode != 0
    assert workbench(site, OTHER, "log", "shred", "Bob", keys=planner).returncode == 1
    for name in ("Bob", "Ada"):
        done = workbench(site, SERVICE, "log", "shred", name)
        assert done.returncode == 0, done.stderr
    for decision in ("d70", "d0"):
        assert "shredded" in workbench(site, SERVICE, "log", "open", decision).stdout
    done = workbench(site, SERVICE, "log", "prune", "--before", "2020-01-01", "--yes")
    assert "0 of 0 full bundles" in done.stdout, done.stderr


def test_only_the_services_user_says_that_something_was_shredded_or_pruned(append, logs):
    (shred,) = append(KERNEL, logs.record(80, kind="shred", actor=KERNEL, role="analyst"))
    pruned = {"pruned": {"first_bundle": 0}}
    (prune,) = append(
        KERNEL, logs.record(81, kind="fact", actor=KERNEL, role="analyst", detail=pruned)
    )
    assert "says that something was shredded; expected it from the user who runs" in shred
    assert "says that something was pruned; expected it from the user who runs" in prune


def test_without_the_service_nothing_is_written_and_its_operator_named(tmp_path, logs, monkeypatch):
    monkeypatch.setenv("WORKBENCH_KEYS", str(tmp_path / "keys"))
    (tmp_path / "workbench.toml").write_text(f'[log]\nsocket = "{tmp_path}/none.sock"\n')
    with pytest.raises(LogError, match=r"does not answer .*ask its operator to start it"):
        log_client(open_workspace(tmp_path)).append([logs.record(0)])
    assert [path.name for path in tmp_path.iterdir()] == ["workbench.toml"]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("socket = 3", "log.socket is 3; expected the absolute path"),
        ('socket = "log.sock"', "expected the absolute path"),
        ('sockets = "/run/log.sock"', "unknown setting 'sockets'"),
    ],
)
def test_a_wrong_setting_is_no_other_mode(tmp_path, setting, said):
    (tmp_path / "workbench.toml").write_text(f"[log]\n{setting}\n")
    with pytest.raises(ConfigError, match=said):
        open_workspace(tmp_path)
