"""A bar per notebook on a terminal; elsewhere nothing: the line at its end suffices."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def notebook_progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """Progress of one notebook, in cells."""
    if not sys.stderr.isatty():
        yield lambda cell, cells: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("cell {task.completed}"),
        TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda cell, cells: bar.update(task, completed=cell, total=cells)
