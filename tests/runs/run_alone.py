"""Runs one notebook in a process of its own, for tests that stop or kill that process.

python run_alone.py WORKSPACE NOTEBOOK [STEP]: with a step, the process dies where it begins.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from workbench.runs.run import run_notebook
from workbench.workspace import open_workspace


def die(step: str) -> None:
    if sys.argv[3:] == [step]:
        os._exit(9)


if __name__ == "__main__":
    run_notebook(open_workspace(Path(sys.argv[1])), sys.argv[2], step=die)
