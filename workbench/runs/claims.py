"""Which runs have a living process: each holds a lock that the system releases when it dies.

A process id says nothing after a restart, when small numbers are given out again; a lock does.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from workbench.errors import RunError
from workbench.folders import locked
from workbench.workspace import Workspace

_OWNER: Final = ".owner"


def work_folder(workspace: Workspace, run_id: str) -> Path:
    """Where a run works until its report is whole."""
    return workspace.runtime / run_id


@contextlib.contextmanager
def claim(workspace: Workspace, run_id: str) -> Iterator[Path]:
    """Own a run while it lasts; yields its work folder, which is removed at the end.

    Raises:
        RunError: The folder cannot be made.
    """
    folder = work_folder(workspace, run_id)
    try:
        with locked(workspace.runtime):  # nobody may see the folder before it is owned
            folder.mkdir(mode=0o700, parents=True)  # what a notebook saves is not redacted yet
            descriptor = os.open(folder / _OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise RunError(
            f"{folder}: cannot be made ({error.strerror}); free space or permit writing, then run"
            " again."
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def is_claimed(workspace: Workspace, run_id: str) -> bool:
    """Whether the process that started the run is alive and still at it."""
    try:
        descriptor = os.open(work_folder(workspace, run_id) / _OWNER, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def claimed_folders(workspace: Workspace) -> Iterator[Path]:
    """Work folders that exist, with or without an owner."""
    for owner in sorted(workspace.runtime.glob(f"*/{_OWNER}")):
        yield owner.parent
