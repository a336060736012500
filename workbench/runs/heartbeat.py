"""RUNNING events of a run that takes long, so that who watches can tell it from one that died."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from workbench.errors import WorkbenchError
from workbench.lineage.lifecycle import RunLineage

EVERY_SECONDS: Final = 60.0


@contextmanager
def heartbeat(lineage: RunLineage, *, every_seconds: float = EVERY_SECONDS) -> Iterator[None]:
    """While entered, write RUNNING now and then; a full disk or a run that has ended stops it."""
    over = threading.Event()

    def beat() -> None:
        with suppress(WorkbenchError, OSError):  # the run's own events tell what is wrong
            while not over.wait(every_seconds):
                lineage.running()

    thread = threading.Thread(target=beat, name="lineage heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
