"""A run of its own for a kernel that somebody works in: `%load_ext workbench`.

START when loaded; RUNNING whenever it reads a version for the first time or writes one, so that a
kernel that is killed leaves what it did; COMPLETE when the kernel stops or the extension is
unloaded. A killed kernel's run is aborted by the next start, as any other. No cell fails because of
the record: what cannot be written is said in a sentence, once, and the session goes on.
"""

import atexit
import os
import re
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from workbench.errors import WorkbenchError
from workbench.lineage.facts import Feed, FileVersion, JobDescription
from workbench.runs.context import FACTS_FILE, STAGED_FOLDER, load_context
from workbench.runs.facts import Facts
from workbench.runs.files import file_version
from workbench.runs.governed import Governed, governed
from workbench.runs.ledger import Ledger
from workbench.runs.publish import models_of
from workbench.runs.recover import recover
from workbench.runs.steps import step_row
from workbench.tables import watching
from workbench.tables.versions import TableVersion
from workbench.workspace import Workspace, find_workspace

KIND: Final = "session"
_JOB: Final = "interactive"
Say = Callable[[str], None]


class Session:
    """Records what this process reads and writes through the table store.

    Attributes:
        workspace: Whose journal it is recorded in.
    """

    def __init__(self, workspace: Workspace, run: Governed, life: ExitStack, say: Say) -> None:
        self.workspace = workspace
        self._run = run
        self._life = life
        self._say = say
        self._inputs: dict[Path, TableVersion] = {}
        self._outputs: dict[Path, TableVersion] = {}
        self._published: dict[str, str] = {}
        self._folders: list[Path] = []
        self._is_silent = False
        self._process = os.getpid()

    @property
    def run_id(self) -> str:
        return self._run.row.run_id

    # --- what happens -----------------------------------------------------------------------

    def read(self, version: TableVersion) -> None:
        """Record a version at its first use; what the session wrote itself is no input."""
        if version.path in self._inputs or version.path in self._outputs or not self._is_here():
            return
        self._inputs[version.path] = version
        if self._in_store(version):
            self._tell(inputs=[version])
        else:
            self._tell(input_files=self._files_of(version))

    def staged(self, version: TableVersion) -> None:
        """Record a draft as files: it is no version of its table."""
        if self._in_store(version) or version.path in self._outputs or not self._is_here():
            return
        self._outputs[version.path] = version
        self._tell(output_files=self._files_of(version))

    def published(self, version: TableVersion) -> None:
        """Record a version that the session made current, and what it had read by then."""
        if not self._is_here() or self._published.get(version.table) == version.version:
            return
        self._outputs[version.path] = version
        if not self._in_store(version):
            self._tell(output_files=self._files_of(version))
            return
        self._published[version.table] = version.version
        read = [one for one in self._inputs.values() if self._in_store(one)]
        others = [one for one in self._inputs.values() if not self._in_store(one)]
        feed = Feed(
            tables=list(dict.fromkeys(one.table for one in read)),
            files=[file for one in others for file in self._files_of(one)],
        )
        self._tell(outputs=[version], feeds={version.table: feed})

    def use_folder(self, folder: Path) -> None:
        """Record the files that lie in a folder when the session ends."""
        self._folders.append(folder)

    # --- its end ----------------------------------------------------------------------------

    def end(self) -> None:
        """Write COMPLETE; where that is refused, FAIL or a sentence, never nothing."""
        if not self._is_here():
            return
        try:
            with self._life:
                self._complete()
        except WorkbenchError as error:
            self._say(f"workbench: the end of this session is not on record: {error}")

    def _complete(self) -> None:
        files, models = [], []
        inputs = {version.table: version for version in self._inputs.values()}
        for folder in self._folders:
            files += [
                file_version(self.workspace, path)
                for path in sorted(folder.rglob("*"))
                if path.is_file() and path.name != FACTS_FILE
                and STAGED_FOLDER not in path.relative_to(folder).parts
            ]  # fmt: skip
            models += models_of(folder, Facts.load(folder / FACTS_FILE), inputs)
        self._run.lineage.complete(files=files, models=models)
        ledger = Ledger(self.workspace.ledger)
        ledger.end(self.run_id, "complete", outputs=self._published)

    # --- how it is recorded -----------------------------------------------------------------

    def _tell(self, **more: Any) -> None:
        try:
            self._run.lineage.running(**more)
            self._is_silent = False
        except WorkbenchError as error:
            if not self._is_silent:
                self._say(
                    f"workbench: not on record yet: {error} The session goes on; its next event"
                    " repeats what this one said."
                )
            self._is_silent = True

    def _is_here(self) -> bool:
        """A fork of the kernel has neither its claim nor its end."""
        return os.getpid() == self._process

    def _in_store(self, version: TableVersion) -> bool:
        return version.path.resolve().parent.parent == self.workspace.tables.resolve()

    def _files_of(self, version: TableVersion) -> list[FileVersion]:
        return [
            file_version(self.workspace, version.path / file.name, file.sha256, "parquet")
            for file in version.files
        ]


_current: Session | None = None


def current() -> Session | None:
    """The session of this process, if it is on record."""
    return _current


def load(ipython: Any, say: Say = lambda text: print(text, file=sys.stderr)) -> None:
    """Begin the session's run, or say in a sentence why there is none.

    Args:
        ipython: Shell of the kernel; tells which notebook is open, where it knows.
        say: Told what the reader should know.
    """
    global _current
    try:
        context = load_context()
        if context is not None:
            say(f"workbench: this kernel belongs to run {context.run_id}, which is on record.")
            return
        if _current is not None:
            say(f"workbench: already on record as run {_current.run_id}.")
            return
        workspace = find_workspace()
        for line in _recovered(workspace):
            say(f"workbench: {line}")
        _current = _begin(workspace, _job(ipython), say)
    except WorkbenchError as error:
        say(f"workbench: this session is not on record: {error} The session goes on.")
        return
    watching.watch(_current)
    atexit.register(unload)
    say(
        f"workbench: on record as run {_current.run_id}. What this session reads and writes through"
        f" workbench is recorded in {workspace.lineage} until the kernel stops."
    )


def unload() -> None:
    """End the session's run; nothing where there is none."""
    global _current
    ending, _current = _current, None
    if ending is not None:
        watching.watch(None)
        atexit.unregister(unload)
        ending.end()


def _recovered(workspace: Workspace) -> list[str]:
    """What was done about runs of dead processes; a run that must wait does not stop a session."""
    try:
        return recover(workspace)
    except WorkbenchError as error:
        return [f"a run that was cut off waits: {error}"]


def _begin(workspace: Workspace, job: JobDescription, say: Say) -> Session:
    life = ExitStack()
    row = step_row(job.name, "", {}, {}, kind=KIND)
    run = life.enter_context(governed(workspace, row, job, parameters={}))
    return Session(workspace, run, life, say)


def _job(ipython: Any) -> JobDescription:
    """Named after the notebook, where the server or editor tells which one is open."""
    known = getattr(ipython, "user_ns", {}).get("__vsc_ipynb_file__")
    opened = Path(str(known or os.environ.get("JPY_SESSION_NAME", "")))
    name, does = _JOB, "Work in a kernel."
    if opened.suffix == ".ipynb":
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", opened.stem).strip("-")
        name, does = f"{_JOB}-{stem}" if stem else _JOB, f"Work in a kernel on {opened.name}."
    return JobDescription(name, kind="session", documentation=does)
