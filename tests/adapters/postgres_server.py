"""A real PostgreSQL server of the tests' own: a fresh cluster on a free port of this machine."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

ADMIN_PASSWORD = "admin-5f1c"


@dataclass(frozen=True)
class Server:
    """Where it listens."""

    port: int

    def connection(self, user: str, database: str = "postgres") -> str:
        """libpq settings without a password."""
        return f"host=127.0.0.1 port={self.port} dbname={database} user={user}"

    def admin(self) -> psycopg.Connection:
        """A connection that may do everything, each statement for itself."""
        settings = self.connection("postgres")
        return psycopg.connect(settings, password=ADMIN_PASSWORD, autocommit=True)


def binaries() -> Path | None:
    """Folder of Debian's newest server, or of the one on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    other = shutil.which("initdb")
    return found[-1].parent if found else Path(other).parent if other else None


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """A server with the given programs, stopped and removed afterwards."""
    home = Path(tempfile.mkdtemp(prefix="workbench-pg-"))
    (home / "password").write_text(ADMIN_PASSWORD)
    user = _own(home)
    port = _free_port()
    try:
        _run(user, folder / "initdb", "-D", home / "data", "-U", "postgres", "-A", "scram-sha-256",
             f"--pwfile={home / 'password'}", "--no-sync", "-E", "UTF8", "--locale=C")  # fmt: skip
        settings = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = home / "log"
        _run(user, folder / "pg_ctl", "-D", home / "data", "-l", log, "-w", "-o", settings, "start")
        yield Server(port)
    finally:
        stop = [folder / "pg_ctl", "-D", home / "data", "-m", "immediate", "stop"]
        subprocess.run([*user, *map(str, stop)], check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)


def _own(home: Path) -> list[str]:
    """PostgreSQL refuses to run as root: give the folder to its own user, and run as that."""
    if os.getuid() != 0:
        return []
    account = pwd.getpwnam("postgres")
    for path in (home, *home.iterdir()):
        os.chown(path, account.pw_uid, account.pw_gid)
    return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]


def _run(user: list[str], *command: object) -> None:
    subprocess.run([*user, *map(str, command)], check=True, capture_output=True, cwd="/")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
