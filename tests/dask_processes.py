"""A real scheduler and worker processes, as an operator would start them."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from distributed import Client

ROOT = Path(__file__).resolve().parent.parent
MEMORY = "768MiB"  # of each worker; beyond it dask ends the process


@contextmanager
def started(folder, *, workers=2):
    """Address of a scheduler of this machine alone, with so many worker processes."""
    file, log = folder / "scheduler.json", (folder / "dask.log").open("w")
    dask = [sys.executable, "-m", "dask"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    common = ["--scheduler-file", str(file), "--no-dashboard"]
    processes = [
        subprocess.Popen([*dask, *command, *common], env=environment, stdout=log, stderr=log)
        for command in (
            ["scheduler", "--host", "127.0.0.1", "--port", "0"],
            ["worker", "--nworkers", str(workers), "--nthreads", "1", "--memory-limit", MEMORY,
             "--local-directory", str(folder)],
        )
    ]  # fmt: skip
    try:
        while not (file.exists() and file.read_text().endswith("}")):
            time.sleep(0.05)
            if processes[0].poll() is not None:
                raise RuntimeError((folder / "dask.log").read_text())
        address = json.loads(file.read_text())["address"]
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)
        yield address
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(timeout=30)
        log.close()
