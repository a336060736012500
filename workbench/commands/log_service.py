"""`workbench log service`: the process that holds the log's key and appends for others."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.workspace import find_workspace


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

    serve(find_workspace(), path=socket, idle=idle, say=typer.echo)
