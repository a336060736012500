"""`workbench log service`: the process that holds the log's key and lock and appends for others."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.workspace import find_workspace

_RESERVE = 16 << 20  # bytes of journal, so that a flush changes no metadata


def service(
    socket: Annotated[
        Path | None, typer.Option(help="Unix socket to listen on; default: one of this user.")
    ] = None,
    idle: Annotated[
        float | None, typer.Option(help="Seconds without a client after which to stop.")
    ] = None,
) -> None:
    """Hold the decision log's key and lock, and append for runs, pages and commands."""
    from workbench.decision_log.append import open_log
    from workbench.decision_log.service.client import socket_path
    from workbench.decision_log.service.server import LogServer

    workspace = find_workspace()
    path = socket or socket_path(workspace)
    server = LogServer(open_log(workspace, reserve=_RESERVE), path, idle=idle)
    server.stop_on_signals()
    server.run(lambda: typer.echo(f"Decision log of {workspace.log_origin()} served at {path}"))
