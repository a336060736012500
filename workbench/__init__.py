"""Notebook-driven analytics and governance workbench for inventory management."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"


def load_ipython_extension(ipython: Any) -> None:
    """`%load_ext workbench`: give this interactive session a run of its own."""
    # By name: the package itself stands below all its modules and imports none of them.
    import_module("workbench.runs.session").load(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """`%unload_ext workbench`: end that run."""
    import_module("workbench.runs.session").unload()
