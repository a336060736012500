"""`workbench dashboards`: the executive page, live or as a file."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.workspace import find_workspace

app = typer.Typer(help="The executive page, live or as a file.", no_args_is_help=True)


@app.command()
def publish(
    out: Annotated[Path | None, typer.Option(help="HTML file to write.")] = None,
) -> None:
    """Write the executive page as one HTML file that opens offline."""
    from workbench.dashboards.publish import publish_executive

    typer.echo(publish_executive(find_workspace(), out))


@app.command()
def serve(
    port: Annotated[int, typer.Option(help="Of this machine; 0 takes a free one.")] = 8866,
    token: Annotated[bool, typer.Option("--token/--no-token", help="Ask for a secret.")] = True,
) -> None:
    """Serve the live executive page on this machine only."""
    from workbench.dashboards.serve import serve_executive

    serve_executive(find_workspace(), port=port, token=token, say=typer.echo)
