"""Finds what ships with the library: notebooks, templates, models and scripts.

In a checkout they lie at the repository's root; in an installed wheel under `workbench/_shipped/`
(see `pyproject.toml`, `force-include`).
"""

from pathlib import Path

from workbench.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parent


def resource(name: str) -> Path:
    """Path of a shipped file or folder, for example `notebooks` or `governance/sop.yaml`.

    Raises:
        ConfigError: Nothing of that name ships with this installation.
    """
    for root in (_PACKAGE / "_shipped", _PACKAGE, _PACKAGE.parent):
        if (root / name).exists():
            return root / name
    raise ConfigError(f"resource {name!r}: not part of this installation; reinstall the package.")
