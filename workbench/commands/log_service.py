"""`workbench log service`: the process that holds the log's key and appends for others."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.commands.terminal import say
from workbench.workspace import find_workspace

_PATIENCE_SECONDS = 30.0


def service(
    socket: Annotated[
        Path | None, typer.Option(help="Unix socket to listen on; default: the workspace's.")
    ] = None,
    idle: Annotated[
        float | None, typer.Option(help="Seconds without a client after which to stop.")
    ] = None,
) -> None:
    """Hold the decision log's key, and append for runs, pages and commands."""
    from workbench.decision_log.service.serve import serve

    serve(find_workspace(), path=socket, idle=idle, say=say)


def service_setup(
    user: Annotated[str, typer.Option(help="OS user of the service; made if missing.")],
    group: Annotated[
        str, typer.Option(help="Its members read the log and connect; made if missing.")
    ] = "",
    home: Annotated[
        Path | None, typer.Option(help="Folder of its keys; default: /var/lib/USER.")
    ] = None,
    socket: Annotated[
        Path | None, typer.Option(help="Where it listens; default: below /run, by workspace.")
    ] = None,
    units: Annotated[Path, typer.Option(help="Folder of systemd's units.")] = Path(
        "/etc/systemd/system"
    ),
) -> None:
    """Give the log to a service under an OS user of its own; run by root, may be repeated."""
    from workbench.decision_log.service.setup import ServiceUser, set_up

    workspace = find_workspace()
    name = workspace.log_origin().replace("/", "-log-", 1)
    there = socket or workspace.log_socket or Path("/run") / name / "log.sock"
    service = ServiceUser(user, group or user, home or Path("/var/lib") / user, there, units)
    key = set_up(workspace, service, say)
    say(f"The decision log of {workspace.root} is written by {user!r} alone.")
    say(f"Members of {service.group!r} use it: usermod -aG {service.group} NAME")
    say(f"Verifier key: {key}")


def rotate_key() -> None:
    """Give the log a new signing key, recorded in the log; run again after a crash."""
    from datetime import UTC, datetime

    from workbench.decision_log.rotating import rotate_key as rotate
    from workbench.decision_log.service.peers import this_process
    from workbench.decision_log.storage import FolderStorage

    workspace = find_workspace()
    storage = FolderStorage(workspace.log, patience=_PATIENCE_SECONDS)
    now, actor = datetime.now(UTC), this_process().name
    old, new = rotate(workspace.log_origin(), storage, now=now, actor=actor)
    say(f"Retired: {old}")
    say(f"New verifier key: {new}")
    say("Give it to those who verify and to each witness, beside the retired one.")
    say("Back up the keys folder: the retired signing key is gone.")
