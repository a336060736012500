"""Opens a crate that somebody hands over: nothing in it is trusted before it is checked.

Every file must be one that its metadata name, with that size and SHA-256; names stay below the
folder, sizes below a limit that is checked before and while bytes are unpacked.
"""

import hashlib
import json
import re
import stat
import zipfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any, Final
from uuid import UUID

from workbench.contracts import tables
from workbench.errors import CrateError, TableError, WorkbenchError
from workbench.lineage.names import check_job
from workbench.runs.manifest import read_manifest
from workbench.tables.evidence import verify_version
from workbench.tables.versions import TableVersion, check_files, open_version

METADATA: Final = "ro-crate-metadata.json"
_METADATA_BYTES: Final = 64 * 2**20
_ENTRIES: Final = 50_000
_RATIO: Final = 200  # beyond this, what a file unpacks to is no report and no table
_SMALL: Final = 4 * 2**20  # so small that its ratio says nothing
_CHUNK: Final = 2**20
_MEMORY_MEGABYTES: Final = 512


def unpack(crate: Path, folder: Path, *, limit_mebibytes: int) -> None:
    """Unpack a crate into an empty folder, every byte checked against its metadata.

    Raises:
        CrateError: It is no crate, a name leaves the folder, it unpacks to more than the limit, or
            a file is not the one that the metadata describe.
    """
    try:
        with zipfile.ZipFile(crate) as archive:
            entries = _entries(crate, archive, limit_mebibytes)
            stated = _stated(crate, archive, entries)
            _compare_names(crate, set(entries) - {METADATA}, set(stated))
            for name, (size, digest) in stated.items():
                _extract(crate, archive, entries[name], folder / name, size, digest)
    except (OSError, zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError) as e:
        reason = getattr(e, "strerror", None) or str(e) or type(e).__name__
        raise _refused(crate, f"cannot be unpacked ({reason})", "a crate as it was written") from e
    except RuntimeError as error:  # what zipfile raises for an encrypted entry
        raise _refused(crate, "holds encrypted files", "none") from error


def _entries(
    crate: Path, archive: zipfile.ZipFile, limit_mebibytes: int
) -> dict[str, zipfile.ZipInfo]:
    """Files by name; refuses names, kinds and sizes that no crate of ours has."""
    found: dict[str, zipfile.ZipInfo] = {}
    infos = archive.infolist()
    if len(infos) > _ENTRIES:
        raise _refused(crate, f"holds {len(infos):,} files", f"at most {_ENTRIES:,}")
    for info in infos:
        name, shown = info.filename, repr(info.filename[:80])
        parts = PurePosixPath(name).parts
        if name.startswith("/") or "\\" in name or "\0" in name or ".." in parts or ":" in name:
            raise _refused(crate, f"{shown} leads out of its folder", "names below it")
        mode = info.external_attr >> 16
        if mode and stat.S_ISLNK(mode):
            raise _refused(crate, f"{shown} is a link", "files")
        if name.endswith("/"):
            continue
        if name in found:
            raise _refused(crate, f"{shown} is in it twice", "each file once")
        if info.file_size > max(_SMALL, _RATIO * info.compress_size):
            raise _refused(
                crate, f"{shown} unpacks to {info.file_size:,} bytes from {info.compress_size:,}",
                f"at most {_RATIO} times as many",
            )  # fmt: skip
        found[name] = info
    total = sum(info.file_size for info in found.values())
    if total > limit_mebibytes * 2**20:
        raise _refused(
            crate, f"unpacks to {total:,} bytes", f"at most {limit_mebibytes:,} MiB (--limit)"
        )
    return found


def _stated(
    crate: Path, archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo]
) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of each file, as the metadata have them."""
    if METADATA not in entries:
        raise _refused(crate, f"has no {METADATA}", "one at its top")
    if entries[METADATA].file_size > _METADATA_BYTES:
        raise _refused(crate, f"{METADATA} is too large", f"at most {_METADATA_BYTES:,} bytes")
    try:
        graph = json.loads(archive.read(METADATA))["@graph"]
        files = [entity for entity in graph if "File" in _types(entity)]
        return {str(file["@id"]): (int(file["contentSize"]), str(file["sha256"])) for file in files}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _refused(
            crate, f"{METADATA} does not describe each file ({type(error).__name__}: {error})",
            "@id, contentSize and sha256 of each",
        ) from error  # fmt: skip


def _types(entity: Mapping[str, Any]) -> list[str]:
    kind = entity["@type"]
    return kind if isinstance(kind, list) else [kind]


def _compare_names(crate: Path, found: set[str], stated: set[str]) -> None:
    for name in sorted(found ^ stated)[:1]:
        if name in found:
            raise _refused(crate, f"{name[:80]!r} is not in its metadata", "only files that are")
        raise _refused(crate, f"lacks {name[:80]!r}, which its metadata name", "all of them")


def _extract(
    crate: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, size: int, digest: str
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    found, taken = hashlib.sha256(), 0
    with archive.open(info) as source, path.open("xb") as target:
        while chunk := source.read(_CHUNK):
            taken += len(chunk)
            if taken > size:
                break
            found.update(chunk)
            target.write(chunk)
    if taken != size or found.hexdigest() != digest:
        raise _refused(
            crate, f"{info.filename[:80]!r} is altered (SHA-256 {found.hexdigest()[:16]}…)",
            f"{size:,} bytes with SHA-256 {digest[:16]}…",
        )  # fmt: skip


def _refused(crate: Path, found: str, expected: str) -> CrateError:
    return CrateError(
        f"{crate}: {found}; expected {expected}. Ask for the crate again where it was made."
    )


def opened_manifest(crate: Path, folder: Path) -> dict[str, Any]:
    """The run's manifest in an unpacked crate; what it names is as safe as names of our own.

    Raises:
        CrateError: It is missing or malformed.
    """
    try:
        manifest = read_manifest(folder / "report")
        check_job(str(manifest["notebook"]))
        date.fromisoformat(manifest["as_of"])
        UUID(manifest["run_id"])
        for side in ("inputs", "outputs"):
            for table, version in manifest[side].items():
                _check_version(table, version)
        for name in ("artefacts", "parameters"):
            if not isinstance(manifest[name], dict):
                raise ValueError(f"{name} is no object")
    except (WorkbenchError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _refused(
            crate, f"report/run.json is no manifest of a run ({error})", "one"
        ) from error
    return manifest


def _check_version(table: str, version: Mapping[str, Any]) -> None:
    tables.contract(table)
    for name, length in (("version", 16), ("digest", 64), ("content_digest", 64)):
        if not re.fullmatch(f"[0-9a-f]{{{length}}}", version[name]):
            raise ValueError(f"{name} of table {table} is {version[name]!r:.80}")


def checked_inputs(
    crate: Path, folder: Path, manifest: Mapping[str, Any]
) -> dict[str, TableVersion]:
    """Input versions that the crate holds, their digests computed again from the rows.

    Raises:
        CrateError: A table is not the version that the run read.
    """
    found = {}
    for table, stated in manifest["inputs"].items():
        path = folder / "workspace/data/tables" / str(table) / str(stated["version"])
        if not path.is_dir():
            continue
        try:
            version = open_version(path)
            check_files(version)
            verify_version(version, memory_megabytes=_MEMORY_MEGABYTES)
        except TableError as error:
            raise _refused(crate, f"table {table!r} is damaged ({error})", "its rows") from error
        if version.digest != stated["digest"]:
            raise _refused(
                crate, f"table {table!r} has digest {version.digest[:16]}…",
                f"{str(stated['digest'])[:16]}…, which the run read",
            )  # fmt: skip
        found[str(table)] = version
    return found
