"""What readers see of a log: files put in place and read back, and the checkpoint over them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from workbench.decision_log.storage import Storage
from workbench.decision_log.tiles import CHECKPOINT, TILE_WIDTH, bundle_path, tile_path, widths
from workbench.errors import LogError

RESTORE: Final = "Run 'workbench log verify', and restore the log from a backup."


class Memory(Protocol):
    """Remembers a checkpoint outside the log's storage."""

    path: Path

    def read(self) -> bytes | None: ...
    def keep(self, note: bytes) -> None: ...


class Published:
    """The files of a log as its writer changes them.

    Args:
        storage: Where they are.
        memory: Where the newest checkpoint is remembered outside of it.
    """

    def __init__(self, storage: Storage, memory: Memory | None) -> None:
        self.storage = storage
        self.memory = memory

    def show(self, note: bytes) -> None:
        """Replace the published checkpoint; what readers may have seen is remembered before."""
        self.remember(note)
        self.storage.replace(CHECKPOINT, note)

    def remember(self, note: bytes) -> None:
        """Keep a checkpoint outside the log, unless it is there."""
        if self.memory is not None and self.memory.read() != note:
            self.memory.keep(note)

    def read_back(self, objects: Mapping[str, bytes]) -> None:
        """Before a checkpoint is published its files must read as they were written."""
        for path, data in objects.items():
            if self.storage.read(path) != data:
                raise LogError(
                    f"{path}: what is read back is not what was written; no checkpoint was"
                    f" published. Check the disk. {RESTORE}"
                )

    def superseded(self, before: int, after: int) -> list[str]:
        """Partial tiles and bundles whose full one exists since (tlog-tiles lets them go)."""
        folders: list[str] = []
        for level, (first, _) in enumerate(widths(before)):
            for number in range(first, after // TILE_WIDTH ** (level + 1)):
                folders.append(f"{tile_path(level, number, TILE_WIDTH)}.p/")
                if level == 0:
                    folders.append(f"{bundle_path(number, TILE_WIDTH)}.p/")
        return [path for folder in folders for path in self.storage.paths(folder)]
