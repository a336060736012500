"""Where a workspace keeps things: the folders of one project, found from a `workbench.toml`."""

import json
import os
import secrets
import tomllib
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import ConfigError

CONFIG_FILE = "workbench.toml"
WORKSPACE_VARIABLE = "WORKBENCH_WORKSPACE"
KEYS_VARIABLE = "WORKBENCH_KEYS"
_LOG_SETTINGS = ("keep_days", "socket", "witnesses")


@dataclass(frozen=True)
class Workspace:
    """Folders and names of one workspace; creates nothing by itself.

    Attributes:
        root: Folder that holds `workbench.toml`.
        name: Human name from the configuration.
        currency: ISO 4217 code in which money of this workspace is stated.
        log_socket: Socket of the decision log's service under its own OS user; None: the log is
            written by whoever runs the workspace.
    """

    root: Path
    name: str = "workspace"
    currency: str = "USD"
    log_socket: Path | None = None

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def tables(self) -> Path:
        return self.data / "tables"

    @property
    def models(self) -> Path:
        return self.data / "models"

    @property
    def ledger(self) -> Path:
        return self.data / "ledger.sqlite"

    @property
    def runtime(self) -> Path:
        """Temporary folders of runs in progress and partial notebooks of failed ones."""
        return self.data / "runs"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def lineage(self) -> Path:
        return self.root / "lineage"

    @property
    def log(self) -> Path:
        return self.root / "governance" / "log"

    @property
    def notebooks(self) -> Path:
        return self.root / "notebooks"

    @property
    def edge_models(self) -> Path:
        return self.root / "edge_models"

    def workspace_id(self) -> str:
        """Stable unique name, made at first use and kept in `data/workspace.json`.

        Two clones of one project are two workspaces: each has its own log origin and signing key.
        """
        path = self.data / "workspace.json"
        if not path.exists():
            self.data.mkdir(parents=True, exist_ok=True)
            fresh = json.dumps({"workspace_id": f"{self.name}-{secrets.token_hex(4)}"}) + "\n"
            staged = path.with_name(f".workspace.{os.getpid()}.json")
            staged.write_text(fresh, encoding="utf-8")
            try:
                os.link(staged, path)  # whoever links first wins; nobody replaces
            except FileExistsError:
                pass
            finally:
                staged.unlink()
        try:
            return str(json.loads(path.read_text(encoding="utf-8"))["workspace_id"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ConfigError(
                f"{path}: not a JSON object with 'workspace_id'; restore it from a backup,"
                " or move the data folder away to start anew."
            ) from error

    def log_origin(self) -> str:
        """Name of the decision log: first line of its checkpoints and name of its key."""
        return f"workbench/{self.workspace_id()}"


def keys_folder() -> Path:
    """Folder of signing keys, outside every workspace."""
    configured = os.environ.get(KEYS_VARIABLE)
    return Path(configured) if configured else Path.home() / ".config" / "workbench" / "keys"


def find_workspace(start: Path | None = None) -> Workspace:
    """Open the workspace named by `WORKBENCH_WORKSPACE`, else the nearest one at or above `start`.

    Raises:
        ConfigError: No `workbench.toml` is found, or it is malformed.
    """
    configured = os.environ.get(WORKSPACE_VARIABLE)
    if start is None and configured:
        return open_workspace(Path(configured))
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / CONFIG_FILE).is_file():
            return open_workspace(folder)
    raise ConfigError(
        f"{here}: no {CONFIG_FILE} here or in any folder above; run 'workbench init DIR' and"
        " change into DIR."
    )


def open_workspace(root: Path) -> Workspace:
    """Read `workbench.toml` in `root`.

    Raises:
        ConfigError: The file is missing, not TOML, or holds a setting of the wrong type.
    """
    path = root / CONFIG_FILE
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: not found; run 'workbench init {root}'.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML ({error}); correct that line.") from error
    settings = content.get("workspace", {})
    unknown = sorted(set(settings) - {"name", "currency"})
    if unknown:
        raise ConfigError(f"{path}: unknown setting {unknown[0]!r}; expected name, currency.")
    for setting, value in settings.items():
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{path}: {setting} is {value!r}; expected a non-empty string.")
    socket = _log_socket(path, content.get("log", {}))
    return Workspace(root=root.resolve(), log_socket=socket, **settings)


def _log_socket(path: Path, settings: object) -> Path | None:
    """The setting `[log] socket`; a misspelt one must not lead to another mode unseen."""
    if not isinstance(settings, dict):
        raise ConfigError(f"{path}: log is {settings!r}; expected a table [log].")
    unknown = sorted(set(settings) - set(_LOG_SETTINGS))
    if unknown:
        expected = ", ".join(_LOG_SETTINGS)
        raise ConfigError(f"{path}: unknown setting {unknown[0]!r} in [log]; expected {expected}.")
    socket = settings.get("socket")
    if socket is None:
        return None
    if not isinstance(socket, str) or not Path(socket).is_absolute() or "\0" in socket:
        raise ConfigError(
            f"{path}: log.socket is {socket!r}; expected the absolute path of the service's socket."
        )
    return Path(socket)
