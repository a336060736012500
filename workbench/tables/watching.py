"""Tells one watcher of this process which versions are read and written: an interactive session.

Under the runner nobody watches: there the pinned inputs are on record before a kernel exists.
"""

from collections.abc import Iterable
from typing import Protocol

from workbench.tables.versions import TableVersion


class Watcher(Protocol):
    """What wants to know; it must not raise, reading and writing are not its business."""

    def read(self, version: TableVersion) -> None:
        """Rows of a version are read."""

    def staged(self, version: TableVersion) -> None:
        """A version was written beside the store, or into it without becoming current."""

    def published(self, version: TableVersion) -> None:
        """A version has become the current one of its table."""


class _Nobody:
    def read(self, version: TableVersion) -> None:
        """Nobody is told."""

    staged = published = read


_watcher: Watcher = _Nobody()


def watch(watcher: Watcher | None) -> None:
    """Tell this watcher from now on, instead of the one before; None: nobody."""
    global _watcher
    _watcher = watcher or _Nobody()


def is_watched() -> bool:
    """Whether anybody is told."""
    return not isinstance(_watcher, _Nobody)


def tell_read(versions: Iterable[TableVersion]) -> None:
    """Rows of these versions are read."""
    for version in versions:
        _watcher.read(version)


def tell_staged(version: TableVersion) -> None:
    """A version was written without becoming current."""
    _watcher.staged(version)


def tell_published(versions: Iterable[TableVersion]) -> None:
    """These versions have become current."""
    for version in versions:
        _watcher.published(version)
