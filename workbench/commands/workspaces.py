"""`workbench init`, `doctor`, `demo` and `lab`."""

import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from workbench.commands.terminal import say
from workbench.errors import ConfigError, WorkbenchError
from workbench.resources import resource
from workbench.workspace import (
    CONFIG_FILE,
    Workspace,
    find_workspace,
    keys_folder,
    open_workspace,
)

_SHIPPED = ("notebooks", "governance", "edge_models")
_ASKS_NOBODY = (  # JupyterLab would ask for news, its own newest version and a list of extensions
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)
_EXAMPLE = "notebooks/sources/example/SOURCES.toml"  # its amounts are in USD
_IGNORED = "data/\nreports/\nlineage/\ngovernance/log/\ngovernance/vault/\n.ipynb_checkpoints/\n"


def init(
    folder: Annotated[Path, typer.Argument(help="Folder to make into a workspace.")],
    name: Annotated[str, typer.Option(help="Name of the workspace; default: the folder's.")] = "",
    currency: Annotated[str, typer.Option(help="ISO 4217 code of its money.")] = "USD",
) -> None:
    """Make a workspace: notebooks, governance templates, the demo's model, a signing key."""
    workspace = create_workspace(folder, name=name, currency=currency)
    from workbench.decision_log.keys import ensure_key, verifier_key

    ensure_key(workspace.log_origin())
    say(f"Workspace {workspace.name!r} in {workspace.root}")
    say(f"Verifier key of its decision log: {verifier_key(workspace.log_origin())}")
    say(f"Next: cd {shlex.quote(str(folder))} && workbench demo")
    say(f"  or, with data of your own: put your exports beside {_EXAMPLE},")
    say(f"  adapt it, then workbench ingest {_EXAMPLE} && workbench run --all")


def create_workspace(folder: Path, *, name: str = "", currency: str = "USD") -> Workspace:
    """Copy what ships into `folder` and write its `workbench.toml` last.

    Raises:
        ConfigError: The folder is a workspace already, a file is in the way, or the currency is no
            code.
    """
    name = name or folder.resolve().name
    if (folder / CONFIG_FILE).exists():
        raise ConfigError(f"{folder}: is a workspace already; choose another folder.")
    if not all(c.isalnum() or c in "-_" for c in name):
        raise ConfigError(
            f"workspace name {name!r}: expected letters, digits, '-' and '_' only; give --name."
        )
    if not re.fullmatch("[A-Z]{3}", currency):
        raise ConfigError(
            f"currency {currency!r}: expected an ISO 4217 code, three capital letters such as EUR."
        )
    for shipped in _SHIPPED:
        target = folder / shipped
        if target.exists():
            raise ConfigError(f"{target}: is in the way; choose an empty folder.")
    try:
        for shipped in _SHIPPED:
            skip = shutil.ignore_patterns("log", ".ipynb_checkpoints", "__pycache__")
            shutil.copytree(resource(shipped), folder / shipped, ignore=skip)
        example = (folder / _EXAMPLE).read_text(encoding="utf-8")
        example = example.replace('currency = "USD"', f'currency = "{currency}"')
        (folder / _EXAMPLE).write_text(example, encoding="utf-8")
        if not (folder / ".gitignore").exists():
            (folder / ".gitignore").write_text(_IGNORED, encoding="utf-8")
        text = f'[workspace]\nname = "{name}"\ncurrency = "{currency}"\n'
        (folder / CONFIG_FILE).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{folder}: cannot be written ({error.strerror}); free space or choose another folder."
        ) from error
    return open_workspace(folder)


def doctor() -> None:
    """Check this machine and workspace; exit 1 when something stands in the way."""
    failed = 0
    for name, check in _CHECKS:
        try:
            good, text = check()
        except WorkbenchError as error:
            good, text = False, str(error)
        failed += not good
        say(f"{'ok  ' if good else 'FAIL'}  {name}: {text}")
    if failed:
        raise typer.Exit(1)


def _check_python() -> tuple[bool, str]:
    found = sys.version_info
    return (3, 11) <= found < (3, 14), f"{found.major}.{found.minor} (expected 3.11 to 3.13)"


def _check_workspace() -> tuple[bool, str]:
    return True, str(find_workspace().root)


def _check_key() -> tuple[bool, str]:
    from workbench.commands.log import pinned_key
    from workbench.decision_log.keys import key_files, load_signer, retired_keys

    origin = find_workspace().log_origin()
    verifier = pinned_key(origin)
    path = keys_folder() / f"{origin.replace('/', '_')}.key"
    if not path.exists():
        return True, f"{verifier} (no signing key here: this machine verifies only)"
    if key_files(origin).successor.exists():
        return False, "a rotation was begun and not finished; run 'workbench log rotate-key' again."
    if load_signer(path).verifier.encode() != verifier:
        return False, f"{path} does not fit the verifier key; restore the pair from a backup."
    before = len(retired_keys(origin))
    return True, verifier + (f" (rotated, {before} before it)" if before else "")


def _check_reports() -> tuple[bool, str]:
    from workbench.runs.ledger import Ledger
    from workbench.runs.manifest import read_manifest

    workspace = find_workspace()
    rows = Ledger(workspace.ledger).latest() if workspace.ledger.exists() else []
    reports = [workspace.root / row.report for row in rows if row.report]
    for report in reports:
        read_manifest(report)
    return True, f"{len(reports)} of the latest runs have theirs"


def _check_disk() -> tuple[bool, str]:
    free = shutil.disk_usage(find_workspace().root).free / 1e9
    return free >= 2, f"{free:.1f} GB free (expected at least 2)"


def _check_browser() -> tuple[bool, str]:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    return True, found or "chromium not found; only the tests of pages need it"


_CHECKS = (
    ("Python", _check_python),
    ("workspace", _check_workspace),
    ("decision log key", _check_key),
    ("reports", _check_reports),
    ("disk", _check_disk),
    ("browser", _check_browser),
)


def demo(
    max_series: Annotated[
        int, typer.Option(help="Forecast only so many series; 0 takes all (about 5,200).")
    ] = 0,
    force: Annotated[bool, typer.Option(help="Run every step again, cached or not.")] = False,
) -> None:
    """Do the main job on a year of grocery sales: from ingest to the executive's page."""
    from workbench.runs.demo import run_demo

    run_demo(find_workspace(), max_series=max_series, force=force, say=say)


def lab(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 8888,
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
) -> None:
    """Open JupyterLab on the workspace's notebooks."""
    workspace = find_workspace()
    quiet = "ignore::DeprecationWarning"  # of its own libraries: not what a user can mend
    command = [sys.executable, "-W", quiet, "-m", "jupyterlab", f"--port={port}", "--ip=127.0.0.1"]
    command += [
        f"--ServerApp.root_dir={workspace.root}",
        "--LabApp.default_url=/lab/tree/notebooks",
        *_ASKS_NOBODY,
        "--log-level=ERROR",
        "--LabApp.log_level=ERROR",  # the address with its token stands alone
    ]
    if not browser:
        command.append("--no-browser")
    if os.geteuid() == 0:
        command.append("--allow-root")  # asked for by running as root, as in a container
    os.chdir(workspace.root)
    os.execv(sys.executable, command)
