"""Where the code of a job is in git, if git holds exactly the code that runs."""

import hashlib
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SECONDS: Final = 5.0


@dataclass(frozen=True)
class SourceLocation:
    """A file at a commit.

    Attributes:
        url: `file:` address of the working copy, which equals the commit's.
        repository: Address of the remote named origin, without credentials; None without one.
        path: Path in the repository.
        commit: Full commit id.
        branch: None where no branch is checked out.
    """

    url: str
    repository: str | None
    path: str
    commit: str
    branch: str | None


def source_location(file: Path) -> SourceLocation | None:
    """Find a file in git; None where there is no git, or the commit holds other bytes."""
    file = file.resolve()
    answer = _git(
        file.parent, "rev-parse", "--show-toplevel", "HEAD", f"HEAD:./{file.name}",
        "--abbrev-ref", "HEAD",
    )  # fmt: skip
    if answer is None or len(answer.splitlines()) != 4:
        return None
    top, commit, blob, branch = answer.splitlines()
    if blob != _blob_id(file, len(blob)):
        return None
    remote = _git(file.parent, "config", "--get", "remote.origin.url")
    return SourceLocation(
        url=file.as_uri(),
        repository=re.sub(r"(?<=://)[^/@]*@", "", remote.strip()) if remote else None,
        path=file.relative_to(Path(top).resolve()).as_posix(),
        commit=commit,
        branch=None if branch == "HEAD" else branch,
    )


def _blob_id(file: Path, length: int) -> str:
    """Id that git gives to a file's bytes (gitformat: 'blob', length, NUL, bytes)."""
    data = file.read_bytes()
    algorithm = "sha256" if length == 64 else "sha1"
    return hashlib.new(
        algorithm, b"blob %d\0" % len(data) + data, usedforsecurity=False
    ).hexdigest()


def _git(folder: Path, *arguments: str) -> str | None:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True,
            timeout=_SECONDS, env=environment, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout if done.returncode == 0 else None
