"""Executes a notebook with Papermill in a fresh kernel."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient.exceptions import DeadKernelError
from papermill import execute_notebook
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from workbench import errors
from workbench.errors import RunError
from workbench.runs.context import CONTEXT_VARIABLE

_ENGINE: Final = "workbench"
_SAVE_EVERY_SECONDS: Final = 5.0
Progress = Callable[[int, int], None]


class NotebookError(RunError):
    """A cell raised, or the kernel died.

    Attributes:
        trace: Traceback of the cell, for the lineage event.
    """

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace


class _Kernel(AsyncKernelManager):
    """A kernel over IPC sockets with an environment of its own."""

    environment: Mapping[str, str] = {}

    async def _async_pre_start_kernel(self, **options: Any) -> Any:
        return await super()._async_pre_start_kernel(**{**options, "env": dict(self.environment)})

    pre_start_kernel = _async_pre_start_kernel


class _Engine(NBClientEngine):  # type: ignore[misc]
    """Papermill's engine, saving every few seconds instead of twice a cell, reporting progress."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, progress: Progress, **options: Any
    ) -> Any:
        save, start = nb_man.save, nb_man.cell_start
        last = [time.monotonic()]

        def throttled_save(**kwargs: Any) -> None:
            if time.monotonic() - last[0] >= _SAVE_EVERY_SECONDS:
                save(**kwargs)
                last[0] = time.monotonic()

        def cell_start(cell: Any, cell_index: int | None = None, **kwargs: Any) -> None:
            progress((cell_index or 0) + 1, len(nb_man.nb.cells))
            start(cell, cell_index=cell_index, **kwargs)

        nb_man.save, nb_man.cell_start = throttled_save, cell_start
        try:
            return super().execute_managed_notebook(nb_man, kernel_name, **options)
        finally:
            save()


papermill_engines.register(_ENGINE, _Engine)


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
        output: Executed copy, saved every few seconds and at the end.
        parameters: Already validated.
        context: Context file of the run.
        threads: OpenMP threads of the kernel.
        progress: Called with the number of the cell that starts, and of all.

    Raises:
        NotebookError: A cell raised or the kernel died.
    """
    with _runtime_folder() as runtime:
        kernel = _Kernel(kernel_name="python3", transport="ipc", ip=str(runtime / "k"))
        kernel.connection_file = str(runtime / "kernel.json")
        kernel.environment = _environment(context, threads)
        try:
            execute_notebook(
                str(notebook),
                str(output),
                parameters=dict(parameters),
                engine_name=_ENGINE,
                kernel_name="python3",
                progress_bar=False,
                autosave_cell_every=_SAVE_EVERY_SECONDS,
                cwd=str(output.parent),
                km=kernel,
                progress=progress,
            )
        except PapermillExecutionError as error:
            raise _cell_error(notebook, error) from error
        except DeadKernelError as error:
            raise NotebookError(
                f"{notebook.stem}: the kernel died; expected it to live to the last cell. Look for"
                " lack of memory or a crash in a native library, then run again."
            ) from error
        finally:
            _shut_down(kernel)


def _shut_down(kernel: _Kernel) -> None:
    """End the kernel: the client leaves a manager that it was given alone."""
    if kernel.has_kernel:
        run_sync(kernel._async_shutdown_kernel)(now=True)
    kernel.cleanup_connection_file()


def _cell_error(notebook: Path, error: PapermillExecutionError) -> NotebookError:
    text = str(error.evalue).strip() or error.ename
    where = f"{notebook.stem}, cell {error.cell_index}"
    trace = "\n".join(error.traceback)
    if isinstance(getattr(errors, error.ename, None), type):  # ours: a whole sentence already
        return NotebookError(f"{where}: {text}", trace)
    first = text.splitlines()[0].rstrip(".")
    return NotebookError(
        f"{where}: {error.ename}: {first}; expected the cell to run. Correct the cause and run"
        " again.",
        trace,
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
def _runtime_folder() -> Iterator[Path]:
    """A short path for sockets: their names may have about 107 bytes."""
    parent = os.environ.get("XDG_RUNTIME_DIR", "")
    usable = parent and len(parent) < 60 and os.access(parent, os.W_OK)
    folder = Path(tempfile.mkdtemp(prefix="wb-", dir=parent if usable else "/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
