"""Workers of a cluster for a run: the same code and packages as here, or none at all."""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

from workbench.errors import ConfigError
from workbench.runs.skip import code_digest

if TYPE_CHECKING:
    from workbench.adapters.dask_cluster import DaskWorkers

# What numbers follow from, and what both ends speak.
_PACKAGES: Final = ("numpy", "pandas", "scipy", "numba", "lightgbm", "dask", "distributed")


def connect(address: str) -> "DaskWorkers":
    """Workers that compute what would be computed here.

    Args:
        address: Of a dask scheduler, for example `tcp://host:8786`.

    Raises:
        ConfigError: Extra `cluster` is not installed, nobody answers, or a worker has other code
            or packages.
    """
    from workbench.adapters.dask_cluster import DaskWorkers

    workers = DaskWorkers.connect(address)
    try:
        ours = installed()
        for worker, theirs in sorted(workers.ask(installed).items()):
            _refuse_other(address, worker, ours, theirs)
    except BaseException:
        workers.close()
        raise
    return workers


def check(address: str) -> None:
    """Refuse a cluster before anything starts.

    Raises:
        ConfigError: As for `connect`.
    """
    connect(address).close()


def installed() -> dict[str, str]:
    """Python, digest of this library's code, and versions of the packages that compute."""
    return {
        "python": platform.python_version(),
        "workbench": code_digest()[:16],
        **{name: _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _refuse_other(
    address: str, worker: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> None:
    for name, value in ours.items():
        if theirs.get(name) != value:
            raise ConfigError(
                f"--cluster {address}: worker {worker} has {name} {theirs.get(name)}; expected"
                f" {value} as here, since forecasts must not depend on where they are computed:"
                " install the same there."
            )
