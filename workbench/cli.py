"""The command line: parse, call, print.

Exit codes: 0 done, 1 refused or failed with one clear sentence. Commands import what they need when
they run, so that `workbench --help` answers at once.
"""

import os
import signal
import sys
import traceback
from typing import Annotated, Any

import typer

from workbench import __version__
from workbench.commands import (
    dashboards,
    decide,
    items,
    lineage,
    log,
    log_privacy,
    orders,
    runs,
    trace,
    workspaces,
)
from workbench.commands.ingest import ingest, quarantine
from workbench.commands.log_service import rotate_key, service, service_setup
from workbench.commands.terminal import say
from workbench.contracts.printable import printable
from workbench.errors import WorkbenchError
from workbench.lineage.redaction import redacted_text

_UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # Typer exports only heirs
_INTERRUPTED = 130  # what Typer exits with on Ctrl-C

app = typer.Typer(
    name="workbench",
    help="Analytics and governance workbench for inventory.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"workbench {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Analytics and governance workbench for inventory."""


app.command()(workspaces.init)
app.command()(workspaces.doctor)
app.command()(workspaces.demo)
app.command()(workspaces.lab)
app.command()(ingest)
app.command()(quarantine)
app.command()(runs.run)
app.add_typer(runs.runs_app, name="runs")
log.app.command()(service)
log.app.command("open")(log_privacy.open_values)
log.app.command()(log_privacy.check_opening)
log.app.command()(log_privacy.shred)
log.app.command()(log_privacy.prune)
log.app.command("service-setup")(service_setup)
log.app.command("rotate-key")(rotate_key)
app.add_typer(log.app, name="log")
app.command()(trace.trace)
app.add_typer(decide.app, name="decide")
app.add_typer(items.app, name="items")
app.add_typer(orders.app, name="orders")
app.add_typer(lineage.app, name="lineage")
app.add_typer(dashboards.app, name="dashboards")


def _stop(*_: object) -> None:
    """What a service manager or a job's time limit sends ends work as Ctrl-C does."""
    raise KeyboardInterrupt


def _say_interrupted() -> None:
    print("workbench: interrupted; nothing half-written, run again to go on.", file=sys.stderr)
    sys.exit(1)


def _say_wrong_usage(error: Any) -> None:
    """One sentence; the command's help where a group was named without a command."""
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.exit(1)  # the help was printed
    path = error.ctx.command_path if error.ctx else app.info.name
    message = printable(redacted_text(error.format_message())).rstrip(".")
    print(f"{path}: {message}; expected as '{path} --help' says.", file=sys.stderr)
    sys.exit(1)


def main() -> None:
    """Entry point of the console script."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        code = typer.main.get_command(app).main(prog_name=app.info.name, standalone_mode=False)
        if code == _INTERRUPTED:
            _say_interrupted()
        sys.exit(code)
    except _UsageError as error:
        _say_wrong_usage(error)
    except WorkbenchError as error:
        print(f"workbench: {printable(redacted_text(str(error)))}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        _say_interrupted()
    except BrokenPipeError:
        # The reader of our output has gone (for example `| head`): not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception:  # a mistake of ours: its whole trace, less what looks like a secret
        print(redacted_text(traceback.format_exc()), file=sys.stderr, end="")
        sys.exit(1)
