"""A real dask scheduler and its worker processes, as an operator would start them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distributed import Client

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def started(folder: Path, *, memory: str, workers: int = 2) -> Iterator[str]:
    """Address of a scheduler of this machine alone, with so many workers of one thread.

    Args:
        folder: For what the processes write.
        memory: Of each worker; beyond it dask ends the process.
        workers: How many.
    """
    file = folder / "scheduler.json"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    common = ["--scheduler-file", str(file), "--no-dashboard"]
    commands = (
        ["scheduler", "--host", "127.0.0.1", "--port", "0"],
        ["worker", "--nworkers", str(workers), "--nthreads", "1", "--memory-limit", memory,
         "--local-directory", str(folder)],
    )  # fmt: skip
    with (folder / "dask.log").open("w") as log:
        processes = [
            subprocess.Popen([sys.executable, "-m", "dask", *command, *common], env=environment,
                             stdout=log, stderr=log)
            for command in commands
        ]  # fmt: skip
        try:
            while not (file.exists() and file.read_text().endswith("}")):
                time.sleep(0.05)
                if processes[0].poll() is not None:
                    raise RuntimeError((folder / "dask.log").read_text())
            address = str(json.loads(file.read_text())["address"])
            with Client(address, set_as_default=False) as client:
                client.wait_for_workers(workers, timeout=60)
            yield address
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait(timeout=30)
