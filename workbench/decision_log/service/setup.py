"""Service mode: the log's service under an OS user of its own, set up by root.

Every step may be repeated: what is done already is left as it is, so that an interrupted set-up is
finished by the next one. The order keeps the log usable at each moment: users, key, log's files,
socket folder, unit, and last the setting that sends clients to the service.
"""

import grp
import os
import pwd
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workbench.decision_log.durable import flush, replace_durably
from workbench.decision_log.index_file import INDEX_FILE
from workbench.decision_log.keys import key_files
from workbench.decision_log.privacy.vault import VAULT_KEY, open_vault
from workbench.decision_log.service.client import connect
from workbench.decision_log.service.peers import user_name
from workbench.decision_log.service.roles import ROLES_FILE
from workbench.decision_log.storage import FolderStorage
from workbench.errors import ConfigError, KeyFileError
from workbench.workspace import CONFIG_FILE, KEYS_VARIABLE, WORKSPACE_VARIABLE, Workspace

_SHARED: Final = ("data", "reports", "lineage")
_PATIENCE_SECONDS: Final = 30.0
_MAKE_KEY: Final = (
    "import sys; from workbench.workspace import find_workspace;"
    " from workbench.decision_log.keys import ensure_key; origin = find_workspace().log_origin();"
    " print(ensure_key(origin).verifier.encode())"
)
Say = Callable[[str], None]


@dataclass(frozen=True)
class ServiceUser:
    """Who runs the service, and where.

    Attributes:
        user: OS user of the service; nobody logs in as it.
        group: Its members may read the log and connect.
        home: Folder of the user alone: keys and index.
        socket: Where the service listens.
        units: Folder for the systemd unit; where it is missing, the unit is printed.
    """

    user: str
    group: str
    home: Path
    socket: Path
    units: Path

    @property
    def keys(self) -> Path:
        return self.home / "keys"

    @property
    def ids(self) -> tuple[int, int]:
        return pwd.getpwnam(self.user).pw_uid, grp.getgrnam(self.group).gr_gid


def set_up(workspace: Workspace, service: ServiceUser, say: Say) -> str:
    """Give the log of a workspace to the service's user.

    Settings and folders go to root first: from then on nobody can move what is being given.

    Returns:
        The log's verifier key.

    Raises:
        ConfigError: Not run by root, or the user cannot reach the workspace.
        WorkbenchError: A key is missing, or somebody is writing to the log.
    """
    try:
        return _set_up(workspace, service, say)
    except OSError as error:
        raise ConfigError(
            f"{error.filename or workspace.root}: {error.strerror}; mend that and run service-setup"
            " again, it goes on where it stopped."
        ) from error


def _set_up(workspace: Workspace, service: ServiceUser, say: Say) -> str:
    if os.geteuid() != 0:
        raise ConfigError("service-setup: run by a user without the right to; expected root.")
    if service.user == "root":
        raise ConfigError(
            "service-setup: --user is 'root'; expected a user that does nothing else."
        )
    origin = workspace.log_origin()
    _make_users(service, say)
    _keep_settings(workspace, service, say)
    _own(service.home, service, 0o700, say)
    _own(service.keys, service, 0o700, say)
    _end_own_service(workspace, say)
    with FolderStorage(workspace.log, patience=_PATIENCE_SECONDS).lock():
        _move_vault(workspace, service, say)
        _move_key(workspace, service, origin, say)
        key = _as_service(workspace, service)
        _give_tree(workspace.log, service, 0o750, 0o640, say)
        for index in workspace.data.glob(f"{INDEX_FILE}*"):  # from now on each user has its own
            index.unlink()
        vault = open_vault(workspace).folder
        vault.mkdir(exist_ok=True, mode=0o700)
        _give_tree(vault, service, 0o700, 0o600, say)
    _own(service.socket.parent, service, 0o750, say)
    _write_unit(workspace, service, say)
    _set_socket(workspace, service.socket, say)
    return key


def _make_users(service: ServiceUser, say: Say) -> None:
    try:
        grp.getgrnam(service.group)
    except KeyError:
        _call("groupadd", "--system", service.group)
        say(f"made the group {service.group!r}")
    try:
        found = pwd.getpwnam(service.user)
    except KeyError:
        _call(
            "useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin",
            "--gid", service.group, "--home-dir", str(service.home), service.user,
        )  # fmt: skip
        say(f"made the user {service.user!r}, who cannot log in")
        return
    if found.pw_uid == 0:
        raise ConfigError(f"service-setup: {service.user!r} has uid 0; expected another user.")


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ConfigError(f"{' '.join(command)}: {done.stderr.strip()}; make it by hand.")


def _own(folder: Path, service: ServiceUser, mode: int, say: Say) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=mode)
    _give(folder, *service.ids, mode, say)


def _give(path: Path, uid: int, gid: int, mode: int, say: Say) -> None:
    """Owner and mode of a file or folder; never of what a link leads to elsewhere."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISDIR(facts.st_mode) and facts.st_nlink > 1:
            raise ConfigError(f"{path}: has a second name elsewhere; expected a file of its own.")
        if (facts.st_uid, facts.st_gid, facts.st_mode & 0o7777) == (uid, gid, mode):
            return
        os.fchown(descriptor, uid, gid)
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)
    say(f"{path}: {user_name(uid)}:{grp.getgrgid(gid).gr_name} {mode:o}")


def _end_own_service(workspace: Workspace, say: Say) -> None:
    """A service that root's own commands started would go on under the old key's folder."""
    if workspace.log_socket is not None:
        return
    client = connect(workspace)
    if client is None:
        return
    pid = client.pid
    client.close()
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    say(f"ended the service of this user, process {pid}")


def _move_vault(workspace: Workspace, service: ServiceUser, say: Say) -> None:
    """The keys of private values go to the service's user: what stayed here, no shredding reached.

    The vault's own key goes last and is the sign that all are there, so that a set-up that goes on
    later brings back no key that was destroyed meanwhile.
    """
    source = open_vault(workspace)
    target = service.keys / source.keys.name
    if source.keys == target or not source.keys.is_dir():
        return
    with source.lock():
        files = [path for path in source.keys.iterdir() if path.name != source.lock_file.name]
        if (target / VAULT_KEY).exists():
            _refuse_other_vault(source.keys / VAULT_KEY, target / VAULT_KEY)
        else:
            _own(target, service, 0o700, lambda text: None)
            for path in sorted(files, key=lambda path: path.name == VAULT_KEY):
                replace_durably(target / path.name, path.read_bytes(), mode=0o600)
            flush(service.keys)
        for path in [*files, source.lock_file]:
            path.unlink()
        source.keys.rmdir()
    say(f"{target}: keys of private values, moved from {source.keys}")


def _refuse_other_vault(here: Path, there: Path) -> None:
    if here.exists() and here.read_bytes() != there.read_bytes():
        raise KeyFileError(
            f"{here}: is another vault's key than {there}; expected one vault of this log, move the"
            " folder that is none of it away."
        )


def _move_key(workspace: Workspace, service: ServiceUser, origin: str, say: Say) -> None:
    """The signing key goes to the service's user; its old place keeps the verifier key."""
    files = key_files(origin)
    copied = {path: service.keys / path.name for path in files.all if path.is_file()}
    for source, target in copied.items():
        if not target.exists():
            replace_durably(target, source.read_bytes(), mode=0o600)
            say(f"{target}: copied from {source}")
    _give_tree(service.keys, service, 0o700, 0o600, lambda text: None)
    theirs = service.keys / files.key.name
    if not theirs.exists() and (workspace.log / "checkpoint").exists():
        raise KeyFileError(
            f"{files.key}: missing, though the log has a checkpoint; run service-setup with"
            " WORKBENCH_KEYS set to the folder that holds its signing key."
        )
    same = files.key != theirs and files.key.exists()
    if same and files.key.read_bytes() == theirs.read_bytes():
        files.key.unlink()
        say(
            f"{files.key}: removed; if others could read it, run 'workbench log rotate-key' as"
            f" {service.user!r}"
        )


def _as_service(workspace: Workspace, service: ServiceUser) -> str:
    """The verifier key, told by a process of the service's user: it can do its work."""
    uid, gid = service.ids
    done = subprocess.run(
        [sys.executable, "-c", _MAKE_KEY], user=uid, group=gid, extra_groups=[], umask=0o027,
        cwd="/", capture_output=True, text=True, env=environment(workspace, service),
    )  # fmt: skip
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        raise ConfigError(
            f"{workspace.root}: {service.user!r} cannot work there ({said}); expected that it may"
            f" enter the workspace and run {sys.executable}, open their folders to it."
        )
    return done.stdout.strip()


def environment(workspace: Workspace, service: ServiceUser) -> dict[str, str]:
    """What the service's process is told."""
    known = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    own = {KEYS_VARIABLE: str(service.keys), WORKSPACE_VARIABLE: str(workspace.root)}
    return {**known, **own, "HOME": str(service.home)}


def _give_tree(root: Path, service: ServiceUser, folders: int, files: int, say: Say) -> None:
    """Folders and files written by the service alone; their modes say who else reads them."""
    changed: list[str] = []
    for folder, _, names in os.walk(root):
        _give(Path(folder), *service.ids, folders, changed.append)
        for name in names:
            _give(Path(folder) / name, *service.ids, files, changed.append)
    if changed:
        say(f"{root}: {len(changed)} files and folders given to {service.user!r}")


def _keep_settings(workspace: Workspace, service: ServiceUser, say: Say) -> None:
    """Who may change settings, roles or the log's folder could lead the service astray."""
    gid = service.ids[1]
    governance = workspace.root / "governance"
    governance.mkdir(exist_ok=True)
    for path in (workspace.root, governance):
        _give(path, 0, gid, 0o755, say)
    for path in (workspace.root / CONFIG_FILE, governance / ROLES_FILE):
        if path.exists():
            _give(path, 0, gid, 0o644, say)
    for name in _SHARED:
        folder = workspace.root / name
        folder.mkdir(exist_ok=True)
        _give(folder, folder.stat().st_uid, gid, 0o2775, say)


def unit_text(workspace: Workspace, service: ServiceUser) -> str:
    """The systemd unit."""
    root, python = _unit(workspace.root), _unit(sys.executable)
    lines = [
        "[Unit]",
        f"Description=Decision log {workspace.log_origin()}",
        "",
        "[Service]",
        f"User={service.user}",
        f"Group={service.group}",
        "UMask=0027",
        f'Environment="{WORKSPACE_VARIABLE}={root}" "{KEYS_VARIABLE}={_unit(service.keys)}"',
        f'ExecStart="{python}" -m workbench log service',
        "Restart=on-failure",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        f'ReadWritePaths="{root}/governance/log" "{root}/governance/vault" "{_unit(service.home)}"',
        "RestrictAddressFamilies=AF_UNIX",
    ]
    if service.socket.parent.parent == Path("/run"):
        lines += [f"RuntimeDirectory={service.socket.parent.name}", "RuntimeDirectoryMode=0750"]
    else:
        lines[-2] += f' "{_unit(service.socket.parent)}"'
    return "\n".join([*lines, "", "[Install]", "WantedBy=multi-user.target", ""])


def _unit(value: object) -> str:
    return str(value).replace("\\", "\\\\").replace("%", "%%").replace('"', '\\"')


def _write_unit(workspace: Workspace, service: ServiceUser, say: Say) -> None:
    text, name = unit_text(workspace, service), f"{service.socket.parent.name}.service"
    path = service.units / name
    if not service.units.is_dir():
        say(f"no {service.units} here; start the service with this unit, or what it says:\n{text}")
    elif not path.exists() or path.read_text(encoding="utf-8") != text:
        replace_durably(path, text.encode())
        say(f"{path}: written; start it with 'systemctl enable --now {name}'")


def _set_socket(workspace: Workspace, socket: Path, say: Say) -> None:
    """`[log] socket` in workbench.toml, the rest of the file as it was."""
    if workspace.log_socket == socket:
        return
    path = workspace.root / CONFIG_FILE
    if workspace.log_socket is not None:
        raise ConfigError(
            f"{path}: log.socket is {str(workspace.log_socket)!r}; expected {str(socket)!r} or no"
            " such line, give it with --socket or remove the line."
        )
    text, line = path.read_text(encoding="utf-8"), f'socket = "{socket}"\n'
    if re.search(r"^\[log\]\s*(#.*)?$", text, re.MULTILINE):
        text = re.sub(r"^(\[log\][^\n]*\n)", lambda m: m[1] + line, text, flags=re.MULTILINE)
    else:
        text = f"{text.rstrip()}\n\n[log]\n{line}"
    path.with_name(f".{path.name}.new").unlink(missing_ok=True)  # no link that waits there
    replace_durably(path, text.encode())
    _give(path, 0, path.parent.stat().st_gid, 0o644, lambda told: None)
    say(f"{path}: [log] socket = {str(socket)!r}: from now on clients use that service only")
