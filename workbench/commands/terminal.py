"""What commands print: the one way to a terminal, so that nothing that others wrote steers it."""

import typer

from workbench.contracts.printable import printable


def say(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a line, with escapes in place of characters that steer a terminal.

    Args:
        text: Whatever has a text; may hold line feeds and tabs.
        err: To the standard error, in place of the standard output.
        nl: End the line.
    """
    typer.echo(printable(str(text)), err=err, nl=nl)
