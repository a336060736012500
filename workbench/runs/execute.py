"""Executes a notebook with Papermill in a fresh kernel."""

import asyncio
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient.exceptions import DeadKernelError
from papermill import execute_notebook
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError, strip_color
from papermill.iorw import papermill_io

from workbench import errors
from workbench.errors import RunError
from workbench.runs.context import CONTEXT_VARIABLE
from workbench.runs.progress import Progress
from workbench.runs.secrets import SCHEME, RedactedNotebooks

_ENGINE: Final = "workbench"
_SAVE_EVERY_SECONDS: Final = 5.0
_INJECTED: Final = "injected-parameters"
_SOCKET_LIMIT: Final = 107  # bytes of a socket's path (sun_path of Linux, less its end)
_SOCKET_NAME: Final = len("/wb-12345678/k-1234")


class NotebookError(RunError):
    """A cell raised, or the kernel died.

    Attributes:
        trace: Traceback of the cell, for the lineage event.
    """

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace


@dataclass
class _Watch:
    """Where execution is, in cells of the notebook as it was written."""

    notebook: str
    progress: Progress
    cell: int = 0
    title: str = ""

    def at(self, cells: list[Any], index: int) -> None:
        """Note that the cell at `index` of the executed notebook starts."""
        written = [_INJECTED not in cell.metadata.get("tags", []) for cell in cells]
        self.cell = sum(written[: index + 1])
        if cells[index].cell_type == "markdown":
            self.title = _heading(cells[index].source) or self.title
        self.progress(self.cell, sum(written))

    def place(self) -> str:
        """Notebook, number of the cell and the heading above it."""
        if not self.cell:
            return self.notebook
        return f"{self.notebook}, cell {self.cell}" + (f" ({self.title!r})" if self.title else "")


def _heading(source: str) -> str:
    lines = [line for line in source.splitlines() if line.startswith("#")]
    return lines[-1].lstrip("# ").strip() if lines else ""


class _Kernel(AsyncKernelManager):
    """A kernel of this Python over IPC sockets, with an environment of its own."""

    environment: Mapping[str, str] = {}

    async def _async_pre_start_kernel(self, **options: Any) -> Any:
        return await super()._async_pre_start_kernel(**{**options, "env": dict(self.environment)})

    pre_start_kernel = _async_pre_start_kernel

    def client(self, **options: Any) -> Any:
        """Remember the client: whoever passes a manager in must close its channels."""
        self.opened = super().client(**options)
        return self.opened

    def close(self) -> None:
        """End kernel and channels, and what an interruption left waiting for them."""
        run_sync(_cancel_waiting)()
        if getattr(self, "opened", None) is not None:
            self.opened.stop_channels()
        if self.has_kernel:
            run_sync(self._async_shutdown_kernel)(now=True)
        self.cleanup_connection_file()


async def _cancel_waiting() -> None:
    waiting = asyncio.all_tasks() - {asyncio.current_task()}
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


def _kernel(runtime: Path, context: Path, threads: int) -> _Kernel:
    """A kernel that runs what runs us, whatever kernels are installed for the user."""
    kernel = _Kernel(kernel_name="python3", transport="ipc", ip=str(runtime / "k"))
    kernel._kernel_spec = KernelSpec(
        # Without history: it would keep the cell of parameters in the user's home.
        argv=[
            *(sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"),
            "--HistoryManager.enabled=False",
        ],
        display_name="Python 3",
        language="python",
    )
    kernel.connection_file = str(runtime / "kernel.json")
    kernel.environment = _environment(context, threads)
    return kernel


class _Engine(NBClientEngine):  # type: ignore[misc]
    """Papermill's engine, saving every few seconds instead of twice a cell, reporting progress."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, watch: _Watch, **options: Any
    ) -> Any:
        save, start = nb_man.save, nb_man.cell_start
        last = [time.monotonic()]

        def throttled_save(**kwargs: Any) -> None:
            if time.monotonic() - last[0] >= _SAVE_EVERY_SECONDS:
                save(**kwargs)
                last[0] = time.monotonic()

        def cell_start(cell: Any, cell_index: int = 0, **kwargs: Any) -> None:
            watch.at(nb_man.nb.cells, cell_index)
            start(cell, cell_index=cell_index, **kwargs)

        nb_man.save, nb_man.cell_start = throttled_save, cell_start
        try:
            return super().execute_managed_notebook(nb_man, kernel_name, **options)
        except BaseException:
            nb_man.save = save  # nobody else saves what was executed
            raise


papermill_engines.register(_ENGINE, _Engine)
_notebooks: Final = RedactedNotebooks()
papermill_io.register(SCHEME, _notebooks)


def execute(
    notebook: Path,
    output: Path,
    *,
    parameters: Mapping[str, Any],
    context: Path,
    threads: int,
    progress: Progress = lambda cell, cells: None,
) -> None:
    """Run a notebook; `output` holds what was executed, whole or partial.

    Args:
        notebook: To run.
        output: Executed copy without secrets, saved every few seconds and at the end.
        parameters: Already validated.
        context: Context file of the run.
        threads: OpenMP threads of the kernel.
        progress: Called with the number of the cell that starts, and of all.

    Raises:
        NotebookError: A cell raised, or the kernel died or did not start.
    """
    watch = _Watch(notebook.stem, progress)
    with (
        _runtime_folder() as runtime,
        _quiet_papermill(),
        _notebooks.output(output, parameters) as redacted_output,
    ):
        kernel = _kernel(runtime, context, threads)
        try:
            execute_notebook(
                str(notebook),
                redacted_output,
                parameters=dict(parameters),
                engine_name=_ENGINE,
                kernel_name="python3",
                language="python",  # the notebook itself need not say so
                progress_bar=False,
                autosave_cell_every=_SAVE_EVERY_SECONDS,
                cwd=str(output.parent),
                km=kernel,
                watch=watch,
            )
        except PapermillExecutionError as error:
            raise _cell_error(watch, error) from error
        except DeadKernelError as error:
            raise _dead_kernel(watch) from error
        except RuntimeError as error:  # what the client raises when a kernel never answers
            raise NotebookError(
                f"{watch.place()}: the kernel did not start or answer ({error}); expected it to run"
                " the notebook. Look at its messages above, then run again."
            ) from error
        finally:
            kernel.close()


def _cell_error(watch: _Watch, error: PapermillExecutionError) -> NotebookError:
    text = strip_color(str(error.evalue)).strip() or error.ename
    trace = strip_color("\n".join(error.traceback))
    if isinstance(getattr(errors, error.ename, None), type):  # ours: a whole sentence already
        return NotebookError(f"{watch.place()}: {text}", trace)
    first = text.splitlines()[0].rstrip(".")
    return NotebookError(
        f"{watch.place()}: {error.ename}: {first}; expected the cell to run. Correct the cause and"
        " run again.",
        trace,
    )


def _dead_kernel(watch: _Watch) -> NotebookError:
    return NotebookError(
        f"{watch.place()}: the kernel died; expected it to live to the last cell. Look for lack of"
        " memory or a crash in a native library, then run again."
    )


def _environment(context: Path, threads: int) -> dict[str, str]:
    """The parent's environment, without the place of signing keys, with threads held back."""
    kept = {name: value for name, value in os.environ.items() if name != "WORKBENCH_KEYS"}
    count = str(max(1, threads))
    return {
        **kept,
        CONTEXT_VARIABLE: str(context),
        "OMP_NUM_THREADS": count,
        "OPENBLAS_NUM_THREADS": count,
        "NUMBA_NUM_THREADS": count,
        "OMP_WAIT_POLICY": "passive",
        "GOMP_SPINCOUNT": "0",
        "PYTHONHASHSEED": "0",
        "DO_NOT_TRACK": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


@contextmanager
def _quiet_papermill() -> Iterator[None]:
    """Hold back warnings about what was checked before, such as types it cannot parse."""
    logger = logging.getLogger("papermill")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _runtime_folder() -> Iterator[Path]:
    """A short path for sockets, readable by this user alone."""
    parent = os.environ.get("XDG_RUNTIME_DIR", "")
    usable = parent and os.access(parent, os.W_OK)
    fits = len(os.fsencode(parent)) + _SOCKET_NAME <= _SOCKET_LIMIT
    folder = Path(tempfile.mkdtemp(prefix="wb-", dir=parent if usable and fits else "/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
