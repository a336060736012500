"""A bar per notebook on a terminal; elsewhere a plain line now and then."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

Progress = Callable[[int, int], None]
Watch = Callable[[str], AbstractContextManager[Progress]]
_LINE_EVERY_SECONDS: Final = 15.0


@contextmanager
def no_progress(name: str) -> Iterator[Progress]:
    """Tell nothing."""
    yield lambda cell, cells: None


@contextmanager
def notebook_progress(name: str) -> Iterator[Progress]:
    """Progress of one notebook, in cells, on standard error."""
    if not sys.stderr.isatty():
        yield _lines(name)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("cell"), MofNCompleteColumn(),
        TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda cell, cells: bar.update(task, completed=cell, total=cells)


def _lines(name: str) -> Progress:
    """A line per cell that starts, at most one every 15 seconds, none for short notebooks."""
    last = [time.monotonic()]

    def tell(cell: int, cells: int) -> None:
        if time.monotonic() - last[0] >= _LINE_EVERY_SECONDS:
            print(f"{name}: cell {cell} of {cells}", file=sys.stderr, flush=True)
            last[0] = time.monotonic()

    return tell
