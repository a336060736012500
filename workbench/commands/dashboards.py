"""`workbench dashboards`: the executive and the audit page, live or as files."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.commands.terminal import say
from workbench.workspace import find_workspace

app = typer.Typer(help="The executive and the audit page, live or as files.", no_args_is_help=True)


@app.command()
def publish(
    out: Annotated[Path | None, typer.Option(help="HTML file to write.")] = None,
    audit: Annotated[bool, typer.Option("--audit", help="The audit page instead.")] = False,
) -> None:
    """Write the executive page, or the audit page, as one HTML file that opens offline."""
    if audit:
        from workbench.commands.auditing import publish as publish_audit

        say(publish_audit(find_workspace(), out))
        return
    from workbench.dashboards.publish import publish_executive

    say(publish_executive(find_workspace(), out))


@app.command()
def serve(
    port: Annotated[int, typer.Option(help="Of this machine; 0 takes a free one.")] = 8866,
    token: Annotated[bool, typer.Option("--token/--no-token", help="Ask for a secret.")] = True,
) -> None:
    """Serve the live executive and audit pages on this machine only."""
    from workbench.dashboards.serve import serve_pages

    serve_pages(find_workspace(), port=port, token=token, say=say)
