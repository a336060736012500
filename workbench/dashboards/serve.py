"""The live pages, executive and audit: Voila on this machine only, behind a token.

Voila is started with our template, which loads nothing from another host; sources of the notebook
are not sent, idle kernels end, and requests for other host names are refused (they would come from
a page that rebinds its name to this machine).
"""

import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from workbench.dashboards import roi
from workbench.errors import ConfigError, DashboardError
from workbench.resources import resource
from workbench.workspace import WORKSPACE_VARIABLE, Workspace

HOST: Final = "127.0.0.1"
NOTEBOOK: Final = "dashboards/executive-roi.ipynb"
AUDIT_NOTEBOOK: Final = "dashboards/audit.ipynb"
_TEMPLATE: Final = "workbench"
_CULL_AFTER_S: Final = 120
_CULL_EVERY_S: Final = 30


def serve_pages(
    workspace: Workspace,
    *,
    port: int,
    token: bool = True,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the pages until interrupted: the executive one at the root, the other at `/audit`.

    Args:
        workspace: With results of `70-measure-roi`, or at least runs on record.
        port: Of this machine; 0 takes a free one.
        token: Whether the address carries a secret that every request needs.
        say: Told the address.

    Raises:
        DashboardError: There is nothing to show yet, or the port is taken.
    """
    _check_content(workspace)
    port = _free(port)
    secret = secrets.token_urlsafe(24) if token else ""
    os.environ[WORKSPACE_VARIABLE] = str(workspace.root)
    _prefer_our_templates()
    address, token_text = f"http://{HOST}:{port}/", f"?token={secret}" if secret else ""
    message = (
        f"Executive page: {address}{token_text}\nAudit page: {address}audit{token_text}"
        " (Ctrl-C ends both)"
    )
    with _side_by_side(workspace) as (executive, audit):
        _application(lambda: say(message), audit).launch_instance(
            argv=[], config=configuration(executive, port, secret)
        )


def _check_content(workspace: Workspace) -> None:
    """Refuse to serve pages that are both empty."""
    try:
        roi.load(workspace)
    except DashboardError:
        if not any(workspace.lineage.glob("events-*.ndjson")):
            raise


def configuration(notebook: Path, port: int, token: str) -> Any:
    """Settings of the server, as traitlets configuration."""
    from traitlets.config import Config

    config = Config()
    config.Voila.update(
        notebook_path=str(notebook), ip=HOST, port=port, port_retries=0, open_browser=False,
        token=token, log_level="ERROR", config_file_paths=[],
        tornado_settings={"allow_remote_access": False, "local_hostnames": ["localhost"]},
    )  # fmt: skip
    config.VoilaConfiguration.update(
        template=_TEMPLATE, theme="light", strip_sources=True, show_tracebacks=False,
        preheat_kernel=False, allow_template_override="NO", allow_theme_override="NO",
        file_allowlist=[],
    )  # fmt: skip
    config.MappingKernelManager.update(
        cull_idle_timeout=_CULL_AFTER_S, cull_interval=_CULL_EVERY_S, cull_connected=False
    )
    return config


def _application(listening: Callable[[], None], audit: Path) -> Any:
    """Voila with our static files and a second page, without the handler that checks no token.

    `listening` is called once the server answers.
    """
    import plotly
    from tornado.ioloop import IOLoop
    from tornado.web import RequestHandler, StaticFileHandler
    from voila.app import Voila
    from voila.tornado.handler import TornadoVoilaHandler

    class Refused(RequestHandler):
        def prepare(self) -> None:
            self.set_status(404)
            self.finish()

    libraries = Path(plotly.__file__).parent / "package_data"
    ours = resource("dashboards/templates")

    class Server(Voila):  # type: ignore[misc]  # voila has no types
        def init_handlers(self) -> list[Any]:
            first: list[Any] = [
                (r"/voila/(?:request_info|query)(?:/.*)?", Refused),
                (r"/voila/plotly/(plotly\.min\.js)", StaticFileHandler, {"path": str(libraries)}),
                (r"/voila/executive/([a-z]+\.(?:css|js))", StaticFileHandler, {"path": str(ours)}),
            ]
            page = {
                "notebook_path": os.path.relpath(audit, self.root_dir),
                "template_paths": self.template_paths,
                "config": self.config,
                "voila_configuration": self.voila_configuration,
            }
            second = (r"/audit/?", TornadoVoilaHandler, page)
            return [*first, second, *super().init_handlers()]

        def listen(self) -> None:
            IOLoop.current().add_callback(listening)  # runs when the port is bound
            super().listen()

    return Server


def _prefer_our_templates() -> None:
    """Let Jupyter look for templates in ours as well."""
    ours = str(resource("dashboards/templates/jupyter"))
    others = [path for path in os.environ.get("JUPYTER_PATH", "").split(os.pathsep) if path]
    os.environ["JUPYTER_PATH"] = os.pathsep.join([ours, *(p for p in others if p != ours)])


@contextmanager
def _side_by_side(workspace: Workspace) -> Iterator[tuple[Path, Path]]:
    """Both notebooks; as copies in one folder where only one is the workspace's own.

    Voila serves nothing that lies outside the folder of its first notebook.
    """
    found = _notebook(workspace, NOTEBOOK), _notebook(workspace, AUDIT_NOTEBOOK)
    if found[0].parent == found[1].parent:
        yield found
        return
    with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
        executive, audit = (Path(shutil.copy(path, folder)) for path in found)
        yield executive, audit


def _notebook(workspace: Workspace, name: str) -> Path:
    """The workspace's own notebook, else the one that ships."""
    own = workspace.notebooks / name
    try:
        return own if own.is_file() else resource(f"notebooks/{name}")
    except ConfigError as error:
        raise DashboardError(f"{own}: not found; restore it, or reinstall the package.") from error


def _free(port: int) -> int:
    """The port, if it can be had; for 0 one that is free."""
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return int(probe.getsockname()[1])
    except (OSError, OverflowError) as error:
        raise DashboardError(
            f"{HOST}:{port}: cannot be listened on ({error}); end what uses it or name another"
            " with --port."
        ) from error
