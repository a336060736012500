"""Where versions are put: under their final name, whole or not at all."""

import contextlib
import errno
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from workbench.errors import TableError
from workbench.folders import link_or_copy, locked, move_into_place, work_folder
from workbench.tables.versions import TableVersion, check_files, open_version


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Tell a refusal of the file system in one sentence that names the folder."""
    try:
        yield
    except OSError as error:
        raise TableError(
            f"{folder}: cannot be written ({error.strerror or error}); expected room on the disk"
            " and permission to write. Earlier versions are unchanged: mend that and run again."
        ) from error


def settled(version: TableVersion, home: Path) -> TableVersion:
    """Move a built version to its final name; if it is there already, that one stands.

    A damaged version of the same content is moved aside, under a hidden name, for inspection.
    """
    target = home / version.version
    with locked(home):
        for _ in range(2):
            try:
                move_into_place(version.path, target)
                break
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            try:
                check_files(open_version(target))
                break
            except TableError:
                target.rename(home / f".damaged-{version.version}-{secrets.token_hex(4)}")
    return open_version(target)


def linked(version: TableVersion, home: Path) -> TableVersion:
    """As `settled`, for a version that stays where it was built: its files are linked or copied."""
    with work_folder(home) as work:
        folder = work / "version"
        folder.mkdir()
        for path in sorted(version.path.iterdir()):
            link_or_copy(path, folder / path.name)
        return settled(replace(version, path=folder), home)
